"""The command of an array task of simulate: it imports no more than its work needs."""

import click

from bluebatch.cli import options, output
from bluebatch.simulate import pseudobulk


@click.command("simulate-partition")
@options.store_argument
@options.partition_options
@options.max_memory_option
@output.flags
def simulate_partition_command(
    store: options.Place, numbers: list[int] | None, one_based: bool, max_memory: int | None
) -> None:
    """Write the partitions of one task of the store that simulate-init began."""
    output.tell(pseudobulk.work(store, numbers, one_based=one_based, max_memory=max_memory))
