"""One matrix of an h5ad file, in any of its three layouts, read in blocks for chosen cells."""

from collections.abc import Iterator
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
import scipy.sparse

from bluebatch import errors
from bluebatch.simulate import counts
from bluebatch.store import compressed


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
            n_rows = max(1, counts.HEAD_VALUES // max(1, self.shape[1]))
            return counts.describe(self.node[:n_rows])
        return counts.describe(self.node["data"][: counts.HEAD_VALUES])

    def lengths(self, selected: counts.IntArray) -> counts.IntArray:
        """Count what some rows store: from the pointers, else in a pass over the file.

        Parameters
        ----------
        selected : np.ndarray of int, shape (cell,)
            Rows in increasing order.

        Returns
        -------
        np.ndarray of int, shape (cell,)
            Stored values of each; no fewer than it has counts.
        """
        if self.layout == "csr":
            stored = np.diff(self.node["indptr"][:].astype(np.int64))
        elif self.layout == "csc":
            stored = np.zeros(self.shape[0], dtype=np.int64)
            for start in range(0, self.node["indices"].shape[0], counts.BLOCK_VALUES):
                rows = self.node["indices"][start : start + counts.BLOCK_VALUES]
                stored += np.bincount(rows, minlength=self.shape[0])
        else:
            parts = [np.count_nonzero(self.node[rows], axis=1) for rows in self._steps()]
            stored = np.concatenate([np.zeros(0, dtype=np.int64), *parts])
        return np.asarray(stored[selected])

    def fill(
        self,
        selected: counts.IntArray,
        columns: counts.Counts,
        data: npt.NDArray[np.float32],
        indices: counts.Indices,
    ) -> counts.IntArray:
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

        Raises
        ------
        errors.ValuesError
            If any value read is not a non-negative whole number.
        """
        if self.layout == "csc":
            return self._fill_by_columns(selected, columns, data, indices)
        blocks = self._sparse_rows if self.layout == "csr" else self._dense_rows
        return counts.append(blocks(selected), columns, data, indices)

    def _fill_by_columns(
        self,
        selected: counts.IntArray,
        columns: counts.Counts,
        data: npt.NDArray[np.float32],
        indices: counts.Indices,
    ) -> counts.IntArray:
        # Each row has a place as long as what it stores, and fills it block by block. What is left
        # of it, where columns are no gene or share one, is squeezed out in place.
        bounds = np.concatenate([[0], np.cumsum(self.lengths(selected))])
        cursor = bounds[:-1].copy()
        data[: bounds[-1]], indices[: bounds[-1]] = 0, 0
        for window, block in self._column_blocks():
            part = counts.into_genes(counts.Counts(block[selected]), columns[window])
            n_own = np.diff(part.indptr)
            into = np.arange(part.nnz) + np.repeat(cursor - part.indptr[:-1], n_own)
            data[into], indices[into] = part.data, part.indices
            cursor += n_own
        full = compressed.assemble(data, indices, bounds, columns.shape[1])
        full.sum_duplicates()
        full.eliminate_zeros()
        return np.diff(full.indptr).astype(np.int64)

    def _checked(self, values: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        verdict = counts.describe(values)
        if verdict != "counts":
            raise errors.ValuesError(
                f"{self.file}: {self.name} holds {verdict}, needed: counts (non-negative whole "
                "numbers). Name the matrix that holds them with --layer X, raw or a layer's name."
            )
        return np.asarray(values, dtype=np.float32)

    def _sparse_rows(self, selected: npt.NDArray[np.int64]) -> Iterator[counts.Counts]:
        indptr = self.node["indptr"][:].astype(np.int64)
        for window in _windows(indptr):
            chosen = selected[(selected >= window.start) & (selected < window.stop)]
            if not len(chosen):
                continue
            first, last = int(chosen[0]), int(chosen[-1]) + 1
            stored = slice(indptr[first], indptr[last])
            values = self._checked(self.node["data"][stored])
            block = counts.Counts(
                (values, self.node["indices"][stored], indptr[first : last + 1] - indptr[first]),
                shape=(last - first, self.shape[1]),
            )
            yield block if len(chosen) == last - first else counts.Counts(block[chosen - first])

    def _dense_rows(self, selected: npt.NDArray[np.int64]) -> Iterator[counts.Counts]:
        for rows in self._steps():
            chosen = selected[(selected >= rows.start) & (selected < rows.stop)]
            if len(chosen):
                first = int(chosen[0])
                values = self.node[first : int(chosen[-1]) + 1]
                yield counts.Counts(self._checked(values[chosen - first]))

    def _steps(self) -> Iterator[slice]:
        step = max(1, counts.BLOCK_VALUES // max(1, self.shape[1]))
        for start in range(0, self.shape[0], step):
            yield slice(start, start + step)

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


def _windows(indptr: npt.NDArray[np.int64]) -> Iterator[slice]:
    start, end = 0, len(indptr) - 1
    while start < end:
        reach = int(np.searchsorted(indptr, indptr[start] + counts.BLOCK_VALUES, side="right")) - 1
        stop = min(end, max(start + 1, reach))
        yield slice(start, stop)
        start = stop
