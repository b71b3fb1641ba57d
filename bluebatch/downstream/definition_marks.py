"""Marks of the states that definitions ask for, as figures of definitions share them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes

from bluebatch.downstream import figures

IntArray = npt.NDArray[np.integer]
PALE = "#D5DADF"
_STATES = {"0": 0, "1": 1}


def draw_marks(axes: Axes, picks: IntArray, cell_types: Sequence[str], size: float = 42) -> None:
    """Draw the states that definitions ask for, a row each.

    Parameters
    ----------
    axes : Axes
        Where.
    picks : np.ndarray of int, shape (definition, cell_type)
        State asked for; -1: any.
    cell_types : sequence of str
        Columns.
    size : float
        Of a mark, in square points.
    """
    rows, columns = np.nonzero(picks >= 0)
    high = picks[rows, columns] == 1
    everywhere = np.indices(picks.shape).reshape(2, -1)
    axes.scatter(everywhere[1], everywhere[0], s=5, color=PALE, linewidths=0, zorder=1)
    full: dict[str, Any] = {"color": figures.BLACK}
    empty: dict[str, Any] = {"facecolors": "white", "edgecolors": figures.BLACK}
    axes.scatter(columns[high], rows[high], s=size, linewidths=1.0, zorder=3, **full)
    axes.scatter(columns[~high], rows[~high], s=size, linewidths=1.0, zorder=3, **empty)
    for row in range(1, len(picks), 2):
        axes.axhspan(row - 0.5, row + 0.5, color="#F3F5F7", linewidth=0, zorder=0)
    axes.set_xlim(-0.7, len(cell_types) - 0.3)
    names = [figures.label(name) for name in cell_types]
    axes.set_xticks(range(len(names)), names, rotation=90, fontsize=8)
    axes.xaxis.set_ticks_position("top")
    axes.set_yticks([])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def read_states(names: Sequence[str]) -> tuple[list[str], npt.NDArray[np.int8]] | None:
    """Read what definitions ask for from their names.

    Parameters
    ----------
    names : sequence of str
        Such as ``"B=0&T=1"``.

    Returns
    -------
    tuple of list of str and np.ndarray of int8, shape (definition, cell_type), or None
        Cell types by name, and the state asked for, -1: any; None where a name is another.

    Examples
    --------
    >>> read_states(["B=0&T=1", "T=0"])
    (['B', 'T'], array([[ 0,  1],
           [-1,  0]], dtype=int8))
    """
    pairs = [[part.rpartition("=") for part in name.split("&")] for name in names]
    if not all(kind and state in _STATES for mine in pairs for kind, _, state in mine):
        return None
    types = sorted({kind for mine in pairs for kind, _, _ in mine})
    picks = np.full((len(names), len(types)), -1, np.int8)
    for row, mine in enumerate(pairs):
        for kind, _, state in mine:
            picks[row, types.index(kind)] = _STATES[state]
    return types, picks
