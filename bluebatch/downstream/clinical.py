"""A clinical table: who was followed for how long, to an event or to censoring, and what else."""

import dataclasses
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
import pydantic

from bluebatch import errors
from bluebatch.downstream import endpoints, events, sample_table
from bluebatch.store import places

BoolArray = npt.NDArray[np.bool_]

# Columns that name patients or samples, the best first, in small letters.
_KEYS = (
    *("patient", "patient_id", "bcr_patient_barcode", "case_submitter_id", "submitter_id"),
    *("cases.submitter_id", "case_id", "sample", "sample_id"),
)
# Medians and maxima that cohorts do not have, in the unit that they are said to be in.
_SHORT_MEDIAN_DAYS, _SHORT_MAXIMUM_DAYS = 60.0, 400.0
_LONGEST = {"days": 40_000.0, "months": 480.0, "years": 60.0}


class EndpointSettings(pydantic.BaseModel):
    """What is followed, and in which columns.

    Parameters
    ----------
    time, event : str, optional
        Columns of the clinical table; common names are recognised by default.
    event_values : tuple of str
        Values of the event's column that mean the event, where they are not known.
    time_unit : {"days", "months", "years"}, optional
        By default what the name of the time's column says, else days.
    censor_at : float, optional
        In that unit: follow-up beyond it is not looked at.
    patient_column : str, optional
        Column that names patients or samples; common names are recognised by default.
    """

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid")

    time: str | None = None
    event: str | None = None
    event_values: tuple[str, ...] = ()
    time_unit: endpoints.TimeUnit | None = None
    censor_at: float | None = None
    patient_column: str | None = None


@dataclasses.dataclass(frozen=True)
class Clinical:
    """A clinical table that has been read.

    Parameters
    ----------
    path : str
        Where it lies.
    table : pd.DataFrame
        Text, one row a patient with time and event, named by the index; neither of these two.
    durations : np.ndarray of float64, shape (row,)
        Days.
    event_observed : np.ndarray of bool, shape (row,)
        True for the event, False for censored.
    notes : list of str
        What was made of the table, in words.
    dropped : pd.DataFrame
        Columns ``name`` and ``reason``: rows without time or event.
    """

    path: str
    table: pd.DataFrame
    durations: events.FloatArray
    event_observed: BoolArray
    notes: list[str]
    dropped: pd.DataFrame


def read(path: str | places.Place, settings: EndpointSettings | None = None) -> Clinical:
    """Read a clinical table.

    Parameters
    ----------
    path : str, pathlib.Path or upath.UPath
        CSV or TSV, plain or gzipped, one row a patient or a sample.
    settings : EndpointSettings, optional
        Where time and event stand.

    Returns
    -------
    Clinical
        Its rows with time and event, in its order, and a list of the others.

    Raises
    ------
    errors.InputFileError
        If it is no table, or has no rows.
    errors.LabelMismatchError
        If a column is not there or cannot be told, or rows have the same name or none.
    errors.ValuesError
        If a time is negative or no number, or a value of the event is not known.
    errors.ConfigError
        If censoring is not after the start.
    """
    settings = settings or EndpointSettings()
    table = _named_rows(path, settings.patient_column)
    at = endpoints.find(path, list(table.columns), settings.time, settings.event)
    if at.event in at.times:
        raise errors.LabelMismatchError(
            f"{path}: {at.event!r} is given as time and as event, needed: two columns. "
            "Name them with --time and --event."
        )
    times = endpoints.read_times(path, table, at.times)
    happened = events.read(path, table[at.event], settings.event_values)
    has_both = ~np.isnan(times.values) & ~np.isnan(happened.values)
    if not has_both.any():
        raise errors.ValuesError(
            f"{path}: none of its {len(table):,} rows has both {at.times[0]} and {at.event}. "
            "Name other columns with --time and --event."
        )
    durations, event_observed = times.values[has_both], happened.values[has_both] == 1
    unit, unit_notes = _unit(settings.time_unit, at.unit, durations)
    durations, event_observed, censor_notes = _censor(
        durations, event_observed, settings.censor_at, unit
    )
    dropped = _dropped(table.index, times.values, happened.values)
    notes = [*times.notes, *unit_notes, *happened.notes, *censor_notes]
    if len(dropped):
        notes.append(f"dropped: {len(dropped):,} of {len(table):,} rows, without time or event")
    return Clinical(
        str(path),
        table.loc[has_both].drop(columns=[*at.times, at.event]),
        durations * endpoints.DAYS_OF[unit],
        event_observed,
        notes,
        dropped,
    )


def _named_rows(path: str | places.Place, asked: str | None) -> pd.DataFrame:
    frame = sample_table.text(path, "their times and events").fillna("")
    frame = frame.rename(columns=str.strip).apply(lambda column: column.str.strip())
    frame = frame[(frame != "").any(axis=1)]
    if frame.empty:
        raise errors.InputFileError(
            f"{path}: has a header and no rows, needed: a row for each patient. Fill it."
        )
    key = _key_column(path, list(frame.columns), asked)
    names = frame[key]
    nameless = int(names.isin(sample_table.GAPS).sum())
    if nameless:
        raise errors.LabelMismatchError(
            f"{path}: {nameless:,} rows have no name in {key!r}, needed: a patient or sample each. "
            f"{_other_key(frame, key)}"
        )
    repeated = list(dict.fromkeys(names[names.duplicated()]))
    if repeated:
        named = ", ".join(repeated[: events.N_NAMED])
        raise errors.LabelMismatchError(
            f"{path}: {len(repeated):,} names stand in several rows of {key!r} ({named}), needed: "
            f"one row a patient. {_other_key(frame, key)}"
        )
    named_rows: pd.DataFrame = frame.set_index(key)
    return named_rows


def _key_column(path: object, columns: Sequence[str], asked: str | None) -> str:
    if asked is not None:
        if asked not in columns:
            raise errors.LabelMismatchError(
                f"{path}: has no column {asked!r}; it has {', '.join(columns)}. Name the one of "
                "patients or samples with --patient-column."
            )
        return asked
    by_name = {name.lower().replace(" ", "_"): name for name in reversed(columns)}
    return next((by_name[name] for name in _KEYS if name in by_name), columns[0])


def _other_key(frame: pd.DataFrame, key: str) -> str:
    others = [
        str(name)
        for name in frame
        if name != key
        and frame[name].is_unique
        and "" not in set(frame[name])
        and pd.to_numeric(frame[name], errors="coerce").isna().all()
    ]
    hint = f" ({', '.join(others[: events.N_NAMED])} would do)" if others else ""
    return f"Remove rows, or name another column with --patient-column{hint}."


def _unit(
    asked: endpoints.TimeUnit | None, named: endpoints.TimeUnit | None, times: events.FloatArray
) -> tuple[endpoints.TimeUnit, list[str]]:
    unit: endpoints.TimeUnit = asked or named or "days"
    how = "as given" if asked else "by the column's name" if named else "by default"
    notes = [f"time unit: {unit}, {how}"]
    if asked and named and asked != named:
        notes.append(f"warning: times are taken as {asked}, and their column's name says {named}")
    median, longest = float(np.median(times)), float(times.max())
    if unit == "days" and median < _SHORT_MEDIAN_DAYS and longest < _SHORT_MAXIMUM_DAYS:
        notes.append(
            f"warning: a median follow-up of {median:g} days and {longest:g} at most look like "
            "months or years: if they are, give --time-unit months or years"
        )
    if longest > _LONGEST[unit]:
        smaller = "smaller than days" if unit == "days" else "a smaller one: --time-unit days"
        notes.append(
            f"warning: nobody is followed for {longest:g} {unit} (the median is {median:g}): the "
            f"unit seems to be {smaller}"
        )
    return unit, notes


def _censor(
    times: events.FloatArray,
    event_observed: BoolArray,
    censor_at: float | None,
    unit: endpoints.TimeUnit,
) -> tuple[events.FloatArray, BoolArray, list[str]]:
    if censor_at is None:
        return times, event_observed, []
    if not 0 < censor_at < np.inf:
        raise errors.ConfigError(
            f"--censor-at: is {censor_at:g}, needed: {unit} above 0. Give it in the unit of the "
            "times, or leave it out."
        )
    beyond = times > censor_at
    note = (
        f"censored at {censor_at:g} {unit}: {int(beyond.sum()):,} were followed for longer, "
        f"{int((beyond & event_observed).sum()):,} of them with an event after it"
    )
    return np.minimum(times, censor_at), event_observed & ~beyond, [note]


def _dropped(
    names: pd.Index, times: events.FloatArray, happened: events.FloatArray
) -> pd.DataFrame:
    no_time, no_event = np.isnan(times), np.isnan(happened)
    reasons = np.select(
        [no_time & no_event, no_time, no_event], ["no time and no event", "no time", "no event"], ""
    )
    lost = reasons != ""
    return pd.DataFrame({"name": names[lost].astype(str), "reason": reasons[lost]}, dtype=object)
