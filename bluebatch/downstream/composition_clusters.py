"""Clusters of patients by their proportions alone: the baseline of every finding from profiles.

Leiden at scanpy's defaults on the principal components of the proportions; patients of another
cohort get the cluster of most of their nearest neighbours in that space.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import igraph
import numpy as np
import numpy.typing as npt
from scipy.spatial import distance

from bluebatch import errors
from bluebatch.downstream import state_graph

Array = npt.NDArray[Any]
# scanpy's defaults; a patient counts among its own neighbours.
NEIGHBOURS, RESOLUTION = 15, 1.0
# Leiden ends in one of many partitions, as its draws fall: the best of so many starts is nearly
# always the same one.
N_STARTS = 20
FEWEST_PATIENTS = 3
NOWHERE = -1
# Components below this share of the largest standard deviation are rounding.
ROUNDING = 1e-6
DECIMALS = 9
ROWS_PER_BLOCK = 1024


@dataclasses.dataclass(frozen=True)
class Clusters:
    """Clusters, and the space in which other patients are given to them.

    Parameters
    ----------
    cell_types : tuple of str
        Of the proportions, in order.
    index : np.ndarray of int16, shape (patient,)
        Cluster of each patient, 0 the largest; -1 where there are no proportions to go by.
    mean : np.ndarray of float64, shape (cell_type,)
        Mean proportions of the patients that were clustered.
    loadings : np.ndarray of float64, shape (cell_type, component)
        Principal components, not scaled; the largest loading of each is positive.
    scores : np.ndarray of float64, shape (patient, component)
        Where the patients lie; NaN where the cluster is -1.
    """

    cell_types: tuple[str, ...]
    index: Array
    mean: Array
    loadings: Array
    scores: Array

    @property
    def n_clusters(self) -> int:
        """Count the clusters.

        Returns
        -------
        int
            At least 1.
        """
        return int(self.index.max()) + 1

    def assign(self, proportion: Array, cell_types: Sequence[str]) -> Array:
        """Give other patients the cluster of most of their 15 nearest neighbours.

        Parameters
        ----------
        proportion : np.ndarray, shape (patient, cell_type)
            Proportions; those of the frozen cell types are divided by their sum.
        cell_types : sequence of str
            Names of the columns, in any order; others may be among them.

        Returns
        -------
        np.ndarray of int16, shape (patient,)
            Of clusters with equally many neighbours the one of the nearest of them; -1 for
            patients with missing proportions, or none of the frozen cell types.

        Raises
        ------
        errors.LabelMismatchError
            If a frozen cell type is not there.
        errors.ValuesError
            If proportions are negative.
        """
        names = list(cell_types)
        missing = [name for name in self.cell_types if name not in names]
        if missing:
            raise errors.LabelMismatchError(
                f"clusters of proportions: the cohort lacks {len(missing):,} of "
                f"{len(self.cell_types):,} frozen cell types (first: {missing[0]}). Give "
                "proportions of the same cell types."
            )
        columns = [names.index(name) for name in self.cell_types]
        scores = (_closed(np.asarray(proportion, float)[:, columns]) - self.mean) @ self.loadings
        blocks = [
            self._nearest(scores[start : start + ROWS_PER_BLOCK])
            for start in range(0, len(scores), ROWS_PER_BLOCK)
        ]
        found = np.concatenate([np.zeros(0, np.int16), *blocks])
        return np.where(np.isnan(scores).any(axis=1), NOWHERE, found).astype(np.int16)

    def arrays(self) -> dict[str, Array]:
        """Give the frozen arrays.

        Returns
        -------
        dict of str to np.ndarray
            What `of` takes: patients in clusters, without their names.
        """
        placed = self.index != NOWHERE
        arrays = {"index": self.index[placed], "scores": self.scores[placed]}
        arrays |= {"mean": self.mean, "loadings": self.loadings}
        return {name: np.ascontiguousarray(values) for name, values in arrays.items()}

    @classmethod
    def of(cls, cell_types: Sequence[str], arrays: Mapping[str, Array]) -> "Clusters":
        """Put the frozen arrays together.

        Parameters
        ----------
        cell_types : sequence of str
            In order.
        arrays : mapping of str to np.ndarray
            As `arrays` gave them.

        Returns
        -------
        Clusters
            The same, of the patients in clusters.
        """
        return cls(
            tuple(cell_types),
            arrays["index"],
            arrays["mean"],
            arrays["loadings"],
            arrays["scores"],
        )

    def _nearest(self, scores: Array) -> Array:
        placed = self.index != NOWHERE
        apart = distance.cdist(scores, self.scores[placed], "sqeuclidean")
        n_near = min(NEIGHBOURS, apart.shape[1])
        near = np.sort(np.argpartition(apart, n_near - 1, axis=1)[:, :n_near], axis=1)
        order = np.argsort(np.take_along_axis(apart, near, axis=1), axis=1, kind="stable")
        near = np.take_along_axis(near, order, axis=1)
        labels = self.index[placed][near]  # (patient, neighbour), the nearest first
        votes = (labels[:, :, None] == labels[:, None]).sum(axis=2)
        first = votes.argmax(axis=1)
        return np.asarray(np.take_along_axis(labels, first[:, None], axis=1)[:, 0])


def find(proportion: Array, cell_types: Sequence[str]) -> Clusters:
    """Cluster patients by their proportions.

    Parameters
    ----------
    proportion : np.ndarray, shape (patient, cell_type)
        Proportions; each row is divided by its sum.
    cell_types : sequence of str
        Names of the columns.

    Returns
    -------
    Clusters
        As many as Leiden finds: 15 neighbours, resolution 1, the start of largest modularity.

    Raises
    ------
    errors.ValuesError
        If proportions are negative, or fewer than three patients have any.
    """
    closed = _closed(np.asarray(proportion, dtype=float))
    placed = ~np.isnan(closed).any(axis=1)
    if placed.sum() < FEWEST_PATIENTS:
        raise errors.ValuesError(
            f"clusters of proportions: {placed.sum():,} patients have proportions, at least "
            f"{FEWEST_PATIENTS} are needed. Give a larger cohort."
        )
    mean = closed[placed].mean(axis=0)
    loadings = _components(closed[placed] - mean)
    scores = (closed - mean) @ loadings
    squared = state_graph.squared_distances(scores[placed])
    graph = state_graph.build(*state_graph.find_nearest(squared, NEIGHBOURS))
    index = np.full(len(closed), NOWHERE, dtype=np.int16)
    index[placed] = _by_size(_partition(graph))
    return Clusters(tuple(cell_types), index, mean, loadings, scores)


def _partition(graph: igraph.Graph) -> Array:
    found = [state_graph.cluster(graph, RESOLUTION, start) for start in range(N_STARTS)]
    return max(
        found,
        key=lambda labels: round(
            graph.modularity(labels, weights="weight", resolution=RESOLUTION), DECIMALS
        ),
    )


def _closed(proportion: Array) -> Array:
    if (proportion < 0).any():
        row = np.flatnonzero((proportion < 0).any(axis=1))[0]
        raise errors.ValuesError(
            f"clusters of proportions: row {row:,} holds {proportion[row].min():g}, 0 or more was "
            "needed. Give proportions, not their logarithms or scores."
        )
    total = proportion.sum(axis=1, keepdims=True)
    fine = np.isfinite(total) & (total > 0)
    gaps = np.full_like(proportion, np.nan)
    return np.asarray(np.divide(proportion, total, out=gaps, where=fine))


def _components(centred: Array) -> Array:
    _, spread, rows = np.linalg.svd(centred, full_matrices=False)
    rows = rows[spread > ROUNDING * max(spread[0], ROUNDING)]
    largest = np.abs(rows).argmax(axis=1)
    signs = np.sign(rows[np.arange(len(rows)), largest])
    return np.asarray((rows * signs[:, None]).T)


def _by_size(labels: Array) -> Array:
    _, first, number, sizes = np.unique(
        labels, return_index=True, return_inverse=True, return_counts=True
    )
    rank = np.empty(len(sizes), dtype=np.int16)
    rank[np.lexsort((first, -sizes))] = np.arange(len(sizes))
    return rank[number]
