"""Which columns of a clinical table hold times and events, and the times as numbers."""

import re
from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd

from bluebatch import errors
from bluebatch.downstream import events

TimeUnit = Literal["days", "months", "years"]

DAYS_OF: dict[TimeUnit, float] = {"days": 1.0, "months": 30.4375, "years": 365.25}
_UNIT_WORDS: dict[str, TimeUnit] = {
    **dict.fromkeys(("day", "days"), "days"),
    **dict.fromkeys(("month", "months", "mo", "mos"), "months"),
    **dict.fromkeys(("year", "years", "yr", "yrs"), "years"),
}
# Names that are known without their unit; those of an earlier tier are preferred.
_TIMES = (
    ("time",),
    ("os", "os_time", "overall_survival", "overall_survival_time"),
    (
        *("survival", "survival_time", "time_to_event", "duration", "durations", "follow_up"),
        *("followup", "follow_up_time", "followup_time", "futime", "fu_time"),
    ),
)
_EVENTS = (
    ("event", "event_observed"),
    ("os", "os_event", "os_status", "overall_survival_event", "overall_survival_status"),
    (
        "vital_status",
        "status",
        "dead",
        "death",
        "deceased",
        "died",
        "fustat",
        "demographic_vital_status",
    ),
)
# The two columns in which the GDC keeps one time: of the dead, and of the living.
_OF_DEAD = ("days_to_death", "demographic_days_to_death")
_OF_LIVING = (
    *("days_to_last_follow_up", "days_to_last_followup"),
    "diagnoses_days_to_last_follow_up",
)


class Columns(NamedTuple):
    """Where time and event stand.

    Parameters
    ----------
    times : list of str
        The column of times; two where the second speaks of whom the first does not.
    event : str
        The column of events.
    unit : {"days", "months", "years"} or None
        What the name of the times' column says.
    """

    times: list[str]
    event: str
    unit: TimeUnit | None


def find(where: object, columns: Sequence[str], time: str | None, event: str | None) -> Columns:
    """Find the columns of time and event.

    Parameters
    ----------
    where : object
        The table, for messages.
    columns : sequence of str
        Its columns beside the one that names its rows.
    time, event : str or None
        Columns that were asked for; common names are recognised by default.

    Returns
    -------
    Columns
        Those columns.

    Raises
    ------
    errors.LabelMismatchError
        If a column is not there, or none or several would do.
    errors.ValuesError
        If the name of the times speaks of weeks or hours.
    """
    for flag, name in (("--time", time), ("--event", event)):
        if name is not None and name not in columns:
            raise errors.LabelMismatchError(
                f"{where}: has no column {name!r}, needed: that of {flag}. {_has(columns, flag)}"
            )
    times = [time] if time is not None else _find_times(where, columns)
    if event is None:
        stems = {name: _plain(name) for name in columns if name not in times}
        event = _find(where, stems, _EVENTS, "--event")
    words = set(_plain(times[0]).split("_"))
    if words & {"week", "weeks", "hours"}:
        raise errors.ValuesError(
            f"{where}: the column {times[0]!r} is by its name in weeks or hours, needed: days, "
            "months or years. Convert it and rename it, then give it with --time."
        )
    return Columns(times, event, next((_UNIT_WORDS[w] for w in words if w in _UNIT_WORDS), None))


def read_times(where: object, table: pd.DataFrame, columns: Sequence[str]) -> events.Column:
    """Read times as numbers, in the unit of the table.

    Parameters
    ----------
    where : object
        The table, for messages.
    table : pd.DataFrame
        Text, with names as its index.
    columns : sequence of str
        Of the times: what the first does not say is taken from the next.

    Returns
    -------
    events.Column
        Times, NaN where they are missing.

    Raises
    ------
    errors.ValuesError
        If a time is text, infinite or negative.
    """
    text = table[columns[0]]
    for other in columns[1:]:
        text = text.where(~events.is_unknown(text), table[other])
    missing = events.is_unknown(text)
    numbers = pd.to_numeric(text.where(~missing), errors="coerce").astype(float)
    what = " or ".join(repr(name) for name in columns)
    for is_wrong, found in (
        (~missing & ~np.isfinite(numbers), "no number"),
        (numbers < 0, "below 0"),
    ):
        if is_wrong.any():
            named = [
                f"{name}: {value!r}" for name, value in text[is_wrong].head(events.N_NAMED).items()
            ]
            raise errors.ValuesError(
                f"{where}: the time in {what} is {found} for {int(is_wrong.sum()):,} patients "
                f"({', '.join(named)}), needed: 0 or more. Correct it, or empty these cells: "
                "patients without a time are left out and listed."
            )
    notes = [f"time: {columns[0]}, and {columns[1]} where it is missing"] if columns[1:] else []
    return events.Column(np.asarray(numbers, dtype=np.float64), notes or [f"time: {columns[0]}"])


def _find_times(where: object, columns: Sequence[str]) -> list[str]:
    plain = {name: _plain(name) for name in columns}
    stems = {name: _without_unit(each) for name, each in plain.items()}
    # "OS" alone is an event in some tables and a time in others: of a time, its unit is said.
    stems = {name: stem for name, stem in stems.items() if (stem, plain[name]) != ("os", "os")}
    known = {name for tier in _TIMES for name in tier}
    dead = [name for name in columns if plain[name] in _OF_DEAD]
    living = [name for name in columns if plain[name] in _OF_LIVING]
    if not known & set(stems.values()) and len(dead) == len(living) == 1:
        return [*dead, *living]
    return [_find(where, stems, _TIMES, "--time")]


def _find(where: object, stems: dict[str, str], tiers: Sequence[Sequence[str]], flag: str) -> str:
    for tier in tiers:
        found = [name for name, stem in stems.items() if stem in tier]
        if len(found) == 1:
            return found[0]
        if found:
            raise errors.LabelMismatchError(
                f"{where}: {len(found)} columns may be that of {flag} ({', '.join(found)}), "
                f"needed: one. {_has(list(stems), flag)}"
            )
    raise errors.LabelMismatchError(
        f"{where}: no column is recognised as that of {flag}, needed: one. "
        f"{_has(list(stems), flag)}"
    )


def _has(columns: Sequence[str], flag: str) -> str:
    return f"Name one with {flag}; it has {', '.join(columns)}."


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")


def _without_unit(plain: str) -> str:
    return "_".join(word for word in plain.split("_") if word not in ("in", *_UNIT_WORDS))
