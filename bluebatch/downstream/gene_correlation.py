"""How far genes of a set go together across patients, and what that does to their mean statistic.

No pair of genes is formed: with residuals in units of each gene's sd, the mean correlation over all
pairs of a set is the variance of the patients' means over the set.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from bluebatch.downstream import gene_sets

Array = npt.NDArray[Any]
# Patients whose residuals are held at once.
BLOCK_ROWS = 256


class Spread(NamedTuple):
    """Variances across patients of means over genes, groups' means taken off.

    Parameters
    ----------
    size : np.ndarray, shape (set,)
        Genes of each set that were tested.
    n_genes : int
        Genes that were tested.
    of_set : np.ndarray, shape (set,)
        Variance of the mean over the set.
    of_shift : np.ndarray, shape (set,)
        Variance of the mean over the set less the mean over the other genes.
    of_all : float
        Variance of the mean over all genes.
    """

    size: Array
    n_genes: int
    of_set: Array
    of_shift: Array
    of_all: float

    def correlation(self) -> Array:
        """Average the correlation over the pairs of each set.

        Returns
        -------
        np.ndarray, shape (set,)
            At least 0: a set is never taken to be surer than independent genes are.
        """
        return _mean_correlation(self.of_set, self.size)

    def inflation(self) -> Array:
        """Measure how much more the shift of a set varies than with genes that go together alike.

        Returns
        -------
        np.ndarray, shape (set,)
            At least 1. What all genes share moves the set and the other genes alike, and does not
            count.
        """
        shared = float(_mean_correlation(np.array(self.of_all), np.array(self.n_genes)))
        rest = np.maximum(1, self.n_genes - self.size)
        alike = (1 - shared) * (1 / np.maximum(1, self.size) + 1 / rest)
        ratio = np.divide(self.of_shift, alike, out=np.ones(len(alike)), where=alike > 0)
        return np.asarray(np.maximum(1, ratio))


def measure(
    matrix: Array, inside: Array, considered: Array, tests: pd.DataFrame, sets: gene_sets.GeneSets
) -> Spread:
    """Measure how means over gene sets vary across patients, a block of patients at a time.

    Parameters
    ----------
    matrix : np.ndarray of float32, shape (patient, gene)
        Expression; rows of NaN are left out.
    inside, considered : np.ndarray of bool, shape (patient,)
        The group, and who is compared.
    tests : pd.DataFrame
        With ``mean_in``, ``mean_out``, ``sd``, ``n_in``, ``n_out`` and ``p`` of every gene.
    sets : gene_sets.GeneSets
        Sets over those genes.

    Returns
    -------
    Spread
        Of the genes that were tested.
    """
    tested = tests["p"].notna().to_numpy()
    sd = np.where(tested, tests["sd"].to_numpy(), 0)
    scale = np.divide(1, sd, out=np.zeros_like(sd), where=sd > 0).astype(np.float32)
    means = tests[["mean_out", "mean_in"]].to_numpy().T.astype(np.float32)
    n_genes = int(tested.sum())
    size = gene_sets.count(sets, tested).astype(np.float64)
    divisor, rest = np.maximum(1, size)[:, None], np.maximum(1, n_genes - size)[:, None]
    of_set, of_shift, of_all = np.zeros(len(sets)), np.zeros(len(sets)), 0.0
    rows = np.flatnonzero(considered)
    for start in range(0, len(rows), BLOCK_ROWS):
        block = rows[start : start + BLOCK_ROWS]
        values = matrix[block]
        there = ~np.isnan(values[:, 0])
        residuals = (values[there] - means[inside[block][there].astype(int)]) * scale
        added = sets.membership @ residuals.T  # (set, patient)
        every = residuals.sum(axis=1, dtype=np.float64)
        of_set += _squares(added / divisor)
        of_shift += _squares(added / divisor - (every - added) / rest)
        of_all += float(_squares(every[None] / n_genes)[0])
    df = int(tests["n_in"].iloc[0] + tests["n_out"].iloc[0]) - 2
    return Spread(size, n_genes, of_set / df, of_shift / df, of_all / df)


def _squares(values: Array) -> Array:
    return np.asarray(np.einsum("ij,ij->i", values, values, dtype=np.float64))


def _mean_correlation(of_mean: Array, size: Array) -> Array:
    return np.asarray(np.maximum(0, (of_mean * size - 1) / np.maximum(1, size - 1)))
