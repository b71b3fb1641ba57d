"""A model folder as an output path: new, unfinished, finished, or somebody else's."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

from bluebatch import errors
from bluebatch.engine import checkpoint, task
from bluebatch.run import marker
from bluebatch.store import model_folder, places, write

PLAN_FILE = "plan.json"


def look(
    folder: places.Place, plan: dict[str, Any], options: task.Options
) -> Literal["new", "resumed", "complete"]:
    """Look at the output path, and leave it as it is.

    Parameters
    ----------
    folder : pathlib.Path or upath.UPath
        Model folder to be made.
    plan : dict
        With its digest as ``run_id``.
    options : task.Options
        ``resume`` and ``overwrite``.

    Returns
    -------
    {"new", "resumed", "complete"}
        What is to be done.

    Raises
    ------
    errors.OutputExistsError
        If something else, or an unfinished run, stands there.
    errors.ChangedInputError
        If the unfinished run to be resumed was of other settings or inputs.
    errors.UnreachableError
        If the output lies elsewhere, and the place refuses or does not answer.
    """
    with places.reached(folder):
        found = _found(folder, plan)
    if found == "complete" and not options.overwrite:
        return "complete"
    if found == "same" and options.resume and not options.overwrite:
        return "resumed"
    if found != "nothing" and not options.overwrite:
        _refuse(folder, found, options)
    return "new"


def make(folder: places.Place, plan: dict[str, Any]) -> None:
    """Begin a run: whatever stood at the output path is removed.

    Parameters
    ----------
    folder : pathlib.Path or upath.UPath
        Model folder to be made.
    plan : dict
        What the run is.
    """
    write.clear(folder)
    marker.write_json(folder / checkpoint.FOLDER / PLAN_FILE, plan)


@contextmanager
def going_on(folder: places.Place, options: task.Options) -> Iterator[None]:
    """Say, where training stops early, that it goes on with ``--resume`` and not without.

    Parameters
    ----------
    folder : pathlib.Path or upath.UPath
        Model folder being made.
    options : task.Options
        With ``resume``, the same command goes on as it is and nothing more is said.

    Yields
    ------
    None
        Nothing.

    Raises
    ------
    errors.InterruptedRunError
        If the run was stopped.
    errors.DiskFullError
        If the disk is full.
    """
    how = "Every finished epoch is kept: add --resume to the same command to go on."
    try:
        yield
    except KeyboardInterrupt as error:
        if options.resume:
            raise
        raise errors.InterruptedRunError(f"{folder}: interrupted. {how}") from error
    except errors.DiskFullError as error:
        if options.resume:
            raise
        raise errors.DiskFullError(f"{folder}: no space left on the disk. {how}") from error


_Found = Literal["nothing", "complete", "same", "other run", "foreign"]


def _found(folder: places.Place, plan: dict[str, Any]) -> _Found:
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return "nothing"
    if (folder / model_folder.CARD_FILE).is_file():
        try:
            card = model_folder.read_card(folder)
        except errors.InputFileError:
            return "foreign"
        return "complete" if card.made_from.get("run_id") == plan["run_id"] else "foreign"
    file = folder / checkpoint.FOLDER / PLAN_FILE
    try:
        run_id = json.loads(file.read_text())["run_id"]
    except (FileNotFoundError, NotADirectoryError, ValueError, KeyError, TypeError):
        return "foreign"
    return "same" if run_id == plan["run_id"] else "other run"


def _refuse(folder: places.Place, found: _Found, options: task.Options) -> None:
    if found == "foreign":
        raise errors.OutputExistsError(
            f"{folder}: something that this run did not make stands there. "
            "Choose another --out, or give --overwrite to replace it."
        )
    if options.resume:
        raise errors.ChangedInputError(
            f"{folder}: holds an unfinished run of other settings or inputs than these. "
            "Give those of the first run, or --overwrite to start afresh."
        )
    raise errors.OutputExistsError(
        f"{folder}: holds an unfinished run. "
        "Give --resume to go on with it, or --overwrite to start afresh."
    )
