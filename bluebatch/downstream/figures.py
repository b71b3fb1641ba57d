"""How every figure looks, and how it reaches the disk."""

import io
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from bluebatch.store import outputs, places

# Okabe and Ito's palette: told apart by colour-blind readers too.
BLACK, ORANGE, SKY, GREEN = "#000000", "#E69F00", "#56B4E9", "#009E73"
BLUE, VERMILION, PURPLE, GREY = "#0072B2", "#D55E00", "#CC79A7", "#9A9A9A"
STYLE: Any = {
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#444444",
    "axes.linewidth": 0.8,
    "xtick.color": "#444444",
    "ytick.color": "#444444",
    "legend.frameon": False,
    "legend.fontsize": 8.5,
}


def new_figure(width: float, height: float) -> Figure:
    """Begin a figure that no window or global state knows of.

    Parameters
    ----------
    width, height : float
        In inches.

    Returns
    -------
    Figure
        Laid out by constraints. Add axes within ``matplotlib.rc_context(figures.STYLE)``.
    """
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def save(figure: Figure, path: str | places.Place, dots_per_inch: int = 150) -> None:
    """Write a figure as PNG, whole or not at all.

    Parameters
    ----------
    figure : Figure
        What is drawn.
    path : str, pathlib.Path or upath.UPath
        File; replaced if it is there.
    dots_per_inch : int
        Resolution.
    """
    buffer = io.BytesIO()
    with mpl.rc_context(STYLE):
        figure.savefig(buffer, format="png", dpi=dots_per_inch, facecolor="white")
    with outputs.whole_file(places.place(path)) as temporary:
        temporary.write_bytes(buffer.getvalue())


def draw_diagonal(axes: Axes, largest: float) -> None:
    """Draw the line on which prediction equals truth.

    Parameters
    ----------
    axes : Axes
        Where.
    largest : float
        Both axes run from 0 to a little above this.
    """
    end = largest * 1.05 if largest > 0 else 1.0
    axes.plot([0, end], [0, end], color=GREY, linewidth=0.8, zorder=1)
    axes.set(xlim=(0, end), ylim=(0, end), aspect="equal")
