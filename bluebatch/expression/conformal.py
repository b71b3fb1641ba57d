"""Intervals of fractions, calibrated on samples whose fractions are known (split conformal).

A sample's score is its error in units of what error is expected of it. The true fraction of a new
sample, exchangeable with those of the calibration, lies with probability ``level`` within the
expected error times the score of rank ceil((n + 1) level), for any distribution and any network.
Scores are kept for each cell type by itself.
"""

import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from bluebatch.expression import metrics

Array = npt.NDArray[Any]

# Of a model's arrays.
SCORES = "calibration_score"
LEVEL = 0.9
# Beyond what the members say of themselves: errors grow as a drawn fraction's deviation does,
# and no type is known better than this.
BINOMIAL_SHARE = 0.05
LEAST_DEVIATION = 0.005
# What is left of a mean of squares in float32 when the square of the mean is taken off it.
ROUNDING = 4 * float(np.finfo(np.float32).eps)
# So many scores of a type give levels up to .9995.
MOST_SCORES = 1999
# Stores hold float32: an end that is exact must not miss by its rounding.
END_ROUNDING = 1e-6


class Calibration(NamedTuple):
    """Scores of samples with known fractions.

    Parameters
    ----------
    scores : np.ndarray, shape (cell_type, score)
        In increasing order, NaN after the last.
    """

    scores: Array

    @property
    def n_samples(self) -> Array:
        """Count the scores.

        Returns
        -------
        np.ndarray of int, shape (cell_type,)
            0 for a type whose fraction was never known.
        """
        return np.asarray(np.isfinite(self.scores).sum(axis=1))

    def quantile(self, level: float) -> Array:
        """Find the score that a new sample exceeds with a probability of at most 1 - level.

        Parameters
        ----------
        level : float
            Between 0 and 1.

        Returns
        -------
        np.ndarray, shape (cell_type,)
            NaN for a type with fewer scores than `needed`.
        """
        found = np.full(len(self.scores), np.nan)
        for cell_type, n in enumerate(self.n_samples):
            rank = math.ceil((n + 1) * level - 1e-9)
            if 1 <= rank <= n:
                found[cell_type] = self.scores[cell_type, rank - 1]
        return found


def calibrate(scores: npt.ArrayLike) -> Calibration:
    """Keep the scores of samples in few numbers.

    Parameters
    ----------
    scores : array_like, shape (sample, cell_type)
        From `score`; NaN where a fraction is not known.

    Returns
    -------
    Calibration
        All scores, or where they are more than `MOST_SCORES` of a type so many of them, evenly by
        rank and never too low.
    """
    ordered = np.sort(np.asarray(scores, dtype=np.float64), axis=0).T
    kept = []
    for row in ordered:
        known = row[np.isfinite(row)]
        n_kept = min(len(known), MOST_SCORES)
        ranks = -(-np.arange(1, n_kept + 1) * (len(known) + 1) // (n_kept + 1))
        kept.append(known[ranks - 1])
    longest = max((len(row) for row in kept), default=0)
    table = np.full((len(kept), longest), np.nan, np.float32)
    for cell_type, row in enumerate(kept):
        table[cell_type, : len(row)] = row
    return Calibration(table)


def needed(level: float) -> int:
    """Tell how many samples a level takes.

    Parameters
    ----------
    level : float
        Between 0 and 1.

    Returns
    -------
    int
        The fewest n with ceil((n + 1) level) <= n.
    """
    return max(1, math.ceil(level / (1 - level) - 1e-9))


def member_deviation(mean: npt.ArrayLike, mean_of_squares: npt.ArrayLike) -> Array:
    """Compute the standard deviation of the members around their mean.

    Parameters
    ----------
    mean, mean_of_squares : array_like, one shape
        Over the members, float32.

    Returns
    -------
    np.ndarray
        0 where it is no more than rounding, as of a single member.
    """
    mean = np.asarray(mean, dtype=np.float64)
    variance = np.asarray(mean_of_squares, dtype=np.float64) - mean**2
    return np.asarray(np.sqrt(np.where(variance > ROUNDING * mean**2, variance, 0)))


def expected_error(fraction: npt.ArrayLike, deviation: npt.ArrayLike) -> Array:
    """Tell how large an error is to be expected, in relative terms.

    Parameters
    ----------
    fraction : array_like, shape (sample, cell_type)
        Predicted.
    deviation : array_like, shape (sample, cell_type)
        Of the members, from `member_deviation`.

    Returns
    -------
    np.ndarray, shape (sample, cell_type)
        Above 0; smallest for rare types on which the members agree.
    """
    fraction = np.asarray(fraction, dtype=np.float64)
    drawn = np.sqrt(np.clip(fraction * (1 - fraction), 0, None))
    return np.asarray(LEAST_DEVIATION + BINOMIAL_SHARE * drawn + np.asarray(deviation))


def score(fraction: npt.ArrayLike, error: npt.ArrayLike, truth: npt.ArrayLike) -> Array:
    """Measure how far the truth lies off, in units of the expected error.

    Parameters
    ----------
    fraction, error, truth : array_like, shape (sample, cell_type)
        Predicted, from `expected_error`, and true in the same unit as the prediction.

    Returns
    -------
    np.ndarray, shape (sample, cell_type)
        At least 0; NaN where the truth is.
    """
    return np.asarray(np.abs(np.asarray(truth) - np.asarray(fraction)) / np.asarray(error))


def interval(fraction: npt.ArrayLike, error: npt.ArrayLike, quantile: Array) -> tuple[Array, Array]:
    """Lay an interval around each predicted fraction.

    Parameters
    ----------
    fraction, error : array_like, shape (sample, cell_type)
        Predicted, and from `expected_error`.
    quantile : np.ndarray, shape (cell_type,)
        From `Calibration.quantile`.

    Returns
    -------
    low : np.ndarray, shape (sample, cell_type)
        Not below 0; NaN where the quantile is.
    high : np.ndarray, shape (sample, cell_type)
        Not above 1.
    """
    half = np.asarray(error) * quantile
    fraction = np.asarray(fraction, dtype=np.float64)
    return np.clip(fraction - half, 0, 1), np.clip(fraction + half, 0, 1)


def to_cells(value: npt.ArrayLike, fraction: npt.ArrayLike, factor: npt.ArrayLike) -> Array:
    """Turn one type's fraction of RNA into one of cells, the others keeping their ratios.

    Parameters
    ----------
    value : array_like, shape (sample, cell_type)
        Fractions of RNA, each to be taken by itself: they need not sum to 1.
    fraction : array_like, shape (sample, cell_type)
        Predicted fractions of RNA; rows sum to 1.
    factor : array_like, shape (cell_type,)
        RNA of one cell of each type, in any one unit, above 0.

    Returns
    -------
    np.ndarray, shape (sample, cell_type)
        Fractions of cells: 0 stays 0, 1 stays 1, the prediction becomes the predicted proportion,
        and the order of values is kept.
    """
    value, per_rna = np.asarray(value, dtype=np.float64), 1 / np.asarray(factor, dtype=np.float64)
    own = value * per_rna
    return np.asarray(own / (own + (1 - value) * _cells_of_the_others(fraction, per_rna)))


def to_rna(value: npt.ArrayLike, fraction: npt.ArrayLike, factor: npt.ArrayLike) -> Array:
    """Turn one type's fraction of cells into one of RNA: the inverse of `to_cells`.

    Parameters
    ----------
    value : array_like, shape (sample, cell_type)
        Fractions of cells, each to be taken by itself.
    fraction : array_like, shape (sample, cell_type)
        Predicted fractions of RNA; rows sum to 1.
    factor : array_like, shape (cell_type,)
        RNA of one cell of each type, in any one unit, above 0.

    Returns
    -------
    np.ndarray, shape (sample, cell_type)
        Fractions of RNA.
    """
    value, per_rna = np.asarray(value, dtype=np.float64), 1 / np.asarray(factor, dtype=np.float64)
    others = value * _cells_of_the_others(fraction, per_rna)
    return np.asarray(others / (others + (1 - value) * per_rna))


def coverage(low: npt.ArrayLike, high: npt.ArrayLike, truth: npt.ArrayLike) -> dict[str, Array]:
    """Count how often the truth lies within its interval.

    Parameters
    ----------
    low, high : array_like, shape (sample, cell_type)
        Ends of the intervals; NaN where there is none.
    truth : array_like, shape (sample, cell_type)
        On the same scale; NaN where it is not known.

    Returns
    -------
    dict of str to np.ndarray, shape (cell_type,)
        ``coverage`` (share of samples within, ends included), ``width`` (mean) and ``n_samples``,
        over samples with both interval and truth; NaN where there is none.
    """
    below, above, true = np.broadcast_arrays(
        *(np.asarray(values, dtype=np.float64) for values in (low, high, truth))
    )
    known = ~(np.isnan(below) | np.isnan(above) | np.isnan(true))
    n_samples = known.sum(axis=0)
    # A comparison with NaN is false.
    within = (true >= below - END_ROUNDING) & (true <= above + END_ROUNDING)
    width = np.where(known, above - below, 0).sum(axis=0)
    return {
        "coverage": metrics.ratio((within & known).sum(axis=0), n_samples),
        "width": metrics.ratio(width, n_samples),
        "n_samples": n_samples,
    }


def _cells_of_the_others(fraction: npt.ArrayLike, per_rna: Array) -> Array:
    """Count the cells, for each type, in one unit of the other types' RNA."""
    fraction = np.asarray(fraction, dtype=np.float64)
    n_types = fraction.shape[-1]
    # Summed without the type itself: taken off the whole, nothing would be left of a small rest.
    others = fraction[..., np.newaxis, :] * (1 - np.eye(n_types))
    rna, cells = others.sum(axis=-1), (others * per_rna).sum(axis=-1)
    # Where the type is all there is, its others are taken in equal parts.
    unknown = (np.sum(per_rna) - per_rna) / (n_types - 1) if n_types > 1 else per_rna
    filled = np.broadcast_to(unknown, rna.shape).copy()
    return np.asarray(np.divide(cells, rna, out=filled, where=rna > 0))
