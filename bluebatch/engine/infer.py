"""Applying a trained model to every row of a store: in one go, as array tasks, or on workers.

`prospect` checks and settles everything before the first row; `filling` then fills partitions.
"""

import dataclasses
import functools
from collections.abc import Sequence
from typing import Literal

import pydantic

from bluebatch.engine import filling, infer_summary, precision, predict, prospect
from bluebatch.expression import conformal
from bluebatch.run import cluster, memory, partition, staged
from bluebatch.run.preview import Preview
from bluebatch.store import places, write

Precision = precision.Precision


class InferenceSettings(pydantic.BaseModel):
    """``[inference]``: all that changes a result beside the model and its input.

    Parameters
    ----------
    precision : {"auto", "fp32", "bf16", "fp16"}
        Of the weights; auto takes bf16 where the machine has it and the first rows agree with fp32.
    micro_batch : int
        Rows that the networks see at once, always.
    presence : float
        Predicted share of a row below which a part of it counts as absent.
    min_coverage : float
        Share of the model's input labels that the input must hold.
    min_marker_coverage : float
        Share of the markers of each part that the input must hold.
    codec : {"none", "zstd"}
        Compression of the result.
    profile_dtype : {"float32", "float16"}
        Of the result's largest arrays.
    level : float
        Share of true values that the intervals of a result are to hold.
    profile_sd : bool
        Whether the result holds standard deviations of its largest array, as large again.
    as_cohort : bool
        Whether what all rows differ in from the training data is learnt from them first.
    """

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid")

    precision: Precision = "auto"
    micro_batch: Literal[16, 32, 64, 128, 256] = predict.MICRO_BATCH
    presence: float = pydantic.Field(default=0.01, ge=0, lt=1)
    min_coverage: float = pydantic.Field(default=0.5, ge=0, le=1)
    min_marker_coverage: float = pydantic.Field(default=0.1, ge=0, le=1)
    codec: write.Codec = "none"
    profile_dtype: Literal["float32", "float16"] = "float32"
    level: float = pydantic.Field(default=conformal.LEVEL, gt=0, lt=1)
    profile_sd: bool = False
    as_cohort: bool = False


@dataclasses.dataclass(frozen=True)
class Options(cluster.ClusterOptions):
    """What one run is given beside its settings, and where it is worked on.

    Parameters
    ----------
    device : str
        Where the networks run: ``"auto"``, ``"cpu"`` or ``"cuda"``.
    threads : int or None
        Threads of the processor; the cores granted by default.
    overwrite : bool
        Whether something else at the output path is removed.
    precision : str or None
        In place of the settings'.
    seed : int
        Of what a model draws at inference.
    max_memory : int or None
        Bytes that the run may hold; what was granted by default.
    """

    device: str = "auto"
    threads: int | None = None
    overwrite: bool = False
    precision: Precision | None = None
    seed: int = 0
    max_memory: int | None = None

    @property
    def means(self) -> filling.Resources:
        """Give what a process may use.

        Returns
        -------
        filling.Resources
            Of this process; of each worker, where workers do the work.
        """
        share = self.share(self.max_memory, gpu=self.device != "cpu")
        return filling.Resources(self.device, self.threads, share)


def preview(
    cohort: str | places.Place,
    model: str | places.Place,
    out: str | places.Place,
    settings: InferenceSettings | None = None,
    options: Options | None = None,
) -> Preview:
    """Tell what `run` would do, and do nothing.

    Parameters
    ----------
    cohort, model, out : str, pathlib.Path or upath.UPath
        As of `run`.
    settings : InferenceSettings, optional
        What changes the result.
    options : Options, optional
        Of the run.

    Returns
    -------
    Preview
        Sizes, files, memory, and the time estimated from a few rows.

    Raises
    ------
    errors.BluebatchError
        Wherever `run` would refuse to begin.
    """
    told = prospect.Prospect(_request(cohort, model, out, settings, options)).tell()
    if options is None or not options.is_used:
        return told
    return dataclasses.replace(told, notes=(*told.notes, "memory and time are those of one worker"))


def init(
    cohort: str | places.Place,
    model: str | places.Place,
    out: str | places.Place,
    settings: InferenceSettings | None = None,
    options: Options | None = None,
    per_task: int = 1,
) -> Preview:
    """Begin a run: check everything, write the empty store and the plan.

    Parameters
    ----------
    cohort, model, out : str, pathlib.Path or upath.UPath
        As of `run`.
    settings : InferenceSettings, optional
        What changes the result.
    options : Options, optional
        Of the run.
    per_task : int
        Partitions of an array task.

    Returns
    -------
    Preview
        What `work` is to do.

    Raises
    ------
    errors.BluebatchError
        Wherever `run` would refuse to begin.
    """
    request = _request(cohort, model, out, settings, options)
    found = prospect.Prospect(request._replace(elsewhere=True))
    told = found.tell(per_task)
    found.open(per_task)
    return dataclasses.replace(told, done=True)


def work(
    store: str | places.Place,
    numbers: Sequence[int] | None = None,
    options: Options | None = None,
    *,
    one_based: bool = False,
) -> staged.StageSummary:
    """Fill the partitions of one task, as far as they are not whole.

    Parameters
    ----------
    store : str, pathlib.Path or upath.UPath
        That `init` began; also a complete one, to mend it.
    numbers : sequence of int, optional
        Partitions; those of the Slurm array's task by default.
    options : Options, optional
        Of this process; only its resources count.
    one_based : bool
        Whether numbers and tasks count from 1.

    Returns
    -------
    staged.StageSummary
        What was written and what was found whole.

    Raises
    ------
    errors.BluebatchError
        If there is no such partition, an input changed, or another process writes the same.
    errors.DiskFullError
        If no space is left; the same call goes on from there.
    """
    clock = partition.timer()
    job = staged.load(store, "infer")
    parts = staged.choose(job, numbers, one_based=one_based)
    load = functools.partial(filling.take_up, job, (options or Options()).means)
    filler = filling.Filler(job, load)
    done = filler.fill(parts, deep=True)
    return staged.summarise(job, parts, done, clock(), filler.start_up_seconds)


def run(
    cohort: str | places.Place,
    model: str | places.Place,
    out: str | places.Place,
    settings: InferenceSettings | None = None,
    options: Options | None = None,
) -> infer_summary.Summary:
    """Apply a trained model to every row of a store.

    Parameters
    ----------
    cohort : str, pathlib.Path or upath.UPath
        Store of a kind that the model reads.
    model : str, pathlib.Path or upath.UPath
        Model folder.
    out : str, pathlib.Path or upath.UPath
        Result store; an unfinished one of the same run is gone on with.
    settings : InferenceSettings, optional
        What changes the result.
    options : Options, optional
        Of this run.

    Returns
    -------
    infer_summary.Summary
        What was done, and how many partitions were skipped.

    Raises
    ------
    errors.BluebatchError
        If an input cannot be read or does not match, something else stands at ``out``, or another
        process is writing there.
    errors.DiskFullError
        If no space is left; the same call goes on from there.
    """
    clock = partition.timer()
    options = options or Options()
    found = prospect.Prospect(_request(cohort, model, out, settings, options))
    if found.state != "complete" and not options.is_used:
        found.load()  # weights that cannot be read leave nothing behind
    job = found.open()
    summary = infer_summary.begin(job, found.applied.result.spec.row)
    peaks, notes = [0], list(found.notes)
    if job.state != "complete" and options.is_used:
        fill = functools.partial(
            filling.fill_partition, str(job.path.absolute()), means=options.means
        )
        results = cluster.spread(job, fill, options, found.applied.unit)
        peaks += [int(result.get("peak_memory_bytes", 0)) for result in results]
    elif job.state != "complete":
        ready = found.ready(job)
        summary = dataclasses.replace(summary, start_up_seconds=round(clock(), 3))
        filling.Filler(job, lambda: ready).fill(job.pending(), deep=False)
    notes += job.finalise()
    return dataclasses.replace(
        summary,
        seconds=round(clock(), 3),
        peak_memory_bytes=max(memory.peak_bytes(), *peaks),
        notes=tuple(notes),
    )


def _request(
    cohort: str | places.Place,
    model: str | places.Place,
    out: str | places.Place,
    settings: InferenceSettings | None,
    options: Options | None,
) -> prospect.Request:
    settings, options = settings or InferenceSettings(), options or Options()
    asked = {**settings.model_dump(), "seed": options.seed, "device": options.device}
    if options.precision:
        asked["precision"] = options.precision
    return prospect.Request(
        places.place(cohort),
        places.place(model),
        places.place(out),
        asked,
        options.means,
        options.overwrite,
        options.is_used,
    )
