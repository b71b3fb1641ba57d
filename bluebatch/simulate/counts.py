"""Matrices of counts, read in blocks for chosen cells."""

from collections.abc import Iterator
from typing import Any, Protocol

import h5py
import numpy as np
import numpy.typing as npt
import scipy.sparse

from bluebatch import errors

# Stored values held at once: 16 M take 128 MB with their indices.
BLOCK_VALUES = 1 << 24
HEAD_VALUES = 1 << 20

Counts = scipy.sparse.csr_matrix


class Matrix(Protocol):
    """A matrix of cells by genes that can be read by rows."""

    name: str
    shape: tuple[int, int]

    def rows(self, selected: npt.NDArray[np.int64], columns: Counts) -> Counts:
        """Read some rows and sort their columns into genes.

        Parameters
        ----------
        selected : np.ndarray of int, shape (cell,)
            Rows in increasing order.
        columns : scipy.sparse.csr_matrix, shape (column, gene)
            1 where a column belongs to a gene.

        Returns
        -------
        scipy.sparse.csr_matrix, shape (cell, gene)
            Counts, float32.
        """


class StoredMatrix:
    """One matrix of an open h5ad file, read in blocks that fit in memory.

    Parameters
    ----------
    file : str
        Path of the file, for messages.
    name : str
        How `--layer` names the matrix: X, raw or a layer.
    node : h5py.Group or h5py.Dataset
        The matrix.
    """

    def __init__(self, file: str, name: str, node: Any) -> None:
        self.file, self.name, self.node = file, name, node
        layout = node.attrs.get("encoding-type", node.attrs.get("h5sparse_format", ""))
        self.layout = str(layout)[:3] if isinstance(node, h5py.Group) else "dense"
        stored = node.attrs.get("shape", node.attrs.get("h5sparse_shape"))
        n_rows, n_columns = stored if isinstance(node, h5py.Group) else node.shape
        self.shape = (int(n_rows), int(n_columns))

    def found(self) -> str:
        """Say what the first values are.

        Returns
        -------
        str
            ``"counts"``, or what stands against taking them for counts.
        """
        if self.layout == "dense":
            n_rows = max(1, HEAD_VALUES // max(1, self.shape[1]))
            return describe(self.node[:n_rows])
        return describe(self.node["data"][:HEAD_VALUES])

    def rows(self, selected: npt.NDArray[np.int64], columns: Counts) -> Counts:
        """Read some rows and sort their columns into genes.

        Parameters
        ----------
        selected : np.ndarray of int, shape (cell,)
            Rows in increasing order.
        columns : scipy.sparse.csr_matrix, shape (column, gene)
            1 where a column belongs to a gene.

        Returns
        -------
        scipy.sparse.csr_matrix, shape (cell, gene)
            Counts, float32.

        Raises
        ------
        errors.ValuesError
            If any value read is not a non-negative whole number.
        """
        if self.layout == "csc":
            parts = [block[selected] @ columns[window] for window, block in self._column_blocks()]
            return Counts(sum(parts[1:], start=parts[0]))
        blocks = self._sparse_rows if self.layout == "csr" else self._dense_rows
        parts = [block @ columns for block in blocks(selected)]
        return Counts(scipy.sparse.vstack(parts, format="csr"))

    def _checked(self, values: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        verdict = describe(values)
        if verdict != "counts":
            raise errors.ValuesError(
                f"{self.file}: {self.name} holds {verdict}, needed: counts (non-negative whole "
                "numbers). Name the matrix that holds them with --layer X, raw or a layer's name."
            )
        return np.asarray(values, dtype=np.float32)

    def _sparse_rows(self, selected: npt.NDArray[np.int64]) -> Iterator[Counts]:
        indptr = self.node["indptr"][:].astype(np.int64)
        for window in _windows(indptr):
            chosen = selected[(selected >= window.start) & (selected < window.stop)]
            if not len(chosen):
                continue
            first, last = int(chosen[0]), int(chosen[-1]) + 1
            stored = slice(indptr[first], indptr[last])
            values = self._checked(self.node["data"][stored])
            block = Counts(
                (values, self.node["indices"][stored], indptr[first : last + 1] - indptr[first]),
                shape=(last - first, self.shape[1]),
            )
            yield block[chosen - first]

    def _dense_rows(self, selected: npt.NDArray[np.int64]) -> Iterator[Counts]:
        step = max(1, BLOCK_VALUES // max(1, self.shape[1]))
        for start in range(0, self.shape[0], step):
            chosen = selected[(selected >= start) & (selected < start + step)]
            if len(chosen):
                first = int(chosen[0])
                values = self.node[first : int(chosen[-1]) + 1]
                yield Counts(self._checked(values[chosen - first]))

    def _column_blocks(self) -> Iterator[tuple[slice, Any]]:
        indptr = self.node["indptr"][:].astype(np.int64)
        for window in _windows(indptr):
            stored = slice(indptr[window.start], indptr[window.stop])
            values = self._checked(self.node["data"][stored])
            pointers = indptr[window.start : window.stop + 1] - indptr[window.start]
            block = scipy.sparse.csc_matrix(
                (values, self.node["indices"][stored], pointers),
                shape=(self.shape[0], window.stop - window.start),
            )
            yield window, block.tocsr()


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

    def rows(self, selected: npt.NDArray[np.int64], columns: Counts) -> Counts:
        """Take some rows and sort their columns into genes.

        Parameters
        ----------
        selected : np.ndarray of int, shape (cell,)
            Rows in increasing order.
        columns : scipy.sparse.csr_matrix, shape (column, gene)
            1 where a column belongs to a gene.

        Returns
        -------
        scipy.sparse.csr_matrix, shape (cell, gene)
            Counts, float32.
        """
        return Counts(self.values[selected] @ columns)


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


def _windows(indptr: npt.NDArray[np.int64]) -> Iterator[slice]:
    start, end = 0, len(indptr) - 1
    while start < end:
        reach = int(np.searchsorted(indptr, indptr[start] + BLOCK_VALUES, side="right")) - 1
        stop = min(end, max(start + 1, reach))
        yield slice(start, stop)
        start = stop
