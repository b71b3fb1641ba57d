"""The figure of cell states: the patients of each type on a plane."""

import math
from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bluebatch.downstream import figures
from bluebatch.downstream.state_map import StateMap

STATE_COLOURS = (figures.SKY, figures.VERMILION)
NO_STRUCTURE = "no structure"
MAX_COLUMNS = 4


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
        words = f"{n_0:,} in state 0, {n_1:,} in state 1"
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
