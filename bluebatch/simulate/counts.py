"""Matrices of counts: what is asked of one, one in memory, and sorting columns into genes."""

from collections.abc import Iterable
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import scipy.sparse

# Stored values read at once, and what each takes with all that is done to it.
BLOCK_VALUES = 1 << 20
VALUE_BYTES = 64
HEAD_VALUES = 1 << 20

Counts = scipy.sparse.csr_matrix
IntArray = npt.NDArray[np.int64]
Indices = npt.NDArray[np.signedinteger[Any]]


class Matrix(Protocol):
    """A matrix of cells by columns that can be read by rows."""

    name: str
    shape: tuple[int, int]

    def lengths(self, selected: IntArray) -> IntArray:
        """Count what some rows store, before it is read.

        Parameters
        ----------
        selected : np.ndarray of int, shape (cell,)
            Rows in increasing order.

        Returns
        -------
        np.ndarray of int, shape (cell,)
            Stored values of each; no fewer than it has counts.
        """

    def fill(
        self, selected: IntArray, columns: Counts, data: npt.NDArray[np.float32], indices: Indices
    ) -> IntArray:
        """Read some rows, sort their columns into genes, and put them one after the other.

        Parameters
        ----------
        selected : np.ndarray of int, shape (cell,)
            Rows in increasing order.
        columns : scipy.sparse.csr_matrix, shape (column, gene)
            1 where a column belongs to a gene.
        data : np.ndarray, shape (at least the sum of `lengths`,)
            Takes the counts above 0.
        indices : np.ndarray of int, shape (at least the sum of `lengths`,)
            Takes their genes, increasing within a cell.

        Returns
        -------
        np.ndarray of int, shape (cell,)
            How many counts each cell has.
        """


class HeldMatrix:
    """A matrix that is in memory already.

    Parameters
    ----------
    name : str
        What it is called.
    values : scipy.sparse.csr_matrix, shape (cell, column)
        Counts.
    """

    def __init__(self, name: str, values: Counts) -> None:
        self.name, self.values = name, values
        self.shape: tuple[int, int] = values.shape

    def lengths(self, selected: IntArray) -> IntArray:
        """Count what some rows store.

        Parameters
        ----------
        selected : np.ndarray of int, shape (cell,)
            Rows in increasing order.

        Returns
        -------
        np.ndarray of int, shape (cell,)
            Stored values of each.
        """
        return np.diff(self.values.indptr).astype(np.int64)[selected]

    def fill(
        self, selected: IntArray, columns: Counts, data: npt.NDArray[np.float32], indices: Indices
    ) -> IntArray:
        """Take some rows, sort their columns into genes, and put them one after the other.

        Parameters
        ----------
        selected : np.ndarray of int, shape (cell,)
            Rows in increasing order.
        columns : scipy.sparse.csr_matrix, shape (column, gene)
            1 where a column belongs to a gene.
        data : np.ndarray, shape (at least the sum of `lengths`,)
            Takes the counts above 0.
        indices : np.ndarray of int, shape (at least the sum of `lengths`,)
            Takes their genes, increasing within a cell.

        Returns
        -------
        np.ndarray of int, shape (cell,)
            How many counts each cell has.
        """
        return append([Counts(self.values[selected])], columns, data, indices)


def describe(values: npt.NDArray[Any]) -> str:
    """Say what values are, as far as counts go.

    Parameters
    ----------
    values : np.ndarray
        Values of a matrix.

    Returns
    -------
    str
        ``"counts"``, or ``"text"``, ``"NaN or infinite values"``, ``"negative values"``,
        ``"values that are not whole (logged or scaled)"``.
    """
    if values.dtype.kind not in "biuf":
        return "text"
    if not values.size:
        return "counts"
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        return "NaN or infinite values"
    if values.dtype.kind in "if" and values.min() < 0:
        return "negative values"
    if values.dtype.kind == "f" and (values != np.rint(values)).any():
        return "values that are not whole (logged or scaled)"
    return "counts"


def append(
    blocks: Iterable[Counts], columns: Counts, data: npt.NDArray[np.float32], indices: Indices
) -> IntArray:
    """Sort blocks of whole rows into genes, and put them one after the other.

    Parameters
    ----------
    blocks : iterable of scipy.sparse.csr_matrix, shape (cell, column)
        Rows; they are changed.
    columns : scipy.sparse.csr_matrix, shape (column, gene)
        1 where a column belongs to a gene.
    data : np.ndarray, shape (at least what they store,)
        Takes the counts above 0.
    indices : np.ndarray of int, shape (at least what they store,)
        Takes their genes, increasing within a cell.

    Returns
    -------
    np.ndarray of int, shape (cell,)
        How many counts each cell has.
    """
    numbers, end = [np.zeros(0, dtype=np.int64)], 0
    for block in blocks:
        part = into_genes(block, columns)
        into = slice(end, end + part.nnz)
        data[into], indices[into], end = part.data, part.indices, into.stop
        numbers.append(np.diff(part.indptr))
    return np.concatenate(numbers).astype(np.int64)


def into_genes(block: Counts, columns: Counts) -> Counts:
    """Sort the columns of some cells into genes.

    Parameters
    ----------
    block : scipy.sparse.csr_matrix, shape (cell, column)
        Counts; it may be changed.
    columns : scipy.sparse.csr_matrix, shape (column, gene)
        1 where a column belongs to a gene.

    Returns
    -------
    scipy.sparse.csr_matrix, shape (cell, gene)
        Counts above 0, increasing in gene within a cell.
    """
    every = columns.shape[0] == columns.shape[1] == columns.nnz
    if not (every and (columns.indices == np.arange(columns.nnz)).all()):
        block = Counts(block @ columns)
    block.sum_duplicates()
    block.eliminate_zeros()
    return block
