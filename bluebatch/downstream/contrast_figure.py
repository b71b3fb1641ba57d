"""The picture of a contrast: heat maps of the differences, and a scatter a cell type."""

import math
from typing import Any

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure, SubFigure

from bluebatch.downstream import figures, profile_figures
from bluebatch.downstream.contrast import Contrast

Array = npt.NDArray[Any]
N_SHOWN = 60
N_NAMED = 4
SIDES = ("model", "closed form", "bulk")


def draw(compared: Contrast) -> Figure:
    """Draw true and predicted differences.

    Parameters
    ----------
    compared : Contrast
        Differences by cell type and gene.

    Returns
    -------
    Figure
        Not yet saved.
    """
    order = choose_genes(compared.truth)
    sides = {"true": compared.truth[:, order]} | {
        name: compared.predictors[name][:, order] for name in SIDES if name in compared.predictors
    }
    n_types = len(compared.cell_types)
    columns = min(n_types, profile_figures.MAX_COLUMNS)
    n_rows = math.ceil(n_types / columns)
    heights = [len(sides) * (0.18 * n_types + 0.35) + 0.9, 2.2 * n_rows]
    with mpl.rc_context(figures.STYLE):
        figure = figures.new_figure(max(1.9 * columns, 8.0), sum(heights))
        halves: Any = figure.subfigures(2, 1, height_ratios=heights, hspace=0.04)
        panels = profile_figures.draw_heat_maps(halves[0], sides, compared.cell_types)
        names = [compared.genes[at] for at in order]
        panels[-1].set_xticks(range(len(names)), names, rotation=90, fontsize=5.5)
        halves[0].suptitle(
            f"{compared.names[1]} minus {compared.names[0]}: "
            f"the {len(order)} genes that truly differ most",
            fontsize=10,
        )
        _draw_scatters(halves[1], compared, (n_rows, columns))
    return figure


def choose_genes(truth: Array, n_shown: int = N_SHOWN) -> Array:
    """Choose the genes that differ most in any cell type, those that rise first.

    Parameters
    ----------
    truth : np.ndarray, shape (cell_type, gene)
        Log2 differences.
    n_shown : int
        Genes.

    Returns
    -------
    np.ndarray of int
        In the order of their mean difference over the types, falling.
    """
    values = np.nan_to_num(truth)
    largest = np.argsort(-np.abs(values).max(axis=0), kind="stable")[:n_shown]
    return largest[np.argsort(-values[:, largest].mean(axis=0), kind="stable")]


def _draw_scatters(figure: SubFigure, compared: Contrast, shape: tuple[int, int]) -> None:
    panels = figure.subplots(*shape, squeeze=False).ravel()
    scores = compared.scores()["model"]
    for index, (axes, name) in enumerate(zip(panels, compared.cell_types, strict=False)):
        true, predicted = compared.truth[index], compared.predictors["model"][index]
        text = f"r {scores[name]['r']:.2f}\nbeyond mean {scores[name]['specific_r']:.2f}"
        profile_figures.draw_scatter(axes, true, predicted, name, text)
        for at in np.argsort(-np.abs(np.nan_to_num(true)))[:N_NAMED]:
            axes.annotate(
                compared.genes[at],
                (true[at], predicted[at]),
                fontsize=6,
                xytext=(-2, -2),
                textcoords="offset points",
                ha="right",
                va="top",
            )
    for axes in panels[len(compared.cell_types) :]:
        axes.set_visible(False)
    figure.supxlabel("true mean difference (log2)", fontsize=9)
    figure.supylabel("predicted", fontsize=9)
