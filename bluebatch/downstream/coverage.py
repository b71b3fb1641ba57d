"""How often intervals hold what they are meant to hold, and how wide they are."""

from typing import Any

import numpy as np
import numpy.typing as npt

from bluebatch.expression import metrics

Array = npt.NDArray[Any]

# Stores hold float32: an end that is exact must not miss by its rounding.
ROUNDING = 1e-6


def measure(low: npt.ArrayLike, high: npt.ArrayLike, truth: npt.ArrayLike) -> dict[str, Any]:
    """Count how often the truth lies within its interval.

    Parameters
    ----------
    low, high : array_like, shape (sample, cell_type)
        Ends of the intervals; NaN where there is none.
    truth : array_like, shape (sample, cell_type)
        On the same scale; NaN where it is not known.

    Returns
    -------
    dict of str to Any
        ``per_type``: ``coverage`` (share of samples within, ends included), ``width`` (mean) and
        ``n_samples``, arrays of shape (cell_type,) over samples with both interval and truth; NaN
        where there is none. ``mean``: means of ``coverage`` and ``width`` over the types for which
        they exist.
    """
    below, above, true = np.broadcast_arrays(
        *(np.asarray(values, dtype=np.float64) for values in (low, high, truth))
    )
    known = ~(np.isnan(below) | np.isnan(above) | np.isnan(true))
    n_samples = known.sum(axis=0)
    # A comparison with NaN is false.
    within = (true >= below - ROUNDING) & (true <= above + ROUNDING)
    width = np.where(known, above - below, 0).sum(axis=0)
    per_type = {
        "coverage": metrics.ratio((within & known).sum(axis=0), n_samples),
        "width": metrics.ratio(width, n_samples),
    }
    mean = {name: metrics.mean_of(values) for name, values in per_type.items()}
    return {"per_type": {**per_type, "n_samples": n_samples}, "mean": mean}
