"""Tests in a second cohort, each in the direction that the first has set."""

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import scipy.stats

from bluebatch.downstream import definitions, logrank, permutation
from bluebatch.downstream.definitions import Absent, Definitions
from bluebatch.downstream.outcomes import Outcome
from bluebatch.expression import markers

Array = npt.NDArray[Any]
STRATIFIED = "_stratified"


@dataclasses.dataclass(frozen=True)
class Counted:
    """How many of the discovery's significant definitions replicate.

    Parameters
    ----------
    n_significant, n_tested : int
        In the discovery; of these with enough patients here.
    n_same_direction : int
        Tested ones whose z has the discovery's sign.
    n_replicated, n_adjusted : int
        One-sided p, and its Benjamini-Hochberg adjusted value, below ``alpha``.
    expected : float
        How many p below ``alpha`` chance gives.
    p_count : float
        Permutation p of ``n_replicated``, which holds although definitions overlap.
    alpha : float
        Level.
    """

    n_significant: int
    n_tested: int
    n_same_direction: int
    n_replicated: int
    n_adjusted: int
    expected: float
    p_count: float
    alpha: float


@dataclasses.dataclass(frozen=True, eq=False)
class Replication:
    """Every definition of the discovery, tested again.

    Parameters
    ----------
    table : pd.DataFrame
        One row a definition: the discovery's numbers, and those of this cohort.
    counted : Counted
        How many replicate.
    stratified : Counted or None
        The same within strata.
    inside, considered : np.ndarray of bool, shape (patient, definition)
        Who has the states, and who is inside or outside at all.
    """

    table: pd.DataFrame
    counted: Counted
    stratified: Counted | None
    inside: Array
    considered: Array


@dataclasses.dataclass(frozen=True)
class ReplicationSettings:
    """How definitions are tested again.

    Parameters
    ----------
    alpha : float
        Level of one-sided p-values.
    min_group : int
        Fewest patients inside and outside.
    n_permutations : int
        Of the survival times.
    absent : {"rest", "drop"}
        As in the discovery.
    """

    alpha: float = 0.05
    min_group: int = 10
    n_permutations: int = 1000
    absent: Absent = "rest"


def suffixes(outcome: Outcome) -> tuple[str, ...]:
    """Name the columns of tests: as they are, and within strata where there are any.

    Parameters
    ----------
    outcome : Outcome
        With strata or without.

    Returns
    -------
    tuple of str
        What their names end in.
    """
    return ("",) if outcome.strata is None else ("", STRATIFIED)


def replicate(
    discovered: pd.DataFrame,
    found: Definitions,
    states: Array,
    outcome: Outcome,
    settings: ReplicationSettings,
    rng: np.random.Generator,
) -> Replication:
    """Test every definition in the direction of the discovery.

    Parameters
    ----------
    discovered : pd.DataFrame
        The discovery's table: ``definition``, ``significant``, ``z``, ``p``, ``q``, ``p_max_t``,
        ``log_hazard_ratio``.
    found : Definitions
        The same definitions.
    states : np.ndarray of int8, shape (patient, cell_type)
        Of this cohort.
    outcome : Outcome
        Of the same patients.
    settings : ReplicationSettings
        How.
    rng : np.random.Generator
        For the permutations.

    Returns
    -------
    Replication
        One-sided p-values, and how many replicate.
    """
    inside, considered = definitions.members(found, states, settings.absent)
    names = ("z", "log_hazard_ratio", "p", "q", "p_max_t")
    kept = discovered[["definition", "significant", *names]].reset_index(drop=True)
    table = kept.rename(columns={name: f"discovery_{name}" for name in names})
    event = np.asarray(outcome.event_observed, bool)[:, None]
    table["n_in"] = (inside & considered).sum(axis=0)
    table["n_out"] = (~inside & considered).sum(axis=0)
    table["n_left_out"] = (~considered).sum(axis=0)
    table["events_in"] = (inside & considered & event).sum(axis=0)
    table["events_out"] = (~inside & considered & event).sum(axis=0)
    enough = (table[["n_in", "n_out"]].min(axis=1) >= settings.min_group).to_numpy()
    sign = np.sign(discovered["z"].to_numpy(float))
    counts = []
    for suffix in suffixes(outcome):
        risk = outcome.risk(stratified=bool(suffix))
        tests = risk.test(inside, considered)
        tested = enough & (tests.variance > 0)
        aligned = np.where(tested, tests.z * sign, np.nan)
        significant = table["significant"].to_numpy(bool) & tested
        table[f"tested{suffix}"] = tested
        table[f"z{suffix}"] = np.where(tested, tests.z, np.nan)
        table[f"log_hazard_ratio{suffix}"] = np.where(tested, tests.log_hazard_ratio, np.nan)
        table[f"p_one_sided{suffix}"] = scipy.stats.norm.sf(aligned)
        p = np.where(significant, table[f"p_one_sided{suffix}"], np.nan)
        table[f"q_one_sided{suffix}"] = markers.adjust_p(p)
        table[f"replicated{suffix}"] = p < settings.alpha
        columns = np.flatnonzero(significant)
        shown = considered[:, columns] if settings.absent == "drop" else None
        luck = _luck(risk, inside[:, columns], shown, sign[columns], settings, rng)
        counts.append(_count(table, suffix, significant, settings, luck))
    return Replication(table, counts[0], counts[1] if counts[1:] else None, inside, considered)


def _luck(
    risk: logrank.Risk,
    inside: Array,
    considered: Array | None,
    sign: Array,
    settings: ReplicationSettings,
    rng: np.random.Generator,
) -> Array:
    """Count what replicates under each permutation."""
    if not inside.shape[1]:
        return np.zeros(0)
    limit = scipy.stats.norm.isf(settings.alpha)
    draws = permutation.permuted_tests(risk, inside, considered, settings.n_permutations, rng)
    return np.array([int((draw.tests.z * sign > limit).sum()) for draw in draws])


def _count(
    table: pd.DataFrame,
    suffix: str,
    significant: Array,
    settings: ReplicationSettings,
    luck: Array,
) -> Counted:
    n_tested = int(significant.sum())
    n_replicated = int(table[f"replicated{suffix}"].sum())
    same = np.sign(table[f"z{suffix}"]) == np.sign(table["discovery_z"])
    reached = (1 + (luck >= n_replicated).sum()) / (1 + len(luck))
    return Counted(
        n_significant=int(table["significant"].sum()),
        n_tested=n_tested,
        n_same_direction=int((same & significant).sum()),
        n_replicated=n_replicated,
        n_adjusted=int((table[f"q_one_sided{suffix}"] < settings.alpha).sum()),
        expected=settings.alpha * n_tested,
        p_count=float(reached) if len(luck) else float("nan"),
        alpha=settings.alpha,
    )
