"""Scores of one cell type's profiles, summed over blocks of samples."""

from typing import Any

import numpy as np
import numpy.typing as npt

from bluebatch.expression import metrics

Array = npt.NDArray[Any]


class ProfileScores:
    """Sums over samples from which a cell type's profile scores are computed.

    Everything is summed as distance from the training mean, so that no digits are lost to it.

    Parameters
    ----------
    mean_profile : np.ndarray, shape (gene,)
        Mean training profile, log2(1 + CPM): has skill 0, and stands in for a NaN prediction.
    """

    def __init__(self, mean_profile: Array) -> None:
        self.mean_profile = np.asarray(mean_profile, dtype=np.float64)
        self.n_samples = 0
        self.concordance_sum = 0.0
        # Sums of y, x, y^2, x^2, xy and (y - x)^2.
        self.sums = np.zeros((6, len(self.mean_profile)))

    def add(self, predicted: Array, truth: Array) -> None:
        """Add a block of samples.

        Parameters
        ----------
        predicted, truth : np.ndarray, shape (sample, gene)
            Log2(1 + CPM); the truth without NaN.
        """
        if not len(truth):
            return
        x = truth.astype(np.float64) - self.mean_profile
        y = predicted.astype(np.float64) - self.mean_profile
        y = np.where(np.isnan(y), 0, y)
        self.n_samples += len(x)
        self.sums += [
            y.sum(axis=0),
            x.sum(axis=0),
            np.einsum("ng,ng->g", y, y),
            np.einsum("ng,ng->g", x, x),
            np.einsum("ng,ng->g", x, y),
            np.einsum("ng,ng->g", y - x, y - x),
        ]
        self.concordance_sum += self._concordance_across_genes(y, x)

    def skill_by_gene(self) -> Array:
        """Compute the skill of each gene.

        Returns
        -------
        np.ndarray, shape (gene,)
            NaN where the mean profile is exact.
        """
        return np.asarray(1 - metrics.ratio(self.sums[5], self.sums[3]))

    def correlation_by_gene(self) -> Array:
        """Correlate prediction and truth of each gene across samples.

        Returns
        -------
        np.ndarray, shape (gene,)
            NaN where either side is constant.
        """
        n = max(self.n_samples, 1)
        y, x, yy, xx, xy, _ = self.sums
        spread_y, spread_x = yy - y * y / n, xx - x * x / n
        # What rounding leaves of a constant is no variance.
        flat = (spread_y <= 1e-10 * np.maximum(yy, 1e-12)) | (spread_x <= 1e-10 * xx)
        scale = np.sqrt(np.maximum(spread_y, 0) * np.maximum(spread_x, 0))
        r = metrics.ratio(xy - x * y / n, np.where(flat, 0, scale))
        return np.asarray(np.clip(r, -1, 1))

    def _concordance_across_genes(self, y: Array, x: Array) -> float:
        """Sum over samples what `metrics.concordance` says across genes, without gaps."""
        y, x = y + self.mean_profile, x + self.mean_profile
        shift = (y.mean(axis=1) - x.mean(axis=1)) ** 2 * y.shape[1]
        y -= y.mean(axis=1, keepdims=True)
        x -= x.mean(axis=1, keepdims=True)
        yy, xx, xy = (np.einsum("ng,ng->n", *pair) for pair in ((y, y), (x, x), (x, y)))
        return float(np.nansum(metrics.ratio(2 * xy, yy + xx + shift)))

    def summary(self) -> dict[str, float]:
        """Summarise over genes.

        Returns
        -------
        dict of str to float
            ``skill`` over all genes at once, ``median_r`` over genes across samples, ``rmse``,
            ``ccc_across_genes`` averaged over samples, ``n_samples``.
        """
        n = self.n_samples
        error = float(self.sums[5].sum())
        return {
            "skill": float(1 - metrics.ratio(error, self.sums[3].sum())),
            "median_r": metrics.median_of(self.correlation_by_gene()),
            "rmse": float(np.sqrt(metrics.ratio(error, n * len(self.mean_profile)))),
            "ccc_across_genes": float(metrics.ratio(self.concordance_sum, n)),
            "n_samples": n,
        }
