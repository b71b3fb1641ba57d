from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from lifelines import statistics
from sksurv import compare
from statsmodels.duration import survfunc

from bluebatch.downstream import logrank

Array = npt.NDArray[Any]


def cohort(seed: int, n_patients: int, n_groups: int) -> tuple[Array, Array, Array]:
    """Draw times with many ties and some zeros, events, and groups of all sizes."""
    rng = np.random.default_rng(seed)
    durations = rng.integers(0, 30, size=n_patients).astype(float)
    inside = rng.random((n_patients, n_groups)) < np.linspace(0.05, 0.95, n_groups)
    return durations, rng.random(n_patients) < 0.6, inside


def lifelines_test(durations: Array, events: Array, inside: Array) -> tuple[float, float]:
    there = ~inside
    found = statistics.logrank_test(
        durations[inside], durations[there], events[inside], events[there]
    )
    return found.test_statistic, found.p_value


def test_test__four_patients_by_hand() -> None:
    # Inside: the patients with times 1 and 3. Events at 1 (in), 2 (out), 3 (in), 4 (out); inside
    # at risk 2 of 4, 1 of 3, 1 of 2, 0 of 1. Expected 1/2 + 1/3 + 1/2; variance 1/4 + 2/9 + 1/4.
    inside = np.array([True, False, True, False])[:, None]
    found = logrank.Risk(np.array([1.0, 2, 3, 4]), np.ones(4, dtype=bool)).test(inside)
    assert found.observed.tolist() == [2]
    assert found.expected == pytest.approx([4 / 3])
    assert found.variance == pytest.approx([13 / 18])
    assert found.z == pytest.approx([(2 / 3) / np.sqrt(13 / 18)])
    assert found.log_hazard_ratio == pytest.approx([12 / 13])


def test_test__ties_by_hand() -> None:
    # At time 5 two of four have the event, one of them inside; 2 of 4 are inside. Expected 1,
    # variance 2 * (4 - 2) / (4 - 1) / 4 = 1/3; no event comes later.
    durations, events = np.array([5.0, 5, 7, 9]), np.array([True, True, False, False])
    inside = np.array([True, False, True, False])[:, None]
    found = logrank.Risk(durations, events).test(inside)
    assert (found.observed.item(), found.expected.item()) == (1, 1)
    assert found.variance == pytest.approx([1 / 3])
    assert found.z.tolist() == [0]
    assert found.p.tolist() == [1]


@pytest.mark.parametrize("n_patients", [9, 16, 120, 127])
def test_test__equals_lifelines(n_patients: int) -> None:
    durations, events, inside = cohort(n_patients, n_patients, 25)
    inside[0], inside[1] = True, False
    found = logrank.Risk(durations, events).test(inside)
    for column in range(25):
        statistic, p = lifelines_test(durations, events, inside[:, column])
        assert found.statistic[column] == pytest.approx(statistic, rel=1e-10, abs=1e-10)
        assert found.p[column] == pytest.approx(p, rel=1e-9, abs=1e-10)


def test_test__equals_lifelines_far_in_the_tail() -> None:
    durations = np.arange(1.0, 301)
    inside = np.arange(300) < 150
    found = logrank.Risk(durations, np.ones(300, dtype=bool)).test(inside[:, None])
    statistic, p = lifelines_test(durations, np.ones(300, dtype=bool), inside)
    assert p < 1e-40
    assert found.statistic == pytest.approx([statistic], rel=1e-10)
    assert found.p == pytest.approx([p], rel=1e-8)


def test_test__a_group_without_events_is_tested() -> None:
    durations, events, _ = cohort(2, 60, 1)
    inside = ~events & (np.arange(60) % 2 == 0)
    found = logrank.Risk(durations, events).test(inside[:, None])
    assert found.observed.tolist() == [0]
    assert found.p == pytest.approx([lifelines_test(durations, events, inside)[1]], abs=1e-10)


def test_test__leaves_out_who_is_not_considered() -> None:
    durations, events, inside = cohort(3, 100, 12)
    # Three patterns, among them everybody.
    masks = np.random.default_rng(4).random((100, 3)) < np.array([0.5, 0.8, 1.1])
    considered = masks[:, np.arange(12) % 3]
    inside &= considered
    found = logrank.Risk(durations, events).test(inside, considered)
    for column in range(12):
        kept = considered[:, column]
        statistic, p = lifelines_test(durations[kept], events[kept], inside[kept, column])
        assert found.statistic[column] == pytest.approx(statistic, rel=1e-10, abs=1e-10)
        assert found.p[column] == pytest.approx(p, rel=1e-9, abs=1e-10)


def test_test__equals_statsmodels_with_strata() -> None:
    durations, events, inside = cohort(5, 150, 10)
    strata = np.random.default_rng(6).choice(["here", "there", "elsewhere"], 150)
    found = logrank.Risk(durations, events, strata).test(inside)
    for column in range(10):
        statistic, p = survfunc.survdiff(durations, events, inside[:, column], strata=strata)
        assert found.statistic[column] == pytest.approx(statistic, rel=1e-10)
        assert found.p[column] == pytest.approx(p, abs=1e-10)


def test_test__equals_scikit_survival() -> None:
    durations, events, inside = cohort(14, 90, 10)
    survival = np.array(
        list(zip(events, durations, strict=True)), dtype=[("event", bool), ("time", float)]
    )
    found = logrank.Risk(durations, events).test(inside)
    for column in range(10):
        statistic, p = compare.compare_survival(survival, inside[:, column])
        assert found.statistic[column] == pytest.approx(statistic, rel=1e-10, abs=1e-10)
        assert found.p[column] == pytest.approx(p, abs=1e-10)


def test_test__strata_add_up_also_where_patients_are_left_out() -> None:
    durations, events, inside = cohort(7, 90, 8)
    strata, considered = np.arange(90) % 3, np.random.default_rng(8).random((90, 8)) < 0.8
    inside &= considered
    found = logrank.Risk(durations, events, strata).test(inside, considered)
    parts = [
        logrank.Risk(durations[part], events[part]).test(inside[part], considered[part])
        for part in (strata == 0, strata == 1, strata == 2)
    ]
    for name in ("observed", "expected", "variance"):
        added = np.sum([getattr(part, name) for part in parts], axis=0)
        np.testing.assert_allclose(getattr(found, name), added, rtol=1e-12)


def test_z__is_positive_where_more_events_are_inside() -> None:
    durations, events = np.arange(1.0, 21), np.ones(20, dtype=bool)
    early = np.arange(20)[:, None] < 10
    risk = logrank.Risk(durations, events)
    assert risk.test(early).z[0] > 3
    assert risk.test(early).log_hazard_ratio[0] > 0
    assert risk.test(~early).z == pytest.approx(-risk.test(early).z)


@pytest.mark.parametrize(
    "inside",
    [
        np.array([True, True, True, True]),
        np.array([False, False, False, False]),
        # Censored before the first event.
        np.array([True, False, False, False]),
    ],
)
def test_z__is_unknown_where_nothing_was_compared(inside: Array) -> None:
    events = np.array([False, True, True, True])
    found = logrank.Risk(np.array([1.0, 2, 3, 4]), events).test(inside[:, None])
    assert found.variance.tolist() == [0]
    assert np.isnan([found.z, found.statistic, found.p, found.log_hazard_ratio]).all()


def test_test__under_an_order_is_that_of_the_permuted_patients() -> None:
    durations, events, inside = cohort(9, 80, 9)
    considered = np.random.default_rng(10).random((80, 9)) < 0.9
    order = np.random.default_rng(11).permutation(80)
    for mask in (None, considered):
        groups = inside if mask is None else inside & mask
        found = logrank.Risk(durations, events).test(groups, mask, order)
        expected = logrank.Risk(durations[order], events[order]).test(groups, mask)
        np.testing.assert_allclose(found.z, expected.z, rtol=1e-12)


def test_arms__do_not_wear_out() -> None:
    durations, events, inside = cohort(12, 70, 6)
    arms = logrank.Arms(logrank.Risk(durations, events), inside)
    first = arms.test()
    arms.test(np.random.default_rng(0).permutation(70))
    np.testing.assert_array_equal(arms.test().z, first.z)


def test_arms__are_the_same_in_small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    durations, events, inside = cohort(13, 50, 23)
    considered = np.ones((50, 23), dtype=bool)
    considered[:7, ::2] = False
    inside &= considered
    risk = logrank.Risk(durations, events, np.arange(50) % 2)
    whole = risk.test(inside, considered)
    monkeypatch.setattr(logrank, "CHUNK_CELLS", 200)
    pieces = risk.test(inside, considered)
    np.testing.assert_allclose(pieces.z, whole.z, rtol=1e-12)
    np.testing.assert_allclose(pieces.variance, whole.variance, rtol=1e-12)
