"""Opening whatever a user gives as bulk expression."""

import hashlib
import json
import os
import pathlib

import upath

from bluebatch import errors
from bluebatch.store import containers, digests, files, gdc, places, tables

_TEXT = (".csv", ".tsv", ".txt")
_EDGE_BYTES = 1 << 16


def open_source(
    source: places.Place,
    *,
    unit: tables.Unit | None = None,
    layer: str | None = None,
    gene_column: str | None = None,
    split: str | None = None,
    sheet: pathlib.Path | None = None,
) -> tables.Table:
    """Open a table, a folder of GDC files, a sample sheet or a pseudobulk store.

    Parameters
    ----------
    source : pathlib.Path or upath.UPath
        What the user gave; of URLs, a pseudobulk store alone will do.
    unit : str, optional
        Chooses the column of GDC files.
    layer : str, optional
        Layer of an h5ad file.
    gene_column : str, optional
        Column that holds the gene names.
    split : str, optional
        Split of a pseudobulk store.
    sheet : pathlib.Path, optional
        Sample sheet of a GDC folder.

    Returns
    -------
    tables.Table
        Nothing but its labels is read.

    Raises
    ------
    errors.MissingInputError
        If nothing is there.
    errors.InputFileError
        If it is none of these.
    errors.ConfigError
        If an option is given that this source has no use for.
    """
    if not isinstance(source, pathlib.Path):
        return _open_url(source, split)
    _require(source)
    _refuse_unused(source, {"--split": split, "--sheet": sheet, "--layer": layer})
    if sheet is not None:
        _require(sheet)
    if source.is_dir():
        if (source / "zarr.json").is_file():
            return containers.open_pseudobulk(source, split)
        return gdc.open_folder(source, unit, sheet)
    if source.stat().st_size == 0:
        raise errors.ValuesError(f"{source}: is empty, needed: a table of expression.")
    kind = _suffix(source)
    if kind == ".h5ad":
        return containers.open_h5ad(source, layer, gene_column)
    if kind in (".parquet", ".pq"):
        return containers.open_parquet(source, gene_column)
    if kind not in _TEXT:
        raise errors.InputFileError(
            f"{source}: is of an unknown kind ({kind or 'no suffix'}), needed: csv, tsv, txt "
            "(.gz too), parquet, h5ad, a folder of GDC files or a pseudobulk store. Convert it."
        )
    if gdc.is_sample_sheet(source):
        return gdc.open_folder(source.parent, unit, source)
    return tables.open_text(source, gene_column)


def digest(source: places.Place, sheet: pathlib.Path | None = None) -> str:
    """Digest a source, so that the same one is known again.

    Parameters
    ----------
    source : pathlib.Path or upath.UPath
        File, folder or store.
    sheet : pathlib.Path, optional
        Sample sheet of a folder.

    Returns
    -------
    str
        Hexadecimal. Of folders: name, size and both ends of each file, not every byte.
    """
    if not isinstance(source, pathlib.Path):
        return digests.of_store(source)
    if source.is_file() and not gdc.is_sample_sheet(source):
        return files.file_digest(source)
    if (source / "zarr.json").is_file():
        return digests.of_store(source)
    folder = source if source.is_dir() else source.parent
    parts = [
        [file.relative_to(folder).as_posix(), *_edges(file)] for file in gdc.star_files(folder)
    ]
    for sheet_file in (sheet, source):
        if sheet_file is not None and sheet_file.is_file():
            parts.append([sheet_file.name, files.file_digest(sheet_file)])
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _open_url(source: upath.UPath, split: str | None) -> tables.Table:
    with places.reached(source):
        if source.is_file():
            raise errors.InputFileError(
                f"{source}: is a file elsewhere, needed: a table on a disk, or a pseudobulk store. "
                "Copy the table to this machine first."
            )
    return containers.open_pseudobulk(source, split)


def _require(path: pathlib.Path) -> None:
    if not path.exists():
        raise errors.MissingInputError(f"{path}: nothing is there. Check the path.")
    if not os.access(path, os.R_OK):
        raise errors.InputFileError(
            f"{path}: cannot be read (permission denied). Ask its owner for permission."
        )


def _refuse_unused(source: pathlib.Path, given: dict[str, object]) -> None:
    if source.is_dir():
        used = "--split" if (source / "zarr.json").is_file() else "--sheet"
    else:
        used = "--layer" if _suffix(source) == ".h5ad" else ""
    unused = [name for name, value in given.items() if value is not None and name != used]
    if unused:
        wanted = {"--split": "pseudobulk stores", "--sheet": "GDC folders", "--layer": "h5ad files"}
        raise errors.ConfigError(
            f"{source}: has no use for {unused[0]}, which is for {wanted[unused[0]]}. Leave it out."
        )


def _suffix(source: pathlib.Path) -> str:
    path = source.with_suffix("") if source.suffix.lower() == ".gz" else source
    return path.suffix.lower()


def _edges(file: pathlib.Path) -> tuple[int, str]:
    size = file.stat().st_size
    with file.open("rb") as handle:
        ends = handle.read(_EDGE_BYTES)
        handle.seek(max(0, size - _EDGE_BYTES))
        ends += handle.read()
    return size, hashlib.sha256(ends).hexdigest()
