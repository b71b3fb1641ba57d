"""The tables about patients that a report shows, from the folder of `bluebatch subtype`."""

from collections.abc import Mapping

import pandas as pd

from bluebatch.downstream.page_content import Row, Table
from bluebatch.downstream.subtypes_found import Found

MAX_ROWS = 50
# Of each file: the heading, columns as they are called on the page, and what they show.
_P = {"p": "p", "q": "q", "p_max_t": "p max-T"}
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
        "Smallest p first. q: Benjamini-Hochberg; p max-T: permutation over the whole search. "
        "z above 0: more events inside than expected.",
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
        },
        "Those that were significant in the first cohort; tested in its direction, q over them.",
    ),
    "branches": (
        "What the profiles add",
        {
            "branch": "search on",
            "n_cell_types": "types",
            "n_definitions": "definitions",
            "n_tested": "tested",
            "n_significant": "significant",
            "p_count": "p of so many",
            "best_definition": "best definition",
            "best_p": "its p",
            "best_p_max_t": "its p max-T",
            "c_index": "C-index held out",
            "c_low": "low",
            "c_high": "high",
            "note": "note",
        },
        "The same search on every kind of data. Types: with two states; significant: by q.",
    ),
    "components": (
        "Components",
        {
            "component": "component",
            "direction": "pattern",
            "lead": "lead",
            "n_definitions": "definitions",
            "n_ties": "ties",
            "n_1": "patients with its states",
            "n_0": "without",
            "n_2": "undecided",
            "mean_margin": "mean vote margin",
            "z": "z",
        },
        "Definitions that mean nearly the same patients vote as one.",
    ),
    "comparisons": (
        "Frozen groups against each other",
        {
            "comparison": "comparison",
            "expects": "expects",
            "n_in": "inside",
            "n_out": "outside",
            "hazard_ratio": "hazard ratio",
            "low": "low",
            "high": "high",
            "p_one_sided": "p one-sided",
            "p_permuted": "p permuted",
            "concordance": "C-index",
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
            "hazard_ratio": "hazard ratio",
            "low": "low",
            "high": "high",
            "p": "p",
            "n": "patients",
            "events": "events",
            "said": "note",
        },
        "Cox models, 95 % intervals.",
    ),
    "proportional_hazards": ("Whether hazards stay proportional", {}, "A small p: they do not."),
    "concordance": ("What the groups add to clinical columns", {}, "C-index, cross-validated."),
    "clinical": ("Groups against clinical columns", {}, "q: Benjamini-Hochberg over the columns."),
    "state_quality": (
        "States of the cell types",
        {},
        "Stability under resampling, and the evidence that there are two states.",
    ),
    "tests": ("Every test that was made", {}, "Smallest p first; the file has all."),
    "reciprocal": (
        "Genes that go both ways",
        {},
        "Higher in one outer group and lower in the other; descriptive, as the groups were made "
        "from the same profiles.",
    ),
    "gene_sets": ("Gene sets", {}, "Descriptive."),
}
SORTED = ("definitions", "replication", "tests", "clinical")
COUNTS = ("n", "events", "events_in", "events_out", "component")
WORDS = ("said", "note")
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
        _table(name, frames[name], *layout)
        for name, layout in LAYOUT.items()
        if name in frames and len(frames[name])
    ]


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
    frame = frame[there]
    heads = [columns.get(column, str(column).replace("_", " ")) for column in there]
    if len(frame) > MAX_ROWS:
        caption = f"{caption} Shown: {MAX_ROWS} of {len(frame):,}; the file has all."
    shown = _rows(frame.head(MAX_ROWS))
    whole = _rows(frame) if len(frame) > MAX_ROWS else None
    digits = DIGITS.get(name, 3)
    return Table(f"patients_{name}", title, heads, shown, caption, digits, whole)


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
