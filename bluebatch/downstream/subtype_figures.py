"""Every figure of a run of `subtype`, as PNG, SVG and PDF."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from bluebatch.downstream import (
    definition_figures,
    figures,
    forest_figures,
    gene_figures,
    patient_figures,
    search_figures,
    similarity,
    state_figures,
    state_map,
    states,
    subtype_tables,
    survival_figures,
)
from bluebatch.downstream.discovery import Discovery
from bluebatch.downstream.patient_options import Cohort
from bluebatch.downstream.patterns import Groups
from bluebatch.downstream.subtype_expression import Expression
from bluebatch.store import places

Tables = dict[str, pd.DataFrame]
CAUTION = "descriptive: the groups were made from the same profiles"


def draw_all(
    folder: places.Place,
    found: Discovery,
    cohort: Cohort,
    tables: Tables,
    expression: Expression | None,
    seed: int,
) -> int:
    """Draw what there is.

    Parameters
    ----------
    folder : pathlib.Path or upath.UPath
        Made if missing.
    found : Discovery
        States, search, groups, clusters.
    cohort : Cohort
        The patients.
    tables : dict of str to pd.DataFrame
        As they are written.
    expression : Expression or None
        Comparisons of the groups.
    seed : int
        Of the layouts.

    Returns
    -------
    int
        Figures, each in three forms.
    """
    n_drawn = 0
    for name, figure in _draw(found, cohort, tables, expression, seed):
        figures.save_all(figure, folder, name)
        n_drawn += 1
    return n_drawn


def _draw(
    found: Discovery, cohort: Cohort, tables: Tables, expression: Expression | None, seed: int
) -> Iterator[tuple[str, Figure]]:
    yield from _of_search(found, tables)
    if any(each.scores.shape[1] for each in found.main.typed):
        yield "states", _states(found, seed)
    proportion = cohort.proportion
    if proportion is not None and found.clusters is not None:
        names = [f"cluster {number}" for number in range(found.clusters.n_clusters)]
        yield (
            "clusters",
            patient_figures.draw_composition(
                proportion, cohort.found.cell_types, found.clusters.index, names
            ),
        )
    if found.groups is not None:
        yield from _of_groups(found, found.groups, cohort, tables, proportion)
    if expression is not None:
        yield from _of_genes(expression)


def _of_search(found: Discovery, tables: Tables) -> Iterator[tuple[str, Figure]]:
    searched, table = found.search, tables["definitions"]
    component = table["component"].fillna(-1).to_numpy(dtype=int)
    yield "search", search_figures.draw_search(table, p_count=searched.p_count)
    yield "branches", search_figures.draw_branches(tables["branches"])
    picks = searched.definitions.picks
    types = list(searched.definitions.cell_types)
    yield "definitions", definition_figures.draw_definitions(table, picks, types, component)
    chosen = np.flatnonzero(component >= 0)
    if len(chosen) > 1:
        alike = similarity.matrix(searched.inside[:, chosen], searched.considered[:, chosen])
        names = table["definition"].iloc[chosen].tolist()
        yield "similarity", definition_figures.draw_similarity(alike, names, component[chosen])


def _states(found: Discovery, seed: int) -> Figure:
    return state_figures.draw_states(
        [
            state_map.embed(
                each.scores,
                each.index,
                each.cell_type,
                seed,
                structured=each.verdict != states.NO_STRUCTURE,
            )
            for each in found.main.typed
            if each.scores.shape[1]
        ]
    )


def _of_groups(
    found: Discovery,
    groups: Groups,
    cohort: Cohort,
    tables: Tables,
    proportion: np.ndarray | None,
) -> Iterator[tuple[str, Figure]]:
    overall = tables["logrank"].iloc[0]
    # Where a group is small, the permuted p is the one to read.
    p = overall["p"] if np.isnan(overall["p_permuted"]) else overall["p_permuted"]
    verdicts = [survival_figures.Verdict(float(p), subtype_tables.CHOSEN)]
    if found.luck is not None and np.isfinite(found.luck.p):
        verdicts.append(survival_figures.Verdict(found.luck.p, subtype_tables.PERMUTED))
    yield (
        "survival",
        survival_figures.draw_kaplan_meier(
            cohort.durations, cohort.event_observed, groups.index, groups.names, verdicts
        ),
    )
    yield "hazards", forest_figures.draw_forest(tables["hazards"])
    if len(tables["clinical"]):
        yield (
            "clinical",
            patient_figures.draw_clinical(
                cohort.patients.table, groups.index, tables["clinical"], groups.names
            ),
        )
    if proportion is not None:
        yield (
            "composition",
            patient_figures.draw_composition(
                proportion, cohort.found.cell_types, groups.index, groups.names
            ),
        )


def _of_genes(expression: Expression) -> Iterator[tuple[str, Figure]]:
    filled = [part for part in expression.tests.values() if len(part)]
    if filled:
        every = pd.concat(filled, ignore_index=True)
        for group, part in every.groupby("group", sort=False):
            title = f"{group} group against the rest ({CAUTION})"
            yield f"differential_{group}", gene_figures.draw_volcanoes(part, title=title)
    if len(expression.reciprocal):
        yield "reciprocal", gene_figures.draw_reciprocal(expression.reciprocal)
