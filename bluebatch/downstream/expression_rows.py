"""Rows of expression in any order, read a chunk at a time."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from bluebatch import errors
from bluebatch.expression import normalise
from bluebatch.store import genes, read, schema

FloatArray = npt.NDArray[np.floating]
IntArray = npt.NDArray[np.int64]


def log_cpm(store: read.Store, rows: IntArray, wanted: Sequence[str]) -> FloatArray:
    """Read bulk expression.

    Parameters
    ----------
    store : read.Store
        Cohort.
    rows : np.ndarray of int, shape (sample,)
        Which, in any order.
    wanted : sequence of str
        Genes that the store measures.

    Returns
    -------
    np.ndarray of float32, shape (sample, gene)
        Log2(1 + CPM), over all genes that the store measures.

    Raises
    ------
    errors.LabelMismatchError
        If the store lacks a gene.
    """
    at = columns(store.path, wanted, store.labels["gene"])
    found = np.empty((len(rows), len(wanted)), np.float32)
    for places_in, block in blocks(rows):
        library = store.read("library_size", block)
        found[places_in] = normalise.select_log_cpm(store.read("expression", block), at, library)
    return found


def most_variable(parts: Iterable[FloatArray], most: int) -> list[int]:
    """Choose the genes that vary most, in one pass.

    Parameters
    ----------
    parts : iterable of np.ndarray, shape (sample, gene)
        Expression of some samples each.
    most : int
        Genes that are chosen at most.

    Returns
    -------
    list of int
        Their columns, in order; those that never vary are left out.
    """
    total = squares = np.zeros(0)
    n = 0
    for part in parts:
        block = part.astype(np.float64)
        total = block.sum(axis=0) + (total if n else 0)
        squares = (block**2).sum(axis=0) + (squares if n else 0)
        n += len(block)
    variance = squares / n - (total / n) ** 2
    # Rounding leaves a constant gene a variance of about 1e-14 times its square.
    varies = variance > 1e-9 * (1 + squares / n)
    order = np.argsort(-variance, kind="stable")
    return sorted(int(at) for at in order[varies[order]][:most])


def columns(path: str, wanted: Sequence[str], available: Sequence[str]) -> IntArray:
    """Find genes among those of a store.

    Parameters
    ----------
    path : str
        Of the store, for messages.
    wanted, available : sequence of str
        Genes.

    Returns
    -------
    np.ndarray of int, shape (wanted,)
        Positions.

    Raises
    ------
    errors.LabelMismatchError
        If one is not there.
    """
    found = genes.match(wanted, available)
    if len(found.missing):
        raise errors.LabelMismatchError(
            f"{path}: lacks {len(found.missing):,} of {len(wanted):,} genes (first: "
            f"{found.missing[0]}). Give results of the same genes."
        )
    return found.index


def blocks(rows: IntArray) -> Iterator[tuple[IntArray, IntArray]]:
    """Group rows by the chunk they are in.

    Parameters
    ----------
    rows : np.ndarray of int
        In any order.

    Yields
    ------
    tuple of two np.ndarray of int
        Positions in ``rows``, and the rows there, in increasing order.
    """
    order = np.argsort(rows, kind="stable")
    chunk = rows[order] // schema.ROWS_PER_CHUNK
    for piece in np.split(order, np.flatnonzero(np.diff(chunk)) + 1):
        if len(piece):
            yield piece, rows[piece]
