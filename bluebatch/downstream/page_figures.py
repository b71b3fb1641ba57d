"""Figures of the page about proportions: stacked bars, groups, intervals."""

import math
from typing import Any

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure

from bluebatch.downstream import figures, page_content
from bluebatch.downstream.page_facts import Facts
from bluebatch.downstream.page_groups import Groups
from bluebatch.downstream.page_profiles import evenly, mean_of_rows

Array = npt.NDArray[Any]
MAX_BARS = 400
MAX_NAMED = 40
# A box of few samples says more than they do.
MAX_DOTS = 20
MAX_POINTS = 200
PER_ROW = 3


def draw_proportions(facts: Facts, groups: Groups) -> page_content.Picture:
    """Draw every sample, or the mean of a few like ones, as a stacked bar.

    Parameters
    ----------
    facts : Facts
        Proportions.
    groups : Groups
        Of the samples.

    Returns
    -------
    page_content.Picture
        Sorted within groups by the type that is most abundant over all samples.
    """
    main = _main_type(facts.proportion)
    bars = _bars(facts.proportion, groups, main)
    heights = np.array([mean_of_rows(facts.proportion[rows]) for _, rows in bars])
    member = np.array([group for group, _ in bars])
    gap = max(1.0, 0.015 * len(bars))
    places = np.arange(len(bars)) + gap * (np.cumsum(np.diff(member, prepend=member[:1]) > 0))
    largest = max(len(rows) for _, rows in bars)
    named = largest == 1 and len(bars) <= MAX_NAMED
    with mpl.rc_context(figures.STYLE):
        figure = figures.new_figure(8.6, 3.9 if named else 3.3)
        axes = figure.subplots()
        width = 0.9 if len(bars) <= MAX_NAMED else 1.0
        _stack(axes, places, np.nan_to_num(heights), width, facts.cell_types)
        texts = [figures.label(facts.samples[rows[0]]) for _, rows in bars] if named else []
        axes.set_xticks(places if named else [], texts, rotation=90, fontsize=7)
        if groups.column:
            _name_groups(axes, groups, member, places)
        axes.set(ylim=(0, 1), xlim=(places[0] - 0.7, places[-1] + 0.7), ylabel=_unit(facts))
        axes.tick_params(axis="x", length=0)
    each = "a sample" if largest == 1 else f"the mean of up to {largest:,} neighbouring samples"
    return page_content.Picture(
        "proportions",
        "Cell-type proportions",
        f"Each bar is {each} ({len(facts.samples):,} in all), sorted by {facts.cell_types[main]}, "
        f"the most abundant type{' within each group' if groups.column else ''}.",
        figure,
        ["first sample", "samples", "group", *facts.cell_types],
        (
            (facts.samples[rows[0]], len(rows), groups.names[group], *heights[at].tolist())
            for at, (group, rows) in enumerate(bars)
        ),
    )


def draw_groups(facts: Facts, groups: Groups) -> page_content.Picture:
    """Draw the spread of each type's proportion in each group.

    Parameters
    ----------
    facts : Facts
        Proportions.
    groups : Groups
        At least one.

    Returns
    -------
    page_content.Picture
        Box plots; the numbers are medians and quartiles.
    """
    members = [groups.index == at for at in range(len(groups.names))]
    rows: list[page_content.Row] = []
    with mpl.rc_context(figures.STYLE):
        figure, panels = _panels(facts, 1.9 + 0.1 * len(members))
        for index, axes in enumerate(panels):
            values = [facts.proportion[member, index] for member in members]
            values = [each[np.isfinite(each)] for each in values]
            drawn = axes.boxplot(
                [each.tolist() for each in values], widths=0.6, patch_artist=True, showfliers=False
            )
            for box, colour in zip(drawn["boxes"], figures.colours(len(members)), strict=True):
                box.set(facecolor=colour, alpha=0.75, linewidth=0.6)
            for line in drawn["medians"]:
                line.set(color=figures.BLACK)
            for at, each in enumerate(values, start=1):
                if len(each) <= MAX_DOTS:
                    axes.plot([at] * len(each), each, ".", color=figures.BLACK, markersize=3)
            names = [figures.label(name, 16) for name in groups.names]
            axes.set_xticks(range(1, len(names) + 1), names, rotation=45, ha="right", fontsize=7)
            axes.set_ylim(bottom=0)
            for name, each in zip(groups.names, values, strict=True):
                quartiles = np.quantile(each, [0.25, 0.5, 0.75]) if len(each) else [math.nan] * 3
                rows.append((facts.cell_types[index], name, len(each), *map(float, quartiles)))
    return page_content.Picture(
        "groups",
        f"Proportions by {groups.column}",
        "Boxes span the middle half of a group's samples, with its median; whiskers reach to the "
        "last sample within 1.5 box heights; small groups show every sample as a dot. How sure a "
        "single sample is does not enter.",
        figure,
        ["cell type", groups.column, "samples", "lower quartile", "median", "upper quartile"],
        rows,
    )


def draw_intervals(facts: Facts, interval: tuple[Array, Array], text: str) -> page_content.Picture:
    """Draw each type's proportions with their intervals.

    Parameters
    ----------
    facts : Facts
        Proportions.
    interval : tuple of np.ndarray, shape (sample, cell_type)
        Lower and upper ends.
    text : str
        What the intervals are.

    Returns
    -------
    page_content.Picture
        A panel a type, samples sorted by its proportion.
    """
    low, high = interval
    rows: list[page_content.Row] = []
    with mpl.rc_context(figures.STYLE):
        figure, panels = _panels(facts, 1.7)
        for index, axes in enumerate(panels):
            known = np.flatnonzero(np.isfinite(facts.proportion[:, index]))
            order = known[np.argsort(facts.proportion[known, index], kind="stable")]
            shown = order[evenly(len(order), MAX_POINTS)]
            places = np.arange(len(shown))
            value, below, above = (each[shown, index] for each in (facts.proportion, low, high))
            thick = 3.5 if len(shown) <= MAX_NAMED else 1.3
            axes.vlines(places, below, above, color=figures.SKY, linewidth=thick, alpha=0.8)
            axes.plot(places, value, ".", color=figures.BLACK, markersize=3)
            axes.set_xticks([])
            axes.set_ylim(bottom=0)
            rows += [
                (facts.cell_types[index], facts.samples[row], *map(float, ends))
                for row, ends in zip(shown, zip(value, below, above, strict=True), strict=True)
            ]
    return page_content.Picture(
        "intervals",
        "Proportions with their intervals",
        f"{text} Samples sorted by the type's proportion"
        f"{', ' + str(MAX_POINTS) + ' of them evenly chosen' if len(low) > MAX_POINTS else ''}.",
        figure,
        ["cell type", "sample", "proportion", "low", "high"],
        rows,
    )


def _unit(facts: Facts) -> str:
    return "fraction of cells" if facts.kind == "profile" else "fraction"


def _main_type(proportion: Array) -> int:
    return int(np.argmax(np.nan_to_num(mean_of_rows(proportion), nan=-1)))


def _bars(proportion: Array, groups: Groups, main: int) -> list[tuple[int, Array]]:
    """Sort the samples of each group and put neighbours together where there are many."""
    share = min(1.0, MAX_BARS / max(1, len(proportion)))
    bars = []
    for group in range(len(groups.names)):
        rows = np.flatnonzero(groups.index == group)
        if not len(rows):
            continue
        order = rows[np.argsort(-np.nan_to_num(proportion[rows, main], nan=-1), kind="stable")]
        n_bars = max(1, round(share * len(rows)))
        bars += [(group, part) for part in np.array_split(order, n_bars)]
    return bars


def _stack(axes: Axes, places: Array, heights: Array, width: float, names: list[str]) -> None:
    # One collection a type: as single patches thousands of bars take a hundred megabytes.
    top = np.cumsum(heights, axis=1)
    left, right = places - width / 2, places + width / 2
    for index, colour in enumerate(figures.colours(len(names))):
        upper, lower = top[:, index], top[:, index] - heights[:, index]
        corners = [(left, lower), (left, upper), (right, upper), (right, lower)]
        bars = np.stack([np.stack(corner, axis=1) for corner in corners], axis=1)
        drawn = PolyCollection(
            list(bars), facecolor=colour, linewidth=0, label=figures.label(names[index])
        )
        axes.add_collection(drawn)
    axes.legend(
        loc="center left", bbox_to_anchor=(1.0, 0.5), reverse=True, handlelength=1.0,
        ncols=1 + (len(names) - 1) // 18,
    )  # fmt: skip


def _name_groups(axes: Axes, groups: Groups, member: Array, places: Array) -> None:
    present = np.unique(member)
    for group in present:
        mine = places[member == group]
        n_samples = int((groups.index == group).sum())
        text = f"{figures.label(groups.names[group], 18)} ({n_samples:,})"
        slanted = len(present) > 4
        axes.text(
            float(mine.mean()), 1.02, text, ha="left" if slanted else "center", va="bottom",
            fontsize=7.5, rotation=30 if slanted else 0, rotation_mode="anchor",
        )  # fmt: skip


def _panels(facts: Facts, height: float) -> tuple[Figure, list[Axes]]:
    n_types = len(facts.cell_types)
    columns = min(PER_ROW, n_types)
    n_rows = math.ceil(n_types / columns)
    figure = figures.new_figure(8.6, height * n_rows)
    panels = figure.subplots(n_rows, columns, squeeze=False).ravel().tolist()
    for axes in panels[n_types:]:
        axes.set_visible(False)
    for axes, name in zip(panels, facts.cell_types, strict=False):
        axes.set_title(figures.label(name), loc="left", fontsize=9, fontweight="bold")
        axes.tick_params(labelsize=7)
    return figure, panels[:n_types]
