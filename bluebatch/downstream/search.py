"""The search over all definitions: the log-rank test of each, and what the search does to its p.

Four p-values stand side by side: each definition's own (p), adjusted for a share of false ones
among those reported (q, Benjamini-Hochberg), against the largest statistic of the whole search
under permutation (p_max_t), and one for how many definitions are significant (p_count). The first
two are as they are published; the other two hold although the definitions overlap. What goes on
from a search can be repeated whole under the same permutations: `permutation.permuted_tests`.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import pydantic

from bluebatch import errors
from bluebatch.downstream import definitions, logrank, outcomes, permutation, search_space
from bluebatch.downstream.definitions import Absent, Definitions
from bluebatch.expression import markers

Array = npt.NDArray[Any]
Float = npt.NDArray[np.float64]
# The smallest group, where none is stated: this many patients, and this many of a hundred.
LEAST, LEAST_PERCENT = 10, 5
# Sums in another order differ by as much; equal statistics are to count as equal.
ROUNDING = 1e-9


class SearchSettings(pydantic.BaseModel):
    """How definitions are searched.

    Parameters
    ----------
    min_group : int or None
        Patients needed inside and outside for a definition to be tested; 10, or 5 % of the
        patients if that is more, where None.
    alpha : float
        A definition is significant where q is below it.
    n_permutations : int
        Permutations behind p_max_t and p_count; 0 leaves both empty.
    absent : {"rest", "drop"}
        Whether patients without a picked type are outside, or left out of the test.
    max_picked : int or None
        Most types that a definition picks; where None as many as ``max_definitions`` lets.
    max_definitions : int
        Most definitions.
    """

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid")

    min_group: int | None = pydantic.Field(default=None, ge=1)
    alpha: float = pydantic.Field(default=0.05, gt=0, lt=1)
    n_permutations: int = pydantic.Field(default=1000, ge=0)
    absent: Absent = "rest"
    max_picked: int | None = pydantic.Field(default=None, ge=1)
    max_definitions: int = pydantic.Field(default=20_000, ge=1)


@dataclasses.dataclass(frozen=True, eq=False)
class Search:
    """Every definition and its test.

    Parameters
    ----------
    definitions : Definitions
        Over all cell types, in the order of the table.
    inside, considered : np.ndarray of bool, shape (patient, definition)
        Who has the states of each, and who is inside or outside at all.
    table : pd.DataFrame
        One row a definition: ``definition``, ``n_in``, ``n_out``, ``n_left_out``, ``events_in``,
        ``events_out``, ``tested``, and NaN where not tested: ``z`` (above 0: more events inside
        than expected), ``log_hazard_ratio`` (Peto, inside against outside), ``p``, ``q`` and
        ``p_max_t``.
    p_count : float
        Permutation p of the number of significant definitions; NaN without permutations.
    n_significant : int
        Definitions with q below ``alpha``.
    min_group : int
        Patients that were needed inside and outside.
    notes : list of str
        What is to be known of the search, a sentence each.
    """

    definitions: Definitions
    inside: npt.NDArray[np.bool_]
    considered: npt.NDArray[np.bool_]
    table: pd.DataFrame
    p_count: float
    n_significant: int
    min_group: int
    notes: list[str]

    @property
    def n_tested(self) -> int:
        """Count the definitions that were tested.

        Returns
        -------
        int
            Those with enough patients on both sides, compared at one event or more.
        """
        return int(self.table["tested"].sum())


class Luck(NamedTuple):
    """What permutations of the times found.

    Parameters
    ----------
    p_max_t : np.ndarray, shape (definition,)
        Share of permutations whose largest statistic reaches the definition's own.
    p_count : float
        Share of permutations with as many significant definitions.
    """

    p_max_t: Float
    p_count: float


def run(
    states: npt.NDArray[np.int8],
    cell_types: Sequence[str],
    outcome: outcomes.Outcome,
    settings: SearchSettings,
    rng: np.random.Generator,
) -> Search:
    """Test every definition.

    Parameters
    ----------
    states : np.ndarray of int8, shape (patient, cell_type)
        0 or 1; -1 where the type is absent.
    cell_types : sequence of str
        Names of the columns.
    outcome : outcomes.Outcome
        Of the same patients, in any unit of time.
    settings : SearchSettings
        Which definitions are tested, and how often the times are permuted.
    rng : np.random.Generator
        For the permutations.

    Returns
    -------
    Search
        Table, p-values and notes.

    Raises
    ------
    ValuesError
        If there is no event, or no cell type with two states.
    ConfigError
        If more definitions are asked for than allowed.
    """
    event_observed = np.asarray(outcome.event_observed, dtype=bool)
    if not event_observed.any():
        raise errors.ValuesError(
            f"survival: none of {len(event_observed):,} patients has an event, at least one is "
            "needed. Check which column holds the event, and how it is coded."
        )
    found, notes = search_space.choose(
        states, cell_types, settings.absent, settings.max_picked, settings.max_definitions
    )
    inside, considered = definitions.members(found, states, settings.absent)
    risk = outcome.risk()
    needed = settings.min_group or least_group(len(risk))
    table = _counts(found, inside, considered, event_observed)
    enough = ((table["n_in"] >= needed) & (table["n_out"] >= needed)).to_numpy()
    _add_tests(table, enough, risk.test(inside, considered))
    n_significant = int((table["q"] < settings.alpha).sum())
    luck = _permuted(risk, inside, considered, table, settings, rng)
    table["p_max_t"] = luck.p_max_t
    notes += _notes(table, enough, needed, np.asarray(outcome.durations)[event_observed])
    return Search(found, inside, considered, table, luck.p_count, n_significant, needed, notes)


def least_group(n_patients: int) -> int:
    """Give the smallest group that is tested where none is stated.

    Parameters
    ----------
    n_patients : int
        In the cohort.

    Returns
    -------
    int
        10, or 5 % of the patients, rounded up, if that is more.
    """
    return max(LEAST, -(-n_patients * LEAST_PERCENT // 100))


def _counts(found: Definitions, inside: Array, considered: Array, events: Array) -> pd.DataFrame:
    n_considered, n_in = considered.sum(axis=0), inside.sum(axis=0)
    events_in = inside[events].sum(axis=0)
    return pd.DataFrame(
        {
            "definition": found.labels,
            "n_in": n_in,
            "n_out": n_considered - n_in,
            "n_left_out": len(inside) - n_considered,
            "events_in": events_in,
            "events_out": considered[events].sum(axis=0) - events_in,
        }
    )


def _add_tests(table: pd.DataFrame, enough: Array, tests: logrank.Tests) -> None:
    # Without variance nothing was compared: no p, though the groups are large enough.
    tested = enough & (tests.variance > 0)
    table["tested"] = tested
    for name in ("z", "log_hazard_ratio", "p"):
        table[name] = np.where(tested, getattr(tests, name), np.nan)
    table["q"] = markers.adjust_p(table["p"].to_numpy())


def _permuted(
    risk: logrank.Risk,
    inside: Array,
    considered: Array,
    table: pd.DataFrame,
    settings: SearchSettings,
    rng: np.random.Generator,
) -> Luck:
    p_max_t = np.full(len(table), np.nan)
    columns = np.flatnonzero(table["tested"])
    if not len(columns) or not settings.n_permutations:
        return Luck(p_max_t, np.nan)
    observed = np.square(table["z"].to_numpy()[columns]) * (1 - ROUNDING)
    n_significant = (table["q"] < settings.alpha).sum()
    largest, as_many = [], 0
    shown = None if considered.all() else considered[:, columns]
    draws = permutation.permuted_tests(
        risk, inside[:, columns], shown, settings.n_permutations, rng
    )
    for draw in draws:
        # Where an order leaves nothing to compare, it says nothing against the others.
        largest.append(np.nanmax(draw.tests.statistic, initial=0))
        as_many += (markers.adjust_p(draw.tests.p) < settings.alpha).sum() >= n_significant
    reached = len(largest) - np.searchsorted(np.sort(largest), observed, side="left")
    p_max_t[columns] = (1 + reached) / (len(largest) + 1)
    return Luck(p_max_t, float((1 + as_many) / (len(largest) + 1)))


def _notes(table: pd.DataFrame, enough: Array, needed: int, event_times: Float) -> list[str]:
    notes = []
    tested = table["tested"].to_numpy()
    if not enough.any():
        notes.append(
            f"No definition was tested: none has {needed} patients on both sides (min_group)."
        )
    elif (enough & ~tested).any():
        notes.append(
            f"{(enough & ~tested).sum():,} definitions with {needed} patients on both sides were "
            "not tested: no event came while both sides were at risk."
        )
    if len(np.unique(event_times)) == 1:
        notes.append(
            f"All {len(event_times):,} events have the same time, so that only their number is "
            "compared, not when they came. Check the column of times."
        )
    return notes
