"""Figures of groups of patients against what else is known of them."""

import math
from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bluebatch.downstream import figures, patterns, sample_table

IntArray = npt.NDArray[np.integer]
MAX_LEVELS = 8
OTHERS = "others"
MAX_COLUMNS = 3


def draw_clinical(
    table: pd.DataFrame,
    index: IntArray,
    tests: pd.DataFrame,
    names: Sequence[str] = patterns.NAMES,
    columns: Sequence[str] | None = None,
) -> Figure:
    """Draw clinical columns by group: stacked bars of words, boxes of numbers.

    Parameters
    ----------
    table : pd.DataFrame
        Text or numbers, one row a patient.
    index : np.ndarray of int, shape (patient,)
        Group; patients of a number that has no name are left out.
    tests : pd.DataFrame
        Columns column, test, p and q: one row a column.
    names : sequence of str
        Of the groups.
    columns : sequence of str or None
        Which are drawn; those of the tests, smallest p first, by default.

    Returns
    -------
    Figure
        Not yet saved: a panel a column, over the patients of whom it is known.
    """
    ranked = tests.sort_values("p", kind="stable", na_position="last")["column"].tolist()
    chosen = [name for name in (columns or ranked) if name in table.columns]
    across = min(MAX_COLUMNS, max(len(chosen), 1))
    down = math.ceil(max(len(chosen), 1) / across)
    with mpl.rc_context(figures.STYLE):
        longest = max((len(name) for name in names), default=1)
        figure = figures.new_figure(3.3 * across, (2.25 + 0.045 * longest) * down)
        panels = figure.subplots(down, across, squeeze=False).ravel()
        for axes in panels[len(chosen) :]:
            axes.set_visible(False)
        for axes, column in zip(panels, chosen, strict=False):
            _draw_column(axes, table[column], index, names)
            row = tests[tests["column"] == column]
            words = [figures.label(column, 34)]
            if len(row):
                p, q = (float(row[name].iloc[0]) for name in ("p", "q"))
                words.append(f"p {figures.p_text(p)}, q {figures.p_text(q)}")
            axes.set_title("\n".join(words), loc="left", fontsize=8.5)
    return figure


def _draw_column(axes: Axes, values: pd.Series, index: IntArray, names: Sequence[str]) -> None:
    known = ~values.astype(str).str.strip().isin((*sample_table.GAPS, "None", "<NA>")).to_numpy()
    numbers = pd.to_numeric(values.where(known), errors="coerce").to_numpy(float)
    members = [known & (index == at) for at in range(len(names))]
    shown = [(name, mine) for name, mine in zip(names, members, strict=True) if mine.any()]
    numeric = bool(known.any()) and bool(np.isfinite(numbers[known]).all())
    if numeric and len(np.unique(numbers[known])) > MAX_LEVELS:
        _draw_boxes(axes, [numbers[mine] for _, mine in shown])
    else:
        _draw_bars(axes, values.astype(str).str.strip().to_numpy(object), known, shown)
    texts = [f"{figures.label(name, 20)} ({int(mine.sum()):,})" for name, mine in shown]
    axes.set_xticks(range(len(shown)), texts, rotation=30, ha="right", fontsize=7.5)
    axes.tick_params(axis="x", length=0)
    axes.tick_params(axis="y", labelsize=8)


def _draw_boxes(axes: Axes, values: list[npt.NDArray[np.float64]]) -> None:
    drawn = axes.boxplot(
        values, positions=list(range(len(values))), widths=0.55, patch_artist=True,
        showfliers=False,
    )  # fmt: skip
    for box in drawn["boxes"]:
        box.set(facecolor=figures.SKY, alpha=0.7, linewidth=0.6)
    for line in drawn["medians"]:
        line.set(color=figures.BLACK)


def _draw_bars(
    axes: Axes,
    values: npt.NDArray[np.object_],
    known: npt.NDArray[np.bool_],
    shown: list[tuple[str, npt.NDArray[np.bool_]]],
) -> None:
    counts = pd.Series(values[known]).value_counts()
    levels = sorted(str(name) for name in counts.index[: MAX_LEVELS - (len(counts) > MAX_LEVELS)])
    if len(counts) > len(levels):
        levels.append(OTHERS)
    first = np.where(np.isin(values, levels), values, OTHERS)
    bottom = np.zeros(len(shown))
    palette = [*figures.PALETTE[:-1], figures.GREY]
    for level, colour in zip(levels, palette, strict=False):
        share = np.array([float((first[mine] == level).mean()) for _, mine in shown])
        colour = figures.GREY if level == OTHERS else colour
        axes.bar(
            range(len(shown)), share, 0.72, bottom=bottom, color=colour,
            label=figures.label(level, 18),
        )  # fmt: skip
        bottom += share
    axes.set(ylim=(0, 1), xlim=(-0.5, len(shown) - 0.5), ylabel="share of patients")
    axes.legend(
        loc="center left", bbox_to_anchor=(1.0, 0.5), reverse=True, handlelength=0.9, fontsize=7.5
    )


def draw_replication(
    table: pd.DataFrame, first: str = "discovery", second: str = "second cohort"
) -> Figure:
    """Draw the z of definitions in a second cohort against that of the first.

    Parameters
    ----------
    table : pd.DataFrame
        Columns discovery_z, z and p_one_sided, one row a definition, as a transfer's definitions
        have them; gaps where one could not be tested again.
    first, second : str
        Names of the cohorts.

    Returns
    -------
    Figure
        Not yet saved. Shaded: the same direction, at one-sided p < 0.05.
    """
    z, again, p = (table[name].to_numpy(float) for name in ("discovery_z", "z", "p_one_sided"))
    known = np.isfinite(z) & np.isfinite(again)
    z, again, p = z[known], again[known], p[known]
    limit = 1.6448536269514722  # one-sided 5 % of a normal deviate
    with mpl.rc_context(figures.STYLE):
        figure = figures.new_figure(4.3, 4.4)
        axes = figure.subplots()
        end_x, end_y = (max(3.0, float(np.abs(each).max(initial=0))) * 1.1 for each in (z, again))
        for side in (-1, 1):
            axes.fill_between(
                [0, side * end_x], side * limit, side * end_y, color="#E3F0F7", linewidth=0
            )
        axes.axhline(0, color=figures.GREY, linewidth=0.8)
        axes.axvline(0, color=figures.GREY, linewidth=0.8)
        agreed, same = p < 0.05, z * again > 0
        for part, colour, word in (
            (agreed, figures.BLUE, "same direction, p < 0.05"),
            (~agreed & same, figures.GREY, "same direction"),
            (~agreed & ~same, figures.VERMILION, "other direction"),
        ):
            axes.scatter(
                z[part], again[part], s=20, color=colour, linewidths=0, alpha=0.8, zorder=3,
                label=f"{word} ({int(part.sum()):,})",
            )  # fmt: skip
        axes.set(xlim=(-end_x, end_x), ylim=(-end_y, end_y))
        axes.set_xlabel(f"log-rank z, {figures.label(first, 30)}")
        axes.set_ylabel(f"log-rank z, {figures.label(second, 30)}")
        n_lost = int((~known).sum())
        words = f"{int(agreed.sum()):,} of {len(z):,} replicate (one-sided p < 0.05)"
        words += f"\n{n_lost:,} could not be tested again" if n_lost else ""
        axes.set_title(words, loc="left", fontsize=9)
        figure.legend(loc="outside lower center", ncols=2, fontsize=8)
    return figure
