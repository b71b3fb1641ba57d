"""Commands about models: train, infer, evaluate."""

import pathlib
from typing import Any

import click

from bluebatch.cli import options, science
from bluebatch.engine import infer, train


@click.command("train")
@click.argument("store", type=options.PATH)
@options.out_option
@science.config_option
@click.option("--cohort", type=options.PATH, help="Limit the panel to the genes of this cohort.")
@click.option("--genes", type=options.PATH, help="File of genes of interest, one a line.")
@click.option("--mrna-content", type=options.PATH, help="csv of cell_type, factor.")
@click.option("--resume", is_flag=True, help="Go on with an unfinished run at --out.")
@options.device_option
@options.threads_option
@options.seed_option
@options.overwrite_option
@options.output_options
def train_command(store: pathlib.Path, out: pathlib.Path, config_name: str, **run: Any) -> None:
    """Train a model on the pseudobulks of STORE."""
    settings = science.load(config_name).part(train.Settings)
    options.tell(train.run(store, out, settings, train.Options(**run)))


@click.command("infer")
@click.argument("cohort", type=options.PATH)
@options.model_option
@options.out_option
@science.config_option
@click.option(
    "--precision",
    type=options.choice(infer.InferenceSettings, "precision"),
    help="Default: as configured.",
)
@science.setting(
    "--codec",
    "inference",
    "codec",
    type=options.choice(infer.InferenceSettings, "codec"),
    help="none or zstd.",
)
@options.device_option
@options.threads_option
@options.seed_option
@options.overwrite_option
@options.output_options
def infer_command(
    cohort: pathlib.Path, model: pathlib.Path, out: pathlib.Path, config_name: str, **run: Any
) -> None:
    """Stream COHORT through a model into a store of proportions and profiles."""
    settings = science.load(config_name).inference
    options.tell(infer.run(cohort, model, out, settings, infer.Options(**run)))
