"""The whole job on real single cells: simulate, ingest, train, infer, evaluate."""

import dataclasses
import logging
import pathlib
from collections.abc import Callable
from typing import Any, Final

import click

from bluebatch import config
from bluebatch.cli import options, output, science
from bluebatch.downstream import evaluate, report
from bluebatch.engine import infer, train
from bluebatch.simulate import pseudobulk
from bluebatch.store import ingest

HELD_OUT: Final = "test"

_log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Demonstration:
    """What the demonstration left, and how good it is."""

    results: pathlib.Path
    evaluation: report.Evaluation

    def as_text(self) -> str:
        """Lay out the scores, and how the result is opened."""
        lines = [
            "import xarray as xr",
            f'results = xr.open_zarr("{self.results}")',
            'results["profile"].sel(cell_type="Mono").mean("sample").to_pandas()',
        ]
        return "\n".join([self.evaluation.as_text(), "", "Open the result in Python:", *lines])

    def as_dict(self) -> dict[str, Any]:
        """Give every score."""
        return {"results": str(self.results), **self.evaluation.as_dict()}


def run(out: pathlib.Path, settings: config.Config) -> Demonstration:
    """Run every stage, each of which goes on where an earlier demonstration stopped."""
    pseudobulks, cohort = out / "pseudobulk.zarr", out / "cohort.zarr"
    model, results = out / "model", out / "results.zarr"
    # The networks are so small that a second thread only waits: on a busy machine, for minutes.
    stages: list[Callable[[], output.Summary]] = [
        lambda: pseudobulk.run(
            [], pseudobulks, settings.part(pseudobulk.Settings), pseudobulk.RunOptions()
        ),
        # Cells that training never saw stand in for a cohort.
        lambda: ingest.run(pseudobulks, cohort, ingest.IngestOptions(split=HELD_OUT)),
        lambda: train.run(
            pseudobulks, model, settings.part(train.Settings), train.Options(resume=True, threads=1)
        ),
        lambda: infer.run(cohort, model, results, settings.inference, infer.Options(threads=1)),
    ]
    for stage in stages:
        _log.info("%s\n", stage().as_text())
    compared = evaluate.Options(model=model, split=HELD_OUT)
    return Demonstration(results, evaluate.run(results, pseudobulks, out, compared))


@click.command("demo")
@click.option(
    "--out",
    type=options.PATH,
    default="bluebatch-demo",
    show_default=True,
    help="Folder to fill.",
)
@science.config_option_of("demo")
@output.flags
def demo_command(out: pathlib.Path, config_name: str) -> None:
    """Run the whole job on the real single cells that scanpy bundles, in under three minutes."""
    output.tell(run(out, science.load(config_name)))
