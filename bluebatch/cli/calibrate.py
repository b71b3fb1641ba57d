"""The command that calibrates intervals on the user's own samples: calibrate."""

from typing import Any

import click

from bluebatch.cli import options, output
from bluebatch.downstream import calibrate


@click.command("calibrate")
@click.argument("results", type=options.place)
@click.option(
    "--truth",
    type=options.place,
    metavar="PATH|URL",
    required=True,
    help="csv of known proportions of these samples, or pseudobulk store.",
)
@options.model_option
@options.out_option
@click.option(
    "--renormalise", is_flag=True, help="Divide the truth by its sum over the model's types."
)
@click.option(
    "--split",
    type=click.Choice(["train", "validation", "test"]),
    default="test",
    show_default=True,
    help="Of a truth store.",
)
@options.overwrite_option
@output.flags
def calibrate_command(
    results: options.Place,
    truth: options.Place,
    model: options.Place,
    out: options.Place,
    **how: Any,
) -> None:
    """Write a copy of the model whose intervals rest on RESULTS with known composition."""
    output.tell(calibrate.run(results, truth, model, out, calibrate.Options(**how)))
