"""Writing stores: created full-size, filled by whole chunks, completed last."""

import errno
import pathlib
import uuid
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import metadata
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import safetensors
import zarr
from zarr.codecs import Crc32cCodec, ZstdCodec

from bluebatch import errors
from bluebatch.store import places, schema

Codec = Literal["none", "zstd"]

# A chunk of nothing but NaN is written like any other: else a lost chunk could not be told from it.
zarr.config.set({"array.write_empty_chunks": True})


def create(
    path: str | places.Place,
    spec: schema.StoreSpec,
    coordinates: Mapping[str, Sequence[str]],
    attributes: Mapping[str, Any],
    *,
    leave_out: Sequence[str] = (),
    codec: Codec = "none",
) -> zarr.Group:
    """Create a full-size, empty store with status ``writing``.

    Parameters
    ----------
    path : str, pathlib.Path or upath.UPath
        Where the store is to stand; nothing may lie there.
    spec : schema.StoreSpec
        Kind of store.
    coordinates : mapping of str to sequence of str
        Labels of every axis that the arrays use.
    attributes : mapping
        Root attributes, JSON values, beside ``kind``, ``status`` and versions.
    leave_out : sequence of str
        Optional arrays that this store does without.
    codec : {"none", "zstd"}
        Compression of the chunks; a crc32c or checksum is kept in both.

    Returns
    -------
    zarr.Group
        The store, open for `write`.
    """
    made_by = {
        "kind": spec.kind,
        "status": "writing",
        "format_version": schema.FORMAT_VERSION,
        "bluebatch_version": metadata.version("bluebatch"),
    }
    used = [array for array in spec.arrays if array.name not in leave_out]
    with room_on_disk(path):
        group = zarr.create_group(
            places.zarr_store(path, read_only=False),
            zarr_format=3,
            attributes={**attributes, **made_by},
        )
        for axis in dict.fromkeys(axis for array in used for axis in array.dims):
            _write_labels(group, axis, coordinates[axis])
        for array in used:
            shape = tuple(len(coordinates[axis]) for axis in array.dims)
            create_array(group, array, shape, codec)
    return group


def create_array(
    group: zarr.Group, spec: schema.ArraySpec, shape: tuple[int, ...], codec: Codec = "none"
) -> None:
    """Create an empty array as it is declared.

    Parameters
    ----------
    group : zarr.Group
        In which.
    spec : schema.ArraySpec
        Its declaration.
    shape : tuple of int
        Its shape.
    codec : {"none", "zstd"}
        Compression of the chunks, unless they hold text.
    """
    text = spec.dtype == "str"
    attributes = {"unit": spec.unit, "meaning": spec.meaning}
    group.create_array(
        spec.name,
        shape=shape,
        chunks=spec.chunk_shape(shape),
        dtype=spec.dtype,
        # Text is small, and compresses well.
        compressors=[_codec("zstd" if text else codec)],
        fill_value="" if text else (np.nan if spec.dtype.startswith("float") else 0),
        dimension_names=spec.dims,
        attributes={name: value for name, value in attributes.items() if value},
    )


def write(group: zarr.Group, name: str, rows: slice, values: npt.ArrayLike) -> None:
    """Write a block of rows, aligned to the chunks, of one array.

    Parameters
    ----------
    group : zarr.Group
        A store made by `create`.
    name : str
        Array.
    rows : slice
        Rows of the block: starts at a multiple of the chunk's rows and ends at one or at the end.
    values : array_like, shape (rows, ...)
        The block.

    Raises
    ------
    errors.DiskFullError
        If the disk has no space left; what was written before stays.
    """
    array = _array(group, name)
    step = array.chunks[0]
    if rows.start % step or (rows.stop % step and rows.stop != array.shape[0]):
        raise ValueError(f"{name}: rows {rows.start}-{rows.stop} share a chunk of {step}")
    with room_on_disk(places.of_zarr(group)):
        array[rows] = np.asarray(values)


def write_whole(group: zarr.Group, name: str, values: npt.ArrayLike) -> None:
    """Write all of an array.

    Parameters
    ----------
    group : zarr.Group
        A store made by `create`.
    name : str
        Array.
    values : array_like
        All its values.
    """
    array = _array(group, name)
    with room_on_disk(places.of_zarr(group)):
        array[...] = np.asarray(values)


def complete(group: zarr.Group, attributes: Mapping[str, Any] | None = None) -> None:
    """Mark a store as whole and consolidate its metadata, so that plain xarray opens it.

    Parameters
    ----------
    group : zarr.Group
        A store whose every chunk is written.
    attributes : mapping, optional
        Root attributes known only at the end.
    """
    with room_on_disk(places.of_zarr(group)), warnings.catch_warnings():
        # Consolidated metadata is not yet in the Zarr v3 specification; xarray reads it all the
        # same, and without it would warn each user at each opening.
        warnings.filterwarnings("ignore", message="Consolidated metadata")
        group.attrs.update({**(attributes or {}), "status": "complete"})
        zarr.consolidate_metadata(group.store)


def clear(path: str | places.Place) -> None:
    """Remove a store or folder: renamed away first, so that no half of it stays under its name.

    Parameters
    ----------
    path : str, pathlib.Path or upath.UPath
        What to remove; nothing happens where nothing lies. At a URL, where nothing is renamed,
        what makes a store or a model of it goes first.
    """
    for old in (places.place(path), run_folder(path)):
        if not isinstance(old, pathlib.Path):
            for name in ("zarr.json", "model.json"):
                places.remove(old / name)
        elif old.exists():
            old = old.rename(old.with_name(f".{old.name}.{uuid.uuid4().hex[:8]}.removed"))
        places.remove(old)


def run_folder(path: str | places.Place) -> places.Place:
    """Name the folder beside a store that holds its plan and completion markers.

    Parameters
    ----------
    path : str, pathlib.Path or upath.UPath
        A store.

    Returns
    -------
    pathlib.Path or upath.UPath
        ``<store>.run``.
    """
    store = places.place(path)
    return store.with_name(store.name + ".run")


@contextmanager
def room_on_disk(where: object) -> Iterator[None]:
    """Turn "no space left", and what buckets refuse, into errors that say what to do.

    Parameters
    ----------
    where : object
        What is being written, for the message.

    Yields
    ------
    None
        Nothing.

    Raises
    ------
    errors.DiskFullError
        If the disk, or the quota on it, is full.
    errors.UnreachableError
        If a place elsewhere refuses or does not answer.
    """
    try:
        with places.reached(where):
            yield
    except (OSError, safetensors.SafetensorError) as error:
        if _is_full(error):
            raise errors.DiskFullError(
                f"{where}: no space left on the disk. What is finished is kept: free some space "
                "and run the same command again to go on."
            ) from error
        if isinstance(error, FileNotFoundError) and "://" in str(where):
            raise errors.UnreachableError(
                f"{where}: cannot be written ({error}). Make the bucket, or check its name."
            ) from error
        raise


def _array(group: zarr.Group, name: str) -> zarr.Array[Any]:
    array = group[name]
    if not isinstance(array, zarr.Array):
        raise TypeError(f"{name} is not an array")
    return array


def _is_full(error: Exception) -> bool:
    full = (errno.ENOSPC, errno.EDQUOT)
    if isinstance(error, OSError):
        return error.errno in full
    return any(f"(os error {number})" in str(error) for number in full)


def _write_labels(group: zarr.Group, axis: str, labels: Sequence[str]) -> None:
    array = group.create_array(
        axis,
        shape=(len(labels),),
        chunks=(max(1, len(labels)),),
        dtype="str",
        compressors=[_codec("zstd")],
        dimension_names=(axis,),
    )
    if len(labels):
        array[:] = np.asarray(labels, dtype=object)


def _codec(codec: Codec) -> Crc32cCodec | ZstdCodec:
    return Crc32cCodec() if codec == "none" else ZstdCodec(level=1, checksum=True)
