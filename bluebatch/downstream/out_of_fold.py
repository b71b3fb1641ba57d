"""What groups are worth in patients who had no part in finding them.

The search, its components and votes are repeated without a fold of the patients, whom the votes
then place. States are made without survival, so they stay as they are.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pydantic

from bluebatch.downstream import definitions, outcomes, patterns, search

Array = npt.NDArray[Any]


class FoldSettings(pydantic.BaseModel):
    """How patients are held out.

    Parameters
    ----------
    n_folds : int
        Parts of the cohort, each of which is held out once; 0 leaves this out.
    n_repeats : int
        Times that the cohort is cut anew.
    """

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid")

    n_folds: int = pydantic.Field(default=5, ge=0)
    n_repeats: int = pydantic.Field(default=10, ge=1)

    @pydantic.field_validator("n_folds")
    @classmethod
    def _check_folds(cls, n_folds: int) -> int:
        if n_folds == 1:
            raise ValueError("n_folds = 1 leaves nobody to search in, needed: 0, or 2 and more")
        return n_folds


@dataclasses.dataclass(frozen=True)
class OutOfFold:
    """Where patients are placed by votes that were found without them.

    Parameters
    ----------
    risk : np.ndarray, shape (patient,)
        Mean group over the repeats, 0 most favourable to 2 most unfavourable; 1 where no group was
        found without the patient.
    n_folds, n_found : int
        Searches made, and those that found any group.
    """

    risk: Array
    n_folds: int
    n_found: int


def predict(
    states: npt.NDArray[np.int8],
    cell_types: Sequence[str],
    outcome: outcomes.Outcome,
    settings: tuple[FoldSettings, search.SearchSettings, patterns.GroupSettings],
    rng: np.random.Generator,
) -> OutOfFold:
    """Place every patient by what the others show.

    Parameters
    ----------
    states : np.ndarray of int8, shape (patient, cell_type)
        0 or 1; -1 where the type is absent.
    cell_types : sequence of str
        Names of the columns.
    outcome : outcomes.Outcome
        Of the same patients.
    settings : tuple
        Of folds, search and groups.
    rng : np.random.Generator
        Cuts the cohort.

    Returns
    -------
    OutOfFold
        One number a patient.
    """
    folds, searched, grouped = settings
    # Nothing is permuted here: only which definitions are significant is needed.
    searched = searched.model_copy(update={"n_permutations": 0})
    risk, n_found = np.zeros(len(states)), 0
    for _ in range(folds.n_repeats):
        fold = cut(outcome.event_observed, folds.n_folds, rng)
        for number in range(folds.n_folds):
            held = fold == number
            index = np.ones(int(held.sum()))
            known, followed = states[~held], outcome.take(~held)
            if followed.event_observed.any() and _can_be_searched(known):
                found = search.run(known, cell_types, followed, searched, rng)
                groups = patterns.find(found, followed, grouped)
                if groups is not None:
                    n_found += 1
                    index = _place(groups, states[held], cell_types, searched.absent)
            risk[held] += index
    return OutOfFold(risk / folds.n_repeats, folds.n_folds * folds.n_repeats, n_found)


def cut(event_observed: Array, n_folds: int, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """Cut patients into parts with as many events each.

    Parameters
    ----------
    event_observed : np.ndarray of bool, shape (patient,)
        Whether the event came.
    n_folds : int
        How many parts.
    rng : np.random.Generator
        Deals the patients out.

    Returns
    -------
    np.ndarray of int, shape (patient,)
        Part of each patient; patients with the event differ by one between parts at most, and so
        do all patients.
    """
    event_observed = np.asarray(event_observed, dtype=bool)
    order = rng.permutation(len(event_observed))
    # Dealt like cards, those with the event first.
    order = order[np.argsort(~event_observed[order], kind="stable")]
    fold = np.empty(len(order), np.int64)
    fold[order] = np.arange(len(order)) % n_folds
    return fold


def _can_be_searched(states: Array) -> bool:
    return bool(((states == 0).any(axis=0) & (states == 1).any(axis=0)).any())


def _place(
    groups: patterns.Groups, states: Array, cell_types: Sequence[str], absent: definitions.Absent
) -> Array:
    voting = definitions.parse(groups.frozen.labels, cell_types)
    inside, considered = definitions.members(voting, states, absent)
    return patterns.apply(
        groups.frozen,
        dict(zip(voting.labels, inside.T, strict=True)),
        dict(zip(voting.labels, considered.T, strict=True)),
    ).index
