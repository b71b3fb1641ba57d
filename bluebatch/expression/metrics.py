"""Scores of fractions and profiles: the one place where any of them is computed.

Every function takes arrays of one shape and reduces one axis, or everything. Pairs in which either
side is NaN are left out. A predictor of the mean has skill 0; the truth itself has skill 1.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.stats

Array = npt.NDArray[Any]


def l1(predicted: npt.ArrayLike, truth: npt.ArrayLike, axis: int | None = None) -> Array:
    """Measure the mean absolute difference.

    Parameters
    ----------
    predicted, truth : array_like, one shape
        Values on one scale.
    axis : int, optional
        Axis to reduce; all by default.

    Returns
    -------
    np.ndarray
        In the unit of the values; NaN where no pair is left.
    """
    y, x, n = _pairs(predicted, truth, axis)
    return ratio(np.nansum(np.abs(y - x), axis=axis), n)


def rmse(predicted: npt.ArrayLike, truth: npt.ArrayLike, axis: int | None = None) -> Array:
    """Measure the root of the mean squared difference.

    Parameters
    ----------
    predicted, truth : array_like, one shape
        Values on one scale.
    axis : int, optional
        Axis to reduce; all by default.

    Returns
    -------
    np.ndarray
        In the unit of the values; NaN where no pair is left.
    """
    y, x, n = _pairs(predicted, truth, axis)
    return np.asarray(np.sqrt(ratio(np.nansum((y - x) ** 2, axis=axis), n)))


def pearson(predicted: npt.ArrayLike, truth: npt.ArrayLike, axis: int | None = None) -> Array:
    """Measure linear correlation.

    Parameters
    ----------
    predicted, truth : array_like, one shape
        Values on any scales.
    axis : int, optional
        Axis to reduce; all by default.

    Returns
    -------
    np.ndarray
        Dimensionless, -1 to 1; NaN where either side is constant.
    """
    y, x, _ = _pairs(predicted, truth, axis)
    y, x = _centre(y, axis), _centre(x, axis)
    scale = np.sqrt(np.nansum(y**2, axis=axis)) * np.sqrt(np.nansum(x**2, axis=axis))
    return np.asarray(np.clip(ratio(np.nansum(y * x, axis=axis), scale), -1, 1))


def spearman(predicted: npt.ArrayLike, truth: npt.ArrayLike, axis: int | None = None) -> Array:
    """Measure correlation of ranks, ties at their mean rank.

    Parameters
    ----------
    predicted, truth : array_like, one shape
        Values on any scales.
    axis : int, optional
        Axis to reduce; all by default.

    Returns
    -------
    np.ndarray
        Dimensionless, -1 to 1; NaN where either side is constant.
    """
    y, x = np.broadcast_arrays(np.asarray(predicted, float), np.asarray(truth, float))
    gap = np.isnan(y) | np.isnan(x)
    ranks = [
        scipy.stats.rankdata(np.where(gap, np.nan, side), axis=axis, nan_policy="omit")
        for side in (y, x)
    ]
    y, x = (rank.reshape(gap.shape) for rank in ranks)
    return pearson(y, x, axis)


def concordance(predicted: npt.ArrayLike, truth: npt.ArrayLike, axis: int | None = None) -> Array:
    """Measure agreement with Lin's concordance correlation coefficient.

    Parameters
    ----------
    predicted, truth : array_like, one shape
        Values on one scale.
    axis : int, optional
        Axis to reduce, e.g. 0 for one value a gene; all by default.

    Returns
    -------
    np.ndarray
        Dimensionless, -1 to 1; NaN where both sides are constant and equal.

    References
    ----------
    Lin LI (1989). Biometrics 45(1):255-268.
    """
    y, x, n = _pairs(predicted, truth, axis)
    shift = ratio(np.nansum(y - x, axis=axis), n)
    y, x = _centre(y, axis), _centre(x, axis)
    spread = np.nansum(y**2, axis=axis) + np.nansum(x**2, axis=axis) + n * shift**2
    # Equal constants (0/0) are neither agreement nor disagreement: kept out of every average.
    return ratio(2 * np.nansum(y * x, axis=axis), spread)


def r_squared(predicted: npt.ArrayLike, truth: npt.ArrayLike, axis: int | None = None) -> Array:
    """Measure the share of the truth's variance that is explained.

    Parameters
    ----------
    predicted, truth : array_like, one shape
        Values on one scale.
    axis : int, optional
        Axis to reduce; all by default.

    Returns
    -------
    np.ndarray
        Dimensionless, at most 1; NaN where the truth is constant.
    """
    y, x, _ = _pairs(predicted, truth, axis)
    total = np.nansum(_centre(x, axis) ** 2, axis=axis)
    return np.asarray(1 - ratio(np.nansum((y - x) ** 2, axis=axis), total))


def skill(
    predicted: npt.ArrayLike,
    truth: npt.ArrayLike,
    mean_profile: npt.ArrayLike,
    axis: int | None = None,
) -> Array:
    """Measure the share of the squared error of the training mean that is saved.

    Parameters
    ----------
    predicted, truth : array_like, shape (sample, gene)
        Expression, log2(1 + CPM). A NaN prediction counts as the mean profile.
    mean_profile : array_like, shape (gene,)
        Mean over training samples.
    axis : int, optional
        Axis to reduce, e.g. 0 for one value a gene; all by default.

    Returns
    -------
    np.ndarray
        Dimensionless, at most 1, 0 for the mean profile; NaN where the mean profile is exact.
    """
    base = np.broadcast_to(np.asarray(mean_profile, float), np.shape(truth))
    y = np.asarray(predicted, float)
    y = np.where(np.isnan(y), base, y)
    left = rmse(y, truth, axis) ** 2
    return np.asarray(1 - ratio(left, rmse(base, truth, axis) ** 2))


FRACTION_SCORES = {
    "ccc": concordance,
    "l1": l1,
    "r": pearson,
    "spearman": spearman,
    "r2": r_squared,
    "rmse": rmse,
}


def score_fractions(
    predicted: npt.ArrayLike, truth: npt.ArrayLike
) -> tuple[dict[str, Array], dict[str, float], dict[str, float]]:
    """Score fractions per cell type, on average over the types, and flattened.

    Parameters
    ----------
    predicted, truth : array_like, shape (sample, cell_type)
        Fractions.

    Returns
    -------
    per_type : dict of str to np.ndarray, shape (cell_type,)
        ``ccc``, ``l1``, ``r``, ``spearman``, ``r2``, ``rmse``. A constant prediction has no
        correlation (NaN); its concordance is 0.
    mean : dict of str to float
        Means over the types for which the score exists: the headline.
    flattened : dict of str to float
        Scores over all samples and types at once.
    """
    per_type = {name: score(predicted, truth, 0) for name, score in FRACTION_SCORES.items()}
    mean = {name: mean_of(values) for name, values in per_type.items()}
    flattened = {name: float(score(predicted, truth)) for name, score in FRACTION_SCORES.items()}
    return per_type, mean, flattened


def mean_of(values: npt.ArrayLike) -> float:
    """Average what exists.

    Parameters
    ----------
    values : array_like
        Scores, NaN where there is none.

    Returns
    -------
    float
        NaN where there is none at all.
    """
    present = np.asarray(values, float)
    present = present[np.isfinite(present)]
    return float(present.mean()) if present.size else float("nan")


def median_of(values: npt.ArrayLike) -> float:
    """Take the median of what exists.

    Parameters
    ----------
    values : array_like
        Scores, NaN where there is none.

    Returns
    -------
    float
        NaN where there is none at all.
    """
    present = np.asarray(values, float)
    present = present[np.isfinite(present)]
    return float(np.median(present)) if present.size else float("nan")


def ratio(part: npt.ArrayLike, whole: npt.ArrayLike) -> Array:
    """Divide where there is something to divide by.

    Parameters
    ----------
    part, whole : array_like
        Numerator and denominator, broadcast against each other.

    Returns
    -------
    np.ndarray
        NaN where the denominator is not above 0.
    """
    part, whole = np.asarray(part, dtype=np.float64), np.asarray(whole, dtype=np.float64)
    nothing = np.full(np.broadcast_shapes(part.shape, whole.shape), np.nan)
    return np.asarray(np.divide(part, whole, out=nothing, where=whole > 0))


def _pairs(
    predicted: npt.ArrayLike, truth: npt.ArrayLike, axis: int | None
) -> tuple[Array, Array, Array]:
    y, x = np.broadcast_arrays(
        np.asarray(predicted, dtype=np.float64), np.asarray(truth, dtype=np.float64)
    )
    gap = np.isnan(y) | np.isnan(x)
    return np.where(gap, np.nan, y), np.where(gap, np.nan, x), np.asarray((~gap).sum(axis=axis))


def _centre(values: Array, axis: int | None) -> Array:
    total = np.nansum(values, axis=axis, keepdims=True)
    n = np.isfinite(values).sum(axis=axis, keepdims=True)
    centred = values - total / np.maximum(n, 1)
    # Rounding leaves a constant row a little off 0, which a ratio would blow up.
    scale = np.nanmax(np.abs(values), axis=axis, keepdims=True, initial=0)
    return np.asarray(np.where(np.abs(centred) <= 1e-13 * scale, 0 * centred, centred))
