"""Groups of patients by cell states."""

from typing import Any

import click

from bluebatch.cli import options, output, patients, science
from bluebatch.downstream import subtype
from bluebatch.downstream.subtype_settings import Settings
from bluebatch.store import output_folders


@click.command("subtype")
@click.argument("results", type=options.place)
@patients.patient_options
@options.names_option("--cell-types", "Cell types that definitions may pick. Default: all.")
@click.option(
    "--gene-sets", type=options.PATH, help="GMT file of gene sets to test. Default: none."
)
@science.setting(
    "--split-samples",
    "differential",
    "split_samples",
    is_flag=True,
    help="Test expression in patients and by genes that took no part in the groups.",
)
@science.setting(
    "--absent",
    "search",
    "absent",
    type=click.Choice(["rest", "drop"]),
    help="Patients without a cell type of a definition: among the rest, or left out. "
    "Default: as configured.",
)
@science.setting(
    "--min-group",
    "search",
    "min_group",
    type=int,
    help="Fewest patients inside and outside a definition. Default: as configured.",
)
@science.setting(
    "--permutations",
    "search",
    "n_permutations",
    type=int,
    help="Permutations of survival behind the p of the search. Default: as configured.",
)
@science.config_option
@output.flags
def subtype_command(
    results: options.Place, out: options.Place, config_name: str, **how: Any
) -> None:
    """Group patients by cell states that go with survival.

    RESULTS is a store of profiles; a cohort store stands for its bulk expression alone, and a
    composition store (`ingest --kind proportion`) for proportions alone.
    """
    settings = science.load(config_name).part(Settings)
    with output_folders.all_or_nothing(out):
        output.tell(subtype.run(results, out, settings, subtype.Options(**how)))
