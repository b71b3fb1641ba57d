from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from bluebatch.downstream import consensus

Array = npt.NDArray[Any]


def columns(*definitions: str) -> Array:
    """Lay definitions beside each other: one character a patient, 1 inside."""
    return np.array([[mark == "1" for mark in each] for each in definitions]).T


# Worked by hand. The first leads. D differs from it in one of six patients, F in two; E in five,
# so that its complement 111100 differs in one and is what votes.
FOUR = columns("111000", "110000", "000011", "101100")


def test_align__turns_what_is_nearer_the_other_way_round() -> None:
    flips, tied = consensus.align(FOUR, None, 0)
    assert flips.tolist() == [False, False, True, False]
    assert not tied.any()


def test_agree__takes_more_than_half_of_all_members() -> None:
    found = consensus.agree(FOUR, None, np.array([-4.0, 3.0, 2.0, -1.0]), range(4))
    # Votes for 1: 4, 3, 3, 2, 0 and 0 of four; two of four are not more than half.
    assert found.group.tolist() == [1, 1, 1, 2, 0, 0]
    assert found.margin.tolist() == [1, 0.5, 0.5, 0, 1, 1]
    assert (found.lead, found.n_ties, found.alignment) == (0, 0, 1)
    assert found.flips.tolist() == [False, False, True, False]


def test_agree__another_lead_turns_the_sides() -> None:
    # E = 000011 leads: C and D and F differ in 5, 4 and 5 patients, and are turned round, which
    # gives the same votes with the sides exchanged.
    found = consensus.agree(FOUR, None, np.array([1.0, 1.0, 2.0, 1.0]), range(4))
    assert found.flips.tolist() == [True, True, False, True]
    assert found.group.tolist() == [0, 0, 0, 2, 1, 1]


def test_agree__tied_member_is_laid_where_fewer_are_undecided() -> None:
    # 110011 differs from the lead 111000 in three of six. As it stands the votes for 1 are
    # 4, 4, 2, 0, 1, 2 of four: two undecided. Turned round, 001100, they are 3, 3, 3, 1, 0, 1.
    inside = columns("111000", "110011", "111001", "110000")
    flips, tied = consensus.align(inside, None, 0)
    assert tied.tolist() == [False, True, False, False]
    assert not flips.any()
    found = consensus.agree(inside, None, np.array([9.0, 1.0, 1.0, 1.0]), range(4))
    assert found.flips.tolist() == [False, True, False, False]
    assert (found.alignment, found.n_ties) == (2, 1)
    assert found.group.tolist() == [1, 1, 1, 0, 0, 0]
    assert found.margin.tolist() == [0.5, 0.5, 0.5, 0.5, 1, 0.5]


def test_agree__tied_member_keeps_its_order_where_both_are_as_good() -> None:
    # 1100 and 1010: two votes, two of four patients undecided either way.
    found = consensus.agree(columns("1100", "1010"), None, np.array([2.0, 1.0]), [0, 1])
    assert (found.alignment, found.n_ties) == (1, 1)
    assert found.group.tolist() == [1, 2, 2, 0]
    assert found.margin.tolist() == [1, 0, 0, 1]


def test_agree__patients_left_out_have_no_say() -> None:
    inside = columns("1100", "0111", "1100")
    considered = columns("1111", "1011", "1000")
    # Of the three patients whom both consider, the second differs in all: turned round, 1_00.
    flips, tied = consensus.align(inside, considered, 0)
    assert flips.tolist() == [False, True, False]
    assert not tied.any()
    found = consensus.agree(inside, considered, np.array([3.0, 2.0, 1.0]), range(3))
    # Votes for 1 and 0 of three: 3 and 0, 1 and 0, 0 and 2, 0 and 2.
    assert found.group.tolist() == [1, 2, 0, 0]
    assert found.margin.tolist() == pytest.approx([1, 1 / 3, 2 / 3, 2 / 3])


def test_agree__one_definition_is_its_own_consensus() -> None:
    inside = columns("0000", "0110")
    found = consensus.agree(inside, None, np.array([0.0, -3.0]), [1])
    assert found.group.tolist() == [0, 1, 1, 0]
    assert (found.lead, found.members.tolist(), found.margin.tolist()) == (1, [1], [1, 1, 1, 1])
    shown = columns("1111", "1011")
    assert consensus.agree(inside, shown, np.array([0.0, -3.0]), [1]).group.tolist() == [0, 2, 1, 0]


def test_agree__lead_is_the_first_of_equals() -> None:
    # The second statistic is larger by rounding alone.
    statistic = np.array([1.0, -2.0, 2.0 + 1e-14])
    assert consensus.agree(columns("1100", "1100", "1100"), None, statistic, range(3)).lead == 1


def test_vote__no_voters_decide_nothing() -> None:
    group, margin = consensus.vote(np.zeros((2, 0), bool))
    assert (group.tolist(), margin.tolist()) == ([2, 2], [0, 0])


def test_find__orders_components_by_their_lead_and_leaves_the_others_out() -> None:
    # 0 and 3 are one division; 1 stands alone; 2 is not chosen.
    inside = columns("1100000", "0001000", "1111111", "0011111")
    found = consensus.find(inside, None, np.array([1.0, 3.0, 9.0, -2.0]), [0, 1, 3], 0.8)
    assert [each.members.tolist() for each in found] == [[1], [0, 3]]
    assert [each.lead for each in found] == [1, 3]
    assert found[1].flips.tolist() == [True, False]
    assert found[1].group.tolist() == [0, 0, 1, 1, 1, 1, 1]
