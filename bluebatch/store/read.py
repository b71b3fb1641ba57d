"""Opening stores: checked against the schema, read by labels and rows."""

import collections
import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
import zarr

from bluebatch import errors
from bluebatch.store import places, schema

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

    def read_type(self, name: str, rows: Array, cell_type: int) -> Array:
        """Read rows of one cell type of an array by sample, cell type and gene.

        Parameters
        ----------
        name : str
            Array, such as ``"profile"``.
        rows : np.ndarray of int
            Rows in increasing order.
        cell_type : int
            Position of the type.

        Returns
        -------
        np.ndarray of float32, shape (rows, gene)
            Chunks of other types are not read.

        Raises
        ------
        errors.ForeignStoreError
            If a chunk does not match its checksum.
        """
        array: Any = self.group[name]
        with damaged_chunks(self.path, name):
            values: Array = array.get_orthogonal_selection((rows, int(cell_type), slice(None)))
        return values.astype(np.float32, copy=False)


def open_store(path: str | places.Place, *kinds: str, complete: bool = True) -> Store:
    """Open a store and check it against the schema.

    Parameters
    ----------
    path : str, pathlib.Path or upath.UPath
        A Zarr store: a path, or a URL.
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
    group = open_group(path)
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
    """Turn what is raised on a damaged chunk, or by a place elsewhere, into errors that say so.

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
    errors.UnreachableError
        If a place elsewhere refuses or does not answer.
    """
    try:
        with places.reached(path):
            yield
    except (ValueError, RuntimeError) as error:
        if isinstance(error, errors.BluebatchError):
            raise
        raise errors.ForeignStoreError(
            f"{path}: {name!r} holds a damaged chunk ({str(error).split('.')[0]}). "
            "Copy the store or make it again."
        ) from error


def open_group(path: str | places.Place) -> zarr.Group:
    """Open a Zarr group for reading, whatever it holds.

    Parameters
    ----------
    path : str, pathlib.Path or upath.UPath
        Of the group.

    Returns
    -------
    zarr.Group
        Read-only.

    Raises
    ------
    errors.MissingInputError
        If nothing lies there.
    errors.ForeignStoreError
        If it is no Zarr group.
    """
    with places.reached(path):
        try:
            return zarr.open_group(places.zarr_store(path, read_only=True), mode="r")
        except (FileNotFoundError, ValueError, KeyError, NotADirectoryError) as error:
            if not places.place(path).exists():
                raise errors.MissingInputError(
                    f"{path}: nothing is there. Check the path."
                ) from error
            raise errors.ForeignStoreError(
                f"{path}: is not a Zarr group. Give a store made by bluebatch."
            ) from error


def _check_arrays(path: str | places.Place, group: zarr.Group, spec: schema.StoreSpec) -> None:
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


def _check_chunks(path: str | places.Place, group: zarr.Group) -> None:
    # We write every chunk, even one of gaps alone: a lost one would be read as gaps or zeros.
    files = places.sizes(places.place(path))
    n_found = collections.Counter(name.partition("/c/")[0] for name in files if "/c/" in name)
    for name, array in group.members(max_depth=None):
        if isinstance(array, zarr.Array) and n_found[name] < array.nchunks:
            raise errors.ForeignStoreError(
                f"{path}: {name!r} has {n_found[name]:,} of its {array.nchunks:,} chunks. "
                "Copy the store or make it again."
            )
