"""Figures of groups of patients: what they are made of, and what else is known of them."""

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

from bluebatch.downstream import figures, patterns, sample_table

IntArray = npt.NDArray[np.integer]
FloatArray = npt.NDArray[np.floating]
MAX_LEVELS = 8
OTHERS = "others"
MAX_COLUMNS = 3
MAX_BARS = 600
MAX_PANELS = 12


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
        Which are drawn; by default the `MAX_PANELS` of smallest p.

    Returns
    -------
    Figure
        Not yet saved: a panel a column, over the patients of whom it is known.
    """
    ranked = tests.sort_values("p", kind="stable", na_position="last")["column"].tolist()
    chosen = [name for name in (columns or ranked[:MAX_PANELS]) if name in table.columns]
    across = 2 if len(chosen) == 4 else min(MAX_COLUMNS, max(len(chosen), 1))
    down = math.ceil(max(len(chosen), 1) / across)
    with mpl.rc_context(figures.STYLE):
        figure = figures.new_figure(3.4 * across, 2.6 * down)
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
    if len(shown) <= 3:
        texts = [textwrap.fill(text, 12, break_long_words=False) for text in texts]
    slanted: dict[str, Any] = {"rotation": 30, "ha": "right"} if len(shown) > 3 else {}
    axes.set_xticks(range(len(shown)), texts, fontsize=6.5, **slanted)
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


def draw_composition(
    proportion: FloatArray,
    cell_types: Sequence[str],
    index: IntArray,
    names: Sequence[str],
    *,
    by_patient: bool = True,
) -> Figure:
    """Draw stacked proportions by group.

    Parameters
    ----------
    proportion : np.ndarray, shape (patient, cell_type)
        Fractions.
    cell_types : sequence of str
        Columns.
    index : np.ndarray of int, shape (patient,)
        Group; patients of a number that has no name are left out.
    names : sequence of str
        Of the groups.
    by_patient : bool
        Whether each patient is a bar, sorted by the most abundant type, or each group's mean.

    Returns
    -------
    Figure
        Not yet saved.
    """
    whole = np.nan_to_num(np.asarray(proportion, float))
    groups = [(name, np.flatnonzero(index == at)) for at, name in enumerate(names)]
    groups = [(name, rows) for name, rows in groups if len(rows)]
    n_legend = 1 + (len(cell_types) - 1) // 16
    with mpl.rc_context(figures.STYLE):
        width = 6.0 if by_patient else 0.75 * len(groups) + 1.0
        figure = figures.new_figure(width + 1.9 * n_legend, 3.4)
        axes = figure.subplots()
        middles = _draw_groups(axes, whole, [rows for _, rows in groups], by_patient=by_patient)
        shown = [figures.label(name, 20) for name, _ in groups]
        # About the width of the panel over that of a letter.
        room = 16 * (width - 0.6 if by_patient else width) / axes.get_xlim()[1] * np.diff(middles)
        shown, tight = _fit(shown, room)
        counts = [f"({len(rows):,})" for _, rows in groups]
        texts = ["\n".join(both) for both in zip(shown, counts, strict=True)]
        slanted: dict[str, Any] = {"rotation": 40, "ha": "right"} if tight else {}
        axes.set_xticks(middles, texts, fontsize=7, **slanted)
        axes.set(ylim=(0, 1), ylabel="fraction" if by_patient else "fraction, mean")
        axes.tick_params(axis="x", length=0)
        axes.spines["bottom"].set_visible(False)
        handles = [mpl.patches.Patch(color=c) for c in figures.colours(len(cell_types))]
        labels = [figures.label(name) for name in cell_types]
        axes.legend(
            handles, labels, loc="center left", bbox_to_anchor=(1.0, 0.5), reverse=True,
            handlelength=1.0, ncols=n_legend,
        )  # fmt: skip
    return figure


def _is_tight(texts: Sequence[str], letters: FloatArray) -> bool:
    """Tell whether texts beside each other, so many letters apart, would touch."""
    lengths = np.array([max(map(len, text.splitlines()), default=0) for text in texts])
    return bool((letters < (lengths[1:] + lengths[:-1]) / 2 + 1.5).any())


def _fit(texts: list[str], letters: FloatArray) -> tuple[list[str], bool]:
    """Break texts where they would touch, and tell whether they must be slanted none the less."""
    for width in (max(map(len, texts), default=1), 12, 8):
        broken = [textwrap.fill(text, max(width, 1), break_long_words=False) for text in texts]
        if not _is_tight(broken, letters):
            return broken, False
    return texts, True


def _draw_groups(
    axes: Axes, whole: FloatArray, groups: Sequence[IntArray], *, by_patient: bool
) -> list[float]:
    """Draw the groups beside each other and tell where their middles are."""
    main = int(np.argmax(whole.mean(axis=0)))
    gap = 0.02 * sum(map(len, groups)) if by_patient else 0.35
    start, middles = 0.0, []
    for rows in groups:
        bars, width = whole[rows].mean(axis=0, keepdims=True), 1.0
        if by_patient:
            order = np.argsort(-whole[rows, main], kind="stable")
            bars, width = _thin(whole[rows[order]]), max(float(len(rows)), 2 * gap)
        _stack(axes, start, width, bars)
        middles.append(start + width / 2)
        start += width + gap
    axes.set_xlim(0, max(start - gap, 1))
    return middles


def _thin(values: FloatArray) -> FloatArray:
    """Put neighbours together where there are more patients than dots."""
    if len(values) <= MAX_BARS:
        return values
    return np.array([part.mean(axis=0) for part in np.array_split(values, MAX_BARS)])


def _stack(axes: Axes, start: float, width: float, bars: FloatArray) -> None:
    edges = np.linspace(start, start + width, len(bars) + 1)
    top = np.cumsum(bars, axis=1)
    for column, colour in enumerate(figures.colours(bars.shape[1])):
        axes.stairs(
            top[:, column], edges, baseline=top[:, column] - bars[:, column],
            fill=True, color=colour, linewidth=0,
        )  # fmt: skip
