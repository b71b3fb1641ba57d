import numpy as np
import pytest

from bluebatch.expression import closed_form


def test_level_terms__worked_by_hand() -> None:
    np.testing.assert_allclose(closed_form.level_terms(np.array([4.0])), [[1, 2, 0.25, 0.5, 4]])


def test_variance_terms__fewer_than_one_cell_count_as_one() -> None:
    np.testing.assert_allclose(
        closed_form.variance_terms(np.array([0.2, 16.0])), [[1.0, 1.0, 1.0], [0.0625, 0.25, 1.0]]
    )


def test_n_cells__stay_within_what_training_has_seen() -> None:
    seen = np.array([[2.0, 400.0], [5.0, 500.0]])
    curve = closed_form.Curve(np.zeros((2, 5, 1)), np.zeros((2, 3, 1)), np.array([500.0]), seen)
    proportion = np.array([[0.1, 0.9], [1.0, 0.0]])
    np.testing.assert_allclose(curve.n_cells(proportion), [[50, 450], [400, 5]])
    np.testing.assert_allclose(curve.n_cells(proportion, bulk=True), [[400, 500], [400, 500]])


def test_solve_normal__collinear_terms_get_the_least_norm() -> None:
    # Twice the same term: y = 2 x is shared evenly.
    gram, moment = np.full((2, 2), 4.0), np.full((2, 1), 8.0)
    np.testing.assert_allclose(closed_form.solve_normal(gram, moment), [[1], [1]])


def test_share_surprise__worked_by_hand() -> None:
    # Anchors 3 and 1: L = .5 x 7 = 3.5 and .5 x 1 = .5, sum 4; s = 7/8, 1/8; r = 4 - log2 5.
    anchors = np.array([[[3.0], [1.0]]])
    variances = np.array([[[0.64], [0.16]]])
    moved = closed_form.share_surprise(
        anchors, variances, np.array([[0.5, 0.5]]), np.array([[4.0]])
    )
    surprise = 4 - np.log2(5)
    explained = 0.64 + (7 / 8) ** 2 * 0.64 + (1 / 8) ** 2 * 0.16 + 0.25
    expected = [
        3 + (0.64 + 7 / 8 * 0.64) / explained * surprise,
        1 + (0.64 + 1 / 8 * 0.16) / explained * surprise,
    ]
    np.testing.assert_allclose(moved[0, :, 0], expected)


def test_share_surprise__no_surprise_leaves_the_anchors() -> None:
    anchors = np.array([[[3.0, 2.0], [1.0, 4.0]]])
    fraction = np.array([[0.25, 0.75]])
    mixed = np.log2(1 + np.einsum("nt,ntg->ng", fraction, 2**anchors - 1))
    moved = closed_form.share_surprise(anchors, np.ones_like(anchors), fraction, mixed)
    np.testing.assert_allclose(moved, anchors)


def test_share_surprise__an_unmeasured_gene_keeps_its_anchor() -> None:
    anchors = np.array([[[3.0, 2.0]]])
    moved = closed_form.share_surprise(
        anchors, np.ones_like(anchors), np.array([[1.0]]), np.array([[np.nan, 9.0]])
    )
    assert moved[0, 0, 0] == pytest.approx(3)
    assert moved[0, 0, 1] > 2


def test_fit_variance__recovers_a_planted_curve() -> None:
    # Residuals of exactly +-sqrt(V), V = 2/k + .1: least squares of their squares gives V back.
    cells = np.tile([1.0, 4, 25, 100, 500], 2)
    deviation = np.sqrt(2 / cells + 0.1) * np.repeat([1, -1], 5)
    block = {
        "input": np.zeros((10, 1)),
        "profile": (3 + deviation)[:, None, None],
        "proportion": (cells / 500)[:, None],
    }
    level = np.zeros((1, 5, 1))
    level[0, 0] = 3
    planted = closed_form.fit_variance(
        [block], level, lambda inputs, cell_type: np.zeros((len(inputs), 1)), 500
    )
    np.testing.assert_allclose(planted[0, :, 0], [2, 0, 0.1], atol=1e-9)


def test_posterior_variance__is_that_of_the_gaussian_it_stands_for() -> None:
    # Independently: condition the joint covariance of (g_1, g_2, g_3, r) on r.
    anchors = np.array([[[3.0], [1.0], [5.0]]])
    fraction = np.array([[0.5, 0.3, 0.2]])
    variances = np.array([0.64, 0.16, 1.5])
    parts = fraction[0] * (2 ** anchors[0, :, 0] - 1)
    share = parts / parts.sum()
    profiles = np.diag(variances) + 0.8**2
    with_surprise = profiles @ share
    of_surprise = share @ profiles @ share + 0.5**2
    expected = np.diag(profiles - np.outer(with_surprise, with_surprise) / of_surprise)
    found = closed_form.posterior_variance(
        anchors, variances[None, :, None], fraction, np.array([[4.0]])
    )
    np.testing.assert_allclose(found[0, :, 0], expected)


def test_posterior_variance__nothing_is_learnt_from_what_is_not_measured() -> None:
    anchors = np.array([[[3.0, 3.0], [1.0, 1.0]]])
    variances = np.array([[[0.3, 0.3], [0.7, 0.7]]])
    found = closed_form.posterior_variance(
        anchors, variances, np.array([[0.5, 0.5]]), np.array([[np.nan, 4.0]])
    )
    np.testing.assert_allclose(found[0, :, 0], [0.3 + 0.64, 0.7 + 0.64])
    assert (found[0, :, 1] < found[0, :, 0]).all()
