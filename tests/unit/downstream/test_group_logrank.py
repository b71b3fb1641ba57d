"""Log-rank tests of several groups against other libraries, by hand and by enumeration."""

import itertools

import numpy as np
import pytest
from lifelines.statistics import multivariate_logrank_test
from sksurv.compare import compare_survival
from sksurv.util import Surv
from statsmodels.duration.survfunc import survdiff
from statsmodels.stats.multitest import multipletests
from unit.downstream import freireich

from bluebatch.downstream import group_logrank, logrank, logrank_scores

FREIREICH = (freireich.DURATIONS, freireich.EVENTS, freireich.GROUPS, freireich.NAMES)
THREE = ["a", "b", "c"]


def cohort(seed: int, n: int = 90) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Draw times with ties and zeros, events, three groups and two strata."""
    rng = np.random.default_rng(seed)
    groups = rng.integers(0, 3, n)
    times = np.floor(rng.exponential(10 + 5 * groups))
    return times, rng.random(n) < 0.6, groups, rng.integers(0, 2, n)


def test_logrank__of_the_remission_data() -> None:
    # Published: chi-square 16.79; expected events 19.25 and 10.75.
    found = group_logrank.logrank(*FREIREICH)
    row = found.overall.iloc[0]
    assert row["statistic"] == pytest.approx(16.79, abs=0.005)
    assert row["df"] == 1
    assert found.groups["expected"].to_numpy() == pytest.approx([19.25, 10.75], abs=0.005)
    assert found.groups["observed"].tolist() == [9, 21]
    # Two groups are one pair, and its ratio is Efron's: 4.82 (2.15, 10.8).
    pair = found.pairwise.iloc[0]
    assert pair["p"] == pytest.approx(row["p"])
    ratio = [pair["hazard_ratio"], pair["low"], pair["high"]]
    assert ratio == pytest.approx([4.82, 2.15, 10.81], abs=0.005)


def test_score__worked_by_hand() -> None:
    # Group 0: event day 1, censored day 3. Group 1: events days 2 and 3.
    # Day 1: 4 at risk, 2 in group 0: expected 1/2, variance 1/4.
    # Day 2: 3 at risk, 1 in group 0: expected 1/3, variance 2/9.
    # Day 3: 2 at risk, 1 in group 0: expected 1/2, variance 1/4.
    times, events = np.array([1.0, 3.0, 2.0, 3.0]), np.array([1, 0, 1, 1], dtype=bool)
    member = np.array([0, 0, 1, 1])[:, None] == [0, 1]
    found = logrank_scores.score(times, events, member, np.zeros(4, dtype=int))
    assert found.expected == pytest.approx([4 / 3, 5 / 3])
    assert found.statistic == pytest.approx((1 / 3) ** 2 / (1 / 4 + 2 / 9 + 1 / 4))


@pytest.mark.parametrize("seed", range(4))
def test_logrank__agrees_with_three_libraries(seed: int) -> None:
    times, events, groups, strata = cohort(seed)
    row = group_logrank.logrank(times, events, groups, THREE).overall.iloc[0]
    theirs = multivariate_logrank_test(times, groups, events)
    assert row["statistic"] == pytest.approx(theirs.test_statistic, rel=1e-10)
    assert row["p"] == pytest.approx(theirs.p_value, rel=1e-10)
    statistic, _ = compare_survival(Surv.from_arrays(events, times), groups)
    assert row["statistic"] == pytest.approx(statistic, rel=1e-10)
    stratified = group_logrank.logrank(times, events, groups, THREE, strata).overall.iloc[0]
    statistic, p = survdiff(times, events.astype(int), groups, strata=strata)
    assert [stratified["statistic"], stratified["p"]] == pytest.approx([statistic, p], rel=1e-10)


@pytest.mark.parametrize("seed", range(2))
def test_score__of_two_groups_is_that_of_the_search(seed: int) -> None:
    times, events, groups, strata = cohort(seed)
    inside = groups == 1
    theirs = logrank.Risk(times, events, strata).test(inside[:, None])
    member = np.column_stack([~inside, inside])
    found = logrank_scores.score(times, events, member, strata)
    assert found.statistic == pytest.approx(theirs.statistic[0], rel=1e-10)
    assert found.expected[1] == pytest.approx(theirs.expected[0], rel=1e-10)


def test_logrank__pairs_are_compared_alone_and_adjusted() -> None:
    times, events, groups, _ = cohort(7)
    found = group_logrank.logrank(times, events, groups, THREE).pairwise
    assert list(zip(found["first"], found["second"], strict=True)) == [
        ("a", "b"),
        ("a", "c"),
        ("b", "c"),
    ]
    for row, pair in zip(found.itertuples(), [(0, 1), (0, 2), (1, 2)], strict=True):
        among = np.isin(groups, pair)
        theirs = multivariate_logrank_test(times[among], groups[among], events[among])
        assert row.p == pytest.approx(theirs.p_value, rel=1e-10)
        assert row.n_first == (groups == pair[0]).sum()
        assert row.events_second == events[groups == pair[1]].sum()
    assert found["q"].to_numpy() == pytest.approx(multipletests(found["p"], method="fdr_bh")[1])


def test_permuted__comes_near_all_arrangements() -> None:
    times = np.array([1.0, 2, 4, 5, 6, 7, 9, 9, 12, 15])
    events = np.array([1, 1, 1, 0, 1, 1, 1, 1, 0, 1], dtype=bool)
    inside = (0, 1, 2, 7)
    statistics = {}
    for chosen in itertools.combinations(range(10), 4):
        groups = np.isin(np.arange(10), chosen)
        statistics[chosen] = compare_survival(Surv.from_arrays(events, times), groups)[0]
    given = statistics[inside] - 1e-9
    exact = np.mean([value >= given for value in statistics.values()])
    groups = np.isin(np.arange(10), inside).astype(int)
    draws = group_logrank.Permutations(np.random.default_rng(3), n=4000)
    row = group_logrank.logrank(times, events, groups, ["b", "a"], None, draws).overall.iloc[0]
    # Four standard errors of 4,000 draws.
    assert row["p_permuted"] == pytest.approx(exact, abs=4 * np.sqrt(exact * (1 - exact) / 4000))
    assert row["n_permutations"] == 4000
    assert 0.01 < exact < 0.5


def test_permuted__patients_stay_in_their_strata() -> None:
    # Each stratum is of one group: no permutation changes anything, and nothing is compared.
    times, events = np.arange(1.0, 9), np.ones(8, dtype=bool)
    groups = np.repeat([0, 1], 4)
    draws = group_logrank.Permutations(np.random.default_rng(0), n=50)
    member = groups[:, None] == [0, 1]
    assert group_logrank.permuted(times, events, member, np.zeros(8, dtype=int), draws) < 0.2
    assert np.isnan(group_logrank.permuted(times, events, member, groups, draws))
    # One patient of each group in each of four strata: 16 arrangements as likely, and the given
    # one and its mirror are the most extreme: p = 1/8.
    strata = np.tile(np.arange(4), 2)
    draws = group_logrank.Permutations(np.random.default_rng(0), n=4000)
    found = group_logrank.permuted(times, events, member, strata, draws)
    assert found == pytest.approx(1 / 8, abs=4 * np.sqrt(7 / 64 / 4000))


def test_logrank__large_groups_are_not_permuted() -> None:
    draws = group_logrank.Permutations(np.random.default_rng(0), n=20)
    found = group_logrank.logrank(*FREIREICH, None, draws)
    assert found.overall["n_permutations"].tolist() == [0]
    few = group_logrank.Permutations(np.random.default_rng(0), n=20, min_patients=22)
    found = group_logrank.logrank(*FREIREICH, None, few)
    assert found.overall["n_permutations"].tolist() == [20]
    assert any("fewer than 22 patients" in note for note in found.notes)
    few = group_logrank.Permutations(np.random.default_rng(0), n=20, min_events=10)
    assert group_logrank.logrank(*FREIREICH, None, few).pairwise["n_permutations"].tolist() == [20]


def test_logrank__the_permuted_p_is_adjusted_where_there_is_one() -> None:
    times, events, groups, _ = cohort(11, 50)
    draws = group_logrank.Permutations(np.random.default_rng(1), n=500)
    found = group_logrank.logrank(times, events, groups, THREE, None, draws).pairwise
    assert found["p_permuted"].notna().all()
    expected = multipletests(found["p_permuted"], method="fdr_bh")[1]
    assert found["q"].to_numpy() == pytest.approx(expected)


def test_logrank__same_seed_same_numbers() -> None:
    times, events, groups, _ = cohort(11, 50)
    first, second = (
        group_logrank.logrank(
            times,
            events,
            groups,
            THREE,
            None,
            group_logrank.Permutations(np.random.default_rng(5), 99),
        )
        for _ in range(2)
    )
    assert first.pairwise.equals(second.pairwise)


def test_logrank__a_group_without_events_is_tested_and_has_no_ratio() -> None:
    events = freireich.EVENTS & (freireich.GROUPS == 1)
    found = group_logrank.logrank(freireich.DURATIONS, events, freireich.GROUPS, freireich.NAMES)
    theirs = multivariate_logrank_test(freireich.DURATIONS, freireich.GROUPS, events)
    assert found.overall["p"][0] == pytest.approx(theirs.p_value)
    pair = found.pairwise.iloc[0]
    assert np.isnan(pair["hazard_ratio"])
    assert "no events among its 21 patients" in pair["said"]
    assert any(note.startswith("group 6-MP: no events") for note in found.notes)


def test_logrank__one_group_alone_is_told() -> None:
    groups = np.where(freireich.GROUPS == 1, -1, 0)
    found = group_logrank.logrank(freireich.DURATIONS, freireich.EVENTS, groups, freireich.NAMES)
    assert np.isnan(found.overall["p"][0])
    assert found.overall["n"].tolist() == [21]
    assert found.pairwise.empty
    assert any("needed: 2 to compare" in note for note in found.notes)
    assert any("21 patients are in no group" in note for note in found.notes)


def test_logrank__patients_without_a_stratum_are_left_out() -> None:
    times, events, groups, strata = cohort(2)
    known = np.arange(90) >= 10
    found = group_logrank.logrank(times, events, groups, THREE, np.where(known, strata, -1))
    expected = group_logrank.logrank(
        times[known], events[known], groups[known], THREE, strata[known]
    )
    assert found.overall.equals(expected.overall)
    assert any("10 patients are in no group or no stratum" in note for note in found.notes)
