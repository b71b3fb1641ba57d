"""The picture of mean profiles: heat maps of the markers, and a scatter a cell type."""

import math
from typing import Any

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from bluebatch.downstream import figures
from bluebatch.downstream.mean_profiles import MeanProfiles, marker_order, specific

Array = npt.NDArray[Any]
MAX_COLUMNS = 6
DIVERGING = "RdBu_r"
# Colours end at this quantile of the absolute values, so that one gene does not fade all others.
FULL_COLOUR = 0.98


def draw(compared: MeanProfiles) -> Figure:
    """Draw mean profiles, true and predicted, after the mean over types is taken off.

    Parameters
    ----------
    compared : MeanProfiles
        Profiles of both sides.

    Returns
    -------
    Figure
        Not yet saved.
    """
    sides = {"true": compared.truth, **compared.predictors}
    order = marker_order(compared.truth)
    beyond = {name: specific(values)[:, order] for name, values in sides.items()}
    n_types = len(compared.cell_types)
    columns = min(n_types, MAX_COLUMNS)
    n_rows = math.ceil(n_types / columns)
    heights = [len(sides) * (0.18 * n_types + 0.35) + 0.5, 2.2 * n_rows]
    with mpl.rc_context(figures.STYLE):
        figure = figures.new_figure(max(1.9 * columns, 8.0), sum(heights))
        halves: Any = figure.subfigures(2, 1, height_ratios=heights, hspace=0.04)
        draw_heat_maps(halves[0], beyond, compared.cell_types)
        halves[0].supxlabel(
            f"{len(order):,} genes that tell the types of the truth apart most", fontsize=9
        )
        _draw_scatters(halves[1], compared, (n_rows, columns))
    return figure


def draw_heat_maps(figure: SubFigure, sides: dict[str, Array], cell_types: list[str]) -> list[Axes]:
    """Draw one heat map a side, one above the other, in the same colours.

    Parameters
    ----------
    figure : SubFigure
        Where.
    sides : dict of str to np.ndarray, shape (cell_type, gene)
        Log2 values around 0, by what they are called.
    cell_types : list of str
        Labels of the rows.

    Returns
    -------
    list of Axes
        One a side.
    """
    panels = list(figure.subplots(len(sides), 1, squeeze=False, sharex=True)[:, 0])
    every = np.abs(np.concatenate([values.ravel() for values in sides.values()]))
    every = every[np.isfinite(every)]
    largest = float(np.quantile(every, FULL_COLOUR)) if every.size else 1.0
    limit = largest or 1.0
    for axes, (name, values) in zip(panels, sides.items(), strict=True):
        image = axes.imshow(
            values, aspect="auto", cmap=DIVERGING, vmin=-limit, vmax=limit, interpolation="nearest"
        )
        axes.set_yticks(range(len(cell_types)), cell_types, fontsize=8)
        axes.set_title(name, loc="left", fontsize=9, pad=3)
        axes.tick_params(length=0)
        axes.set_xticks([])
        axes.spines[:].set_visible(False)
    bar = figure.colorbar(image, ax=panels, fraction=0.025, pad=0.01)
    bar.ax.set_title("log2", fontsize=8)
    bar.ax.tick_params(labelsize=8)
    bar.outline.set_visible(False)
    return panels


def _draw_scatters(figure: SubFigure, compared: MeanProfiles, shape: tuple[int, int]) -> None:
    panels = figure.subplots(*shape, squeeze=False).ravel()
    scores = compared.scores()["model"]
    true, predicted = specific(compared.truth), specific(compared.predictors["model"])
    for index, (axes, name) in enumerate(zip(panels, compared.cell_types, strict=False)):
        text = f"r {scores[name]['specific_r']:.2f}"
        draw_scatter(axes, true[index], predicted[index], name, text)
    for axes in panels[len(compared.cell_types) :]:
        axes.set_visible(False)
    figure.supxlabel("true profile minus the mean of the types (log2)", fontsize=9)
    figure.supylabel("predicted, likewise", fontsize=9)


def draw_scatter(axes: Axes, true: Array, predicted: Array, title: str, text: str) -> None:
    """Draw predicted against true values around 0, one point a gene.

    Parameters
    ----------
    axes : Axes
        Where.
    true, predicted : np.ndarray, shape (gene,)
        Log2 values.
    title, text : str
        Heading, and what stands within.
    """
    both = np.concatenate([true, predicted])
    end = float(np.max(np.abs(both[np.isfinite(both)]), initial=0)) * 1.05 or 1.0
    axes.axhline(0, color="#DDDDDD", linewidth=0.6, zorder=0)
    axes.axvline(0, color="#DDDDDD", linewidth=0.6, zorder=0)
    axes.plot([-end, end], [-end, end], color=figures.GREY, linewidth=0.8, zorder=1)
    size = 8 if len(true) < 500 else 3
    axes.scatter(true, predicted, s=size, color=figures.BLUE, alpha=0.4, linewidths=0, zorder=2)
    axes.set(xlim=(-end, end), ylim=(-end, end), aspect="equal")
    axes.set_title(title, loc="left", fontweight="bold")
    axes.text(0.97, 0.03, text, transform=axes.transAxes, ha="right", va="bottom", fontsize=8)
    axes.locator_params(nbins=4)
