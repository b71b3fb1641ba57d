"""Neighbour graphs of patients, and their partition by Leiden.

The graph is the one of UMAP, as scanpy builds it: every patient is joined to its nearest
neighbours with weights that fall from 1 at the nearest to a sum that all patients share.
"""

import random
from typing import Any

import igraph
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

LEIDEN_ITERATIONS = 4


def squared_distances(scores: Array) -> Array:
    """Measure how far patients lie apart.

    Parameters
    ----------
    scores : np.ndarray, shape (patient, component)
        Where each patient lies.

    Returns
    -------
    np.ndarray of float32, shape (patient, patient)
        Squared Euclidean distances; 0 on the diagonal.
    """
    own = np.einsum("pc,pc->p", scores, scores)
    distances = np.maximum(own[:, np.newaxis] + own - 2 * scores @ scores.T, 0)
    np.fill_diagonal(distances, 0)
    return np.asarray(distances, np.float32)


def find_nearest(squared: Array, neighbours: int) -> tuple[Array, Array]:
    """Find each patient's nearest others.

    Parameters
    ----------
    squared : np.ndarray, shape (patient, patient)
        Squared distances.
    neighbours : int
        How many, the patient itself among them, as scanpy counts.

    Returns
    -------
    tuple of np.ndarray, shape (patient, neighbours - 1)
        Positions and distances, the nearest first.
    """
    n_others = min(neighbours, len(squared)) - 1
    others = squared.copy()
    np.fill_diagonal(others, np.inf)
    nearest = np.argpartition(others, n_others - 1, axis=1)[:, :n_others]
    found = np.take_along_axis(others, nearest, axis=1)
    order = np.argsort(found, axis=1, kind="stable")
    return (
        np.take_along_axis(nearest, order, axis=1),
        np.sqrt(np.take_along_axis(found, order, axis=1), dtype=np.float64),
    )


def weigh(distances: Array) -> Array:
    """Weigh neighbours so that they sum to log2 of their number, the patient itself included.

    Parameters
    ----------
    distances : np.ndarray, shape (patient, neighbour)
        Of the nearest others, the nearest first.

    Returns
    -------
    np.ndarray, shape (patient, neighbour)
        Above 0, at most 1; 1 for the nearest.

    References
    ----------
    McInnes L, Healy J, Melville J (2018). arXiv:1802.03426, algorithm 3.
    """
    beyond = distances - distances[:, :1]
    target = np.log2(distances.shape[1] + 1)
    low = np.zeros(len(beyond))
    # Where all others are as near as the nearest, any width will do.
    high = np.maximum(beyond[:, -1], 1e-12) * 64
    for _ in range(40):
        width = (low + high) / 2
        above = np.exp(-beyond / width[:, np.newaxis]).sum(axis=1) > target
        high, low = np.where(above, width, high), np.where(above, low, width)
    return np.asarray(np.exp(-beyond / ((low + high) / 2)[:, np.newaxis]))


def build(nearest: Array, distances: Array) -> igraph.Graph:
    """Join neighbours: with weights a and b of the two directions, by a + b - ab.

    Parameters
    ----------
    nearest : np.ndarray of int, shape (patient, neighbour)
        Positions.
    distances : np.ndarray, shape (patient, neighbour)
        The nearest first.

    Returns
    -------
    igraph.Graph
        Undirected, with the edge attribute ``weight``.
    """
    n_patients, n_others = nearest.shape
    tails = np.repeat(np.arange(n_patients), n_others)
    heads = nearest.ravel().astype(np.int64)
    keys = np.minimum(tails, heads) * n_patients + np.maximum(tails, heads)
    edges, position = np.unique(keys, return_inverse=True)
    unjoined = np.ones(len(edges))
    np.multiply.at(unjoined, position, 1 - weigh(distances).ravel())
    pairs = np.column_stack([edges // n_patients, edges % n_patients])
    graph = igraph.Graph(n=n_patients, edges=pairs)
    graph.es["weight"] = 1 - unjoined
    return graph


def cluster(graph: igraph.Graph, resolution: float, seed: int) -> Array:
    """Partition a graph by Leiden, on modularity with a resolution.

    Parameters
    ----------
    graph : igraph.Graph
        With weights.
    resolution : float
        The higher, the more clusters.
    seed : int
        Of Leiden's own draws.

    Returns
    -------
    np.ndarray of int64, shape (patient,)
        Cluster of each patient, numbered from 0.

    References
    ----------
    Traag VA, Waltman L, van Eck NJ (2019). Scientific Reports 9:5233.
    """
    # One generator serves all of igraph, and is the global one unless it is told otherwise.
    igraph.set_random_number_generator(random.Random(seed))
    try:
        found = graph.community_leiden(
            objective_function="modularity",
            weights="weight",
            resolution=resolution,
            n_iterations=LEIDEN_ITERATIONS,
        )
    finally:
        igraph.set_random_number_generator(random)
    return np.asarray(found.membership, np.int64)
