"""The picture of an evaluation: every sample's proportions, and scores beside simple guesses."""

import math
from typing import Any

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from bluebatch.downstream import figures
from bluebatch.downstream.report import Evaluation

Array = npt.NDArray[Any]
MAX_COLUMNS = 6
COLOURS = {
    "model": figures.BLUE,
    "weighted NNLS": figures.SKY,
    "NNLS": figures.ORANGE,
    "p-curve": figures.PURPLE,
    "ridge": figures.ORANGE,
    "closed form": figures.GREEN,
}
LOWEST_SKILL = -0.5


def draw(evaluation: Evaluation, fractions: dict[str, Array]) -> Figure:
    """Draw predicted against true proportions, and bars of scores.

    Parameters
    ----------
    evaluation : Evaluation
        Scores.
    fractions : dict of str to np.ndarray, shape (sample, cell_type)
        ``truth`` and ``model``.

    Returns
    -------
    Figure
        Not yet saved.
    """
    n_types = len(evaluation.cell_types)
    columns = min(n_types, MAX_COLUMNS)
    n_rows = math.ceil(n_types / columns)
    width = max(1.9 * columns, 8.0)
    with mpl.rc_context(figures.STYLE):
        figure = figures.new_figure(width, 2.2 * n_rows + 2.9)
        halves: Any = figure.subfigures(2, 1, height_ratios=[2.2 * n_rows, 2.7], hspace=0.05)
        upper, lower = halves
        _draw_scatters(upper, evaluation, fractions, (n_rows, columns))
        panels = lower.subplots(1, 2 if evaluation.profiles else 1, squeeze=False)[0]
        concordance: dict[str, Array] = {
            name: evaluation.fractions[name]["per_type"]["ccc"]
            for name in ("model", "weighted NNLS", "NNLS")
            if name in evaluation.fractions
        }
        _draw_bars(panels[0], evaluation.cell_types, concordance)
        panels[0].set_title("Proportions: agreement (CCC)", loc="left")
        if evaluation.profiles:
            _draw_skill(panels[1], evaluation)
    return figure


def _draw_scatters(
    figure: SubFigure, evaluation: Evaluation, fractions: dict[str, Array], shape: tuple[int, int]
) -> None:
    panels = figure.subplots(*shape, squeeze=False).ravel()
    scores = evaluation.fractions["model"]["per_type"]
    size = 10 if evaluation.n_samples < 500 else 4
    for index, (axes, name) in enumerate(zip(panels, evaluation.cell_types, strict=False)):
        true, predicted = fractions["truth"][:, index], fractions["model"][:, index]
        largest = float(np.nanmax([true, predicted], initial=0))
        figures.draw_diagonal(axes, largest)
        axes.scatter(
            true, predicted, s=size, color=figures.BLUE, alpha=0.45, linewidths=0, zorder=2
        )
        axes.set_title(name, loc="left", fontweight="bold")
        text = f"CCC {scores['ccc'][index]:.2f}\nL1 {scores['l1'][index]:.3f}"
        axes.text(0.04, 0.97, text, transform=axes.transAxes, va="top", fontsize=8)
        axes.locator_params(nbins=3)
    for axes in panels[len(evaluation.cell_types) :]:
        axes.set_visible(False)
    figure.supxlabel("true proportion", fontsize=9)
    figure.supylabel("predicted proportion", fontsize=9)


def _draw_skill(axes: Axes, evaluation: Evaluation) -> None:
    table = evaluation.profiles["all"]

    def by_type(name: str) -> list[float]:
        scores = table[name]
        return [scores.get(t, {}).get("skill", math.nan) for t in evaluation.cell_types]

    wanted = ("model", "ridge", "closed form")
    series = {name: np.array(by_type(name)) for name in wanted if name in table}
    _draw_bars(axes, evaluation.cell_types, series)
    if "ceiling" in table:
        ceiling = by_type("ceiling")
        places = np.arange(len(ceiling))
        axes.hlines(
            ceiling,
            places - 0.42,
            places + 0.42,
            color=figures.BLACK,
            linewidth=1.4,
            label="ceiling",
        )
        _draw_legend(axes)
    axes.set_title("Profiles: skill beyond the mean profile (0)", loc="left")


def _draw_bars(axes: Axes, cell_types: list[str], series: dict[str, Array]) -> None:
    places = np.arange(len(cell_types))
    width = 0.8 / max(len(series), 1)
    for index, (name, values) in enumerate(series.items()):
        shift = (index - (len(series) - 1) / 2) * width
        # A bar far below 0 would flatten all others: it is cut, its number is in the table.
        shown = np.maximum(np.nan_to_num(values), LOWEST_SKILL)
        axes.bar(places + shift, shown, width * 0.92, color=COLOURS[name], label=name)
    axes.axhline(0, color="#444444", linewidth=0.8)
    axes.set_xticks(places, cell_types, rotation=0 if len(cell_types) <= 6 else 45)
    axes.tick_params(axis="x", length=0)
    axes.set_axisbelow(True)
    axes.grid(axis="y", color="#DDDDDD", linewidth=0.6)
    _draw_legend(axes)


def _draw_legend(axes: Axes) -> None:
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.12), ncols=4, handlelength=1.2)
