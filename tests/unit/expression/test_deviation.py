import numpy as np
import pytest
import scipy.stats

from bluebatch.expression import deviation


def test_deviations__hold_nine_in_ten_of_a_normal() -> None:
    within = 1 - 2 * scipy.stats.norm.sf(deviation.DEVIATIONS)
    assert within == pytest.approx(deviation.SHARE_WITHIN, abs=1e-5)


def test_factors__by_hand_over_blocks() -> None:
    scores = deviation.DeviationScores(2)
    # In units of the deviations: 1, 2 | 3, 0, so squares 1, 4 and 9, 0; means of genes 5, 2.
    scores.add(np.array([[1.0, 5.0]]), np.array([[0.5, 1.0]]), np.array([[1.5, 3.0]]))
    scores.add(np.array([[2.0, 4.0]]), np.array([[1.0, 0.1]]), np.array([[5.0, 4.0]]))
    prior = deviation.PRIOR_SAMPLES
    # Sums 10 and 4 of two samples; the mean gene has 3.5.
    expected = np.array([10 + prior * 3.5, 4 + prior * 3.5]) / (2 + prior)
    np.testing.assert_allclose(scores.factors(), expected)
    assert scores.factors().mean() == pytest.approx(3.5)
    # Only the errors of 1 and 0 deviations are within 1.64.
    assert scores.share_within() == pytest.approx(2 / 4)


def test_factors__make_the_mean_standardised_square_1() -> None:
    rng = np.random.default_rng(4)
    truth, foreseen = rng.normal(size=(3000, 5)), rng.uniform(0.5, 2, (3000, 5))
    predicted = truth + foreseen * rng.normal(0, [0.5, 1, 1.5, 2, 3], (3000, 5))
    scores = deviation.DeviationScores(5)
    scores.add(predicted, foreseen, truth)
    # Planted .25, 1, 2.25, 4 and 9, of which the mean of 3.3 counts for 100 samples in 3,100.
    expected = (np.array([0.25, 1, 2.25, 4, 9]) * 3000 + 330) / 3100
    np.testing.assert_allclose(scores.factors(), expected, rtol=0.1)
    again = deviation.DeviationScores(5)
    again.add(predicted, foreseen * np.sqrt(scores.factors()), truth)
    # But for the first gene, whose factor is drawn up to .35.
    np.testing.assert_allclose(again.squares[1:] / 3000, 1, rtol=0.1)
    assert again.share_within() == pytest.approx(0.9, abs=0.02)


def test_factors__without_samples_nothing_is_known() -> None:
    scores = deviation.DeviationScores(3)
    assert np.isnan(scores.factors()).all()
    assert np.isnan(scores.share_within())


def test_add__what_was_not_foreseen_is_not_scored() -> None:
    scores = deviation.DeviationScores(2)
    values = np.ones((3, 2))
    scores.add(values, np.full((3, 2), np.nan), values + 1)
    assert scores.n_samples == 0


def test_factors__are_never_0() -> None:
    scores = deviation.DeviationScores(2)
    values = np.ones((3, 2))
    scores.add(values, values, values)
    assert (scores.factors() > 0).all()
    assert scores.share_within() == 1
