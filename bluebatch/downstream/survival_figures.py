"""Survival as figures: Kaplan-Meier curves with what they are made of."""

import dataclasses
import math
import textwrap
from collections.abc import Hashable, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bluebatch.downstream import figures, patterns, survival

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.integer]
GROUP_COLOURS = (figures.BLUE, "#6B6B6B", figures.VERMILION)
# What a p-value of a Kaplan-Meier figure may be worth.
DESCRIPTIVE = "descriptive: the groups were chosen by survival"
SEARCHED = "permutation of the whole procedure"
FROZEN_OVERALL = "two-sided, frozen beforehand"
FROZEN = "one-sided, frozen beforehand"
DAYS_PER_YEAR = 365.25
# Unit, its days, and the longest time shown in it.
_UNITS = (
    ("days", 1.0, 120.0),
    ("months", DAYS_PER_YEAR / 12, 2.5 * DAYS_PER_YEAR),
    ("years", DAYS_PER_YEAR, math.inf),
)
# Round times at which patients are counted.
_SPACINGS: dict[str, tuple[float, ...]] = {
    "days": (1, 2, 5, 10, 20),
    "months": (1, 2, 3, 6),
    "years": (0.5, 1, 2, 5, 10, 20),
}
MAX_TICKS = 7
# Bands of more groups cover each other.
MAX_BANDS = 4
# What fits beside each other above the curves.
LONGEST_LINE = 84
_ROW = 0.19
LINE_LENGTH = 84


@dataclasses.dataclass(frozen=True)
class Verdict:
    """A p-value that is drawn with the curves.

    Parameters
    ----------
    p : float
        Of the log-rank test.
    label : str
        What it is worth, e.g. `DESCRIPTIVE`.
    """

    p: float
    label: str

    def as_text(self) -> str:
        """Say it in a line.

        Returns
        -------
        str
            The p-value and its label, on more lines where one is too short.
        """
        text = f"log-rank p {figures.p_text(self.p)} ({self.label})"
        return "\n".join(textwrap.wrap(text, LINE_LENGTH))


def choose_unit(longest_days: float) -> tuple[str, float]:
    """Choose the unit of a time axis.

    Parameters
    ----------
    longest_days : float
        Longest time that is shown.

    Returns
    -------
    unit : str
        Days, months or years.
    days : float
        Days of one.

    Examples
    --------
    >>> choose_unit(90)[0], choose_unit(700)[0], choose_unit(3000)[0]
    ('days', 'months', 'years')
    """
    return next((name, days) for name, days, most in _UNITS if longest_days <= most)


def draw_kaplan_meier(
    durations: FloatArray,
    event_observed: BoolArray,
    index: IntArray,
    names: Sequence[str] = patterns.NAMES,
    verdicts: Sequence[Verdict] = (),
    colours: Sequence[str] | None = None,
) -> Figure:
    """Draw the Kaplan-Meier curve of every group, with its interval and numbers at risk.

    Parameters
    ----------
    durations : np.ndarray, shape (patient,)
        Days.
    event_observed : np.ndarray of bool, shape (patient,)
        Whether the event was seen.
    index : np.ndarray of int, shape (patient,)
        Group; patients below 0 are in none.
    names : sequence of str
        Of the groups; the three of the search by default.
    verdicts : sequence of Verdict
        P-values and what they are worth, a line each.
    colours : sequence of str or None
        Of the groups.

    Returns
    -------
    Figure
        Not yet saved: 95 % intervals (log-log) of at most `MAX_BANDS` groups, ticks where
        patients were censored, and a table of patients at risk, and events before.

    Raises
    ------
    errors.ValuesError
        If no group has patients.
    """
    by_name = dict(zip(names, colours or _colours(names), strict=False))
    longest = float(np.max(durations[index >= 0], initial=0.0)) or 1.0
    unit, days = choose_unit(longest)
    ticks = _ticks(longest / days, unit)
    found = survival.curves(durations, event_observed, index, names, [at * days for at in ticks])
    middles = survival.medians(durations, event_observed, index, names)
    with mpl.rc_context(figures.STYLE):
        words = "\n".join(each.as_text() for each in verdicts)
        head = 0.2 * (len(found.names) + len(words.splitlines()))
        table = _ROW * (len(found.names) + 1)
        figure = figures.new_figure(6.4, 3.1 + head + table)
        panel, lower = figure.subplots(2, 1, sharex=True, height_ratios=[2.7, table])
        for name, row in zip(found.names, middles.to_dict("records"), strict=True):
            said = _words(row, unit, days)
            label = f"{figures.label(name, LONGEST_LINE - len(said))}: {said}"
            steps = found.of(name)
            if len(found.names) <= MAX_BANDS:
                _draw_band(panel, steps, days, by_name[name])
            _draw_curve(panel, steps, days, by_name[name], label)
        _finish(panel, longest / days, unit, ticks)
        _write_table(lower, found, by_name, days)
        _draw_head(figure, panel, words)
    return figure


def _colours(names: Sequence[str]) -> list[str]:
    if len(names) == len(GROUP_COLOURS):
        return list(GROUP_COLOURS)
    pale = (figures.YELLOW, figures.GREY)
    return [*(each for each in figures.PALETTE if each not in pale), "#6B6B6B", figures.BLACK]


def _ticks(longest: float, unit: str) -> list[float]:
    spacings = (step for step in _SPACINGS[unit] if longest / step <= MAX_TICKS)
    spacing = next(spacings, math.ceil(longest / MAX_TICKS))
    return [float(spacing * at) for at in range(int(longest // spacing) + 1)]


def _words(row: dict[Hashable, Any], unit: str, days: float) -> str:
    median, low, high = (float(row[f"{name}_days"]) / days for name in ("median", "low", "high"))
    reaches = f"median {survival.NOT_REACHED}"
    if math.isfinite(median):
        reaches = f"median {median:.1f} {unit} ({_end(low)} to {_end(high)})"
    n_patients, n_events = int(row["n"]), int(row["events"])
    counted = f"{n_patients:,} patient{'s' * (n_patients != 1)}"
    return f"{counted}, {n_events:,} event{'s' * (n_events != 1)}, {reaches}"


def _end(value: float) -> str:
    return f"{value:.1f}" if math.isfinite(value) else survival.NOT_REACHED


def _draw_band(axes: Axes, steps: pd.DataFrame, days: float, colour: str) -> None:
    times, low, high = (steps[name].to_numpy(float) for name in ("time_days", "low", "high"))
    # Where survival is 0 the band says nothing and ends.
    known = np.isfinite(low)
    axes.fill_between(
        times[known] / days, low[known], high[known], step="post", color=colour, alpha=0.13,
        linewidth=0,
    )  # fmt: skip


def _draw_curve(axes: Axes, steps: pd.DataFrame, days: float, colour: str, label: str) -> None:
    times, value = (steps[name].to_numpy(float) for name in ("time_days", "survival"))
    times = times / days
    axes.step(times, value, where="post", color=colour, linewidth=1.7, zorder=3, label=label)
    censored = steps["censored"].to_numpy() > 0
    axes.plot(
        times[censored], value[censored], "|",
        color=colour, markersize=5.5, markeredgewidth=0.9, zorder=4,
    )  # fmt: skip


def _finish(axes: Axes, longest: float, unit: str, ticks: list[float]) -> None:
    axes.set(ylim=(0, 1.03), xlim=(-0.015 * longest, 1.02 * longest), ylabel="share without event")
    axes.set_xticks(ticks)
    axes.set_xlabel(f"time ({unit})")
    axes.tick_params(labelbottom=True)
    axes.grid(axis="y", color="#E6E9EC", linewidth=0.6)
    axes.set_axisbelow(True)


def _write_table(axes: Axes, found: survival.Curves, colours: dict[str, str], days: float) -> None:
    small = 7.0 if len(found.names) > 4 else 7.5
    rows = {name: row for row, name in enumerate(found.names)}
    columns = (found.counts[name] for name in ("group", "time_days", "at_risk", "events"))
    for name, time, n_at_risk, n_events in zip(*columns, strict=True):
        axes.text(
            float(time) / days, rows[str(name)], f"{n_at_risk:,} ({n_events:,})",
            ha="center", va="center", fontsize=small,
        )  # fmt: skip
    axes.set_yticks(range(len(rows)), [figures.label(name, 22) for name in rows])
    for text, name in zip(axes.get_yticklabels(), rows, strict=True):
        text.set(color=colours[name], fontsize=8)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_title("at risk (events before)", loc="left", fontsize=8, pad=3)
    axes.tick_params(length=0, pad=16, axis="y")
    axes.tick_params(length=0, labelbottom=False, axis="x")
    axes.spines[:].set_visible(False)


def _draw_head(figure: Figure, axes: Axes, words: str) -> None:
    handles, texts = axes.get_legend_handles_labels()
    drawn = figure.legend(
        handles, texts, loc="outside upper left", ncols=1, title=words or None, alignment="left",
        title_fontsize=8.5, handlelength=1.6, labelspacing=0.35,
    )  # fmt: skip
    drawn.get_title().set_fontweight("bold")
