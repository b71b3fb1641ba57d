import numpy as np
import pytest
import scipy.optimize

from bluebatch.expression import least_squares

PROFILES = np.random.default_rng(1).gamma(1.0, 300.0, size=(3, 30))


def test_weigh_genes__by_hand() -> None:
    # Means over the two types: 0, 3 and 1; one over one more.
    variance = [[0.0, 2.0, 1.0], [0.0, 4.0, 1.0]]
    np.testing.assert_allclose(least_squares.weigh_genes(variance), [1, 1 / 4, 1 / 2])


def test_solve_fractions__recovers_a_mixture_with_and_without_gaps() -> None:
    fractions = np.array([[0.2, 0.3, 0.5], [0, 0.25, 0.75]])
    mixed = fractions @ PROFILES
    mixed[1, :4] = np.nan
    weights = np.random.default_rng(0).uniform(0.1, 5, 30)
    for own in (None, weights):
        found = least_squares.solve_fractions(mixed, PROFILES, own)
        np.testing.assert_allclose(found, fractions, atol=1e-9)


def test_solve_fractions__equals_plain_nnls_on_scaled_matrices() -> None:
    rng = np.random.default_rng(2)
    bulk = rng.gamma(1.0, 300.0, size=30)
    weights = rng.uniform(0.1, 5, 30)
    root = np.diag(np.sqrt(weights))
    solved, _ = scipy.optimize.nnls(root @ PROFILES.T, root @ bulk)
    found = least_squares.solve_fractions(bulk[np.newaxis], PROFILES, weights)
    np.testing.assert_allclose(found[0], solved / solved.sum())
    plain = least_squares.solve_fractions(bulk[np.newaxis], PROFILES)
    assert np.abs(plain - found).max() > 0.01


def test_solve_fractions__an_outlying_gene_counts_by_its_weight() -> None:
    # One gene of type 0 is far too high in the bulk; a small weight takes it out.
    bulk = np.array([0.5, 0.5, 0]) @ PROFILES
    bulk[3] += 1e5
    weights = np.ones(30)
    weights[3] = 1e-12
    found = least_squares.solve_fractions(bulk[np.newaxis], PROFILES, weights)
    assert found[0] == pytest.approx([0.5, 0.5, 0], abs=1e-3)
    assert least_squares.solve_fractions(bulk[np.newaxis], PROFILES)[0].max() > 0.8


def test_solve_fractions__an_empty_sample_has_no_fractions() -> None:
    assert np.isnan(least_squares.solve_fractions(np.zeros((1, 30)), PROFILES)).all()
