"""Figures of definitions: which states of which cell types they ask for, and how alike they are."""

from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from bluebatch.downstream import definition_marks, figures

IntArray = npt.NDArray[np.integer]
FloatArray = npt.NDArray[np.floating]
N_SHOWN = 40
MAX_NAMED = 60
FAVOURABLE, UNFAVOURABLE = figures.BLUE, figures.VERMILION
_ROW = 0.19


def draw_definitions(
    table: pd.DataFrame,
    picks: IntArray,
    cell_types: Sequence[str],
    component: IntArray | None = None,
    n_shown: int = N_SHOWN,
) -> Figure:
    """Draw the definitions of smallest p: a row each, with a mark for every state asked for.

    Parameters
    ----------
    table : pd.DataFrame
        Columns definition, n_in, z, p, q and p_max_t, one row a definition.
    picks : np.ndarray of int, shape (definition, cell_type)
        State asked for; -1: any.
    cell_types : sequence of str
        Columns of `picks`.
    component : np.ndarray of int or None, shape (definition,)
        Component of each; -1: none.
    n_shown : int
        Rows at most.

    Returns
    -------
    Figure
        Not yet saved.
    """
    p = table["p"].to_numpy(float)
    order = np.argsort(np.where(np.isfinite(p), p, np.inf), kind="stable")
    order = order[np.isfinite(p[order])][:n_shown]
    shown = table.iloc[order]
    n_types, n_rows = len(cell_types), max(len(order), 1)
    longest = max((len(figures.label(name)) for name in cell_types), default=1)
    widths = [0.24 * n_types, 1.3, 2.3]
    with mpl.rc_context(figures.STYLE):
        figure = figures.new_figure(sum(widths) + 1.2, _ROW * n_rows + 1.1 + 0.05 * longest)
        panels = figure.subplots(1, 3, sharey=True, width_ratios=widths)
        definition_marks.draw_marks(panels[0], picks[order], cell_types)
        colours = {} if component is None else component_colours(component)
        if component is not None:
            _draw_components(panels[0], component[order], colours)
        _draw_z(panels[1], shown["z"].to_numpy(float))
        _write_numbers(panels[2], shown)
        panels[0].set_ylim(n_rows - 0.4, -0.6)
        _draw_key(figure, with_components=bool(colours))
    return figure


def component_colours(component: IntArray) -> dict[int, str]:
    """Give every component of two or more definitions a colour, the same in every figure.

    Parameters
    ----------
    component : np.ndarray of int, shape (definition,)
        Component of each; -1: none.

    Returns
    -------
    dict of int to str
        Largest first; the seventh and all smaller ones are grey. A definition on its own has none.
    """
    numbers, counts = np.unique(component[component >= 0], return_counts=True)
    order = np.argsort(-counts, kind="stable")
    several = [int(numbers[at]) for at in order if counts[at] > 1]
    taken = (FAVOURABLE, UNFAVOURABLE, figures.GREY)
    chosen = [*(each for each in figures.PALETTE if each not in taken), figures.BLACK]
    return dict.fromkeys(several, figures.GREY) | dict(zip(several, chosen, strict=False))


def draw_similarity(
    similarity: FloatArray,
    names: Sequence[str],
    component: IntArray,
    least: float | None = None,
) -> Figure:
    """Draw how alike definitions are, those of a component together and outlined.

    Parameters
    ----------
    similarity : np.ndarray, shape (definition, definition)
        0 to 1, symmetric.
    names : sequence of str
        Of the definitions; where all are of states, such as ``"B=0&T=1"``, marks stand for them.
    component : np.ndarray of int, shape (definition,)
        Component of each; -1: none.
    least : float or None
        Similarity from which two definitions are linked, marked beside the colours.

    Returns
    -------
    Figure
        Not yet saved.
    """
    colours = component_colours(component)
    rank = {number: at for at, number in enumerate(colours)}
    order = np.array(
        sorted(range(len(names)), key=lambda at: (rank.get(int(component[at]), len(rank)), at)), int
    )
    asked = definition_marks.read_states(names) if len(names) <= MAX_NAMED else None
    named = len(names) <= MAX_NAMED and asked is None
    side = float(np.clip(0.17 * len(names), 3.4, 6.4)) if len(names) <= MAX_NAMED else 5.6
    longest = max((len(figures.label(name, 40)) for name in names), default=1) if named else 0
    types = [figures.label(name) for name in asked[0]] if asked else []
    # As wide as what stands below the marks, where they are few.
    marked = max(0.17 * len(types) + 0.1, 0.85) if types else 0.0
    above = 0.055 * max(map(len, types), default=0)
    with mpl.rc_context(figures.STYLE):
        figure = figures.new_figure(side + 1.3 + 0.062 * longest + marked, side + 0.8 + above)
        axes = _panels(figure, asked, order, side, marked)
        values = similarity[np.ix_(order, order)]
        image = axes.imshow(
            values, cmap="Greys", vmin=0, vmax=1, interpolation="nearest", aspect="auto"
        )
        _outline(axes, component[order], colours)
        texts = [figures.label(names[at], 40) for at in order]
        if asked is None:
            axes.set_yticks(
                range(len(order)) if named else [], texts if named else [], fontsize=6.5
            )
        axes.set_xticks([])
        axes.tick_params(length=0, labelleft=named)
        axes.spines[:].set_visible(False)
        n_several = len(colours)
        axes.set_xlabel(
            f"{len(names):,} definitions; outlined: components of two or more ({n_several:,})"
            if n_several
            else f"{len(names):,} definitions, no two in one component",
            fontsize=8,
        )
        _draw_bar(figure, axes, image, least)
    return figure


def _draw_bar(figure: Figure, axes: Axes, image: AxesImage, least: float | None) -> None:
    bar = figure.colorbar(image, ax=axes, fraction=0.04, pad=0.02)
    bar.set_label("similarity of their groups", fontsize=8)
    bar.ax.tick_params(labelsize=8)
    bar.outline.set_visible(False)
    if least is not None:
        bar.ax.axhline(least, color=figures.VERMILION, linewidth=1.4)


def _draw_components(axes: Axes, component: IntArray, colours: dict[int, str]) -> None:
    for row, number in enumerate(component):
        if int(number) in colours:
            strip = Rectangle(
                (-0.055, row - 0.44), 0.035, 0.88, transform=axes.get_yaxis_transform(),
                color=colours[int(number)], linewidth=0, clip_on=False,
            )  # fmt: skip
            axes.add_patch(strip)


def _draw_z(axes: Axes, z: FloatArray) -> None:
    colours = [UNFAVOURABLE if value > 0 else FAVOURABLE for value in z]
    axes.barh(np.arange(len(z)), z, height=0.62, color=colours)
    end = max(1.0, float(np.abs(z).max(initial=0))) * 1.06
    axes.set_xlim(-end, end)
    axes.axvline(0, color=figures.INK, linewidth=0.8)
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)
    axes.tick_params(axis="x", labelsize=8)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True, steps=[1, 2, 5, 10]))
    axes.set_xlabel("log-rank z")


def _write_numbers(axes: Axes, shown: pd.DataFrame) -> None:
    columns = ((0.12, "n_in", "n"), (0.42, "p", "p"), (0.71, "q", "q"), (1.0, "p_max_t", "p max-T"))
    for x, _, head in columns:
        axes.text(x, -0.75, head, ha="right", va="bottom", fontsize=8, fontweight="bold")
    for row in range(len(shown)):
        for x, name, _ in columns:
            value = shown[name].iloc[row]
            text = f"{int(value):,}" if name == "n_in" else figures.p_text(value)
            weight = "bold" if name != "n_in" and value < 0.05 and name != "p" else "normal"
            axes.text(x, row, text, ha="right", va="center", fontsize=7.5, fontweight=weight)
    axes.set_xlim(0, 1.02)
    axes.axis("off")


def _draw_key(figure: Figure, *, with_components: bool) -> None:
    line = mpl.lines.Line2D
    dot: dict[str, Any] = {"marker": "o", "linestyle": "", "markersize": 6, "color": figures.BLACK}
    handles = [
        line([], [], **dot),
        line([], [], **{**dot, "markerfacecolor": "white"}),
        Rectangle((0, 0), 1, 1, color=FAVOURABLE),
        Rectangle((0, 0), 1, 1, color=UNFAVOURABLE),
    ]
    names = ["state 1", "state 0", "fewer events", "more events"]
    if with_components:
        handles.append(Rectangle((0, 0), 1, 1, color=figures.ORANGE))
        names.append("strips of a colour: alike")
    figure.legend(
        handles, names, loc="outside lower center", ncols=len(names), handlelength=1.0,
        columnspacing=1.2, fontsize=8,
    )  # fmt: skip


def _panels(
    figure: Figure,
    asked: tuple[list[str], npt.NDArray[np.int8]] | None,
    order: IntArray,
    side: float,
    marked: float,
) -> Axes:
    """Make room for the squares, and beside them for the marks of what is asked for."""
    if asked is None:
        return figure.subplots()
    types, picks = asked
    panels = figure.subplots(1, 2, sharey=True, width_ratios=[marked, side])
    left: Axes = panels[0]
    axes: Axes = panels[1]
    size = float(np.clip((45 * side / len(order)) ** 2, 8, 42))
    definition_marks.draw_marks(left, picks[order], types, size)
    left.set_xlabel("full: state 1\nempty: state 0", fontsize=7)
    return axes


def _outline(axes: Axes, component: IntArray, colours: dict[int, str]) -> None:
    for number, colour in colours.items():
        mine = np.flatnonzero(component == number)
        if len(mine):
            corner, width = (mine[0] - 0.5, mine[0] - 0.5), len(mine)
            axes.add_patch(
                Rectangle(
                    corner, width, width, fill=False, edgecolor=colour, linewidth=1.8, zorder=3
                )
            )
