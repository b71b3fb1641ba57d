"""From significant definitions to a place for every patient: components, directions, two votes.

The same way is gone for the real survival and for every permuted one.
"""

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt

from bluebatch.downstream import consensus, group_rules, logrank, search

Array = npt.NDArray[Any]
BEST, BETWEEN, WORST = range(3)


@dataclasses.dataclass(frozen=True)
class Division:
    """The components of the significant definitions.

    Parameters
    ----------
    agreed : list of consensus.Consensus
        What each component agrees on, the smallest p first.
    component_group : np.ndarray of int8, shape (patient, component)
        1 on the side of the lead's states, 0 on the other, 2 on neither.
    z : np.ndarray of float64, shape (component,)
        Log-rank of side 1 against side 0, patients on neither left out; NaN where not to be had.
    favourable : np.ndarray of bool, shape (component,)
        Whether side 1 does better.
    """

    agreed: list[consensus.Consensus]
    component_group: Array
    z: Array
    favourable: Array


def significant(found: search.Search) -> Array:
    """Find the definitions that take part.

    Parameters
    ----------
    found : search.Search
        All definitions, tested.

    Returns
    -------
    np.ndarray of int64, shape (definition,)
        Positions of the ``n_significant`` smallest q: those below the search's alpha.
    """
    order = np.argsort(found.table["q"].to_numpy(dtype=float), kind="stable")
    return np.sort(order[: found.n_significant])


def divide(
    found: search.Search,
    z: Array,
    chosen: Array,
    risk: logrank.Risk,
    min_similarity: float,
    order: Array | None = None,
) -> Division:
    """Divide the patients by every component, and say which side does better.

    Parameters
    ----------
    found : search.Search
        Who is inside each definition.
    z : np.ndarray of float64, shape (definition,)
        Log-rank of each definition.
    chosen : np.ndarray of int, shape (chosen,)
        Definitions that take part, at least one.
    risk : logrank.Risk
        Survival of the patients.
    min_similarity : float
        At which definitions are joined.
    order : np.ndarray of int or None, shape (patient,)
        A permutation: patient i has the survival of patient ``order[i]``.

    Returns
    -------
    Division
        One column a component.
    """
    considered = None if found.considered.all() else found.considered
    agreed = consensus.find(found.inside, considered, z, chosen, min_similarity)
    component_group = np.stack([each.group for each in agreed], axis=1)
    own, heard = component_group == 1, component_group != consensus.NEITHER
    sides = risk.test(own, heard, order).z
    leads = z[[each.lead for each in agreed]]
    return Division(agreed, component_group, sides, favours(sides, leads))


def favours(z: Array, lead_z: Array) -> Array:
    """Say of each component whether its own group does better than the other.

    Parameters
    ----------
    z : np.ndarray of float, shape (component,)
        Log-rank of side 1 against side 0; NaN where one of them is empty or has no one at risk.
    lead_z : np.ndarray of float, shape (component,)
        Log-rank of the lead definition, which decides where ``z`` says nothing.

    Returns
    -------
    np.ndarray of bool, shape (component,)
        Fewer events than expected on side 1.
    """
    # Rounded, so that no sum in another order makes a direction out of nothing.
    said = np.round(z, consensus.DECIMALS)
    return np.where(np.isnan(said) | (said == 0), np.round(lead_z, consensus.DECIMALS), said) < 0


def place(
    component_group: Array, favourable: Array, decide_by: group_rules.DecideBy = "majority"
) -> tuple[Array, Array, int]:
    """Let the components of each pattern vote, and place every patient.

    Parameters
    ----------
    component_group : np.ndarray of int8, shape (patient, component)
        1 on the component's own side, 0 on the other, 2 on neither: no vote. The component of the
        smallest p first.
    favourable : np.ndarray of bool, shape (component,)
        Which pattern each component belongs to.
    decide_by : {"majority", "lead"}
        Whether all components of a pattern vote, or the one of the smallest p speaks for it.

    Returns
    -------
    index : np.ndarray of int8, shape (patient,)
        0 where more than half of the favourable voters have the patient on their own side and
        not so many of the unfavourable do; 2 the other way round; else 1.
    margin : np.ndarray of float32, shape (patient,)
        The smaller lead in votes, over the number of voters, of the patterns that exist.
    n_both : int
        Patients that both patterns claim.
    """
    n_patients = len(component_group)
    claimed = np.zeros((2, n_patients), dtype=bool)
    leads = np.full((2, n_patients), np.inf)
    for row, pattern in enumerate((favourable, ~favourable)):
        if pattern.any():
            voters = np.flatnonzero(pattern)[: 1 if decide_by == "lead" else None]
            votes = component_group[:, voters]
            group, leads[row] = consensus.vote(votes == 1, votes != consensus.NEITHER)
            claimed[row] = group == 1
    good, bad = claimed
    index = np.full(n_patients, BETWEEN, dtype=np.int8)
    index[good & ~bad] = BEST
    index[bad & ~good] = WORST
    return index, leads.min(axis=0).astype(np.float32), int((good & bad).sum())
