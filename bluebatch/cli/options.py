"""Options that several commands share."""

import pathlib
import typing
from collections.abc import Callable
from typing import Any, TypeVar

import click

from bluebatch.run import memory
from bluebatch.store import places

F = TypeVar("F", bound=Callable[..., Any])

# What cannot be read is told by whoever reads it, like any other bad input.
PATH = click.Path(path_type=pathlib.Path, readable=False)
Place = places.Place


def choice(settings: Any, field: str) -> click.Choice[str]:
    """Offer the values that a settings model allows for a field."""
    found = [settings.model_fields[field].annotation]
    while not all(isinstance(value, str) for value in found):
        # Optional[Literal["a", "b"]] -> Literal["a", "b"], None -> "a", "b"
        found = [part for value in found for part in typing.get_args(value)]
    return click.Choice([str(value) for value in found])


def place(value: str) -> places.Place:
    """Turn what was given into a path, or a URL that fsspec opens."""
    return places.place(value)


def numbers(value: str) -> list[int]:
    """Read numbers and ranges: 3, 3,5 or 3-7."""
    found: list[int] = []
    for part in value.split(","):
        first, _, last = part.strip().partition("-")
        if not first.isdecimal() or (last and not last.isdecimal()):
            raise click.BadParameter(f"{value!r} is not like 3, 3,5 or 3-7")
        found += range(int(first), int(last or first) + 1)
    return found


def names(value: tuple[str, ...]) -> tuple[str, ...]:
    """Split the comma lists of a repeated option: ``--x a,b --x c`` is a, b, c."""
    parts = (part.strip() for item in value for part in item.split(","))
    return tuple(part for part in parts if part)


def names_option(flag: str, text: str) -> Callable[[F], F]:
    """Add a repeatable option of comma lists of names."""
    return click.option(
        flag,
        multiple=True,
        metavar="A,B,...",
        callback=lambda ctx, parameter, value: names(value),
        help=text,
    )


out_option = click.option(
    "--out", type=place, metavar="PATH|URL", required=True, help="What to write."
)
model_option = click.option(
    "--model",
    type=place,
    metavar="PATH|URL",
    required=True,
    help="Folder that `bluebatch train` wrote.",
)
seed_option = click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of all that is drawn."
)
overwrite_option = click.option(
    "--overwrite", is_flag=True, help="Replace what stands at the output path."
)
threads_option = click.option(
    "--threads", type=click.IntRange(min=1), help="Default: the cores granted."
)
device_option = click.option(
    "--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:N."
)
codec_option = click.option(
    "--codec",
    type=click.Choice(["none", "zstd"]),
    default="none",
    show_default=True,
    help="Compression of the store.",
)

store_argument = click.argument("store", type=place)
max_memory_option = click.option(
    "--max-memory",
    type=memory.parse,
    metavar="SIZE",
    help="E.g. 4GB. Default: what the queue granted, or most of what is free.",
)
dry_run_option = click.option(
    "--dry-run", is_flag=True, help="Tell what would be done, and do nothing."
)
per_task_option = click.option(
    "--per-task",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Partitions of one array task.",
)


def partition_options(command: F) -> F:
    """Add what chooses the partitions of a task."""
    command = click.option("--one-based", is_flag=True, help="Numbers count from 1.")(command)
    return click.option(
        "--partition",
        "numbers",
        type=numbers,
        metavar="I,J-K",
        help="Default: those of the task in SLURM_ARRAY_TASK_ID.",
    )(command)


def cluster_options(command: F) -> F:
    """Add what spreads partitions over Dask workers."""
    command = click.option(
        "--cluster-config",
        metavar="NAME|FILE",
        default="slurm",
        show_default=True,
        help="Settings of --cluster slurm.",
    )(command)
    command = click.option("--workers", type=click.IntRange(min=1), help="Of --cluster.")(command)
    command = click.option(
        "--cluster", type=click.Choice(["local", "slurm"]), help="Start Dask workers here."
    )(command)
    return click.option(
        "--scheduler", metavar="URL", help="Give partitions to a running Dask scheduler."
    )(command)
