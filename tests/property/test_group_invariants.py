import json
from typing import Any

import hypothesis.extra.numpy as hnp
import numpy as np
import numpy.typing as npt
from hypothesis import assume, given
from hypothesis import strategies as st

from bluebatch.downstream import consensus, logrank, outcomes, patterns, search, similarity

Array = npt.NDArray[Any]
N_MEMBERS = 5
SETTINGS = patterns.GroupSettings(min_similarity=0.6)
DIVISIONS = hnp.arrays(np.bool_, st.tuples(st.integers(1, 12), st.just(N_MEMBERS)))
# Statistics without ties: the lead is one and the same, wherever it stands.
STRENGTH = st.permutations([1.0, 2.0, 3.0, 4.0, 5.0]).map(np.array)


@st.composite
def cohorts(draw: st.DrawFn) -> tuple[Array, Array]:
    """Draw states of three types, and times at which everyone has the event."""
    n = draw(st.integers(6, 20))
    states = draw(hnp.arrays(np.int8, (n, 3), elements=st.integers(-1, 1)))
    assume(all((states == state).any() for state in (0, 1)))
    return states, draw(hnp.arrays(np.float64, n, elements=st.integers(1, 9)))


def look(states: Array, durations: Array) -> tuple[search.Search, patterns.Groups | None]:
    """Search with a generous level, so that there are groups."""
    assume(((states == 0).any(axis=0) & (states == 1).any(axis=0)).any())
    observed = np.ones(len(states), bool)
    settings = search.SearchSettings(min_group=1, n_permutations=0, alpha=0.9, absent="drop")
    rng = np.random.default_rng(0)
    outcome = outcomes.Outcome(durations, observed)
    found = search.run(states, list("ABC"), outcome, settings, rng)
    return found, patterns.find(found, outcome, SETTINGS)


@given(hnp.arrays(np.bool_, st.tuples(st.just(2), st.integers(1, 12), st.just(N_MEMBERS))))
def test_similarity__lies_between_0_and_1_and_has_no_side(drawn: Array) -> None:
    inside, shown = drawn
    found = similarity.matrix(inside, shown)
    assert ((found >= 0) & (found <= 1)).all()
    np.testing.assert_array_equal(found, found.T)
    # Only which of two equal groups is compared hangs on the side.
    equal = (inside & shown).sum(axis=0) == (~inside & shown).sum(axis=0)
    turned = similarity.matrix(~inside, shown)
    np.testing.assert_array_equal(found[~equal][:, ~equal], turned[~equal][:, ~equal])


@given(DIVISIONS, STRENGTH)
def test_agree__turning_all_definitions_swaps_the_sides(inside: Array, strength: Array) -> None:
    found = consensus.agree(inside, None, strength, range(N_MEMBERS))
    turned = consensus.agree(~inside, None, strength, range(N_MEMBERS))
    np.testing.assert_array_equal(turned.group, np.array([1, 0, 2])[found.group])
    np.testing.assert_array_equal(turned.margin, found.margin)
    np.testing.assert_array_equal(turned.flips, found.flips)


@given(DIVISIONS, STRENGTH, st.lists(st.booleans(), min_size=N_MEMBERS, max_size=N_MEMBERS))
def test_agree__turning_a_member_changes_nothing_where_none_is_tied(
    inside: Array, strength: Array, turn: list[bool]
) -> None:
    lead = int(strength.argmax())
    found = consensus.agree(inside, None, strength, range(N_MEMBERS))
    assume(found.n_ties == 0)
    turns = np.array(turn)
    turns[lead] = False
    turned = consensus.agree(inside ^ turns, None, strength, range(N_MEMBERS))
    np.testing.assert_array_equal(turned.group, found.group)
    np.testing.assert_array_equal(turned.flips, found.flips ^ turns)


@given(DIVISIONS, STRENGTH, st.randoms(use_true_random=False))
def test_agree__no_order_of_patients_or_members_matters(
    inside: Array, strength: Array, random: Any
) -> None:
    rows, columns = list(range(len(inside))), list(range(N_MEMBERS))
    random.shuffle(rows)
    random.shuffle(columns)
    found = consensus.agree(inside, None, strength, range(N_MEMBERS))
    moved = consensus.agree(inside[rows][:, columns], None, strength[columns], range(N_MEMBERS))
    np.testing.assert_array_equal(moved.group, found.group[rows])
    np.testing.assert_array_equal(moved.margin, found.margin[rows])
    np.testing.assert_array_equal(moved.flips, found.flips[columns])


@given(DIVISIONS, STRENGTH)
def test_agree__more_than_half_of_the_votes_win(inside: Array, strength: Array) -> None:
    found = consensus.agree(inside, None, strength, range(N_MEMBERS))
    share = (inside ^ found.flips).mean(axis=1)
    # Of five votes none is split.
    np.testing.assert_array_equal(found.group, share > 0.5)
    np.testing.assert_allclose(found.margin, np.abs(2 * share - 1))


@given(cohorts(), st.randoms(use_true_random=False))
def test_find__relabelling_patients_relabels_the_groups(
    cohort: tuple[Array, Array], random: Any
) -> None:
    states, durations = cohort
    order = list(range(len(states)))
    random.shuffle(order)
    found, groups = look(states, durations)
    again, moved = look(states[order], durations[order])
    np.testing.assert_allclose(again.table["z"], found.table["z"], atol=1e-9)
    assert (groups is None) == (moved is None)
    if groups is not None and moved is not None:
        assert moved.frozen == groups.frozen
        np.testing.assert_array_equal(moved.index, groups.index[order])
        np.testing.assert_array_equal(moved.margin, groups.margin[order])


@given(cohorts())
def test_find__favourable_sides_have_fewer_events_than_expected(
    cohort: tuple[Array, Array],
) -> None:
    states, durations = cohort
    _, groups = look(states, durations)
    if groups is not None:
        risk = logrank.Risk(durations, np.ones(len(durations), bool))
        for column, each in enumerate(groups.frozen.components):
            side = groups.component_group[:, [column]]
            z = risk.test(side == 1, side != 2).z[0]
            assert np.isnan(z) or abs(z) < 1e-9 or (z < 0) == each.favourable


@given(cohorts())
def test_apply__to_the_discovery_gives_its_own_groups(cohort: tuple[Array, Array]) -> None:
    found, groups = look(*cohort)
    if groups is not None:
        labels = found.definitions.labels
        inside, shown = (
            dict(zip(labels, each.T, strict=True)) for each in (found.inside, found.considered)
        )
        rules = patterns.Rules.of(json.loads(json.dumps(groups.rules())))
        again = patterns.apply(rules, inside, shown)
        np.testing.assert_array_equal(again.index, groups.index)
        np.testing.assert_array_equal(again.margin, groups.margin)
