"""What commands about patients share: who they are and how long they lived."""

import click

from bluebatch.cli import options
from bluebatch.downstream.clinical import EndpointSettings


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
