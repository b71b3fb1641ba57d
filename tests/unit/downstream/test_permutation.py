import numpy as np
import pytest

from bluebatch.downstream import logrank, permutation

DURATIONS = np.array([5.0, 3, 8, 1, 9, 2, 7, 4])
EVENTS = np.array([True, True, False, True, True, False, True, True])
STRATA = np.array(["b", "a", "b", "a", "b", "a", "b", "alone"])


def test_orders__are_permutations_and_differ() -> None:
    risk = logrank.Risk(DURATIONS, EVENTS)
    found = list(permutation.orders(risk, 20, np.random.default_rng(0)))
    assert all(sorted(order) == list(range(8)) for order in found)
    assert len({tuple(order) for order in found}) == 20


def test_orders__reach_every_place_about_equally_often() -> None:
    risk = logrank.Risk(DURATIONS, EVENTS)
    found = np.array(list(permutation.orders(risk, 4000, np.random.default_rng(1))))
    share = (found[:, :, None] == np.arange(8)).mean(axis=0)
    # Standard error .005: six of them.
    np.testing.assert_allclose(share, 1 / 8, atol=0.031)


def test_orders__stay_within_strata() -> None:
    risk = logrank.Risk(DURATIONS, EVENTS, STRATA)
    found = list(permutation.orders(risk, 30, np.random.default_rng(0)))
    assert all((STRATA[order] == STRATA).all() for order in found)
    assert {order[7] for order in found} == {7}
    # 4! orders of the four in b, of 30 draws more than one.
    assert len({tuple(order) for order in found}) > 10


@pytest.mark.parametrize("strata", [None, STRATA])
def test_permuted_tests__are_those_of_patients_with_other_times(strata: np.ndarray | None) -> None:
    risk = logrank.Risk(DURATIONS, EVENTS, strata)
    inside = np.random.default_rng(2).random((8, 5)) < 0.5
    draws = list(permutation.permuted_tests(risk, inside, None, 6, np.random.default_rng(3)))
    assert len(draws) == 6
    for order, tests in draws:
        again = logrank.Risk(DURATIONS[order], EVENTS[order], strata).test(inside)
        np.testing.assert_allclose(tests.observed, again.observed)
        np.testing.assert_allclose(tests.expected, again.expected)
        np.testing.assert_allclose(tests.variance, again.variance)


def test_permuted_tests__are_those_of_the_seed() -> None:
    risk = logrank.Risk(DURATIONS, EVENTS)
    inside = np.arange(8)[:, None] < 4
    first, second = (
        [
            draw.tests.z[0]
            for draw in permutation.permuted_tests(
                risk, inside, None, 9, np.random.default_rng(seed)
            )
        ]
        for seed in (4, 4)
    )
    assert first == second
    assert len(set(first)) > 1
