"""A sample's profiles in closed form: a curve in the proportion, and a fair share of what is left.

The logarithm of few cells' counts is biased low and noisy, so the expected log profile of a type
and its variance are curves in the number of its cells. Given both, a sample's surprise against
the expected mixture is shared out among the cell types by how much of it each can explain.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from bluebatch.expression import normalise

Array = npt.NDArray[Any]
VARIANCE_FLOOR = 0.01
SHARED_DEVIATION = 0.8
SAMPLE_DEVIATION = 0.5


class Curve(NamedTuple):
    """Expected log profile and its variance as functions of the number of cells.

    Parameters
    ----------
    level : np.ndarray, shape (cell_type, 5, gene)
        Coefficients of `level_terms`.
    variance : np.ndarray, shape (cell_type, 3, gene)
        Coefficients of `variance_terms`.
    cells : np.ndarray, shape (1,)
        Cells of a whole sample; a type of proportion p has ``cells * p`` of them.
    seen : np.ndarray, shape (cell_type, 2)
        Fewest and most cells of a type among the training samples: no curve holds beyond them.
    """

    level: Array
    variance: Array
    cells: Array
    seen: Array

    def n_cells(self, proportion: Array, *, bulk: bool = False) -> Array:
        """Convert proportions to numbers of cells.

        Parameters
        ----------
        proportion : np.ndarray, shape (sample, cell_type)
            Fractions of cells.
        bulk : bool
            Whether the samples are tissue: as many cells as the curve has seen, whatever the
            proportion.

        Returns
        -------
        np.ndarray, shape (sample, cell_type)
            Within what training has seen of each type.
        """
        fewest, most = np.asarray(self.seen, np.float64).T
        if bulk:
            return np.array(np.broadcast_to(most, np.shape(proportion)))
        cells = np.asarray(proportion, np.float64) * float(self.cells[0])
        return np.asarray(np.clip(cells, fewest, most))

    def predict(self, n_cells: Array, cell_type: int) -> Array:
        """Predict one cell type's log profile from the number of its cells alone.

        Parameters
        ----------
        n_cells : np.ndarray, shape (sample,)
            Cells of the type.
        cell_type : int
            Which.

        Returns
        -------
        np.ndarray, shape (sample, gene)
            Log2(1 + CPM).
        """
        return np.asarray(level_terms(n_cells) @ self.level[cell_type])

    def spread(self, n_cells: Array, cell_type: int) -> Array:
        """Predict the variance around the anchor.

        Parameters
        ----------
        n_cells : np.ndarray, shape (sample,)
            Cells of the type.
        cell_type : int
            Which.

        Returns
        -------
        np.ndarray, shape (sample, gene)
            Square of log2(1 + CPM), at least `VARIANCE_FLOOR`.
        """
        raw = variance_terms(n_cells) @ self.variance[cell_type]
        return np.asarray(np.maximum(raw, VARIANCE_FLOOR))

    def least_spread(self) -> Array:
        """Predict the variance around the anchor at as many cells as training has seen.

        Returns
        -------
        np.ndarray, shape (cell_type, gene)
            Square of log2(1 + CPM), at least `VARIANCE_FLOOR`.
        """
        most = np.asarray(self.seen)[:, 1:]
        return np.concatenate([self.spread(cells, t) for t, cells in enumerate(most)])


def level_terms(n_cells: Array) -> Array:
    """Lay out the terms of the expected log profile.

    Parameters
    ----------
    n_cells : np.ndarray, shape (sample,)
        Cells of the type, at least 1.

    Returns
    -------
    np.ndarray, shape (sample, 5)
        1, log2 k, 1/k, 1/sqrt k, (log2 k)^2.
    """
    k = np.maximum(np.asarray(n_cells, dtype=np.float64), 1)
    log_k = np.log2(k)
    return np.stack([np.ones_like(k), log_k, 1 / k, 1 / np.sqrt(k), log_k**2], axis=-1)


def variance_terms(n_cells: Array) -> Array:
    """Lay out the terms of the variance.

    Parameters
    ----------
    n_cells : np.ndarray, shape (sample,)
        Cells of the type, at least 1.

    Returns
    -------
    np.ndarray, shape (sample, 3)
        1/k, 1/sqrt k, 1.
    """
    k = np.maximum(np.asarray(n_cells, dtype=np.float64), 1)
    return np.stack([1 / k, 1 / np.sqrt(k), np.ones_like(k)], axis=-1)


def solve_normal(gram: Array, moment: Array) -> Array:
    """Solve normal equations whose terms may be collinear.

    Parameters
    ----------
    gram : np.ndarray, shape (term, term)
        Sums of products of the terms.
    moment : np.ndarray, shape (term, gene)
        Sums of products of terms and targets.

    Returns
    -------
    np.ndarray, shape (term, gene)
        Least-squares coefficients, of least norm where they are not unique.
    """
    scale = np.sqrt(np.diag(gram))
    scale = np.where(scale > 0, scale, 1)
    solved = np.linalg.pinv(gram / np.outer(scale, scale), rcond=1e-10, hermitian=True)
    return np.asarray(solved @ (moment / scale[:, np.newaxis]) / scale[:, np.newaxis])


def fit_variance(
    blocks: Iterable[Mapping[str, Array]],
    level: Array,
    remainder: Callable[[Array, int], Array],
    cells: int,
) -> Array:
    """Fit the variance around the anchor as a curve in the number of cells.

    Parameters
    ----------
    blocks : iterable of mapping
        Rows, best held out, with ``input``, ``profile`` and ``proportion``.
    level : np.ndarray, shape (cell_type, 5, gene)
        Coefficients of the expected log profile.
    remainder : callable
        Predicts what the curve leaves from inputs and the index of a cell type.
    cells : int
        Cells of a whole sample.

    Returns
    -------
    np.ndarray, shape (cell_type, 3, gene)
        Coefficients of `variance_terms`.
    """
    n_types, _, n_genes = level.shape
    gram = np.zeros((n_types, 3, 3))
    moment = np.zeros((n_types, 3, n_genes))
    for block in blocks:
        for cell_type in range(n_types):
            here = np.isfinite(block["profile"][:, cell_type]).all(axis=1)
            n_cells = block["proportion"][here, cell_type].astype(np.float64) * cells
            expected = level_terms(n_cells) @ level[cell_type]
            expected += remainder(block["input"][here], cell_type)
            terms = variance_terms(n_cells)
            gram[cell_type] += terms.T @ terms
            moment[cell_type] += terms.T @ (block["profile"][here, cell_type] - expected) ** 2
    pairs = zip(gram, moment, strict=True)
    return np.stack([solve_normal(*pair) for pair in pairs])


def share_surprise(anchors: Array, variances: Array, rna_fraction: Array, log_cpm: Array) -> Array:
    """Share each sample's surprise out among its cell types.

    Parameters
    ----------
    anchors : np.ndarray, shape (sample, cell_type, gene)
        Expected log profiles, log2(1 + CPM).
    variances : np.ndarray, shape (sample or 1, cell_type, gene)
        Their variances.
    rna_fraction : np.ndarray, shape (sample, cell_type)
        Fraction of RNA; 0 for an absent type.
    log_cpm : np.ndarray, shape (sample, gene)
        The bulk sample, log2(1 + CPM); where it is NaN the anchors stay.

    Returns
    -------
    np.ndarray, shape (sample, cell_type, gene)
        Log profiles, clipped at 0.

    Notes
    -----
    With a the anchors, q the RNA fractions and L = q (2^a - 1), type j explains the share
    s_j = L_j / sum L of the mixture. The surprise r = b - log2(sum L + 1) is credited by
    (tau^2 + s_j V_j) / (tau^2 + sum s^2 V + sn^2): tau^2 is variance that a study's types have in
    common, sn^2 that of the sample itself.
    """
    kind = np.result_type(anchors, variances, rna_fraction, log_cpm)
    shared, own = SHARED_DEVIATION**2, SAMPLE_DEVIATION**2
    # One array throughout: shares of the mixture, their credits, their changes.
    share, total = _share_mixture(anchors, rna_fraction, kind)
    surprise = log_cpm[:, np.newaxis] - normalise.log_transform(total)
    variance = np.square(share)
    variance *= variances
    explained = shared + variance.sum(axis=1, keepdims=True) + own
    share *= variances
    share += shared
    share /= explained
    share *= surprise
    np.copyto(share, 0, where=~np.isfinite(surprise))
    share += anchors
    return np.maximum(share, 0, out=share)


def posterior_variance(
    anchors: Array, variances: Array, rna_fraction: Array, log_cpm: Array
) -> Array:
    """Compute what `share_surprise` leaves open of each profile.

    Parameters
    ----------
    anchors : np.ndarray, shape (sample, cell_type, gene)
        Expected log profiles, log2(1 + CPM).
    variances : np.ndarray, shape (sample or 1, cell_type, gene)
        Their variances.
    rna_fraction : np.ndarray, shape (sample, cell_type)
        Fraction of RNA; 0 for an absent type.
    log_cpm : np.ndarray, shape (sample, gene)
        The bulk sample, log2(1 + CPM); where it is NaN nothing is learnt from it.

    Returns
    -------
    np.ndarray, shape (sample, cell_type, gene)
        Square of log2(1 + CPM), above 0 where the variances are.

    Notes
    -----
    In the notation of `share_surprise`: the deviations are Gaussian, one of variance tau^2 that
    all types share and one of variance V_j a type. Before the sample is seen the variance is
    V_j + tau^2; the surprise takes (tau^2 + s_j V_j)^2 / (tau^2 + sum s^2 V + sn^2) off it.
    """
    kind = np.result_type(anchors, variances, rna_fraction, log_cpm)
    shared, own = SHARED_DEVIATION**2, SAMPLE_DEVIATION**2
    # One array throughout: shares of the mixture, what is learnt, what is left.
    left, _ = _share_mixture(anchors, rna_fraction, kind)
    squared = np.square(left)
    squared *= variances
    explained = shared + squared.sum(axis=1, keepdims=True) + own
    left *= variances
    left += shared
    np.square(left, out=left)
    left /= explained
    np.copyto(left, 0, where=~np.isfinite(log_cpm)[:, np.newaxis])
    np.subtract(variances + kind.type(shared), left, out=left)
    return left


def _share_mixture(anchors: Array, rna_fraction: Array, kind: np.dtype[Any]) -> tuple[Array, Array]:
    """Find each type's share of the expected mixture, in one array, and the mixture's sum."""
    share = np.exp2(anchors, dtype=kind)
    share -= 1
    np.maximum(share, 0, out=share)
    share *= rna_fraction[:, :, np.newaxis]
    total = share.sum(axis=1, keepdims=True)
    return np.divide(share, total, out=share, where=total > 0), total
