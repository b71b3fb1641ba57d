"""Restricted mean survival times, worked by hand."""

import numpy as np
import pytest
from scipy import stats
from sksurv.nonparametric import kaplan_meier_estimator
from unit.downstream import freireich

from bluebatch import errors
from bluebatch.downstream import restricted_mean

# Group a: events on days 1, 2 and 4, censored on day 3. Group b: events on days 2 and 5, censored
# on days 4 and 6.
TIMES = np.array([1.0, 2, 3, 4, 2, 4, 5, 6])
EVENTS = np.array([1, 1, 0, 1, 1, 0, 1, 0], dtype=bool)
GROUPS = np.repeat([0, 1], 4)


def test_compare__worked_by_hand() -> None:
    # Up to day 4. a: 1 + 3/4 + 2 * 1/2 = 11/4; left after day 1: 7/4, after day 2: 1, so the
    # variance is (7/4)^2 / (4 * 3) + 1 / (3 * 2) = 27/64.
    # b: 2 + 2 * 3/4 = 7/2; left after day 2: 3/2, so it is (3/2)^2 / (4 * 3) = 3/16.
    found = restricted_mean.compare(TIMES, EVENTS, GROUPS, ["a", "b"])
    assert found.horizon_days == 4
    assert found.notes == ["restricted means: up to 4 days, the last time of group a"]
    assert found.means["mean_days"].to_numpy() == pytest.approx([11 / 4, 7 / 2])
    errors_of = found.means["standard_error_days"].to_numpy()
    assert errors_of == pytest.approx(np.sqrt([27 / 64, 3 / 16]))
    assert found.means["events"].tolist() == [3, 1]
    row = found.differences.iloc[0]
    error = np.sqrt(27 / 64 + 3 / 16)
    assert row["difference_days"] == pytest.approx(3 / 4)
    assert row["standard_error_days"] == pytest.approx(error)
    assert row["low_days"] == pytest.approx(3 / 4 - 1.959964 * error)
    assert row["high_days"] == pytest.approx(3 / 4 + 1.959964 * error)
    assert row["p"] == pytest.approx(2 * stats.norm.sf(3 / 4 / error))
    assert row["q"] == row["p"]


def test_estimate__a_horizon_between_steps() -> None:
    # 1 + 3/4 + 1/4; left after day 1: 1, after day 2: 1/4.
    mean, error = restricted_mean.estimate(TIMES[:4], EVENTS[:4], 2.5)
    assert mean == pytest.approx(2)
    assert error == pytest.approx(np.sqrt(1 / 12 + 1 / 16 / 6))


def test_compare__limits_stay_between_day_0_and_the_horizon() -> None:
    means = restricted_mean.compare(TIMES, EVENTS, GROUPS, ["a", "b"]).means
    assert means["high_days"].tolist()[0] <= 4
    assert means["low_days"].min() >= 0
    assert (means["low_days"] < means["mean_days"]).all()


def test_compare__is_the_area_under_the_curve_of_scikit_survival() -> None:
    found = restricted_mean.compare(
        freireich.DURATIONS, freireich.EVENTS, freireich.GROUPS, freireich.NAMES
    )
    assert found.horizon_days == 23
    for at, mean in enumerate(found.means["mean_days"]):
        member = np.equal(freireich.GROUPS, at)
        times, curve = kaplan_meier_estimator(freireich.EVENTS[member], freireich.DURATIONS[member])
        edges = np.minimum(np.concatenate([[0], times, [np.inf]]), 23)
        assert mean == pytest.approx(np.diff(edges) @ np.concatenate([[1], curve]))


def test_compare__three_groups_are_three_pairs() -> None:
    groups = np.array([0, 0, 1, 1, 2, 2, 2, -1])
    found = restricted_mean.compare(TIMES, EVENTS, groups, ["a", "b", "c"], horizon_days=2)
    pairs = found.differences[["first", "second"]].to_numpy().tolist()
    assert pairs == [["a", "b"], ["a", "c"], ["b", "c"]]
    assert found.notes == ["restricted means: up to 2 days, as it was set"]


@pytest.mark.parametrize("horizon", [0.0, -1.0, 4.5])
def test_compare__a_horizon_beyond_what_is_known_is_refused(horizon: float) -> None:
    with pytest.raises(errors.ConfigError, match="at most 4, the last time of group a"):
        restricted_mean.compare(TIMES, EVENTS, GROUPS, ["a", "b"], horizon)


def test_compare__a_group_that_nobody_followed_is_told() -> None:
    found = restricted_mean.compare(np.where(GROUPS == 0, 0.0, TIMES), EVENTS, GROUPS, ["a", "b"])
    assert found.means.empty
    assert found.differences.empty
    assert "group a is not followed beyond day 0" in found.notes[0]
