"""What a search finds by luck: the times dealt anew to the patients, many times.

`permuted_tests` repeats the tests of a search under permutations of the pairs (time, event), within
strata where there are any. Whatever goes on from a search can be repeated whole on each of its
draws: the groups stay, and patient i has ``durations[order[i]]`` and ``event_observed[order[i]]``.

What is tested so is that the states say nothing of time and event together: censoring that differs
between the groups for reasons of its own belongs into the strata.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from bluebatch.downstream import logrank

Array = npt.NDArray[Any]


class Draw(NamedTuple):
    """One permutation.

    Parameters
    ----------
    order : np.ndarray of int, shape (patient,)
        Patient i has the time and event of patient ``order[i]``.
    tests : logrank.Tests
        Of every group.
    """

    order: npt.NDArray[np.int64]
    tests: logrank.Tests


def orders(risk: logrank.Risk, n: int, rng: np.random.Generator) -> Iterator[Array]:
    """Draw permutations of the patients, each within its stratum.

    Parameters
    ----------
    risk : logrank.Risk
        Of the patients.
    n : int
        How many.
    rng : np.random.Generator
        For the draws.

    Yields
    ------
    np.ndarray of int, shape (patient,)
        Patient i gets the time and event of patient ``order[i]``.
    """
    strata = [np.sort(risk.rows[stratum]) for stratum in risk.strata]
    for _ in range(n):
        order = np.empty(len(risk), dtype=np.int64)
        for rows in strata:
            order[rows] = rng.permutation(rows)
        yield order


def permuted_tests(
    risk: logrank.Risk,
    inside: Array,
    considered: Array | None,
    n: int,
    rng: np.random.Generator,
) -> Iterator[Draw]:
    """Test every group again, under permutations of the times.

    Parameters
    ----------
    risk : logrank.Risk
        Of the patients.
    inside : np.ndarray of bool, shape (patient, definition)
        The groups, which stay.
    considered : np.ndarray of bool or None, shape (patient, definition)
        Patients that are inside or outside; None: all.
    n : int
        How many permutations.
    rng : np.random.Generator
        For the draws.

    Yields
    ------
    Draw
        The permutation and its tests; one at a time, in memory that does not grow with ``n``.
    """
    arms = logrank.Arms(risk, inside, considered)
    for order in orders(risk, n, rng):
        yield Draw(order, arms.test(order))
