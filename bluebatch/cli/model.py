"""Commands about models: train, infer, evaluate."""

from typing import Any

import click

from bluebatch.cli import options, output, science
from bluebatch.downstream import evaluate
from bluebatch.engine import infer, train


@click.command("train")
@click.argument("store", type=options.place)
@options.out_option
@science.config_option
@click.option(
    "--cohort",
    type=options.place,
    metavar="PATH|URL",
    help="Limit the panel to the genes of this cohort.",
)
@click.option("--genes", type=options.PATH, help="File of genes of interest, one a line.")
@click.option("--mrna-content", type=options.PATH, help="csv of cell_type, factor.")
@click.option("--resume", is_flag=True, help="Go on with an unfinished run at --out.")
@options.max_memory_option
@options.device_option
@options.threads_option
@options.seed_option
@options.dry_run_option
@options.overwrite_option
@output.flags
def train_command(store: options.Place, out: options.Place, config_name: str, **run: Any) -> None:
    """Train a model on the pseudobulks of STORE."""
    settings = science.load(config_name).part(train.Settings)
    verb = train.preview if run.pop("dry_run") else train.run
    output.tell(verb(store, out, settings, train.Options(**run)))


def infer_arguments(command: options.F) -> options.F:
    """Add what infer and infer-init are both given."""
    for add in (
        options.seed_option,
        options.threads_option,
        options.device_option,
        options.max_memory_option,
        science.setting(
            "--codec",
            "inference",
            "codec",
            type=options.choice(infer.InferenceSettings, "codec"),
            help="none or zstd.",
        ),
        click.option(
            "--precision",
            type=options.choice(infer.InferenceSettings, "precision"),
            help="Default: as configured.",
        ),
        science.config_option,
        options.out_option,
        options.model_option,
        click.argument("cohort", type=options.place),
    ):
        command = add(command)
    return command


@click.command("infer")
@infer_arguments
@options.dry_run_option
@options.cluster_options
@options.overwrite_option
@output.flags
def infer_command(
    cohort: options.Place, model: options.Place, out: options.Place, config_name: str, **run: Any
) -> None:
    """Stream COHORT through a model into a store of proportions and profiles."""
    settings = science.load(config_name).inference
    verb = infer.preview if run.pop("dry_run") else infer.run
    output.tell(verb(cohort, model, out, settings, infer.Options(**run)))


@click.command("evaluate")
@click.argument("results", type=options.place)
@click.option(
    "--truth",
    type=options.place,
    metavar="PATH|URL",
    required=True,
    help="Pseudobulk store, or csv of proportions.",
)
@click.option(
    "--out", type=options.place, metavar="PATH|URL", help="Folder. Default: that of RESULTS."
)
@click.option(
    "--model",
    type=options.place,
    metavar="PATH|URL",
    help="Model folder: score its baselines as well.",
)
@click.option(
    "--cohort",
    type=options.place,
    metavar="PATH|URL",
    help="Bulk store, for the baselines that read it.",
)
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
@output.flags
def evaluate_command(
    results: options.Place, truth: options.Place, out: options.Place | None, **how: Any
) -> None:
    """Score RESULTS against a truth, beside simple baselines and the ceiling."""
    output.tell(evaluate.run(results, truth, out, evaluate.Options(**how)))
