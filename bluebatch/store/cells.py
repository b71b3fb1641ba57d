"""The training cells within a pseudobulk store, so that `train` can draw fresh samples from them.

They stand in the group ``cells`` as a matrix of cells by genes in compressed rows, sorted by cell
type and within it by reference: the cells of a type, or of a type and reference, are a range.
"""

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse
import zarr

from bluebatch import errors
from bluebatch.store import compressed, schema, write
from bluebatch.store import read as reading

GROUP = "cells"
# What the store's array ``source`` says of samples drawn from all references.
MIXED = "mixed"
CHUNK_VALUES = 1 << 21

Array = npt.NDArray[Any]
IntArray = npt.NDArray[np.int64]


def _by_cell(name: str, dtype: str, unit: str, meaning: str) -> schema.ArraySpec:
    return schema.ArraySpec(name, ("cell",), dtype, unit, meaning, (None,))


DATA = schema.ArraySpec(
    "data",
    ("value",),
    "float32",
    "counts",
    "counts above 0, cell after cell, in the smallest type that holds them",
    (CHUNK_VALUES,),
    dtypes=("uint8", "uint16"),
)
INDICES = schema.ArraySpec(
    "indices", ("value",), "int32", "", "position of each count's gene", (CHUNK_VALUES,)
)
INDPTR = schema.ArraySpec(
    "indptr", ("bound",), "int64", "", "where the counts of each cell begin, and the end", (None,)
)
CELL_TYPE = _by_cell("cell_type", "int32", "", "position on the store's axis cell_type")
REFERENCE = _by_cell("reference", "int32", "", "position on the store's axis reference")
LIBRARY_SIZE = _by_cell("library_size", "float64", "counts", "sum over all measured genes")


@dataclasses.dataclass(frozen=True)
class Cells:
    """Training cells, in memory.

    Parameters
    ----------
    counts : scipy.sparse.csr_matrix, shape (cell, gene)
        Counts, float32, of the genes that were asked for.
    library_size : np.ndarray, shape (cell,)
        Counts of each cell over all measured genes.
    bounds : np.ndarray of int, shape (cell_type, reference + 1)
        Where the cells of each type and reference begin, and the end of the type's.
    references : list of str
        Their names.
    """

    counts: scipy.sparse.csr_matrix
    library_size: npt.NDArray[np.float64]
    bounds: IntArray
    references: list[str]

    def of_type(self, code: int) -> tuple[scipy.sparse.csr_matrix, npt.NDArray[np.float64]]:
        """Take the cells of one type, without a copy.

        Parameters
        ----------
        code : int
            Position of the type.

        Returns
        -------
        counts : scipy.sparse.csr_matrix, shape (cell, gene)
            For `mixture.sum_cells`.
        library_size : np.ndarray, shape (cell,)
            Of the same cells.
        """
        first, last = self.bounds[code, 0], self.bounds[code, -1]
        return compressed.rows_of(self.counts, slice(first, last)), self.library_size[first:last]

    def ranges(self, code: int, source: Array) -> tuple[IntArray, IntArray]:
        """Find the cells of one type that samples may draw from.

        Parameters
        ----------
        code : int
            Position of the type.
        source : np.ndarray of str, shape (sample,)
            As the store's ``source``: a reference, or ``"mixed"`` for all of them.

        Returns
        -------
        first : np.ndarray of int, shape (sample,)
            For `mixture.draw_cells`: positions in `of_type`.
        last : np.ndarray of int, shape (sample,)
            Excluded; equal to ``first`` where there is no cell.
        """
        numbers = {name: number for number, name in enumerate([*self.references, MIXED])}
        chosen = np.array([numbers[name] for name in source], dtype=np.int64)
        own = self.bounds[code] - self.bounds[code, 0]
        return np.append(own[:-1], 0)[chosen], np.append(own[1:], own[-1])[chosen]


def write_cells(
    store: zarr.Group,
    counts: scipy.sparse.csr_matrix,
    rows: IntArray,
    labels: tuple[IntArray, IntArray],
    codec: write.Codec = "none",
) -> None:
    """Write cells into a pseudobulk store that is being laid out.

    Parameters
    ----------
    store : zarr.Group
        Made by `write.create`.
    counts : scipy.sparse.csr_matrix, shape (any, gene)
        Counts of these and other cells.
    rows : np.ndarray of int, shape (cell,)
        Which, sorted by cell type and within it by reference.
    labels : tuple of np.ndarray of int, shape (cell,)
        Position of each one's cell type and reference.
    codec : {"none", "zstd"}
        Compression of the chunks.
    """
    largest = counts.data.max(initial=0)
    smallest = np.min_scalar_type(int(largest)).name
    data = dataclasses.replace(DATA, dtype=smallest if smallest in DATA.dtypes else DATA.dtype)
    indptr = np.concatenate([[0], np.cumsum(np.diff(counts.indptr)[rows], dtype=np.int64)])
    library_size = np.asarray(counts.sum(axis=1, dtype=np.float64)).ravel()[rows]
    group = store.create_group(GROUP, attributes={"n_genes": int(counts.shape[1])})
    small = ((INDPTR, indptr), (CELL_TYPE, labels[0]), (REFERENCE, labels[1]))
    for spec, values in (*small, (LIBRARY_SIZE, library_size)):
        write.create_array(group, spec, values.shape, codec)
        write.write_whole(group, spec.name, values)
    for spec in (data, INDICES):
        write.create_array(group, spec, (int(indptr[-1]),), codec)
    for chunk, own in _chunks(indptr):
        part = counts[rows[own]]
        inside = slice(chunk.start - indptr[own.start], chunk.stop - indptr[own.start])
        write.write(group, data.name, chunk, part.data[inside])
        write.write(group, INDICES.name, chunk, part.indices[inside])


def on_disk(n_cells: int, n_stored: int) -> tuple[int, int]:
    """Count the files and bytes of cells, before compression.

    Parameters
    ----------
    n_cells, n_stored : int
        Cells, and counts that they store.

    Returns
    -------
    tuple of int
        Files, metadata among them; bytes of the chunks, with counts of one byte.
    """
    n_chunks = -(-n_stored // CHUNK_VALUES)
    chunk = min(CHUNK_VALUES, n_stored)
    small = 8 * (n_cells + 1) + n_cells * (4 + 4 + 8)
    return 1 + 6 + 4 + 2 * n_chunks, n_chunks * (5 * chunk + 8) + small + 16


def has(store: reading.Store) -> bool:
    """Tell whether a store holds its training cells.

    Parameters
    ----------
    store : read.Store
        Open.

    Returns
    -------
    bool
        True if it does.
    """
    return GROUP in store.group


def size(store: reading.Store) -> tuple[int, int]:
    """Count the cells, and what they store.

    Parameters
    ----------
    store : read.Store
        Open.

    Returns
    -------
    n_cells : int
        Training cells.
    n_stored : int
        Counts above 0 of all of them.

    Raises
    ------
    errors.ForeignStoreError
        If it holds no cells.
    """
    arrays = _open(store)
    return int(arrays[CELL_TYPE.name].shape[0]), int(arrays[DATA.name].shape[0])


def read(store: reading.Store, genes: npt.ArrayLike | None = None) -> Cells:
    """Read the training cells of a pseudobulk store.

    Parameters
    ----------
    store : read.Store
        Open.
    genes : array_like of int, shape (gene,), optional
        Positions on the store's axis ``gene`` that are kept, in this order; all by default.

    Returns
    -------
    Cells
        In memory.

    Raises
    ------
    errors.ForeignStoreError
        If the store holds no cells, or a chunk does not match its checksum.
    """
    arrays = _open(store)
    with reading.damaged_chunks(store.path, GROUP):
        indptr = np.asarray(arrays[INDPTR.name][:])
        kinds = np.asarray(arrays[CELL_TYPE.name][:])
        references = np.asarray(arrays[REFERENCE.name][:])
        library_size = np.asarray(arrays[LIBRARY_SIZE.name][:])
        n_genes = len(store.labels["gene"])
        chosen = np.arange(n_genes) if genes is None else np.asarray(genes, dtype=np.int64)
        counts = _read_counts(arrays, indptr, chosen, n_genes)
    names = store.labels["reference"]
    n_types = len(store.labels["cell_type"])
    numbers = np.bincount(kinds * len(names) + references, minlength=n_types * len(names))
    ends = np.concatenate([[0], np.cumsum(numbers)])
    bounds = np.stack([ends[code * len(names) :][: len(names) + 1] for code in range(n_types)])
    return Cells(counts, library_size, bounds, names)


def _open(store: reading.Store) -> dict[str, zarr.Array[Any]]:
    group = store.group.get(GROUP)
    if not isinstance(group, zarr.Group):
        raise errors.ForeignStoreError(
            f"{store.path}: holds no training cells. Make it again with "
            "`bluebatch simulate --keep-cells`."
        )
    return dict(group.arrays())


def _chunks(indptr: IntArray) -> Iterator[tuple[slice, slice]]:
    """Give each chunk of values with the rows that reach into it."""
    for start in range(0, int(indptr[-1]), CHUNK_VALUES):
        stop = min(start + CHUNK_VALUES, int(indptr[-1]))
        first = int(np.searchsorted(indptr, start, side="right")) - 1
        yield slice(start, stop), slice(first, int(np.searchsorted(indptr, stop, side="left")))


def _read_counts(
    arrays: dict[str, zarr.Array[Any]], indptr: IntArray, chosen: IntArray, n_genes: int
) -> scipy.sparse.csr_matrix:
    position = np.full(n_genes, -1, dtype=np.int32)
    position[chosen] = np.arange(len(chosen), dtype=np.int32)
    n_stored = int(indptr[-1])
    # Pages that nothing is written to take no memory, so these are as large as what is kept.
    data, indices = np.empty(n_stored, dtype=np.float32), np.empty(n_stored, dtype=np.int32)
    bounds, n_kept = np.zeros_like(indptr), 0
    for chunk, own in _chunks(indptr):
        gene = position[np.asarray(arrays[INDICES.name][chunk])]
        kept = gene >= 0
        before = n_kept + np.concatenate([[0], np.cumsum(kept)])
        ends = slice(own.start + 1, own.stop + 1)
        bounds[ends] = before[np.minimum(indptr[ends], chunk.stop) - chunk.start]
        into = slice(n_kept, int(before[-1]))
        data[into] = np.asarray(arrays[DATA.name][chunk])[kept]
        indices[into], n_kept = gene[kept], into.stop
    # Cells without counts at the end lie in no chunk.
    bounds = np.maximum.accumulate(bounds)
    shape = (len(indptr) - 1, len(chosen))
    return scipy.sparse.csr_matrix((data[:n_kept], indices[:n_kept], bounds), shape=shape)
