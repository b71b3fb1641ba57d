"""States from proportions alone, and profiles without what proportions explain of them."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from bluebatch import errors

Array = npt.NDArray[Any]

ROWS = 1024


@dataclasses.dataclass(frozen=True)
class Residualiser:
    """Least squares of every gene on proportions.

    Parameters
    ----------
    coefficients : np.ndarray of float32, shape (1 + cell_type, gene)
        Intercept, then one row a type; 0 for the last type, since proportions sum to 1.
    """

    coefficients: Array

    def apply(self, matrix: Array, proportion: Array) -> Array:
        """Take from profiles what proportions explain.

        Parameters
        ----------
        matrix : np.ndarray, shape (patient, gene)
            Profiles of one type; NaN where it is absent.
        proportion : np.ndarray, shape (patient, cell_type)
            Proportions of the same patients, the types as fitted.

        Returns
        -------
        np.ndarray of float32, shape (patient, gene)
            Residuals; NaN rows where the profile or a proportion is missing.

        Raises
        ------
        errors.LabelMismatchError
            If patients, cell types or genes are of another number than fitted.
        """
        n_terms, n_genes = self.coefficients.shape
        _check(matrix, proportion)
        if matrix.shape[1] != n_genes or proportion.shape[1] != n_terms - 1:
            raise errors.LabelMismatchError(
                f"Profiles of {matrix.shape[1]:,} genes and proportions of {proportion.shape[1]} "
                f"cell types, needed: {n_genes:,} and {n_terms - 1} as in the first cohort. "
                "Give the same genes and cell types, in the same order."
            )
        residuals = np.empty(matrix.shape, np.float32)
        for start in range(0, len(matrix), ROWS):
            rows = slice(start, start + ROWS)
            explained = _terms(proportion[rows]).astype(np.float32) @ self.coefficients
            np.subtract(matrix[rows], explained, out=residuals[rows])
        return residuals

    def arrays(self) -> dict[str, Array]:
        """Name all numbers, for a file.

        Returns
        -------
        dict of str to np.ndarray
            The coefficients.
        """
        return {"coefficients": self.coefficients}

    @classmethod
    def of(cls, arrays: Mapping[str, Array]) -> Self:
        """Make one of what a file holds.

        Parameters
        ----------
        arrays : mapping of str to np.ndarray
            As from `arrays`.

        Returns
        -------
        Residualiser
            The same.
        """
        return cls(np.asarray(arrays["coefficients"], np.float32))


def residualise(matrix: Array, proportion: Array) -> tuple[Array, Residualiser]:
    """Fit each gene on the proportions by least squares, and take away what is explained.

    Parameters
    ----------
    matrix : np.ndarray of float32, shape (patient, gene)
        Profiles of one type; NaN rows where it is absent, which are left out of the fit.
    proportion : np.ndarray, shape (patient, cell_type)
        Proportions; the last type is left out of the fit, since they sum to 1.

    Returns
    -------
    tuple of np.ndarray and Residualiser
        Residuals, float32, and what was fitted.

    Raises
    ------
    errors.LabelMismatchError
        If there are not as many rows of proportions as profiles.
    errors.ValuesError
        If there are no more patients than terms.
    """
    _check(matrix, proportion)
    fitted = np.isfinite(proportion).all(axis=1) & np.isfinite(matrix).all(axis=1)
    terms = _terms(proportion[fitted])[:, :-1]
    if len(terms) <= terms.shape[1]:
        raise errors.ValuesError(
            f"{len(terms):,} patients have a profile and proportions, needed: more than the "
            f"{terms.shape[1]} terms of the fit. Leave out the residualised branch."
        )
    # The solution for all genes is one small matrix times the profiles, added up by rows.
    solver = np.linalg.pinv(terms)
    coefficients = np.zeros((proportion.shape[1] + 1, matrix.shape[1]))
    rows = np.flatnonzero(fitted)
    for start in range(0, len(rows), ROWS):
        part = slice(start, start + ROWS)
        coefficients[:-1] += solver[:, part] @ matrix[rows[part]].astype(np.float64)
    frozen = Residualiser(coefficients.astype(np.float32))
    return frozen.apply(matrix, proportion), frozen


def residuals(matrix: Array, proportion: Array) -> Array:
    """Take from profiles what proportions explain of them.

    Parameters
    ----------
    matrix : np.ndarray of float32, shape (patient, gene)
        Profiles of one type; NaN rows where it is absent.
    proportion : np.ndarray, shape (patient, cell_type)
        Proportions.

    Returns
    -------
    np.ndarray of float32, shape (patient, gene)
        As from `residualise`.
    """
    return residualise(matrix, proportion)[0]


@dataclasses.dataclass(frozen=True)
class Medians:
    """Where proportions are cut into two states.

    Parameters
    ----------
    cell_types : list of str
        Of the columns of states.
    cuts : np.ndarray of float64, shape (cell_type,)
        State 1 lies above, strictly.
    notes : list of str
        Types that were left out, and why.
    """

    cell_types: list[str]
    cuts: Array
    notes: list[str]


def at_medians(
    proportion: Array, cell_types: Sequence[str], min_group: int = 1
) -> tuple[Array, Medians]:
    """Cut every type's proportions at their median.

    Parameters
    ----------
    proportion : np.ndarray, shape (patient, cell_type)
        Proportions; NaN where one is not known.
    cell_types : sequence of str
        Names of the columns.
    min_group : int
        Patients that each side needs: a type that is 0 in most is left out.

    Returns
    -------
    tuple of np.ndarray of int8, shape (patient, kept cell_type), and Medians
        1 above the median, 0 at and below it, -1 where the proportion is not known; and the cuts
        of the types that were kept.

    Raises
    ------
    errors.LabelMismatchError
        If there are not as many names as columns.
    """
    if proportion.ndim != 2 or proportion.shape[1] != len(cell_types):
        raise errors.LabelMismatchError(
            f"Proportions of shape {proportion.shape} with {len(cell_types)} names of cell types, "
            "needed: one name for each column. Name the columns."
        )
    kept, cuts, notes = [], [], []
    for column, name in enumerate(cell_types):
        known = proportion[:, column][~np.isnan(proportion[:, column])]
        cut = float(np.median(known)) if len(known) else np.nan
        n_above = int((known > cut).sum())
        if min(n_above, len(known) - n_above) >= max(min_group, 1):
            kept.append(name)
            cuts.append(cut)
        else:
            notes.append(
                f"{name}: {n_above:,} of {len(known):,} patients are above the median {cut:.3g}, "
                f"needed: {min_group:,} on each side; left out"
            )
    medians = Medians(kept, np.array(cuts, np.float64), notes)
    columns = [list(cell_types).index(name) for name in kept]
    return by_cuts(proportion[:, columns], medians.cuts), medians


def by_cuts(proportion: Array, cuts: Array) -> Array:
    """Cut proportions where another cohort's were cut.

    Parameters
    ----------
    proportion : np.ndarray, shape (patient, cell_type)
        Of the types that were cut, in their order; NaN where one is not known.
    cuts : np.ndarray, shape (cell_type,)
        Where.

    Returns
    -------
    np.ndarray of int8, shape (patient, cell_type)
        1 above, 0 at and below, -1 where the proportion is not known.

    Raises
    ------
    errors.LabelMismatchError
        If there is another number of cuts than columns.
    """
    if proportion.ndim != 2 or proportion.shape[1] != len(cuts):
        raise errors.LabelMismatchError(
            f"Proportions of shape {proportion.shape}, needed: a column for each of "
            f"{len(cuts)} cuts. Give the cell types of the first cohort, in their order."
        )
    return np.where(np.isnan(proportion), -1, proportion > cuts).astype(np.int8)


def _terms(proportion: Array) -> Array:
    """Set an intercept before the proportions."""
    return np.column_stack([np.ones(len(proportion)), np.asarray(proportion, np.float64)])


def _check(matrix: Array, proportion: Array) -> None:
    if matrix.ndim != 2 or proportion.ndim != 2 or len(matrix) != len(proportion):
        raise errors.LabelMismatchError(
            f"Profiles of shape {matrix.shape} and proportions of shape {proportion.shape}, "
            "needed: one row a patient in both. Give the same patients, in the same order."
        )
