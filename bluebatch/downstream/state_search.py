"""The best partition of patients into two groups, with the evidence of it."""

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt

from bluebatch.downstream import state_evidence, state_graph, state_partitions, state_settings

Array = npt.NDArray[Any]

# Patients beyond those searched follow this many of their nearest.
VOTERS = 15
ROWS = 512


@dataclasses.dataclass(frozen=True)
class Found:
    """The best partition of the patients with a cell type.

    Parameters
    ----------
    index : np.ndarray of int8, shape (patient,)
        State of each patient, 0 or 1.
    partition : state_partitions.Partition
        Of the patients that were searched.
    stability : float
        Mean adjusted Rand index with parts clustered again.
    p_structure : float
        Of clouds without groups.
    separation : float
        Share of the variance along the discriminant axis that lies between the groups.
    """

    index: Array
    partition: state_partitions.Partition
    stability: float
    p_structure: float
    separation: float


def search(
    scores: Array, settings: state_settings.StateSettings, min_group: int, rng: np.random.Generator
) -> Found | None:
    """Find the most stable partition, and compare it with clouds without groups.

    Parameters
    ----------
    scores : np.ndarray of float32, shape (patient, component)
        Of the patients with the type.
    settings : state_settings.StateSettings
        How.
    min_group : int
        Patients that each group needs.
    rng : np.random.Generator
        Draws parts of the patients and clouds without groups.

    Returns
    -------
    Found or None
        None where no two groups were found.
    """
    searched = np.arange(len(scores))
    if len(scores) > settings.max_patients:
        searched = np.sort(rng.choice(len(scores), settings.max_patients, replace=False))
    part = scores[searched]
    smallest = max(2, -(-min_group * len(part) // len(scores)))
    squared = state_graph.squared_distances(part)
    grid = (settings.neighbours, settings.resolutions)
    partitions = state_partitions.search(squared, part, grid, smallest)
    if not partitions:
        return None
    n_drawn = round(settings.share * len(part))
    draws = [
        np.sort(rng.choice(len(part), n_drawn, replace=False)) for _ in range(settings.n_resamples)
    ]
    stability = state_partitions.score_stability(
        squared, part, partitions, draws, settings.min_stability
    )
    cloud = state_evidence.orthonormal(part)
    apart = [state_evidence.separate(cloud, partition.index) for partition in partitions]
    # Among those found again as well, the one whose groups are further apart.
    best = max(range(len(apart)), key=lambda at: (round(float(stability[at]), 2), apart[at]))
    null = state_evidence.Null(settings.n_nulls, settings.alpha, settings.null == "gradient")
    p = state_evidence.compare(apart[best], cloud.shape, null, smallest, rng)
    index = _follow(scores, searched, partitions[best].index)
    if min(np.bincount(index, minlength=2)) < min_group:
        return None
    return Found(index, partitions[best], float(stability[best]), p, apart[best])


def _follow(scores: Array, searched: Array, index: Array) -> Array:
    """Give patients beyond those searched the state of most of their nearest."""
    if len(searched) == len(scores):
        return index
    full = np.empty(len(scores), np.int8)
    known = scores[searched]
    own = np.einsum("pc,pc->p", known, known)
    for start in range(0, len(scores), ROWS):
        distances = own - 2 * scores[start : start + ROWS] @ known.T
        nearest = np.argpartition(distances, VOTERS - 1, axis=1)[:, :VOTERS]
        full[start : start + ROWS] = 2 * index[nearest].sum(axis=1, dtype=np.int64) > VOTERS
    full[searched] = index
    return state_partitions.number(full)
