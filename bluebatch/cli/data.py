"""Commands about stores: simulate, ingest, export, inspect."""

import pathlib
from typing import Any

import click

from bluebatch.cli import options, output, science
from bluebatch.downstream import export
from bluebatch.run import progress
from bluebatch.simulate import pseudobulk
from bluebatch.store import compositions, ingest, inspection, model_folder

Ingest = ingest.IngestOptions


def simulate_arguments(command: options.F) -> options.F:
    """Add what simulate and simulate-init are both given."""
    for add in (
        options.seed_option,
        options.max_memory_option,
        options.codec_option,
        click.option(
            "--genes", type=options.PATH, help="File of genes to keep profiles of, one a line."
        ),
        science.setting(
            "--all-genes", "simulation", "all_genes", is_flag=True, help="Profiles of all."
        ),
        science.setting(
            "--keep-cells",
            "simulation",
            "keep_cells",
            is_flag=True,
            help="Keep the training cells in the store, for fresh samples in training.",
        ),
        science.setting("--n-samples", "simulation", "n_samples", type=int, help="In all splits."),
        science.names_setting("--drop-types", "cell_types", "drop", "Labels to leave out."),
        science.names_setting(
            "--keep-types", "cell_types", "keep", "Cell types to keep, in order."
        ),
        science.setting(
            "--gene-column", "reference", "gene_column", help="var column of gene names."
        ),
        science.setting("--layer", "reference", "layer", help="Counts: X, raw or a layer's name."),
        science.setting("--donor-key", "reference", "donor_key", help="obs column of donors."),
        science.setting(
            "--cell-type-key", "reference", "cell_type_key", help="obs column of cell types."
        ),
        science.config_option,
        options.out_option,
        click.option(
            "--reference",
            "references",
            type=options.PATH,
            multiple=True,
            metavar="H5AD",
            help="Single-cell reference; repeatable. Default: the PBMC that scanpy bundles.",
        ),
    ):
        command = add(command)
    return command


@click.command("simulate")
@simulate_arguments
@options.dry_run_option
@options.cluster_options
@options.overwrite_option
@output.flags
def simulate_command(
    references: tuple[pathlib.Path, ...], out: options.Place, config_name: str, **run: Any
) -> None:
    """Draw pseudobulks with known composition from single cells into a store."""
    settings = science.load(config_name).part(pseudobulk.Settings)
    verb = pseudobulk.preview if run.pop("dry_run") else pseudobulk.run
    output.tell(verb(references, out, settings, pseudobulk.RunOptions(**run)))


def _needs_of(model: options.Place | None) -> dict[str, Any]:
    """Name the genes whose coverage the gene report is to tell, and all whose names are right."""
    if model is None:
        return {}
    card = model_folder.read_card(model)
    known = [*card.labels.get("library_gene", ()), *card.labels.get("gene", ())]
    return {
        "panel": card.labels.get("input_gene"),
        "markers": card.facts.get("markers"),
        "known": [*dict.fromkeys(known)],
    }


@click.command("ingest")
@click.argument("source", type=options.place)
@options.out_option
@click.option(
    "--kind",
    type=click.Choice(["expression", "proportion"]),
    default="expression",
    show_default=True,
    help="What SOURCE holds.",
)
@click.option("--unit", type=options.choice(Ingest, "unit"), help="Default: detected.")
@click.option("--logged", type=options.choice(Ingest, "logged"), help="Logarithm to undo.")
@click.option(
    "--orientation",
    type=options.choice(Ingest, "orientation"),
    help="Default: detected.",
)
@click.option("--gene-column", help="Column of gene names.")
@click.option(
    "--gene-map",
    type=options.PATH,
    help="Table of two columns, from and to, or of HGNC's symbols and aliases.",
)
@click.option(
    "--mend-names",
    is_flag=True,
    help="Mend dates of spreadsheets and, with --model, case and separators, where certain.",
)
@click.option("--gene-report", type=options.PATH, help="Write what happened to each name: a csv.")
@click.option("--gene-lengths", type=options.PATH, help="Table of gene and bases: counts to TPM.")
@click.option("--patient-from-sample", help="tcga, target or a regular expression.")
@click.option("--sample-column", help="Column of sample names, of a table of proportions.")
@click.option("--keep-normals", is_flag=True, help="Keep TCGA samples that are no tumour.")
@click.option("--layer", help="Layer of an h5ad file.")
@click.option("--sheet", type=options.PATH, help="Sample sheet of a folder of GDC files.")
@click.option("--split", type=options.choice(Ingest, "split"), help="Rows of a pseudobulk store.")
@click.option(
    "--model",
    type=options.place,
    metavar="PATH|URL",
    help="Report how much of this model is measured, and match names to its own.",
)
@options.overwrite_option
@output.flags
def ingest_command(
    source: options.Place, out: options.Place, kind: str, model: options.Place | None, **given: Any
) -> None:
    """Turn SOURCE into a cohort store, or into a store of proportions.

    SOURCE is a csv, tsv (also .gz), parquet or h5ad table in either orientation, a folder or
    sample sheet of GDC STAR files, or a pseudobulk store; with --kind proportion a table of
    samples and cell types.
    """
    wanted = Ingest(**given, **_needs_of(model))
    verb = compositions.run if kind == "proportion" else ingest.run
    with progress.bar("ingest", total=None, unit="lines") as step:
        summary = verb(source, out, wanted, step)
    output.tell(summary)


@click.command("export")
@click.argument("results", type=options.place)
@click.option(
    "--out",
    type=options.place,
    metavar="PATH|URL",
    required=True,
    help=".h5ad, .parquet, .csv or .csv.gz",
)
@click.option("--cell-type", help="Whose profiles.")
@click.option("--genes", help="Genes separated by commas, or a file with one a line.")
@click.option(
    "--what",
    type=click.Choice(["profile", "proportion", "rna_fraction"]),
    default="profile",
    show_default=True,
)
@options.overwrite_option
@output.flags
def export_command(results: options.Place, out: options.Place, **part: Any) -> None:
    """Write one cell type's profiles, or the proportions, of RESULTS to a file."""
    output.tell(export.run(results, out, export.Options(**part)))


@click.command("inspect")
@click.argument("path", type=options.place)
@output.flags
def inspect_command(path: options.Place) -> None:
    """Tell what the store or model at PATH is, its sizes and what of it is missing."""
    output.tell(inspection.inspect(path))
