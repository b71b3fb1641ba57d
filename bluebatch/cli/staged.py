"""The commands that begin a run of array tasks."""

import pathlib
from typing import Any

import click

from bluebatch.cli import data, options, output, science
from bluebatch.cli import model as model_commands
from bluebatch.engine import infer
from bluebatch.simulate import pseudobulk


@click.command("infer-init")
@model_commands.infer_arguments
@options.per_task_option
@options.overwrite_option
@output.flags
def infer_init_command(
    cohort: options.Place, model: options.Place, out: options.Place, config_name: str, **run: Any
) -> None:
    """Check everything, write the empty store and the plan, tell how many tasks there are."""
    per_task = run.pop("per_task")
    settings = science.load(config_name).inference
    output.tell(infer.init(cohort, model, out, settings, infer.Options(**run), per_task))


@click.command("simulate-init")
@data.simulate_arguments
@options.per_task_option
@options.overwrite_option
@output.flags
def simulate_init_command(
    references: tuple[pathlib.Path, ...], out: options.Place, config_name: str, **run: Any
) -> None:
    """Check everything, write the empty store and the plan, tell how many tasks there are."""
    per_task = run.pop("per_task")
    settings = science.load(config_name).part(pseudobulk.Settings)
    chosen = pseudobulk.RunOptions(**run)
    output.tell(pseudobulk.init(references, out, settings, chosen, per_task))
