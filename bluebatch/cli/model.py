"""Commands about models: train, infer, evaluate."""

import pathlib
from typing import Any

import click

from bluebatch.cli import options, science
from bluebatch.downstream import evaluate
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


@click.command("evaluate")
@click.argument("results", type=options.PATH)
@click.option(
    "--truth", type=options.PATH, required=True, help="Pseudobulk store, or csv of proportions."
)
@click.option("--out", type=options.PATH, help="Folder. Default: that of RESULTS.")
@click.option("--model", type=options.PATH, help="Model folder: score its baselines as well.")
@click.option("--cohort", type=options.PATH, help="Bulk store, for the baselines that read it.")
@options.names_option("--cell-types", "Types that must be compared. Default: all in common.")
@click.option("--renormalise", is_flag=True, help="Divide by the sum over the compared types.")
@click.option("--proportions-only", is_flag=True, help="Leave profiles alone.")
@click.option("--min-cells", type=click.IntRange(min=1), default=25, show_default=True)
@click.option(
    "--split",
    type=click.Choice(["train", "validation", "test"]),
    default="test",
    show_default=True,
    help="Of a truth store.",
)
@options.overwrite_option
@options.output_options
def evaluate_command(
    results: pathlib.Path, truth: pathlib.Path, out: pathlib.Path | None, **how: Any
) -> None:
    """Score RESULTS against a truth, beside simple baselines and the ceiling."""
    options.tell(evaluate.run(results, truth, out, evaluate.Options(**how)))
