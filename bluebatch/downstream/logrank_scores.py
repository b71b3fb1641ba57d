"""The log-rank statistic of several groups, for many divisions of the same patients at once."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import stats

Array = npt.NDArray[Any]
Float = npt.NDArray[np.float64]


class Score(NamedTuple):
    """A log-rank statistic.

    Parameters
    ----------
    statistic : float
        Chi-square; NaN where no event came while two groups were at risk.
    df : int
        Groups, less one, of those of whom events are expected.
    observed, expected : np.ndarray, shape (group,)
        Events.
    """

    statistic: float
    df: int
    observed: Float
    expected: Float

    @property
    def p(self) -> float:
        """Give the asymptotic p-value.

        Returns
        -------
        float
            NaN without a statistic.
        """
        return float(stats.chi2.sf(self.statistic, self.df)) if self.df else np.nan


def score(durations: Float, event_observed: Array, member: Array, strata: Array) -> Score:
    """Compute the log-rank statistic of groups.

    Parameters
    ----------
    durations : np.ndarray, shape (patient,)
        Days to the event or to censoring.
    event_observed : np.ndarray of bool, shape (patient,)
        Whether the event came.
    member : np.ndarray of bool, shape (patient, group)
        Each patient is in one group.
    strata : np.ndarray of int, shape (patient,)
        Within which patients are compared.

    Returns
    -------
    Score
        Observed and expected events are added over the strata, and so is their covariance.
    """
    observed, expected, covariance = sums(
        durations, event_observed, strata, np.asarray(member)[:, :, None]
    )
    known = expected[:, 0] > 0
    statistic = float(quadratic(observed - expected, covariance)[0])
    df = max(int(known.sum()) - 1, 0)
    empty = df == 0 or not np.isfinite(statistic)
    return Score(np.nan if empty else statistic, 0 if empty else df, observed[:, 0], expected[:, 0])


def sums(
    durations: Float, event_observed: Array, strata: Array, member: Array
) -> tuple[Float, Float, Float]:
    """Add up observed and expected events and their covariance, for many divisions at once.

    Parameters
    ----------
    durations : np.ndarray, shape (patient,)
        Days to the event or to censoring.
    event_observed : np.ndarray of bool, shape (patient,)
        Whether the event came.
    strata : np.ndarray of int, shape (patient,)
        Within which patients are compared.
    member : np.ndarray of bool, shape (patient, group, column)
        Each column is a division of the patients into groups.

    Returns
    -------
    observed, expected : np.ndarray, shape (group, column)
        Events.
    covariance : np.ndarray, shape (group, group, column)
        Hypergeometric, of their difference.
    """
    n_groups, n_columns = member.shape[1:]
    observed, expected = np.zeros((2, n_groups, n_columns))
    covariance = np.zeros((n_groups, n_groups, n_columns))
    for code in np.unique(strata):
        rows = np.flatnonzero(strata == code)
        rows = rows[np.argsort(-durations[rows], kind="stable")]
        inside = member[rows].astype(np.float64)
        times, events = durations[rows], event_observed[rows]
        observed += inside[events].sum(axis=0)
        at_risk = np.cumsum(inside, axis=0)
        # The last row of each time, from late to early, has all who are at risk then.
        ends = np.flatnonzero(np.append(np.diff(times) != 0, True))
        died = np.diff(np.concatenate([[0], np.cumsum(events)[ends]]))
        ends, died = ends[died > 0], died[died > 0].astype(np.float64)
        total = ends + 1.0
        share = at_risk[ends] / total[:, None, None]  # (time, group, column)
        expected += np.tensordot(died, share, axes=1)
        weight = died * (total - died) / np.maximum(total - 1, 1)
        weighted = weight[:, None, None] * share
        covariance -= np.einsum("tgc,thc->ghc", weighted, share)
        diagonal = np.arange(n_groups)
        covariance[diagonal, diagonal] += weighted.sum(axis=0)
    return observed, expected, covariance


def quadratic(gap: Float, covariance: Float) -> Float:
    """Weigh gaps by the inverse of their covariance.

    Parameters
    ----------
    gap : np.ndarray, shape (group, column)
        Observed less expected events.
    covariance : np.ndarray, shape (group, group, column)
        Of them; singular, as the gaps add up to 0.

    Returns
    -------
    np.ndarray, shape (column,)
        Chi-square statistics; NaN where there is no variance.
    """
    n_groups = len(gap)
    matrices = covariance.transpose(2, 0, 1)
    # The general inverse drops what a group that was never at risk, and the last one, cannot say.
    weights = np.linalg.pinv(matrices, rcond=1e-10 * n_groups, hermitian=True)
    found: Float = np.einsum("gc,cgh,hc->c", gap, weights, gap)
    return np.where(np.abs(matrices).max(axis=(1, 2)) > 0, found, np.nan)
