"""What stands in a figure: its words, where they are, and which of them lie over each other."""

import itertools
from typing import Any
from unittest import mock

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from matplotlib.text import Annotation, Text
from matplotlib.transforms import Bbox

# Boxes of words may touch: they have a rim that nothing is drawn in.
RIM = 1.0


def words(figure: Figure) -> list[str]:
    """List every text that is shown."""
    return [text.get_text() for text, _ in _boxes(figure)]


def crowded(figure: Figure) -> list[tuple[str, str]]:
    """List the texts that lie over each other; slanted ones, whose boxes are too large, aside."""
    level = [(text, box) for text, box in _boxes(figure) if not text.get_rotation() % 90]
    return [
        (first.get_text(), second.get_text())
        for (first, one), (second, other) in itertools.combinations(level, 2)
        if one.overlaps(other)
    ]


def cut(figure: Figure) -> list[str]:
    """List the texts that leave the figure."""
    width, height = figure.bbox.width, figure.bbox.height
    return [
        text.get_text()
        for text, box in _boxes(figure)
        if box.x0 < 0 or box.y0 < 0 or box.x1 > width or box.y1 > height
    ]


def line(axes: Axes, label: str) -> Any:
    """Find a curve by what its label begins with."""
    return next(each for each in axes.lines if str(each.get_label()).startswith(label))


def marks(axes: Axes, kinds: str) -> list[tuple[str, float, float]]:
    """List the single marks of a panel: kind and place, in the order drawn."""
    return [
        (str(each.get_marker()), float(x), float(y))
        for each in axes.lines
        if str(each.get_marker()) in kinds
        for x, y in np.asarray(each.get_xydata(), float)
    ]


def spots(axes: Axes) -> list[list[tuple[float, float]]]:
    """List the places of every scatter of a panel."""
    return [
        [(float(x), float(y)) for x, y in np.asarray(each.get_offsets(), float)]
        for each in axes.collections
        if isinstance(each, PathCollection)
    ]


def _boxes(figure: Figure) -> list[tuple[Text, Bbox]]:
    figure.draw_without_rendering()
    shown: list[Text] = []

    def note(text: Text, renderer: object) -> None:
        if text.get_visible() and text.get_text().strip():
            shown.append(text)

    # Only what is drawn counts: panels hold ticks beyond their ends and words that are off.
    with mock.patch.object(Text, "draw", note), mock.patch.object(Annotation, "draw", note):
        figure.draw_without_rendering()
    return [(text, Text.get_window_extent(text).padded(-RIM)) for text in shown]
