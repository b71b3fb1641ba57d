"""Means and variances of two groups of patients, gene by gene, and the t statistics of them."""

import dataclasses
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from bluebatch import errors
from bluebatch.downstream import moderation

Array = npt.NDArray[Any]
# Genes that are held in double precision at once.
BLOCK_GENES = 256


@dataclasses.dataclass(frozen=True)
class Moments:
    """Means and variances of two groups.

    Parameters
    ----------
    mean, variance : np.ndarray, shape (2, gene)
        Outside, then inside; variances with n - 1.
    n : np.ndarray of int, shape (2,)
        Patients who have the type, outside and inside.
    """

    mean: Array
    variance: Array
    n: Array

    @property
    def difference(self) -> Array:
        """Subtract the means.

        Returns
        -------
        np.ndarray, shape (gene,)
            Inside minus outside.
        """
        return np.asarray(self.mean[1] - self.mean[0])

    @property
    def pooled(self) -> Array:
        """Pool the variances.

        Returns
        -------
        np.ndarray, shape (gene,)
            Weighted by degrees of freedom.
        """
        df = self.n - 1
        return np.asarray((df[:, None] * self.variance).sum(axis=0) / df.sum())


class Statistics(NamedTuple):
    """The t statistics of all genes.

    Parameters
    ----------
    statistic, df : np.ndarray, shape (gene,)
        NaN for a gene of one value in all patients.
    facts : dict of str to float
        What was estimated of all genes.
    """

    statistic: Array
    df: Array
    facts: dict[str, float]


def present(matrix: Array, genes: Sequence[str]) -> Array:
    """Tell the patients who have the type.

    Parameters
    ----------
    matrix : np.ndarray, shape (patient, gene)
        A row of NaN where the type is absent.
    genes : sequence of str
        Names.

    Returns
    -------
    np.ndarray of bool, shape (patient,)
        Rows of numbers.

    Raises
    ------
    errors.ValuesError
        If a row is in part NaN, or infinite.
    errors.LabelMismatchError
        If there are not as many names as columns.
    """
    if matrix.shape[1] != len(genes):
        raise errors.LabelMismatchError(
            f"differential expression: profiles of {matrix.shape[1]:,} genes came with "
            f"{len(genes):,} names, needed: one each. Give the genes of the profiles."
        )
    n_finite, n_nan = np.array(
        [(np.isfinite(row).sum(), np.isnan(row).sum()) for row in matrix], dtype=np.int64
    ).T
    odd = np.flatnonzero((n_finite < len(genes)) & (n_nan < len(genes)))
    if len(odd):
        row = int(odd[0])
        gene = genes[int(np.flatnonzero(~np.isfinite(matrix[row]))[0])]
        raise errors.ValuesError(
            f"differential expression: patient {row + 1:,} has no number for {gene} and "
            f"{len(genes) - n_finite[row] - 1:,} other genes, needed: all genes, or none where "
            "the type is absent. Make the results again."
        )
    return np.asarray(n_finite > 0)


def moments(matrix: Array, inside: Array, outside: Array, min_patients: int) -> Moments:
    """Take means and variances of two groups, a block of genes at a time.

    Parameters
    ----------
    matrix : np.ndarray of float32, shape (patient, gene)
        Expression.
    inside, outside : np.ndarray of bool, shape (patient,)
        The groups, of patients who have the type.
    min_patients : int
        Fewest in a group.

    Returns
    -------
    Moments
        In double precision.

    Raises
    ------
    errors.LabelMismatchError
        If a group has too few patients.
    """
    rows = [np.flatnonzero(outside), np.flatnonzero(inside)]
    for name, here in zip(("outside", "inside"), rows, strict=True):
        if len(here) < min_patients:
            raise errors.LabelMismatchError(
                f"differential expression: {len(here):,} patients {name} the group have the type, "
                f"needed: {min_patients:,}. Take larger groups, or leave the type out."
            )
    mean, variance = np.empty((2, 2, matrix.shape[1]))
    for start in range(0, matrix.shape[1], BLOCK_GENES):
        columns = slice(start, start + BLOCK_GENES)
        for side, here in enumerate(rows):
            block = matrix[here, columns].astype(np.float64)
            mean[side, columns] = block.mean(axis=0)
            variance[side, columns] = block.var(axis=0, ddof=1)
    return Moments(mean, variance, np.array([len(here) for here in rows]))


def moderated(found: Moments) -> Statistics:
    """Compare means by a t whose variance is drawn towards that of all genes.

    Parameters
    ----------
    found : Moments
        Of two groups.

    Returns
    -------
    Statistics
        With the prior that was found.
    """
    df = int(found.n.sum()) - 2
    prior = moderation.fit_prior(found.pooled, df)
    variance = prior.posterior(found.pooled, df)
    with np.errstate(divide="ignore", invalid="ignore"):
        statistic = found.difference / np.sqrt(variance * (1 / found.n).sum())
    # No more can be known of a variance than all genes that vary tell together.
    total = float(min(df + prior.df, df * max(1, int(np.count_nonzero(found.pooled)))))
    facts = {"prior_df": prior.df, "prior_variance": prior.variance}
    return Statistics(_tested(found, statistic), np.full(len(variance), total), facts)


def welch(found: Moments) -> Statistics:
    """Compare means by a t with a variance for each group.

    Parameters
    ----------
    found : Moments
        Of two groups.

    Returns
    -------
    Statistics
        With the degrees of freedom of Welch and Satterthwaite.
    """
    of_mean = found.variance / found.n[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        statistic = found.difference / np.sqrt(of_mean.sum(axis=0))
        df = of_mean.sum(axis=0) ** 2 / (of_mean**2 / (found.n - 1)[:, None]).sum(axis=0)
    return Statistics(_tested(found, statistic), df, {})


def _tested(found: Moments, statistic: Array) -> Array:
    """Take out genes of one value in all patients: they could not have differed."""
    constant = (found.difference == 0) & (found.variance == 0).all(axis=0)
    return np.where(constant, np.nan, statistic)
