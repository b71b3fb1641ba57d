"""Survival of groups of patients: Kaplan-Meier curves, numbers at risk and medians."""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from lifelines import KaplanMeierFitter
from lifelines.utils import median_survival_times

from bluebatch import errors

Array = npt.NDArray[Any]
Float = npt.NDArray[np.float64]
BAND = "log-log (exponential Greenwood), pointwise"
# Between the times at which patients at risk are counted: round days, months, years.
_MONTH, _YEAR = 365.25 / 12, 365.25
SPACINGS = (1, 2, 5, 10, *(_MONTH * n for n in (1, 2, 3, 6)), *(_YEAR * n for n in (1, 2, 5, 10)))
MAX_COUNTS = 8
NOT_REACHED = "not reached"


@dataclasses.dataclass(frozen=True, eq=False)
class Curves:
    """Kaplan-Meier curves of groups.

    Parameters
    ----------
    steps : pd.DataFrame
        One row for each group and time at which its curve steps or a patient is censored, from
        day 0: group, time_days, survival, low, high, at_risk (just before), events, censored
        (then). Limits are gaps where survival is 0, of which the band says nothing.
    counts : pd.DataFrame
        One row for each group and counted time: group, time_days, at_risk (just before), events
        and censored (before); the three add up to the group.
    names : list of str
        Groups that have patients, in their order.
    level : float
        Coverage of the band at each time.
    band : str
        How it was made.
    notes : list of str
        Groups without patients or without events.
    """

    steps: pd.DataFrame
    counts: pd.DataFrame
    names: list[str]
    level: float
    band: str
    notes: list[str]

    def of(self, name: str) -> pd.DataFrame:
        """Give one group's curve.

        Parameters
        ----------
        name : str
            Of ``names``.

        Returns
        -------
        pd.DataFrame
            Its rows of ``steps``.
        """
        return self.steps[self.steps["group"] == name].reset_index(drop=True)


def curves(
    durations: Float,
    event_observed: Array,
    groups: Array,
    names: Sequence[str],
    times: Sequence[float] | None = None,
    level: float = 0.95,
) -> Curves:
    """Estimate each group's survival.

    Parameters
    ----------
    durations : np.ndarray, shape (patient,)
        Days to the event or to censoring.
    event_observed : np.ndarray of bool, shape (patient,)
        Whether the event came.
    groups : np.ndarray of int, shape (patient,)
        Positions in ``names``; patients below 0 are in none.
    names : sequence of str
        The groups.
    times : sequence of float, optional
        Days at which patients at risk are counted; by default at most 8 round ones.
    level : float
        Coverage of the confidence band.

    Returns
    -------
    Curves
        Groups without patients are told and left out.

    References
    ----------
    Kaplan EL, Meier P (1958). J Am Stat Assoc 53(282):457-481.
    """
    counted = np.asarray(choose_times(durations) if times is None else times, dtype=np.float64)
    steps: list[pd.DataFrame] = []
    counts: list[pd.DataFrame] = []
    present: list[str] = []
    for name, times_in, events_in in split(durations, event_observed, groups, names):
        steps.append(_steps(name, times_in, events_in, level))
        before = times_in[:, None] < counted  # (patient, time)
        events = (before & events_in[:, None]).sum(axis=0)
        left = {"at_risk": (~before).sum(axis=0), "events": events}
        frame = pd.DataFrame({"group": name, "time_days": counted} | left)
        counts.append(frame.assign(censored=before.sum(axis=0) - events))
        present.append(name)
    notes = tell_empty(event_observed, groups, names)
    whole, counts_of_all = (pd.concat(parts, ignore_index=True) for parts in (steps, counts))
    return Curves(whole, counts_of_all, present, level, BAND, notes)


def medians(
    durations: Float,
    event_observed: Array,
    groups: Array,
    names: Sequence[str],
    level: float = 0.95,
) -> pd.DataFrame:
    """Find the day by which half of each group had the event.

    Parameters
    ----------
    durations : np.ndarray, shape (patient,)
        Days to the event or to censoring.
    event_observed : np.ndarray of bool, shape (patient,)
        Whether the event came.
    groups : np.ndarray of int, shape (patient,)
        Positions in ``names``; patients below 0 are in none.
    names : sequence of str
        The groups.
    level : float
        Coverage of the interval.

    Returns
    -------
    pd.DataFrame
        One row a group with patients: group, n, events, censored, median_days (the first at which
        survival is .5 or less), low_days, high_days (where the band is), said, follow_up_days
        (the median to censoring, with the event as what ends it early). What is not reached is a
        gap, and ``said`` has the word.
    """
    rows = []
    for name, times_in, events_in in split(durations, event_observed, groups, names):
        fitted = _fit(times_in, events_in, level)
        limits = median_survival_times(fitted.confidence_interval_).to_numpy(dtype=np.float64)
        median, low, high = float(fitted.median_survival_time_), limits[0, 0], limits[0, 1]
        ends = {"median": median, "lower limit": low, "upper limit": high}
        missing = [word for word, value in ends.items() if not np.isfinite(value)]
        follow_up = float(_fit(times_in, ~events_in, level).median_survival_time_)
        rows.append(
            {
                "group": name,
                "n": len(times_in),
                "events": int(events_in.sum()),
                "censored": int((~events_in).sum()),
                "median_days": _finite(median),
                "low_days": _finite(low),
                "high_days": _finite(high),
                "said": f"{', '.join(missing)} {NOT_REACHED}" if missing else "",
                "follow_up_days": _finite(follow_up),
            }
        )
    return pd.DataFrame(rows)


def choose_times(durations: Float) -> list[float]:
    """Choose at most 8 round times from day 0 to the last.

    Parameters
    ----------
    durations : np.ndarray, shape (patient,)
        Days.

    Returns
    -------
    list of float
        Multiples of 1, 2, 5 or 10 days, of 1, 2, 3 or 6 months, or of 1, 2, 5 or 10 years.
    """
    last = float(np.max(durations, initial=0.0))
    enough = (step for step in SPACINGS if last / step < MAX_COUNTS)
    spacing = next(enough, SPACINGS[-1] * np.ceil(last / SPACINGS[-1] / (MAX_COUNTS - 1)))
    return [float(spacing * at) for at in range(int(last // spacing) + 1)]


def split(
    durations: Float, event_observed: Array, groups: Array, names: Sequence[str]
) -> Iterator[tuple[str, Float, Array]]:
    """Go through the groups that have patients.

    Parameters
    ----------
    durations : np.ndarray, shape (patient,)
        Days.
    event_observed : np.ndarray of bool, shape (patient,)
        Whether the event came.
    groups : np.ndarray of int, shape (patient,)
        Positions in ``names``; patients below 0 are in none.
    names : sequence of str
        The groups.

    Yields
    ------
    name : str
        The group.
    durations : np.ndarray, shape (member,)
        Of its patients.
    event_observed : np.ndarray of bool, shape (member,)
        Of its patients.

    Raises
    ------
    errors.ValuesError
        If no group has patients.
    """
    if not (np.asarray(groups) >= 0).any():
        raise errors.ValuesError(
            f"survival: none of {len(groups):,} patients is in a group, needed: one. "
            "Check what the groups were made from."
        )
    for at, name in enumerate(names):
        member = np.asarray(groups) == at
        if member.any():
            events = np.asarray(event_observed, dtype=bool)[member]
            yield name, np.asarray(durations, dtype=np.float64)[member], events


def tell_empty(event_observed: Array, groups: Array, names: Sequence[str]) -> list[str]:
    """Tell of groups that have no patients, or no events.

    Parameters
    ----------
    event_observed : np.ndarray of bool, shape (patient,)
        Whether the event came.
    groups : np.ndarray of int, shape (patient,)
        Positions in ``names``.
    names : sequence of str
        The groups.

    Returns
    -------
    list of str
        One note a group.
    """
    notes = []
    for at, name in enumerate(names):
        member = np.asarray(groups) == at
        n_events = int(np.asarray(event_observed, dtype=bool)[member].sum())
        if not member.any():
            notes.append(f"group {name}: has no patients and is left out")
        elif not n_events:
            notes.append(
                f"group {name}: no events among its {int(member.sum()):,} patients: it has no "
                "median and no finite hazard ratio; the log-rank test counts it"
            )
    return notes


def _fit(durations: Float, event_observed: Array, level: float) -> KaplanMeierFitter:
    # The fitter turns NumPy's warnings off for good; what follows it shall have them.
    with np.errstate():
        return KaplanMeierFitter(alpha=1 - level).fit(durations, event_observed)


def _steps(name: str, durations: Float, event_observed: Array, level: float) -> pd.DataFrame:
    fitted = _fit(durations, event_observed, level)
    table = fitted.event_table
    survival = fitted.survival_function_.iloc[:, 0].to_numpy()
    # At 0 the fitter writes limits of 1, where log(-log 0) gives none.
    limits = np.where(survival[:, None] > 0, fitted.confidence_interval_.to_numpy(), np.nan)
    return pd.DataFrame(
        {
            "group": name,
            "time_days": table.index.to_numpy(dtype=np.float64),
            "survival": survival,
            "low": limits[:, 0],
            "high": limits[:, 1],
            "at_risk": table["at_risk"].to_numpy(dtype=np.int64),
            "events": table["observed"].to_numpy(dtype=np.int64),
            "censored": table["censored"].to_numpy(dtype=np.int64),
        }
    )


def _finite(value: float) -> float:
    return float(value) if np.isfinite(value) else np.nan
