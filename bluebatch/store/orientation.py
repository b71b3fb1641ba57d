"""Which axis of a table holds the genes: told by labels, else by size, and always said."""

from collections.abc import Collection, Sequence

from bluebatch import errors
from bluebatch.store import barcodes, genes, tables

GENES_BY_SAMPLES = "genes-by-samples"
SAMPLES_BY_GENES = "samples-by-genes"
_LOOKED_AT = 5000
# Genes that nearly every human table holds.
HOUSEKEEPING = frozenset(
    (
        *("ACTB", "GAPDH", "B2M", "PGK1", "HPRT1", "TBP", "UBC", "YWHAZ", "RPLP0", "PPIA", "SDHA"),
        *("HMBS", "GUSB", "TFRC", "RPL13A", "RPS18", "EEF1A1", "TUBB", "ACTG1", "LDHA", "PTPRC"),
        *("CD4", "CD8A", "CD14", "CD19", "MS4A1", "NKG7", "LYZ", "CD3D", "CD3E", "GNLY", "VIM"),
        *("MALAT1", "FTL", "FTH1", "TP53", "MYC", "EGFR", "KRAS", "BRCA1", "INS", "GCG", "ALB"),
    )
)


def decide(
    table: tables.Table, lines: Sequence[str], known: Collection[str], asked: str | None
) -> tuple[tables.Axis, str]:
    """Say what the lines of a table are.

    Parameters
    ----------
    table : tables.Table
        The source; its format may know.
    lines : sequence of str
        Labels of all lines.
    known : collection of str
        Names of genes to look for, beside housekeeping genes.
    asked : {"genes-by-samples", "samples-by-genes"} or None
        What the user says.

    Returns
    -------
    axis : {"sample", "gene"}
        What a line is.
    note : str
        How that was told.

    Raises
    ------
    errors.LabelMismatchError
        If neither labels nor sizes tell.
    """
    if asked is not None:
        axis: tables.Axis = "gene" if asked == GENES_BY_SAMPLES else "sample"
        return axis, _say(axis, "as given")
    if table.lines_are is not None:
        return table.lines_are, _say(table.lines_are, "by the format")
    wanted = {*known, *HOUSEKEEPING}
    of_lines, of_columns = _evidence(lines, wanted), _evidence(table.columns, wanted)
    if of_lines != of_columns:
        axis = "gene" if of_lines > of_columns else "sample"
        return axis, _say(axis, "by the names")
    if len(lines) != len(table.columns):
        axis = "gene" if len(lines) > len(table.columns) else "sample"
        return axis, _say(axis, "by size alone: no name is a known gene")
    raise errors.LabelMismatchError(
        f"{table.path}: {len(lines):,} lines and as many columns, and no name tells which are "
        f"genes. Give --orientation {GENES_BY_SAMPLES} or {SAMPLES_BY_GENES}."
    )


def _evidence(labels: Sequence[str], wanted: Collection[str]) -> float:
    # 1: Ensembl ids; above 0: known symbols; -1: TCGA or TARGET barcodes.
    some = labels[:_LOOKED_AT]
    if genes.ensembl_share(some) > 0.5:
        return 1.0
    if barcodes.barcode_share(some) > 0.5:
        return -1.0
    hits = sum(genes.strip_version(label) in wanted for label in labels)
    return hits / (hits + 1.0)


def _say(axis: tables.Axis, reason: str) -> str:
    words = "genes x samples" if axis == "gene" else "samples x genes"
    return f"orientation: {words}, {reason}"
