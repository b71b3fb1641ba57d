from typing import Any

import hypothesis.extra.numpy as hnp
import numpy as np
import numpy.typing as npt
from hypothesis import given
from hypothesis import strategies as st

from bluebatch.downstream import definitions, logrank
from bluebatch.expression import markers

Array = npt.NDArray[Any]
NAMES = st.lists(st.text(alphabet='AB&=" 01', max_size=4), min_size=1, max_size=4, unique=True)
STATES = hnp.arrays(np.int8, st.tuples(st.integers(1, 12), st.just(3)), elements=st.integers(-1, 1))


@st.composite
def cohorts(draw: st.DrawFn) -> tuple[Array, Array, Array]:
    """Draw times with ties, events and four groups."""
    n = draw(st.integers(2, 25))
    durations = draw(hnp.arrays(np.float64, n, elements=st.integers(0, 9)))
    events = draw(hnp.arrays(np.bool_, n))
    return durations, events, draw(hnp.arrays(np.bool_, (n, 4)))


@given(NAMES)
def test_labels__can_be_read_back_whatever_the_names(names: list[str]) -> None:
    found = definitions.enumerate_all(names, complements=True)
    assert len(set(found.labels)) == len(found) == 3 ** len(names) - 1
    np.testing.assert_array_equal(definitions.parse(found.labels, names).picks, found.picks)


@given(STATES)
def test_members__nobody_is_inside_without_being_considered(states: Array) -> None:
    found = definitions.enumerate_all(list("ABC"), complements=True)
    for absent in ("rest", "drop"):
        inside, considered = definitions.members(found, states, absent)
        assert not (inside & ~considered).any()


@given(STATES)
def test_members__definitions_of_all_types_part_the_patients(states: Array) -> None:
    found = definitions.enumerate_all(list("ABC"))
    whole = found.take(np.flatnonzero((found.picks != -1).all(axis=1)))
    inside, _ = definitions.members(whole, states)
    assert len(whole) == 8
    np.testing.assert_array_equal(inside.sum(axis=1), (states != -1).all(axis=1))


@given(STATES)
def test_members__one_more_pick_keeps_some_of_the_members(states: Array) -> None:
    narrow = definitions.parse(["A=1&B=0&C=1"], list("ABC"))
    wide = definitions.parse(["A=1&C=1"], list("ABC"))
    inside, around = (definitions.members(each, states)[0] for each in (narrow, wide))
    assert not (inside & ~around).any()


@given(cohorts())
def test_logrank__the_other_side_has_the_opposite_sign(cohort: tuple[Array, Array, Array]) -> None:
    durations, events, inside = cohort
    risk = logrank.Risk(durations, events)
    here, there = risk.test(inside), risk.test(~inside)
    np.testing.assert_allclose(here.z, -there.z, atol=1e-9)
    np.testing.assert_allclose(here.variance, there.variance, atol=1e-12)
    np.testing.assert_allclose(here.observed + there.observed, events.sum())
    np.testing.assert_allclose(here.expected + there.expected, events.sum())
    assert (here.variance >= 0).all()


@given(cohorts(), st.randoms(use_true_random=False))
def test_logrank__only_the_order_of_the_times_counts(
    cohort: tuple[Array, Array, Array], random: Any
) -> None:
    durations, events, inside = cohort
    first = logrank.Risk(durations, events).test(inside)
    stretched = logrank.Risk(np.exp(durations) * 30.4, events).test(inside)
    np.testing.assert_array_equal(first.z, stretched.z)
    rows = random.sample(range(len(durations)), len(durations))
    shuffled = logrank.Risk(durations[rows], events[rows]).test(inside[rows])
    np.testing.assert_allclose(first.z, shuffled.z, atol=1e-9)


@given(cohorts())
def test_logrank__a_stratum_each_compares_nobody(cohort: tuple[Array, Array, Array]) -> None:
    durations, events, inside = cohort
    found = logrank.Risk(durations, events, np.arange(len(events))).test(inside)
    assert (found.variance == 0).all()


@given(hnp.arrays(np.float64, st.integers(1, 30), elements=st.floats(0, 1)))
def test_adjust__keeps_the_order_and_never_lowers(p: Array) -> None:
    q = markers.adjust_p(p)
    assert (q >= p - 1e-15).all()
    assert (q <= 1).all()
    assert (np.diff(q[np.argsort(p)]) >= 0).all()
