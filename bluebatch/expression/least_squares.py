"""Fractions of RNA by non-negative least squares on mean profiles, with or without weights."""

from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.optimize

Array = npt.NDArray[Any]


def weigh_genes(variance: npt.ArrayLike) -> Array:
    """Weigh genes by one over their variance across profiles of one type.

    Parameters
    ----------
    variance : array_like, shape (cell_type, gene)
        Variance of each type's linear profiles across samples, CPM squared.

    Returns
    -------
    np.ndarray, shape (gene,)
        Per CPM squared: 1 / (1 + the mean over types), the 1 lest silent genes decide.

    Notes
    -----
    After MuSiC (Wang X, Park J, Susztak K, Zhang NR, Li M (2019). Nature Communications 10:380),
    whose variances are across subjects, and weighted anew by each sample's fractions.
    """
    return np.asarray(1 / (1 + np.asarray(variance, dtype=np.float64).mean(axis=0)))


def solve_fractions(
    cpm: npt.ArrayLike, profiles: npt.ArrayLike, weights: npt.ArrayLike | None = None
) -> Array:
    """Estimate RNA fractions by non-negative least squares.

    Parameters
    ----------
    cpm : array_like, shape (sample, gene)
        Bulk CPM, linear; NaN where a gene is not measured.
    profiles : array_like, shape (cell_type, gene)
        Mean profiles, CPM.
    weights : array_like, shape (gene,), optional
        Of each gene's squared error; alike by default.

    Returns
    -------
    np.ndarray, shape (sample, cell_type)
        Rows sum to 1; NaN where nothing could be assigned.
    """
    bulk = np.asarray(cpm, dtype=np.float64)
    design = np.asarray(profiles, dtype=np.float64).T
    scale = np.ones(len(design)) if weights is None else np.sqrt(weights)
    fractions = np.full((len(bulk), design.shape[1]), np.nan)
    for row, sample in enumerate(bulk):
        measured = np.isfinite(sample)
        own = scale[measured]
        parts, _ = scipy.optimize.nnls(
            design[measured] * own[:, np.newaxis], sample[measured] * own
        )
        if parts.sum() > 0:
            fractions[row] = parts / parts.sum()
    return fractions
