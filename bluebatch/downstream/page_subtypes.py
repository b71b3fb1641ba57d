"""The section of a report about patients: groups by cell states, survival, and what p is worth."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.figure import Figure

from bluebatch.downstream import (
    definition_figures,
    forest_figures,
    page_subtype_images,
    page_subtype_survival,
    page_subtype_tables,
    patient_figures,
    patterns,
    search_figures,
    similarity,
    subtypes_found,
    transfer_figures,
)
from bluebatch.downstream.page_content import Picture, Section
from bluebatch.downstream.page_facts import Facts
from bluebatch.downstream.subtypes_found import Found
from bluebatch.store import read as stores

Array = npt.NDArray[Any]
MAX_ALIKE = 200
MIN_SIMILARITY = 0.8
SEARCH_NOTE = (
    "Definitions were searched for: the p and q of one definition do not know how many were "
    "tried. What counts is p max-T, the share of cohorts with permuted survival whose best "
    "definition does as well, and the permutation p of how many are significant."
)
CHOSEN_NOTE = (
    "Groups were chosen by survival in the same patients, so their curves, medians, log-rank p "
    "and hazard ratios are descriptive. A second cohort with everything frozen (`bluebatch "
    "transfer`) is the test."
)
FROZEN_NOTE = (
    "States, definitions, directions and votes were frozen in the first cohort, and nothing was "
    "refitted to these patients: tests are one-sided, in the direction of the first cohort."
)


def section(found: Found, facts: Facts) -> Section:
    """Show groups of patients.

    Parameters
    ----------
    found : Found
        What `bluebatch subtype` or `bluebatch transfer` wrote.
    facts : Facts
        Of the results, for the groups' proportions.

    Returns
    -------
    Section
        Pictures and tables of what is there, and notes of what is not.

    Raises
    ------
    errors.LabelMismatchError
        If the groups are of other samples.
    """
    subtypes_found.check_samples(found, facts.samples, facts.store.path)
    made = Section("patients", "Patients")
    patients = found.patients()
    made.notes.append(_count(found, patients))
    made.notes += [FROZEN_NOTE] if found.is_transfer else [SEARCH_NOTE, CHOSEN_NOTE]
    made.details += [str(note) for note in found.summary.get("notes") or []]
    if patients is not None:
        made.pictures.append(page_subtype_survival.survival_picture(found, patients))
    made.pictures += _transfer(found) if found.is_transfer else _search(found)
    if patients is not None:
        made.pictures += _proportions(facts, patients)
    made.images += page_subtype_images.images(found)
    made.notes += page_subtype_images.notes(found)
    made.tables += page_subtype_tables.tables(found)
    if found.missing:
        absent = ", ".join(f"{subtypes_found.TABLES[name]} ({name}.csv)" for name in found.missing)
        made.notes.append(f"Not in {found.path}, and so not shown: {absent}.")
    return made


def _count(found: Found, patients: pd.DataFrame | None) -> str:
    if patients is None:
        n = len(found.samples())
        of = f"{n:,} patients, no" if n else "No"
        return f"{of} groups: no definition was significant, or the folder lacks them."
    sizes = [int((patients["group"] == code).sum()) for code in range(len(patterns.NAMES))]
    named = ", ".join(f"{n:,} {name}" for n, name in zip(sizes, patterns.NAMES, strict=True))
    return f"{len(patients):,} patients with {int(patients['event'].sum()):,} events: {named}."


def _search(found: Found) -> list[Picture]:
    pictures = []
    table = found.tables.get("definitions")
    store = found.store
    if table is not None and store is not None and len(table) == len(store.labels["definition"]):
        component = _components(table)
        pictures.append(_definitions(store, table, component))
        pictures += _alike(found, store, table, component)
        pictures.append(
            _of_table(
                "patients_search",
                "P-values of the search",
                "Left: p of all definitions tested against what independent tests without any "
                "signal would give; definitions overlap, so the line is no null hypothesis of "
                "theirs. Right: how often permuted survival does as well anywhere.",
                search_figures.draw_search(table, p_count=_p_count(found)),
                table[["definition", "z", "p", "q", "p_max_t"]],
            )
        )
    return pictures + _beside(found)


def _beside(found: Found) -> list[Picture]:
    pictures = []
    branches = found.tables.get("branches")
    if branches is not None:
        pictures.append(
            _of_table(
                "patients_branches",
                page_subtype_tables.heading(found, page_subtype_tables.LAYOUT["branches"][0]),
                "The same search on every kind of data. C-index: of patients placed by "
                "groups that were found without them; 0.5 is chance.",
                search_figures.draw_branches(branches),
                branches,
            )
        )
    hazards = found.tables.get("hazards")
    if hazards is not None and len(hazards):
        pictures.append(
            _of_table(
                "patients_hazards",
                "Hazard ratios",
                "Cox models with 95 % intervals; an arrow: the interval goes on. Groups were "
                "chosen by survival in these patients: theirs are descriptive.",
                forest_figures.draw_forest(hazards),
                hazards,
            )
        )
    return pictures


def _p_count(found: Found) -> float | None:
    table = found.tables.get("branches")
    if table is None or not len(table):
        return None
    return float(subtypes_found.finite(table["p_count"])[0])


def _components(table: pd.DataFrame) -> Array:
    if "component" not in table.columns:
        return np.full(len(table), -1)
    return np.nan_to_num(subtypes_found.finite(table["component"]), nan=-1).astype(np.int64)


def _definitions(store: stores.Store, table: pd.DataFrame, component: Array) -> Picture:
    names = store.labels["cell_type"]
    n_tested = int(np.isfinite(subtypes_found.finite(table["p"])).sum())
    shown = f"All {n_tested:,} tested of {len(table):,}" if n_tested > 1 else "The one tested"
    if n_tested > definition_figures.N_SHOWN:
        shown = f"The {definition_figures.N_SHOWN} of smallest p among {n_tested:,} tested"
    return _of_table(
        "patients_definitions",
        "Definitions of groups",
        f"{shown}: patients who have all states of a row against the rest. Bold: below 0.05.",
        definition_figures.draw_definitions(table, store.read("pick"), names, component),
        table,
    )


def _alike(
    found: Found, store: stores.Store, table: pd.DataFrame, component: Array
) -> list[Picture]:
    p = subtypes_found.finite(table["p"])
    chosen = np.flatnonzero(component >= 0)
    chosen = chosen[np.argsort(p[chosen], kind="stable")][:MAX_ALIKE]
    if len(chosen) < 2:
        return []
    member = store.read("member")[:, chosen]
    values = similarity.matrix(member == 1, member >= 0)
    names = table["definition"].astype(str).to_numpy(object)[chosen].tolist()
    least = float(found.summary.get("min_similarity") or MIN_SIMILARITY)
    rows = [(name, *map(float, row)) for name, row in zip(names, values, strict=True)]
    return [
        Picture(
            "patients_similarity",
            "Definitions that mean the same patients",
            "Intersection over union of the groups of every two significant definitions, the "
            "smaller group of one with either group of the other. Those that are linked, directly "
            "or through others, make a component and vote together.",
            definition_figures.draw_similarity(values, names, component[chosen], least),
            ["definition", *names],
            rows,
        )
    ]


def _transfer(found: Found) -> list[Picture]:
    table = found.tables.get("definitions")
    if table is None:
        return []
    table = page_subtype_tables.significant(table)
    columns = ["definition", "discovery_z", "z", "p_one_sided"]
    return [
        _of_table(
            "patients_replication",
            "Definitions in the second cohort",
            "Log-rank z of the definitions that were significant in the first cohort, there and "
            "here.",
            transfer_figures.draw_replication(table, "first cohort", "this cohort"),
            table[columns],
        )
    ]


def _proportions(facts: Facts, patients: pd.DataFrame) -> list[Picture]:
    row = {name: at for at, name in enumerate(facts.samples)}
    rows = np.array([row.get(name, -1) for name in patients["sample"]], np.int64)
    known = rows >= 0
    if not known.any() or not facts.cell_types:
        return []
    values, group = facts.proportion[rows[known]], patients["group"].to_numpy(np.int64)[known]
    figure = patient_figures.draw_composition(values, facts.cell_types, group, patterns.NAMES)
    samples = patients["sample"][known]
    return [
        Picture(
            "patients_proportions",
            "Proportions by group",
            "Each bar is a patient, sorted by the most abundant type of all patients.",
            figure,
            ["sample", "group", *facts.cell_types],
            [
                (name, patterns.NAMES[code], *each)
                for name, code, each in zip(samples, group, values.tolist(), strict=True)
            ],
        )
    ]


def _of_table(name: str, title: str, caption: str, figure: Figure, table: pd.DataFrame) -> Picture:
    columns = [str(column) for column in table.columns]
    rows = table.astype(object).where(table.notna(), None).to_numpy(object).tolist()
    return Picture(name, title, caption, figure, columns, rows)
