"""One division of the patients for every component of similar definitions, by majority.

Definitions are laid alongside the component's leading one (align), then vote on every patient
(vote). A definition and its complement say the same, so each may be turned round first.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from bluebatch.downstream import similarity

Array = npt.NDArray[Any]
NEITHER = 2
# Statistics that differ less were computed from the same groups in another order of summation.
DECIMALS = 9


@dataclasses.dataclass(frozen=True)
class Consensus:
    """What the definitions of one component agree on.

    Parameters
    ----------
    members : np.ndarray of int64, shape (member,)
        Positions of the definitions, rising.
    lead : int
        Position of the definition with the smallest p; of equals the first.
    flips : np.ndarray of bool, shape (member,)
        Which members were turned round: their patients outside stand beside the lead's inside.
    group : np.ndarray of int8, shape (patient,)
        1 on the side that has the lead's states, 0 on the other, 2 where no side has a majority.
    margin : np.ndarray of float64, shape (patient,)
        Lead of the winning side in votes over the number of members.
    n_ties : int
        Members that lie as near to one side of the lead as to the other.
    alignment : int
        1 where tied members kept their own order beside the lead, 2 where they kept it beside
        the lead turned round.
    """

    members: Array
    lead: int
    flips: Array
    group: Array
    margin: Array
    n_ties: int
    alignment: int


def align(inside: Array, considered: Array | None, lead: int) -> tuple[Array, Array]:
    """Lay every definition alongside the lead (Algorithm 1).

    Parameters
    ----------
    inside : np.ndarray of bool, shape (patient, definition)
        Who has the definition's states.
    considered : np.ndarray of bool, shape (patient, definition), or None
        Who belongs to either group; None: everyone. Distances count the patients that a
        definition and the lead both consider.
    lead : int
        Position of the lead among these definitions.

    Returns
    -------
    flips : np.ndarray of bool, shape (definition,)
        Where the group outside is nearer (Hamming distance) to the lead's inside.
    tied : np.ndarray of bool, shape (definition,)
        Where both are equally near; not flipped.
    """
    there = np.ones_like(inside) if considered is None else considered
    both = there & there[:, [lead]]
    unlike = ((inside != inside[:, [lead]]) & both).sum(axis=0)
    alike = both.sum(axis=0) - unlike
    return unlike > alike, unlike == alike


def vote(sides: Array, heard: Array | None = None) -> tuple[Array, Array]:
    """Let every voter place every patient (Algorithm 2).

    Parameters
    ----------
    sides : np.ndarray of bool, shape (patient, voter)
        True for side 1, False for side 0.
    heard : np.ndarray of bool, shape (patient, voter), or None
        Where a voter says something of a patient; None: everywhere.

    Returns
    -------
    group : np.ndarray of int8, shape (patient,)
        The side with more than half of all voters, silent ones included; 2 where there is none.
    margin : np.ndarray of float64, shape (patient,)
        Difference of the two sides in votes over the number of voters, 0 to 1.
    """
    n_voters = sides.shape[1]
    said = np.ones_like(sides) if heard is None else heard
    ones = (sides & said).sum(axis=1)
    zeros = (~sides & said).sum(axis=1)
    group = np.full(len(sides), NEITHER, dtype=np.int8)
    group[2 * ones > n_voters] = 1
    group[2 * zeros > n_voters] = 0
    return group, np.abs(ones - zeros) / max(n_voters, 1)


def agree(
    inside: Array, considered: Array | None, statistic: Array, members: Sequence[int] | Array
) -> Consensus:
    """Make one division out of the definitions of a component.

    A tied member keeps its own order. Beside the lead as it stands (alignment 1) and beside the
    lead turned round (alignment 2) that is not the same, so both are tried.

    Parameters
    ----------
    inside, considered : np.ndarray of bool, shape (patient, definition)
        As in `align`; all definitions.
    statistic : np.ndarray of float, shape (definition,)
        Log-rank z or its square: the largest absolute value has the smallest p.
    members : sequence of int
        Positions of the component's definitions.

    Returns
    -------
    Consensus
        The alignment with fewer patients that no side wins; of equals the first.
    """
    chosen = np.sort(np.asarray(members, dtype=np.int64))
    lead = int(np.argmax(np.round(np.abs(statistic[chosen]), DECIMALS)))
    mine = inside[:, chosen]
    heard = None if considered is None else considered[:, chosen]
    flips, tied = align(mine, heard, lead)
    # The lead itself is never tied with itself unless it considers nobody.
    tied[lead] = False
    found = []
    for turned, alignment in ((flips, 1), (flips | tied, 2)):
        group, margin = vote(mine ^ turned, heard)
        found.append(
            Consensus(chosen, int(chosen[lead]), turned, group, margin, int(tied.sum()), alignment)
        )
    return min(found, key=lambda each: int((each.group == NEITHER).sum()))


def find(
    inside: Array,
    considered: Array | None,
    statistic: Array,
    chosen: Sequence[int] | Array,
    min_similarity: float,
) -> list[Consensus]:
    """Make one division of every component of similar definitions.

    Parameters
    ----------
    inside, considered : np.ndarray of bool, shape (patient, definition)
        As in `align`; all definitions.
    statistic : np.ndarray of float, shape (definition,)
        As in `agree`.
    chosen : sequence of int
        Positions of the definitions that take part: the significant ones.
    min_similarity : float
        Two definitions are joined where either direction of the similarity reaches it.

    Returns
    -------
    list of Consensus
        The component of the smallest p first; one of a single definition is that definition.
    """
    picked = np.sort(np.asarray(chosen, dtype=np.int64))
    heard = None if considered is None else considered[:, picked]
    number = similarity.components(inside[:, picked], heard, min_similarity)
    found = [
        agree(inside, considered, statistic, picked[number == component])
        for component in range(number.max(initial=-1) + 1)
    ]
    return sorted(
        found, key=lambda each: (-round(abs(float(statistic[each.lead])), DECIMALS), each.lead)
    )
