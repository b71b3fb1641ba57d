"""The figure of a transfer: which definitions hold in a second cohort."""

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from bluebatch.downstream import figures

# One-sided 5 % of a normal deviate.
LIMIT = 1.6448536269514722


def draw_replication(
    table: pd.DataFrame, first: str = "discovery", second: str = "second cohort"
) -> Figure:
    """Draw the z of definitions in a second cohort against that of the first.

    Parameters
    ----------
    table : pd.DataFrame
        Columns discovery_z, z and p_one_sided, one row a definition, as a transfer's definitions
        have them; gaps where one could not be tested again.
    first, second : str
        Names of the cohorts.

    Returns
    -------
    Figure
        Not yet saved. Shaded: the same direction, at one-sided p < 0.05.
    """
    z, again, p = (table[name].to_numpy(float) for name in ("discovery_z", "z", "p_one_sided"))
    known = np.isfinite(z) & np.isfinite(again)
    z, again, p = z[known], again[known], p[known]
    with mpl.rc_context(figures.STYLE):
        figure = figures.new_figure(4.3, 4.4)
        axes = figure.subplots()
        end_x, end_y = (max(3.0, float(np.abs(each).max(initial=0))) * 1.1 for each in (z, again))
        for side in (-1, 1):
            axes.fill_between(
                [0, side * end_x], side * LIMIT, side * end_y, color="#E3F0F7", linewidth=0
            )
        axes.axhline(0, color=figures.GREY, linewidth=0.8)
        axes.axvline(0, color=figures.GREY, linewidth=0.8)
        agreed, same = p < 0.05, z * again > 0
        for part, colour, word in (
            (agreed, figures.BLUE, "same direction, p < 0.05"),
            (~agreed & same, figures.GREY, "same direction"),
            (~agreed & ~same, figures.VERMILION, "other direction"),
        ):
            axes.scatter(
                z[part], again[part], s=20, color=colour, linewidths=0, alpha=0.8, zorder=3,
                label=f"{word} ({int(part.sum()):,})",
            )  # fmt: skip
        axes.set(xlim=(-end_x, end_x), ylim=(-end_y, end_y))
        axes.set_xlabel(f"log-rank z, {figures.label(first, 30)}")
        axes.set_ylabel(f"log-rank z, {figures.label(second, 30)}")
        n_lost = int((~known).sum())
        words = f"{int(agreed.sum()):,} of {len(z):,} replicate (one-sided p < 0.05)"
        words += f"\n{n_lost:,} could not be tested again" if n_lost else ""
        axes.set_title(words, loc="left", fontsize=9)
        figure.legend(loc="outside lower center", ncols=2, fontsize=8)
    return figure
