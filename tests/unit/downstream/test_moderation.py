import numpy as np
import pytest
import scipy.special

from bluebatch.downstream import moderation


def test_inverse_trigamma__known_values() -> None:
    # trigamma(1) = pi^2 / 6 and trigamma(1 / 2) = pi^2 / 2.
    assert moderation.inverse_trigamma(np.pi**2 / 6) == pytest.approx(1)
    assert moderation.inverse_trigamma(np.pi**2 / 2) == pytest.approx(0.5)


@pytest.mark.parametrize("value", [1e-9, 1e-5, 0.3, 40.0, 1e6, 1e9])
def test_inverse_trigamma__is_undone_by_trigamma(value: float) -> None:
    found = moderation.inverse_trigamma(value)
    assert scipy.special.polygamma(1, found) == pytest.approx(value, rel=1e-3)


def test_fit_prior__by_hand() -> None:
    # 2 degrees of freedom: digamma(1) is minus Euler's constant, trigamma(1) is pi^2 / 6. Log
    # variances of -a, 0 and a have variance a^2; with a^2 = pi^2 / 3 what is left is pi^2 / 6, so
    # d0 / 2 = 1, and the mean of e, Euler's constant, is undone by digamma(1): s0^2 = 1.
    a = np.pi / np.sqrt(3)
    prior = moderation.fit_prior(np.exp([-a, 0, a]), 2)
    assert prior.df == pytest.approx(2)
    assert prior.variance == pytest.approx(1)


def test_fit_prior__genes_of_one_variance_share_it() -> None:
    # Mean of e: log 3 minus digamma(1) plus log 1; no spread is left for the prior.
    prior = moderation.fit_prior(np.full(4, 3.0), 2)
    assert prior.df == np.inf
    assert prior.variance == pytest.approx(3 * np.exp(np.euler_gamma))
    assert prior.posterior(np.array([1.0, 9.0]), 2).tolist() == [prior.variance] * 2


def test_fit_prior__finds_what_was_drawn() -> None:
    rng = np.random.default_rng(3)
    variance = 0.5 * rng.f(10, 8, size=40_000)
    prior = moderation.fit_prior(np.append(variance, 0.0), 10)
    assert prior.df == pytest.approx(8, rel=0.06)
    assert prior.variance == pytest.approx(0.5, rel=0.02)


def test_fit_prior__too_few_genes_are_left_as_they_are() -> None:
    prior = moderation.fit_prior(np.array([1.0, 2.0, 0.0]), 5)
    assert prior.posterior(np.array([1.0, 2.0]), 5).tolist() == [1.0, 2.0]


def test_posterior__is_weighted_by_degrees_of_freedom() -> None:
    # (4 * 0.5 + 6 * 1) / 10
    assert moderation.Prior(4, 0.5).posterior(np.array([1.0]), 6).tolist() == [0.8]
