"""The log-rank test of many groups of patients at once, stratified where asked, and permuted.

Patients are sorted once. How many of a group are at risk is then a running sum of its column, from
the latest time to the earliest; what is expected is a weighted sum of those numbers, and so is the
variance of their products with the numbers outside.
"""

import dataclasses
import functools
import itertools
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import special

from bluebatch.downstream import running_sum

Array = npt.NDArray[Any]
Float = npt.NDArray[np.float64]
# Numbers in a working array: 4 MiB, so that it stays near the processor.
CHUNK_CELLS = 1 << 19


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
    at_risk : np.ndarray, shape (patient, pattern)
        Considered patients at risk up to this row.
    hazard : np.ndarray, shape (patient, pattern)
        Events by patients at risk, in the last row of each time.
    spread : np.ndarray, shape (patient, pattern)
        Hypergeometric variance by the square of the patients at risk, in the same rows.
    """

    at_risk: Float
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

    def weights(self, considered: Array) -> Weights:
        """Compute what the numbers at risk are multiplied with.

        Parameters
        ----------
        considered : np.ndarray of bool, shape (patient, pattern)
            Whom to count, in the order of ``rows``.

        Returns
        -------
        Weights
            A column a pattern.
        """
        at_risk = considered.astype(np.float64)
        died = np.add.reduceat(at_risk * self.event_observed[:, None], self.begins, axis=0)
        running_sum.add_up(at_risk, self.strata)
        there = at_risk[self.ends]
        hazard, spread = np.zeros(at_risk.shape), np.zeros(at_risk.shape)
        hazard[self.ends] = died / np.maximum(there, 1)
        left = (there - died) / np.maximum(there - 1, 1)
        spread[self.ends] = died * left / np.square(np.maximum(there, 1))
        return Weights(at_risk, hazard, spread)


class Block(NamedTuple):
    """Groups that are tested together.

    Parameters
    ----------
    columns : np.ndarray of int, shape (definition,)
        Their positions among all.
    inside : np.ndarray of bool, shape (patient, definition)
        The groups.
    masks : np.ndarray of bool or None, shape (patient, pattern)
        Who is considered, in each way that occurs among the groups; None: everybody.
    parts : list of slice
        The groups of each pattern, which stand together.
    """

    columns: Array
    inside: Array
    masks: Array | None
    parts: list[slice]


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
        self._everybody = risk.weights(np.ones((len(risk), 1), dtype=bool))
        self._blocks = list(_blocks(np.asarray(inside, dtype=bool), considered))
        shape = (len(risk), max((len(block.columns) for block in self._blocks), default=0))
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
        for block in self._blocks:
            masks = block.masks
            weights = self._everybody if masks is None else risk.weights(masks[rows])
            found[:, block.columns] = self._sums(block, rows, weights)
        return Tests(*found)

    def _sums(self, block: Block, rows: Array, weights: Weights) -> Float:
        sums = np.empty((3, len(block.columns)))
        used = slice(0, block.inside.size)
        here = self._here.ravel()[used].reshape(block.inside.shape)
        there = self._there.ravel()[used].reshape(block.inside.shape)
        np.copyto(here, block.inside[rows])
        sums[0] = self.risk.event_observed.astype(np.float64) @ here
        running_sum.add_up(here, self.risk.strata)
        for pattern, part in enumerate(block.parts):
            sums[1, part] = weights.hazard[:, pattern] @ here[:, part]
            np.subtract(weights.at_risk[:, [pattern]], here[:, part], out=there[:, part])
        # Numbers inside times numbers outside: whole, so that no variance is nearly 0.
        np.multiply(there, here, out=there)
        for pattern, part in enumerate(block.parts):
            sums[2, part] = weights.spread[:, pattern] @ there[:, part]
        return sums


def _blocks(inside: Array, considered: Array | None) -> Iterator[Block]:
    n_patients, n_groups = inside.shape
    wide = max(1, CHUNK_CELLS // max(1, n_patients))
    order, pattern = np.arange(n_groups), np.zeros(n_groups, dtype=np.int64)
    masked = considered is not None and not considered.all()
    if considered is not None and masked:
        packed = np.packbits(considered, axis=0)
        pattern = np.unique(packed, axis=1, return_inverse=True)[1].ravel()
        order = np.argsort(pattern, kind="stable")
    for begin in range(0, n_groups, wide):
        columns = order[begin : begin + wide]
        first = np.flatnonzero(np.diff(pattern[columns], prepend=-1))
        ends = [*first[1:], len(columns)]
        parts = [slice(*pair) for pair in zip(first, ends, strict=True)]
        if considered is None or not masked:
            yield Block(columns, inside[:, columns], None, parts)
        else:
            shown = considered[:, columns]
            yield Block(columns, inside[:, columns] & shown, shown[:, first], parts)
