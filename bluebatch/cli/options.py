"""Options that several commands share, and the printing of summaries."""

import json
import pathlib
import typing
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

import click

from bluebatch.run import progress

F = TypeVar("F", bound=Callable[..., Any])

# What cannot be read is told by whoever reads it, like any other bad input.
PATH = click.Path(path_type=pathlib.Path, readable=False)
# Remembered on the root context, so that `bluebatch --json infer` and `bluebatch infer --json`
# are one.
JSON = "bluebatch.json"
QUIET = "bluebatch.quiet"
VERBOSE = "bluebatch.verbose"


class Summary(Protocol):
    """What a verb returns of its run."""

    def as_text(self) -> str:
        """Write it for people."""

    def as_dict(self) -> dict[str, Any]:
        """Write it for programs: JSON values."""


def as_json() -> bool:
    """Tell whether ``--json`` was given."""
    return bool(click.get_current_context().find_root().meta.get(JSON))


def tell(summary: Summary) -> None:
    """Print a summary on stdout: text, or JSON with ``--json``."""
    if as_json():
        click.echo(json.dumps(summary.as_dict(), default=str))
    else:
        click.echo(summary.as_text())


def _remember(name: str) -> Callable[[click.Context, click.Parameter, bool], None]:
    def callback(ctx: click.Context, parameter: click.Parameter, value: bool) -> None:
        meta = ctx.find_root().meta
        meta[name] = value or meta.get(name, False)
        progress.configure(quiet=meta.get(QUIET, False), verbose=meta.get(VERBOSE, False))

    return callback


def _flag(name: str, key: str, text: str) -> Callable[[F], F]:
    return click.option(name, is_flag=True, expose_value=False, callback=_remember(key), help=text)


def output_options(command: F) -> F:
    """Add what every command has: ``--quiet``, ``--verbose``, ``--json``."""
    command = _flag("--json", JSON, "Print the summary as JSON.")(command)
    command = _flag("--verbose", VERBOSE, "Log every detail; show tracebacks.")(command)
    return _flag("--quiet", QUIET, "No progress; warnings and the summary only.")(command)


def choice(settings: Any, field: str) -> click.Choice[str]:
    """Offer the values that a settings model allows for a field."""
    found = [settings.model_fields[field].annotation]
    while not all(isinstance(value, str) for value in found):
        # Optional[Literal["a", "b"]] -> Literal["a", "b"], None -> "a", "b"
        found = [part for value in found for part in typing.get_args(value)]
    return click.Choice([str(value) for value in found])


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


out_option = click.option("--out", type=PATH, required=True, help="What to write.")
model_option = click.option(
    "--model", type=PATH, required=True, help="Folder that `bluebatch train` wrote."
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
