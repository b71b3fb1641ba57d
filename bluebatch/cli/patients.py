"""Commands about patients: subtype, transfer."""

from typing import Any

import click

from bluebatch.cli import options, output, science
from bluebatch.downstream import subtype, transfer
from bluebatch.downstream.clinical import EndpointSettings
from bluebatch.downstream.subtype_settings import Settings


def _leave_out(
    ctx: click.Context, parameter: click.Parameter, value: tuple[str, ...]
) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for item in value:
        column, equals, values = item.partition("=")
        if not equals or not values:
            raise click.BadParameter(f"{item!r} is not like COLUMN=VALUE or COLUMN=A,B")
        found[column] = (*found.get(column, ()), *options.names((values,)))
    return found


def patient_options(command: options.F) -> options.F:
    """Add what says who the patients are and how long they lived."""
    for add in (
        options.overwrite_option,
        options.seed_option,
        options.names_option("--covariates", "Clinical columns that Cox models adjust for."),
        options.names_option("--strata", "Clinical columns within whose levels is compared."),
        click.option(
            "--leave-out",
            multiple=True,
            callback=_leave_out,
            metavar="COLUMN=A,B",
            help="Leave out patients by a clinical column; repeatable.",
        ),
        click.option(
            "--patient-from-sample", help="tcga, target, or a regular expression with one group."
        ),
        click.option("--patient-column", help="Column of the table that names patients."),
        click.option("--censor-at", type=float, help="Follow up no longer: in the time's unit."),
        click.option(
            "--time-unit",
            type=options.choice(EndpointSettings, "time_unit"),
            help="Default: from the column's name, else days.",
        ),
        options.names_option("--event-values", "Words that mean the event. Default: recognised."),
        click.option("--event", help="Column of the event. Default: recognised by its name."),
        click.option("--time", help="Column of the time. Default: recognised by its name."),
        click.option(
            "--clinical", type=options.PATH, required=True, help="Table: one row a patient."
        ),
        click.option(
            "--cohort",
            type=options.place,
            metavar="PATH|URL",
            help="Cohort store that RESULTS were made from: bulk expression, patients.",
        ),
        options.out_option,
    ):
        command = add(command)
    return command


@click.command("subtype")
@click.argument("results", type=options.place)
@patient_options
@options.names_option("--cell-types", "Cell types that definitions may pick. Default: all.")
@click.option("--gene-sets", type=options.PATH, help="GMT file of gene sets.")
@science.setting(
    "--split-samples",
    "differential",
    "split_samples",
    is_flag=True,
    help="Test expression in patients and by genes that took no part in the groups.",
)
@science.setting(
    "--absent", "search", "absent", type=click.Choice(["rest", "drop"]), help="Patients without it."
)
@science.setting("--min-group", "search", "min_group", type=int, help="Fewest patients of a side.")
@science.setting("--permutations", "search", "n_permutations", type=int, help="Of survival times.")
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
    output.tell(subtype.run(results, out, settings, subtype.Options(**how)))


@click.command("transfer")
@click.argument("subtypes", type=options.place)
@click.argument("results", type=options.place)
@patient_options
@output.flags
def transfer_command(
    subtypes: options.Place, results: options.Place, out: options.Place, **how: Any
) -> None:
    """Test the frozen groups of SUBTYPES on the RESULTS of a second cohort; nothing is refitted."""
    output.tell(transfer.run(subtypes, results, out, transfer.Options(**how)))
