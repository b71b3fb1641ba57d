"""Figures of the search itself: what its p-values are worth, and what the profiles add."""

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from bluebatch.downstream import figures

FloatArray = npt.NDArray[np.floating]
NOTHING = "nothing was tested"
LIGHT = "#E3E7EB"
_ROW = 0.36


def draw_search(
    table: pd.DataFrame,
    alpha: float = 0.05,
    p_count: float | None = None,
    null_p: FloatArray | None = None,
) -> Figure:
    """Draw the p-values of a search beside what patients without any signal would give.

    Parameters
    ----------
    table : pd.DataFrame
        Columns z, p, q and p_max_t, one row a definition; gaps where it was not tested.
    alpha : float
        False discovery rate that is held.
    p_count : float or None
        Permutation p of how many definitions are significant.
    null_p : np.ndarray or None, shape (permutation, definition)
        P-values of permuted patients, for a band around what is expected.

    Returns
    -------
    Figure
        Not yet saved: observed against expected p, and the largest statistic of permutations.
    """
    tested = table[np.isfinite(table["p"].to_numpy(float))]
    p = np.sort(tested["p"].to_numpy(float))
    with mpl.rc_context(figures.STYLE):
        figure = figures.new_figure(7.4, 3.5)
        left, right = figure.subplots(1, 2)
        if not len(p):
            for axes in (left, right):
                axes.text(0.5, 0.5, NOTHING, ha="center", transform=axes.transAxes)
                axes.axis("off")
            return figure
        n_significant = int((tested["q"].to_numpy(float) < alpha).sum())
        _draw_quantiles(left, p, alpha, null_p)
        _draw_maxima(right, tested, alpha)
        verb = "has" if n_significant == 1 else "have"
        words = f"{n_significant:,} of {len(p):,} tested {verb} q < {alpha:g}"
        if p_count is not None and np.isfinite(p_count):
            words += f"\n(as many by chance: p {figures.p_text(p_count)})"
        left.set_title(words, loc="left", fontsize=8.5)
    return figure


def _draw_quantiles(axes: Axes, p: FloatArray, alpha: float, null_p: FloatArray | None) -> None:
    rank = np.arange(1, len(p) + 1)
    expected = -np.log10(rank / (len(p) + 1))
    observed = -np.log10(np.maximum(p, 1e-300))
    if null_p is not None and len(null_p):
        null = -np.log10(np.sort(np.asarray(null_p, float), axis=1)[:, : len(p)])
        low, high = np.quantile(null, [0.025, 0.975], axis=0)
        axes.fill_between(
            expected[: null.shape[1]], low, high, color=LIGHT, linewidth=0,
            label="95 % of permutations",
        )  # fmt: skip
    end = float(expected[0]) * 1.05
    axes.plot([0, end], [0, end], color=figures.GREY, linewidth=0.9, label="no signal, independent")
    step = -np.log10(alpha)
    axes.plot(
        [0, end], [step, step + end], "--", color=figures.VERMILION, linewidth=1.0,
        label=f"BH, {100 * alpha:g} % false discoveries",
    )  # fmt: skip
    # Significant are all up to the last one above the line, as Benjamini and Hochberg have it.
    above = np.flatnonzero(p <= alpha * rank / len(p))
    n_above = int(above[-1]) + 1 if len(above) else 0
    for part, colour in ((slice(n_above, None), figures.GREY), (slice(n_above), figures.BLUE)):
        axes.scatter(expected[part], observed[part], s=12, color=colour, linewidths=0, zorder=3)
    axes.set(xlim=(0, end), ylim=(0, max(float(observed[0]), step + end) * 1.06))
    axes.set_xlabel("$-\\log_{10}$ p, expected")
    axes.set_ylabel("$-\\log_{10}$ p, observed")
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.17), ncols=2, fontsize=7.5)


def _draw_maxima(axes: Axes, tested: pd.DataFrame, alpha: float) -> None:
    sizes = np.abs(tested["z"].to_numpy(float))
    order = np.argsort(sizes, kind="stable")
    sizes, tail = sizes[order], tested["p_max_t"].to_numpy(float)[order]
    beyond = tail < alpha
    axes.step(sizes, tail, where="pre", color=figures.INK, linewidth=1.0, zorder=2)
    for part, colour in ((~beyond, figures.GREY), (beyond, figures.BLUE)):
        axes.scatter(sizes[part], tail[part], s=12, color=colour, linewidths=0, zorder=3)
    axes.axhline(alpha, linestyle="--", color=figures.VERMILION, linewidth=1.0)
    least = float(np.nanmin(tail))
    axes.set_xlim(0, 1.06 * float(sizes[-1]))
    axes.set_yscale("log")
    axes.set_ylim(max(min(least, alpha) / 2, 1e-6), 1.35)
    axes.yaxis.set_minor_locator(NullLocator())
    axes.set_xlabel("|z| of a definition")
    axes.set_ylabel("permutations whose largest |z|\nreaches it (p max-T)")
    axes.set_title(f"{int(beyond.sum()):,} with p max-T < {alpha:g}", loc="left", fontsize=8.5)


def draw_branches(branches: pd.DataFrame, alpha: float = 0.05) -> Figure:
    """Draw what the search finds by profiles, and by the simpler data beside them.

    Parameters
    ----------
    branches : pd.DataFrame
        Columns branch, n_tested, n_significant, p_count, best_p and best_p_max_t, and, if they
        are there, c_index, c_low and c_high; gaps where a branch has no such number.
    alpha : float
        Level of the line.

    Returns
    -------
    Figure
        Not yet saved: a row a branch.
    """
    names = [figures.label(str(name), 34) for name in branches["branch"]]
    places = np.arange(len(names), dtype=float)
    with mpl.rc_context(figures.STYLE):
        longest = max((len(name) for name in names), default=1)
        apart = bool("c_index" in branches and branches["c_index"].notna().any())
        figure = figures.new_figure(6.4 + 0.06 * longest, _ROW * max(len(names), 1) + 0.95)
        ratios = [1.0, 1.45, 0.75][: 2 + apart]
        panels = figure.subplots(1, len(ratios), sharey=True, width_ratios=ratios)
        counts, levels = panels[:2]
        if apart:
            _draw_concordance(panels[2], places, branches)
        _draw_counts(counts, places, branches)
        _draw_levels(levels, places, branches, alpha)
        counts.set_yticks(places, names)
        counts.set_ylim(len(names) - 0.4, -0.6)
        for axes in panels:
            axes.tick_params(axis="y", length=0)
            axes.spines["left"].set_visible(False)
            for row in places[::2]:
                axes.axhspan(row - 0.5, row + 0.5, color="#F3F5F7", linewidth=0, zorder=0)
        figure.legend(*levels.get_legend_handles_labels(), loc="outside lower right", ncols=3)
    return figure


def _draw_counts(axes: Axes, places: FloatArray, branches: pd.DataFrame) -> None:
    n_found = branches["n_significant"].to_numpy(float)
    n_tested = branches["n_tested"].to_numpy(float)
    axes.barh(places, np.nan_to_num(n_found), height=0.5, color=figures.BLUE)
    end = float(np.nanmax(n_found, initial=0)) or 1.0
    for place, found, tested in zip(places, n_found, n_tested, strict=True):
        known = [f"{int(each):,}" for each in (found, tested) if not np.isnan(each)]
        words = " of ".join(known) if not np.isnan(found) else f"{''.join(known) or 'none'} tested"
        x = 0.0 if np.isnan(found) else float(found)
        axes.text(x + 0.02 * end, float(place), words, va="center", fontsize=8)
    axes.set_xlim(0, end * 1.5)
    axes.set_xlabel("significant (q) of tested")
    axes.locator_params(axis="x", nbins=4, integer=True)


def _draw_concordance(axes: Axes, places: FloatArray, branches: pd.DataFrame) -> None:
    names = ("c_index", "c_low", "c_high")
    middle, low, high = (branches[name].to_numpy(float) for name in names)
    axes.hlines(places, low, high, color=figures.GREEN, linewidth=1.6, zorder=2)
    axes.scatter(middle, places, s=30, color=figures.GREEN, linewidths=0, zorder=3)
    axes.axvline(0.5, linestyle="--", color=figures.INK, linewidth=0.9)
    axes.locator_params(axis="x", nbins=3)
    axes.set_xlabel("C-index, held out")


def _power(value: float) -> str:
    return f"{value:g}" if value > 0.0005 else f"1e{round(np.log10(value))}"


def _draw_levels(axes: Axes, places: FloatArray, branches: pd.DataFrame, alpha: float) -> None:
    marks = (
        ("best_p", "best p, as if alone", "o", figures.GREY, "none"),
        ("best_p_max_t", "best p of the search (max-T)", "D", figures.BLUE, figures.BLUE),
        ("p_count", "p of so many being significant", "s", figures.VERMILION, figures.VERMILION),
    )
    least = alpha
    for column, name, marker, colour, inside in marks:
        values = branches[column].to_numpy(float)
        known = np.isfinite(values)
        least = min(least, float(np.min(values[known], initial=least, where=values[known] > 0)))
        axes.scatter(
            values[known], places[known], s=34, marker=marker, facecolors=inside,
            edgecolors=colour, label=name, zorder=3,
        )  # fmt: skip
    axes.axvline(alpha, linestyle="--", color=figures.INK, linewidth=0.9)
    axes.set_xscale("log")
    axes.set_xlim(max(least / 3, 1e-12), 1.6)
    powers = np.arange(np.floor(np.log10(least / 3)), 1)
    powers = powers[:: 1 + len(powers) // 7][::-1] if len(powers) < 8 else powers[::-2][::-1]
    axes.xaxis.set_major_locator(FixedLocator([10.0**power for power in powers]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _power(value)))
    axes.set_xlabel("p")
