"""Any table of bulk expression to a cohort store, block by block."""

import contextlib
import hashlib
import json
import logging
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import pydantic

from bluebatch import errors
from bluebatch.store import (
    barcodes,
    cohorts,
    coverage,
    files,
    gene_map,
    gene_report,
    genes,
    lengths,
    naming,
    orientation,
    outputs,
    places,
    sources,
    spill,
    tables,
    values,
)

log = logging.getLogger(__name__)

Split = Literal["train", "validation", "test"]
Inputs = list[places.Place | None]


class IngestOptions(pydantic.BaseModel):
    """How a table is to be read.

    Parameters
    ----------
    unit : {"counts", "TPM", "FPKM", "RSEM", "CPM"}, optional
        Unit of the (linear) numbers; detected by default. Chooses the column of GDC files.
    logged : {"log2(x+1)", "log2(x+0.001)", "log1p"}, optional
        Logarithm to undo.
    orientation : {"genes-by-samples", "samples-by-genes"}, optional
        Detected by default.
    gene_column : str, optional
        Column that holds the gene names.
    gene_map : pathlib.Path, optional
        Two columns, from and to, or a table of symbols and aliases: renames genes.
    mend_names : bool
        Whether mangled names that can have been one gene alone are mended.
    gene_report : pathlib.Path, optional
        Where to write a csv of what happened to each name.
    gene_lengths : pathlib.Path, optional
        Two columns, gene and length in bases: turns counts into TPM.
    sample_column : str, optional
        Column that names the samples of a table of proportions.
    patient_from_sample : str, optional
        ``"tcga"``, ``"target"`` or a regular expression with one group; barcodes of both are known
        by default.
    keep_normals : bool
        Whether samples of other types than primary tumours are kept.
    layer : str, optional
        Layer of an h5ad file.
    split : {"train", "validation", "test"}, optional
        Rows of a pseudobulk store.
    sheet : pathlib.Path, optional
        Sample sheet of a folder of GDC files.
    markers : mapping of str to sequence of str, optional
        Markers by cell type, for the report.
    panel : sequence of str, optional
        Input genes of a model, for the report.
    known : sequence of str, optional
        All genes of a model, whose names are right.
    overwrite : bool
        Whether something else at the output path is replaced.
    """

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid")

    unit: tables.Unit | None = None
    logged: values.Logged | None = None
    orientation: Literal["genes-by-samples", "samples-by-genes"] | None = None
    gene_column: str | None = None
    gene_map: pathlib.Path | None = None
    mend_names: bool = False
    gene_report: pathlib.Path | None = None
    gene_lengths: pathlib.Path | None = None
    sample_column: str | None = None
    patient_from_sample: str | None = None
    keep_normals: bool = False
    layer: str | None = None
    split: Split | None = None
    sheet: pathlib.Path | None = None
    markers: Mapping[str, Sequence[str]] | None = None
    panel: Sequence[str] | None = None
    known: Sequence[str] | None = None
    overwrite: bool = False


def run(
    source: str | places.Place,
    out: str | places.Place,
    options: IngestOptions | None = None,
    on_lines: Callable[[int], None] | None = None,
) -> cohorts.IngestSummary:
    """Turn a table into a cohort store; memory stays flat in samples and genes.

    Parameters
    ----------
    source : str, pathlib.Path or upath.UPath
        A csv, tsv, txt (also .gz), parquet or h5ad file, a GDC folder or sample sheet, or a
        pseudobulk store, which alone may be a URL.
    out : str, pathlib.Path or upath.UPath
        Cohort store to write. An unfinished one of the same source and options is begun again.
    options : IngestOptions, optional
        How to read it.
    on_lines : callable, optional
        Told the number of lines read, block by block.

    Returns
    -------
    cohorts.IngestSummary
        What was done.

    Raises
    ------
    errors.ConfigError
        If an option is given that this source has no use for.
    errors.OutputExistsError
        If something else stands at ``out``.
    errors.InputFileError, errors.ValuesError, errors.LabelMismatchError
        If the source is no usable table.
    errors.DiskFullError
        If the disk is full.
    errors.UnreachableError
        If a place elsewhere refuses or does not answer.
    """
    source, out, options = places.place(source), places.place(out), options or IngestOptions()
    if options.sample_column is not None:
        raise errors.ConfigError(
            "--sample-column: is of tables of proportions. Leave it out, or add --kind proportion."
        )
    inputs = [source, options.gene_map, options.gene_lengths, options.sheet]
    outputs.check(out, inputs, overwrite=options.overwrite)
    table = sources.open_source(
        source,
        unit=options.unit,
        layer=options.layer,
        gene_column=options.gene_column,
        split=options.split,
        sheet=options.sheet,
    )
    digest = sources.digest(source, options.sheet)
    plan = _plan_digest(digest, options)
    is_complete = outputs.stands_complete(out, plan, overwrite=options.overwrite)
    if is_complete and options.gene_report is None:
        return cohorts.summarise(out, "complete")
    with (
        places.scratch_file(out) as file,
        spill.Spill(file, len(table.columns)) as scratch,
    ):
        lines, tally = _read_in(table, options, scratch, on_lines)
        cohort = _decide(table, lines, tally, options, [*inputs, out])
        if is_complete:
            return cohorts.summarise(out, "complete")
        attributes = {
            **cohort.attributes,
            "source": {"name": source.name, "digest": digest},
            "plan": plan,
        }
        cohorts.write_store(out, cohort, scratch, attributes)
    return cohorts.summarise(out, "new")


def _plan_digest(source_digest: str, options: IngestOptions) -> str:
    content = options.model_dump(mode="json", exclude={"overwrite", "gene_report", "sample_column"})
    for name in ("gene_map", "gene_lengths"):
        path = getattr(options, name)
        if path is not None:
            content[name] = files.file_digest(path) if path.is_file() else str(path)
    text = json.dumps([source_digest, content], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _read_in(
    table: tables.Table,
    options: IngestOptions,
    scratch: spill.Spill,
    on_lines: Callable[[int], None] | None,
) -> tuple[list[str], values.Tally]:
    lines: list[str] = []
    tally = values.Tally()
    with contextlib.closing(table.blocks()) as blocks:
        for block in blocks:
            scratch.append(values.take_in(table.path, block, table.columns, options.logged, tally))
            lines += block.lines
            log.debug("%s: %d lines read", table.path, len(lines))
            if on_lines is not None:
                on_lines(len(block.lines))
    if not lines or not table.columns:
        raise errors.ValuesError(
            f"{table.path}: holds {len(lines)} lines and {len(table.columns)} columns of numbers, "
            "needed: at least one sample and one gene. Check the file."
        )
    return lines, tally


def _decide(
    table: tables.Table, lines: list[str], tally: values.Tally, options: IngestOptions, kept: Inputs
) -> cohorts.Cohort:
    known = set().union(options.panel or (), options.known or (), *(options.markers or {}).values())
    axis, said = orientation.decide(table, lines, known, options.orientation)
    samples, names = (lines, table.columns) if axis == "sample" else (table.columns, lines)
    selection = _select(table, samples, options)
    unit, unit_notes = _unit(table, tally, tally.sums(axis), options)
    resolution = _name_genes(table, names, known, options, kept)
    resolution, per_kilobase, length_notes = lengths.apply(
        table.path, names, resolution, unit, options.gene_lengths
    )
    measured, coverage_notes = coverage.report(
        table.path, resolution.genes, options.markers, options.panel
    )
    notes = [
        *table.notes,
        said,
        *unit_notes,
        *length_notes,
        *_bias(table, unit, per_kilobase),
        *values.describe(tally, tally.sums(axis)),
        *selection.notes,
        *resolution.notes,
        *coverage_notes,
    ]
    attributes = {
        "unit": "TPM" if per_kilobase is not None else unit,
        "origin": table.origin,
        "genes": {**resolution.report, **measured},
        "notes": notes,
        "dropped_samples": selection.dropped,
    }
    return cohorts.Cohort(axis, samples, selection, resolution, per_kilobase, attributes)


def _select(table: tables.Table, samples: list[str], options: IngestOptions) -> barcodes.Selection:
    return barcodes.select(
        table.path,
        samples,
        options.patient_from_sample,
        keep_normals=options.keep_normals,
        known_patients=table.patients,
        known_normals=table.normals,
    )


def _name_genes(
    table: tables.Table, names: Sequence[str], known: set[str], options: IngestOptions, kept: Inputs
) -> genes.Resolution:
    mapping = None if options.gene_map is None else gene_map.read(options.gene_map)
    found = naming.resolve(names, mapping, table.symbols, known, mend=options.mend_names)
    if options.gene_report is not None:
        # Before anything can be refused: it tells why.
        gene_report.write_csv(options.gene_report, found.lines, kept, overwrite=options.overwrite)
    return found


def _unit(
    table: tables.Table, tally: values.Tally, sums: tables.FloatArray, options: IngestOptions
) -> tuple[tables.Unit, list[str]]:
    if table.unit is not None and options.logged is None:
        return table.unit, []  # what a format says of itself needs no second look
    return values.decide_unit(
        table.path, tally, sums, options.unit or table.unit, logged=options.logged is not None
    )


def _bias(
    table: tables.Table, unit: tables.Unit, per_kilobase: tables.FloatArray | None
) -> list[str]:
    if unit != "counts" or per_kilobase is not None or table.origin == "pseudobulk":
        return []
    return [
        "warning: counts of full-length protocols carry gene-length bias: prefer TPM, or give "
        "--gene-lengths (3'-tagged counts are fine as they are)"
    ]
