"""Principal components of one cell type's profiles."""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.linalg
import sklearn.utils.extmath

from bluebatch.downstream import state_settings, state_space

Array = npt.NDArray[Any]

ROWS = 1024
# Up to here the smaller side is decomposed exactly.
EXACT = 1200
# A gene of less variance, in log2 units squared, does not vary.
CONSTANT = 1e-10
# Components shorter than this share of the longest are rounding errors.
SHORTEST = 1e-4
# Of the covariance within states that is taken from its diagonal.
SHRINKAGE = 0.1


@dataclasses.dataclass(frozen=True)
class Components:
    """Principal components of a matrix.

    Parameters
    ----------
    mean : np.ndarray of float32, shape (gene,)
        Of each gene.
    scale : np.ndarray of float32, shape (gene,)
        What each gene is divided by.
    loadings : np.ndarray of float32, shape (gene, component)
        Orthonormal columns; the largest of each is positive.
    scores : np.ndarray of float32, shape (patient, component)
        Centred.
    """

    mean: Array
    scale: Array
    loadings: Array
    scores: Array

    def settle(self, genes: Sequence[str], index: Array) -> state_space.Space:
        """Freeze the components with two states.

        Parameters
        ----------
        genes : sequence of str
            Names.
        index : np.ndarray of int8, shape (patient,)
            State of each patient, 0 or 1.

        Returns
        -------
        Space
            With the states' centroids.
        """
        means = np.array([self.scores[index == state].mean(axis=0) for state in (0, 1)])
        within = np.asarray(self.scores - means[index], np.float64)
        covariance = within.T @ within / max(len(within) - 2, 1)
        own = np.diag(np.diag(covariance))
        shrunken = (1 - SHRINKAGE) * covariance + SHRINKAGE * own
        # An axis on which nobody differs within states is no reason for infinite distances.
        floor = 1e-6 * max(float(np.trace(own)), 1e-12)
        metric = scipy.linalg.inv(shrunken + floor * np.eye(len(own)))
        return state_space.Space(
            genes=list(genes),
            mean=self.mean,
            scale=self.scale,
            loadings=self.loadings,
            centroids=means.astype(np.float32),
            metric=metric.astype(np.float32),
        )


def moments(matrix: Array) -> tuple[Array, Array]:
    """Average each gene and its squared deviations, few patients at a time.

    Parameters
    ----------
    matrix : np.ndarray of float32, shape (patient, gene)
        Finite numbers.

    Returns
    -------
    tuple of np.ndarray of float64, shape (gene,)
        Means and variances.
    """
    mean = np.zeros(matrix.shape[1])
    squares = np.zeros(matrix.shape[1])
    for block in _blocks(matrix):
        mean += block.sum(axis=0, dtype=np.float64) / len(matrix)
    for block in _blocks(matrix):
        squares += np.square(block - mean).sum(axis=0)
    return mean, squares / len(matrix)


def _blocks(matrix: Array) -> Iterator[Array]:
    for start in range(0, len(matrix), ROWS):
        yield matrix[start : start + ROWS]


def decompose(
    matrix: Array, scale: Array, n_components: int, rng: np.random.Generator
) -> Components:
    """Find the principal components of a matrix, which is centred in place.

    Parameters
    ----------
    matrix : np.ndarray of float32, shape (patient, gene)
        Finite numbers; overwritten.
    scale : np.ndarray, shape (gene,)
        What each gene is divided by.
    n_components : int
        At most.
    rng : np.random.Generator
        Starts the randomised search in a large matrix.

    Returns
    -------
    Components
        Fewer of them where the matrix has no more; none at all where all patients are alike.
    """
    mean = moments(matrix)[0].astype(np.float32)
    matrix -= mean
    matrix /= np.asarray(scale, np.float32)
    if min(matrix.shape) <= EXACT:
        loadings = _decompose_exactly(matrix, n_components)
    else:
        seed = int(rng.integers(2**31))
        _, lengths, right = sklearn.utils.extmath.randomized_svd(
            matrix, n_components, n_iter=5, random_state=seed
        )
        loadings = right[lengths > SHORTEST * lengths[0]].T
    tallest = np.abs(loadings).argmax(axis=0)
    signs = np.where(np.take_along_axis(loadings, tallest[np.newaxis], axis=0) < 0, -1, 1)
    loadings = np.asarray(loadings * signs, np.float32)
    return Components(mean, np.asarray(scale, np.float32), loadings, matrix @ loadings)


def _decompose_exactly(matrix: Array, n_components: int) -> Array:
    """Find loadings by the products of the shorter side, added up in float64."""
    n_patients, n_genes = matrix.shape
    wide = n_genes > n_patients
    size = n_patients if wide else n_genes
    products = np.zeros((size, size))
    for start in range(0, max(matrix.shape), ROWS):
        part = slice(start, start + ROWS)
        block = matrix[:, part].T if wide else matrix[part]
        block = block.astype(np.float64)
        products += block.T @ block
    count = min(n_components, size)
    squares, vectors = scipy.linalg.eigh(products, subset_by_index=[size - count, size - 1])
    lengths = np.sqrt(np.maximum(squares[::-1], 0))
    kept = lengths > SHORTEST * max(lengths[0], 1e-12)
    vectors = vectors[:, ::-1][:, kept]
    if not wide:
        return np.asarray(vectors)
    return np.asarray(matrix.T @ vectors.astype(np.float32) / lengths[kept])


def of_variable_genes(
    matrix: Array, rows: Array, settings: state_settings.StateSettings, rng: np.random.Generator
) -> tuple[Array, Components]:
    """Find the principal components of the most variable genes.

    Parameters
    ----------
    matrix : np.ndarray of float32, shape (patient, gene)
        Profiles; not changed.
    rows : np.ndarray of int
        Patients with the type, whose profiles are finite.
    settings : state_settings.StateSettings
        How many genes and components, and the scale.
    rng : np.random.Generator
        As in `decompose`.

    Returns
    -------
    tuple of np.ndarray of int64, shape (kept gene,), and Components
        Columns that were used, none of which is constant, in their order.
    """
    variance = np.zeros(matrix.shape[1])
    for start in range(0, matrix.shape[1], ROWS):
        variance[start : start + ROWS] = moments(matrix[rows, start : start + ROWS])[1]
    order = np.argsort(-variance, kind="stable")[: settings.n_genes]
    kept = np.sort(order[variance[order] > CONSTANT])
    if len(kept) < 2:
        nothing = np.zeros((0, 0), np.float32)
        return kept, Components(nothing, nothing, nothing, np.zeros((len(rows), 0), np.float32))
    scale = np.sqrt(variance[kept]) if settings.scale == "unit" else np.ones(len(kept))
    n_components = min(settings.n_components, max(2, len(rows) // 10))
    part = np.empty((len(rows), len(kept)), np.float32)
    for start in range(0, len(rows), ROWS):
        part[start : start + ROWS] = matrix[rows[start : start + ROWS]][:, kept]
    return kept, decompose(part, scale, n_components, rng)
