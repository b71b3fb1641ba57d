import dataclasses
import json
from collections.abc import Sequence
from typing import Any

import lifelines.statistics
import numpy as np
import numpy.typing as npt
import pytest

from bluebatch import errors
from bluebatch.downstream import (
    definitions,
    division,
    group_rules,
    logrank,
    outcomes,
    patterns,
    search,
)

Array = npt.NDArray[Any]
SETTINGS = patterns.GroupSettings()


def of_states(
    states: Array, durations: Array, alpha: float = 0.05, **how: Any
) -> tuple[search.Search, Array, Array]:
    """Search a cohort in which everyone has the event."""
    observed = np.ones(len(states), dtype=bool)
    names = [chr(ord("A") + at) for at in range(states.shape[1])]
    settings = search.SearchSettings(min_group=1, n_permutations=0, alpha=alpha, **how)
    rng = np.random.default_rng(0)
    args = (states.astype(np.int8), names, outcomes.Outcome(durations, observed), settings, rng)
    return search.run(*args), durations, observed


def state_columns(n_patients: int, *members: Sequence[int]) -> Array:
    """Put the patients named into state 1, (patient, cell_type)."""
    return np.stack([np.isin(np.arange(n_patients), each) for each in members], axis=1).astype(int)


def two_types() -> tuple[search.Search, Array, Array]:
    """Eight patients die in their order: A = 1 the last four, B = 1 the first two."""
    states = state_columns(8, [4, 5, 6, 7], [0, 1])
    return of_states(states, np.arange(1.0, 9.0), alpha=0.99, max_picked=1)


def test_place__takes_the_majority_of_each_pattern() -> None:
    # Three favourable components, then two unfavourable; the last number is the hand-made margin.
    cases = [
        ([1, 1, 0, 0, 0], patterns.BEST, 1 / 3),  # favourable 2 to 1, unfavourable 0 to 2
        ([0, 0, 0, 1, 1], patterns.WORST, 1),
        ([1, 1, 1, 1, 1], patterns.BETWEEN, 1),  # both
        ([1, 0, 2, 0, 1], patterns.BETWEEN, 0),
        ([1, 2, 2, 1, 0], patterns.BETWEEN, 0),  # one of three is no majority, nor is 1 to 1
        ([1, 2, 2, 0, 0], patterns.BETWEEN, 1 / 3),
        ([2, 1, 1, 2, 1], patterns.BEST, 1 / 2),  # unfavourable: one of two, no majority
    ]
    votes = np.array([case[0] for case in cases], dtype=np.int8)
    index, margin, n_both = division.place(votes, np.array([True] * 3 + [False] * 2))
    assert index.tolist() == [case[1] for case in cases]
    assert margin.tolist() == pytest.approx([case[2] for case in cases])
    assert n_both == 1


def test_place__or_lets_the_first_component_speak() -> None:
    votes = np.array(
        [[1, 0, 0, 1], [0, 1, 1, 1], [0, 1, 1, 0], [1, 0, 1, 1], [2, 2, 1, 1]], np.int8
    )
    favourable = np.array([True, False, True, False])
    index, margin, n_both = division.place(votes, favourable, "lead")
    assert index.tolist() == [patterns.BEST, *[patterns.WORST] * 2, patterns.BEST, patterns.BETWEEN]
    assert margin.tolist() == [1, 1, 1, 1, 0]
    assert n_both == 0
    assert division.place(np.ones((3, 4), np.int8), favourable, "lead")[2] == 3


def test_favours__asks_the_lead_where_the_sides_cannot_be_compared() -> None:
    z = np.array([-2.0, 2.0, np.nan, np.nan, 0.0])
    lead = np.array([3.0, -3.0, -1.0, 1.0, -1.0])
    assert division.favours(z, lead).tolist() == [True, False, True, False, True]


def test_find__gives_three_groups() -> None:
    found, durations, observed = two_types()
    groups = patterns.find(found, outcomes.Outcome(durations, observed), SETTINGS)
    assert groups is not None
    assert groups.index.tolist() == [2, 2, 1, 1, 0, 0, 0, 0]
    assert groups.margin.tolist() == [1] * 8
    assert (groups.sizes, groups.n_both, groups.notes) == ((4, 2, 2), 0, [])
    assert groups.names == ("most favourable", "intermediate", "most unfavourable")
    table = groups.components.set_index("lead")
    assert table.loc["A=1", "direction"] == "favourable"
    assert table.loc["B=1", "direction"] == "unfavourable"
    counts = {name: table[name].to_dict() for name in ("n_1", "n_0", "n_2", "n_ties", "n_left_out")}
    assert [counts[name]["B=1"] for name in counts] == [2, 6, 0, 0, 0]
    assert sorted(table["component"]) == [1, 2]
    for lead, inside in (("A=1", np.arange(8) > 3), ("B=1", np.arange(8) < 2)):
        other = lifelines.statistics.logrank_test(durations[inside], durations[~inside])
        z = table["z"].to_dict()[lead]
        assert z**2 == pytest.approx(other.test_statistic)
        assert (z < 0) == (lead == "A=1")


def test_find__same_division_and_its_complement_are_one_component() -> None:
    # A = 1 and B = 1 are each other's rest; three definitions of the same two groups.
    found, durations, observed = of_states(
        state_columns(12, range(5), range(5, 12)), np.arange(1.0, 13.0)
    )
    groups = patterns.find(found, outcomes.Outcome(durations, observed), SETTINGS)
    assert groups is not None
    assert len(groups.components) == 1
    row = groups.components.iloc[0]
    assert row["lead"] == "A=1"  # the first of equals, the five who die first
    assert row["direction"] == "unfavourable"
    assert groups.index.tolist() == [patterns.WORST] * 5 + [patterns.BETWEEN] * 7
    component = groups.frozen.components[0]
    flips = dict(zip(component.members, component.flips, strict=True))
    assert flips == {"A=1": False, "B=1": True, "A=0&B=1": True, "A=1&B=0": False}


def test_find__without_a_significant_definition_there_are_no_groups() -> None:
    found, durations, observed = of_states(
        state_columns(8, [0, 2, 4, 6]), np.arange(1.0, 9.0), alpha=0.01
    )
    assert found.n_significant == 0
    assert patterns.find(found, outcomes.Outcome(durations, observed), SETTINGS) is None


def test_find__one_pattern_alone_leaves_the_rest_intermediate() -> None:
    found, durations, observed = of_states(
        state_columns(8, [4, 5, 6, 7]), np.arange(1.0, 9.0), max_picked=1
    )
    groups = patterns.find(found, outcomes.Outcome(durations, observed), SETTINGS)
    assert groups is not None
    assert groups.sizes == (4, 4, 0)
    assert groups.notes == ["groups: no unfavourable component, so no one is most unfavourable"]


def test_find__components_that_share_no_one_leave_all_intermediate() -> None:
    # The last and the one before: each half of two votes.
    found, durations, observed = of_states(
        state_columns(8, [7], [6]), np.arange(1.0, 9.0), alpha=0.99, max_picked=1
    )
    majority = SETTINGS.model_copy(update={"decide_by": "majority"})
    groups = patterns.find(found, outcomes.Outcome(durations, observed), majority)
    assert groups is not None
    assert groups.sizes == (0, 8, 0)
    assert "groups: every patient is intermediate" in groups.notes


def test_find__patient_left_out_of_all_definitions_is_intermediate() -> None:
    states = state_columns(9, [4, 5, 6, 7])
    states[8] = definitions.ABSENT
    found, durations, observed = of_states(
        states, np.arange(1.0, 10.0), absent="drop", max_picked=1
    )
    groups = patterns.find(found, outcomes.Outcome(durations, observed), SETTINGS)
    assert groups is not None
    assert groups.component_group[:, 0].tolist() == [0] * 4 + [1] * 4 + [2]
    assert groups.index.tolist() == [1] * 4 + [0] * 4 + [1]
    assert groups.margin[8] == 0
    inside = np.arange(8) > 3
    other = lifelines.statistics.logrank_test(durations[:8][inside], durations[:8][~inside])
    assert groups.components["z"].item() ** 2 == pytest.approx(other.test_statistic)


def test_find__strata_are_kept_apart() -> None:
    found, durations, observed = two_types()
    strata = ["x", "y"] * 4
    groups = patterns.find(found, outcomes.Outcome(durations, observed, np.array(strata)), SETTINGS)
    assert groups is not None
    risk = logrank.Risk(durations, observed, strata)
    z = risk.test(groups.component_group == 1).z
    np.testing.assert_allclose(groups.components["z"], z)
    assert not np.allclose(z, logrank.Risk(durations, observed).test(groups.component_group == 1).z)


def a_search(seed: int = 8) -> tuple[search.Search, Array, Array]:
    """Sixty patients of four types, of which two drive survival; some lack a type."""
    rng = np.random.default_rng(seed)
    states = rng.integers(0, 2, (60, 4))
    hazard = np.exp(1.2 * states[:, 0] - 1.2 * states[:, 1])
    states[rng.random((60, 4)) < 0.05] = definitions.ABSENT
    return of_states(states, rng.exponential(1 / hazard), absent="drop")


def by_label(found: search.Search) -> tuple[dict[str, Array], dict[str, Array]]:
    labels = found.definitions.labels
    inside, considered = (
        dict(zip(labels, each.T, strict=True)) for each in (found.inside, found.considered)
    )
    return inside, considered


def test_apply__to_the_discovery_gives_its_own_groups() -> None:
    found, durations, observed = a_search()
    alike = patterns.GroupSettings(min_similarity=0.6)
    groups = patterns.find(found, outcomes.Outcome(durations, observed), alike)
    assert groups is not None
    assert min(groups.sizes) > 0
    assert groups.components["n_definitions"].max() > 1
    rules = patterns.Rules.of(json.loads(json.dumps(groups.rules())))
    assert rules == groups.frozen
    again = patterns.apply(rules, *by_label(found))
    for name in ("index", "margin", "component_group"):
        np.testing.assert_array_equal(getattr(again, name), getattr(groups, name))
    left = ["z"]
    assert again.components.drop(columns=left).equals(groups.components.drop(columns=left))
    assert again.components["z"].isna().all()
    assert (again.n_both, again.notes) == (groups.n_both, groups.notes)


def a_rule(**changes: Any) -> patterns.Rules:
    """Two favourable definitions, of which one is turned round, and one unfavourable."""
    first = group_rules.Component(1, "A=1", ("A=1", "B=0", "C=1"), (False, True, False), 1, 0, True)
    second = group_rules.Component(2, "C=0", ("C=0",), (False,), 1, 0, False)
    return dataclasses.replace(patterns.Rules((first, second), 0.8), **changes)


def test_apply__votes_by_hand() -> None:
    inside = {
        "A=1": np.array([1, 1, 0, 0], bool),
        "B=0": np.array([0, 1, 1, 1], bool),  # turned round: 1 0 0 0
        "C=1": np.array([0, 1, 1, 0], bool),
        "C=0": np.array([1, 0, 0, 1], bool),
    }
    groups = patterns.apply(a_rule(), inside)
    assert groups.component_group.tolist() == [[1, 1], [1, 0], [0, 0], [0, 1]]
    assert groups.index.tolist() == [1, 0, 1, 2]
    assert groups.n_both == 1


def test_apply__the_first_component_speaks_where_it_did() -> None:
    found, durations, observed = a_search()
    settings = patterns.GroupSettings(min_similarity=0.6, decide_by="lead")
    groups = patterns.find(found, outcomes.Outcome(durations, observed), settings)
    assert groups is not None
    first = groups.components.groupby("direction")["component"].first() - 1
    best, worst = (groups.component_group[:, first[name]] == 1 for name in first.index)
    assert groups.n_both == (best & worst).sum()
    np.testing.assert_array_equal(groups.index == patterns.BEST, best & ~worst)
    np.testing.assert_array_equal(groups.index == patterns.WORST, worst & ~best)
    rules = patterns.Rules.of(json.loads(json.dumps(groups.rules())))
    np.testing.assert_array_equal(patterns.apply(rules, *by_label(found)).index, groups.index)


def test_apply__leaves_out_what_cannot_be_evaluated() -> None:
    inside = {"A=1": np.array([1, 1, 0], bool), "B=0": np.array([0, 1, 1], bool)}
    groups = patterns.apply(a_rule(), inside)
    # Two voters are left of the first component, none of the second.
    assert groups.component_group.tolist() == [[1], [2], [0]]
    assert groups.index.tolist() == [0, 1, 1]
    row = groups.components.iloc[0]
    assert (row["component"], row["n_definitions"], row["n_left_out"]) == (1, 2, 1)
    assert groups.notes == [
        "component 1 (A=1): 1 of 3 definitions cannot be evaluated and are left out",
        "component 2 (C=0): dropped, none of its 1 definitions can be evaluated",
        "groups: no unfavourable component, so no one is most unfavourable",
    ]
    assert groups.frozen == a_rule()


def test_apply__without_any_definition_is_refused() -> None:
    with pytest.raises(errors.LabelMismatchError, match="none of the 4 definitions that vote"):
        patterns.apply(a_rule(), {"X=1": np.array([True])})


@pytest.mark.parametrize(
    "broken",
    [
        {},
        {"min_similarity": 1, "decide_by": "lead", "components": [{"lead": "A=1"}]},
        {"min_similarity": 1, "decide_by": "luck", "components": []},
    ],
)
def test_rules__damaged_file_is_refused(broken: dict[str, Any]) -> None:
    with pytest.raises(errors.InputFileError, match="rules of the groups: cannot be read"):
        patterns.Rules.of(broken)
