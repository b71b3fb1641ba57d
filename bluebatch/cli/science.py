"""Options that choose the science: a configuration, and flags laid over its settings."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from bluebatch import config
from bluebatch.cli import options

F = TypeVar("F", bound=Callable[..., Any])

FLAGS = "bluebatch.flags"


def config_option_of(name: str) -> Callable[[F], F]:
    """Add ``--config`` with a default."""
    return click.option(
        "--config",
        "config_name",
        default=name,
        show_default=True,
        metavar="NAME|FILE",
        help="Settings: a name that ships with bluebatch, or a .toml file.",
    )


config_option = config_option_of("default")


def setting(flag: str, section: str, key: str, **attributes: Any) -> Callable[[F], F]:
    """Add a flag that is laid over a setting of the configuration."""

    def remember(ctx: click.Context, parameter: click.Parameter, value: Any) -> None:
        # A number 0 is a value: only what was not given is left to the configuration.
        if value is not None and value is not False and value != ():
            value = options.names(value) if isinstance(value, tuple) else value
            ctx.meta.setdefault(FLAGS, {}).setdefault(section, {})[key] = value

    return click.option(flag, callback=remember, expose_value=False, **attributes)


def names_setting(flag: str, section: str, key: str, text: str) -> Callable[[F], F]:
    """Add a repeatable flag of comma lists that is laid over a setting."""
    return setting(flag, section, key, metavar="A,B,...", multiple=True, help=text)


def load(name: str) -> config.Config:
    """Load a configuration with the flags of this command laid over it."""
    return config.load(name, click.get_current_context().meta.get(FLAGS))
