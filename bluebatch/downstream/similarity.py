"""How alike two definitions divide the patients, and the components of the graph of alike ones."""

from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse
import scipy.sparse.csgraph

Array = npt.NDArray[Any]
# So many definitions are compared with all at a time: memory stays below a few hundred MB.
ROWS_PER_BLOCK = 512


def smaller_group(inside: Array, considered: Array | None = None) -> Array:
    """Take the smaller of the two groups of each definition.

    Parameters
    ----------
    inside : np.ndarray of bool, shape (patient, definition)
        Who has the definition's states.
    considered : np.ndarray of bool, shape (patient, definition), or None
        Who belongs to either group; None: everyone.

    Returns
    -------
    np.ndarray of bool, shape (patient, definition)
        Groups of equal size: the one that has the definition's states.
    """
    within, outside = _groups(inside, considered)
    return np.where(within.sum(axis=0) <= outside.sum(axis=0), within, outside)


def directed(inside: Array, considered: Array | None = None, rows: slice | None = None) -> Array:
    """Compare the smaller group of a definition with both groups of every other.

    Parameters
    ----------
    inside, considered : np.ndarray of bool, shape (patient, definition)
        As in `smaller_group`.
    rows : slice or None
        The definitions whose smaller groups are compared; None: all.

    Returns
    -------
    np.ndarray of float64, shape (definition of rows, definition)
        The larger intersection over union, 0 to 1. Two definitions may differ in which group is
        the smaller one, so near half of the patients A against B is not B against A.
    """
    chosen = rows if rows is not None else slice(None)
    small = smaller_group(inside, considered)[:, chosen].T.astype(np.float32)
    size = small.sum(axis=1, dtype=float)[:, None]
    within, outside = _groups(inside, considered)
    # Whole numbers below 2^24 are exact in float32.
    shared = (small @ within.astype(np.float32)).astype(float)
    seen = size if considered is None else (small @ considered.astype(np.float32)).astype(float)
    best: Array = np.zeros_like(shared)
    # Who is seen and not inside is outside: one product serves both groups.
    for group, both in ((within, shared), (outside, seen - shared)):
        union = size + group.sum(axis=0) - both
        ratio = np.divide(both, union, out=np.zeros_like(both), where=union > 0)
        np.maximum(best, ratio, out=best)
    return best


def matrix(inside: Array, considered: Array | None = None) -> Array:
    """Compare every two definitions.

    Parameters
    ----------
    inside, considered : np.ndarray of bool, shape (patient, definition)
        As in `smaller_group`.

    Returns
    -------
    np.ndarray of float64, shape (definition, definition)
        Symmetric: the larger of A against B and B against A.
    """
    found = directed(inside, considered)
    return np.maximum(found, found.T)


def components(inside: Array, considered: Array | None, min_similarity: float) -> Array:
    """Find the connected components of the graph of alike definitions.

    Parameters
    ----------
    inside, considered : np.ndarray of bool, shape (patient, definition)
        As in `smaller_group`.
    min_similarity : float
        Two definitions are joined where either direction reaches it.

    Returns
    -------
    np.ndarray of int64, shape (definition,)
        Number of each definition's component, in the order of their first definitions.
    """
    n_definitions = inside.shape[1]
    parts = []
    for start in range(0, n_definitions, ROWS_PER_BLOCK):
        found = directed(inside, considered, slice(start, start + ROWS_PER_BLOCK))
        parts.append(scipy.sparse.coo_array((found >= min_similarity).astype(np.int8)))
    if not parts:
        return np.zeros(0, dtype=np.int64)
    edges = scipy.sparse.csr_array(scipy.sparse.vstack(parts))
    labels: Array = scipy.sparse.csgraph.connected_components(edges, directed=False)[1]
    _, first, number = np.unique(labels, return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    return rank[number]


def _groups(inside: Array, considered: Array | None) -> tuple[Array, Array]:
    if considered is None:
        return inside, ~inside
    return inside & considered, ~inside & considered
