"""Filling the partitions of a begun run from what stands in its plan, and nothing else."""

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch

from bluebatch import errors
from bluebatch.engine import applied, as_cohort, pipeline, precision
from bluebatch.run import memory, partition
from bluebatch.store import model_folder, places, read


class Resources(NamedTuple):
    """What a process may use; changes no result.

    Parameters
    ----------
    device : str
        ``"auto"``, ``"cpu"`` or ``"cuda"``.
    threads : int or None
        Threads of the processor; the cores granted by default.
    max_memory : int or None
        Bytes; what was granted by default.
    """

    device: str = "auto"
    threads: int | None = None
    max_memory: int | None = None


class Ready(NamedTuple):
    """A model loaded between an input and the result store of a job.

    Parameters
    ----------
    cohort : read.Store
        The input.
    pipeline : pipeline.Pipeline
        That fills partitions.
    unit : str
        Name of a row in the plural.
    """

    cohort: read.Store
    pipeline: pipeline.Pipeline
    unit: str


class Filler:
    """Whoever fills partitions of a job; the model is loaded for the first that is not whole.

    Parameters
    ----------
    job : partition.Job
        Begun.
    load : callable
        Gives what is `Ready` to fill partitions.
    """

    def __init__(self, job: partition.Job, load: Callable[[], Ready]) -> None:
        self.job = job
        self._load = load
        self._clock = partition.timer()
        self.start_up_seconds = 0.0

    @functools.cached_property
    def _ready(self) -> Ready:
        ready = self._load()
        self.start_up_seconds = self._clock()
        return ready

    def fill(self, parts: Sequence[partition.Partition], *, deep: bool) -> list[int]:
        """Write and mark the partitions that are not whole.

        Parameters
        ----------
        parts : sequence of partition.Partition
            Of the job.
        deep : bool
            Whether those that are marked are read and compared with their checksums.

        Returns
        -------
        list of int
            Numbers of those that were written; the others were whole.

        Raises
        ------
        errors.ClaimedError
            If another process is writing one of them.
        errors.ChangedInputError
            If an input is not what it was when the run began.
        errors.DiskFullError
            If no space is left; what is marked stays.
        """
        with self.job.claim(parts, deep=deep) as missing:
            if missing:
                self.job.check_rows("cohort", self._ready.cohort, missing)
                self._ready.pipeline.fill(missing, self._ready.unit)
        return [part.number for part in missing]


def take_up(job: partition.Job, means: Resources) -> Ready:
    """Load the model of a begun run.

    Parameters
    ----------
    job : partition.Job
        Begun.
    means : Resources
        What this process may use.

    Returns
    -------
    Ready
        To fill partitions.

    Raises
    ------
    errors.ChangedInputError
        If the model is not the one that the run began with.
    errors.BluebatchError
        If an input cannot be read, or the device or memory is not to be had.
    """
    settings = job.plan.settings
    device = pick_device(job.plan, means.device)
    cohort, model = (places.place(job.plan.sources[role]) for role in ("cohort", "model"))
    found = applied.Applied(cohort, model, settings)
    if found.learns:
        found.adopt(as_cohort.thaw(job))
    sizes = found.price(device, means.threads, memory.budget(means.max_memory))
    if model_folder.digest(model) != job.plan.inputs["model"]:
        raise errors.ChangedInputError(
            f"{model}: the model is not what it was when the run at {job.path} began. "
            "Give the same model as then, or begin again with --overwrite."
        )
    precision.set_up(device, means.threads)
    predictor = found.load(precision.pick_dtype(settings["precision"], device), device)
    work = pipeline.Pipeline(found.reader, predictor, job, sizes)
    return Ready(found.store, work, found.unit)


def pick_device(plan: partition.Plan, name: str) -> torch.device:
    """Choose where the networks of a begun run go on.

    Parameters
    ----------
    plan : partition.Plan
        Of the run.
    name : str
        ``"auto"`` for the kind of device that it began on, or one of that kind.

    Returns
    -------
    torch.device
        The device.

    Raises
    ------
    errors.ConfigError
        If another kind is asked for.
    errors.ResourceError
        If there is none here.
    """
    kind = str(plan.settings["device"])
    device = precision.pick_device(kind if name == "auto" else name)
    if device.type != kind:
        raise errors.ConfigError(
            f"--device {name}: the run began on {kind}, and another device gives other bits. "
            "Leave --device out, or begin again with --overwrite."
        )
    return device


def fill_partition(store: str, number: int, means: Resources) -> dict[str, Any]:
    """Fill one partition in a worker process, which keeps the loaded model for the next.

    Parameters
    ----------
    store : str
        Path or URL of the store being made.
    number : int
        Of the partition.
    means : Resources
        What this process may use.

    Returns
    -------
    dict of str to Any
        JSON values: ``number``, ``written`` (False where it was whole), ``seconds``,
        ``peak_memory_bytes``.
    """
    clock = partition.timer()
    filler = _filler(store, partition.Plan.load(store).model_dump_json(), means)
    written = filler.fill([filler.job.partitions()[number]], deep=False)
    return {
        "number": number,
        "written": bool(written),
        "seconds": round(clock(), 3),
        "peak_memory_bytes": memory.peak_bytes(),
    }


@functools.lru_cache(maxsize=1)
def _filler(store: str, plan: str, means: Resources) -> Filler:
    del plan  # tells one run at the same path from the next
    job = partition.load_job(store)
    return Filler(job, functools.partial(take_up, job, means))
