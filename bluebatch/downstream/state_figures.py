"""Figures of cell states: the patients of each type on a plane, and what groups are made of."""

import math
from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bluebatch.downstream import figures
from bluebatch.downstream.state_map import StateMap

FloatArray = npt.NDArray[np.floating]
IntArray = npt.NDArray[np.integer]
STATE_COLOURS = (figures.SKY, figures.VERMILION)
NO_STRUCTURE = "no structure"
MAX_COLUMNS = 4
MAX_BARS = 600


def draw_states(maps: Sequence[StateMap]) -> Figure:
    """Draw the patients of each cell type, coloured by state.

    Parameters
    ----------
    maps : sequence of StateMap
        A panel each.

    Returns
    -------
    Figure
        Not yet saved. Types without two states are grey, and their titles say so.
    """
    columns = min(MAX_COLUMNS, max(len(maps), 1))
    n_rows = math.ceil(max(len(maps), 1) / columns)
    with mpl.rc_context(figures.STYLE):
        figure = figures.new_figure(max(2.1 * columns, 3.6), 2.25 * n_rows + 0.4)
        panels = figure.subplots(n_rows, columns, squeeze=False).ravel()
        for axes in panels[len(maps) :]:
            axes.set_visible(False)
        for axes, each in zip(panels, maps, strict=False):
            _draw_plane(axes, each)
        handles = [_dot(colour) for colour in (*STATE_COLOURS, figures.GREY)]
        names = ["state 0", "state 1", NO_STRUCTURE]
        n_used = 3 if any(not each.structured for each in maps) else 2
        figure.legend(handles[:n_used], names[:n_used], loc="outside lower center", ncols=3)
    return figure


def _dot(colour: str) -> mpl.lines.Line2D:
    return mpl.lines.Line2D([], [], color=colour, marker="o", linestyle="", markersize=5)


def _draw_plane(axes: Axes, each: StateMap) -> None:
    size = float(np.clip(2400 / max(len(each.x), 1), 2.5, 16))
    colour = np.array(STATE_COLOURS, object)[np.clip(each.state, 0, 1)]
    colours = colour.tolist() if each.structured else figures.GREY
    axes.scatter(each.x, each.y, s=size, c=colours, linewidths=0, alpha=0.8)
    axes.set_title(figures.label(each.cell_type), loc="left", fontsize=9, fontweight="bold", pad=14)
    if each.structured:
        n_0, n_1 = (int((each.state == state).sum()) for state in (0, 1))
        words = f"{n_0:,} and {n_1:,} patients"
    else:
        words = f"{NO_STRUCTURE}, {len(each.x):,} patients"
    if len(each.x) < each.n_present:
        words += f" of {each.n_present:,}"
    axes.text(0, 1.02, words, transform=axes.transAxes, fontsize=7.5, color=figures.INK)
    axes.set_xlabel(f"{each.method} 1", fontsize=7.5)
    axes.set_ylabel(f"{each.method} 2", fontsize=7.5)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.margins(0.06)


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
        texts = [f"{figures.label(name, 20)}\n({len(rows):,})" for name, rows in groups]
        slanted: dict[str, Any] = {"rotation": 40, "ha": "right"} if len(groups) > 4 else {}
        axes.set_xticks(middles, texts, fontsize=8 if len(groups) <= 4 else 7, **slanted)
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
            bars, width = _thin(whole[rows[order]]), float(len(rows))
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
