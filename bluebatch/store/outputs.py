"""Output paths: nothing of the user's lost, no file under its name before it is whole."""

import os
import pathlib
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import upath

from bluebatch import errors
from bluebatch.store import digests, places, read, write

# Every store and model, finished or not, holds one of these; .zgroup is of older Zarr formats.
_OURS = {"zarr.json", ".zgroup", "model.json", "checkpoint"}


def check(
    path: str | places.Place, inputs: Sequence[str | places.Place | None], *, overwrite: bool
) -> None:
    """Refuse an output path where something would be lost that no command can make again.

    Parameters
    ----------
    path : str, pathlib.Path or upath.UPath
        What is to be written.
    inputs : sequence of str, pathlib.Path, upath.UPath or None
        What it is made from.
    overwrite : bool
        Whether what stands there is to be replaced.

    Raises
    ------
    errors.OutputExistsError
        If the path is or holds an input, lies in a store that is one, is a whole bucket, or is to
        be replaced though it is a folder of other files than a store's or a model's.
    errors.UnreachableError
        If it lies elsewhere, and the place does not answer.
    """
    out = _absolute(path)
    if not out.name and not isinstance(out, pathlib.Path):
        raise errors.OutputExistsError(
            f"{path}: is a whole bucket. Choose a name within it, such as {out / 'results.zarr'}."
        )
    with places.reached(path):
        _check_inputs(out, path, inputs)
        # Of a place that does not answer, exists() tells, and is_dir() only says no.
        found = {each.name for each in out.iterdir()} if out.exists() and out.is_dir() else set()
    if overwrite and found and not found & _OURS:
        raise errors.OutputExistsError(
            f"{path}: is a folder of other files than a store's or a model's ({min(found)}, ...), "
            "and --overwrite removes no such folder. Choose another --out."
        )


def stands_complete(out: places.Place, plan: str, *, overwrite: bool) -> bool:
    """Tell whether what is to be written stands there already.

    Parameters
    ----------
    out : pathlib.Path or upath.UPath
        Store to write.
    plan : str
        Digest of what it is made from and how: its root attribute ``plan``.
    overwrite : bool
        Whether what stands there is to be replaced.

    Returns
    -------
    bool
        False where nothing stands, or an unfinished store of the same plan.

    Raises
    ------
    errors.OutputExistsError
        If something else stands there, and is not to be replaced.
    """
    if not out.exists() or overwrite:
        return False
    try:
        found = dict(read.open_group(out).attrs)
    except errors.InputFileError:
        found = {}
    if found.get("plan") != plan:
        raise errors.OutputExistsError(
            f"{out}: something that this run did not make stands there. "
            "Choose another --out, or give --overwrite to replace it."
        )
    return found.get("status") == "complete"


@contextmanager
def whole_file(file: places.Place) -> Iterator[pathlib.Path]:
    """Give a file its name only when it is whole and on the disk.

    Parameters
    ----------
    file : pathlib.Path or upath.UPath
        What is to be written, in a folder that is made if missing; replaced if it is there.
        To a URL it goes in one piece, which takes the place of the renaming, and is read back.

    Yields
    ------
    pathlib.Path
        An empty file to be written in its place.

    Raises
    ------
    errors.DiskFullError
        If the disk has no space left; what stood there before stays.
    errors.UnreachableError
        If a place elsewhere refuses it, or keeps other bytes than were sent.
    """
    if not isinstance(file, pathlib.Path):
        with tempfile.TemporaryDirectory() as folder:
            local = pathlib.Path(folder) / file.name
            local.touch()
            yield local
            _send(local, file)
        return
    temporary = file.with_name(f".{file.name}.{os.getpid()}.tmp")
    with write.room_on_disk(file):
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            temporary.touch()
            mode = temporary.stat().st_mode
            yield temporary
            # safetensors leaves files to their owner alone; ours are as readable as any.
            temporary.chmod(mode)
            flush(temporary)
            temporary.replace(file)
            flush(file.parent)
        finally:
            temporary.unlink(missing_ok=True)


def flush(path: places.Place) -> None:
    """Wait until a file, or the names in a folder, have reached the disk.

    Parameters
    ----------
    path : pathlib.Path or upath.UPath
        File or folder. What stands at a URL was whole when it was written.
    """
    if not isinstance(path, pathlib.Path):
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _absolute(path: str | places.Place) -> places.Place:
    found = places.place(path)
    return found.resolve() if isinstance(found, pathlib.Path) else found


def _check_inputs(
    out: places.Place, path: str | places.Place, inputs: Sequence[str | places.Place | None]
) -> None:
    for given in inputs:
        if given is None:
            continue
        source = _absolute(given)
        within_store = source in out.parents and (source / "zarr.json").exists()
        if out == source or out in source.parents or within_store:
            raise errors.OutputExistsError(
                f"{path}: is, holds or lies in the input {given}. Choose another --out."
            )


def _send(local: pathlib.Path, file: upath.UPath) -> None:
    with write.room_on_disk(file):
        file.fs.put_file(str(local), file.path)
        sent, kept = (digests.of_files(each.parent, [each.name]) for each in (local, file))
    if sent != kept:
        raise errors.UnreachableError(
            f"{file}: is not as it was written (bytes:checksum {kept}, needed: {sent}). "
            "Run the same command again, where nothing else writes there."
        )
