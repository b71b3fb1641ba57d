"""Where stores, models and markers stand: a folder on a disk, or a URL that fsspec opens.

Both are handled through the methods of `pathlib.Path`, which `upath.UPath` has for URLs.
"""

import os
import pathlib
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeAlias

import fsspec
import upath
import zarr
import zarr.storage

from bluebatch import errors

Place: TypeAlias = pathlib.Path | upath.UPath

# What these say is of what is read or written, whatever the place.
_NOT_OF_A_PLACE = (
    errors.BluebatchError,
    FileNotFoundError,
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    MemoryError,
    RuntimeError,
    TypeError,
    ValueError,
)

# Ends of the names under which zarr, and we, write a file before it is whole; what was killed
# leaves them behind.
HALF_WRITTEN = (".partial", ".tmp")


def place(path: str | Place) -> Place:
    """Turn what a user gave into a path.

    Parameters
    ----------
    path : str, pathlib.Path or upath.UPath
        A path, or a URL such as ``s3://bucket/store.zarr``.

    Returns
    -------
    pathlib.Path or upath.UPath
        A `pathlib.Path` for whatever lies on a disk.

    Raises
    ------
    errors.UnreachableError
        If no package is installed that opens such a URL.

    Notes
    -----
    Credentials and addresses come from the environment, as the package of each scheme reads it,
    so that every process of a run finds the same.
    """
    if isinstance(path, pathlib.Path):
        return pathlib.Path(path)
    text = str(path)
    if "://" not in text:
        return pathlib.Path(text)
    if text.startswith(("file://", "local://")):
        return pathlib.Path(text.split("://", 1)[1])
    scheme = text.split("://", 1)[0]
    try:
        fsspec.get_filesystem_class(scheme)
    except ImportError as error:
        raise errors.UnreachableError(
            f"{text}: no package for {scheme}:// is installed ({error}). "
            "Run: pip install 'bluebatch[cloud]'"
        ) from error
    except ValueError as error:
        raise errors.UnreachableError(
            f"{text}: the scheme {scheme}:// is not known. Give a path, or a URL that fsspec "
            "opens, such as s3://bucket/name."
        ) from error
    # Other processes write beside this one: a remembered listing would hide their markers.
    return upath.UPath(text, use_listings_cache=False)


def is_local(path: str | Place) -> bool:
    """Tell whether a path lies on a disk.

    Parameters
    ----------
    path : str, pathlib.Path or upath.UPath
        Any path.

    Returns
    -------
    bool
        False for URLs.
    """
    return isinstance(place(path), pathlib.Path)


@contextmanager
def reached(path: object) -> Iterator[None]:
    """Turn what file systems elsewhere raise into an error that says what to do.

    Parameters
    ----------
    path : object
        What is read or written; nothing is turned where it is no URL.

    Yields
    ------
    None
        Nothing.

    Raises
    ------
    errors.UnreachableError
        If the place refuses or does not answer.
    """
    try:
        yield
    except Exception as error:
        # The packages of the schemes have errors of their own, which are known by name alone:
        # importing these packages here would need them installed.
        if "://" not in str(path) or isinstance(error, _NOT_OF_A_PLACE):
            raise
        raise errors.UnreachableError(f"{path}: {_told(error)}") from error


def zarr_store(path: str | Place, *, read_only: bool) -> str | zarr.storage.FsspecStore:
    """Name a store for zarr.

    Parameters
    ----------
    path : str, pathlib.Path or upath.UPath
        Of the store.
    read_only : bool
        Whether it is only read.

    Returns
    -------
    str or zarr.storage.FsspecStore
        What ``zarr.open_group`` takes.
    """
    found = place(path)
    if isinstance(found, pathlib.Path):
        return str(found)
    options: dict[str, Any] = dict(found.storage_options)
    if found.protocol in ("s3", "s3a"):
        # s3fs asks for an object's size first, to read a large one in stretches: chunks are not.
        options["max_concurrency"] = 1
    return zarr.storage.FsspecStore.from_url(str(found), options, read_only=read_only)


def of_zarr(node: "zarr.Group | zarr.Array[Any]") -> str:
    """Name the place of a store that zarr has open.

    Parameters
    ----------
    node : zarr.Group or zarr.Array
        The store, or anything within it.

    Returns
    -------
    str
        A path, or a URL.
    """
    store = node.store
    if isinstance(store, zarr.storage.FsspecStore):
        return str(store.fs.unstrip_protocol(store.path))
    return str(store).removeprefix("file://")


def sizes(folder: Place) -> dict[str, int]:
    """List every file below a folder, in one walk, but for those that are only half written.

    Parameters
    ----------
    folder : pathlib.Path or upath.UPath
        May be missing.

    Returns
    -------
    dict of str to int
        Bytes by name relative to the folder, with ``/`` between parts.
    """
    if isinstance(folder, pathlib.Path):
        return dict(_sizes_on_disk(folder))
    root = folder.path.rstrip("/") + "/"
    with reached(folder):
        found = folder.fs.find(root, detail=True)
    # A web console makes a folder of a bucket by an empty object whose name ends in a slash.
    return {
        name.removeprefix(root): int(facts["size"])
        for name, facts in found.items()
        if not name.endswith("/")
    }


def remove(path: Place) -> None:
    """Remove a file, or a folder with all it holds.

    Parameters
    ----------
    path : pathlib.Path or upath.UPath
        Nothing happens where nothing lies; a whole bucket is never removed.
    """
    if not isinstance(path, pathlib.Path):
        with reached(path):
            if path.name and path.exists():
                path.fs.rm(path.path, recursive=True)
    elif path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


@contextmanager
def local_copy(file: Place) -> Iterator[pathlib.Path]:
    """Give a file to a library that reads disks alone.

    Parameters
    ----------
    file : pathlib.Path or upath.UPath
        To be read.

    Yields
    ------
    pathlib.Path
        The file itself, or a copy that is removed afterwards.
    """
    if isinstance(file, pathlib.Path):
        yield file
        return
    with tempfile.TemporaryDirectory() as folder:
        copy = pathlib.Path(folder) / file.name
        with reached(file):
            file.fs.get_file(file.path, str(copy))
        yield copy


@contextmanager
def scratch_file(beside: Place) -> Iterator[pathlib.Path]:
    """Name a file on a disk for what does not fit into memory while something is written.

    Parameters
    ----------
    beside : pathlib.Path or upath.UPath
        What is written: the disk of a path, else that of temporary files, is used.

    Yields
    ------
    pathlib.Path
        Not made yet; the caller removes it.
    """
    if isinstance(beside, pathlib.Path):
        yield beside.with_name(f".{beside.name}.spill")
        return
    with tempfile.TemporaryDirectory(prefix="bluebatch-") as folder:
        yield pathlib.Path(folder) / "spill"


def _sizes_on_disk(folder: pathlib.Path) -> Iterator[tuple[str, int]]:
    for parent, _, names in os.walk(folder):
        below = pathlib.Path(parent).relative_to(folder)
        for name in names:
            if not name.endswith(HALF_WRITTEN):
                # Another process may have given it another name since it was listed.
                with suppress(FileNotFoundError):
                    yield (below / name).as_posix(), os.stat(os.path.join(parent, name)).st_size


def _told(error: Exception) -> str:
    names = " ".join(kind.__name__ for kind in type(error).__mro__)
    said = " ".join(str(error).split())[:160].rstrip(".") or type(error).__name__
    if isinstance(error, PermissionError):
        return (
            f"permission denied ({said}). Check the credentials, and what the bucket's policy "
            "grants them."
        )
    if "Credential" in names:
        return (
            f"no credentials are found ({said}). Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, "
            "or what other schemes have in their place."
        )
    if "Connect" in names or "Timeout" in names:
        return (
            f"the server does not answer ({said}). Check AWS_ENDPOINT_URL, or the address that "
            "other schemes have in its place, and the network."
        )
    return f"cannot be read or written ({said}). Check the URL and the credentials."
