"""Which genes an unmixing model reads and predicts."""

import pathlib

from bluebatch import errors
from bluebatch.engine import task
from bluebatch.expression import panel as gene_panel
from bluebatch.store import genes, read


def choose(
    store: read.Store, settings: gene_panel.PanelSettings, options: task.Options
) -> gene_panel.GenePanel:
    """Choose the genes that a model reads and predicts.

    Parameters
    ----------
    store : read.Store
        Pseudobulks with their marker table.
    settings : gene_panel.PanelSettings
        How many markers.
    options : task.Options
        The cohort that limits the genes, and the file of genes of interest.

    Returns
    -------
    gene_panel.GenePanel
        Input and output genes, and the markers of each cell type.

    Raises
    ------
    errors.ForeignStoreError
        If the store has no marker table.
    errors.LabelMismatchError
        If the cohort has none of the store's genes, or no gene is left.
    """
    if not store.has("marker_log_fold_change") or not store.has("marker_adjusted_p"):
        raise errors.ForeignStoreError(
            f"{store.path}: has no marker table, needed to choose the panel. "
            "Make it with `bluebatch simulate` and a training fraction above 0."
        )
    measured = None if options.cohort is None else _measured(store, options.cohort)
    interest = gene_panel.read_genes(options.genes) if options.genes is not None else []
    table = gene_panel.MarkerTable(
        store.labels["gene"],
        store.labels["cell_type"],
        store.read("marker_log_fold_change"),
        store.read("marker_adjusted_p"),
    )
    return gene_panel.choose(
        table, store.labels["profile_gene"], settings, measured=measured, interest=interest
    )


def _measured(store: read.Store, path: str | pathlib.Path) -> set[str]:
    cohort = read.open_store(path, "cohort", "pseudobulk")
    found = genes.match(store.labels["gene"], cohort.labels["gene"])
    pairs = zip(store.labels["gene"], found.index, strict=True)
    measured = {name for name, index in pairs if index >= 0}
    if not measured:
        raise errors.LabelMismatchError(
            f"{path}: has none of the {len(found.index):,} genes of {store.path}"
            f" (first: {', '.join(found.missing[:3])}). {found.hint}".rstrip()
        )
    return measured
