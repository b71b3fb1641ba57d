"""Mean survival up to a horizon, which needs no proportional hazards."""

import dataclasses
import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from lifelines import KaplanMeierFitter
from lifelines.utils import restricted_mean_survival_time
from scipy import stats

from bluebatch import errors
from bluebatch.downstream import survival
from bluebatch.expression import markers

Array = npt.NDArray[Any]
Float = npt.NDArray[np.float64]
MEANS = (
    *("group", "n", "events", "mean_days", "standard_error_days", "low_days", "high_days"),
    "horizon_days",
)
DIFFERENCES = (
    *("first", "second", "difference_days", "standard_error_days", "low_days", "high_days"),
    *("z", "p", "q", "horizon_days"),
)


@dataclasses.dataclass(frozen=True, eq=False)
class RestrictedMeans:
    """Restricted mean survival times of groups.

    Parameters
    ----------
    means : pd.DataFrame
        One row a group, as `MEANS` has them; events are those up to the horizon.
    differences : pd.DataFrame
        One row a pair, second less first, as `DIFFERENCES` has them; q is Benjamini-Hochberg
        over the pairs.
    horizon_days : float
        Up to which survival is averaged.
    notes : list of str
        Where the horizon comes from.
    """

    means: pd.DataFrame
    differences: pd.DataFrame
    horizon_days: float
    notes: list[str]


def compare(
    durations: Float,
    event_observed: Array,
    groups: Array,
    names: Sequence[str],
    horizon_days: float | None = None,
    level: float = 0.95,
) -> RestrictedMeans:
    """Compare the mean survival of groups up to a horizon.

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
    horizon_days : float, optional
        By default the smallest of the groups' last times.
    level : float
        Coverage of the intervals.

    Returns
    -------
    RestrictedMeans
        Standard errors are Greenwood's; differences are tested with the normal distribution. Empty
        where, without a horizon, a group has nobody beyond day 0.

    Raises
    ------
    errors.ConfigError
        If the horizon is not after day 0, or after the last time of a group, beyond which
        nothing is known.

    References
    ----------
    Royston P, Parmar MKB (2013). BMC Med Res Methodol 13:152.
    """
    parts = list(survival.split(durations, event_observed, groups, names))
    last, limiting = min((float(times.max()), name) for name, times, _ in parts)
    horizon = last if horizon_days is None else float(horizon_days)
    if horizon_days is None and last <= 0:
        note = f"restricted means: none is given: group {limiting} is not followed beyond day 0"
        return RestrictedMeans(_table([]), _differences(_table([]), 0.0), 0.0, [note])
    if not 0 < horizon <= last:
        raise errors.ConfigError(
            f"restricted mean: a horizon of {horizon:g} days, needed: above 0 and at most "
            f"{last:g}, the last time of group {limiting}. Choose one within, or leave it out."
        )
    reach = float(stats.norm.ppf((1 + level) / 2))
    rows = []
    for name, times, events in parts:
        mean, error = estimate(times, events, horizon)
        n_events = int((events & (times <= horizon)).sum())
        row = {"group": name, "n": len(times), "events": n_events, "mean_days": mean}
        limits = {"low_days": max(mean - reach * error, 0.0)}
        limits["high_days"] = min(mean + reach * error, horizon)
        rows.append(row | {"standard_error_days": error} | limits | {"horizon_days": horizon})
    means = _table(rows)
    said = f"the last time of group {limiting}" if horizon_days is None else "as it was set"
    note = f"restricted means: up to {horizon:g} days, {said}"
    return RestrictedMeans(means, _differences(means, reach), horizon, [note])


def estimate(durations: Float, event_observed: Array, horizon_days: float) -> tuple[float, float]:
    """Estimate one group's mean survival up to a horizon.

    Parameters
    ----------
    durations : np.ndarray, shape (patient,)
        Days to the event or to censoring.
    event_observed : np.ndarray of bool, shape (patient,)
        Whether the event came.
    horizon_days : float
        At most the last time.

    Returns
    -------
    mean_days : float
        Area under the Kaplan-Meier curve.
    standard_error_days : float
        By Greenwood: the square root of the sum over event times of d / (n (n - d)) times the
        squared area that is left; 0 without events.
    """
    # The fitter turns NumPy's warnings off for good; what follows it shall have them.
    with np.errstate():
        fitted = KaplanMeierFitter().fit(durations, event_observed)
        mean = float(restricted_mean_survival_time(fitted, t=horizon_days))
    table = fitted.event_table
    died, at_risk = (table[name].to_numpy(dtype=np.float64) for name in ("observed", "at_risk"))
    times = table.index.to_numpy(dtype=np.float64)
    curve = fitted.survival_function_.iloc[:, 0].to_numpy(dtype=np.float64)
    # From each step to the next, none beyond the horizon.
    widths = np.diff(np.minimum(np.append(times, np.inf), horizon_days))
    left = np.cumsum((curve * widths)[::-1])[::-1]
    # Where all who are at risk die, no area is left: 0 and not 0 / 0.
    counts = (died > 0) & (times <= horizon_days) & (at_risk > died)
    terms = died[counts] / (at_risk[counts] * (at_risk[counts] - died[counts]))
    return mean, float(np.sqrt(np.sum(np.square(left[counts]) * terms)))


def _table(rows: list[dict[str, Any]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=[*MEANS])


def _differences(means: pd.DataFrame, reach: float) -> pd.DataFrame:
    rows: list[dict[str, Any]] = []
    records = means.to_dict("records")
    for first, second in itertools.combinations(records, 2):
        gap = second["mean_days"] - first["mean_days"]
        error = float(np.hypot(first["standard_error_days"], second["standard_error_days"]))
        z = gap / error if error > 0 else np.nan
        row = {"first": first["group"], "second": second["group"], "difference_days": gap}
        row |= {"standard_error_days": error, "low_days": gap - reach * error}
        row |= {"high_days": gap + reach * error, "z": z, "p": float(2 * stats.norm.sf(abs(z)))}
        rows.append(row | {"horizon_days": first["horizon_days"]})
    table = pd.DataFrame(rows, columns=[*DIFFERENCES])
    table["q"] = markers.adjust_p(table["p"].to_numpy(dtype=np.float64))
    return table
