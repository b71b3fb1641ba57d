"""The forest plot: hazard ratios with their intervals, models side by side."""

import math
import textwrap
from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from bluebatch.downstream import figures

FloatArray = npt.NDArray[np.floating]
COLOURS = (figures.BLUE, figures.VERMILION, figures.GREEN, figures.PURPLE, figures.ORANGE)
MARKERS = "osD^v"
# Beyond this ratio an interval says no more than "unknown", and would press all others together.
WIDEST = 30.0
LEAST = 1.6
ONE_MORE = "one more"
GROUP = "group"
NOT_ESTIMABLE = "not estimable"
CHOSEN = "the groups were chosen by survival:\ntheir ratios and p are descriptive"
LONGEST_NAME = 44
_TICKS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100)
_ROW, _GAP = 0.24, 0.45


def draw_forest(table: pd.DataFrame, title: str = "") -> Figure:
    """Draw hazard ratios on a log axis, one row a model and term.

    Parameters
    ----------
    table : pd.DataFrame
        Columns model, term, hazard_ratio, low, high, p, n, events, and, if they are there,
        reference and covariate; gaps where a model has no estimate. Terms and models keep the
        order in which they come first.
    title : str
        Heading; none by default.

    Returns
    -------
    Figure
        Not yet saved. Intervals that leave the axis end in an arrow. Of a covariate called
        ``group`` it is said that survival chose it. Terms that no model could estimate are named
        below the others.
    """
    table, remarks = _remark(table)
    if "reference" in table.columns:
        against = table["reference"].fillna("").astype(str)
        added = ("\nagainst " + against).where(~against.isin(("", ONE_MORE)), "")
        added = added.mask(against == ONE_MORE, ", per unit")
        table = table.assign(term=table["term"].astype(str) + added)
    terms, models = (list(dict.fromkeys(table[name].astype(str))) for name in ("term", "model"))
    styles = {
        name: (COLOURS[at % len(COLOURS)], MARKERS[at % len(MARKERS)])
        for at, name in enumerate(models)
    }
    rows = _lay_out(table, terms, models)
    depth = rows[-1][0] + 0.7 if rows else 1.0
    longest = max((len(line) for term in terms for line in _name(term).splitlines()), default=1)
    with mpl.rc_context(figures.STYLE):
        width = 6.9 + 0.065 * longest
        height = _ROW * depth + 1.1 + 0.25 * bool(title) + 0.15 * len(remarks)
        figure = figures.new_figure(width, height)
        panel, words = figure.subplots(1, 2, sharey=True, width_ratios=[1.0, 1.05])
        ends = _ends(table)
        for place, row in rows:
            _draw_row(panel, place, row, ends, styles[str(row["model"])])
        _shade((panel, words), rows, terms)
        _write_words(words, rows)
        _finish(panel, rows, ends)
        _name_terms(panel, rows, terms)
        panel.set_xlabel("\n".join([panel.get_xlabel(), *remarks]))
        panel.set_ylim(depth - 0.2, -1.6)
        if len(models) > 1:
            _draw_legend(figure, styles)
        if title:
            figure.suptitle(title, fontsize=10, x=0.01, ha="left")
    return figure


def _remark(table: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Set aside terms without any estimate, and write the lines that stand below the axis."""
    remarks = []
    if "covariate" in table.columns and bool((table["covariate"] == GROUP).any()):
        remarks += CHOSEN.splitlines()
    term = table["term"].astype(str)
    known = term.isin(term[np.isfinite(table["hazard_ratio"].to_numpy(float))])
    if not known.any() or known.all():
        return table, remarks
    names = [figures.label(name, LONGEST_NAME) for name in dict.fromkeys(term[~known])]
    remarks += textwrap.wrap(f"{NOT_ESTIMABLE}: {', '.join(names)}", LONGEST_NAME)
    return table[known], remarks


def _lay_out(
    table: pd.DataFrame, terms: Sequence[str], models: Sequence[str]
) -> list[tuple[float, dict[str, Any]]]:
    """Give each row its height: models of a term together, terms apart."""
    records: list[dict[str, Any]] = table.to_dict("records")  # type: ignore[assignment]
    placed: list[tuple[float, dict[str, Any]]] = []
    place = 0.0
    for term in terms:
        mine = [row for row in records if str(row["term"]) == term]
        for row in sorted(mine, key=lambda row: models.index(str(row["model"]))):
            placed.append((place, row))
            place += 1
        place += _GAP
    return placed


def _ends(table: pd.DataFrame) -> tuple[float, float]:
    """Choose the axis: all estimates, and intervals as far as they tell something."""
    ratios = table["hazard_ratio"].to_numpy(float)
    known = ratios[np.isfinite(ratios) & (ratios > 0)]
    low = np.nan_to_num(table["low"].to_numpy(float), nan=1.0, neginf=0.0)
    high = np.nan_to_num(table["high"].to_numpy(float), nan=1.0, posinf=math.inf)
    inner = float(np.clip(known.min(initial=1.0) / 4, 1 / WIDEST, 1 / LEAST))
    outer = float(np.clip(known.max(initial=1.0) * 4, LEAST, WIDEST))
    left = max(min(float(low.min(initial=1.0)), 1 / LEAST), inner)
    right = min(max(float(high.max(initial=1.0)), LEAST), outer)
    return left / 1.12, right * 1.12


def _draw_row(
    axes: Axes, place: float, row: dict[str, Any], ends: tuple[float, float], style: tuple[str, str]
) -> None:
    colour, marker = style
    ratio, low, high = (float(row[name]) for name in ("hazard_ratio", "low", "high"))
    if not math.isfinite(ratio):
        return
    low = low if math.isfinite(low) else 0.0
    high = high if not math.isnan(high) else math.inf
    left, right = ends
    line: dict[str, Any] = {
        "color": colour,
        "linewidth": 1.5,
        "solid_capstyle": "butt",
        "zorder": 3,
    }
    axes.plot([max(low, left), min(high, right)], [place, place], **line)
    for beyond, end, arrow in ((low < left, left, "<"), (high > right, right, ">")):
        if beyond:
            axes.plot(end, place, arrow, color=colour, markersize=5, clip_on=False, zorder=4)
    if left <= ratio <= right:
        axes.plot(ratio, place, marker, color=colour, markersize=5.5, zorder=5)


def _shade(
    panels: tuple[Axes, Axes], rows: list[tuple[float, dict[str, Any]]], terms: Sequence[str]
) -> None:
    for at, term in enumerate(terms):
        mine = [place for place, row in rows if str(row["term"]) == term]
        if at % 2 == 0:
            for axes in panels:
                ends = min(mine) - 0.5 - _GAP / 2, max(mine) + 0.5 + _GAP / 2
                axes.axhspan(*ends, color="#F3F5F7", linewidth=0, zorder=0)


def _write_words(axes: Axes, rows: list[tuple[float, dict[str, Any]]]) -> None:
    columns = (
        (0.03, "left", "hazard ratio (95 % interval)"),
        (0.70, "right", "p"),
        (0.99, "right", "n / events"),
    )
    for x, side, head in columns:
        axes.text(x, -1.1, head, ha=side, va="center", fontsize=8, fontweight="bold")
    for place, row in rows:
        texts = (
            _ratio_text(row),
            figures.p_text(row["p"]),
            f"{_whole(row['n'])} / {_whole(row['events'])}",
        )
        for (x, side, _), text in zip(columns, texts, strict=True):
            axes.text(x, place, text, ha=side, va="center", fontsize=8)
    axes.set_xlim(0, 1)
    axes.axis("off")


def _ratio_text(row: dict[str, Any]) -> str:
    ratio, low, high = (float(row[name]) for name in ("hazard_ratio", "low", "high"))
    if not math.isfinite(ratio):
        return NOT_ESTIMABLE
    return f"{_short(ratio)} ({_short(low)} to {_short(high)})"


def _short(value: float) -> str:
    if math.isnan(value):
        return "?"
    if value >= 1000 or (0 < value < 0.005):
        return f"{value:.0e}".replace("e+0", "e").replace("e-0", "e-") if value < math.inf else "∞"
    return f"{value:.2f}" if value < 100 else f"{value:.0f}"


def _whole(value: Any) -> str:
    return "?" if pd.isna(value) else f"{int(value):,}"


def _finish(
    axes: Axes, rows: list[tuple[float, dict[str, Any]]], ends: tuple[float, float]
) -> None:
    axes.set_xscale("log")
    axes.set_xlim(*ends)
    axes.axvline(1, color=figures.INK, linewidth=0.8, zorder=1)
    ticks = [tick for tick in _TICKS if ends[0] <= tick <= ends[1]]
    wide = len(ticks) > 7
    ticks = [tick for tick in ticks if not wide or f"{tick:g}".strip("0.") == "1"]
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set_xlabel("hazard ratio, log scale (above 1: more events)")
    axes.spines["left"].set_visible(False)


def _name_terms(axes: Axes, rows: list[tuple[float, dict[str, Any]]], terms: Sequence[str]) -> None:
    middles = [np.mean([place for place, row in rows if str(row["term"]) == t]) for t in terms]
    axes.set_yticks(middles, [_name(term) for term in terms], fontsize=8.5)
    axes.tick_params(axis="y", length=0)


def _name(term: str) -> str:
    """Write a term, and below it what it is compared with."""
    lines = term.replace("=", ": ", 1).split("\n")
    return "\n".join(figures.label(line, LONGEST_NAME) for line in lines)


def _draw_legend(figure: Figure, styles: dict[str, tuple[str, str]]) -> None:
    handles = [
        mpl.lines.Line2D([], [], color=colour, marker=marker, markersize=5.5, linewidth=1.5)
        for colour, marker in styles.values()
    ]
    names = [figures.label(name, 40) for name in styles]
    figure.legend(handles, names, loc="outside lower center", ncols=min(3, len(names)))
