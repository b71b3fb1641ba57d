"""Patients on a plane, by the scores of one cell type's profiles."""

import dataclasses
import warnings
from typing import Any

import numpy as np
import numpy.typing as npt

with warnings.catch_warnings():
    # It warns that a part of it which is not used here lacks another library.
    warnings.simplefilter("ignore")
    import umap

Array = npt.NDArray[Any]
FEWEST = 15
N_NEIGHBOURS = 15
MAX_POINTS = 3000


@dataclasses.dataclass(frozen=True)
class StateMap:
    """Where the patients of one cell type lie.

    Parameters
    ----------
    cell_type : str
        Which.
    rows : np.ndarray of int, shape (point,)
        Patients that are drawn.
    x, y : np.ndarray of float32, shape (point,)
        Where.
    state : np.ndarray of int8, shape (point,)
        0 or 1.
    structured : bool
        Whether the type was found to have two states.
    method : str
        What the plane is: UMAP, or PCA where there are few patients.
    n_present : int
        Patients in whom the type is present.
    """

    cell_type: str
    rows: Array
    x: Array
    y: Array
    state: Array
    structured: bool
    method: str
    n_present: int


def embed(
    scores: Array, state: Array, cell_type: str, seed: int = 0, *, structured: bool = True
) -> StateMap:
    """Lay the patients of a cell type out on a plane.

    Parameters
    ----------
    scores : np.ndarray, shape (patient, component)
        Of the type's profiles; rows of NaN where it is absent.
    state : np.ndarray of int8, shape (patient,)
        0, 1, or -1 where it is absent.
    cell_type : str
        Which.
    seed : int
        Of the layout: the same seed gives the same plane.
    structured : bool
        Whether the type was found to have two states.

    Returns
    -------
    StateMap
        At most `MAX_POINTS` patients, evenly chosen; PCA where there are fewer than `FEWEST`.
    """
    present = np.flatnonzero(np.isfinite(scores).all(axis=1))
    n_present = len(present)
    if n_present > MAX_POINTS:
        present = present[np.linspace(0, n_present - 1, MAX_POINTS).round().astype(int)]
    values = np.asarray(scores, np.float64)[present]
    method = "UMAP" if n_present >= FEWEST and values.shape[1] > 1 else "PCA"
    plane = _umap(values, seed) if method == "UMAP" else _pca(values)
    x, y = plane.astype(np.float32).T
    chosen = np.asarray(state, np.int8)[present]
    return StateMap(cell_type, present, x, y, chosen, structured, method, n_present)


def _umap(values: Array, seed: int) -> Array:
    n_neighbours = min(N_NEIGHBOURS, len(values) - 1)
    layout = umap.UMAP(
        n_neighbors=n_neighbours, min_dist=0.3, random_state=seed, n_jobs=1, init="pca"
    )
    return np.asarray(layout.fit_transform(values), np.float64)


def _pca(values: Array) -> Array:
    plane = np.zeros((len(values), 2))
    if len(values) > 1:
        left, sizes, right = np.linalg.svd(values - values.mean(axis=0), full_matrices=False)
        # Signs are arbitrary: the largest weight of a component is positive.
        largest = np.abs(right).argmax(axis=1)
        signs = np.sign(right[np.arange(len(right)), largest])
        n_components = min(2, len(sizes))
        plane[:, :n_components] = (left * sizes * signs)[:, :n_components]
    return plane
