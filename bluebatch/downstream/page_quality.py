"""Figures of the page about quality: what samples are flagged by, which markers were measured."""

import math
from collections.abc import Mapping

import matplotlib as mpl
import numpy as np

from bluebatch.downstream import figures, page_content, page_flags
from bluebatch.downstream.flags import REASONS
from bluebatch.downstream.page_facts import Facts
from bluebatch.downstream.page_profiles import evenly

MAX_POINTS = 1000
MAX_NAMED = 40


def draw_flags(facts: Facts, flags: page_flags.Flags) -> page_content.Picture:
    """Draw what samples are flagged by, each measure from its smallest value to its largest.

    Parameters
    ----------
    facts : Facts
        Measures.
    flags : page_flags.Flags
        Limits.

    Returns
    -------
    page_content.Picture
        A panel a measure.
    """
    names = [name for name in REASONS if name in facts.measures]
    rows: list[page_content.Row] = []
    with mpl.rc_context(figures.STYLE):
        figure = figures.new_figure(8.6, 2.3)
        for axes, name in zip(figure.subplots(1, len(names), squeeze=False)[0], names, strict=True):
            values = facts.measures[name]
            order = np.argsort(values, kind="stable")[: int(np.isfinite(values).sum())]
            shown = order[evenly(len(order), MAX_POINTS)]
            limit = flags.found[name].limit if name in flags.found else math.nan
            beyond = values[shown] > limit
            share = 100 * (np.arange(len(shown)) + 0.5) / max(1, len(shown))
            size = 14 if len(shown) <= MAX_NAMED else 4
            for mine, colour in ((~beyond, figures.BLUE), (beyond, figures.VERMILION)):
                axes.scatter(share[mine], values[shown][mine], s=size, color=colour, linewidths=0)
            if math.isfinite(limit):
                axes.axhline(limit, color=figures.VERMILION, linewidth=0.9, linestyle="--")
            axes.set_title(page_flags.title(name), loc="left", fontsize=9)
            axes.set_xlabel("samples, sorted (%)", fontsize=8)
            axes.set_ylim(bottom=min([0.0, *values[shown].tolist()]))
            rows += [(name, facts.samples[row], float(values[row]), limit) for row in shown]
    return page_content.Picture(
        "flags",
        "What samples are flagged by",
        "The samples from the smallest value to the largest"
        + ("; a dashed line is the limit, above which one is flagged." if flags.found else "."),
        figure,
        ["measure", "sample", "value", "limit"],
        rows,
    )


def draw_coverage(coverage: Mapping[str, float]) -> page_content.Picture:
    """Draw the share of each type's markers that was measured.

    Parameters
    ----------
    coverage : mapping of str to float
        By cell type.

    Returns
    -------
    page_content.Picture
        Bars.
    """
    names, values = list(coverage), np.array(list(coverage.values()))
    with mpl.rc_context(figures.STYLE):
        figure = figures.new_figure(6.2, 0.26 * len(names) + 0.8)
        axes = figure.subplots()
        axes.barh(range(len(names)), 100 * values, color=figures.BLUE, height=0.7)
        axes.set_yticks(range(len(names)), [figures.label(name) for name in names])
        axes.set(xlim=(0, 100), xlabel="markers measured (%)")
        axes.invert_yaxis()
        axes.tick_params(axis="y", length=0)
    return page_content.Picture(
        "coverage",
        "Markers measured, by cell type",
        "Share of each type's marker genes, among those that the model reads, that the cohort "
        "measured.",
        figure,
        ["cell type", "share of markers measured"],
        list(coverage.items()),
    )
