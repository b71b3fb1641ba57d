"""Three groups of patients out of the components: most favourable, intermediate, unfavourable.

A component's own group is the side that has its lead definition's states. Where fewer of it had
the event than the log-rank test expects, the component is favourable, else unfavourable. The
favourable components vote on every patient, and so do the unfavourable ones.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pydantic

from bluebatch import errors
from bluebatch.downstream import consensus, division, group_rules, outcomes, search

Array = npt.NDArray[Any]
NAMES = ("most favourable", "intermediate", "most unfavourable")
DIRECTIONS = {True: "favourable", False: "unfavourable"}
BEST, BETWEEN, WORST = division.BEST, division.BETWEEN, division.WORST
Rules = group_rules.Rules


class GroupSettings(pydantic.BaseModel):
    """How significant definitions become three groups.

    Parameters
    ----------
    min_similarity : float
        Definitions whose groups share so much (intersection over union) are joined.
    decide_by : {"majority", "lead"}
        Whether all components of a pattern vote on a patient, as published, or the component of
        the smallest p speaks for its pattern. Of one strong division many definitions that
        overlap with it are significant, and most of them need not agree on its patients: of a
        planted group (hazard ratio .35, 300 patients) the majority keeps .45, the lead 1.00
        (median intersection over union of 50 cohorts).
    n_permutations : int
        Cohorts of permuted survival for the p-value of the whole way to the groups; 0: none.
    """

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid")

    min_similarity: float = pydantic.Field(default=0.8, gt=0, le=1)
    decide_by: group_rules.DecideBy = "lead"
    n_permutations: int = pydantic.Field(default=1000, ge=0)


@dataclasses.dataclass(frozen=True)
class Groups:
    """Three groups of patients, and how they came about.

    Parameters
    ----------
    index : np.ndarray of int8, shape (patient,)
        0 most favourable, 1 intermediate, 2 most unfavourable.
    margin : np.ndarray of float32, shape (patient,)
        The smaller lead in votes, over the number of voters, of the patterns: how far the patient
        is from another group.
    n_both : int
        Patients in the favourable and in the unfavourable pattern; they are intermediate.
    component_group : np.ndarray of int8, shape (patient, component)
        1 on the side of the lead's states, 0 on the other, 2 on neither.
    components : pd.DataFrame
        A row each: ``component``, ``lead``, ``direction``, ``n_definitions``, ``n_left_out``
        (definitions that could not be evaluated), ``n_ties``, ``alignment``, ``n_1``, ``n_0``,
        ``n_2``, ``mean_margin``, ``z`` (log-rank of side 1 against side 0; NaN where not tested).
    frozen : Rules
        The votes, for another cohort.
    notes : list of str
        What a reader should know.
    """

    index: Array
    margin: Array
    n_both: int
    component_group: Array
    components: pd.DataFrame
    frozen: Rules
    notes: list[str] = dataclasses.field(default_factory=list)

    @property
    def names(self) -> tuple[str, ...]:
        """Name the groups.

        Returns
        -------
        tuple of str
            By their number.
        """
        return NAMES

    @property
    def sizes(self) -> tuple[int, ...]:
        """Count the patients of each group.

        Returns
        -------
        tuple of int
            By the group's number.
        """
        return tuple(int((self.index == number).sum()) for number in range(len(NAMES)))

    def rules(self) -> dict[str, Any]:
        """Give the frozen votes as JSON values.

        Returns
        -------
        dict of str to Any
            What `Rules.of` reads.
        """
        return self.frozen.as_dict()


def find(
    found: search.Search,
    outcome: outcomes.Outcome,
    settings: GroupSettings,
) -> Groups | None:
    """Make three groups out of the significant definitions of a search.

    Parameters
    ----------
    found : search.Search
        All definitions, tested.
    outcome : outcomes.Outcome
        Of the same patients, as in the search.
    settings : GroupSettings
        When definitions are alike.

    Returns
    -------
    Groups or None
        None where no definition is significant.
    """
    chosen = division.significant(found)
    if not len(chosen):
        return None
    z = found.table["z"].to_numpy(dtype=float)
    divided = division.divide(found, z, chosen, outcome.risk(), settings.min_similarity)
    labels = found.definitions.labels
    components = tuple(
        group_rules.Component(
            number,
            labels[each.lead],
            tuple(labels[member] for member in each.members),
            tuple(bool(flip) for flip in each.flips),
            each.alignment,
            each.n_ties,
            bool(good),
        )
        for number, (each, good) in enumerate(
            zip(divided.agreed, divided.favourable, strict=True), start=1
        )
    )
    rules = Rules(components, settings.min_similarity, settings.decide_by)
    margins = np.stack([each.margin for each in divided.agreed], axis=1)
    return _groups(rules, divided.component_group, margins, [0] * len(components), divided.z)


def apply(
    rules: Rules, inside: Mapping[str, Array], considered: Mapping[str, Array] | None = None
) -> Groups:
    """Place the patients of another cohort by the frozen votes.

    Parameters
    ----------
    rules : Rules
        As frozen; nothing is fitted again.
    inside : mapping of str to np.ndarray of bool, shape (patient,)
        Who has the states, by label of a definition. Definitions that cannot be evaluated are not
        there; they are left out of the vote, and a component with none left is dropped.
    considered : mapping of str to np.ndarray of bool, shape (patient,), or None
        Who belongs to either group; labels not there, or None: everyone.

    Returns
    -------
    Groups
        Of the other cohort; ``z`` of the components is NaN.

    Raises
    ------
    errors.LabelMismatchError
        If no definition of the rules can be evaluated.
    """
    heard = considered or {}
    kept, left_out, notes, sides = [], [], [], []
    for component in rules.components:
        there = [label for label in component.members if label in inside]
        n_left_out = len(component.members) - len(there)
        if n_left_out:
            notes.append(_left_out(component, n_left_out))
        if there:
            kept.append(component)
            left_out.append(n_left_out)
            flip = dict(zip(component.members, component.flips, strict=True))
            votes = np.stack([np.asarray(inside[label]) ^ flip[label] for label in there], axis=1)
            said = [np.asarray(heard.get(label, np.ones(len(votes), bool))) for label in there]
            sides.append(consensus.vote(votes, np.stack(said, axis=1)))
    if not kept:
        raise errors.LabelMismatchError(
            f"groups: none of the {len(rules.labels):,} definitions that vote can be evaluated in "
            f"this cohort (first: {rules.labels[0]}). Give a cohort with the frozen cell types."
        )
    groups, margins = (np.stack(each, axis=1) for each in zip(*sides, strict=True))
    shortened = dataclasses.replace(rules, components=tuple(kept))
    placed = _groups(shortened, groups, margins, left_out, np.full(len(kept), np.nan))
    return dataclasses.replace(placed, frozen=rules, notes=notes + placed.notes)


def _left_out(component: group_rules.Component, n_left_out: int) -> str:
    n_members = len(component.members)
    head = f"component {component.number} ({component.lead})"
    if n_left_out == n_members:
        return f"{head}: dropped, none of its {n_members:,} definitions can be evaluated"
    return (
        f"{head}: {n_left_out:,} of {n_members:,} definitions cannot be evaluated and are left out"
    )


def _groups(
    rules: Rules, component_group: Array, margins: Array, left_out: Sequence[int], z: Array
) -> Groups:
    favourable = np.array([each.favourable for each in rules.components], dtype=bool)
    index, margin, n_both = division.place(component_group, favourable, rules.decide_by)
    rows = [
        {
            "component": each.number,
            "lead": each.lead,
            "direction": DIRECTIONS[each.favourable],
            "n_definitions": len(each.members) - n_left_out,
            "n_left_out": n_left_out,
            "n_ties": each.n_ties,
            "alignment": each.alignment,
            **{
                f"n_{side}": int((component_group[:, column] == side).sum())
                for side in (1, 0, consensus.NEITHER)
            },
            "mean_margin": float(margins[:, column].mean()),
            "z": float(z[column]),
        }
        for column, (each, n_left_out) in enumerate(zip(rules.components, left_out, strict=True))
    ]
    return Groups(
        index, margin, n_both, component_group, pd.DataFrame(rows), rules, _notes(favourable, index)
    )


def _notes(favourable: Array, index: Array) -> list[str]:
    notes = []
    for good, name in ((True, NAMES[BEST]), (False, NAMES[WORST])):
        if not (favourable == good).any():
            notes.append(f"groups: no {DIRECTIONS[good]} component, so no one is {name}")
    if (index == BETWEEN).all():
        notes.append("groups: every patient is intermediate")
    return notes
