"""The log-rank test of many groups of patients at once, stratified where asked, and permuted.

Patients are sorted once. How many of a group are at risk is then a running sum of its column, from
the latest time to the earliest; what is expected is a weighted sum of those numbers, and so is the
variance of their products with the numbers outside.
"""

import dataclasses
import functools
import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import special

Array = npt.NDArray[Any]
Float = npt.NDArray[np.float64]
# Numbers in a working array: 4 MiB, so that it stays near the processor.
CHUNK_CELLS = 1 << 19
FEW_ROWS = 16


@dataclasses.dataclass(frozen=True, eq=False)
class Tests:
    """Two-sided log-rank tests, one for each group against the others.

    Parameters
    ----------
    observed : np.ndarray, shape (definition,)
        Events inside.
    expected : np.ndarray, shape (definition,)
        Events that would be inside if the hazards were the same.
    variance : np.ndarray, shape (definition,)
        Of their difference, hypergeometric.
    """

    observed: Float
    expected: Float
    variance: Float

    @functools.cached_property
    def z(self) -> Float:
        """Give the signed root of the statistic.

        Returns
        -------
        np.ndarray, shape (definition,)
            Above 0: more events inside than expected. NaN where the variance is 0: no event came
            while patients of both sides were at risk.
        """
        root = np.sqrt(self.variance)
        gap = self.observed - self.expected
        return np.divide(gap, root, out=np.full_like(root, np.nan), where=root > 0)

    @property
    def statistic(self) -> Float:
        """Give the test's statistic.

        Returns
        -------
        np.ndarray, shape (definition,)
            Chi-square of one degree of freedom; NaN as in ``z``.
        """
        return np.square(self.z)

    @functools.cached_property
    def p(self) -> Float:
        """Give the asymptotic p-value.

        Returns
        -------
        np.ndarray, shape (definition,)
            NaN as in ``z``.
        """
        return np.asarray(special.erfc(np.abs(self.z) / np.sqrt(2)))

    @property
    def log_hazard_ratio(self) -> Float:
        """Give Peto's one-step estimate of the log hazard ratio, inside against outside.

        Returns
        -------
        np.ndarray, shape (definition,)
            Above 0: worse inside. NaN as in ``z``. Rough where the hazards are far apart, and too
            far from 0 in small groups: report Cox's estimate.
        """
        gap = self.observed - self.expected
        empty = np.full_like(gap, np.nan)
        return np.divide(gap, self.variance, out=empty, where=self.variance > 0)


class Weights(NamedTuple):
    """What each row, a patient in the order of the times, adds to the sums.

    Parameters
    ----------
    at_risk : np.ndarray, shape (patient,)
        Considered patients at risk up to this row.
    events : np.ndarray, shape (patient,)
        1 where the patient has the event and is considered.
    hazard : np.ndarray, shape (patient,)
        Events by patients at risk, in the last row of each time.
    spread : np.ndarray, shape (patient,)
        Hypergeometric variance by the square of the patients at risk, in the same rows.
    """

    at_risk: Float
    events: Float
    hazard: Float
    spread: Float


class Risk:
    """The sets of patients at risk of a cohort, against which any groups can be tested.

    Parameters
    ----------
    durations : np.ndarray, shape (patient,)
        Times to the event or censoring, in any unit.
    event_observed : np.ndarray of bool, shape (patient,)
        Whether the event came.
    strata : np.ndarray or sequence or None, shape (patient,)
        Labels: patients are compared within their stratum only, and the strata's sums added.
    """

    def __init__(
        self, durations: Float, event_observed: Array, strata: Array | Sequence[Any] | None = None
    ) -> None:
        n_patients = len(durations)
        codes = np.zeros(n_patients, dtype=np.int64)
        if strata is not None:
            codes = np.unique(np.asarray(strata, dtype=str), return_inverse=True)[1]
        # Each stratum from its latest time to its earliest.
        self.rows = np.lexsort((-np.asarray(durations), codes))
        times, codes = np.asarray(durations)[self.rows], codes[self.rows]
        self.event_observed = np.asarray(event_observed, dtype=bool)[self.rows]
        new_stratum = np.diff(codes) != 0
        new_time = new_stratum | (np.diff(times) != 0)
        # Positions at which tied times begin and end, and the strata's slices.
        self.begins = np.flatnonzero(np.concatenate([[True], new_time]))
        self.ends = np.flatnonzero(np.concatenate([new_time, [True]]))
        bounds = [0, *(np.flatnonzero(new_stratum) + 1), n_patients]
        self.strata = [slice(*pair) for pair in itertools.pairwise(bounds)]

    def __len__(self) -> int:
        return len(self.rows)

    def test(
        self, inside: Array, considered: Array | None = None, order: Array | None = None
    ) -> Tests:
        """Test every group against the other patients.

        Parameters
        ----------
        inside : np.ndarray of bool, shape (patient, definition)
            The groups.
        considered : np.ndarray of bool or None, shape (patient, definition)
            Patients that are inside or outside; the others are left out of that test. None: all.
        order : np.ndarray of int or None, shape (patient,)
            A permutation: patient i gets the time, event and stratum of patient ``order[i]``.

        Returns
        -------
        Tests
            In the order of the columns.

        References
        ----------
        Peto R, Peto J (1972). J R Stat Soc A 135(2):185-207.
        """
        return Arms(self, inside, considered).test(order)

    def weights(self, considered: Array | None) -> Weights:
        """Compute what the numbers at risk are multiplied with.

        Parameters
        ----------
        considered : np.ndarray of bool or None, shape (patient,)
            Whom to count, in the order of ``rows``; all where None.

        Returns
        -------
        Weights
            One number a row.
        """
        counted = np.ones(len(self)) if considered is None else considered.astype(np.float64)
        at_risk, events = counted.copy(), counted * self.event_observed
        _add_up(at_risk, self.strata)
        died = np.add.reduceat(events, self.begins)
        there = at_risk[self.ends]
        hazard, spread = np.zeros(len(self)), np.zeros(len(self))
        hazard[self.ends] = died / np.maximum(there, 1)
        left = (there - died) / np.maximum(there - 1, 1)
        spread[self.ends] = died * left / np.square(np.maximum(there, 1))
        return Weights(at_risk, events, hazard, spread)


class Arms:
    """Groups made ready to be tested again and again, under other orders of the patients.

    Parameters
    ----------
    risk : Risk
        Of the same patients.
    inside : np.ndarray of bool, shape (patient, definition)
        The groups.
    considered : np.ndarray of bool or None, shape (patient, definition)
        Patients that are inside or outside; None: all.
    """

    def __init__(self, risk: Risk, inside: Array, considered: Array | None = None) -> None:
        self.risk = risk
        self.n_groups = inside.shape[1]
        self._everybody = risk.weights(None)
        # Columns with the same patients considered share the numbers at risk.
        self._blocks = [
            (columns, np.asarray(inside[:, columns], dtype=bool), mask)
            for mask, same in _patterns(considered, self.n_groups)
            for columns in _chunks(same, len(risk))
        ]
        shape = (len(risk), max((len(columns) for columns, _, _ in self._blocks), default=0))
        self._here, self._there = np.empty(shape), np.empty(shape)

    def test(self, order: Array | None = None) -> Tests:
        """Test every group against the others considered with it.

        Parameters
        ----------
        order : np.ndarray of int or None, shape (patient,)
            A permutation: patient i gets the time, event and stratum of patient ``order[i]``.

        Returns
        -------
        Tests
            In the order of the groups.
        """
        risk = self.risk
        rows = risk.rows if order is None else np.argsort(order)[risk.rows]
        found = np.empty((3, self.n_groups))
        for columns, inside, mask in self._blocks:
            weights = self._everybody if mask is None else risk.weights(mask[rows])
            flat = slice(0, inside.size)
            here = self._here.ravel()[flat].reshape(inside.shape)
            there = self._there.ravel()[flat].reshape(inside.shape)
            np.copyto(here, inside[rows])
            found[0, columns] = weights.events @ here
            _add_up(here, risk.strata)
            found[1, columns] = weights.hazard @ here
            # Numbers inside times numbers outside: whole, so that no variance is nearly 0.
            np.subtract(weights.at_risk[:, None], here, out=there)
            np.multiply(there, here, out=there)
            found[2, columns] = weights.spread @ there
        return Tests(*found)


def _add_up(rows: Float, strata: Sequence[slice]) -> None:
    """Make running sums over the rows of each stratum, in place."""
    for stratum in strata:
        part = rows[stratum]
        if part.ndim == 1 or len(part) < FEW_ROWS:
            np.cumsum(part, axis=0, out=part)
            continue
        # Whole rows are added at once, which cumsum does not: first within pieces of the rows, then
        # the end of each piece to the next.
        length = math.isqrt(len(part))
        n_pieces = len(part) // length
        pieces = part[: n_pieces * length].reshape(n_pieces, length, -1)
        for row in range(1, length):
            pieces[:, row] += pieces[:, row - 1]
        for piece in range(1, n_pieces):
            pieces[piece] += pieces[piece - 1, -1]
        for row in range(n_pieces * length, len(part)):
            part[row] += part[row - 1]


def _patterns(considered: Array | None, n_groups: int) -> Iterator[tuple[Array | None, Array]]:
    every = np.arange(n_groups)
    if considered is None or considered.all():
        yield None, every
        return
    packed = np.packbits(considered, axis=0)
    _, first, pattern = np.unique(packed, axis=1, return_index=True, return_inverse=True)
    for number, column in enumerate(first):
        mask = considered[:, column]
        yield (None if mask.all() else mask), every[pattern.ravel() == number]


def _chunks(columns: Array, n_patients: int) -> Iterator[Array]:
    wide = max(1, CHUNK_CELLS // max(1, n_patients))
    for begin in range(0, len(columns), wide):
        yield columns[begin : begin + wide]
