"""The tables of a discovery, one CSV each."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from bluebatch.downstream import discovery as found_groups
from bluebatch.downstream import hazards, states
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
    """List every test that was made.

    Parameters
    ----------
    found : Discovery
        With the searches of all branches.
    others : sequence of pd.DataFrame
        Further tests, with columns of `TEST_COLUMNS`.

    Returns
    -------
    pd.DataFrame
        One row a test, columns `TEST_COLUMNS`.
    """
    parts = [
        branch.found.table[branch.found.table["tested"]].assign(
            family=f"search: {branch.name}",
            subject=lambda table: table["definition"],
            test="log-rank",
            statistic=lambda table: table["z"] ** 2,
            p_permutation=lambda table: table["p_max_t"],
            worth=SEARCHED,
        )
        for branch in (found.main, *found.others)
        if branch.found is not None
    ]
    parts += others
    filled = [part.reindex(columns=TEST_COLUMNS) for part in parts if len(part)]
    return pd.concat(filled, ignore_index=True)


def named(family: str, test: str, worth: str, table: Mapping[str, object]) -> pd.DataFrame:
    """Make rows of tests.

    Parameters
    ----------
    family, test, worth : str
        The same for all rows.
    table : mapping of str to sequence
        Further columns: ``subject``, ``statistic``, ``p``, ``q``, ``p_permutation``.

    Returns
    -------
    pd.DataFrame
        Columns of `TEST_COLUMNS`.
    """
    rows = pd.DataFrame(dict(table)).assign(family=family, test=test, worth=worth)
    return rows.reindex(columns=TEST_COLUMNS)


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
