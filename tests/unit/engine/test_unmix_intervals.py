import numpy as np
import pytest

from bluebatch import errors
from bluebatch.engine import task, unmix_intervals
from bluebatch.expression import conformal, mixture

TYPES = ["B", "Mono"]


def predictions() -> task.Arrays:
    # Two members: .2 and .4 of B in the first sample, .5 and .5 in the second.
    members = np.array([[[0.2, 0.8], [0.5, 0.5]], [[0.4, 0.6], [0.5, 0.5]]], np.float32)
    return {"fraction": members.mean(axis=0), "fraction_squared": (members**2).mean(axis=0)}


def test_compose__both_units_and_the_members_deviation() -> None:
    factors = np.array([1.0, 2.0])
    found = unmix_intervals.compose(predictions(), factors, "rna_fraction")
    np.testing.assert_allclose(found.deviation, np.array([[0.1, 0.1], [0, 0]]), atol=1e-6)
    np.testing.assert_allclose(found.rna_fraction, [[0.3, 0.7], [0.5, 0.5]], rtol=1e-6)
    # Cells: .3 / 1 and .7 / 2 of .65; .5 / 1 and .5 / 2 of .75.
    expected = np.array([[0.3 / 0.65, 0.35 / 0.65], [2 / 3, 1 / 3]])
    np.testing.assert_allclose(found.proportion, expected, rtol=1e-6)
    assert found.factor.tolist() == [1, 2]


def test_compose__a_model_of_proportions_needs_no_conversion() -> None:
    found = unmix_intervals.compose(predictions(), np.array([1.0, 2.0]), "proportion")
    np.testing.assert_allclose(found.proportion, [[0.3, 0.7], [0.5, 0.5]], rtol=1e-6)
    np.testing.assert_allclose(found.rna_fraction[1], [1 / 3, 2 / 3], rtol=1e-6)
    assert found.factor.tolist() == [1, 1]


def test_compose__members_of_whom_nothing_is_known_agree() -> None:
    only = {"fraction": predictions()["fraction"]}
    assert not unmix_intervals.compose(only, np.ones(2), "rna_fraction").deviation.any()


def test_around__by_hand() -> None:
    composition = unmix_intervals.compose(predictions(), np.array([1.0, 2.0]), "rna_fraction")
    found = unmix_intervals.Intervals(0.9, np.array([2.0, 2.0])).around(composition)
    # Second sample: .5 +- 2 x (.005 + .05 x .5) = .44 and .56 of RNA, as cells of B
    # .44 / (.44 + .56 / 2) and .56 / (.56 + .44 / 2).
    assert found["proportion_low"][1, 0] == pytest.approx(0.44 / 0.72)
    assert found["proportion_high"][1, 0] == pytest.approx(0.56 / 0.78)
    # First: the members differ by .1 more.
    half = 2 * (0.005 + 0.05 * np.sqrt(0.21) + 0.1)
    low, high = 0.3 - half, 0.3 + half
    assert found["proportion_low"][0, 0] == pytest.approx(low / (low + (1 - low) / 2), rel=1e-4)
    assert found["proportion_high"][0, 0] == pytest.approx(high / (high + (1 - high) / 2), rel=1e-4)
    assert found["proportion_low"].dtype == np.float32


@pytest.mark.parametrize("target", ["rna_fraction", "proportion"])
def test_around__holds_the_prediction_and_exactly_what_scores_lower(target: str) -> None:
    rng = np.random.default_rng(0)
    members = rng.dirichlet(np.full(4, 0.4), (3, 300)).astype(np.float32)
    given = {"fraction": members.mean(axis=0), "fraction_squared": (members**2).mean(axis=0)}
    factors = np.array([1.0, 0.98, 2.65, 0.4])
    composition = unmix_intervals.compose(given, factors, target)
    quantile = np.array([0.1, 0.5, 1.0, 4.0])
    ends = unmix_intervals.Intervals(0.9, quantile).around(composition)
    low, high = ends["proportion_low"], ends["proportion_high"]
    predicted = composition.proportion.astype(np.float32)
    assert (low <= predicted).all()
    assert (predicted <= high).all()
    assert low.min() >= 0
    assert high.max() <= 1
    # True proportions that come of true fractions of RNA by the same contents.
    drawn = rng.dirichlet(np.full(4, 0.4), 300)
    truth = drawn if target == "proportion" else mixture.proportion_from_rna(drawn, factors)
    within = (low <= truth) & (truth <= high)
    clear = np.minimum(np.abs(low - truth), np.abs(high - truth)) > 1e-6
    expected = composition.score(truth) <= quantile
    np.testing.assert_array_equal(within[clear], expected[clear])
    assert 0.1 < within.mean() < 0.9


def calibrated(*n_samples: int) -> task.Arrays:
    scores = np.full((max(n_samples), len(n_samples)), np.nan)
    for index, n in enumerate(n_samples):
        scores[:n, index] = np.arange(1, n + 1)
    return {conformal.SCORES: conformal.calibrate(scores).scores}


def test_find__the_quantile_of_each_type() -> None:
    found = unmix_intervals.find(calibrated(9, 19), 0.9, TYPES)
    assert found is not None
    assert found.quantile.tolist() == [9, 18]


def test_find__too_few_samples_for_another_level_are_refused() -> None:
    with pytest.raises(errors.ConfigError, match=r"0.95 takes at least 19 .* 9 \(B\)") as raised:
        unmix_intervals.find(calibrated(9, 19), 0.95, TYPES)
    assert "\n" not in str(raised.value)
    with pytest.raises(errors.ConfigError, match=r"at least 99 .* calibrated on none"):
        unmix_intervals.find({}, 0.99, TYPES)


def test_find__too_few_samples_for_the_usual_level_leave_none_and_say_so() -> None:
    assert unmix_intervals.find(calibrated(8, 30), conformal.LEVEL, TYPES) is None
    note, attributes = unmix_intervals.describe(None, {"calibration": {"n_samples": 8}})
    assert note == "no intervals: calibrated on 8 held-out pseudobulks, needed: 9"
    assert attributes == {}


def test_find__a_type_that_was_never_known_has_no_interval() -> None:
    found = unmix_intervals.find(calibrated(9, 0), 0.9, TYPES)
    assert found is not None
    np.testing.assert_array_equal(found.quantile, [9, np.nan])
    composition = unmix_intervals.compose(predictions(), np.ones(2), "rna_fraction")
    ends = found.around(composition)
    assert np.isfinite(ends["proportion_low"][:, 0]).all()
    assert np.isnan(ends["proportion_low"][:, 1]).all()
    assert np.isnan(ends["proportion_high"][:, 1]).all()


def test_describe__names_level_and_source() -> None:
    found = unmix_intervals.Intervals(0.8, np.ones(2))
    facts = {"calibration": {"on": "samples of truth.csv", "n_samples": 12}}
    note, attributes = unmix_intervals.describe(found, facts)
    assert note == "intervals at level 0.8, calibrated on 12 samples of truth.csv"
    assert attributes == {"level": 0.8, "calibrated_on": "12 samples of truth.csv"}
