"""Commands about settings: config show, config check."""

import click

from bluebatch import config
from bluebatch.cli import output


@click.group("config")
def config_group() -> None:
    """Show or check a configuration."""


@config_group.command("show")
@click.argument("name", default="default")
@output.flags
def show_command(name: str) -> None:
    """Print the resolved settings of NAME: a name that ships with bluebatch, or a .toml file."""
    settings = config.load(name)
    if output.as_json():
        click.echo(settings.model_dump_json())
    else:
        click.echo(config.show(settings), nl=False)


@config_group.command("check")
@click.argument("name", metavar="FILE")
@output.flags
def check_command(name: str) -> None:
    """Check that FILE is a configuration, every key known and in range."""
    config.load(name)
    click.echo(f"{name}: is a valid configuration")
