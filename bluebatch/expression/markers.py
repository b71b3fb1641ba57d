"""Ranking genes of each cell type against the rest: Wilcoxon rank-sum on log1p CP10k.

The ranks are taken on the stored values alone, all genes in one sort: zeros, nine tenths of the
counts, share one rank that is known without looking at them.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pydantic
import scipy.sparse
import scipy.stats

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

# Stored values that are ranked at once, and what each takes meanwhile.
BLOCK_VALUES = 1 << 20
VALUE_BYTES = 100
# Keeps the fold change of a gene silent in the rest finite.
SILENT = 1e-9


class MarkerSettings(pydantic.BaseModel):
    """How markers are ranked and which genes' profiles are worth keeping.

    Parameters
    ----------
    n_candidates : int
        Candidate genes of each reference and type, by fold change; their union is kept.
    max_adjusted_p : float
        Largest adjusted p of a candidate.
    max_cells : int
        Training cells of a type and reference that are ranked, drawn at random where there are
        more; 0 ranks all.
    correct_ties : bool
        Whether the test is corrected for ties. Uncorrected, as scanpy does by default, it has
        little power for genes that most cells lack, and so keeps them out of the panel: such genes
        differ between platforms.
    """

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid")

    n_candidates: int = pydantic.Field(default=600, gt=0)
    max_adjusted_p: float = pydantic.Field(default=0.1, gt=0, le=1)
    max_cells: int = pydantic.Field(default=2000, ge=0)
    correct_ties: bool = False


class Ranking(NamedTuple):
    """The marker table of one reference.

    Parameters
    ----------
    log_fold_change, adjusted_p : np.ndarray, shape (cell_type, gene)
        Fold change (log2) of the type against the rest, and Benjamini-Hochberg adjusted p over
        genes; NaN where the reference lacks the type.
    """

    log_fold_change: FloatArray
    adjusted_p: FloatArray


def rank_genes(
    counts: scipy.sparse.csr_matrix | scipy.sparse.csc_matrix,
    cell_type: IntArray,
    n_types: int,
    *,
    correct_ties: bool = False,
) -> Ranking:
    """Rank every gene of each type against all other cells.

    Parameters
    ----------
    counts : scipy.sparse.csr_matrix or csc_matrix, shape (cell, gene)
        Counts of training cells of one reference; by column they need not be turned over.
    cell_type : np.ndarray of int, shape (cell,)
        Type of each cell, 0 to ``n_types - 1``.
    n_types : int
        Number of types, also of those not there.
    correct_ties : bool
        Whether the variance of the rank sum is corrected for ties.

    Returns
    -------
    Ranking
        Fold changes and adjusted p; two-sided, normal approximation.

    Notes
    -----
    The fold change is that of scanpy: log2 of the ratio of ``expm1`` of the mean log1p CP10k.
    """
    n_in = np.bincount(cell_type, minlength=n_types).astype(np.float64)
    per_cell = np.asarray(counts.sum(axis=1, dtype=np.float64)).ravel()
    scale = np.divide(1e4, per_cell, out=np.zeros_like(per_cell), where=per_cell > 0)
    columns = scipy.sparse.csc_matrix(counts)
    total, rank_sum = np.empty((2, n_types, counts.shape[1]))
    ties = np.empty(counts.shape[1])
    for genes in _windows(columns.indptr):
        block = _log_cp10k(columns, genes, scale, cell_type)
        total[:, genes] = block.by_type(block.value, n_types)
        rank_sum[:, genes], ties[genes] = _rank_sums(block, n_in)
    fold = _log_fold_change(total, n_in)
    n = float(len(cell_type))
    n_out = n - n_in
    with np.errstate(divide="ignore", invalid="ignore"):
        tied = ties / (n * (n - 1)) if correct_ties else np.zeros(1)
        variance = (n_in * n_out)[:, None] / 12 * ((n + 1) - tied)
        z = (rank_sum - (n_in * (n + 1) / 2)[:, None]) / np.sqrt(variance)
    # A gene with one value in all cells has no variance: it tells nothing apart.
    p = 2 * scipy.stats.norm.sf(np.abs(np.nan_to_num(z, posinf=0, neginf=0)))
    adjusted = adjust_p(p)
    lacking = (n_in == 0) | (n_out == 0)
    fold[lacking] = adjusted[lacking] = np.nan
    return Ranking(fold, adjusted)


def adjust_p(p: npt.ArrayLike) -> FloatArray:
    """Adjust p values by Benjamini and Hochberg.

    Parameters
    ----------
    p : array_like, shape (..., test)
        Raw p values; NaN where there was no test.

    Returns
    -------
    np.ndarray, shape (..., test)
        Adjusted p values, at most 1; NaN at the same places, which count as no tests.

    References
    ----------
    Benjamini Y, Hochberg Y (1995). J R Stat Soc B 57(1):289-300.
    """
    values = np.asarray(p, dtype=np.float64)
    order = np.argsort(-values, axis=-1, kind="stable")
    # NaN is sorted last, beyond the smallest p, and spoils no minimum before it.
    n = (~np.isnan(values)).sum(axis=-1, keepdims=True)
    rank = np.maximum(n - np.arange(values.shape[-1]), 1)
    scaled = np.take_along_axis(values, order, axis=-1) * n / rank
    adjusted = np.empty_like(values)
    lowest = np.minimum(np.minimum.accumulate(scaled, axis=-1), 1)
    np.put_along_axis(adjusted, order, lowest, axis=-1)
    return adjusted


def candidate_genes(
    log_fold_change: npt.ArrayLike, adjusted_p: npt.ArrayLike, settings: MarkerSettings
) -> IntArray:
    """Choose the genes that may enter a panel.

    Parameters
    ----------
    log_fold_change, adjusted_p : array_like, shape (reference, cell_type, gene)
        The marker table.
    settings : MarkerSettings
        How many, and the largest adjusted p.

    Returns
    -------
    np.ndarray of int
        Positions of genes in increasing order: the union over references and types of the genes
        of largest positive fold change.
    """
    fold, p = np.asarray(log_fold_change), np.asarray(adjusted_p)
    fit = (fold > 0) & (p < settings.max_adjusted_p)
    rank_by = np.where(fit, fold, -np.inf)
    top = np.argsort(-rank_by, axis=-1, kind="stable")[..., : settings.n_candidates]
    return np.unique(top[np.take_along_axis(fit, top, axis=-1)]).astype(np.int64)


class _Block(NamedTuple):
    """The stored values of some genes, gene after gene; ``kind`` is the type of each one's cell."""

    gene: npt.NDArray[np.integer[Any]]
    kind: IntArray
    value: FloatArray
    n_genes: int

    def by_type(self, values: FloatArray, n_types: int) -> FloatArray:
        """Sum one value per stored entry into a table of types by genes."""
        place = self.kind * self.n_genes + self.gene
        flat = np.bincount(place, values, minlength=n_types * self.n_genes)
        return np.asarray(flat, dtype=np.float64).reshape(n_types, self.n_genes)


def _windows(indptr: npt.NDArray[np.integer[Any]]) -> Iterator[slice]:
    """Cut the genes so that each part has few stored values: ranking takes a hundred bytes each."""
    start, end = 0, len(indptr) - 1
    while start < end:
        reach = int(np.searchsorted(indptr, indptr[start] + BLOCK_VALUES, side="right")) - 1
        yield slice(start, max(start + 1, reach))
        start = max(start + 1, reach)


def _log_cp10k(
    columns: scipy.sparse.csc_matrix, genes: slice, scale: FloatArray, cell_type: IntArray
) -> _Block:
    begin, end = columns.indptr[genes.start], columns.indptr[genes.stop]
    n_stored = np.diff(columns.indptr[genes.start : genes.stop + 1])
    gene = np.repeat(np.arange(len(n_stored)), n_stored)
    cell, data = columns.indices[begin:end], columns.data[begin:end]
    if not data.all():
        there = data != 0
        gene, cell, data = gene[there], cell[there], data[there]
    value = np.log1p(data * scale[cell])
    return _Block(gene, cell_type[cell], value, len(n_stored))


def _log_fold_change(total: FloatArray, n_in: FloatArray) -> FloatArray:
    n_out = n_in.sum() - n_in
    with np.errstate(divide="ignore", invalid="ignore"):
        inside = np.expm1(total / n_in[:, None])
        outside = np.expm1((total.sum(axis=0) - total) / n_out[:, None])
    # Subtraction leaves specks of 1e-16 where the rest is silent.
    outside[outside < SILENT] = 0
    return np.asarray(np.log2((inside + SILENT) / (outside + SILENT)))


def _rank_sums(block: _Block, n_in: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Sum midranks by type and gene; and sum t^3 - t over the ties of each gene."""
    n_types = len(n_in)
    order = np.lexsort((block.value, block.gene))
    gene, value = block.gene[order], block.value[order]
    n_stored = np.bincount(gene, minlength=block.n_genes)
    n_zero = n_in.sum() - n_stored
    new_tie = np.ones(len(value), dtype=bool)
    new_tie[1:] = (gene[1:] != gene[:-1]) | (value[1:] != value[:-1])
    tie = np.cumsum(new_tie) - 1
    first = np.flatnonzero(new_tie)
    size = np.diff(np.append(first, len(value))).astype(np.float64)
    # Position within the gene, after its zeros; all of a tie take the middle.
    begin = np.concatenate([[0], np.cumsum(n_stored)[:-1]])
    middle = first - begin[gene[first]] + n_zero[gene[first]] + (size + 1) / 2
    rank = np.empty(len(value))
    rank[order] = middle[tie]
    present = block.by_type(np.ones(len(value)), n_types)
    sums = block.by_type(rank, n_types) + (n_in[:, None] - present) * (n_zero + 1) / 2
    ties = np.bincount(gene[first], size**3 - size, minlength=block.n_genes) + n_zero**3 - n_zero
    return sums, np.asarray(ties)
