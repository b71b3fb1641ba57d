"""Cutting a long job into partitions that are marked when done, so that a killed run resumes.

Beside ``store.zarr`` stands ``store.zarr.run/`` with ``plan.json`` (what the run is) and one
``p{i}.json`` a finished partition, the markers of `bluebatch.run.marker`.
"""

import time
from collections.abc import Callable
from typing import Literal

from bluebatch import errors
from bluebatch.run import chunks, claims, jobs, marker, plans
from bluebatch.store import places, read, write

Partition = marker.Partition
Plan = plans.Plan
Job = jobs.Job
versions = marker.versions

PARTITION_ROWS = plans.PARTITION_ROWS
PLAN_FILE = plans.PLAN_FILE
CREATED_FILE = marker.CREATED_FILE


def open_job(
    path: str | places.Place, plan: Plan, create: Callable[[], object], *, overwrite: bool = False
) -> Job:
    """Begin a run at its output path, or take up where an earlier run of the same plan stopped.

    Parameters
    ----------
    path : str, pathlib.Path or upath.UPath
        Output store.
    plan : Plan
        What the run is.
    create : callable
        Makes the empty full-size store at ``path``.
    overwrite : bool
        Whether something else at the path is removed.

    Returns
    -------
    Job
        With ``state`` new, resumed or complete, and ``n_skipped``: how many partitions were found
        whole.

    Raises
    ------
    errors.OutputExistsError
        If something that this plan did not make stands there and ``overwrite`` is False.
    errors.ChangedInputError
        If an unfinished run of the same settings stands there whose inputs were others.
    """
    path = places.place(path)
    folder = write.run_folder(path)
    state = look(path, plan, overwrite=overwrite)
    if state != "new":
        if Plan.load(path) != plan:  # in what changes no result: an input was moved, say
            plan.save(path)
        found = Job(path, plan, state)
        found.n_skipped = len(found.partitions()) - len(found.pending())
        return found
    claims.refuse_held(path)
    write.clear(path)
    with write.room_on_disk(path):
        # The plan comes first and the note that all was created last: a run that is killed in
        # between leaves what the next one knows for its own.
        plan.save(path)
        create()
        names = sorted(places.sizes(path))
        chunks.flush(path, names)
        fixed = {name: chunks.whole_mark(path / name) for name in names}
        marker.write_json(folder / CREATED_FILE, {"run_id": plan.run_id, "files": fixed})
    return Job(path, plan, "new")


def look(path: str | places.Place, plan: Plan, *, overwrite: bool = False) -> jobs.State:
    """Tell what `open_job` would find at an output path; nothing is written.

    Parameters
    ----------
    path : str, pathlib.Path or upath.UPath
        Output store.
    plan : Plan
        What the run is.
    overwrite : bool
        Whether something else at the path is removed.

    Returns
    -------
    {"new", "resumed", "complete"}
        State of the job.

    Raises
    ------
    errors.OutputExistsError
        If something that this plan did not make stands there and ``overwrite`` is False.
    errors.ChangedInputError
        If an unfinished run of the same settings stands there whose inputs were others.
    """
    path = places.place(path)
    if overwrite or not (path.exists() or write.run_folder(path).exists()):
        return "new"
    state = _found(path, plan)
    if state == "complete":
        # A finished store that lost a chunk is not finished.
        return "resumed" if Job(path, plan, state).pending() else state
    if state == "resumed":
        return state
    if state == "changed":
        _refuse_changed(path, plan)
    if path.exists() and state == "foreign":
        raise errors.OutputExistsError(
            f"{path}: something that this run did not make stands there. "
            "Choose another --out, or give --overwrite to replace it."
        )
    return "new"


def load_job(path: str | places.Place) -> Job:
    """Take up a run that was begun, from what stands at its output path alone.

    Parameters
    ----------
    path : str, pathlib.Path or upath.UPath
        The store being made.

    Returns
    -------
    Job
        With ``state`` resumed or complete.

    Raises
    ------
    errors.MissingInputError
        If no run was begun there.
    errors.ForeignStoreError
        If what stands there cannot be gone on with.
    """
    store = places.place(path)
    plan = Plan.load(store)
    state = _found(store, plan)
    if state not in ("resumed", "complete"):
        raise errors.ForeignStoreError(
            f"{path}: the run there was not begun whole. Begin it again with --overwrite."
        )
    return Job(store, plan, state)


def timer() -> Callable[[], float]:
    """Start a stopwatch.

    Returns
    -------
    callable
        Gives the seconds since.
    """
    start = time.monotonic()
    return lambda: time.monotonic() - start


def _found(
    path: places.Place, plan: Plan
) -> Literal["resumed", "complete", "changed", "empty", "foreign"]:
    try:
        found = Plan.load(path)
        with places.reached(path):
            if not (write.run_folder(path) / CREATED_FILE).exists():
                return "empty"
        status = read.open_group(path).attrs.get("status")
    except (errors.InputFileError, TypeError):  # zarr raises it on JSON that is no object
        return "foreign"
    if found.run_id == plan.run_id:
        return "complete" if status == "complete" else "resumed"
    same_but_inputs = (found.command, found.settings) == (plan.command, plan.settings)
    return "changed" if same_but_inputs and status == "writing" else "foreign"


def _refuse_changed(path: places.Place, plan: Plan) -> None:
    before = Plan.load(path).inputs
    changed = [role for role in plan.inputs if plan.inputs[role] != before.get(role)]
    raise errors.ChangedInputError(
        f"{path}: the unfinished run there read another {' and another '.join(changed) or 'input'} "
        "than is given now. Give the same as then to go on, or --overwrite to start anew."
    )
