from typing import Any

import lifelines.statistics
import numpy as np
import numpy.typing as npt
import pytest

from bluebatch.downstream import (
    definitions,
    group_permutation,
    logrank,
    outcomes,
    patterns,
    permutation,
    search,
)

Array = npt.NDArray[Any]
ALPHA = 0.3
SEARCH = search.SearchSettings(min_group=5, n_permutations=0, alpha=ALPHA, absent="drop")


def cohort(seed: int, effect: float) -> tuple[Array, Array, Array]:
    """Forty patients of three types; the state of the first drives survival."""
    rng = np.random.default_rng(seed)
    states = rng.integers(0, 2, (40, 3)).astype(np.int8)
    durations = rng.exponential(np.exp(-effect * states[:, 0]))
    states[rng.random((40, 3)) < 0.05] = definitions.ABSENT
    return states, durations, rng.random(40) < 0.8


def look(states: Array, durations: Array, observed: Array, strata: Array | None) -> search.Search:
    names = ["A", "B", "C"]
    rng = np.random.default_rng(0)
    return search.run(states, names, outcomes.Outcome(durations, observed, strata), SEARCH, rng)


def by_lifelines(index: Array, durations: Array, observed: Array) -> float:
    best, worst = index == patterns.BEST, index == patterns.WORST
    first, second = best, worst
    if not (best.any() and worst.any()):
        first = best | worst
        second = ~first
    if not (first.any() and second.any()):
        return 0.0
    found = lifelines.statistics.logrank_test(
        durations[first], durations[second], observed[first], observed[second]
    )
    return float(found.test_statistic)


def test_permuted__is_the_whole_way_gone_again() -> None:
    states, durations, observed = cohort(5, 1.0)
    found = look(states, durations, observed, None)
    settings = patterns.GroupSettings(n_permutations=60)
    groups = patterns.find(found, outcomes.Outcome(durations, observed), settings)
    assert groups is not None
    risk = logrank.Risk(durations, observed)
    ours = group_permutation.permuted(
        found, groups, risk, ALPHA, settings, np.random.default_rng(5)
    )
    others, n_with_groups = [], 0
    for order in permutation.orders(risk, 60, np.random.default_rng(5)):
        again = look(states, durations[order], observed[order], None)
        made = patterns.find(again, outcomes.Outcome(durations[order], observed[order]), settings)
        n_with_groups += made is not None
        others.append(
            by_lifelines(made.index, durations[order], observed[order]) if made is not None else 0
        )
    statistic = by_lifelines(groups.index, durations, observed)
    assert ours.statistic == pytest.approx(statistic)
    assert ours.n_with_groups == n_with_groups
    assert 0 < n_with_groups < 60
    reached = sum(other >= statistic - 1e-9 for other in others)
    assert reached > 0
    assert ours.p == pytest.approx((1 + reached) / 61)


def test_permuted__without_permutations_has_no_p() -> None:
    states, durations, observed = cohort(5, 1.0)
    found = look(states, durations, observed, None)
    settings = patterns.GroupSettings(n_permutations=0)
    groups = patterns.find(found, outcomes.Outcome(durations, observed), settings)
    assert groups is not None
    risk = logrank.Risk(durations, observed)
    ours = group_permutation.permuted(
        found, groups, risk, ALPHA, settings, np.random.default_rng(0)
    )
    assert np.isnan(ours.p)
    assert ours.statistic > 0


def test_permuted__stays_within_strata() -> None:
    # Survival is the stratum's alone, and so is the state: permuted within strata, nothing is
    # left to find, and every order of the patients is as good as the real one.
    strata = np.repeat(["x", "y"], 20)
    states = np.zeros((40, 3), dtype=np.int8)
    states[:, 0] = strata == "y"
    rng = np.random.default_rng(2)
    states[:, 1:] = rng.integers(0, 2, (40, 2))
    durations = np.where(strata == "y", 10.0, 1.0) + rng.random(40)
    observed = np.ones(40, dtype=bool)
    found = look(states, durations, observed, None)
    settings = patterns.GroupSettings(n_permutations=19)
    groups = patterns.find(found, outcomes.Outcome(durations, observed), settings)
    assert groups is not None
    p = [
        group_permutation.permuted(found, groups, risk, ALPHA, settings, np.random.default_rng(3)).p
        for risk in (logrank.Risk(durations, observed), logrank.Risk(durations, observed, strata))
    ]
    assert p[0] == 1 / 20
    assert p[1] > p[0]


def test_permuted__is_as_small_as_stated_where_there_is_nothing() -> None:
    settings = patterns.GroupSettings(n_permutations=39)
    small, naive = 0, 0
    for seed in range(60):
        states, durations, observed = cohort(seed, 0.0)
        found = look(states, durations, observed, None)
        groups = patterns.find(found, outcomes.Outcome(durations, observed), settings)
        if groups is None:
            continue
        risk = logrank.Risk(durations, observed)
        ours = group_permutation.permuted(
            found, groups, risk, ALPHA, settings, np.random.default_rng(seed)
        )
        small += ours.p <= 0.1
        naive += ours.statistic > 3.84
    # Sixty cohorts without signal: six are expected, more than 13 in 3 of 1,000.
    assert small <= 13
    assert naive > 13


def test_separation__one_empty_group_is_compared_with_the_rest() -> None:
    rng = np.random.default_rng(0)
    durations, observed = rng.exponential(size=30), rng.random(30) < 0.7
    risk = logrank.Risk(durations, observed)
    index = np.repeat([0, 1, 2], 10).astype(np.int8)
    without_best = np.where(index == 0, 1, index).astype(np.int8)
    for shown in (index, without_best):
        expected = by_lifelines(shown, durations, observed)
        assert expected > 0
        assert group_permutation.separation(shown, risk) == pytest.approx(expected)
    assert group_permutation.separation(np.ones(30, np.int8), risk) == 0
