"""Single cells to pseudobulk samples with known composition and profiles, streamed to a store.

Each group of 256 samples draws from its own child of the seed, so that the same bits come out
whatever was interrupted, and however the job was cut.
"""

import dataclasses
import logging
import pathlib
from collections.abc import Iterator, Mapping, Sequence
from concurrent import futures
from typing import Any

import numpy.typing as npt
import zarr

from bluebatch.run import partition, progress
from bluebatch.simulate import blocks, settings
from bluebatch.simulate.plan import MARKERS, Plan, prepare
from bluebatch.store import outputs, schema, write

SimulationSettings = settings.SimulationSettings
Settings = settings.Settings
RunOptions = settings.RunOptions

_log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Summary:
    """What a simulation made.

    Parameters
    ----------
    path : str
        The store.
    state : str
        ``"new"``, ``"resumed"`` or ``"complete"``, as it was found.
    n_skipped : int
        Partitions that an earlier run had finished.
    seconds : float
        Wall time.
    facts : dict
        Samples by split, cells by reference, genes, the split used, notes.
    """

    path: str
    state: str
    n_skipped: int
    seconds: float
    facts: dict[str, Any]

    def as_dict(self) -> dict[str, Any]:
        """Give everything as JSON values.

        Returns
        -------
        dict
            All fields, flat.
        """
        fields = dataclasses.asdict(self)
        return {**fields.pop("facts"), **fields}

    def as_text(self) -> str:
        """Put it into a few lines.

        Returns
        -------
        str
            What the command prints.
        """
        facts = self.facts
        samples = ", ".join(f"{n:,} {name}" for name, n in facts["n_samples"].items())
        state = {
            "complete": "already complete",
            "resumed": f"resumed, {self.n_skipped} finished partitions skipped",
        }.get(self.state, f"{self.seconds:.1f} s")
        lines = [
            f"{self.path}: {samples} samples ({state})",
            f"  {facts['n_genes']:,} genes, profiles of {facts['n_profile_genes']:,}, "
            f"cell types {', '.join(facts['cell_types'])}",
        ]
        for each in facts["references"]:
            numbers = ", ".join(f"{name} {n:,}" for name, n in each["n_cells"].items())
            lines.append(f"  {each['name']}: {numbers} cells, split by {each['split_by']}")
        return "\n".join([*lines, *(f"  note: {note}" for note in facts["notes"])])


def run(
    references: Sequence[str | pathlib.Path],
    out: str | pathlib.Path,
    settings: Settings,
    options: RunOptions,
) -> Summary:
    """Simulate a pseudobulk store.

    Parameters
    ----------
    references : sequence of str or pathlib.Path
        Files in h5ad format; the bundled reference where there are none.
    out : str or pathlib.Path
        The store to make, or to go on with.
    settings : Settings
        The science.
    options : RunOptions
        Seed, paths, codec.

    Returns
    -------
    Summary
        What was made.
    """
    stopwatch = partition.timer()
    outputs.check(out, [*references, options.genes], overwrite=options.overwrite)
    plan = prepare(references, settings, options)
    made_from = plan.attributes["references"]
    job = partition.open_job(
        out,
        partition.Plan(
            command="simulate",
            settings={
                **settings.model_dump(mode="json"),
                **{name: plan.attributes[name] for name in ("seed", "extra_genes", "all_genes")},
                "codec": options.codec,
            },
            inputs={f"{i} {each['name']}": each["digest"] for i, each in enumerate(made_from)},
            n_rows=len(plan.design.part),
            partition_rows=options.partition_rows,
        ),
        lambda: _create(out, plan, options),
        overwrite=options.overwrite,
    )
    found = job.state
    if found == "complete":
        _log.info("%s: already complete", out)
    elif job.n_skipped:
        _log.info("%s: %d finished partitions skipped", out, job.n_skipped)
    _fill(job, plan)
    return Summary(str(out), found, job.n_skipped, round(stopwatch(), 3), _facts(plan))


def _fill(job: partition.Job, plan: Plan) -> None:
    """Draw on this thread while one block is written and one partition flushed on others."""
    pending = job.pending()
    n_rows = sum(each.rows.stop - each.rows.start for each in pending)
    if pending:
        group = job.group()
        with (
            progress.bar("simulate", total=n_rows, unit="samples") as step,
            futures.ThreadPoolExecutor(max_workers=2) as workers,
        ):
            written = marked = workers.submit(step, 0)
            for each in pending:
                seconds = partition.timer()
                for rows in _blocks(each.rows):
                    arrays = blocks.draw(plan, rows)
                    written.result()
                    written = workers.submit(_write, group, rows, arrays, step)
                written.result()
                marked.result()
                marked = workers.submit(job.mark, each, seconds())
            marked.result()
    job.finalise()


def _blocks(rows: slice) -> Iterator[slice]:
    for start in range(rows.start, rows.stop, schema.ROWS_PER_CHUNK):
        yield slice(start, min(start + schema.ROWS_PER_CHUNK, rows.stop))


def _write(
    group: zarr.Group, rows: slice, arrays: Mapping[str, npt.ArrayLike], step: progress.Step
) -> None:
    for name, values in arrays.items():
        write.write(group, name, rows, values)
    step(rows.stop - rows.start)


def _create(out: str | pathlib.Path, plan: Plan, options: RunOptions) -> None:
    leave_out = [name for name in MARKERS if name not in plan.whole]
    try:
        group = write.create(
            out,
            schema.PSEUDOBULK,
            plan.coordinates,
            plan.attributes,
            leave_out=leave_out,
            codec=options.codec,
        )
        for name, values in plan.whole.items():
            write.write_whole(group, name, values)
    except BaseException:
        # Without its plan beside it nobody could go on with this store: leave none of it.
        write.clear(out)
        raise


def _facts(plan: Plan) -> dict[str, Any]:
    samples = [name.rsplit("-", 1)[0] for name in plan.coordinates["sample"]]
    return {
        "n_samples": {name: samples.count(name) for name in dict.fromkeys(samples)},
        "n_genes": len(plan.coordinates["gene"]),
        "n_profile_genes": len(plan.coordinates["profile_gene"]),
        "cell_types": plan.coordinates["cell_type"],
        **{name: plan.attributes[name] for name in ("seed", "references", "notes")},
    }
