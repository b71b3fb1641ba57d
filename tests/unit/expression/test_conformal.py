import math

import numpy as np
import numpy.typing as npt
import pytest

from bluebatch.expression import conformal, mixture


def one_type(*scores: float) -> conformal.Calibration:
    return conformal.calibrate(np.array(scores)[:, np.newaxis])


def test_quantile__is_the_score_of_the_conformal_rank() -> None:
    # Ten scores: (10 + 1) x .9 = 9.9, the tenth; x .5 = 5.5, the sixth; x .8 = 8.8, the ninth.
    found = one_type(7, 3, 9, 1, 10, 2, 8, 5, 4, 6)
    assert found.quantile(0.9).tolist() == [10]
    assert found.quantile(0.5).tolist() == [6]
    assert found.quantile(0.8).tolist() == [9]


def test_quantile__too_few_scores_give_none() -> None:
    # Nine scores: (9 + 1) x .9 = 9, the ninth; x .95 = 9.5, which nine do not have.
    nine = one_type(*range(1, 10))
    assert nine.quantile(0.9).tolist() == [9]
    assert np.isnan(nine.quantile(0.95)).all()
    assert np.isnan(one_type(*range(8)).quantile(0.9)).all()


@pytest.mark.parametrize(
    ("level", "expected"), [(0.5, 1), (0.8, 4), (0.9, 9), (0.95, 19), (0.99, 99), (0.999, 999)]
)
def test_needed__is_the_fewest_that_have_a_quantile(level: float, expected: int) -> None:
    assert conformal.needed(level) == expected
    assert np.isfinite(one_type(*range(expected)).quantile(level)).all()
    if expected > 1:
        assert np.isnan(one_type(*range(expected - 1)).quantile(level)).all()


def test_calibrate__types_are_counted_by_themselves() -> None:
    scores = np.array([[3.0, np.nan, np.nan], [1.0, 5.0, np.nan], [2.0, 4.0, np.nan]])
    found = conformal.calibrate(scores)
    assert found.n_samples.tolist() == [3, 2, 0]
    np.testing.assert_array_equal(found.scores, [[1, 2, 3], [4, 5, np.nan], [np.nan] * 3])
    np.testing.assert_array_equal(found.quantile(0.6), [3, 5, np.nan])


@pytest.mark.parametrize("n", [2000, 5000, 20399])
def test_calibrate__thinned_scores_are_never_too_low_and_hardly_too_high(n: int) -> None:
    found = one_type(*range(1, n + 1))
    assert found.scores.shape == (1, conformal.MOST_SCORES)
    for level in (0.5, 0.8, 0.9, 0.95, 0.99, 0.999):
        # The scores are their own ranks.
        exact = math.ceil((n + 1) * level - 1e-9)
        assert exact <= found.quantile(level)[0] <= exact + n / conformal.MOST_SCORES + 1


def test_interval__holds_new_samples_at_its_level() -> None:
    rng = np.random.default_rng(5)
    rates = np.array([1.0, 3.0])
    held = []
    for _ in range(400):
        scores = rng.exponential(rates, (60, 2))
        quantile = conformal.calibrate(scores).quantile(0.8)
        held.append((rng.exponential(rates, (50, 2)) <= quantile).mean(axis=0))
    # Exactly: ceil(61 x .8) / 61 = 49 / 61, whatever the distribution; the mean of 400 is within
    # three of its errors, .052 / 20 each.
    np.testing.assert_allclose(np.mean(held, axis=0), 49 / 61, atol=0.01)


def test_interval__covers_exactly_the_truths_of_lower_score() -> None:
    rng = np.random.default_rng(2)
    fraction, truth = rng.dirichlet(np.ones(4), 200), rng.dirichlet(np.ones(4), 200)
    error = conformal.expected_error(fraction, rng.uniform(0, 0.1, fraction.shape))
    quantile = np.array([2.0, 5.0, 1.0, np.nan])
    low, high = conformal.interval(fraction, error, quantile)
    scores = conformal.score(fraction, error, truth)
    np.testing.assert_array_equal((low <= truth) & (truth <= high), scores <= quantile)
    assert np.nanmin(low) == 0
    assert np.nanmax(high) == 1
    assert np.isnan(low[:, 3]).all()
    assert np.isnan(high[:, 3]).all()


def test_expected_error__by_hand() -> None:
    # .005 + .05 sqrt(.2 x .8) + .03.
    assert conformal.expected_error([[0.2]], [[0.03]]).item() == pytest.approx(0.055)
    assert conformal.expected_error([[0.0]], [[0.0]]).item() == pytest.approx(0.005)


def test_member_deviation__by_hand_and_without_rounding() -> None:
    members = np.array([[0.1, 0.7], [0.3, 0.7]], np.float32)
    found = conformal.member_deviation(members.mean(axis=0), (members**2).mean(axis=0))
    assert found[0] == pytest.approx(0.1, rel=1e-5)
    assert found[1] == 0
    one = np.random.default_rng(0).random(1000).astype(np.float32)
    assert not conformal.member_deviation(one, one * one).any()


def compositions() -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    fraction = np.random.default_rng(1).dirichlet(np.full(4, 0.3), 50)
    return fraction, np.array([1.0, 0.98, 2.65, 0.4])


def test_to_cells__the_prediction_becomes_the_predicted_proportion() -> None:
    fraction, factor = compositions()
    found = conformal.to_cells(fraction, fraction, factor)
    np.testing.assert_allclose(found, mixture.proportion_from_rna(fraction, factor), rtol=1e-9)


def test_to_cells__a_changed_type_leaves_the_ratios_of_the_others() -> None:
    # By hand: RNA .5 / .3 / .2, factors 1, 2, 4. The first set to .2 leaves .48 and .32 to the
    # others: cells .2, .24, .08 of .52.
    found = conformal.to_cells([[0.2, 0.3, 0.2]], [[0.5, 0.3, 0.2]], [1, 2, 4])
    assert found[0, 0] == pytest.approx(0.2 / 0.52)


def test_to_rna__is_the_inverse_and_keeps_order_and_ends() -> None:
    fraction, factor = compositions()
    values = np.random.default_rng(3).random(fraction.shape)
    there = conformal.to_cells(values, fraction, factor)
    np.testing.assert_allclose(conformal.to_rna(there, fraction, factor), values, rtol=1e-7)
    more = conformal.to_cells(values + 0.5 * (1 - values), fraction, factor)
    assert (more > there).all()
    for end in (0.0, 1.0):
        ends = np.full(fraction.shape, end)
        np.testing.assert_allclose(conformal.to_cells(ends, fraction, factor), ends, atol=1e-12)


def test_to_cells__a_type_that_is_all_there_is() -> None:
    found = conformal.to_cells([[0.5, 0.1, 0.0]], [[1.0, 0.0, 0.0]], [1, 2, 4])
    # The first: half of it, and half in equal parts of RNA of the others, .125 + .0625 cells.
    assert found[0, 0] == pytest.approx(0.5 / (0.5 + 0.25 / 2 + 0.25 / 4))
    assert np.isfinite(found).all()
    assert conformal.to_cells([[1.0]], [[1.0]], [2.0]).item() == 1
