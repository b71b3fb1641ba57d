"""The report of a results store."""

from collections.abc import Callable
from typing import Any

import click

from bluebatch.cli import options, output
from bluebatch.downstream import page


def _input(flag: str, text: str) -> Callable[[options.F], options.F]:
    return click.option(flag, type=options.place, metavar="PATH|URL", help=text)


@click.command("report")
@click.argument("results", type=options.place)
@options.out_option
@_input("--cohort", "Store that RESULTS were made from: gene report, attributes.")
@_input("--model", "Folder of the model: its markers and settings.")
@click.option("--by", metavar="COLUMN", help="Attribute that groups the samples.")
@_input("--samples", "Table of attributes. Default: the cohort's own.")
@_input("--evaluation", "Folder that `bluebatch evaluate` wrote to.")
@_input("--subtypes", "Folder that `bluebatch subtype` or `transfer` wrote to.")
@_input("--figures-folder", "Figures and numbers as files. Default: beside the page.")
@options.overwrite_option
@output.flags
def report_command(results: options.Place, out: options.Place, **given: Any) -> None:
    """Write one page about RESULTS: what is in it, and how far it can be trusted.

    RESULTS is a profile store, a composition store, or with --subtypes a cohort store.
    """
    output.tell(page.run(results, out, page.Options(**given)))
