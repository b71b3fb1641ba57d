"""A run before anything is written: everything checked, priced and settled."""

import functools
from collections.abc import Mapping
from typing import Any, NamedTuple

import torch

from bluebatch import errors
from bluebatch.engine import applied, as_cohort, filling, pipeline, precision
from bluebatch.run import memory, partition, preview, staged
from bluebatch.store import digests, model_folder, outputs, places


class Request(NamedTuple):
    """What is asked for.

    Parameters
    ----------
    cohort, model, out : pathlib.Path or upath.UPath
        Input store, model folder, result store.
    asked : mapping of str to Any
        All that the result depends on beside the inputs: the settings of inference, ``seed`` and
        ``device``. JSON values; precision and device may be ``"auto"``.
    means : filling.Resources
        What this process may use.
    overwrite : bool
        Whether something else at ``out`` is removed.
    elsewhere : bool
        Whether other processes fill the partitions, perhaps on machines with other devices.
    """

    cohort: places.Place
    model: places.Place
    out: places.Place
    asked: Mapping[str, Any]
    means: filling.Resources
    overwrite: bool
    elsewhere: bool = False


class Prospect:
    """A run that nothing stands in the way of.

    Parameters
    ----------
    request : Request
        What is asked for.

    Attributes
    ----------
    plan : partition.Plan
        That of the run begun at the output path, where the same was asked of the same inputs
        there: so what was left to the machine is settled once in a run.

    Raises
    ------
    errors.BluebatchError
        If an input cannot be read or does not match, memory or device is not to be had, or
        something else stands at the output path.
    """

    def __init__(self, request: Request) -> None:
        self._clock = partition.timer()
        self.request, means = request, request.means
        inputs = [request.cohort, request.model]
        outputs.check(request.out, inputs, overwrite=request.overwrite)
        self._device = _pick_device(request)
        self._is_absent = self._device.type == "cuda" and not torch.cuda.is_available()
        precision.pick_dtype(request.asked["precision"], self._device)
        self.applied = applied.Applied(request.cohort, request.model, request.asked)
        found = {
            "model": model_folder.digest(request.model),
            "cohort": digests.of_store(request.cohort),
        }
        begun = self._begun(found)
        if begun is not None and not self._is_absent:
            # What was left to the machine, precision above all, is settled there.
            self.applied.settings = begun.settings
            self._device = filling.pick_device(begun, means.device)
        self.budget_bytes = memory.budget(means.max_memory)
        priced_on = torch.device("cpu") if self._is_absent else self._device
        self.sizes = self.applied.price(priced_on, means.threads, self.budget_bytes)
        self._settled: applied.Settled | None = None
        self.plan = begun or self._new(found)
        self.state = partition.look(request.out, self.plan, overwrite=request.overwrite)
        if self.state == "resumed" and begun is None:
            # The same after all, asked for in other words: tasks may be at it.
            per_task = partition.Plan.load(request.out).per_task
            self.plan = self.plan.model_copy(update={"per_task": per_task})

    @property
    def notes(self) -> tuple[str, ...]:
        """Tell what the user should know.

        Returns
        -------
        tuple of str
            How well model and input match, what was learnt first, how the precision was settled.
        """
        learnt = self.applied.shift.note if self.applied.shift else ""
        settled = self._settled.note if self._settled else ""
        return tuple(note for note in (self.applied.result.note, learnt, settled) if note)

    def open(self, per_task: int | None = None) -> partition.Job:
        """Begin the run, or take it up.

        Parameters
        ----------
        per_task : int, optional
            Partitions of an array task; as they are, or one, by default.

        Returns
        -------
        partition.Job
            With an empty store, or what is there of it.
        """
        rows = [part.rows for part in self.plan.partitions()]
        sources = {
            "cohort": _absolute(self.request.cohort),
            "model": _absolute(self.request.model),
            "asked": dict(self.request.asked),
        }
        changes: dict[str, Any] = {
            "sources": sources,
            "chain": {"cohort": digests.of_rows(self.applied.store, rows)},
            "per_task": per_task or self.plan.per_task,
        }
        plan, out = self.plan.model_copy(update=changes), self.request.out
        create = functools.partial(self.applied.create, out, plan)
        return partition.open_job(out, plan, create, overwrite=self.request.overwrite)

    def ready(self, job: partition.Job) -> filling.Ready:
        """Set the loaded model between the input and the result.

        Parameters
        ----------
        job : partition.Job
            Begun by `open`.

        Returns
        -------
        filling.Ready
            To fill partitions.
        """
        predictor = self.load().predictor
        work = pipeline.Pipeline(self.applied.reader, predictor, job, self.sizes)
        return filling.Ready(self.applied.store, work, self.applied.unit)

    def tell(self, per_task: int = 1) -> preview.Preview:
        """Foresee what the run does.

        Parameters
        ----------
        per_task : int
            Partitions of an array task.

        Returns
        -------
        preview.Preview
            With the time estimated from a few rows, which are predicted but not written.
        """
        parts, result = self.plan.partitions(), self.applied.result
        n_tasks = staged.n_tasks(self.plan.model_copy(update={"per_task": per_task}))
        n_files, n_bytes = preview.on_disk(result.spec, result.coordinates, result.leave_out)
        is_timed = self.state != "complete" and not self._is_absent
        seconds = round(self._seconds(), 1) if is_timed else None
        return preview.Preview(
            command="infer",
            path=str(self.request.out),
            sizes=self._sizes(),
            n_blocks=sum(-(-part.n_rows // self.sizes.rows) for part in parts),
            n_partitions=len(parts),
            n_tasks=n_tasks,
            n_files=n_files,
            n_bytes=n_bytes,
            memory_items={name: size for name, size in self.sizes.items if size},
            budget_bytes=self.budget_bytes,
            seconds=seconds,
            notes=tuple(note for note in (*self.notes, preview.STATES[self.state]) if note),
        )

    def _seconds(self) -> float:
        row_seconds = self.applied.time(self.load().predictor, self.sizes)
        return self._clock() + row_seconds * self.plan.n_rows

    def _sizes(self) -> dict[str, int]:
        row, result = self.applied.store.spec.row, self.applied.result
        written = [each for each in result.spec.arrays if each.name not in result.leave_out]
        axes = dict.fromkeys(axis for array in written for axis in array.dims)
        sizes = {self.applied.unit: self.plan.n_rows}
        for axis in axes:
            name = f"{axis}s".replace("_", " ")
            if axis == row:
                continue
            if axis in self.applied.store.labels:
                sizes[f"{name} read"] = len(self.applied.store.labels[axis])
                name = f"{name} written"
            sizes[name] = len(result.coordinates[axis])
        return sizes

    def load(self) -> applied.Settled:
        """Load the model, where that was not done yet.

        Returns
        -------
        applied.Settled
            At the plan's precision.
        """
        if self._settled is None:
            precision.set_up(self._device, self.request.means.threads)
            self._settled = self.applied.settle(self._device)
        return self._settled

    def _begun(self, inputs: dict[str, str]) -> partition.Plan | None:
        """Find the plan of a run at the output path that was asked for the same."""
        if self.request.overwrite:
            return None
        try:
            plan = partition.Plan.load(self.request.out)
        except errors.InputFileError:
            return None
        given = {role: of for role, of in plan.inputs.items() if role != as_cohort.ROLE}
        if given != inputs or plan.sources.get("asked") != dict(self.request.asked):
            return None
        if self.applied.learns:
            try:
                self.applied.adopt(as_cohort.thaw(partition.load_job(self.request.out)))
            except errors.InputFileError:  # killed before all was written: it is begun anew
                return None
        return plan

    def _new(self, inputs: dict[str, str]) -> partition.Plan:
        settings = {**self.request.asked, "device": self._device.type}
        if not self._is_absent and (settings["precision"] == "auto" or self._device.type == "cuda"):
            settled = self.load()
            settings["precision"] = settled.precision
            settings["micro_batch"] = settled.predictor.micro_batch
        if self.applied.learns:
            inputs = {**inputs, as_cohort.ROLE: self._learn()}
        return partition.Plan(
            command="infer",
            settings=settings,
            inputs=inputs,
            n_rows=self.applied.store.n_rows,
            partition_rows=self.applied.partition_rows,
        )

    def _learn(self) -> str:
        """Learn from the cohort what its rows are predicted with, and digest it."""
        if self._is_absent:
            cpu = torch.device("cpu")
            precision.set_up(cpu, self.request.means.threads)
            predictor = self.applied.load(torch.float32, cpu)
        else:
            predictor = self.load().predictor
        shift = self.applied.learn(predictor, self.sizes)
        self.applied.adopt(shift)
        return shift.digest


def _pick_device(request: Request) -> torch.device:
    name, chosen = request.means.device, request.asked["precision"]
    # A queue's login node has no GPU. Without one, "auto" cannot be settled, but all else can.
    if request.elsewhere and name == "cuda" and chosen != "auto":
        return torch.device(name)
    return precision.pick_device(name)


def _absolute(path: places.Place) -> str:
    return str(path.absolute())
