"""Opening stores: checked against the schema, read by labels and rows."""

import dataclasses
import hashlib
import json
import os
import pathlib
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
import zarr

from bluebatch import errors
from bluebatch.store import schema

Array = npt.NDArray[Any]


@dataclasses.dataclass(frozen=True)
class Store:
    """A store that is open for reading.

    Parameters
    ----------
    path : str
        Where it stands.
    spec : schema.StoreSpec
        What kind it is.
    group : zarr.Group
        Its arrays.
    labels : dict of str to list of str
        Labels of every axis.
    """

    path: str
    spec: schema.StoreSpec
    group: zarr.Group
    labels: dict[str, list[str]]

    @property
    def attributes(self) -> dict[str, Any]:
        """Give the root attributes.

        Returns
        -------
        dict of str to Any
            As they stand in the store.
        """
        return dict(self.group.attrs)

    @property
    def n_rows(self) -> int:
        """Count the rows.

        Returns
        -------
        int
            Rows of the store.
        """
        return len(self.labels[self.spec.row])

    def has(self, name: str) -> bool:
        """Tell whether an optional array is there.

        Parameters
        ----------
        name : str
            Array.

        Returns
        -------
        bool
            True if the store holds it.
        """
        return name in self.group

    def read(self, name: str, rows: slice | Array | None = None) -> Array:
        """Read an array, or some of its rows.

        Parameters
        ----------
        name : str
            Array.
        rows : slice or array of int, optional
            Rows in increasing order; everything by default.

        Returns
        -------
        np.ndarray, shape (rows, ...)
            Text as an array of ``str`` objects.

        Raises
        ------
        errors.ForeignStoreError
            If a chunk does not match its checksum.
        """
        array = self.group[name]
        if not isinstance(array, zarr.Array):
            raise TypeError(f"{name} is not an array")
        with damaged_chunks(self.path, name):
            if rows is None or isinstance(rows, slice):
                values = np.asarray(array[slice(None) if rows is None else rows])
            else:
                values = np.asarray(array.get_orthogonal_selection((rows,)))
        return values.astype(object) if self.spec.array(name).dtype == "str" else values


def open_store(path: str | pathlib.Path, *kinds: str, complete: bool = True) -> Store:
    """Open a store and check it against the schema.

    Parameters
    ----------
    path : str or pathlib.Path
        A Zarr store.
    *kinds : str
        Kinds that will do, e.g. ``"cohort", "pseudobulk"``; any by default.
    complete : bool
        Whether an unfinished store is refused.

    Returns
    -------
    Store
        The open store.

    Raises
    ------
    errors.MissingInputError
        If nothing lies there.
    errors.ForeignStoreError
        If it is no store of ours, of another kind or format version, or lacks arrays.
    errors.IncompleteError
        If it is unfinished.
    """
    group = _open_group(path)
    attributes = dict(group.attrs)
    kind = attributes.get("kind")
    wanted = " or ".join(kinds or schema.SPECS)
    if kind not in schema.SPECS or (kinds and kind not in kinds):
        raise errors.ForeignStoreError(
            f"{path}: is {f'a {kind} store' if kind else 'a Zarr store without a kind'}, "
            f"needed: {wanted}. Give a store made by bluebatch."
        )
    version = attributes.get("format_version", schema.FORMAT_VERSION)
    if version != schema.FORMAT_VERSION:
        raise errors.ForeignStoreError(
            f"{path}: has format version {version}, needed: {schema.FORMAT_VERSION}. "
            "Make it again with this version of bluebatch."
        )
    if complete and attributes.get("status") != "complete":
        raise errors.IncompleteError(
            f"{path}: is unfinished (status {attributes.get('status')!r}). "
            "Run the command that was making it again: it resumes."
        )
    spec = schema.SPECS[kind]
    _check_arrays(path, group, spec)
    if complete and "bluebatch_version" in attributes:
        _check_chunks(path, group)
    axes = dict.fromkeys(
        axis for array in spec.arrays if array.name in group for axis in array.dims
    )
    labels = {axis: [str(label) for label in np.asarray(group[axis][:])] for axis in axes}  # type: ignore[index]
    return Store(str(path), spec, group, labels)


@contextmanager
def damaged_chunks(path: object, name: str) -> Iterator[None]:
    """Turn what codecs raise on a damaged chunk into an error that says so.

    Parameters
    ----------
    path : object
        The store, for the message.
    name : str
        Array that is being read.

    Yields
    ------
    None
        Nothing.

    Raises
    ------
    errors.ForeignStoreError
        If a chunk is torn or does not match its checksum.
    """
    try:
        yield
    except (ValueError, RuntimeError) as error:
        if isinstance(error, errors.BluebatchError):
            raise
        raise errors.ForeignStoreError(
            f"{path}: {name!r} holds a damaged chunk ({str(error).split('.')[0]}). "
            "Copy the store or make it again."
        ) from error


def digest(path: str | pathlib.Path) -> str:
    """Digest a store's metadata and every chunk's stored checksum.

    Parameters
    ----------
    path : str or pathlib.Path
        A store on a local disk.

    Returns
    -------
    str
        Hexadecimal; changes when any array, label or attribute does.

    Notes
    -----
    A chunk ends in the crc32c, or the zstd checksum, of its own values, so its last bytes and its
    length stand for it and gigabytes need not be read.
    """
    total = hashlib.sha256()
    root = pathlib.Path(path)
    for file in sorted(found for found in root.rglob("*") if found.is_file()):
        if file.name == "zarr.json":
            part = json.dumps(_metadata(file), sort_keys=True).encode()
        else:
            part = chunk_mark(file).encode()
        total.update(f"{file.relative_to(root).as_posix()}\n".encode() + part + b"\n")
    return total.hexdigest()


def chunk_mark(file: pathlib.Path) -> str:
    """Read what identifies a chunk's content: its length and last eight bytes.

    Parameters
    ----------
    file : pathlib.Path
        A chunk's file.

    Returns
    -------
    str
        ``bytes:tail``; whole small chunks are summed, since text chunks end in no checksum.
    """
    size = file.stat().st_size
    with file.open("rb") as handle:
        if size <= 1 << 16:
            return f"{size}:{zlib.crc32(handle.read()):08x}"
        handle.seek(-8, 2)
        return f"{size}:{handle.read().hex()}"


def _metadata(file: pathlib.Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(file.read_text())
    content.pop("consolidated_metadata", None)
    return content


def _open_group(path: str | pathlib.Path) -> zarr.Group:
    if not pathlib.Path(path).exists():
        raise errors.MissingInputError(f"{path}: nothing is there. Check the path.")
    try:
        return zarr.open_group(str(path), mode="r")
    except (FileNotFoundError, ValueError, KeyError, NotADirectoryError) as error:
        raise errors.ForeignStoreError(
            f"{path}: is not a Zarr group. Give a store made by bluebatch."
        ) from error


def _check_arrays(path: str | pathlib.Path, group: zarr.Group, spec: schema.StoreSpec) -> None:
    for declared in spec.arrays:
        if declared.name not in group:
            if declared.optional:
                continue
            raise errors.ForeignStoreError(
                f"{path}: lacks the array {declared.name!r} of a {spec.kind} store. Make it again."
            )
        array = group[declared.name]
        found = getattr(array.metadata, "dimension_names", None)
        if found != declared.dims:
            raise errors.ForeignStoreError(
                f"{path}: {declared.name!r} has the axes {found}, needed: {declared.dims}. "
                "Make it again."
            )
        accepted = (declared.dtype, *declared.dtypes)
        if declared.dtype != "str" and str(array.dtype) not in accepted:  # type: ignore[union-attr]
            raise errors.ForeignStoreError(
                f"{path}: {declared.name!r} is {array.dtype}, needed: "  # type: ignore[union-attr]
                f"{' or '.join(accepted)}. Make it again."
            )


def _check_chunks(path: str | pathlib.Path, group: zarr.Group) -> None:
    # We write every chunk, even one of gaps alone: a lost one would be read as gaps or zeros.
    for name, array in group.arrays():
        folder = pathlib.Path(path) / name / "c"
        n_found = sum(len(files) for _, _, files in os.walk(folder))
        if n_found < array.nchunks:
            raise errors.ForeignStoreError(
                f"{path}: {name!r} has {n_found:,} of its {array.nchunks:,} chunks. "
                "Copy the store or make it again."
            )
