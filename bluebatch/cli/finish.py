"""The commands after the array tasks, which import neither torch nor scanpy."""

import click

from bluebatch.cli import options, output
from bluebatch.run import staged, verify


@click.command("infer-finalise")
@options.store_argument
@output.flags
def infer_finalise_command(store: options.Place) -> None:
    """Complete the store, or list the partitions that are missing and exit with 3."""
    output.tell(staged.finalise(store, "infer"))


@click.command("simulate-finalise")
@options.store_argument
@output.flags
def simulate_finalise_command(store: options.Place) -> None:
    """Complete the store, or list the partitions that are missing and exit with 3."""
    output.tell(staged.finalise(store, "simulate"))


@click.command("verify")
@options.store_argument
@output.flags
def verify_command(store: options.Place) -> None:
    """Read every checksum of STORE again and name the partitions to be done again."""
    found = verify.run(store)
    output.tell(found)
    click.get_current_context().exit(found.exit_code)
