"""Commands about patients: subtype, transfer."""

from typing import Any

import click

from bluebatch.cli import options, output, science
from bluebatch.downstream import subtype, transfer, transfer_files
from bluebatch.downstream.clinical import EndpointSettings
from bluebatch.downstream.subtype_settings import Settings


def _leave_out(
    ctx: click.Context, parameter: click.Parameter, value: tuple[str, ...]
) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for item in value:
        column, equals, values = item.partition("=")
        if not column or not equals or not values:
            raise click.BadParameter(f"{item!r} is not like COLUMN=VALUE or COLUMN=A,B")
        found[column] = (*found.get(column, ()), *options.names((values,)))
    return found


def patient_options(command: options.F) -> options.F:
    """Add what says who the patients are and how long they lived."""
    for add in (
        options.overwrite_option,
        options.seed_option,
        options.names_option(
            "--covariates", "Clinical columns that Cox models adjust for. Default: none."
        ),
        options.names_option(
            "--strata",
            "Clinical columns: patients are compared within their levels. Default: none.",
        ),
        click.option(
            "--leave-out",
            multiple=True,
            callback=_leave_out,
            metavar="COLUMN=A,B",
            help="Leave out patients by values of a clinical column; repeatable.",
        ),
        click.option(
            "--patient-from-sample",
            help="Patient in a sample's name: tcga, target, or a regular expression with one "
            "group. Default: as a store states, else barcodes are recognised.",
        ),
        click.option(
            "--patient-column",
            help="Column of the table that names patients. Default: recognised by its name.",
        ),
        click.option(
            "--censor-at",
            type=float,
            help="End of follow-up, in the unit of the time. Default: as long as there is.",
        ),
        click.option(
            "--time-unit",
            type=options.choice(EndpointSettings, "time_unit"),
            help="Unit of the time. Default: by the name of its column, else days.",
        ),
        options.names_option("--event-values", "Values that mean the event. Default: recognised."),
        click.option("--event", help="Column of the event. Default: recognised by its name."),
        click.option("--time", help="Column of the time. Default: recognised by its name."),
        click.option(
            "--clinical",
            type=options.PATH,
            required=True,
            help="csv or tsv of times and events: one row a patient.",
        ),
        click.option(
            "--cohort",
            type=options.place,
            metavar="PATH|URL",
            help="Cohort store that RESULTS were made from: bulk expression, names of patients.",
        ),
        options.out_option,
    ):
        command = add(command)
    return command


@click.command("subtype")
@click.argument("results", type=options.place)
@patient_options
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
    with transfer_files.all_or_nothing(out):
        output.tell(subtype.run(results, out, settings, subtype.Options(**how)))


@click.command("transfer")
@click.argument("subtypes", type=options.place)
@click.argument("results", type=options.place)
@patient_options
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
    with transfer_files.all_or_nothing(out):
        output.tell(transfer.run(subtypes, results, out, transfer.Options(**how)))
