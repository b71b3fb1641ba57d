"""The tables about patients that a report shows, from the folder of `bluebatch subtype`."""

from collections.abc import Mapping

import pandas as pd

from bluebatch.downstream.page_content import Row, Table
from bluebatch.downstream.subtypes_found import Found

MAX_ROWS = 50
PROFILES = "profiles"
# Of each file: the heading, columns as they are called on the page, and what they show.
_P = {"p": "p", "q": "q", "p_max_t": "p max-T"}
_RATIO = {"hazard_ratio": "hazard ratio", "low": "low", "high": "high"}
LAYOUT: dict[str, tuple[str, Mapping[str, str], str]] = {
    "definitions": (
        "Definitions",
        {
            "definition": "definition",
            "n_in": "inside",
            "n_out": "outside",
            "events_in": "events in",
            "events_out": "events out",
            "z": "z",
            **_P,
            "component": "component",
        },
        "Smallest p first; p and q do not know of the search. q: Benjamini-Hochberg; p max-T: "
        "permutation over the whole search. z above 0: more events inside than expected.",
    ),
    "replication": (
        "Definitions in the second cohort",
        {
            "definition": "definition",
            "discovery_z": "z before",
            "discovery_p_max_t": "p max-T before",
            "n_in": "inside",
            "n_out": "outside",
            "z": "z",
            "p_one_sided": "p one-sided",
            "q_one_sided": "q one-sided",
            "replicated": "replicated",
            "p_one_sided_adjusted": "p beside covariates",
        },
        "Those that were significant in the first cohort; tested in its direction, q over them.",
    ),
    "branches": (
        "What the profiles add",
        {
            "branch": "search on",
            "n_cell_types": "types",
            "n_tested": "tested",
            "n_significant": "significant",
            "p_count": "p of so many",
            "c_index": "C-index held out",
            "c_low": "low",
            "c_high": "high",
            "best_definition": "best definition",
            "best_p": "its p",
            "best_p_max_t": "its p max-T",
            "note": "note",
        },
        "The same search on every kind of data. Types: with two states; significant: by q.",
    ),
    "components": (
        "Components",
        {
            "component": "no.",
            "direction": "pattern",
            "lead": "lead",
            "n_definitions": "members",
            "n_ties": "ties",
            "n_1": "with its states",
            "n_0": "without",
            "n_2": "undecided",
            "mean_margin": "mean margin",
            "z": "z",
        },
        "Definitions that mean nearly the same patients, its members, vote as one.",
    ),
    "comparisons": (
        "Frozen groups against each other",
        {
            "comparison": "comparison",
            "expects": "expects",
            "n_in": "inside",
            "n_out": "outside",
            **_RATIO,
            "p_one_sided": "p one-sided",
            "p_permuted": "p permuted",
            "hazard_ratio_adjusted": "beside covariates",
            "p_one_sided_adjusted": "its p",
            "said": "note",
        },
        "In the direction of the first cohort. p permuted: to be read where a group is small.",
    ),
    "survival": (
        "Survival by group",
        {
            "group": "group",
            "n": "patients",
            "events": "events",
            "median": "median",
            "median_low": "low",
            "median_high": "high",
            "median_days": "median (days)",
            "low_days": "low",
            "high_days": "high",
            "follow_up_days": "median follow-up (days)",
            "said": "note",
        },
        "Median with its 95 % interval; descriptive.",
    ),
    "hazards": (
        "Hazard ratios",
        {
            "model": "model",
            "term": "term",
            "reference": "against",
            **_RATIO,
            "p": "p",
            "n": "patients",
            "events": "events",
            "said": "note",
        },
        "Cox models, 95 % intervals. Groups were chosen by survival: theirs are descriptive.",
    ),
    "proportional_hazards": (
        "Whether hazards stay proportional",
        {"model": "model", "covariate": "covariate", "term": "term",
         "statistic": "statistic", "df": "df", "p": "p", "fails": "fails"},
        "A small p: they do not.",
    ),
    "concordance": (
        "What the groups add to clinical columns",
        {"groups": "groups", "model": "model", "estimate": "estimate", "c_index": "C-index",
         "low": "low", "high": "high", "n": "patients", "events": "events", "said": "note"},
        "C-index with its 95 % interval; apparent: in the patients that it was fitted to. Groups "
        "without the patient: found in other patients than those they are scored in.",
    ),
    "clinical": (
        "Groups against clinical columns",
        {"column": "column", "test": "test", "n": "patients", "n_unknown": "unknown",
         "statistic": "statistic", "df": "df", "p": "p", "q": "q", "effect": "effect",
         "effect_measure": "measured by", "said": "note"},
        "q: Benjamini-Hochberg over the columns.",
    ),
    "state_quality": (
        "States of the cell types",
        {"branch": "search on", "cell_type": "cell type", "by": "by", "verdict": "verdict",
         "n_absent": "absent", "n_0": "state 0", "n_1": "state 1", "stability": "stability",
         "p_structure": "p of structure", "coverage": "genes there",
         "share_1": "share of state 1", "share_1_in_discovery": "share before", "reason": "why",
         "note": "note"},
        "Stability under resampling, and the evidence that there are two states.",
    ),
    "tests": (
        "Every test that was made",
        {"family": "family", "subject": "subject", "comparison": "comparison", "test": "test",
         "statistic": "statistic", "p": "p", "p_one_sided": "p one-sided", "q": "q",
         "p_permutation": "p permuted", "worth": "what it is worth"},
        "Smallest p first, whatever it is worth; the file has all.",
    ),
    "reciprocal": (
        "Genes that go both ways",
        {},
        "Higher in one outer group and lower in the other; descriptive, as the groups were made "
        "from the same profiles.",
    ),
    "gene_sets": ("Gene sets", {}, "Descriptive."),
}  # fmt: skip
P_VALUES = ("p", "q", "p_max_t", "p_count", "best_p", "best_p_max_t", "p_structure")
SORTED = ("definitions", "replication", "tests", "clinical")
COUNTS = ("n", "events", "events_in", "events_out", "component", "df")
WORDS = ("said", "note", "best_definition", "worth", "verdict", "reason")
DIGITS = {"survival": 0}


def tables(found: Found) -> list[Table]:
    """Lay the tables of the folder out.

    Parameters
    ----------
    found : Found
        What is there.

    Returns
    -------
    list of Table
        One a file, at most `MAX_ROWS` rows on the page.
    """
    frames = dict(found.tables)
    if found.is_transfer and "definitions" in frames:
        frames["replication"] = significant(frames.pop("definitions"))
    return [
        _table(name, frames[name], heading(found, title), columns, _caption(found, name, caption))
        for name, (title, columns, caption) in LAYOUT.items()
        if name in frames and len(frames[name])
    ]


def heading(found: Found, title: str) -> str:
    """Name the comparison of searches for what was searched.

    Parameters
    ----------
    found : Found
        What is there.
    title : str
        Of a table or picture.

    Returns
    -------
    str
        The same, but where there are no profiles nothing is said of what they add.
    """
    if title != LAYOUT["branches"][0]:
        return title
    branches = found.tables.get("branches", pd.DataFrame({"branch": []}))["branch"]
    return title if (branches == PROFILES).any() else "What is found, and held out"


def significant(table: pd.DataFrame) -> pd.DataFrame:
    """Take the definitions of a transfer that were significant in the first cohort.

    Parameters
    ----------
    table : pd.DataFrame
        One row a definition.

    Returns
    -------
    pd.DataFrame
        All of them where it does not tell.
    """
    if "significant" not in table.columns:
        return table
    return table[table["significant"].astype(str).isin(("True", "1"))]


def _table(
    name: str, frame: pd.DataFrame, title: str, columns: Mapping[str, str], caption: str
) -> Table:
    there = [column for column in (columns or frame.columns) if column in frame.columns]
    by = next((each for each in ("p", "p_one_sided") if each in frame.columns), None)
    if name in SORTED and by is not None:
        frame = frame.sort_values(by, kind="stable", na_position="last")
    frame = frame[[*there]]
    # A column without a value is none.
    there = [column for column in there if frame[column].notna().any()] or there
    frame = frame[there]
    heads = [columns.get(column, str(column).replace("_", " ")) for column in there]
    if len(frame) > MAX_ROWS:
        caption = f"{caption} Shown: {MAX_ROWS} of {len(frame):,}; the file has all."
    shown = _rows(frame.head(MAX_ROWS))
    whole = _rows(frame) if len(frame) > MAX_ROWS else None
    digits = DIGITS.get(name, 3)
    of_p = tuple(head for head, column in zip(heads, there, strict=True) if _is_p(column))
    return Table(f"patients_{name}", title, heads, shown, caption, digits, whole, of_p)


def _caption(found: Found, name: str, caption: str) -> str:
    if name == "state_quality" and found.is_transfer:
        return "The states of the first cohort, given to these patients; cut: proportions."
    return caption


def _is_p(column: str) -> bool:
    return column in P_VALUES or column.startswith(("p_", "q_")) or "_p_" in column


def _rows(frame: pd.DataFrame) -> list[Row]:
    whole = frame.astype(object).where(frame.notna(), None)
    for column in frame.columns:
        values = frame[column]
        counts = column in COUNTS or str(column).startswith("n_")
        if counts and pd.api.types.is_float_dtype(values):
            # A gap makes fractions of counts.
            known = [None if pd.isna(each) else int(each) for each in values]
            whole[column] = pd.Series(known, index=frame.index, dtype=object)
        elif column in WORDS:
            whole[column] = values.fillna("").astype(str)
    return [*whole.to_numpy(object).tolist()]
