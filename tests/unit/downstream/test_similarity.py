from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from bluebatch.downstream import similarity

Array = npt.NDArray[Any]


def groups(n_patients: int, *members: list[int]) -> Array:
    """Lay groups beside each other, (patient, definition)."""
    return np.stack([np.isin(np.arange(n_patients), each) for each in members], axis=1)


def test_directed__is_the_larger_overlap_of_the_smaller_group() -> None:
    # A = {0, 1, 2}; B = {0, 1, 2, 3}: 3 of 4. C = all but {0, 1, 2}: its other group is A itself.
    # B against C: {0, 1, 2, 3} beside {0, 1, 2} 3 of 4, beside {3, ..., 9} 1 of 10.
    inside = groups(10, [0, 1, 2], [0, 1, 2, 3], list(range(3, 10)))
    expected = [[1, 3 / 4, 1], [3 / 4, 1, 3 / 4], [1, 3 / 4, 1]]
    np.testing.assert_array_equal(similarity.directed(inside), expected)


def test_directed__near_half_differs_by_direction() -> None:
    # A = {0, 1}, B = {2, 3, 4} of seven patients share no one.
    # A beside all but B, {0, 1, 5, 6}: 2 of 4. B beside all but A, {2, ..., 6}: 3 of 5.
    inside = groups(7, [0, 1], [2, 3, 4])
    np.testing.assert_array_equal(similarity.directed(inside), [[1, 2 / 4], [3 / 5, 1]])
    np.testing.assert_array_equal(similarity.matrix(inside), [[1, 3 / 5], [3 / 5, 1]])
    # One direction reaches it: joined, whichever definition comes first.
    for shown in (inside, inside[:, ::-1]):
        np.testing.assert_array_equal(similarity.components(shown, None, 0.6), [0, 0])
        np.testing.assert_array_equal(similarity.components(shown, None, 0.61), [0, 1])


def test_smaller_group__of_equals_is_the_one_that_has_the_states() -> None:
    # Two of four inside, three of four inside.
    found = similarity.smaller_group(groups(4, [1, 3], [0, 1, 2]))
    np.testing.assert_array_equal(found, groups(4, [1, 3], [3]))


def test_directed__patients_left_out_are_in_neither_group() -> None:
    inside = groups(8, [0, 1], [0, 1, 6], [6])
    considered = np.ones_like(inside)
    considered[6:, 0] = False
    found = similarity.directed(inside, considered)
    # {0, 1} beside {0, 1, 6}: 2 of 3. {6} is neither in {0, 1} nor in {2, 3, 4, 5}.
    assert found[0, 1] == found[1, 0] == 2 / 3
    assert found[2, 0] == 0
    # Were 6 and 7 outside, {6} would be 1 of the 6 outside.
    assert similarity.directed(inside)[2, 0] == 1 / 6


def test_directed__groups_of_no_one_are_like_none() -> None:
    inside = groups(3, [0], [])
    assert similarity.directed(inside, np.zeros_like(inside)).tolist() == [[0, 0], [0, 0]]


def test_components__join_over_a_third_and_at_the_limit_itself() -> None:
    # {0..3} and {0..4} share 4 of 5, {0..4} and {0..5} 5 of 6; {0..3} and {0..5} only 4 of 6.
    inside = groups(20, [10, 11], [0, 1, 2, 3], [10], list(range(6)), list(range(5)))
    np.testing.assert_array_equal(similarity.components(inside, None, 0.8), [0, 1, 2, 1, 1])
    np.testing.assert_array_equal(similarity.components(inside, None, 0.81), [0, 1, 2, 3, 3])
    assert similarity.components(inside[:, :0], None, 0.8).tolist() == []


def test_components__do_not_depend_on_the_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    inside = np.random.default_rng(0).random((12, 30)) < 0.4
    whole = similarity.components(inside, None, 0.7)
    assert 1 < len(set(whole)) < 30
    monkeypatch.setattr(similarity, "ROWS_PER_BLOCK", 7)
    np.testing.assert_array_equal(similarity.components(inside, None, 0.7), whole)


def test_directed__equals_sets_counted_one_by_one() -> None:
    rng = np.random.default_rng(1)
    inside, considered = rng.random((15, 9)) < 0.5, rng.random((15, 9)) < 0.8
    found = similarity.directed(inside, considered)
    sides = [
        [set(np.flatnonzero(part[:, at] & considered[:, at])) for part in (inside, ~inside)]
        for at in range(9)
    ]
    for a, (yes, no) in enumerate(sides):
        small = yes if len(yes) <= len(no) else no
        for b in range(9):
            expected = max(len(small & other) / len(small | other) for other in sides[b])
            assert found[a, b] == expected
