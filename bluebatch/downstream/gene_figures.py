"""Figures of genes: volcanoes of every cell type, and genes that go both ways."""

import itertools
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
from matplotlib.transforms import Bbox

from bluebatch.downstream import figures

FloatArray = npt.NDArray[np.floating]
MAX_COLUMNS = 3
N_NAMED = 8
N_GENES = 10
LETTERS_PER_INCH = 13
UP, DOWN = figures.VERMILION, figures.BLUE
# Where a name may stand beside its point: directions, and distances in points.
_DIRECTIONS = ((1, 0), (-1, 0), (1, 1), (-1, 1), (1, -1), (-1, -1), (0, 1), (0, -1))
_DISTANCES = (3.0, 9.0, 16.0, 24.0)


def draw_volcanoes(
    table: pd.DataFrame, effect: str = "difference", level: float = 0.05, title: str = ""
) -> Figure:
    """Draw every gene's difference between groups against its p-value, a panel a cell type.

    Parameters
    ----------
    table : pd.DataFrame
        Columns cell_type, gene, p, q, and the one of `effect`.
    effect : str
        Column of the differences, log2.
    level : float
        A gene is coloured where q is below it.
    title : str
        Heading, such as what is compared and what p is worth.

    Returns
    -------
    Figure
        Not yet saved. Named are the genes of smallest p, where their names find room.
    """
    cell_types = list(dict.fromkeys(table["cell_type"].astype(str)))
    with mpl.rc_context(figures.STYLE):
        figure, panels = _panels(len(cell_types), 2.9, 2.6)
        for axes, name in zip(panels, cell_types, strict=False):
            _draw_volcano(axes, table[table["cell_type"] == name], effect, level)
            axes.set_title(figures.label(name), loc="left", fontsize=9, fontweight="bold")
        figure.supxlabel("difference (log2)", fontsize=9)
        figure.supylabel("$-\\log_{10}$ p", fontsize=9)
        if title:
            wrapped = textwrap.fill(title, int(LETTERS_PER_INCH * figure.get_figwidth()))
            figure.suptitle(wrapped, fontsize=9.5, x=0.01, ha="left")
        figure.draw_without_rendering()
        figure.set_layout_engine("none")
        for axes, name in zip(panels, cell_types, strict=False):
            mine = table[table["cell_type"] == name]
            best = mine.sort_values("p", kind="stable").head(N_NAMED)
            _name_points(
                axes, best[effect].to_numpy(float), _heights(best["p"]), best["gene"].tolist()
            )
    return figure


def _panels(n: int, width: float, height: float) -> tuple[Figure, list[Axes]]:
    across = min(MAX_COLUMNS, max(n, 1))
    down = math.ceil(max(n, 1) / across)
    figure = figures.new_figure(max(width * across, 4.2) + 0.3, height * down + 0.4)
    panels = figure.subplots(down, across, squeeze=False).ravel().tolist()
    for axes in panels[n:]:
        axes.set_visible(False)
    return figure, panels[:n]


def _heights(p: pd.Series) -> FloatArray:
    heights: FloatArray = -np.log10(np.maximum(p.to_numpy(float), 1e-300))
    return heights


def _draw_volcano(axes: Axes, table: pd.DataFrame, effect: str, level: float) -> None:
    x, y = table[effect].to_numpy(float), _heights(table["p"])
    found = table["q"].to_numpy(float) < level
    for part, colour in (
        (~found, "#C4CAD0"),
        (found & (x > 0), UP),
        (found & (x <= 0), DOWN),
    ):
        axes.scatter(x[part], y[part], s=7, color=colour, linewidths=0, alpha=0.8, rasterized=True)
    end = float(np.nanmax(np.abs(x), initial=0)) * 1.35 or 1.0
    top = float(np.nanmax(y, initial=0)) * 1.15 or 1.0
    axes.set(xlim=(-end, end), ylim=(0, top))
    axes.locator_params(axis="x", nbins=6)
    axes.axvline(0, color="#DDDDDD", linewidth=0.6, zorder=0)
    axes.tick_params(labelsize=8)
    words = f"{int((found & (x > 0)).sum()):,} up, {int((found & (x <= 0)).sum()):,} down"
    axes.set_title(words, loc="right", fontsize=7.5, color=figures.INK)


def _name_points(axes: Axes, x: FloatArray, y: FloatArray, names: Sequence[str]) -> None:
    """Write names where they hide neither a named point, each other, nor leave the panel."""
    figure: Any = axes.get_figure()
    renderer = figure.canvas.get_renderer()
    within = axes.get_window_extent(renderer)
    dots = figure.dpi / 72
    spots = axes.transData.transform(np.stack([x, y], axis=1))
    taken = [Bbox.from_bounds(px - 2 * dots, py - 2 * dots, 4 * dots, 4 * dots) for px, py in spots]
    sides = {1: ("left", "bottom"), -1: ("right", "top"), 0: ("center", "center")}
    for at, name in enumerate(names):
        for distance, (dx, dy) in itertools.product(_DISTANCES, _DIRECTIONS):
            text = axes.annotate(
                figures.label(name, 14), (x[at], y[at]), (dx * distance, dy * distance),
                textcoords="offset points", fontsize=6.5, ha=sides[dx][0], va=sides[dy][1],
                arrowprops={"arrowstyle": "-", "linewidth": 0.4, "color": figures.INK,
                            "shrinkA": 0, "shrinkB": 1.5} if distance > _DISTANCES[0] else None,
            )  # fmt: skip
            text.update_positions(renderer)
            box = mpl.text.Text.get_window_extent(text, renderer).padded(0.6 * dots)
            others = [each for other, each in enumerate(taken) if other != at]
            leader = np.linspace(spots[at], box.get_points().mean(axis=0), 9)[1:-4]
            hidden = any(box.overlaps(each) or each.count_contains(leader) for each in others)
            if not hidden and _holds(within, box):
                taken.append(box)
                break
            text.remove()


def _holds(outer: Bbox, inner: Bbox) -> bool:
    (left, low), (right, high) = inner.min, inner.max
    return bool(outer.contains(left, low) and outer.contains(right, high))


def draw_reciprocal(
    table: pd.DataFrame,
    favourable: str = "difference_favourable",
    unfavourable: str = "difference_unfavourable",
    n_genes: int = N_GENES,
) -> Figure:
    """Draw genes that rise in the one group and fall in the other, a panel a cell type.

    Parameters
    ----------
    table : pd.DataFrame
        Columns cell_type, gene and the two of differences; strongest first within a type.
    favourable, unfavourable : str
        Columns: log2 difference of the most favourable group against the rest, and of the most
        unfavourable one.
    n_genes : int
        Of each type at most.

    Returns
    -------
    Figure
        Not yet saved: two dots a gene, joined.
    """
    cell_types = list(dict.fromkeys(table["cell_type"].astype(str)))
    parts = [table[table["cell_type"] == name] for name in cell_types]
    shown = [part.head(n_genes) for part in parts]
    deepest = max((len(part) for part in shown), default=1)
    with mpl.rc_context(figures.STYLE):
        figure, panels = _panels(len(cell_types), 2.7, 0.17 * deepest + 0.75)
        if not cell_types:
            figure.text(0.5, 0.5, "no gene goes both ways", ha="center")
        for axes, name, part, whole in zip(panels, cell_types, shown, parts, strict=True):
            rows = np.arange(len(part))
            good, bad = (part[column].to_numpy(float) for column in (favourable, unfavourable))
            axes.hlines(rows, good, bad, color="#C4CAD0", linewidth=1.4, zorder=1)
            axes.scatter(good, rows, s=22, color=figures.BLUE, linewidths=0, zorder=2)
            axes.scatter(bad, rows, s=22, color=figures.VERMILION, linewidths=0, zorder=2)
            axes.axvline(0, color=figures.GREY, linewidth=0.7, zorder=0)
            axes.set_yticks(rows, [figures.label(gene, 14) for gene in part["gene"]], fontsize=7)
            axes.set_ylim(deepest - 0.4, -0.6)
            axes.tick_params(axis="y", length=0)
            axes.tick_params(axis="x", labelsize=8)
            axes.spines["left"].set_visible(False)
            words = f"{figures.label(name)} ({len(whole):,})"
            axes.set_title(words, loc="left", fontsize=9, fontweight="bold")
        if cell_types:
            figure.supxlabel("difference from all other patients (log2)", fontsize=9)
            handles = [
                mpl.lines.Line2D([], [], color=colour, marker="o", linestyle="", markersize=5)
                for colour in (figures.BLUE, figures.VERMILION)
            ]
            names = ["most favourable group", "most unfavourable group"]
            figure.legend(handles, names, loc="outside upper center", ncols=2)
    return figure
