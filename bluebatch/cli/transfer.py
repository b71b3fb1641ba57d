"""Frozen groups of patients on a second cohort."""

from typing import Any

import click

from bluebatch.cli import options, output, patients
from bluebatch.downstream import transfer
from bluebatch.store import output_folders


@click.command("transfer")
@click.argument("subtypes", type=options.place)
@click.argument("results", type=options.place)
@patients.patient_options
@click.option(
    "--permutations",
    "n_permutations",
    type=click.IntRange(min=0),
    default=1000,
    show_default=True,
    help="Permutations of survival behind the p of how many definitions replicate.",
)
@output.flags
def transfer_command(
    subtypes: options.Place, results: options.Place, out: options.Place, **how: Any
) -> None:
    """Test the frozen groups of SUBTYPES on the RESULTS of a second cohort; nothing is refitted."""
    with output_folders.all_or_nothing(out):
        output.tell(transfer.run(subtypes, results, out, transfer.Options(**how)))
