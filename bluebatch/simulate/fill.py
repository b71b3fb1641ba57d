"""Drawing the partitions of a begun store, in this process or as tasks of others."""

import functools
from collections.abc import Iterator, Mapping, Sequence
from concurrent import futures
from typing import Any

import numpy.typing as npt
import zarr

from bluebatch.run import memory, partition, progress, staged
from bluebatch.simulate import blocks, plan, request
from bluebatch.store import read, schema, write


def fill(job: partition.Job, planned: plan.Plan, parts: Sequence[partition.Partition]) -> None:
    """Draw on this thread while one block is written and one partition flushed on others.

    Parameters
    ----------
    job : partition.Job
        The store.
    planned : plan.Plan
        What its samples are to be.
    parts : sequence of partition.Partition
        Claimed by the caller.

    Raises
    ------
    errors.DiskFullError
        If no space is left; what is marked stays.
    """
    group = job.group()
    with (
        progress.bar("simulate", total=sum(part.n_rows for part in parts), unit="samples") as step,
        futures.ThreadPoolExecutor(max_workers=2) as workers,
    ):
        written = marked = workers.submit(step, 0)
        for each in parts:
            seconds = partition.timer()
            for rows in _block_rows(each.rows):
                arrays = blocks.draw(planned, rows)
                written.result()
                written = workers.submit(_write, group, rows, arrays, step)
            written.result()
            marked.result()
            marked = workers.submit(job.mark, each, seconds())
        marked.result()


def recall(job: partition.Job, max_memory: int | None = None) -> plan.Plan:
    """Read the references of a begun store again.

    Parameters
    ----------
    job : partition.Job
        The store.
    max_memory : int, optional
        Bytes that the process may hold; what was granted by default.

    Returns
    -------
    plan.Plan
        What its samples are to be.

    Raises
    ------
    errors.ChangedInputError
        If a reference is not what it was when the run began.
    errors.ResourceError
        If the process would hold more.
    """
    request.check_references(job.plan)
    store = read.open_store(job.path, "pseudobulk", complete=False)
    return plan.recall(job.plan, store.labels["profile_gene"], max_memory)


def fill_partition(store: str, number: int, max_memory: int | None = None) -> dict[str, Any]:
    """Draw one partition in a worker process, which keeps the references for the next.

    Parameters
    ----------
    store : str
        Path or URL of the begun store.
    number : int
        Of the partition.
    max_memory : int, optional
        Bytes that the process may hold; what was granted by default.

    Returns
    -------
    dict of str to Any
        JSON values: ``number``, ``written`` (False where it was whole), ``seconds``,
        ``peak_memory_bytes``.
    """
    clock = partition.timer()
    job = staged.load(store, request.COMMAND)
    part = job.partitions()[number]
    with job.claim([part]) as missing:
        if missing:
            fill(job, _recalled(store, job.plan.run_id, max_memory), missing)
    return {
        "number": number,
        "written": bool(missing),
        "seconds": round(clock(), 3),
        "peak_memory_bytes": memory.peak_bytes(),
    }


@functools.lru_cache(maxsize=1)
def _recalled(store: str, run_id: str, max_memory: int | None) -> plan.Plan:
    del run_id  # tells one run at the same path from the next
    return recall(staged.load(store, request.COMMAND), max_memory)


def _block_rows(rows: slice) -> Iterator[slice]:
    """Cut rows into what is drawn at once."""
    for start in range(rows.start, rows.stop, schema.ROWS_PER_CHUNK):
        yield slice(start, min(start + schema.ROWS_PER_CHUNK, rows.stop))


def _write(
    group: zarr.Group, rows: slice, arrays: Mapping[str, npt.ArrayLike], step: progress.Step
) -> None:
    for name, values in arrays.items():
        write.write(group, name, rows, values)
    step(rows.stop - rows.start)
