"""Matrices in compressed rows, made and cut without copying what they hold."""

from typing import Any

import numpy.typing as npt
import scipy.sparse

Array = npt.NDArray[Any]


def assemble(data: Array, indices: Array, indptr: Array, n_genes: int) -> scipy.sparse.csr_matrix:
    """Make a matrix of arrays without copying them, be they parts of larger ones.

    Parameters
    ----------
    data : np.ndarray, shape (at least value,)
        Counts.
    indices : np.ndarray of int, shape (at least value,)
        Their genes.
    indptr : np.ndarray of int, shape (cell + 1,)
        Where the counts of each cell begin.
    n_genes : int
        Number of genes.

    Returns
    -------
    scipy.sparse.csr_matrix, shape (cell, gene)
        Shares ``data`` and ``indices``.
    """
    # The constructor copies arrays that are less than half of what they are a view of.
    shape = (len(indptr) - 1, n_genes)
    made = scipy.sparse.csr_matrix(shape, dtype=data.dtype)
    made.data, made.indices = data[: indptr[-1]], indices[: indptr[-1]]
    made.indptr = indptr.astype(indices.dtype)
    return made


def rows_of(matrix: scipy.sparse.csr_matrix, rows: slice) -> scipy.sparse.csr_matrix:
    """Take a range of rows without copying their values, as slicing a matrix does.

    Parameters
    ----------
    matrix : scipy.sparse.csr_matrix, shape (row, column)
        Any.
    rows : slice
        With start and stop.

    Returns
    -------
    scipy.sparse.csr_matrix, shape (rows, column)
        Shares its values with ``matrix``.
    """
    begin = matrix.indptr[rows.start]
    bounds = matrix.indptr[rows.start : rows.stop + 1] - begin
    return assemble(matrix.data[begin:], matrix.indices[begin:], bounds, matrix.shape[1])
