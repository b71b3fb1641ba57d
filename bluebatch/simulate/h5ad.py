"""What an h5ad file holds: its tables, and which of its matrices are counts.

Files are read through h5py rather than a backed AnnData, which holds layers in memory.
"""

import contextlib
import hashlib
import pathlib
from collections.abc import Iterator, Sequence

import h5py
import numpy as np
import numpy.typing as npt
import pandas as pd
from anndata.io import read_elem

from bluebatch import errors
from bluebatch.simulate import stored

WHOLE_DIGEST_BYTES = 2 << 30
END_BYTES = 64 << 20
READ_BYTES = 1 << 22


@contextlib.contextmanager
def open_file(path: str | pathlib.Path) -> Iterator[h5py.File]:
    """Open an h5ad file for reading.

    Parameters
    ----------
    path : str or pathlib.Path
        The file.

    Yields
    ------
    h5py.File
        The open file, with ``obs``, ``var`` and ``X``.

    Raises
    ------
    errors.MissingInputError
        If there is no file.
    errors.InputFileError
        If it is no h5ad file, or a torn one.
    """
    _check_there(path)
    try:
        with h5py.File(path, "r") as file:
            lacking = {"obs", "var"} - set(file)
            if lacking:
                raise errors.InputFileError(
                    f"{path}: lacks {' and '.join(sorted(lacking))}, needed: an AnnData file. "
                    "Write it with AnnData.write_h5ad."
                )
            yield file
    except errors.BluebatchError:
        raise
    except (OSError, RuntimeError) as error:
        raise errors.InputFileError(
            f"{path}: cannot be read as h5ad ({str(error).splitlines()[0]}). "
            "The file may be torn or of another format: copy or write it again."
        ) from error


def find(path: str, file: h5py.File, layer: str | None) -> stored.StoredMatrix:
    """Find the matrix that holds the counts.

    Parameters
    ----------
    path : str
        Path of the file, for messages.
    file : h5py.File
        The open file.
    layer : str, optional
        ``"X"``, ``"raw"`` or a layer's name; by default the first of the layer ``counts``, raw
        and X that holds counts.

    Returns
    -------
    stored.StoredMatrix
        The matrix.

    Raises
    ------
    errors.LabelMismatchError
        If there is no such layer.
    errors.ValuesError
        If it, or every matrix there is, holds something else.
    """
    there = _matrices(path, file)
    if layer is not None and layer not in there:
        raise errors.LabelMismatchError(
            f"{path}: has no layer {layer!r}, there are: {', '.join(there) or 'none'}. "
            "Give one of these to --layer."
        )
    wanted = [layer] if layer is not None else [n for n in ("counts", "raw", "X") if n in there]
    for name in wanted:
        if there[name].found() == "counts":
            return there[name]
    held = "; ".join(f"{name} holds {matrix.found()}" for name, matrix in there.items())
    raise errors.ValuesError(
        f"{path}: no counts found ({held or 'no matrix'}), needed: non-negative whole numbers. "
        "Name the matrix that holds them with --layer X, raw or a layer's name."
    )


def frame(path: str, file: h5py.File, name: str, only: Sequence[str] | None = None) -> pd.DataFrame:
    """Read the table of cells or genes.

    Parameters
    ----------
    path : str
        Path of the file, for messages.
    file : h5py.File
        The open file.
    name : {"obs", "var"}
        Which.
    only : sequence of str, optional
        Columns that are read where they are there, without the index; all by default.

    Returns
    -------
    pd.DataFrame
        The table, or its columns; their names all stand in ``attrs["columns"]``.

    Raises
    ------
    errors.InputFileError
        If it cannot be read.
    """
    node = file[name]
    # Files of before 2020 keep a table, or the labels of its columns, in one piece.
    apart = isinstance(node, h5py.Group) and node.attrs.get("encoding-version") == "0.2.0"
    try:
        table = read_elem(node) if only is None or not apart else _columns(node, only)
    except (KeyError, TypeError, ValueError) as error:
        raise errors.InputFileError(
            f"{path}: {name} cannot be read ({error}). Write the file again with "
            "AnnData.write_h5ad."
        ) from error
    if not isinstance(table, pd.DataFrame):
        raise errors.InputFileError(f"{path}: {name} is no table. Write the file again.")
    table.attrs.setdefault("columns", [str(column) for column in table.columns])
    return table


def column(
    path: str, frame: pd.DataFrame, key: str, flag: str, table: str = "obs"
) -> npt.NDArray[np.object_]:
    """Take one column as text.

    Parameters
    ----------
    path : str
        Path of the file, for messages.
    frame : pd.DataFrame
        Read by `frame`.
    key, flag : str
        Column, and the flag that names it.
    table : str
        What the table is called.

    Returns
    -------
    np.ndarray of str
        ``""`` where a value is missing. Equal labels are one object.

    Raises
    ------
    errors.LabelMismatchError
        If there is no such column; lists those there are.
    """
    if key not in frame.columns:
        raise errors.LabelMismatchError(
            f"{path}: {table} has no column {key!r}, there are: "
            f"{', '.join(frame.attrs['columns']) or 'none'}. Give one of these to {flag}."
        )
    codes, values = pd.factorize(frame[key])
    # Missing values have the code -1: the last.
    return np.array([*map(str, values), ""], dtype=object)[codes]


def digest(path: str | pathlib.Path) -> str:
    """Digest a reference file.

    Parameters
    ----------
    path : str or pathlib.Path
        The file.

    Returns
    -------
    str
        ``sha256:...`` of the content; of files over 2 GiB ``sha256-ends:...``, the size with the
        first and last 64 MiB.

    Raises
    ------
    errors.MissingInputError
        If there is no file.
    """
    _check_there(path)
    size = pathlib.Path(path).stat().st_size
    total = hashlib.sha256()
    with pathlib.Path(path).open("rb") as handle:
        if size <= WHOLE_DIGEST_BYTES:
            while block := handle.read(READ_BYTES):
                total.update(block)
            return f"sha256:{total.hexdigest()}"
        total.update(f"{size}\n".encode() + handle.read(END_BYTES))
        handle.seek(-END_BYTES, 2)
        total.update(handle.read())
    return f"sha256-ends:{total.hexdigest()}"


def _check_there(path: str | pathlib.Path) -> None:
    if not pathlib.Path(path).is_file():
        what = "is a folder" if pathlib.Path(path).is_dir() else "nothing is there"
        raise errors.MissingInputError(f"{path}: {what}, needed: an .h5ad file. Check the path.")


def _columns(node: h5py.Group, only: Sequence[str]) -> pd.DataFrame:
    names = [str(name) for name in node.attrs["column-order"]]
    n_rows = len(read_elem(node[node.attrs["_index"]]))
    read = {key: read_elem(node[key]) for key in only if key in names}
    table = pd.DataFrame(read, index=pd.RangeIndex(n_rows))
    table.attrs["columns"] = names
    return table


def _matrices(path: str, file: h5py.File) -> dict[str, stored.StoredMatrix]:
    nodes = {name: file["layers"][name] for name in file.get("layers", {})}
    if "raw" in file and "X" in file["raw"]:
        nodes["raw"] = file["raw"]["X"]
    if "X" in file and isinstance(file["X"], h5py.Group | h5py.Dataset):
        nodes["X"] = file["X"]
    matrices = {}
    for name, node in nodes.items():
        dense = isinstance(node, h5py.Dataset) and len(node.shape) == 2
        if dense or (isinstance(node, h5py.Group) and "indptr" in node):
            matrices[name] = stored.StoredMatrix(path, name, node)
    return matrices
