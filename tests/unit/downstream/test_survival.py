"""Kaplan-Meier curves, numbers at risk and medians."""

import numpy as np
import pytest
from sksurv.nonparametric import kaplan_meier_estimator
from unit.downstream import freireich

from bluebatch import errors
from bluebatch.downstream import survival

FREIREICH = (freireich.DURATIONS, freireich.EVENTS, freireich.GROUPS, freireich.NAMES)


def test_curves__worked_by_hand() -> None:
    # Five patients: an event on day 0 and 2, both on day 3 (one censored), censored on day 5.
    # Survival: 4/5 after day 0, 3/5 after day 2, 3/5 * 2/3 after day 3.
    times, events = np.array([5.0, 3.0, 0.0, 3.0, 2.0]), np.array([0, 1, 1, 0, 1], dtype=bool)
    found = survival.curves(times, events, np.zeros(5, dtype=int), ["all"], times=[0, 3, 6])
    curve = found.of("all")
    assert curve["time_days"].tolist() == [0, 2, 3, 5]
    assert curve["survival"].to_numpy() == pytest.approx([0.8, 0.6, 0.4, 0.4])
    assert curve["at_risk"].tolist() == [5, 4, 3, 1]
    assert curve["events"].tolist() == [1, 1, 1, 0]
    assert curve["censored"].tolist() == [0, 0, 1, 1]
    # Just before days 0, 3 and 6.
    assert found.counts["at_risk"].tolist() == [5, 3, 0]
    assert found.counts["events"].tolist() == [0, 2, 3]
    assert found.counts["censored"].tolist() == [0, 0, 2]


def test_curves__band_is_the_log_log_one_of_scikit_survival() -> None:
    found = survival.curves(*FREIREICH)
    for at, name in enumerate(freireich.NAMES):
        member = np.equal(freireich.GROUPS, at)
        times, expected, band = kaplan_meier_estimator(
            freireich.EVENTS[member], freireich.DURATIONS[member], conf_type="log-log"
        )
        curve = found.of(name).set_index("time_days").loc[times]
        assert curve["survival"].to_numpy() == pytest.approx(expected)
        there = expected > 0
        assert curve["low"].to_numpy()[there] == pytest.approx(band[0][there])
        assert curve["high"].to_numpy()[there] == pytest.approx(band[1][there])
    assert "log-log" in found.band


def test_curves__at_no_survival_the_band_is_a_gap() -> None:
    last = survival.curves(*FREIREICH).of("placebo").iloc[-1]
    assert last["survival"] == 0
    assert np.isnan([last["low"], last["high"]]).all()


def test_curves__counts_add_up_to_the_group() -> None:
    counts = survival.curves(*FREIREICH).counts
    assert (counts[["at_risk", "events", "censored"]].sum(axis=1) == 21).all()


def test_curves__groups_without_patients_or_events_are_told() -> None:
    groups = np.where(freireich.GROUPS == 1, -1, 0)
    found = survival.curves(freireich.DURATIONS, np.zeros(42, dtype=bool), groups, freireich.NAMES)
    assert found.names == ["6-MP"]
    assert (found.of("6-MP")["survival"] == 1).all()
    assert any("6-MP: no events among its 21" in note for note in found.notes)
    assert any("placebo: has no patients" in note for note in found.notes)


def test_curves__nobody_in_a_group_is_refused() -> None:
    with pytest.raises(errors.ValuesError, match="none of 42 patients is in a group"):
        survival.curves(freireich.DURATIONS, freireich.EVENTS, np.full(42, -1), freireich.NAMES)


def test_curves__numpy_warns_as_before() -> None:
    with np.errstate(all="raise"):
        before = np.geterr()
        survival.curves(*FREIREICH)
        survival.medians(*FREIREICH)
        assert np.geterr() == before


def test_medians__of_the_remission_data() -> None:
    # Published: 23 weeks (13, not reached) and 8 weeks (4, 11), log-log as in SAS and Stata.
    table = survival.medians(*FREIREICH)
    assert table["group"].tolist() == freireich.NAMES
    assert table[["n", "events", "censored"]].to_numpy().tolist() == [[21, 9, 12], [21, 21, 0]]
    limits = table[["median_days", "low_days", "high_days"]].to_numpy()
    np.testing.assert_array_equal(limits, [[23, 13, np.nan], [8, 4, 11]])
    assert table["said"].tolist() == ["upper limit not reached", ""]


def test_medians__follow_up_is_the_median_to_censoring() -> None:
    # Of four: censored on days 2 and 4, events on days 1 and 3. Taken the other way round: 3 at
    # risk on day 2 -> 2/3, one at risk on day 4 -> 0: the median is day 4.
    times, events = np.array([1.0, 2.0, 3.0, 4.0]), np.array([1, 0, 1, 0], dtype=bool)
    table = survival.medians(times, events, np.zeros(4, dtype=int), ["all"])
    assert table["follow_up_days"].tolist() == [4]
    # Survival is 3/4 and 3/8 after days 1 and 3.
    assert table["median_days"].tolist() == [3]


def test_medians__not_reached_is_a_gap_with_a_word() -> None:
    times, events = np.arange(1.0, 11), np.arange(10) == 0
    row = survival.medians(times, events, np.zeros(10, dtype=int), ["all"]).iloc[0]
    assert np.isnan(row["median_days"])
    assert "median" in row["said"]
    assert survival.NOT_REACHED in row["said"]


@pytest.mark.parametrize(
    ("last", "expected"),
    [
        (6.0, [0, 1, 2, 3, 4, 5, 6]),
        (35.0, [0, 5, 10, 15, 20, 25, 30, 35]),
        (3000.0, [365.25 * 2 * at for at in range(5)]),
        (0.0, [0]),
    ],
)
def test_choose_times__round_and_few(last: float, expected: list[float]) -> None:
    found = survival.choose_times(np.array([0.0, last]))
    assert len(found) <= survival.MAX_COUNTS
    if last < 100:
        assert found == expected
    else:
        years = np.array(found) / 365.25
        assert years == pytest.approx(np.round(years))


def test_choose_times__a_century_still_has_few() -> None:
    found = survival.choose_times(np.array([365.25 * 100]))
    assert 2 <= len(found) <= survival.MAX_COUNTS
    assert found[-1] <= 365.25 * 100
