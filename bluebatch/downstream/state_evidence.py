"""Whether two groups of patients are further apart than any two halves of one cloud.

Leiden splits whatever it is given, and finds the same halves of a lengthy cloud again and again.
So a partition is compared with the best halves of clouds without groups, in which the lengths of
all axes are the observed ones.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import scipy.linalg

Array = npt.NDArray[Any]

STARTS = 16
ITERATIONS = 30


class Null(NamedTuple):
    """Clouds without groups.

    Parameters
    ----------
    n_draws : int
        Most that are drawn.
    alpha : float
        Largest p of interest.
    gradient : bool
        Whether patients are spread evenly along one axis, instead of normally along all.
    """

    n_draws: int
    alpha: float
    gradient: bool


def orthonormal(scores: Array) -> Array:
    """Give every axis of a cloud the same length.

    Parameters
    ----------
    scores : np.ndarray, shape (patient, component)
        Where each patient lies.

    Returns
    -------
    np.ndarray, shape (patient, component)
        Orthonormal columns of mean 0; fewer where the cloud is flat.
    """
    centred = np.asarray(scores, np.float64) - np.mean(scores, axis=0, dtype=np.float64)
    left, lengths, _ = scipy.linalg.svd(centred, full_matrices=False)
    return np.asarray(left[:, lengths > 1e-6 * max(lengths[0], 1e-300)])


def separate(cloud: Array, index: Array) -> float:
    """Measure how far two groups lie apart, whatever the lengths of the axes.

    Parameters
    ----------
    cloud : np.ndarray, shape (patient, component)
        Orthonormal columns of mean 0.
    index : np.ndarray of int, shape (patient,)
        0 or 1.

    Returns
    -------
    float
        Share of the variance along the discriminant axis that lies between the groups, 0 to 1:
        the squared multiple correlation of the group with the axes.
    """
    inside = np.asarray(index, bool)
    n_all, n_inside = len(inside), int(inside.sum())
    total = cloud[inside].sum(axis=0)
    return float(total @ total * n_all / (n_inside * (n_all - n_inside)))


def halve(cloud: Array, rng: np.random.Generator, smallest: int) -> float:
    """Separate a cloud as far as it can be: the best two means of several starts.

    Parameters
    ----------
    cloud : np.ndarray, shape (patient, component)
        Orthonormal columns of mean 0.
    rng : np.random.Generator
        Draws the directions of the first cuts, beside the axes themselves.
    smallest : int
        Patients that each half needs.

    Returns
    -------
    float
        As `separate`.
    """
    n_all, n_axes = cloud.shape
    directions = rng.standard_normal((n_axes, STARTS))
    own = min(n_axes, STARTS // 2)
    directions[:, :own] = np.eye(n_axes)[:, :own]
    inside = cloud @ directions > 0
    best = 0.0
    for _ in range(ITERATIONS):
        n_inside = inside.sum(axis=0).astype(np.float64)
        allowed = (n_inside >= smallest) & (n_all - n_inside >= smallest)
        if not allowed.any():
            break
        inside, n_inside = inside[:, allowed], n_inside[allowed]
        total = cloud.T @ inside.astype(np.float64)
        apart = (total**2).sum(axis=0) * n_all / (n_inside * (n_all - n_inside))
        best = max(best, float(apart.max()))
        one, other = total / n_inside, -total / (n_all - n_inside)
        border = ((one**2).sum(axis=0) - (other**2).sum(axis=0)) / 2
        again = cloud @ (one - other) > border
        if np.array_equal(again, inside):
            break
        inside = again
    return best


def draw_cloud(shape: tuple[int, int], rng: np.random.Generator, *, gradient: bool) -> Array:
    """Draw a cloud without groups.

    Parameters
    ----------
    shape : tuple of int
        Patients and axes.
    rng : np.random.Generator
        Draws it.
    gradient : bool
        Whether patients are spread evenly along the first axis, instead of normally.

    Returns
    -------
    np.ndarray, shape (patient, component)
        Orthonormal columns of mean 0.
    """
    drawn = rng.standard_normal(shape)
    if gradient:
        drawn[:, 0] = rng.random(shape[0])
    drawn -= drawn.mean(axis=0)
    return np.asarray(np.linalg.qr(drawn)[0])


def compare(
    separation: float,
    shape: tuple[int, int],
    null: Null,
    smallest: int,
    rng: np.random.Generator,
) -> float:
    """Compare a separation with the best halves of clouds without groups.

    Parameters
    ----------
    separation : float
        Of the two groups.
    shape : tuple of int
        Patients and axes.
    null : Null
        What is drawn. Drawing ends when alpha cannot be reached any more.
    smallest : int
        Patients that each half needs.
    rng : np.random.Generator
        Draws the clouds.

    Returns
    -------
    float
        The p, above 0, at most 1. After Besag and Clifford, the share of draws that are as
        separate where drawing ended early.

    Notes
    -----
    Let the rows of a centred matrix be draws of one normal distribution with any covariance. Its
    left singular vectors are then uniformly distributed, whatever its singular values and right
    singular vectors are (the rotation test). Drawing them anew therefore keeps the observed
    spectrum exactly, and no covariance is estimated. The observed groups may come from any search:
    they are compared with the best halves that a cloud has.

    References
    ----------
    Langsrud O (2005). Statistics and Computing 15:53-60 (rotation tests). Liu Y, Hayes DN, Nobel A,
    Marron JS (2008). Journal of the American Statistical Association 103:1281-1293 (two clusters
    against one normal cloud). Besag J, Clifford P (1991). Biometrika 78:301-304.
    """
    reached = 0
    for n_drawn in range(1, null.n_draws + 1):
        cloud = draw_cloud(shape, rng, gradient=null.gradient)
        reached += halve(cloud, rng, smallest) >= separation
        p = (reached + 1) / (null.n_draws + 1)
        if p > null.alpha:
            return max(p, reached / n_drawn)
    return (reached + 1) / (null.n_draws + 1)
