"""How far apart groups that were chosen by survival lie by luck alone.

The log-rank p of the final groups is circular: the definitions they come from were picked because
they separate survival. Here the whole way, from the search to the groups, is gone again with the
times dealt anew to the patients.
"""

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt

from bluebatch.downstream import division, logrank, patterns, permutation, search
from bluebatch.expression import markers

Array = npt.NDArray[Any]


@dataclasses.dataclass(frozen=True)
class Permuted:
    """The groups' statistic beside those of permuted survival.

    Parameters
    ----------
    statistic : float
        Log-rank chi-square (one degree of freedom) of most favourable against most unfavourable;
        where one of them is empty, of the other against the rest; 0 where both are.
    n_permutations : int
        Cohorts of permuted survival.
    n_with_groups : int
        Of those, how many had a significant definition at all; the others count as 0.
    p : float
        Share of the cohorts, the real one included, whose statistic is at least as large; NaN
        without permutations.
    """

    statistic: float
    n_permutations: int
    n_with_groups: int
    p: float


def permuted(
    found: search.Search,
    groups: patterns.Groups,
    risk: logrank.Risk,
    alpha: float,
    settings: patterns.GroupSettings,
    rng: np.random.Generator,
) -> Permuted:
    """Repeat search, components and votes under permuted survival.

    Parameters
    ----------
    found : search.Search
        The real search.
    groups : patterns.Groups
        What was made of it.
    risk : logrank.Risk
        Survival, with the strata of the search: it is permuted within them.
    alpha : float
        Of the search, for q.
    settings : patterns.GroupSettings
        As for the real groups; ``n_permutations`` times.
    rng : np.random.Generator
        Draws the permutations.

    Returns
    -------
    Permuted
        The p-value of the whole procedure.
    """
    tested = np.flatnonzero(found.table["tested"].to_numpy(dtype=bool))
    considered = None if found.considered.all() else found.considered[:, tested]
    draws = permutation.permuted_tests(
        risk, found.inside[:, tested], considered, settings.n_permutations, rng
    )
    statistic = separation(groups.index, risk)
    z = np.full(len(found.table), np.nan)
    n_with_groups, n_reached = 0, 0
    for order, tests in draws:
        chosen = tested[markers.adjust_p(tests.p) < alpha]
        other = 0.0
        if len(chosen):
            n_with_groups += 1
            z[tested] = tests.z
            divided = division.divide(found, z, chosen, risk, settings.min_similarity, order)
            index = division.place(divided.component_group, divided.favourable, settings.decide_by)[
                0
            ]
            other = separation(index, risk, order)
        n_reached += other >= statistic * (1 - search.ROUNDING)
    n = settings.n_permutations
    return Permuted(statistic, n, n_with_groups, (1 + n_reached) / (1 + n) if n else np.nan)


def separation(index: Array, risk: logrank.Risk, order: Array | None = None) -> float:
    """Measure how far apart the outer groups lie.

    Parameters
    ----------
    index : np.ndarray of int8, shape (patient,)
        0 most favourable, 1 intermediate, 2 most unfavourable.
    risk : logrank.Risk
        Survival of the patients.
    order : np.ndarray of int or None, shape (patient,)
        A permutation: patient i has the survival of patient ``order[i]``.

    Returns
    -------
    float
        Log-rank chi-square of the outer groups; where one is empty, of the other against the
        rest; 0 where both are, or where nothing can be compared.
    """
    best, worst = index == division.BEST, index == division.WORST
    if not (best.any() or worst.any()):
        return 0.0
    inside = best if best.any() else worst
    shown = (best | worst) if best.any() and worst.any() else np.ones_like(best)
    statistic = risk.test(inside[:, None], shown[:, None], order).statistic[0]
    return float(np.nan_to_num(statistic))
