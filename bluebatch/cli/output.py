"""What every command has: the flags that say what is printed, and the printing of summaries."""

import json
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

import click

from bluebatch.run import progress, ranks

F = TypeVar("F", bound=Callable[..., Any])

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
    """Print a summary on stdout, once for all processes: text, or JSON with ``--json``."""
    if not ranks.is_first():
        return
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


def flags(command: F) -> F:
    """Add what every command has: ``--quiet``, ``--verbose``, ``--json``."""
    command = _flag("--json", JSON, "Print the summary as JSON.")(command)
    command = _flag("--verbose", VERBOSE, "Log every detail; show tracebacks.")(command)
    return _flag("--quiet", QUIET, "No progress; warnings and the summary only.")(command)
