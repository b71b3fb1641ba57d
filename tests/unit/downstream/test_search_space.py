import numpy as np
import numpy.typing as npt
import pytest

from bluebatch import errors
from bluebatch.downstream import search_space


def states(*columns: list[int]) -> npt.NDArray[np.int8]:
    return np.array(columns, dtype=np.int8).T


BOTH = [0, 1, 0, 1]


def test_choose__takes_all_of_six_types() -> None:
    found, notes = search_space.choose(states(*[BOTH] * 6), list("ABCDEF"), "rest", None, 20_000)
    assert len(found) == 722
    assert notes == []


def test_choose__picks_no_type_of_one_state() -> None:
    # A has one state, D one beside absent patients; B and C remain: 3^2 - 1 - 2.
    given = states([0, 0, 0, 0], BOTH, BOTH, [1, -1, 1, 1])
    found, notes = search_space.choose(given, list("ABCD"), "rest", None, 20_000)
    assert found.cell_types == ("A", "B", "C", "D")
    assert found.labels == ["B=1", "C=1", "B=0&C=0", "B=0&C=1", "B=1&C=0", "B=1&C=1"]
    assert notes == ["A, D: fewer than two states, so in no definition; 2 of 4 types are searched."]


def test_choose__two_states_nowhere() -> None:
    given = states([0, 0, 0, 0], [-1, 1, 1, -1])
    with pytest.raises(errors.ValuesError, match="no cell type has two states among the 4 pati"):
        search_space.choose(given, ["A", "B"], "rest", None, 20_000)


def test_choose__keeps_both_of_a_type_that_patients_lack() -> None:
    given = states([0, 1, -1, 1], BOTH)
    found, notes = search_space.choose(given, ["A", "B"], "rest", None, 20_000)
    assert found.labels[:3] == ["A=0", "A=1", "B=1"]
    assert len(found) == 7
    assert len(notes) == 1
    assert notes[0].startswith("A: absent in some patients, who count as outside")
    dropped, notes = search_space.choose(given, ["A", "B"], "drop", None, 20_000)
    assert dropped.labels[:2] == ["A=1", "B=1"]
    assert notes == []


def test_choose__picks_fewer_of_many_types_and_says_so() -> None:
    names = [f"T{number}" for number in range(15)]
    # By hand: 15, + 4 * 105 = 435, + 8 * 455 = 4,075, + 16 * 1,365 = 25,915.
    found, notes = search_space.choose(states(*[BOTH] * 15), names, "rest", None, 20_000)
    assert len(found) == 4075
    assert (found.picks != -1).sum(axis=1).max() == 3
    assert notes == [
        "Definitions pick at most 3 of 15 types: 4,075 definitions; 4 would make 25,915, above "
        "max_definitions 20,000."
    ]
    assert len(search_space.choose(states(*[BOTH] * 15), names, "rest", None, 4075)[0]) == 4075
    assert len(search_space.choose(states(*[BOTH] * 15), names, "rest", None, 4074)[0]) == 435


def test_choose__holds_to_what_is_stated() -> None:
    given = states(*[BOTH] * 4)
    found, notes = search_space.choose(given, list("ABCD"), "rest", 2, 100)
    assert len(found) == 4 + 4 * 6
    assert notes == []
    assert len(search_space.choose(given, list("ABCD"), "rest", 9, 100)[0]) == 3**4 - 1 - 4


@pytest.mark.parametrize(("max_picked", "allowed"), [(3, 59), (None, 3)])
def test_choose__refuses_more_than_allowed(max_picked: int | None, allowed: int) -> None:
    # Three of four types: 4 + 24 + 32 = 60; one of four: 4.
    with pytest.raises(errors.ConfigError, match="max_definitions allows") as told:
        search_space.choose(states(*[BOTH] * 4), list("ABCD"), "rest", max_picked, allowed)
    assert ("3 of 4 types make 60" if max_picked else "1 of 4 types make 4") in str(told.value)
