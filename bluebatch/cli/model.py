"""Commands about models: train, infer."""

from typing import Any

import click

from bluebatch.cli import options, output, science
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
        science.setting(
            "--profile-sd",
            "inference",
            "profile_sd",
            is_flag=True,
            help="Standard deviations of the profiles as well.",
        ),
        science.setting(
            "--level",
            "inference",
            "level",
            type=float,
            help="Share of true proportions that intervals hold. Default: as configured.",
        ),
        science.setting(
            "--as-cohort",
            "inference",
            "as_cohort",
            is_flag=True,
            help="First learn from the samples what all differ in from the training data.",
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
