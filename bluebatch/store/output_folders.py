"""Output folders of many files: whole or not there, and replaced only where they are ours."""

import errno
import os
import pathlib
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from bluebatch import errors
from bluebatch.store import outputs, places, write

# Any of these says that a folder is of `bluebatch subtype` or `bluebatch transfer`.
SUBTYPES_FILE, TRANSFER_FILE = "summary.json", "transfer.json"
OURS = (SUBTYPES_FILE, TRANSFER_FILE)


def check(
    out: str | places.Place, inputs: Sequence[str | places.Place | None], *, overwrite: bool
) -> None:
    """Refuse an output folder where something would be lost.

    Parameters
    ----------
    out : str, pathlib.Path or upath.UPath
        Folder to be written.
    inputs : sequence of str, pathlib.Path, upath.UPath or None
        What it is made from.
    overwrite : bool
        Whether a folder of ours is replaced.

    Raises
    ------
    errors.OutputExistsError
        If it is or holds an input, something stands there, or that is not ours.
    PermissionError
        If nothing may be written there.
    """
    outputs.check(out, inputs, overwrite=False)
    folder = places.place(out)
    with places.reached(folder):
        _check_place(folder)
        found = sorted(each.name for each in folder.iterdir()) if folder.is_dir() else []
    if not found:
        return
    if not overwrite:
        raise errors.OutputExistsError(
            f"{out}: something stands there ({found[0]}, ...). Choose another --out, or give "
            "--overwrite to replace it."
        )
    if not set(found) & set(OURS):
        raise errors.OutputExistsError(
            f"{out}: is a folder of other files than subtypes' ({found[0]}, ...), "
            "and --overwrite removes no such folder. Choose another --out."
        )


@contextmanager
def all_or_nothing(out: str | places.Place) -> Iterator[None]:
    """Tell of a run that stops early that nothing of it is kept.

    Parameters
    ----------
    out : str, pathlib.Path or upath.UPath
        Folder of `whole_folder`. Of a URL nothing is promised.

    Yields
    ------
    None
        Nothing.

    Raises
    ------
    errors.InterruptedRunError
        If it was interrupted.
    errors.DiskFullError
        If the disk has no space left.
    """
    if not isinstance(places.place(out), pathlib.Path):
        # Files are sent there one by one.
        yield
        return
    try:
        yield
    except KeyboardInterrupt as error:
        raise errors.InterruptedRunError(
            f"interrupted: {out} is as it was before; run the same command again to begin anew"
        ) from error
    except errors.DiskFullError as error:
        raise errors.DiskFullError(
            f"{out}: no space left on the disk. It is as it was before: free some space and run "
            "the same command again to begin anew."
        ) from error


@contextmanager
def whole_folder(out: str | places.Place) -> Iterator[pathlib.Path]:
    """Give a folder its name only when all of it is written.

    Parameters
    ----------
    out : str, pathlib.Path or upath.UPath
        Folder, which `check` has passed; what stands there is replaced.

    Yields
    ------
    pathlib.Path
        An empty folder to be filled in its place. To a URL its files are sent one by one, the
        ones that say it is ours last.
    """
    folder = places.place(out)
    if not isinstance(folder, pathlib.Path):
        with tempfile.TemporaryDirectory() as local:
            yield pathlib.Path(local)
            places.remove(folder)
            _send(pathlib.Path(local), folder)
        return
    # Behind a link the folder is replaced, not the link.
    folder = folder.resolve()
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
    old = folder.with_name(f".{folder.name}.{os.getpid()}.old")
    with write.room_on_disk(folder):
        # What was killed in a container may have had the same number.
        places.remove(temporary)
        temporary.mkdir(parents=True)
        try:
            yield temporary
            for file in temporary.rglob("*"):
                outputs.flush(file)
            if folder.exists():
                folder.rename(old)
            temporary.rename(folder)
            outputs.flush(folder.parent)
        finally:
            places.remove(temporary)
            if folder.exists():
                places.remove(old)
            elif old.exists():
                old.rename(folder)


def _check_place(folder: places.Place) -> None:
    """Refuse before any work what could not be written after it."""
    needed = [folder] if folder.exists() else []
    # Of a bucket not even the names of its parents may be asked for.
    if isinstance(folder, pathlib.Path):
        needed.append(next(each for each in folder.resolve().parents if each.exists()))
    for each in needed:
        if not each.is_dir():
            raise errors.OutputExistsError(
                f"{each}: is a file, needed: a folder. Give another --out."
            )
        if isinstance(each, pathlib.Path) and not os.access(each, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(each))


def _send(local: pathlib.Path, folder: places.Place) -> None:
    files = [file for file in sorted(local.rglob("*")) if file.is_file()]
    for file in sorted(files, key=lambda each: each.name in OURS):
        with outputs.whole_file(folder / file.relative_to(local).as_posix()) as temporary:
            temporary.write_bytes(file.read_bytes())
