"""Single-cell references: opened, matched to one list of genes and cell types, and read."""

import contextlib
import dataclasses
import hashlib
import logging
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pydantic

from bluebatch import errors
from bluebatch.simulate import bundled, cell_types, counts, genes, h5ad

CellTypeSettings = cell_types.CellTypeSettings

_log = logging.getLogger(__name__)


class ReferenceSettings(pydantic.BaseModel):
    """Where a reference keeps what is read.

    Parameters
    ----------
    cell_type_key : str
        Column of obs with the cell types.
    donor_key : str, optional
        Column of obs with the donors; by default ``donor`` where there is one.
    layer : str, optional
        ``"X"``, ``"raw"`` or a layer's name; by default the first of the layer ``counts``, raw
        and X that holds counts.
    gene_column : str, optional
        Column of var with the gene names; by default its index.
    max_cells : int
        Cells of a type and reference that are read, drawn at random where there are more; 0
        reads all.
    """

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid")

    cell_type_key: str = "cell_type"
    donor_key: str | None = None
    layer: str | None = None
    gene_column: str | None = None
    max_cells: int = pydantic.Field(default=10_000, ge=0)


@dataclasses.dataclass(frozen=True)
class Reference:
    """The chosen cells of one reference.

    Parameters
    ----------
    name : str
        Label on the axis ``reference``.
    path, digest, layer : str
        Where it came from, what it was, which matrix was read.
    counts : scipy.sparse.csr_matrix, shape (cell, gene)
        Counts, float32.
    cell_type : np.ndarray of int, shape (cell,)
        Index into the atlas's cell types.
    donor : np.ndarray of str, shape (cell,), optional
        Donor of each cell.
    """

    name: str
    path: str
    digest: str
    layer: str
    counts: counts.Counts
    cell_type: npt.NDArray[np.int64]
    donor: npt.NDArray[np.object_] | None


@dataclasses.dataclass(frozen=True)
class Atlas:
    """All references on one list of genes and cell types.

    Parameters
    ----------
    references : tuple of Reference
        In the order given.
    genes, cell_types : list of str
        Labels.
    notes : list of str
        What was left out, merged or summed.
    """

    references: tuple[Reference, ...]
    genes: list[str]
    cell_types: list[str]
    notes: list[str]


@dataclasses.dataclass(frozen=True)
class _Opened:
    """A reference before its counts are read."""

    name: str
    path: str
    digest: str
    matrix: counts.Matrix
    columns: list[str]
    labels: npt.NDArray[np.object_]
    donor: npt.NDArray[np.object_] | None
    notes: list[str]


def load(
    paths: Sequence[str | pathlib.Path],
    settings: ReferenceSettings,
    types: cell_types.CellTypeSettings,
    rng: np.random.Generator,
) -> Atlas:
    """Read the chosen cells of every reference.

    Parameters
    ----------
    paths : sequence of str or pathlib.Path
        Files in h5ad format; the bundled reference where there are none.
    settings : ReferenceSettings
        Where they keep what is read.
    types : cell_types.CellTypeSettings
        Cell types kept, dropped and merged.
    rng : np.random.Generator
        Draws the cells of types with more than ``max_cells``.

    Returns
    -------
    Atlas
        Genes measured in every reference, in the order of the first.
    """
    names = name_references(paths)
    with contextlib.ExitStack() as stack:
        opened = [
            _open(str(path), name, settings, stack) for path, name in zip(paths, names, strict=True)
        ] or [_open_bundled()]
        kept = genes.common([each.columns for each in opened], [each.path for each in opened])
        choice = cell_types.choose([each.labels for each in opened], types, _places(opened))
        notes = [note for each in opened for note in each.notes] + choice.notes
        if len(opened) > 1:
            notes.append(f"{len(kept):,} genes are measured in all {len(opened)} references.")
        references = []
        for each, codes in zip(opened, choice.codes, strict=True):
            selected = _sample_cells(codes, settings.max_cells, rng, each.name, notes)
            references.append(_read(each, selected, codes, kept, notes))
    for note in notes:
        _log.debug("%s", note)
    return Atlas(tuple(references), kept, choice.cell_types, notes)


def name_references(paths: Sequence[str | pathlib.Path]) -> list[str]:
    """Name references after their files.

    Parameters
    ----------
    paths : sequence of str or pathlib.Path
        Files.

    Returns
    -------
    list of str
        Stems; a second file of the same stem becomes ``stem-2``.
    """
    names: list[str] = []
    for path in paths:
        stem = pathlib.Path(path).stem
        n_before = sum(pathlib.Path(other).stem == stem for other in paths[: len(names)])
        names.append(f"{stem}-{n_before + 1}" if n_before else stem)
    return names


def _places(opened: Sequence[_Opened]) -> list[str]:
    return [each.path for each in opened]


def _open(
    path: str, name: str, settings: ReferenceSettings, stack: contextlib.ExitStack
) -> _Opened:
    file = stack.enter_context(h5ad.open_file(path))
    obs, var = h5ad.frame(path, file, "obs"), h5ad.frame(path, file, "var")
    labels = h5ad.column(path, obs, settings.cell_type_key, "--cell-type-key")
    donor_key = settings.donor_key
    if donor_key is None and "donor" in obs.columns:
        donor_key = "donor"
    donor = None if donor_key is None else h5ad.column(path, obs, donor_key, "--donor-key")
    names: Any = var.index
    if settings.gene_column is not None:
        names = h5ad.column(path, var, settings.gene_column, "--gene-column", table="var")
    columns, notes = genes.clean(names, name)
    matrix = h5ad.find(path, file, settings.layer)
    if matrix.shape != (len(obs), len(var)):
        raise errors.InputFileError(
            f"{path}: {matrix.name} is {matrix.shape[0]:,} x {matrix.shape[1]:,}, needed: "
            f"{len(obs):,} cells x {len(var):,} genes as in obs and var. Give another --layer."
        )
    _log.info("%s: counts are read from %s", path, matrix.name)
    return _Opened(name, path, h5ad.digest(path), matrix, columns, labels, donor, notes)


def _open_bundled() -> _Opened:
    matrix, columns, labels = bundled.read()
    made = hashlib.sha256(matrix.values.data.tobytes() + matrix.values.indices.tobytes())
    made.update("\n".join([*columns, *labels]).encode())
    return _Opened(
        bundled.NAME,
        bundled.PATH,
        f"sha256:{made.hexdigest()}",
        matrix,
        columns,
        labels,
        None,
        [bundled.NOTE],
    )


def _sample_cells(
    codes: npt.NDArray[np.int64],
    max_cells: int,
    rng: np.random.Generator,
    name: str,
    notes: list[str],
) -> npt.NDArray[np.int64]:
    """List the cells of kept types in increasing order, at most ``max_cells`` of each."""
    chosen = []
    for code in np.unique(codes[codes >= 0]):
        cells = np.flatnonzero(codes == code)
        if max_cells and len(cells) > max_cells:
            cells = rng.choice(cells, max_cells, replace=False)
        chosen.append(cells)
    selected = np.sort(np.concatenate(chosen)) if chosen else np.empty(0, dtype=np.int64)
    n_kept = int((codes >= 0).sum())
    if len(selected) < n_kept:
        notes.append(
            f"{name}: {len(selected):,} of {n_kept:,} cells drawn, at most {max_cells:,} a type "
            "(setting max_cells)."
        )
    return selected.astype(np.int64)


def _read(
    opened: _Opened,
    selected: npt.NDArray[np.int64],
    codes: npt.NDArray[np.int64],
    kept: list[str],
    notes: list[str],
) -> Reference:
    values = opened.matrix.rows(selected, genes.sorter(opened.columns, kept))
    values.sort_indices()
    full = np.asarray(values.sum(axis=1)).ravel() > 0
    if not full.all():
        notes.append(f"{opened.name}: {int((~full).sum()):,} cells without counts left out.")
        values, selected = counts.Counts(values[full]), selected[full]
    return Reference(
        opened.name,
        opened.path,
        opened.digest,
        opened.matrix.name,
        values,
        codes[selected],
        None if opened.donor is None else opened.donor[selected],
    )
