"""The tables of a discovery, one CSV each."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from bluebatch.downstream import discovery as found_groups
from bluebatch.downstream import hazards, states
from bluebatch.downstream.branches import Branch
from bluebatch.downstream.discovery import Discovery
from bluebatch.downstream.patient_options import Cohort

Array = npt.NDArray[Any]
RATIOS = ("hazard_ratio", "hazard_low", "hazard_high")
# Cox models of so many definitions: each takes some hundredths of a second.
N_RATIOS = 100
TEST_COLUMNS = ["family", "subject", "test", "statistic", "p", "q", "p_permutation", "worth"]
# What a p-value is worth, in the words of every table and figure.
SEARCHED = "one of a search: read p_permutation"
CHOSEN = "descriptive: groups were chosen by survival"
PLAIN = "as it stands"
PERMUTED = "permutation of the whole procedure"


def build(found: Discovery, cohort: Cohort) -> dict[str, pd.DataFrame]:
    """Lay out what was found.

    Parameters
    ----------
    found : Discovery
        States, search, groups.
    cohort : Cohort
        The patients.

    Returns
    -------
    dict of str to pd.DataFrame
        By file name: ``patients``, ``states``, ``state_quality``, ``definitions``, ``components``,
        ``groups``, ``branches``; those of groups are left out where there are none.
    """
    tables = {
        "patients": cohort.patients.fates,
        "states": _states(found, cohort),
        "definitions": definitions(found, cohort),
        "branches": found_groups.table(found, cohort),
    }
    quality = [
        states.summary(branch.typed).assign(branch=branch.name)
        for branch in (found.main, *found.others)
        if branch.typed
    ]
    if quality:
        joined = pd.concat(quality, ignore_index=True)
        tables["state_quality"] = joined[["branch", *joined.columns.drop("branch")]]
    if found.groups is not None:
        tables["components"] = found.groups.components
        tables["groups"] = _who(cohort).assign(
            group=[found.groups.names[code] for code in found.groups.index],
            margin=found.groups.margin,
        )
    return tables


def definitions(found: Discovery, cohort: Cohort) -> pd.DataFrame:
    """Give every definition of the main branch, the best ones with hazard ratio and component.

    Parameters
    ----------
    found : Discovery
        With the search.
    cohort : Cohort
        With survival.

    Returns
    -------
    pd.DataFrame
        As `search.Search.table`, with ``hazard_ratio``, ``hazard_low`` and ``hazard_high`` by
        Cox models of the `N_RATIOS` definitions of smallest p (empty for the others, and where no
        model converges), and ``component``: a number, or empty.
    """
    searched = found.search
    table = searched.table.copy()
    best = table[table["tested"]].nsmallest(N_RATIOS, "p").index
    ratios = {at: _ratio(searched.inside[:, at], searched.considered[:, at], cohort) for at in best}
    columns = pd.DataFrame.from_dict(ratios, orient="index", columns=list(RATIOS))
    table = table.join(columns)
    component = pd.Series(pd.NA, index=table.index, dtype="Int64")
    if found.groups is not None:
        number = {
            label: each.number for each in found.groups.frozen.components for label in each.members
        }
        component = table["definition"].map(number).astype("Int64")
    return table.assign(component=component)


def tests(found: Discovery, others: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """List every test that was made, but those of genes and gene sets, which have other files.

    Parameters
    ----------
    found : Discovery
        With the states and searches of all branches, and the clusters of proportions.
    others : sequence of pd.DataFrame
        Further tests, with columns of `TEST_COLUMNS`.

    Returns
    -------
    pd.DataFrame
        One row a test, columns `TEST_COLUMNS`. Of states the statistic is the share of variance
        between them.
    """
    parts: list[pd.DataFrame] = []
    for branch in (found.main, *found.others):
        parts += [_of_states(branch), *_of_search(branch)]
    if found.clusters is not None and not np.isnan(found.p_clusters):
        shown = {"subject": ["all clusters"], "p_permutation": [found.p_clusters]}
        parts.append(named("clusters of proportions", "log-rank", PLAIN, shown))
    filled = [part.astype(object) for part in (*parts, *others) if len(part)]
    if not filled:
        return pd.DataFrame(columns=TEST_COLUMNS)
    return pd.concat(filled, ignore_index=True).infer_objects()


def named(
    family: str, test: str, worth: str, table: Mapping[str, object] | pd.DataFrame
) -> pd.DataFrame:
    """Make rows of tests.

    Parameters
    ----------
    family, test, worth : str
        The same for all rows.
    table : mapping of str to sequence, or pd.DataFrame
        Further columns: ``subject``, ``statistic``, ``p``, ``q``, ``p_permutation``.

    Returns
    -------
    pd.DataFrame
        Columns of `TEST_COLUMNS`.
    """
    rows = pd.DataFrame(dict(table)).assign(family=family, test=test, worth=worth)
    return rows.reindex(columns=TEST_COLUMNS)


def _of_states(branch: Branch) -> pd.DataFrame:
    measured = [each for each in branch.typed if np.isfinite(each.p_structure)]
    shown = {
        "subject": [each.cell_type for each in measured],
        "statistic": [each.separation for each in measured],
        "p_permutation": [each.p_structure for each in measured],
    }
    return named(f"states: {branch.name}", "two states against one cloud", PLAIN, shown)


def _of_search(branch: Branch) -> list[pd.DataFrame]:
    if branch.found is None:
        return []
    tested = branch.found.table[branch.found.table["tested"]]
    shown = {
        "subject": tested["definition"],
        "statistic": tested["z"] ** 2,
        "p": tested["p"],
        "q": tested["q"],
        "p_permutation": tested["p_max_t"],
    }
    count = {
        "subject": ["as many significant definitions"],
        "statistic": [branch.found.n_significant],
        "p_permutation": [branch.found.p_count],
    }
    rows = [named(f"search: {branch.name}", "log-rank", SEARCHED, shown)]
    if np.isfinite(branch.found.p_count):
        rows.append(named(f"count: {branch.name}", "permutation", PERMUTED, count))
    return rows


def _ratio(inside: Array, considered: Array, cohort: Cohort) -> list[float]:
    index = np.where(considered, inside.astype(np.int64), -1)
    survival = (cohort.durations, cohort.event_observed, index, ("outside", "inside"))
    found = hazards.between(*survival, cohort.strata)
    if not len(found):
        return [np.nan] * len(RATIOS)
    return found[["hazard_ratio", "low", "high"]].iloc[0].to_list()


def _who(cohort: Cohort) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "patient": cohort.patients.names,
            "sample": cohort.patients.samples,
            "duration_days": cohort.durations,
            "event": cohort.event_observed.astype(int),
        }
    )


def _states(found: Discovery, cohort: Cohort) -> pd.DataFrame:
    table = _who(cohort)
    main = found.main
    for at, name in enumerate(main.cell_types):
        state = main.index[:, at]
        table[name] = np.where(state < 0, "absent", state.astype(str))
    return table
