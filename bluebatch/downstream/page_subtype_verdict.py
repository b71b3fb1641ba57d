"""What groups of patients are worth, in a sentence or two: before a second cohort never sound."""

from typing import Any

import numpy as np
import pandas as pd

from bluebatch.downstream import figures, patterns
from bluebatch.downstream.page_content import Level, Statement
from bluebatch.downstream.subtypes_found import Found, finite

OUTER = f"{patterns.NAMES[0]} against {patterns.NAMES[2]}"
COMPARED = (OUTER, f"{patterns.NAMES[0]} against the rest", f"{patterns.NAMES[2]} against the rest")
ALPHA = 0.05
# P-values of the frozen groups, in the order in which they are taken.
_TESTED = ("p_permuted", "p_one_sided")


def judge(found: Found) -> Statement:
    """Say how far the groups can be trusted.

    Parameters
    ----------
    found : Found
        What `bluebatch subtype` or `bluebatch transfer` wrote.

    Returns
    -------
    Statement
        Of a search at best to be taken with care: its groups were chosen by survival.
    """
    return _of_transfer(found) if found.is_transfer else _of_search(found)


def how_to_read() -> str:
    """Tell where the levels of groups end.

    Returns
    -------
    str
        A few sentences.
    """
    return (
        "Groups of patients that were chosen by survival are never called sound in the patients "
        "they were chosen in; poor where permuted patients do as well in 5 % of cases or more. "
        "In a second cohort they are sound where the outer groups differ as before, by a "
        f"one-sided p below {ALPHA:g}, also beside the covariates where some were given."
    )


def _of_search(found: Found) -> Statement:
    patients = found.patients()
    p, parts = _searched(found)
    if patients is None:
        said = f" ({'; '.join(parts)})" if parts else ""
        return Statement(
            "poor", "groups of patients", f"None: no definition was significant{said}."
        )
    text = "They were chosen by survival in these same patients: only a second cohort can tell."
    if parts:
        text += f" {'; '.join(parts)}."
    held_out = _held_out(found)
    if held_out is not None:
        index, low, high = held_out
        text += (
            f" Patients placed by groups that were found without them: C-index {index:.2f} "
            f"({low:.2f} to {high:.2f}), 0.5 is chance."
        )
    poor = np.isfinite(p) and p >= ALPHA
    poor = poor or (held_out is not None and held_out[0] <= 0.5)
    return Statement("poor" if poor else "careful", "groups of patients", text)


def _searched(found: Found) -> tuple[float, list[str]]:
    """Find the p-values that know of the search; the first of them decides."""
    known: list[tuple[str, float]] = []
    table = found.tables.get("tests", pd.DataFrame())
    if {"subject", "p_permutation"} <= set(table.columns):
        mine = finite(table.loc[table["subject"] == OUTER, "p_permutation"])
        known += [("permutation of the whole procedure, outer groups: p", each) for each in mine]
    summary = found.summary
    if summary.get("p_groups") is not None and not known:
        known.append(("permutation of the whole procedure: p", float(summary["p_groups"])))
    branches = found.tables.get("branches")
    if branches is not None and len(branches):
        first = branches.iloc[0]
        for column, words in (
            ("p_count", "so many significant definitions: permutation p"),
            ("best_p_max_t", "the best definition: p max-T"),
        ):
            known.append((words, _number(first.get(column))))
    known = [(words, p) for words, p in known if np.isfinite(p)]
    parts = [f"{words} {figures.p_text(p)}" for words, p in known]
    if parts:
        parts[0] = parts[0][0].upper() + parts[0][1:]
    return (known[0][1] if known else np.nan), parts


def _held_out(found: Found) -> tuple[float, float, float] | None:
    branches = found.tables.get("branches")
    if branches is None or not len(branches):
        return None
    first = branches.iloc[0]
    index, low, high = (_number(first.get(name)) for name in ("c_index", "c_low", "c_high"))
    return (index, low, high) if np.isfinite([index, low, high]).all() else None


def _of_transfer(found: Found) -> Statement:
    row, p = _tested(found)
    text = "Frozen in the first cohort and tested here, in its direction."
    if row is None:
        text += " No two groups could be compared here."
        return Statement("unknown", "groups of patients", text + _replicated(found))
    comparison = str(row["comparison"])
    text += f" {comparison[0].upper()}{comparison[1:]}: one-sided p {figures.p_text(p)}"
    text += _ratio(row)
    adjusted = _number(row.get("p_one_sided_adjusted"))
    if np.isfinite(adjusted):
        text += f"; beside the covariates p {figures.p_text(adjusted)}{_ratio(row, '_adjusted')}"
    level: Level = "poor"
    if p < ALPHA:
        level = "careful" if np.isfinite(adjusted) and adjusted >= ALPHA else "good"
    return Statement(level, "groups of patients", f"{text}.{_replicated(found)}")


def _tested(found: Found) -> tuple["pd.Series[Any] | None", float]:
    """Find the test of the two outer groups, or of one of them where the other is empty."""
    table = found.tables.get("comparisons", found.tables.get("tests", pd.DataFrame()))
    if "comparison" not in table.columns:
        return None, np.nan
    for comparison in COMPARED:
        for _, row in table[table["comparison"] == comparison].iterrows():
            known = [_number(row[name]) for name in _TESTED if pd.notna(row.get(name))]
            if known and np.isfinite(known[0]):
                return row, known[0]
    return None, np.nan


def _ratio(row: "pd.Series[Any]", end: str = "") -> str:
    names = (f"hazard_ratio{end}", f"low{end}", f"high{end}")
    ratio, low, high = (_number(row.get(name)) for name in names)
    if not np.isfinite([ratio, low, high]).all():
        return ""
    return f" (hazard ratio {ratio:.2f}, {low:.2f} to {high:.2f})"


def _replicated(found: Found) -> str:
    counted = found.summary.get("replication")
    if not isinstance(counted, dict) or not counted.get("n_tested"):
        return ""
    p_count = _number(counted.get("p_count"))
    lucky = f" (permutation p of so many {figures.p_text(p_count)})" if np.isfinite(p_count) else ""
    return (
        f" Of {counted['n_tested']:,} significant definitions that could be tested again, "
        f"{counted['n_replicated']:,} replicate at one-sided p < {counted['alpha']:g}{lucky}."
    )


def _number(value: Any) -> float:
    return float(pd.to_numeric(value, errors="coerce")) if value is not None else np.nan
