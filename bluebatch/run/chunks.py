"""The files of a store's chunks: their names, whether they are on the disk, and whether whole."""

import errno
import itertools
import pathlib
import zlib
from collections.abc import Iterable
from typing import Any

import numpy as np
import zarr

from bluebatch import errors
from bluebatch.store import outputs, places, read, write


def flush(store: places.Place, files: Iterable[str]) -> None:
    """Wait until files of a store, and the folders that name them, have reached the disk.

    Parameters
    ----------
    store : pathlib.Path or upath.UPath
        The store.
    files : iterable of str
        Of files, relative to it.
    """
    if not isinstance(store, pathlib.Path):
        return  # what stands at a URL was whole when it was written
    folders = {store.parent, store}
    with write.room_on_disk(store):
        for name in files:
            outputs.flush(store / name)
            folders.update(store / above for above in pathlib.PurePosixPath(name).parents)
        for folder in folders:
            outputs.flush(folder)


def whole_mark(file: places.Place) -> str:
    """Sum a file that is written once, when the store is created.

    Parameters
    ----------
    file : pathlib.Path or upath.UPath
        E.g. a chunk of labels, which ends in no checksum of its own.

    Returns
    -------
    str
        ``bytes:crc32`` of all of it.
    """
    content = file.read_bytes()
    return f"{len(content)}:{zlib.crc32(content):08x}"


def damaged(array: "zarr.Array[Any]", name: str) -> bool:
    """Read one chunk whole, so that its codecs compare it with its checksum.

    Parameters
    ----------
    array : zarr.Array
        The array.
    name : str
        Of a chunk of it, e.g. ``"profile/c/3/0/0"``.

    Returns
    -------
    bool
        True if it cannot be read or decoded.
    """
    place = [int(index) for index in name.partition("/c/")[2].split("/") if index]
    where = tuple(
        slice(index * step, (index + 1) * step)
        for index, step in zip(place, array.chunks, strict=True)
    )
    try:
        with read.damaged_chunks(places.of_zarr(array), array.name):
            np.asarray(array[where])
    except errors.ForeignStoreError:
        return True
    except OSError as error:
        if error.errno == errno.EIO:
            return True
        raise
    return False


def names(name: str, array: "zarr.Array[Any]", rows: slice | None = None) -> list[str]:
    """Name the files of an array's chunks within its store.

    Parameters
    ----------
    name : str
        Of the array.
    array : zarr.Array
        The array.
    rows : slice, optional
        Only chunks that hold any of these.

    Returns
    -------
    list of str
        E.g. ``"profile/c/3/0/0"``.
    """
    sizes = zip(array.shape, array.chunks, strict=True)
    grid = [range(-(-size // chunk)) for size, chunk in sizes]
    if rows is not None:
        step = array.chunks[0]
        grid[0] = range(rows.start // step, -(-rows.stop // step))
    return ["/".join([name, "c", *map(str, place)]) for place in itertools.product(*grid)]


def size(store: places.Place, name: str) -> int | None:
    """Measure a file that may be missing.

    Parameters
    ----------
    store : pathlib.Path or upath.UPath
        The store.
    name : str
        Of the file, relative to it.

    Returns
    -------
    int or None
        Bytes; None where nothing lies there.
    """
    try:
        return (store / name).stat().st_size
    except (FileNotFoundError, NotADirectoryError):
        return None
