"""Survival of groups of patients in a report, with the p-values and what each is worth."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from bluebatch import errors
from bluebatch.downstream import group_logrank, patterns, survival, survival_figures
from bluebatch.downstream.page_content import Picture
from bluebatch.downstream.page_subtype_verdict import OUTER
from bluebatch.downstream.subtypes_found import Found

Array = npt.NDArray[Any]
FROZEN = f"outer groups, {survival_figures.FROZEN}"
SEARCHED = f"outer groups, {survival_figures.SEARCHED}"


def survival_picture(found: Found, patients: pd.DataFrame) -> Picture:
    """Draw the groups' survival.

    Parameters
    ----------
    found : Found
        Its tests, for the p-values.
    patients : pd.DataFrame
        From `Found.patients`.

    Returns
    -------
    Picture
        Kaplan-Meier curves; the numbers are their steps.
    """
    times, event = patients["duration"].to_numpy(float), patients["event"].to_numpy(bool)
    group = patients["group"].to_numpy(np.int64)
    curves = survival.curves(times, event, group, patterns.NAMES)
    columns = ["group", "time_days", "survival", "low", "high", "at_risk", "events", "censored"]
    return Picture(
        "patients_survival",
        "Survival of the groups",
        "Kaplan-Meier curves with pointwise 95 % intervals; ticks: censored patients. Below: "
        "patients at risk, and events before.",
        survival_figures.draw_kaplan_meier(
            times, event, group, verdicts=_verdicts(found, times, event, group)
        ),
        columns,
        curves.steps[columns].to_numpy(object).tolist(),
    )


def _verdicts(
    found: Found, times: Array, event: Array, group: Array
) -> list[survival_figures.Verdict]:
    label = survival_figures.FROZEN_OVERALL if found.is_transfer else survival_figures.DESCRIPTIVE
    ranked = found.tables.get("logrank")
    if ranked is None:
        try:
            ranked = group_logrank.logrank(times, event, group, patterns.NAMES).overall
        except errors.BluebatchError:  # one group alone, or no events
            return []
    found_p = [_either(ranked.iloc[0], "p", "p_permuted", label)]
    table = found.tables.get("tests", pd.DataFrame())
    subject = "comparison" if found.is_transfer else "subject"
    worth = FROZEN if found.is_transfer else SEARCHED
    if subject in table.columns:
        rows = table[table[subject] == OUTER].head(1)
        found_p += [
            _either(row, "p_one_sided", "p_permutation", worth) for _, row in rows.iterrows()
        ]
    return [each for each in found_p if np.isfinite(each.p)]


def _either(
    row: "pd.Series[Any]", column: str, permuted: str, worth: str
) -> survival_figures.Verdict:
    """Take the permutation p where there is one: a group is small, or all was permuted."""
    plain, drawn = (row.get(name, np.nan) for name in (column, permuted))
    if pd.isna(drawn):
        return survival_figures.Verdict(float(plain), worth)
    words = worth if "permutation" in worth else f"by permutation, {worth}"
    return survival_figures.Verdict(float(drawn), words)
