"""The space in which one cell type's states lie, frozen so that other patients find theirs."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from bluebatch import errors

Array = npt.NDArray[Any]

ROWS = 1024
# Up to here the smaller side is decomposed exactly.
EXACT = 1200
# Components shorter than this share of the longest are rounding errors.
SHORTEST = 1e-4
# Of the covariance within states that is taken from its diagonal.
SHRINKAGE = 0.1


@dataclasses.dataclass(frozen=True)
class Space:
    """Principal components of a cell type's profiles, and where its two states lie.

    Parameters
    ----------
    genes : list of str
        Those that were used.
    mean : np.ndarray of float32, shape (gene,)
        Taken from each profile.
    scale : np.ndarray of float32, shape (gene,)
        Then divided by.
    loadings : np.ndarray of float32, shape (gene, component)
        Orthonormal columns.
    centroids : np.ndarray of float32, shape (2, component)
        Mean scores of the states.
    metric : np.ndarray of float32, shape (component, component)
        Inverse of the covariance within states, a tenth of which is taken from its diagonal.
    """

    genes: list[str]
    mean: Array
    scale: Array
    loadings: Array
    centroids: Array
    metric: Array

    def score(self, matrix: npt.ArrayLike) -> Array:
        """Find where profiles lie.

        Parameters
        ----------
        matrix : array_like, shape (patient, gene)
            Profiles, their columns the space's genes in its order. A gene that is NaN counts as
            the mean; a patient whose genes are all NaN has no scores.

        Returns
        -------
        np.ndarray of float32, shape (patient, component)
            Scores; NaN rows of patients without a profile.

        Raises
        ------
        errors.LabelMismatchError
            If there are more or fewer columns than genes.
        """
        profiles = np.asarray(matrix)
        if profiles.ndim != 2 or profiles.shape[1] != len(self.genes):
            raise errors.LabelMismatchError(
                f"Profiles of {profiles.shape[-1]:,} genes, but the states rest on "
                f"{len(self.genes):,}. Give the columns named by the states' genes, in their order."
            )
        scores = np.full((len(profiles), self.loadings.shape[1]), np.nan, np.float32)
        for start in range(0, len(profiles), ROWS):
            block = (profiles[start : start + ROWS] - self.mean) / self.scale
            empty = np.isnan(block)
            there = ~empty.all(axis=1)
            block[empty] = 0
            scores[start : start + ROWS][there] = block[there] @ self.loadings
        return scores

    def place(self, scores: Array) -> Array:
        """Place patients on the line through both states.

        Parameters
        ----------
        scores : np.ndarray, shape (patient, component)
            As from `score`.

        Returns
        -------
        np.ndarray of float64, shape (patient,)
            -1 at the centroid of state 0, 1 at that of state 1, 0 as near to either.
        """
        apart = np.asarray(self.centroids[1] - self.centroids[0], np.float64)
        middle = np.asarray(self.centroids[1] + self.centroids[0], np.float64) / 2
        axis = np.asarray(self.metric, np.float64) @ apart
        length = max(float(axis @ apart), 1e-300)
        return np.asarray(2 * ((np.asarray(scores, np.float64) - middle) @ axis) / length)

    def nearest(self, scores: Array) -> tuple[Array, Array]:
        """Find each patient's nearest state, in units of the spread within states.

        Parameters
        ----------
        scores : np.ndarray, shape (patient, component)
            As from `score`.

        Returns
        -------
        tuple of np.ndarray, shape (patient,)
            State, int8: 0, 1, or -1 for a patient without scores; and strength, float32: 0 half
            way between both states, 1 at the state's centroid and beyond it, NaN without scores.
        """
        along = self.place(scores)
        index = np.where(np.isnan(along), -1, along > 0).astype(np.int8)
        return index, np.minimum(np.abs(along), 1).astype(np.float32)

    def arrays(self) -> dict[str, Array]:
        """Name all numbers, for a file.

        Returns
        -------
        dict of str to np.ndarray
            All but the genes.
        """
        names = ("mean", "scale", "loadings", "centroids", "metric")
        return {name: np.ascontiguousarray(getattr(self, name)) for name in names}

    @classmethod
    def of(cls, genes: Sequence[str], arrays: Mapping[str, Array]) -> Self:
        """Make a space of what a file holds.

        Parameters
        ----------
        genes : sequence of str
            In the order of the arrays.
        arrays : mapping of str to np.ndarray
            As from `arrays`.

        Returns
        -------
        Space
            The same.

        Raises
        ------
        errors.LabelMismatchError
            If an array is missing or of another length.
        """
        n_components = arrays["loadings"].shape[-1] if "loadings" in arrays else 0
        shapes = {
            "mean": (len(genes),),
            "scale": (len(genes),),
            "loadings": (len(genes), n_components),
            "centroids": (2, n_components),
            "metric": (n_components, n_components),
        }
        for name, shape in shapes.items():
            found = arrays[name].shape if name in arrays else "nothing"
            if found != shape:
                raise errors.LabelMismatchError(
                    f"States: {name} holds {found}, needed: {shape}. "
                    "The folder is damaged: write it again with `bluebatch subtype`."
                )
        numbers = {name: np.asarray(arrays[name], np.float32) for name in shapes}
        return cls(list(genes), **numbers)
