"""Output paths: nothing of the user's lost, no file under its name before it is whole."""

import os
import pathlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from bluebatch import errors
from bluebatch.store import write

# Every store and model, finished or not, holds one of these; .zgroup is of older Zarr formats.
_OURS = {"zarr.json", ".zgroup", "model.json", "checkpoint"}


def check(
    path: str | pathlib.Path, inputs: Sequence[str | pathlib.Path | None], *, overwrite: bool
) -> None:
    """Refuse an output path where something would be lost that no command can make again.

    Parameters
    ----------
    path : str or pathlib.Path
        What is to be written.
    inputs : sequence of str or pathlib.Path or None
        What it is made from.
    overwrite : bool
        Whether what stands there is to be replaced.

    Raises
    ------
    errors.OutputExistsError
        If the path is or holds an input, lies in a store that is one, or is to be replaced though
        it is a folder of other files than a store's or a model's.
    """
    out = pathlib.Path(path).resolve()
    for given in inputs:
        if given is None:
            continue
        source = pathlib.Path(given).resolve()
        within_store = source in out.parents and (source / "zarr.json").exists()
        if out == source or out in source.parents or within_store:
            raise errors.OutputExistsError(
                f"{path}: is, holds or lies in the input {given}. Choose another --out."
            )
    found = {each.name for each in out.iterdir()} if overwrite and out.is_dir() else set()
    if found and not found & _OURS:
        raise errors.OutputExistsError(
            f"{path}: is a folder of other files than a store's or a model's ({min(found)}, ...), "
            "and --overwrite removes no such folder. Choose another --out."
        )


@contextmanager
def whole_file(file: pathlib.Path) -> Iterator[pathlib.Path]:
    """Give a file its name only when it is whole and on the disk.

    Parameters
    ----------
    file : pathlib.Path
        What is to be written, in a folder that is made if missing; replaced if it is there.

    Yields
    ------
    pathlib.Path
        An empty file to be written in its place.

    Raises
    ------
    errors.DiskFullError
        If the disk has no space left; what stood there before stays.
    """
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


def flush(path: pathlib.Path) -> None:
    """Wait until a file, or the names in a folder, have reached the disk.

    Parameters
    ----------
    path : pathlib.Path
        File or folder.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
