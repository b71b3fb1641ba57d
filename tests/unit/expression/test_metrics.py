import numpy as np
import numpy.typing as npt
import pytest
import scipy.stats
import sklearn.metrics

from bluebatch.expression import metrics, profile_scores


@pytest.fixture
def noisy() -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    rng = np.random.default_rng(1)
    truth = rng.gamma(2, size=(40, 3))
    return truth * [0.5, 1, 2] + rng.normal(size=(40, 3)), truth


def test_concordance__constant_shift_costs_agreement() -> None:
    # By hand: variances 2/3 and 2/3, covariance 2/3, means one apart -> (4/3) / (7/3).
    assert metrics.concordance([1, 2, 3], [2, 3, 4]) == pytest.approx(4 / 7)


def test_concordance__equal_constants_are_no_agreement() -> None:
    assert np.isnan(metrics.concordance([0.1, 0.1, 0.1], [0.1, 0.1, 0.1]))


def test_concordance__a_constant_prediction_scores_zero() -> None:
    assert metrics.concordance([0.3, 0.3, 0.3], [0.1, 0.5, 0.3]) == 0


def test_l1__worked_by_hand() -> None:
    assert metrics.l1([1, 2, 6], [2, 2, 3]) == pytest.approx(4 / 3)


def test_rmse__worked_by_hand() -> None:
    assert metrics.rmse([1, 2, 6], [2, 2, 3]) == pytest.approx(np.sqrt(10 / 3))


def test_r_squared__worked_by_hand() -> None:
    # Squared errors 1 + 0 + 1; squares about the mean 3 of the truth: 4 + 0 + 4.
    assert metrics.r_squared([2, 3, 4], [1, 3, 5]) == pytest.approx(1 - 2 / 8)


def test_skill__worked_by_hand() -> None:
    # Squared errors of the prediction 1 + 0, of the mean profile 1 + 9.
    assert metrics.skill([[1.0], [6.0]], [[2.0], [6.0]], [3.0]) == pytest.approx(1 - 1 / 10)


def test_skill__a_missing_prediction_counts_as_the_mean_profile() -> None:
    truth = [[2.0], [4.0], [6.0]]
    assert metrics.skill([[np.nan]] * 3, truth, [3.0]) == 0
    # Errors 1 (as the mean), 0, 0 against 1 + 1 + 9.
    assert metrics.skill([[np.nan], [4.0], [6.0]], truth, [3.0]) == pytest.approx(1 - 1 / 11)


def test_pearson__a_constant_side_has_none() -> None:
    assert np.isnan(metrics.pearson([0.1] * 7, np.arange(7)))


def test_metrics__missing_pairs_are_left_out() -> None:
    predicted, truth = [1, np.nan, 6, 2], [2, 5, np.nan, 4]
    assert metrics.l1(predicted, truth) == pytest.approx(1.5)
    assert metrics.concordance(predicted, truth) == pytest.approx(
        metrics.concordance([1, 2], [2, 4])
    )
    assert metrics.spearman(predicted, truth) == pytest.approx(1)


def test_metrics__nothing_left_is_nan() -> None:
    nothing = [np.nan, np.nan]
    for score in metrics.FRACTION_SCORES.values():
        assert np.isnan(score(nothing, [1, 2]))


def test_metrics__equal_scipy_and_sklearn(
    noisy: tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]],
) -> None:
    predicted, truth = noisy
    columns = list(zip(predicted.T, truth.T, strict=True))
    expected = {
        "pearson": [scipy.stats.pearsonr(y, x).statistic for y, x in columns],
        "spearman": [scipy.stats.spearmanr(y, x).statistic for y, x in columns],
        "r_squared": [sklearn.metrics.r2_score(x, y) for y, x in columns],
        "rmse": [sklearn.metrics.root_mean_squared_error(x, y) for y, x in columns],
        "l1": [sklearn.metrics.mean_absolute_error(x, y) for y, x in columns],
    }
    for name, values in expected.items():
        np.testing.assert_allclose(getattr(metrics, name)(predicted, truth, 0), values)


def test_score_fractions__mean_over_types_skips_what_does_not_exist() -> None:
    predicted = np.array([[0.5, 0.5, 0], [0.3, 0.7, 0], [0.1, 0.9, 0]])
    truth = np.array([[0.5, 0.5, 0], [0.3, 0.7, 0], [0.1, 0.9, 0]])
    per_type, mean, flattened = metrics.score_fractions(predicted, truth)
    np.testing.assert_allclose(per_type["ccc"], [1, 1, np.nan])
    assert mean["ccc"] == pytest.approx(1)
    assert flattened["l1"] == 0


def test_profile_scores__blocks_equal_one_piece(
    noisy: tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]],
) -> None:
    predicted, truth = noisy
    predicted[3, 1] = np.nan
    mean = truth.mean(axis=0) + 0.1
    scores = profile_scores.ProfileScores(mean)
    for rows in (slice(0, 17), slice(17, 18), slice(18, None), slice(0, 0)):
        scores.add(predicted[rows], truth[rows])
    filled = np.where(np.isnan(predicted), mean, predicted)
    np.testing.assert_allclose(scores.skill_by_gene(), metrics.skill(predicted, truth, mean, 0))
    np.testing.assert_allclose(scores.correlation_by_gene(), metrics.pearson(filled, truth, 0))
    summary = scores.summary()
    assert summary["skill"] == pytest.approx(float(metrics.skill(predicted, truth, mean)))
    assert summary["rmse"] == pytest.approx(float(metrics.rmse(filled, truth)))
    assert summary["ccc_across_genes"] == pytest.approx(
        metrics.mean_of(metrics.concordance(filled, truth, 1))
    )
    assert summary["n_samples"] == 40


def test_profile_scores__the_mean_profile_has_no_skill_and_no_correlation() -> None:
    truth = np.random.default_rng(0).normal(5, 1, size=(30, 4)).astype(np.float32)
    mean = truth.mean(axis=0)
    scores = profile_scores.ProfileScores(mean)
    scores.add(np.broadcast_to(mean, truth.shape), truth)
    assert scores.summary()["skill"] == 0
    assert np.isnan(scores.correlation_by_gene()).all()


def test_profile_scores__no_samples_give_nan() -> None:
    summary = profile_scores.ProfileScores(np.zeros(2)).summary()
    assert np.isnan(summary["skill"])
    assert summary["n_samples"] == 0


def test_score_fractions__a_constant_is_scored_flattened_though_no_type_agrees() -> None:
    # By hand: means .5 and .5, products .08, squares .16 and .2 -> 2 x .08 / .36.
    truth = np.array([[0.2, 0.8], [0.6, 0.4]])
    per_type, mean, flattened = metrics.score_fractions(np.tile([0.3, 0.7], (2, 1)), truth)
    np.testing.assert_array_equal(per_type["ccc"], 0)
    assert mean["ccc"] == 0
    assert flattened["ccc"] == pytest.approx(4 / 9)
    # Of equal parts the prediction is flat throughout, and agrees with nothing.
    assert metrics.score_fractions(np.full((2, 2), 0.5), truth)[2]["ccc"] == 0
