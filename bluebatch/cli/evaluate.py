"""The command that scores results: evaluate."""

from typing import Any

import click

from bluebatch.cli import options, output
from bluebatch.downstream import evaluate


@click.command("evaluate")
@click.argument("results", type=options.place)
@click.option(
    "--truth",
    type=options.place,
    metavar="PATH|URL",
    required=True,
    help="Pseudobulk store, or csv of proportions.",
)
@click.option(
    "--out", type=options.place, metavar="PATH|URL", help="Folder. Default: that of RESULTS."
)
@click.option(
    "--model",
    type=options.place,
    metavar="PATH|URL",
    help="Model folder: score its baselines as well.",
)
@click.option(
    "--cohort",
    type=options.place,
    metavar="PATH|URL",
    help="Bulk store, for the baselines that read it.",
)
@options.names_option("--cell-types", "Types that must be compared. Default: all in common.")
@click.option("--renormalise", is_flag=True, help="Divide by the sum over the compared types.")
@click.option("--proportions-only", is_flag=True, help="Leave profiles alone.")
@click.option("--min-cells", type=click.IntRange(min=1), default=25, show_default=True)
@click.option(
    "--split",
    type=click.Choice(["train", "validation", "test"]),
    default="test",
    show_default=True,
    help="Of a truth store.",
)
@click.option(
    "--contrast", metavar="COLUMN", help="Compare the differences between two groups of samples."
)
@options.names_option("--groups", "Two values of COLUMN, the base first. Default: its two.")
@click.option(
    "--samples", type=options.PATH, help="csv of samples with COLUMN. Default: an array of a store."
)
@click.option(
    "--profiles", type=options.PATH, help="csv of profiles of sorted cells: cell types, genes."
)
@click.option(
    "--bootstrap",
    type=click.IntRange(min=0),
    default=0,
    metavar="N",
    help="Draw the samples anew so often, for intervals of the headline scores: e.g. 2000.",
)
@options.overwrite_option
@output.flags
def evaluate_command(
    results: options.Place, truth: options.Place, out: options.Place | None, **how: Any
) -> None:
    """Score RESULTS against a truth, beside simple baselines and the ceiling."""
    output.tell(evaluate.run(results, truth, out, evaluate.Options(**how)))
