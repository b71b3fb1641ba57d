"""Applying a trained model to every row of a store: what `bluebatch infer` does.

This file checks and settles everything before the first row; `pipeline` then moves the rows.
"""

import dataclasses
import functools
import pathlib
from typing import Any, Literal, NamedTuple

import pydantic
import torch

from bluebatch.engine import kinds, pipeline, precision, predict, task
from bluebatch.run import partition
from bluebatch.store import outputs, read, schema, write

PROBE_ROWS = 128

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
    codec : {"none", "zstd"}
        Compression of the result.
    profile_dtype : {"float32", "float16"}
        Of the result's largest arrays.
    """

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid")

    precision: Precision = "auto"
    micro_batch: Literal[16, 32, 64, 128, 256] = predict.MICRO_BATCH
    presence: float = pydantic.Field(default=0.01, ge=0, lt=1)
    min_coverage: float = pydantic.Field(default=0.5, ge=0, le=1)
    codec: write.Codec = "none"
    profile_dtype: Literal["float32", "float16"] = "float32"


@dataclasses.dataclass(frozen=True)
class Options:
    """What one run is given beside its settings.

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
    """

    device: str = "auto"
    threads: int | None = None
    overwrite: bool = False
    precision: Precision | None = None
    seed: int = 0


@dataclasses.dataclass(frozen=True)
class InferSummary:
    """What a run did.

    Parameters
    ----------
    path : str
        The result store.
    state : {"new", "resumed", "complete"}
        What was found there.
    row : str
        Name of the row axis.
    n_rows, n_partitions, n_skipped : int
        Rows of the store, its partitions, and those that an earlier run had finished.
    precision, device : str
        Of the networks.
    seconds, start_up_seconds : float
        Wall time, and the part of it before the first row.
    notes : tuple of str
        What else the user should know.
    """

    path: str
    state: str
    row: str
    n_rows: int
    n_partitions: int
    n_skipped: int
    precision: str
    device: str
    seconds: float
    start_up_seconds: float
    notes: tuple[str, ...] = ()

    def as_text(self) -> str:
        """Say it in lines.

        Returns
        -------
        str
            A headline, then a line a note.
        """
        head = f"{self.path}: {self.n_rows:,} {self.row}s"
        if self.state == "complete":
            return f"{head}, already complete: nothing was done"
        parts = f"{self.n_partitions} partition{'s' * (self.n_partitions != 1)}"
        skipped = f", {self.n_skipped} skipped as finished before" if self.n_skipped else ""
        how = f"{self.precision} on {self.device}, {self.seconds:.1f} s"
        return "\n".join([f"{head}, {parts}{skipped}, {how}", *self.notes])

    def as_dict(self) -> dict[str, Any]:
        """Give it as JSON values.

        Returns
        -------
        dict of str to Any
            By field.
        """
        return dataclasses.asdict(self)


def run(
    cohort: str | pathlib.Path,
    model: str | pathlib.Path,
    out: str | pathlib.Path,
    settings: InferenceSettings | None = None,
    options: Options | None = None,
) -> InferSummary:
    """Apply a trained model to every row of a store.

    Parameters
    ----------
    cohort : str or pathlib.Path
        Store of a kind that the model reads.
    model : str or pathlib.Path
        Model folder.
    out : str or pathlib.Path
        Result store; an unfinished one of the same run is gone on with.
    settings : InferenceSettings, optional
        What changes the result.
    options : Options, optional
        Of this run.

    Returns
    -------
    InferSummary
        What was done, and how many partitions were skipped.

    Raises
    ------
    errors.BluebatchError
        If an input cannot be read or does not match, or something else stands at ``out``.
    errors.DiskFullError
        If no space is left; the same call goes on from there.
    """
    clock = partition.timer()
    settings, options = settings or InferenceSettings(), options or Options()
    if options.precision:
        settings = settings.model_copy(update={"precision": options.precision})
    outputs.check(out, [cohort, model], overwrite=options.overwrite)
    ready = _prepare(cohort, model, settings, options)
    block_rows, partition_rows = pipeline.row_steps(ready.result.spec, settings.micro_batch)
    plan = partition.Plan(
        command="infer",
        settings={
            **settings.model_dump(),
            "precision": ready.precision,
            "device": ready.predictor.device.type,
            "seed": options.seed,
        },
        inputs={"model": kinds.digest(model), "cohort": read.digest(cohort)},
        n_rows=ready.n_rows,
        partition_rows=partition_rows,
    )
    create = functools.partial(_create, out, ready.result, plan)
    job = partition.open_job(out, plan, create, overwrite=options.overwrite)
    summary = _summarise(job, ready, clock())
    if job.state != "complete":
        work = pipeline.Pipeline(ready.reader, ready.predictor, job, block_rows)
        work.fill(unit=f"{summary.row}s")
        job.finalise()
    return dataclasses.replace(summary, seconds=round(clock(), 3))


class _Ready(NamedTuple):
    """An input and a model that fit each other."""

    n_rows: int
    reader: task.Reader
    result: task.Result
    predictor: predict.Predictor
    precision: str
    note: str


def _prepare(
    cohort: str | pathlib.Path,
    model: str | pathlib.Path,
    settings: InferenceSettings,
    options: Options,
) -> _Ready:
    device = precision.pick_device(options.device)
    dtype = precision.pick_dtype(settings.precision, device)
    precision.set_up(device, options.threads)
    trained = kinds.load(model)
    store = read.open_store(cohort, *trained.reads)
    reader = trained.bind(store, settings.model_dump())
    result = reader.result()
    result = result._replace(spec=_with_dtype(result.spec, settings.profile_dtype))
    networks = kinds.load_networks(trained, model)
    make = functools.partial(
        predict.Predictor,
        networks,
        device=device,
        micro_batch=settings.micro_batch,
        seed=options.seed,
    )
    predictor, note = make(dtype), ""
    if settings.precision == "auto" and dtype != torch.float32:
        # The first rows decide, so a run that is resumed decides alike.
        probe = reader.inputs(slice(0, min(PROBE_ROWS, store.n_rows)))
        exact = make(torch.float32)
        if not trained.accepts(exact(probe), predictor(probe)):
            predictor, dtype = exact, torch.float32
            note = "bf16 strays too far from fp32 on the first rows: everything runs in fp32"
    name = {torch.float32: "fp32", torch.bfloat16: "bf16", torch.float16: "fp16"}[dtype]
    return _Ready(store.n_rows, reader, result, predictor, name, note)


def _with_dtype(spec: schema.StoreSpec, dtype: str) -> schema.StoreSpec:
    arrays = tuple(
        dataclasses.replace(array, dtype=dtype) if dtype in array.dtypes else array
        for array in spec.arrays
    )
    return dataclasses.replace(spec, arrays=arrays)


def _create(out: str | pathlib.Path, result: task.Result, plan: partition.Plan) -> None:
    attributes = {
        **result.attributes,
        **{f"{role}_digest": digest for role, digest in plan.inputs.items()},
        "inference": plan.settings,
        "versions": partition.versions(),
    }
    codec = plan.settings["codec"]
    group = write.create(
        out,
        result.spec,
        result.coordinates,
        attributes,
        leave_out=result.leave_out,
        codec=codec,
    )
    for name, values in result.whole.items():
        write.write_whole(group, name, values)


def _summarise(job: partition.Job, ready: _Ready, seconds: float) -> InferSummary:
    return InferSummary(
        path=str(job.path),
        state=job.state,
        row=ready.result.spec.row,
        n_rows=ready.n_rows,
        n_partitions=len(job.partitions()),
        n_skipped=job.n_skipped,
        precision=ready.precision,
        device=ready.predictor.device.type,
        seconds=seconds,
        start_up_seconds=round(seconds, 3),
        notes=tuple(note for note in (ready.result.note, ready.note) if note),
    )
