"""The rotation test: its statistic against other formulas, its level on clouds of any spectrum."""

import itertools

import numpy as np
import pytest
import scipy.stats

from bluebatch.downstream import state_evidence
from bluebatch.downstream.state_evidence import Array, Null


def cloud(n_patients: int, n_axes: int, seed: int) -> Array:
    rng = np.random.default_rng(seed)
    return state_evidence.draw_cloud((n_patients, n_axes), rng, gradient=False)


def multiple_correlation(columns: Array, index: Array) -> float:
    """Regress the group on the columns, with an intercept, by least squares."""
    terms = np.column_stack([np.ones(len(columns)), columns])
    fitted = terms @ np.linalg.lstsq(terms, index, rcond=None)[0]
    return float(np.var(fitted) / np.var(index))


def test_separate__is_the_squared_multiple_correlation_whatever_the_lengths() -> None:
    rng = np.random.default_rng(0)
    scores = rng.standard_normal((50, 4)) * [100, 10, 1, 0.1] + 7
    index = (rng.random(50) < 0.4).astype(float)
    found = state_evidence.separate(state_evidence.orthonormal(scores), index)
    assert found == pytest.approx(multiple_correlation(scores, index))


def test_orthonormal__drops_axes_without_length() -> None:
    scores = np.random.default_rng(1).standard_normal((20, 2))
    flat = state_evidence.orthonormal(np.column_stack([scores, scores.sum(axis=1)]))
    assert flat.shape == (20, 2)
    np.testing.assert_allclose(flat.T @ flat, np.eye(2), atol=1e-12)
    np.testing.assert_allclose(flat.sum(axis=0), 0, atol=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_halve__is_the_best_of_all_halves(seed: int) -> None:
    small = cloud(10, 2, seed)
    best = 0.0
    for inside in itertools.product([0, 1], repeat=10):
        if 2 <= sum(inside) <= 8:
            best = max(best, state_evidence.separate(small, np.array(inside)))
    found = state_evidence.halve(small, np.random.default_rng(0), 2)
    assert found <= best + 1e-12
    assert found == pytest.approx(best, rel=0.02)


def test_halve__one_normal_axis_is_two_over_pi() -> None:
    # Known: the halves of a normal distribution explain 2 / pi of its variance, of an even
    # spread 3 / 4.
    rng = np.random.default_rng(0)
    for gradient, expected in ((False, 2 / np.pi), (True, 3 / 4)):
        line = state_evidence.draw_cloud((20_000, 1), rng, gradient=gradient)
        assert state_evidence.halve(line, rng, 10) == pytest.approx(expected, abs=0.01)


def test_compare__nothing_is_further_apart_than_1() -> None:
    null = Null(19, 0.05, gradient=False)
    p = state_evidence.compare(1.0, (50, 3), null, 5, np.random.default_rng(0))
    assert p == pytest.approx(1 / 20)


def test_compare__ends_when_alpha_is_out_of_reach() -> None:
    # By hand: (reached + 1) / 1000 is above .05 once 50 draws are as separate.
    null = Null(999, 0.05, gradient=False)
    assert state_evidence.compare(0.0, (50, 3), null, 5, Counted(50)) == 1
    with pytest.raises(StopIteration):
        state_evidence.compare(0.0, (50, 3), null, 5, Counted(49))


class Counted(np.random.Generator):
    """Draws no more clouds than it is given."""

    def __init__(self, most: int) -> None:
        super().__init__(np.random.PCG64(0))
        self.left = 2 * most  # A cloud, and the first cuts of it.

    def standard_normal(self, *given, **named):  # type: ignore[no-untyped-def]
        if not self.left:
            raise StopIteration
        self.left -= 1
        return super().standard_normal(*given, **named)


def test_compare__rejects_one_cloud_as_often_as_alpha() -> None:
    # Each cloud's own best halves, of normal patients with a steep spectrum: an exact test. Of
    # 300, between the .001 and .999 quantiles of a binomial distribution are rejected.
    rng = np.random.default_rng(5)
    null = Null(19, 0.05, gradient=False)
    rejected = 0
    for _ in range(300):
        scores = rng.standard_normal((30, 40)) @ rng.standard_normal((40, 6)) * 3.0 ** np.arange(6)
        whitened = state_evidence.orthonormal(scores)
        own = state_evidence.halve(whitened, rng, 3)
        rejected += state_evidence.compare(own, whitened.shape, null, 3, rng) <= 0.05
    low, high = scipy.stats.binom(300, 0.05).ppf([0.001, 0.999])
    assert low <= rejected <= high


def test_compare__a_gradient_asks_for_more() -> None:
    rng = np.random.default_rng(1)
    line = state_evidence.draw_cloud((400, 3), rng, gradient=True)
    own = state_evidence.halve(line, rng, 10)
    cloudy = state_evidence.compare(own, line.shape, Null(39, 0.05, gradient=False), 10, rng)
    even = state_evidence.compare(own, line.shape, Null(39, 0.05, gradient=True), 10, rng)
    assert cloudy <= 0.05 < even
