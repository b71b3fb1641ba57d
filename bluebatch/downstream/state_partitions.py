"""Partitions of patients into two groups, and how well they are found again."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import igraph
import numpy as np
import numpy.typing as npt
import sklearn.metrics

from bluebatch.downstream import state_graph

Array = npt.NDArray[Any]

# Clusters below the smallest size that hold no more than this share of all patients are outliers,
# and go where they are nearest; beyond it there are more than two groups.
MOST_OUTLYING = 0.05
BISECTIONS = 8


@dataclasses.dataclass(frozen=True)
class Partition:
    """Two groups of patients, and the graph on which Leiden found them.

    Parameters
    ----------
    index : np.ndarray of int8, shape (patient,)
        0 or 1.
    neighbours : int
        Of each patient, itself among them.
    resolution : float
        Of the modularity.
    """

    index: Array
    neighbours: int
    resolution: float


def dissolve(labels: Array, scores: Array, smallest: int) -> Array:
    """Let few outliers join the cluster whose mean is nearest.

    Parameters
    ----------
    labels : np.ndarray of int64, shape (patient,)
        Clusters.
    scores : np.ndarray, shape (patient, component)
        Where each patient lies.
    smallest : int
        Patients that a cluster needs.

    Returns
    -------
    np.ndarray of int64, shape (patient,)
        Clusters, numbered from 0; unchanged where too many patients are in small ones.
    """
    sizes = np.bincount(labels)
    kept = np.flatnonzero(sizes >= smallest)
    outlying = ~np.isin(labels, kept)
    if not outlying.any() or not len(kept) or outlying.mean() > MOST_OUTLYING:
        return np.asarray(np.unique(labels, return_inverse=True)[1])
    means = np.array([scores[labels == label].mean(axis=0) for label in kept])
    apart = ((scores[outlying, np.newaxis] - means) ** 2).sum(axis=2)
    joined = np.searchsorted(kept, labels)
    joined[outlying] = apart.argmin(axis=1)
    return np.asarray(joined)


def number(labels: Array) -> Array:
    """Give two groups their numbers: 0 is the larger, or of two alike that of the first patient.

    Parameters
    ----------
    labels : np.ndarray of int, shape (patient,)
        Two different numbers.

    Returns
    -------
    np.ndarray of int8, shape (patient,)
        0 or 1.
    """
    with_first = labels == labels[0]
    larger = with_first if 2 * with_first.sum() >= len(labels) else ~with_first
    return np.where(larger, 0, 1).astype(np.int8)


def is_pair(labels: Array, smallest: int) -> bool:
    """Tell whether there are exactly two clusters, both large enough.

    Parameters
    ----------
    labels : np.ndarray of int64, shape (patient,)
        Clusters.
    smallest : int
        Patients that each needs.

    Returns
    -------
    bool
        True for a partition that can be two states.
    """
    sizes = np.bincount(labels)
    return len(sizes) == 2 and bool(sizes.min() >= smallest)


def search(
    squared: Array, scores: Array, grid: tuple[Sequence[int], Sequence[float]], smallest: int
) -> list[Partition]:
    """Partition patients at every setting of a grid, and keep what gives two groups.

    Parameters
    ----------
    squared : np.ndarray, shape (patient, patient)
        Squared distances.
    scores : np.ndarray, shape (patient, component)
        Where each patient lies.
    grid : tuple of sequences
        Numbers of neighbours, and resolutions in ascending order.
    smallest : int
        Patients that each group needs.

    Returns
    -------
    list of Partition
        None may be found. Where no resolution of the grid gives two groups, the one between the
        last with fewer clusters and the first with more is sought by bisection.
    """
    found = []
    for neighbours in sorted({min(count, len(squared) - 1) for count in grid[0]}):
        graph = state_graph.build(*state_graph.find_nearest(squared, neighbours))
        found += _search_one(graph, scores, neighbours, grid[1], smallest)
    return found


def _search_one(
    graph: igraph.Graph, scores: Array, neighbours: int, grid: Sequence[float], smallest: int
) -> list[Partition]:
    """Find two groups on one graph."""
    found: list[Partition] = []
    low, high = 0.0, 4 * grid[-1]

    def attempt(resolution: float) -> int:
        labels = dissolve(state_graph.cluster(graph, resolution, seed=0), scores, smallest)
        if is_pair(labels, smallest):
            found.append(Partition(number(labels), neighbours, resolution))
        return int(labels.max()) + 1

    for resolution in grid:
        n_clusters = attempt(resolution)
        if n_clusters > 2:
            high = resolution
            break
        if n_clusters < 2:
            low = resolution
    for _ in range(0 if found else BISECTIONS):
        middle = (low + high) / 2
        n_clusters = attempt(middle)
        if found:
            break
        low, high = (middle, high) if n_clusters < 2 else (low, middle)
    return _thin(found)


def _thin(found: list[Partition]) -> list[Partition]:
    """Keep one of those resolutions in a row that give the same groups: the middle one."""
    runs: list[list[Partition]] = []
    for partition in found:
        if runs and np.array_equal(runs[-1][0].index, partition.index):
            runs[-1].append(partition)
        else:
            runs.append([partition])
    return [run[len(run) // 2] for run in runs]


def score_stability(
    squared: Array,
    scores: Array,
    partitions: Sequence[Partition],
    draws: Sequence[Array],
    wanted: float = 0,
) -> Array:
    """Cluster parts of the patients again, and compare.

    Parameters
    ----------
    squared : np.ndarray, shape (patient, patient)
        Squared distances.
    scores : np.ndarray, shape (patient, component)
        Where each patient lies.
    partitions : sequence of Partition
        What is to be found again, at its own neighbours and resolution.
    draws : sequence of np.ndarray of int
        Positions of the patients of each part.
    wanted : float
        A partition is given up, to save time, once its mean cannot reach this any more.

    Returns
    -------
    np.ndarray, shape (partition,)
        Mean adjusted Rand index over the draws: 1 where all are found again, 0 as by chance. Of
        those given up, over the draws until then.
    """
    agreement = np.full((len(draws), len(partitions)), np.nan)
    for row, drawn in enumerate(draws):
        lost = np.nansum(1 - agreement, axis=0)
        kept = np.flatnonzero(lost <= len(draws) * (1 - wanted)).tolist()
        if not kept:
            break
        part = squared[np.ix_(drawn, drawn)]
        graphs: dict[int, igraph.Graph] = {}
        for column in kept:
            partition = partitions[column]
            neighbours = min(partition.neighbours, len(drawn) - 1)
            if neighbours not in graphs:
                graphs[neighbours] = state_graph.build(*state_graph.find_nearest(part, neighbours))
            own = partition.index[drawn]
            fewest = max(2, int(min(own.sum(), len(own) - own.sum()) // 2))
            labels = state_graph.cluster(graphs[neighbours], partition.resolution, seed=row + 1)
            again = dissolve(labels, scores[drawn], fewest)
            agreement[row, column] = sklearn.metrics.adjusted_rand_score(own, again)
    return np.asarray(np.nanmean(agreement, axis=0))
