"""Tables of `accuracy.py`: scores of all runs, averaged and laid out as text and as Markdown.

A record is one model on one test: ``row`` (its name), ``seed``, ``test``, ``mode`` (``"single"`` or
``"cohort"``) and ``scores``, the content of its ``evaluation.json``.
"""

import functools
import math
import re
import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from bluebatch.downstream import report

Record = Mapping[str, Any]
# Of the columns that a table has, the values of each run; None where a score does not exist.
Row = dict[str, list[float | None]]
Table = dict[str, Row]
# Row -> column -> both ends.
Ends = Mapping[str, Mapping[str, tuple[float, float]]]

TITLES = {
    "within": "Held-out cells of the same studies",
    "kang": "Unseen study: Kang, control and stimulated",
    "monaco": "Real bulk: Monaco S13, a development set: settings were chosen with an eye on it",
}
AS_A_COHORT = ", as a cohort"
SUBSETS = {
    "all": "mean of types",
    "p > 0.1": "mean, p > .1",
    "p > 0.01, any cells": "mean, p > .01, any cells",
}
# Predictors of an evaluation beside its model, as rows.
FRACTION_ROWS = {
    "NNLS": "NNLS on mean profiles",
    "weighted NNLS": "weighted NNLS",
    "constant": "a constant: the references' composition",
}
PROFILE_ROWS = {
    "p-curve": "curve in p alone, predicted p",
    "p-curve, known p": "curve in p alone, known p",
    "ridge": "ridge on the bulk",
    "bulk": "the bulk itself",
    "closed form": "closed form, predicted p",
    "closed form, known p": "closed form, known p",
    "ceiling": "ceiling: another draw of the same cells",
    "limit": "limit: the expectation of such draws",
}
# Rows that are derived from another predictor.
SOURCES = {"limit": "ceiling"}
MEAN_PROFILE = "mean training profile"
CCC, FLAT, ERROR = "mean of per-type CCC", "flattened CCC", "mean absolute error"
INTERVAL = {
    CCC: ("mean_of_types", "ccc"),
    FLAT: ("flattened", "ccc"),
    ERROR: ("flattened", "l1"),
}


def fractions(records: Sequence[Record], test: str) -> Table:
    """Lay out the scores of proportions: per type, mean over types, flattened."""
    table: Table = {}
    for record, predictor, row in _listed(records, test, FRACTION_ROWS, "proportion"):
        scores = record["scores"]["proportion"][predictor]
        values = {f"CCC {name}": value for name, value in scores["per_type"]["ccc"].items()}
        values[CCC] = scores["mean_of_types"]["ccc"]
        values[FLAT] = scores["flattened"]["ccc"]
        values[ERROR] = scores["flattened"]["l1"]
        _add(table, row, values)
    return table


def intervals(records: Sequence[Record], test: str) -> Ends:
    """Average the ends of the bootstrap intervals over the runs; rows without any are left out."""
    ends: dict[str, dict[str, list[tuple[float, float]]]] = {}
    for record, predictor, row in _listed(records, test, FRACTION_ROWS, "proportion"):
        known = record["scores"].get("bootstrap", {}).get("proportion", {}).get(predictor, {})
        for column, (kind, score) in INTERVAL.items():
            if kind in known and None not in known[kind][score]:
                ends.setdefault(row, {}).setdefault(column, []).append(tuple(known[kind][score]))
    return {
        row: {
            column: (statistics.fmean(a for a, _ in pairs), statistics.fmean(b for _, b in pairs))
            for column, pairs in columns.items()
        }
        for row, columns in ends.items()
    }


def profiles(records: Sequence[Record], test: str, score: str) -> Table:
    """Lay out ``skill`` or ``median_r``: per type, then means over types of each subset."""
    table: Table = {}
    for record, predictor, row in _listed(records, test, PROFILE_ROWS, "profile"):
        found = record["scores"]["profile"]
        values = _by_type(found["all"], predictor, score)
        for subset, column in SUBSETS.items():
            scores = _by_type(found.get(subset, {}), predictor, score).values()
            known = [value for value in scores if value is not None]
            values[column] = statistics.fmean(known) if known else None
        _add(table, row, values)
    if table and score == "skill":
        columns = next(iter(table.values()))
        mean: Table = {MEAN_PROFILE: {column: [0.0] for column in columns}}
        table = mean | table
    return table


def markdown(records: Sequence[Record]) -> list[str]:
    """Write every table in Markdown."""
    lines = []
    for test, title in TITLES.items():
        if not any(record["test"] == test for record in records):
            continue
        table, ends = fractions(records, test), intervals(records, test)
        size = next(r for r in records if r["test"] == test)["scores"]["n_samples"]
        lines += ["", f"**{title}** ({size:,} samples): proportions", ""]
        lines += _pipe(table, functools.partial(show, table, ends))
        skill, r = (profiles(records, test, score) for score in ("skill", "median_r"))
        if skill:
            what = "skill / median r of a gene across samples, where >= 25 true cells of the type"
            lines += ["", f"The same samples: profiles, {what}", ""]
            lines += _pipe(skill, functools.partial(_both, skill, r))
    return lines


def text(records: Sequence[Record]) -> list[str]:
    """Write every table in columns."""
    lines: list[str] = []
    for line in markdown(records):
        if not line.startswith("|"):
            lines += _flush(lines, line)
        else:
            lines.append(line)
    return _flush(lines, None)


def show(table: Table, ends: Ends, row: str, column: str) -> str:
    """Write the mean of the runs, their range where there are several, and the interval."""
    known = [value for value in table[row].get(column, []) if value is not None]
    if not known:
        return "-"
    written = _number(statistics.fmean(known))
    if len(known) > 1 and _is_mean(column):
        written += f" ({_number(min(known))} to {_number(max(known))})"
    if column in ends.get(row, {}):
        low, high = ends[row][column]
        written += f" [{_number(low)}, {_number(high)}]"
    return written


def _listed(
    records: Sequence[Record], test: str, others: Mapping[str, str], kind: str
) -> list[tuple[Record, str, str]]:
    """Name the rows of a test: models, then the simple predictors of the first one's models."""
    own = [r for r in records if r["test"] == test and r["scores"].get(kind)]
    rows = [(r, "model", r["row"] + (AS_A_COHORT if r["mode"] == "cohort" else "")) for r in own]
    host = [r for r in own if r["row"] == own[0]["row"] and r["mode"] == "single"]
    simple = [(r, name, row) for name, row in others.items() for r in host]
    return rows + [
        (record, name, row)
        for record, name, row in simple
        if name in record["scores"][kind]
        or SOURCES.get(name, name) in record["scores"][kind].get("all", {})
    ]


def _by_type(scores: Mapping[str, Any], predictor: str, score: str) -> dict[str, float | None]:
    source = SOURCES.get(predictor, predictor)
    values = {name: by[score] for name, by in scores.get(source, {}).items()}
    if predictor != "limit":
        return values
    return {name: None if known is None else _limit(known, score) for name, known in values.items()}


def _limit(ceiling: float, score: str) -> float:
    """Score the expectation of which truth and ceiling are two draws: their errors add up."""
    return (1 + ceiling) / 2 if score == "skill" else math.sqrt(max(ceiling, 0))


def _add(table: Table, row: str, values: Mapping[str, float | None]) -> None:
    columns = table.setdefault(row, {})
    for column, value in values.items():
        columns.setdefault(column, []).append(value)


def _both(skill: Table, r: Table, row: str, column: str) -> str:
    correlation = show(r, {}, row, column) if row in r else "-"
    return f"{show(skill, {}, row, column)} / {correlation}"


def _pipe(table: Table, cell: Callable[[str, str], str]) -> list[str]:
    columns = max((list(row) for row in table.values()), key=len)
    lines = ["| | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    for row in table:
        lines.append("| " + " | ".join([row, *(cell(row, column) for column in columns)]) + " |")
    return lines


def _flush(lines: list[str], line: str | None) -> list[str]:
    """Turn the Markdown table that ends here into columns; give what is to be added."""
    start = len(lines)
    while start and lines[start - 1].startswith("|"):
        start -= 1
    rows = [[cell.strip() for cell in row.strip("|").split("|")] for row in lines[start:]]
    if rows:
        lines[start:] = report.align(rows[0], rows[2:])
    return lines if line is None else [line]


def _is_mean(column: str) -> bool:
    return column in INTERVAL or column in SUBSETS.values()


def _number(value: float) -> str:
    # As in print: no nought before the point.
    return re.sub(r"^(-?)0\.", r"\1.", f"{value:.3f}")
