"""A trained model applied to an input: matched by labels, its precision settled, then loaded."""

import concurrent.futures
import dataclasses
import functools
from collections.abc import Mapping
from typing import Any, NamedTuple

import torch

from bluebatch.engine import (
    as_cohort,
    blocks,
    cohort_learning,
    kinds,
    pipeline,
    precision,
    predict,
    task,
)
from bluebatch.run import memory, partition, resources
from bluebatch.store import places, read, schema, write

PROBE_ROWS = 128
TIMED_MICRO_BATCHES = 2

_NAMES: dict[torch.dtype, precision.Precision] = {
    torch.float32: "fp32",
    torch.bfloat16: "bf16",
    torch.float16: "fp16",
}


class Settled(NamedTuple):
    """A loaded model, and the precision that was chosen for it.

    Parameters
    ----------
    predictor : as_cohort.Predictor
        Ready to be called.
    precision : str
        Of its weights.
    note : str
        What the user should know of the choice.
    """

    predictor: as_cohort.Predictor
    precision: precision.Precision
    note: str = ""


class Applied:
    """A model and an input that fit each other, known without the model's weights.

    Parameters
    ----------
    cohort, model : pathlib.Path or upath.UPath
        Store of a kind that the model reads, and model folder.
    settings : mapping of str to Any
        Those of inference by name, and ``seed``.

    Raises
    ------
    errors.BluebatchError
        If one of them cannot be read, or they do not match.
    """

    def __init__(
        self, cohort: places.Place, model: places.Place, settings: Mapping[str, Any]
    ) -> None:
        self.model, self.settings = model, settings
        self.trained = kinds.load(model)
        self.store = read.open_store(cohort, *self.trained.reads)
        self.reader = self.trained.bind(self.store, settings)
        self.shift: as_cohort.Shift | None = None
        if self.learns:
            as_cohort.check(self.trained, self.reader, self.store)
        result = self.reader.result()
        self.result = result._replace(spec=_with_dtype(result.spec, settings["profile_dtype"]))
        self.unit = f"{result.spec.row}s"

    @property
    def learns(self) -> bool:
        """Tell whether something is learnt from the input before its rows are predicted.

        Returns
        -------
        bool
            As the settings say.
        """
        return bool(self.settings.get(as_cohort.SETTING))

    def learn(self, predictor: as_cohort.Predictor, sizes: blocks.Sizes) -> as_cohort.Shift:
        """Learn what the input as a whole differs in from the training data.

        Parameters
        ----------
        predictor : as_cohort.Predictor
            Loaded.
        sizes : blocks.Sizes
            How much is worked on at a time.

        Returns
        -------
        as_cohort.Shift
            To be adopted.
        """
        reader = as_cohort.check(self.trained, self.reader, self.store)
        lanes = sizes.n_lanes
        return cohort_learning.learn(self.trained, reader, self.store, predictor, lanes)

    def adopt(self, shift: as_cohort.Shift) -> None:
        """Predict with what was learnt, and write it into the result.

        Parameters
        ----------
        shift : as_cohort.Shift
            From `learn`, now or when the run began.
        """
        self.shift = shift
        self.reader = self.trained.bind(self.store, {**self.settings, **shift.arrays})
        self.result = shift.declare(self.result, self.trained.card.labels)

    @property
    def partition_rows(self) -> int:
        """Cut the result.

        Returns
        -------
        int
            Rows of a partition.
        """
        return blocks.row_steps(self.result.spec, self.settings["micro_batch"])[1]

    def price(self, device: torch.device, threads: int | None, budget_bytes: int) -> blocks.Sizes:
        """Choose how much is worked on at a time, so that the run fits its memory.

        Parameters
        ----------
        device : torch.device
            Where the networks run.
        threads : int or None
            Of the processor; the cores granted by default.
        budget_bytes : int
            What the run may hold.

        Returns
        -------
        blocks.Sizes
            And all that is held at the peak.

        Raises
        ------
        errors.ResourceError
            If not even one block fits.
        """
        wanted = self.settings["precision"]
        dtypes = [precision.pick_dtype(wanted, device)]
        # Left open, it is settled by holding both.
        dtypes += [torch.float32] if wanted == "auto" else []
        means = blocks.Means(
            device,
            tuple(dict.fromkeys(dtypes)),
            self.settings["micro_batch"],
            threads or resources.cores(),
            budget_bytes,
        )
        sizes = blocks.plan(self.trained, self.reader, self.result, means)
        if self.learns and self.shift is None:
            learning = cohort_learning.held_bytes(self.trained, means.micro_batch)
            sizes = sizes._replace(items=(*sizes.items, memory.Item("learning", learning)))
            memory.require(sizes.items, budget_bytes, "leave --as-cohort out")
        return sizes

    def load(self, dtype: torch.dtype, device: torch.device) -> as_cohort.Predictor:
        """Load the members' weights.

        Parameters
        ----------
        dtype : torch.dtype
            Of the weights.
        device : torch.device
            Where they run.

        Returns
        -------
        as_cohort.Predictor
            Ready to be called.
        """
        predictor = as_cohort.Predictor(
            kinds.load_networks(self.trained, self.model),
            dtype,
            device,
            self.settings["micro_batch"],
            self.settings["seed"],
        )
        predictor.alignment = self.shift.alignment if self.shift else None
        return predictor

    def settle(self, device: torch.device) -> Settled:
        """Load the model, and settle what is left open: the first rows and the device decide.

        Parameters
        ----------
        device : torch.device
            Where the networks run.

        Returns
        -------
        Settled
            Never at ``"auto"``, and with a micro-batch that fits the device.
        """
        wanted = self.settings["precision"]
        dtype = precision.pick_dtype(wanted, device)
        predictor = self._fit(dtype, device)
        if wanted != "auto" or dtype == torch.float32:
            return Settled(predictor, _NAMES[dtype])
        exact, probe = self._fit(torch.float32, device), self._probe()
        if self.trained.accepts(exact(probe), predictor(probe)):
            return Settled(predictor, _NAMES[dtype])
        note = "bf16 strays too far from fp32 on the first rows: everything runs in fp32"
        return Settled(exact, "fp32", note)

    def _fit(self, dtype: torch.dtype, device: torch.device) -> as_cohort.Predictor:
        """Load the model with a micro-batch that fits the device."""
        predictor = self.load(dtype, device)
        if device.type == "cuda":
            predictor.settle_micro_batch(self._probe())
        return predictor

    def _probe(self) -> task.Arrays:
        return self.reader.inputs(slice(0, min(PROBE_ROWS, self.store.n_rows)))

    def time(self, predictor: predict.Predictor, sizes: blocks.Sizes) -> float:
        """Measure how long a row takes, on the first ones; nothing is written.

        Parameters
        ----------
        predictor : predict.Predictor
            Loaded.
        sizes : blocks.Sizes
            How much is worked on at a time.

        Returns
        -------
        float
            Seconds a row.
        """
        n_rows = min(sizes.rows, self.store.n_rows)
        clock = partition.timer()
        block = self.reader.inputs(slice(0, n_rows))
        reading = clock() / max(1, n_rows)
        inputs = {name: values[: predictor.micro_batch] for name, values in block.items()}
        compute = functools.partial(self._compute, predictor, inputs)
        with pipeline.open_lanes(sizes.n_lanes) as lanes:
            concurrent.futures.wait([lanes.submit(compute, 1) for _ in range(sizes.n_lanes)])
            clock = partition.timer()
            n_times = [TIMED_MICRO_BATCHES] * sizes.n_lanes
            n_computed = sum(lanes.map(compute, n_times)) * predictor.micro_batch
        return reading + clock() / n_computed

    def _compute(self, predictor: predict.Predictor, inputs: task.Arrays, n_times: int) -> int:
        for _ in range(n_times):
            self.reader.finish(predictor(inputs), inputs)
        return n_times

    def create(self, out: places.Place, plan: partition.Plan) -> None:
        """Write the empty, full-size result store.

        Parameters
        ----------
        out : pathlib.Path or upath.UPath
            Where it is to stand.
        plan : partition.Plan
            Of the run that is to fill it.
        """
        attributes = {
            **self.result.attributes,
            **{f"{role}_digest": digest for role, digest in plan.inputs.items()},
            "inference": plan.settings,
            "versions": partition.versions(),
        }
        group = write.create(
            out,
            self.result.spec,
            self.result.coordinates,
            attributes,
            leave_out=self.result.leave_out,
            codec=plan.settings["codec"],
        )
        for name, values in self.result.whole.items():
            write.write_whole(group, name, values)


def _with_dtype(spec: schema.StoreSpec, dtype: str) -> schema.StoreSpec:
    arrays = tuple(
        dataclasses.replace(array, dtype=dtype) if dtype in array.dtypes else array
        for array in spec.arrays
    )
    return dataclasses.replace(spec, arrays=arrays)
