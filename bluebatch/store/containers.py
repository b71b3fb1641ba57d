"""Tables in binary containers: parquet, h5ad and our own pseudobulk stores, in blocks."""

import json
import pathlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import anndata.io
import h5py
import numpy as np
import pyarrow
import pyarrow.parquet

from bluebatch import errors
from bluebatch.store import places, read, schema, tables


def open_parquet(path: pathlib.Path, gene_column: str | None = None) -> tables.Table:
    """Open a parquet file; labels of lines are its index or its first column of text.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    gene_column : str, optional
        Column of gene names; other columns of text are then left out with a note.

    Returns
    -------
    tables.Table
        Read batch by batch.

    Raises
    ------
    errors.InputFileError
        If it is damaged.
    errors.LabelMismatchError
        If no column labels the lines.
    """
    with _broken(path, "parquet"):
        file = pyarrow.parquet.ParquetFile(path)
    fields = file.schema_arrow
    text = [
        field.name
        for field in fields
        if pyarrow.types.is_string(field.type) or pyarrow.types.is_large_string(field.type)
    ]
    label = gene_column or _index_column(fields) or (text[0] if text else None)
    if label is None or label not in fields.names:
        raise errors.LabelMismatchError(
            f"{path}: has no column {label or 'of text'} that labels its lines. "
            "Write it with its index, or name the column of gene names with --gene-column."
        )
    left_out = set(text) - {label} if gene_column is not None else set()
    columns = [name for name in fields.names if name != label and name not in left_out]

    def blocks() -> tables.Blocks:
        size = tables.block_lines(len(columns))
        with _broken(path, "parquet"):
            for batch in file.iter_batches(batch_size=size, columns=[label, *columns]):
                lines = [str(item) for item in batch.column(label).to_pylist()]
                frame = batch.select(columns).to_pandas()
                yield tables.Block(lines, tables.frame_numbers(path, frame, lines, columns))

    notes = [f"columns left out: {', '.join(sorted(left_out))}"] if left_out else []
    known: tables.Axis | None = "gene" if gene_column is not None else None
    return tables.Table(str(path), columns, blocks, lines_are=known, notes=notes)


def open_h5ad(
    path: pathlib.Path, layer: str | None = None, gene_column: str | None = None
) -> tables.Table:
    """Open an h5ad file on disk, without loading its matrix.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    layer : str, optional
        ``"X"`` (default), ``"raw"`` or the name of a layer.
    gene_column : str, optional
        Column of ``var`` that holds the gene names; the index by default.

    Returns
    -------
    tables.Table
        Lines are observations, or variables where the matrix is stored by columns.

    Raises
    ------
    errors.InputFileError
        If it is truncated or no h5ad file.
    errors.LabelMismatchError
        If the layer or the column is not there.
    """
    with _broken(path, "h5ad"):
        file = h5py.File(path, "r")
        matrix, variables = _matrix(path, file, layer)
        observed, genes = anndata.io.read_elem(file["obs"]), anndata.io.read_elem(variables)
    if gene_column is not None and gene_column not in genes:
        raise errors.LabelMismatchError(
            f"{path}: var has no column {gene_column!r}, it has: {', '.join(genes) or 'none'}. "
            "Name the column of gene names with --gene-column."
        )
    names = genes.index if gene_column is None else genes[gene_column]
    rows, columns = [str(item) for item in observed.index], [str(item) for item in names]
    by_column = isinstance(matrix, h5py.Group) and matrix.attrs["encoding-type"] == "csc_matrix"
    source = anndata.io.sparse_dataset(matrix) if isinstance(matrix, h5py.Group) else matrix
    lines, across = (columns, rows) if by_column else (rows, columns)

    def blocks() -> tables.Blocks:
        step = tables.block_lines(len(across))
        for start in range(0, len(lines), step):
            some = slice(start, start + step)
            with _broken(path, "h5ad"):
                part = _dense(source[:, some] if by_column else source[some])
            yield tables.Block(lines[some], part.T if by_column else part)

    known: tables.Axis | None = None
    if gene_column is not None:
        known = "gene" if by_column else "sample"
    return tables.Table(str(path), across, blocks, lines_are=known)


def open_pseudobulk(path: places.Place, split: str | None = None) -> tables.Table:
    """Open the mixtures of a pseudobulk store, as if they were a cohort.

    Parameters
    ----------
    path : pathlib.Path or upath.UPath
        A complete pseudobulk store.
    split : str, optional
        Only the rows of this split.

    Returns
    -------
    tables.Table
        Lines are samples; origin ``pseudobulk``.

    Raises
    ------
    errors.LabelMismatchError
        If no row is of that split.
    """
    store = read.open_store(path, "pseudobulk")
    splits = store.read("split")
    rows = np.flatnonzero(splits == split) if split is not None else np.arange(len(splits))
    if not len(rows):
        found = ", ".join(sorted(set(map(str, splits)))) or "no samples"
        raise errors.LabelMismatchError(
            f"{path}: has no sample of the split {split!r}, it has: {found}. "
            "Choose another --split."
        )

    def blocks() -> tables.Blocks:
        for start in range(0, len(rows), schema.ROWS_PER_CHUNK):
            some = rows[start : start + schema.ROWS_PER_CHUNK]
            lines = [store.labels["sample"][row] for row in some]
            values = store.read("expression", some).astype(np.float64)
            yield tables.Block(lines, values)

    notes = [f"pseudobulk of {'every split' if split is None else f'the split {split}'}"]
    return tables.Table(
        str(path),
        store.labels["gene"],
        blocks,
        lines_are="sample",
        unit="counts",
        origin="pseudobulk",
        notes=notes,
    )


@contextmanager
def _broken(path: pathlib.Path, kind: str) -> Iterator[None]:
    try:
        yield
    except (OSError, KeyError, pyarrow.ArrowException) as error:
        if isinstance(error, errors.BluebatchError):
            raise
        raise errors.InputFileError(
            f"{path}: is truncated, damaged or not {kind} ({str(error).strip()[:120]}). "
            "Copy or download it again."
        ) from error


def _index_column(fields: Any) -> str | None:
    written = (fields.metadata or {}).get(b"pandas")
    index = json.loads(written).get("index_columns", []) if written else []
    return index[0] if index and isinstance(index[0], str) else None


def _matrix(path: pathlib.Path, file: Any, layer: str | None) -> tuple[Any, Any]:
    places = {name: f"layers/{name}" for name in file.get("layers", ())}
    places |= {"X": "X"} if "X" in file else {}
    places |= {"raw": "raw/X"} if "raw" in file else {}
    wanted = layer or "X"
    if wanted not in places:
        raise errors.LabelMismatchError(
            f"{path}: has no layer {wanted!r}, it has: {', '.join(places) or 'none'}. "
            "Choose one with --layer."
        )
    return file[places[wanted]], file["raw/var" if wanted == "raw" else "var"]


def _dense(values: Any) -> tables.FloatArray:
    dense = values if isinstance(values, np.ndarray) else values.toarray()
    return np.asarray(dense, dtype=np.float64)
