"""Single cells to pseudobulk samples with known composition and profiles, streamed to a store.

Each group of 256 samples draws from its own child of the seed, so that the same bits come out
whatever was interrupted, and however the job was cut.
"""

import dataclasses
import functools
import logging
import pathlib
from collections.abc import Sequence

import numpy as np

from bluebatch.run import cluster, partition, staged
from bluebatch.run import preview as previews
from bluebatch.simulate import fill, outlook, ranking, request, settings, summaries
from bluebatch.simulate import plan as plans
from bluebatch.store import cells, outputs, places, read, schema, write

SimulationSettings = settings.SimulationSettings
Settings = settings.Settings
RunOptions = settings.RunOptions
References = Sequence[str | pathlib.Path]

_log = logging.getLogger(__name__)


def run(
    references: References, out: str | places.Place, settings: Settings, options: RunOptions
) -> summaries.Summary:
    """Simulate a pseudobulk store.

    Parameters
    ----------
    references : sequence of str or pathlib.Path
        Files in h5ad format; the bundled reference where there are none.
    out : str, pathlib.Path or upath.UPath
        The store to make, or to go on with.
    settings : Settings
        The science.
    options : RunOptions
        Seed, paths, codec, resources.

    Returns
    -------
    summaries.Summary
        What was made.
    """
    stopwatch = partition.timer()
    asked, state = _ask(references, out, settings, options)
    planned = None
    if state == "new":
        job, planned = _begin(out, asked, options)
    else:
        job = partition.open_job(out, asked, lambda: None)
    pending = job.pending()
    if state == "complete":
        _log.info("%s: already complete", out)
    elif job.n_skipped:
        _log.info("%s: %d finished partitions skipped", out, job.n_skipped)
    if pending and options.is_used:
        del planned  # the workers read the references for themselves
        share = options.share(options.max_memory)
        path = str(job.path.absolute())
        work_on = functools.partial(fill.fill_partition, path, max_memory=share)
        cluster.spread(job, work_on, options, "samples")
    elif pending:
        with job.claim(pending) as missing:
            if missing:
                fill.fill(job, planned or fill.recall(job, options.max_memory), missing)
    notes = job.finalise()
    store = read.open_store(out, "pseudobulk")
    facts = summaries.facts(store.attributes, store.labels)
    facts["notes"] = [*facts["notes"], *notes]
    return summaries.Summary(str(out), state, job.n_skipped, round(stopwatch(), 3), facts)


def init(
    references: References,
    out: str | places.Place,
    settings: Settings,
    options: RunOptions,
    per_task: int = 1,
) -> previews.Preview:
    """Check everything, and write the empty store and the plan.

    Parameters
    ----------
    references : sequence of str or pathlib.Path
        Files in h5ad format; the bundled reference where there are none.
    out : str, pathlib.Path or upath.UPath
        The store to begin.
    settings : Settings
        The science.
    options : RunOptions
        Seed, paths, codec, resources.
    per_task : int
        Partitions of an array task.

    Returns
    -------
    preview.Preview
        What the tasks are to do, and what each holds.
    """
    asked, state = _ask(references, out, settings, options, per_task)
    seconds = None
    if state == "new":
        job, planned = _begin(out, asked, options)
        seconds, sizes = outlook.drawing_seconds(asked, planned), planned.sizes
    else:
        job, sizes = partition.open_job(out, asked, lambda: None), plans.survey(asked)
    store = read.open_store(job.path, "pseudobulk", complete=False)
    kept = cells.size(store) if cells.has(store) else (0, 0)
    found = outlook.Found(asked, state, store.labels, sizes, kept)
    told = outlook.tell(str(out), found, options.max_memory, seconds, first=False)
    return dataclasses.replace(told, done=True)


def preview(
    references: References, out: str | places.Place, settings: Settings, options: RunOptions
) -> previews.Preview:
    """Tell what `run` would do, and do nothing.

    Parameters
    ----------
    references : sequence of str or pathlib.Path
        Files in h5ad format; the bundled reference where there are none.
    out : str, pathlib.Path or upath.UPath
        The store that would be made.
    settings : Settings
        The science.
    options : RunOptions
        Seed, paths, codec, resources.

    Returns
    -------
    preview.Preview
        Sizes, memory, and time from one block that is drawn.
    """
    clock = partition.timer()
    asked, state = _ask(references, out, settings, options)
    planned, layout = plans.prepare(asked, options.max_memory)
    seconds = clock() + outlook.drawing_seconds(asked, planned)
    kept = _kept_size(planned, layout)
    found = outlook.Found(asked, state, layout.coordinates, planned.sizes, kept)
    return outlook.tell(str(out), found, options.max_memory, seconds, first=True)


def work(
    store: str | places.Place,
    numbers: Sequence[int] | None = None,
    *,
    one_based: bool = False,
    max_memory: int | None = None,
) -> staged.StageSummary:
    """Draw the partitions of one task of a begun store.

    Parameters
    ----------
    store : str, pathlib.Path or upath.UPath
        That `init` or `run` began; a complete one is mended.
    numbers : sequence of int, optional
        Partitions; by default those of the task in ``SLURM_ARRAY_TASK_ID``.
    one_based : bool
        Whether numbers and tasks count from 1.
    max_memory : int, optional
        Bytes that the task may hold.

    Returns
    -------
    staged.StageSummary
        What was done.

    Raises
    ------
    errors.ChangedInputError
        If a reference is not what it was when the run began.
    errors.ClaimedError
        If another process is at one of the partitions.
    errors.ResourceError
        If the task would hold more.
    """
    clock = partition.timer()
    job = staged.load(store, request.COMMAND)
    parts = staged.choose(job, numbers, one_based=one_based)
    start_up = 0.0
    with job.claim(parts, deep=True) as missing:
        if missing:
            planned = fill.recall(job, max_memory)
            start_up = clock()
            fill.fill(job, planned, missing)
    done = [part.number for part in missing]
    return staged.summarise(job, parts, done, clock(), start_up)


def _ask(
    references: References,
    out: str | places.Place,
    settings: Settings,
    options: RunOptions,
    per_task: int = 1,
) -> tuple[partition.Plan, str]:
    """Write down what is asked for, and see what stands there of it: no reference is read yet."""
    outputs.check(out, [*references, options.genes], overwrite=options.overwrite)
    asked = request.make(references, settings, options, per_task)
    return asked, partition.look(out, asked, overwrite=options.overwrite)


def _begin(
    out: str | places.Place, asked: partition.Plan, options: RunOptions
) -> tuple[partition.Job, plans.Plan]:
    planned, layout = plans.prepare(asked, options.max_memory)
    create = functools.partial(_create, out, planned, layout, options.codec)
    return partition.open_job(out, asked, create, overwrite=options.overwrite), planned


def _kept_size(planned: plans.Plan, layout: plans.Layout) -> tuple[int, int]:
    if layout.kept_cells is None:
        return 0, 0
    rows = layout.kept_cells[0]
    return len(rows), int(np.diff(planned.pools.counts.indptr)[rows].sum())


def _create(
    out: str | places.Place, planned: plans.Plan, layout: plans.Layout, codec: write.Codec
) -> None:
    try:
        group = write.create(
            out,
            schema.PSEUDOBULK,
            layout.coordinates,
            layout.attributes,
            leave_out=[name for name in ranking.ARRAYS if name not in layout.whole],
            codec=codec,
        )
        for name, values in layout.whole.items():
            write.write_whole(group, name, values)
        if layout.kept_cells is not None:
            rows, *labels = layout.kept_cells
            cells.write_cells(group, planned.pools.counts, rows, (labels[0], labels[1]), codec)
    except BaseException:
        # Without its plan beside it nobody could go on with this store: leave none of it.
        write.clear(out)
        raise
