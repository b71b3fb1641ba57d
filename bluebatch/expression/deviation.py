"""How far true profiles lie around predicted ones, against what was foreseen of it."""

from typing import Any

import numpy as np
import numpy.typing as npt

from bluebatch.expression import metrics

Array = npt.NDArray[Any]

# Nine in ten of a normal distribution lie within so many standard deviations.
DEVIATIONS = 1.6449
SHARE_WITHIN = 0.9
# So many samples of the mean gene stand beside those of each gene: held-out samples share few
# cells. For two PBMC references .89 of the test samples' values were within, without it .86.
PRIOR_SAMPLES = 100
# No profile is known without an error, whatever a few samples say.
LEAST_FACTOR = 1e-6


class DeviationScores:
    """Sums over samples of one cell type: errors of profiles in units of their deviations.

    Parameters
    ----------
    n_genes : int
        Genes of a profile.
    """

    def __init__(self, n_genes: int) -> None:
        self.n_samples = 0
        self.squares = np.zeros(n_genes)
        self.n_within = np.zeros(n_genes)

    def add(self, predicted: Array, deviation: Array, truth: Array) -> None:
        """Add a block of samples.

        Parameters
        ----------
        predicted, deviation, truth : np.ndarray, shape (sample, gene)
            Log2(1 + CPM); the deviations above 0, or NaN in a type of which nothing is foreseen.
        """
        if np.isnan(deviation).any():
            return
        error = np.abs(predicted.astype(np.float64) - truth) / deviation
        self.n_samples += len(error)
        self.squares += np.einsum("ng,ng->g", error, error)
        self.n_within += (error <= DEVIATIONS).sum(axis=0)

    def factors(self) -> Array:
        """Find what the foreseen variances are to be multiplied by.

        Returns
        -------
        np.ndarray, shape (gene,)
            Mean squared error in units of the foreseen variance, drawn towards the mean over
            genes as if that had been seen `PRIOR_SAMPLES` times; NaN without samples.
        """
        if not self.n_samples:
            return np.full(len(self.squares), np.nan)
        typical = PRIOR_SAMPLES * self.squares.mean() / self.n_samples
        factors = (self.squares + typical) / (self.n_samples + PRIOR_SAMPLES)
        return np.asarray(np.maximum(factors, LEAST_FACTOR))

    def share_within(self) -> float:
        """Tell which share of true values lies within `DEVIATIONS` of the predicted ones.

        Returns
        -------
        float
            Over all samples and genes; `SHARE_WITHIN` were all foreseen rightly; NaN without
            samples.
        """
        n_values = self.n_samples * len(self.n_within)
        return float(metrics.ratio(self.n_within.sum(), n_values))
