"""Figures of the folder of groups of patients that a report takes as they are."""

import pandas as pd

from bluebatch.downstream.subtypes_found import Found

_DESCRIPTIVE = "descriptive: the groups were made from the same profiles"
TITLES = {
    "states": "States of each cell type",
    "clusters": "Clusters of patients by their proportions",
    "clinical": "Clinical columns by group",
    "reciprocal": f"Genes that go both ways ({_DESCRIPTIVE})",
}
VOLCANOES = "differential_"
_WORDS = {
    "states": "the states of each type",
    "clusters": "the clusters of proportions",
    "clinical": "the clinical columns by group",
    "reciprocal": "the genes that go both ways",
    VOLCANOES: "the genes that differ between the groups",
}


def images(found: Found) -> list[tuple[str, bytes]]:
    """Give the figures with their titles.

    Parameters
    ----------
    found : Found
        What is there.

    Returns
    -------
    list of tuple of str and bytes
        Titles and PNG files.
    """
    if found.is_transfer:
        return [
            (f"Survival by {name.replace('_', ' ')}, frozen beforehand", png)
            for name, png in found.images.items()
        ]
    return [(_title(name), png) for name, png in found.images.items()]


def notes(found: Found) -> list[str]:
    """Say which figures are not there, and why.

    Parameters
    ----------
    found : Found
        What is there.

    Returns
    -------
    list of str
        Paragraphs; a transfer shows none of them.
    """
    if found.is_transfer:
        return []
    said = []
    if found.of_proportions:
        said.append(
            "The states are proportions, low (0) or high (1), cut at their medians: there is no "
            "figure of states, and no genes were compared."
        )
    absent = [
        f"{_WORDS[name]} (figures/{name}{'...' * name.endswith('_')}.png)"
        for name, expected in _expected(found).items()
        if expected and not any(each.startswith(name) for each in found.images)
    ]
    if absent:
        said.append(f"Figures that {found.path} lacks: {', '.join(absent)}.")
    return said


def _expected(found: Found) -> dict[str, bool]:
    """Tell which figures the tables let one expect."""
    branches = found.tables.get("branches", pd.DataFrame({"branch": []}))
    clustered = branches["branch"].astype(str).str.startswith("clusters").any()
    return {
        "states": len(found.tables.get("state_quality", ())) > 0 and not found.of_proportions,
        "clusters": found.of_proportions and bool(clustered),
        "clinical": len(found.tables.get("clinical", ())) > 0,
        "reciprocal": len(found.tables.get("reciprocal", ())) > 0,
        VOLCANOES: found.compared,
    }


def _title(name: str) -> str:
    if name.startswith(VOLCANOES):
        group = name.removeprefix(VOLCANOES).replace("_", " ")
        return f"Genes of the {group} group"
    return TITLES[name]
