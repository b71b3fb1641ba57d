"""Commands about stores: simulate, ingest, export, inspect."""

import pathlib
from typing import Any

import click

from bluebatch.cli import options, science
from bluebatch.downstream import export
from bluebatch.run import progress
from bluebatch.simulate import pseudobulk
from bluebatch.store import ingest, inspection, model_folder

Ingest = ingest.IngestOptions


@click.command("simulate")
@click.option(
    "--reference",
    "references",
    type=options.PATH,
    multiple=True,
    metavar="H5AD",
    help="Single-cell reference; repeatable. Default: the PBMC that scanpy bundles.",
)
@options.out_option
@science.config_option
@science.setting("--cell-type-key", "reference", "cell_type_key", help="obs column of cell types.")
@science.setting("--donor-key", "reference", "donor_key", help="obs column of donors.")
@science.setting("--layer", "reference", "layer", help="Counts: X, raw or a layer's name.")
@science.setting("--gene-column", "reference", "gene_column", help="var column of gene names.")
@science.names_setting("--keep-types", "cell_types", "keep", "Cell types to keep, in order.")
@science.names_setting("--drop-types", "cell_types", "drop", "Labels to leave out.")
@science.setting("--n-samples", "simulation", "n_samples", type=int, help="In all splits.")
@science.setting("--all-genes", "simulation", "all_genes", is_flag=True, help="Profiles of all.")
@click.option("--genes", type=options.PATH, help="File of genes to keep profiles of, one a line.")
@options.codec_option
@options.seed_option
@options.overwrite_option
@options.output_options
def simulate_command(
    references: tuple[pathlib.Path, ...], out: pathlib.Path, config_name: str, **run: Any
) -> None:
    """Draw pseudobulks with known composition from single cells into a store."""
    settings = science.load(config_name).part(pseudobulk.Settings)
    options.tell(pseudobulk.run(references, out, settings, pseudobulk.RunOptions(**run)))


def _needs_of(model: pathlib.Path | None) -> dict[str, Any]:
    """Name the genes whose coverage the gene report is to tell."""
    if model is None:
        return {}
    card = model_folder.read_card(model)
    return {"panel": card.labels.get("input_gene"), "markers": card.facts.get("markers")}


@click.command("ingest")
@click.argument("source", type=options.PATH)
@options.out_option
@click.option("--unit", type=options.choice(Ingest, "unit"), help="Default: detected.")
@click.option("--logged", type=options.choice(Ingest, "logged"), help="Logarithm to undo.")
@click.option(
    "--orientation",
    type=options.choice(Ingest, "orientation"),
    help="Default: detected.",
)
@click.option("--gene-column", help="Column of gene names.")
@click.option("--gene-map", type=options.PATH, help="Table of two columns, from and to.")
@click.option("--gene-lengths", type=options.PATH, help="Table of gene and bases: counts to TPM.")
@click.option("--patient-from-sample", help="tcga, or a regular expression with one group.")
@click.option("--keep-normals", is_flag=True, help="Keep TCGA samples that are no tumour.")
@click.option("--layer", help="Layer of an h5ad file.")
@click.option("--sheet", type=options.PATH, help="Sample sheet of a folder of GDC files.")
@click.option("--split", type=options.choice(Ingest, "split"), help="Rows of a pseudobulk store.")
@click.option("--model", type=options.PATH, help="Report how much of this model is measured.")
@options.overwrite_option
@options.output_options
def ingest_command(
    source: pathlib.Path, out: pathlib.Path, model: pathlib.Path | None, **given: Any
) -> None:
    """Turn SOURCE into a cohort store.

    SOURCE is a csv, tsv (also .gz), parquet or h5ad table in either orientation, a folder or
    sample sheet of GDC STAR files, or a pseudobulk store.
    """
    wanted = Ingest(**given, **_needs_of(model))
    with progress.bar("ingest", total=None, unit="lines") as step:
        summary = ingest.run(source, out, wanted, step)
    options.tell(summary)


@click.command("export")
@click.argument("results", type=options.PATH)
@click.option("--out", type=options.PATH, required=True, help=".h5ad, .parquet, .csv or .csv.gz")
@click.option("--cell-type", help="Whose profiles.")
@click.option("--genes", help="Genes separated by commas, or a file with one a line.")
@click.option(
    "--what",
    type=click.Choice(["profile", "proportion", "rna_fraction"]),
    default="profile",
    show_default=True,
)
@options.overwrite_option
@options.output_options
def export_command(results: pathlib.Path, out: pathlib.Path, **part: Any) -> None:
    """Write one cell type's profiles, or the proportions, of RESULTS to a file."""
    options.tell(export.run(results, out, export.Options(**part)))


@click.command("inspect")
@click.argument("path", type=options.PATH)
@options.output_options
def inspect_command(path: pathlib.Path) -> None:
    """Tell what the store or model at PATH is, its sizes and what of it is missing."""
    options.tell(inspection.inspect(path))
