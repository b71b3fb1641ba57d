"""What array tasks share: which partitions are theirs, and completing the store after them."""

import dataclasses
import os
from collections.abc import Sequence
from typing import Any

from bluebatch import errors
from bluebatch.run import memory, partition
from bluebatch.store import places

TASK_ID = "SLURM_ARRAY_TASK_ID"


@dataclasses.dataclass(frozen=True)
class StageSummary:
    """What one stage of a run did.

    Parameters
    ----------
    path : str
        The store.
    done, skipped : list of int
        Partitions that were written, and those that were found whole.
    n_partitions : int
        Of the store.
    complete : bool
        Whether the store is complete.
    seconds, start_up_seconds : float
        Wall time, and the part of it before the first row.
    peak_memory_bytes : int
        Largest resident memory of the process so far.
    notes : tuple of str
        What else the user should know.
    """

    path: str
    done: list[int]
    skipped: list[int]
    n_partitions: int
    complete: bool
    seconds: float
    start_up_seconds: float = 0.0
    peak_memory_bytes: int = 0
    notes: tuple[str, ...] = ()

    def as_text(self) -> str:
        """Say it in lines.

        Returns
        -------
        str
            A headline, then a line a note.
        """
        if self.complete and not self.done and not self.skipped:
            head = f"{self.path}: complete, {self.n_partitions} partitions"
        else:
            skipped = f", {len(self.skipped)} skipped as finished before" if self.skipped else ""
            head = (
                f"{self.path}: {len(self.done)} of {self.n_partitions} partitions written"
                f"{skipped}, {self.seconds:.1f} s"
            )
        return "\n".join([head, *self.notes])

    def as_dict(self) -> dict[str, Any]:
        """Give it as JSON values.

        Returns
        -------
        dict of str to Any
            By field.
        """
        return dataclasses.asdict(self)


def load(path: str | places.Place, command: str) -> partition.Job:
    """Take up the run of a command.

    Parameters
    ----------
    path : str, pathlib.Path or upath.UPath
        The store.
    command : str
        ``"infer"`` or ``"simulate"``.

    Returns
    -------
    partition.Job
        Begun by ``{command}-init``, or by the command itself.

    Raises
    ------
    errors.MissingInputError
        If no run was begun there.
    errors.ForeignStoreError
        If it is the run of another command.
    """
    job = partition.load_job(path)
    if job.plan.command != command:
        raise errors.ForeignStoreError(
            f"{path}: is being made by `bluebatch {job.plan.command}`, needed: {command}. "
            f"Use `bluebatch {job.plan.command}-partition` and `-finalise`."
        )
    return job


def choose(
    job: partition.Job, numbers: Sequence[int] | None, *, one_based: bool = False
) -> list[partition.Partition]:
    """Choose the partitions of one task.

    Parameters
    ----------
    job : partition.Job
        The run.
    numbers : sequence of int or None
        Partitions; by default those of the task that ``SLURM_ARRAY_TASK_ID`` names, of which each
        has ``per_task`` of the plan.
    one_based : bool
        Whether numbers and tasks count from 1.

    Returns
    -------
    list of partition.Partition
        In the order given, each once.

    Raises
    ------
    errors.ConfigError
        If a number is out of range, or neither numbers nor a task are given.
    """
    parts = job.partitions()
    first = 1 if one_based else 0
    if numbers is None:
        return _of_task(job, parts, first)
    wrong = [number for number in numbers if not first <= number < len(parts) + first]
    if wrong:
        raise errors.ConfigError(
            f"--partition {wrong[0]}: out of range, {job.path} has {len(parts)} partitions, "
            f"needed: {first} to {len(parts) - 1 + first}. Give one of these."
        )
    return [parts[number - first] for number in dict.fromkeys(numbers)]


def n_tasks(plan: partition.Plan) -> int:
    """Count the array tasks of a plan.

    Parameters
    ----------
    plan : partition.Plan
        Of a run.

    Returns
    -------
    int
        Partitions divided by ``per_task``, rounded up.
    """
    return -(-len(plan.partitions()) // plan.per_task)


def summarise(
    job: partition.Job,
    parts: Sequence[partition.Partition],
    done: Sequence[int],
    seconds: float,
    start_up_seconds: float,
) -> StageSummary:
    """Sum up what a task did.

    Parameters
    ----------
    job : partition.Job
        The run.
    parts : sequence of partition.Partition
        Those of the task.
    done : sequence of int
        Numbers of those that were written.
    seconds, start_up_seconds : float
        Wall time, and the part of it before the first row.

    Returns
    -------
    StageSummary
        With the peak of this process's memory.
    """
    return StageSummary(
        path=str(job.path),
        done=list(done),
        skipped=[part.number for part in parts if part.number not in done],
        n_partitions=len(job.partitions()),
        complete=job.state == "complete",
        seconds=round(seconds, 3),
        start_up_seconds=round(start_up_seconds, 3),
        peak_memory_bytes=memory.peak_bytes(),
    )


def finalise(path: str | places.Place, command: str) -> StageSummary:
    """Complete a store whose partitions are all marked.

    Parameters
    ----------
    path : str, pathlib.Path or upath.UPath
        The store.
    command : str
        That it is made by.

    Returns
    -------
    StageSummary
        What was done.

    Raises
    ------
    errors.IncompleteError
        If partitions are missing; they are listed.
    """
    clock = partition.timer()
    job = load(path, command)
    notes = job.finalise()
    return StageSummary(
        str(path), [], [], len(job.partitions()), True, round(clock(), 3), notes=tuple(notes)
    )


def _of_task(
    job: partition.Job, parts: list[partition.Partition], first: int
) -> list[partition.Partition]:
    given = os.environ.get(TASK_ID, "")
    if not given.isdecimal():
        raise errors.ConfigError(
            f"--partition: is not given, and {TASK_ID} is not set. Give --partition, or run this "
            "as a task of a Slurm array."
        )
    task, tasks = int(given) - first, n_tasks(job.plan)
    if not 0 <= task < tasks:
        raise errors.ConfigError(
            f"{TASK_ID}={given}: out of range, {job.path} has {tasks} tasks of "
            f"{job.plan.per_task} partitions, needed: {first} to {tasks - 1 + first}. "
            "Submit the array with these (--one-based if it counts from 1)."
        )
    return parts[task * job.plan.per_task : (task + 1) * job.plan.per_task]
