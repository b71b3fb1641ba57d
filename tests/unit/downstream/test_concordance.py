"""Harrell's concordance by hand, against other libraries, and its standard error."""

import numpy as np
import pytest
from lifelines.utils import concordance_index
from sksurv.metrics import concordance_index_censored

from bluebatch.downstream import concordance


def test_count__worked_by_hand() -> None:
    # Events on days 1, 3 and 4, censored on day 2. Comparable: day 1 with each other (3 pairs, all
    # in order), and day 3 with day 4 (not in order); the censored one only with day 1.
    times, events = np.array([1.0, 2, 3, 4]), np.array([1, 0, 1, 1], dtype=bool)
    pairs = concordance.count(times, events, np.array([4.0, 3, 1, 2]))
    assert pairs.index == pytest.approx(3 / 4)
    assert pairs.comparable.tolist() == [3, 1, 2, 2]
    assert pairs.concordant.tolist() == [3, 1, 1, 1]


def test_count__at_one_time_the_event_comes_before_the_censoring() -> None:
    times, events = np.array([2.0, 2, 2]), np.array([1, 1, 0], dtype=bool)
    pairs = concordance.count(times, events, np.array([1.0, 3, 1]))
    # Two pairs with the censored one: a tie and one in order.
    assert pairs.comparable.sum() == 2 * 2
    assert pairs.index == pytest.approx(1.5 / 2)


@pytest.mark.parametrize("seed", range(3))
def test_count__agrees_with_other_libraries(seed: int) -> None:
    rng = np.random.default_rng(seed)
    times, risk = rng.exponential(size=150), np.round(rng.normal(size=150), 1)
    events = rng.random(150) < 0.5
    assert concordance.count(times, events, risk).index == pytest.approx(
        concordance_index(times, -risk, events)
    )
    tied = np.ceil(times * 5)
    theirs = concordance_index_censored(events, tied, risk)[0]
    assert concordance.count(tied, events, risk).index == pytest.approx(theirs)


def test_count__in_blocks_as_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(5)
    times, risk, events = rng.exponential(size=50), rng.normal(size=50), rng.random(50) < 0.5
    whole = concordance.count(times, events, risk)
    monkeypatch.setattr(concordance, "BLOCK_PAIRS", 7 * 50)
    parts = concordance.count(times, events, risk)
    np.testing.assert_array_equal(whole.concordant, parts.concordant)
    np.testing.assert_array_equal(whole.comparable, parts.comparable)


def test_count__only_within_parts() -> None:
    rng = np.random.default_rng(6)
    times, risk, events = rng.exponential(size=60), rng.normal(size=60), rng.random(60) < 0.6
    parts = rng.integers(0, 3, 60)
    together = concordance.count(times, events, risk, parts)
    apart = [concordance.count(*(x[parts == at] for x in (times, events, risk))) for at in range(3)]
    right = sum(pairs.concordant.sum() for pairs in apart)
    total = sum(pairs.comparable.sum() for pairs in apart)
    assert together.index == pytest.approx(right / total)


def test_standard_error__is_the_infinitesimal_jackknife() -> None:
    # What the index changes by when one patient weighs a little more, from its definition.
    rng = np.random.default_rng(7)
    times, risk, events = rng.exponential(size=30), rng.normal(size=30), rng.random(30) < 0.7

    def weighted(weights: np.ndarray) -> float:
        right = total = 0.0
        for first in range(30):
            for second in range(30):
                if events[first] and times[first] < times[second]:
                    both = weights[first] * weights[second]
                    total += both
                    right += both * (risk[first] > risk[second])
        return right / total

    slopes = [
        (weighted(1 + 1e-5 * np.eye(30)[at]) - weighted(1 - 1e-5 * np.eye(30)[at])) / 2e-5
        for at in range(30)
    ]
    pairs = concordance.count(times, events, risk)
    assert pairs.influence == pytest.approx(slopes, abs=1e-8)
    assert pairs.standard_error == pytest.approx(np.sqrt(np.sum(np.square(slopes))))


def test_index__without_pairs_is_a_gap() -> None:
    pairs = concordance.count(np.array([1.0, 2]), np.zeros(2, dtype=bool), np.array([1.0, 2]))
    assert np.isnan(pairs.index)
    assert np.isnan(pairs.standard_error)
