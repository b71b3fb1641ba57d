import numpy as np
import pytest

from bluebatch.expression import alignment


def test_mixture__worked_by_hand() -> None:
    # .25 x 4 + .75 x 8 = 7 CPM, log2 8; a gene without a mean profile has no mixture.
    mixed = alignment.mixture(np.array([[0.25, 0.75]]), np.array([[4.0, np.nan], [8.0, 1.0]]))
    np.testing.assert_array_equal(mixed, np.array([[3.0, np.nan]], np.float32))


def test_aim__worked_by_hand() -> None:
    # The means .4 and .6 are answered .2 and .8: twice the first, three quarters of the second.
    wanted = np.array([[0.5, 0.5], [0.3, 0.7]])
    answered = np.array([[0.1, 0.9], [0.3, 0.7]])
    aimed = alignment.aim(wanted, answered)
    np.testing.assert_allclose(aimed[0], np.array([1.0, 0.375]) / 1.375)
    np.testing.assert_allclose(aimed[1], np.array([0.6, 0.525]) / 1.125)


def test_aim__a_predictor_without_error_moves_nothing() -> None:
    wanted = np.array([[0.5, 0.5, 0], [0.3, 0.7, 0]])
    np.testing.assert_allclose(alignment.aim(wanted, wanted), wanted)


def test_aim__moves_by_a_limited_factor() -> None:
    # Answered a hundredth: four times, not a hundred times as much.
    aimed = alignment.aim(np.array([[0.1, 0.9]]), np.array([[0.001, 0.999]]))
    np.testing.assert_allclose(aimed[0, 0] / aimed[0, 1], 4 * 0.1 / (0.9 * 0.9 / 0.999))


def test_surprise__worked_by_hand() -> None:
    # CPM 6, 6 and 14 against 2, 6 and 14; with 2 added 8/4, 8/8, 16/16: one doubled gene of three.
    log_cpm = np.log2(1 + np.array([[6.0, 6.0, 14.0, np.nan]]))
    found = alignment.surprise(log_cpm, np.ones((1, 1)), np.array([[2.0, 6.0, 14.0, 2.0]]))
    np.testing.assert_allclose(found, [[1, 0, 0, np.nan]], atol=1e-6)


def test_surprise__a_sample_that_is_brighter_throughout_shows_none() -> None:
    means = np.array([[98.0, 198.0, 398.0]])
    # With 2 added 100, 200 and 400, and eight times that.
    log_cpm = np.log2(1 + np.array([[798.0, 1598.0, 3198.0]]))
    np.testing.assert_allclose(
        alignment.surprise(log_cpm, np.ones((1, 1)), means), np.zeros((1, 3)), atol=1e-6
    )


def test_estimate__worked_by_hand() -> None:
    surprises = np.array([[1.0, np.nan, np.nan], [9.0, 1.0, np.nan], [2.0, 2.0, np.nan]])
    # Medians 2 of three samples and 1.5 of two, taken 3 / 3.5 and 2 / 2.5 full.
    np.testing.assert_allclose(alignment.estimate(surprises), [12 / 7, 1.2, 0], rtol=1e-6)


def test_apply__worked_by_hand() -> None:
    # CPM 6, with 2 added 8: halved 4, which is 2 CPM; an eighth is below 2, which is 0 CPM.
    aligned = alignment.apply(np.log2([[7.0, 7.0, np.nan]]), np.array([1.0, 3.0, 1.0]))
    np.testing.assert_allclose(aligned, [[np.log2(3), 0, np.nan]], atol=1e-6)
    assert aligned.dtype == np.float32


def test_apply__no_shift_leaves_samples_as_they_are() -> None:
    log_cpm = np.random.default_rng(0).gamma(2, 2, (5, 30)).astype(np.float32)
    np.testing.assert_allclose(alignment.apply(log_cpm, np.zeros(30)), log_cpm, atol=1e-5)


@pytest.mark.parametrize("n_samples", [5, 40])
def test_estimate__finds_a_platform(n_samples: int) -> None:
    rng = np.random.default_rng(n_samples)
    means = rng.gamma(1, 300, (4, 200)) + 20
    fraction = rng.dirichlet(np.ones(4), n_samples)
    platform = rng.normal(0, 1.5, 200)
    platform -= np.median(platform)
    softened = (fraction @ means + alignment.PSEUDOCOUNT) * 2**platform
    log_cpm = np.log2(np.maximum(softened - alignment.PSEUDOCOUNT, 0) + 1)
    found = alignment.estimate(alignment.surprise(log_cpm, fraction, means))
    full = found * (n_samples + 0.5) / n_samples
    assert np.abs(full - platform).max() < 0.05
