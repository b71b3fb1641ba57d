"""The command of an array task of infer: it imports no more than its work needs."""

from typing import Any

import click

from bluebatch.cli import options, output
from bluebatch.engine import infer


@click.command("infer-partition")
@options.store_argument
@options.partition_options
@options.device_option
@options.threads_option
@options.max_memory_option
@output.flags
def infer_partition_command(
    store: options.Place, numbers: list[int] | None, one_based: bool, **run: Any
) -> None:
    """Write the partitions of one task of the store that infer-init began."""
    output.tell(infer.work(store, numbers, infer.Options(**run), one_based=one_based))
