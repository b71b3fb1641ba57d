"""A cohort's profiles brought to its own study: one shift a cell type and gene.

A study's cell types differ from those of the training data, mostly all in one direction. Each
sample shows a mixture of these differences, weighted by what each type contributes to the gene,
so samples of different composition tell the types apart. With a shift ``D`` of the expected log
profiles a sample's surprise is ``r = s' D`` and an error, where ``s`` are the types' shares of the
mixture; the posterior mean of ``D`` is a small solve a gene, from sums over the samples.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from bluebatch.expression import normalise

Array = npt.NDArray[Any]

# Fewer samples do not tell the cell types apart.
MIN_SAMPLES = 20
# The surprise is a curve in the shift: it is taken for a line anew so many times.
PASSES = 2
# Prior variance of a shift that all types of a gene share, and of each type's own.
SHARED_VARIANCE = 1.0
OWN_VARIANCE = 0.25
# Error of a sample's surprise beside the profiles' variances: of the sample, of its measurement.
SAMPLE_VARIANCE = 0.16
MEASUREMENT_VARIANCE = 0.09


class Sums:
    """Sums over a cohort's samples from which its shift is solved; as large for any cohort.

    Parameters
    ----------
    n_types, n_genes : int
        Lengths of the axes.

    Attributes
    ----------
    precision : np.ndarray, shape (cell_type, cell_type, gene)
        Sums of s s' / variance.
    moment : np.ndarray, shape (cell_type, gene)
        Sums of s r / variance.
    """

    def __init__(self, n_types: int, n_genes: int) -> None:
        self.precision = np.zeros((n_types, n_types, n_genes))
        self.moment = np.zeros((n_types, n_genes))

    def add(
        self, anchors: Array, variances: Array, rna_fraction: Array, log_cpm: Array, shift: Array
    ) -> None:
        """Add samples, seen from a shift as it is known so far.

        Parameters
        ----------
        anchors : np.ndarray, shape (sample, cell_type, gene)
            Expected log profiles, log2(1 + CPM).
        variances : np.ndarray, shape (cell_type, gene)
            Their variances.
        rna_fraction : np.ndarray, shape (sample, cell_type)
            Fraction of RNA; NaN throughout a sample leaves it out.
        log_cpm : np.ndarray, shape (sample, gene)
            The bulk samples, log2(1 + CPM); NaN where a gene is not measured.
        shift : np.ndarray, shape (cell_type, gene)
            Around which the surprise is taken for a line; zeros at first.
        """
        expected = np.maximum(np.asarray(anchors, np.float64) + shift, 0)
        parts = (np.exp2(expected) - 1) * np.asarray(rna_fraction, np.float64)[:, :, np.newaxis]
        total = parts.sum(axis=1)
        target = np.asarray(log_cpm, np.float64) - normalise.log_transform(total)
        shares = np.divide(parts, total[:, np.newaxis], out=parts, where=total[:, np.newaxis] > 0)
        target += (shares * shift).sum(axis=1)
        error = (shares**2 * variances).sum(axis=1) + SAMPLE_VARIANCE + MEASUREMENT_VARIANCE
        weight = np.where(np.isfinite(target), 1 / error, 0)
        target = np.where(np.isfinite(target), target, 0)
        shares = np.where(weight[:, np.newaxis] > 0, shares, 0)
        for one in range(shares.shape[1]):
            weighted = shares[:, one] * weight
            self.moment[one] += (weighted * target).sum(axis=0)
            for other in range(one + 1):
                self.precision[one, other] += (weighted * shares[:, other]).sum(axis=0)

    def solve(self) -> Array:
        """Solve for the shift.

        Returns
        -------
        np.ndarray, shape (cell_type, gene)
            Posterior mean, log2 units; 0 where no sample measures the gene.
        """
        n_types = len(self.moment)
        prior = np.full((n_types, n_types), SHARED_VARIANCE) + OWN_VARIANCE * np.eye(n_types)
        lower = np.moveaxis(self.precision, 2, 0)
        whole = lower + np.tril(lower, -1).transpose(0, 2, 1) + np.linalg.inv(prior)
        return np.asarray(np.linalg.solve(whole, self.moment.T[:, :, np.newaxis])[:, :, 0].T)


def shifted(anchors: Array, shift: Array) -> Array:
    """Add a shift to expected log profiles.

    Parameters
    ----------
    anchors : np.ndarray, shape (sample, cell_type, gene)
        Expected log profiles, log2(1 + CPM).
    shift : np.ndarray, shape (cell_type, gene)
        From `Sums.solve`.

    Returns
    -------
    np.ndarray, shape (sample, cell_type, gene)
        Between 0 and what a gene that is all of its sample would have, in the anchors' precision.
    """
    moved = anchors + shift.astype(anchors.dtype)
    return np.asarray(np.clip(moved, 0, normalise.LARGEST_LOG_CPM, out=moved))
