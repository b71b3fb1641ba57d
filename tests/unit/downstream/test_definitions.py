import itertools

import numpy as np
import pytest

from bluebatch import errors
from bluebatch.downstream import definitions

TRICKY = ["B", "A", "A=1&B", '"A"', "CD4 T", "x&y", "B,=", ""]


@pytest.mark.parametrize(
    ("n_types", "max_picked", "raw", "logical"),
    [
        # 3^K - 1, and K fewer.
        (1, None, 2, 1),
        (2, None, 8, 6),
        (6, None, 728, 722),
        (15, None, 14_348_906, 14_348_891),
        # 15 types: 2 * 15, then 4 * 105, then 8 * 455.
        (15, 1, 30, 15),
        (15, 2, 450, 435),
        (15, 3, 4090, 4075),
        (3, 9, 26, 23),
        (0, None, 0, 0),
    ],
)
def test_count__is_worked_by_hand(
    n_types: int, max_picked: int | None, raw: int, logical: int
) -> None:
    assert definitions.count(n_types, max_picked) == (raw, logical)


@pytest.mark.parametrize(("n_types", "max_picked"), [(1, None), (3, None), (6, None), (15, 3)])
def test_enumerate_all__makes_as_many_as_are_counted(n_types: int, max_picked: int | None) -> None:
    names = [f"T{number}" for number in range(n_types)]
    expected = definitions.count(n_types, max_picked)
    assert len(definitions.enumerate_all(names, max_picked)) == expected.logical
    both = definitions.enumerate_all(names, max_picked, complements=True)
    assert len(both) == expected.raw
    assert len(np.unique(both.picks, axis=0)) == expected.raw
    assert ((both.picks != -1).sum(axis=1) > 0).all()


def test_enumerate_all__two_types_by_hand() -> None:
    found = definitions.enumerate_all(["NK", "B"])
    assert found.labels == ["NK=1", "B=1", "NK=0&B=0", "NK=0&B=1", "NK=1&B=0", "NK=1&B=1"]
    assert found.picks.dtype == np.int8
    assert found.picks.tolist() == [[1, -1], [-1, 1], [0, 0], [0, 1], [1, 0], [1, 1]]
    both = definitions.enumerate_all(["NK", "B"], complements=True)
    assert both.labels[:4] == ["NK=0", "NK=1", "B=0", "B=1"]
    of_one = definitions.enumerate_all(["NK", "B"], max_picked=1, complements=["B"])
    assert of_one.labels == ["NK=1", "B=0", "B=1"]


def test_enumerate_all__refuses_a_name_given_twice() -> None:
    with pytest.raises(errors.LabelMismatchError, match=r"'B' is named 2 times, once is needed"):
        definitions.enumerate_all(["B", "NK", "B"])


def test_labels__are_never_shared() -> None:
    # Without quotes, "A=1&B" in state 0 would read as A=1&B=0.
    found = definitions.enumerate_all(TRICKY, max_picked=3, complements=True)
    assert len(set(found.labels)) == len(found)
    assert '"A=1&B"=0' in found.labels
    assert '"""A"""=1' in found.labels
    assert "A=1&CD4 T=0" in found.labels


def test_parse__reads_what_labels_write() -> None:
    found = definitions.enumerate_all(TRICKY, max_picked=3, complements=True)
    back = definitions.parse(found.labels, TRICKY)
    np.testing.assert_array_equal(back.picks, found.picks)
    assert back.labels == found.labels


def test_parse__takes_types_in_any_order() -> None:
    back = definitions.parse(["NK=0&B=1"], ["B", "T", "NK"])
    assert back.picks.tolist() == [[1, -1, 0]]


@pytest.mark.parametrize("label", ["", "B", "B=2", "B=1&", "B=1NK=0", "B=1 & NK=0", "&B=1", "B==1"])
def test_parse__refuses_another_form(label: str) -> None:
    with pytest.raises(errors.LabelMismatchError, match=r"^definition '.*definitions"):
        definitions.parse([label], ["B", "NK"])


def test_parse__refuses_a_type_that_is_not_there() -> None:
    with pytest.raises(errors.LabelMismatchError, match=r"T is none of the 2 cell types \(B, NK\)"):
        definitions.parse(["B=1&T=0"], ["B", "NK"])


def test_take__keeps_those_asked_for() -> None:
    found = definitions.enumerate_all(["NK", "B"]).take(np.array([3, 0]))
    assert found.labels == ["NK=0&B=1", "NK=1"]


# Patients: both types in 0, first in 1, both in 1, first absent, second absent.
STATES = np.array([[0, 0], [1, 0], [1, 1], [-1, 0], [1, -1]], dtype=np.int8)


def test_members__absent_patients_belong_to_the_rest() -> None:
    found = definitions.parse(["A=1", "A=0", "A=1&B=0", "B=0"], ["A", "B"])
    inside, considered = definitions.members(found, STATES, "rest")
    assert inside.T.astype(int).tolist() == [
        [0, 1, 1, 0, 1],
        [1, 0, 0, 0, 0],
        [0, 1, 0, 0, 0],
        [1, 1, 0, 1, 0],
    ]
    assert considered.shape == inside.shape
    assert considered.all()


def test_members__absent_patients_are_dropped_where_their_type_is_picked() -> None:
    found = definitions.parse(["A=1", "A=0", "A=1&B=0", "B=0"], ["A", "B"])
    inside, considered = definitions.members(found, STATES, "drop")
    np.testing.assert_array_equal(inside, definitions.members(found, STATES, "rest")[0])
    assert considered.T.astype(int).tolist() == [
        [1, 1, 1, 0, 1],
        [1, 1, 1, 0, 1],
        [1, 1, 1, 0, 0],
        [1, 1, 1, 1, 0],
    ]


def test_members__agree_with_a_loop_over_all_definitions() -> None:
    states = np.random.default_rng(0).integers(-1, 2, size=(40, 4)).astype(np.int8)
    found = definitions.enumerate_all(list("ABCD"), complements=True)
    inside, considered = definitions.members(found, states, "drop")
    for patient, row in itertools.product(range(40), range(len(found))):
        asked = {column: pick for column, pick in enumerate(found.picks[row]) if pick != -1}
        has = all(states[patient, column] == pick for column, pick in asked.items())
        known = all(states[patient, column] != -1 for column in asked)
        assert (inside[patient, row], considered[patient, row]) == (has, known)
