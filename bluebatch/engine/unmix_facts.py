"""What an unmixing model has to say of itself, and of the references it was made from."""

from typing import Any

import numpy as np
import numpy.typing as npt

from bluebatch.engine import task, unmix_settings
from bluebatch.expression import mrna
from bluebatch.expression import panel as gene_panel
from bluebatch.store import model_folder, read

KIND = "unmix"


def describe(
    store: read.Store,
    chosen: gene_panel.GenePanel,
    settings: unmix_settings.Settings,
    options: task.Options,
) -> model_folder.Card:
    """Write the card of a model that is still to be trained.

    Parameters
    ----------
    store : read.Store
        Pseudobulks.
    chosen : gene_panel.GenePanel
        Genes.
    settings : unmix_settings.Settings
        Resolved configuration.
    options : task.Options
        Of the run.

    Returns
    -------
    model_folder.Card
        Without scores.
    """
    members = [
        {**member.model_dump(), "file": f"member_{index}.safetensors"}
        for index, member in enumerate(settings.model.members)
    ]
    return model_folder.Card(
        kind=KIND,
        labels={
            "input_gene": chosen.inputs,
            "gene": chosen.outputs,
            "cell_type": store.labels["cell_type"],
            "library_gene": store.labels["gene"],
        },
        units={
            "profile": f"log2(1 + CPM), CPM over the {settings.panel.cpm_over}",
            "rna_fraction": "fraction of RNA",
            "proportion": "fraction of cells",
        },
        settings=settings.model_dump(mode="json"),
        made_from={"reference": store.attributes.get("references")},
        facts=collect(store, chosen.markers, settings.mrna.target, options),
        scores={},
        members=members,
    )


def collect(
    store: read.Store, markers: dict[str, list[str]], target: str, options: task.Options
) -> dict[str, Any]:
    """Collect what goes into a model's card in JSON values.

    Parameters
    ----------
    store : read.Store
        Pseudobulks.
    markers : dict of str to list of str
        Panel genes by the cell type that they mark.
    target : str
        The fraction that the network learns.
    options : task.Options
        With the user's table of mRNA contents.

    Returns
    -------
    dict of str to Any
        ``markers``, ``target``, ``mrna_content`` where the user gave one, and
        ``cell_library_size``, mean counts of a cell by type.
    """
    facts: dict[str, Any] = {"markers": markers, "target": target}
    if options.mrna_content is not None:
        facts["mrna_content"] = mrna.read_table(options.mrna_content)
    if store.has("cell_library_size"):
        sizes = np.nanmean(store.read("cell_library_size"), axis=0)
        of_types = zip(store.labels["cell_type"], sizes, strict=True)
        facts["cell_library_size"] = {name: round(float(size), 2) for name, size in of_types}
    return facts


def composition(references: list[dict[str, Any]], cell_types: list[str]) -> npt.NDArray[Any]:
    """Pool the references' own composition: the constant that any method must beat.

    Parameters
    ----------
    references : list of dict
        With ``n_cells`` by cell type, as the training store's attributes name them.
    cell_types : list of str
        Types in order.

    Returns
    -------
    np.ndarray, shape (cell_type,)
        Sums to 1.
    """
    counts = [sum(each["n_cells"].get(name, 0) for each in references) for name in cell_types]
    return np.asarray(np.array(counts) / sum(counts))
