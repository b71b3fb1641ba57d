"""How often the intervals of a result hold what they are meant to hold, and how wide they are."""

from typing import Any

import numpy.typing as npt

from bluebatch.expression import conformal, metrics


def measure(low: npt.ArrayLike, high: npt.ArrayLike, truth: npt.ArrayLike) -> dict[str, Any]:
    """Count how often the truth lies within its interval, by type and on average.

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
    per_type = conformal.coverage(low, high, truth)
    mean = {name: metrics.mean_of(per_type[name]) for name in ("coverage", "width")}
    return {"per_type": per_type, "mean": mean}
