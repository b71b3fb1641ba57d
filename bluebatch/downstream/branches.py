"""The ways of giving patients states, each searched alike: profiles, and simpler ones beside them.

What profiles add shows in comparison only. So the same search runs on profiles, on profiles from
which all is taken that proportions explain, on profiles with patients compared at like risk by
their proportions, on proportions cut at their medians, and on the bulk expression as if it were the
one profile. None of the states knows of survival.
"""

import dataclasses
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from bluebatch.downstream import (
    concordance,
    out_of_fold,
    proportion_risk,
    search,
    state_baselines,
    states,
)
from bluebatch.downstream.patient_options import Cohort
from bluebatch.downstream.subtype_settings import Settings

Array = npt.NDArray[Any]

PROFILES, RESIDUAL = "profiles", "profiles beyond proportions"
WITHIN = "profiles at like proportions"
PROPORTIONS, CLUSTERS = "proportions", "clusters of proportions"


@dataclasses.dataclass(frozen=True, eq=False)
class Branch:
    """One way of giving patients states.

    Parameters
    ----------
    name : str
        What the states are made of.
    cell_types : list of str
        Those of the columns of ``index``.
    index : np.ndarray of int8, shape (patient, cell_type)
        State: 0 or 1; -1 where the type is absent.
    strength : np.ndarray of float32, shape (patient, cell_type)
        How clearly the patient is in it; NaN where the type is absent or states are cut.
    typed : list of states.TypeStates
        The evidence of each type's states; empty where they are cut.
    medians : state_baselines.Medians or None
        Where proportions were cut.
    found : search.Search or None
        All definitions; None where no type has two states.
    apart : out_of_fold.OutOfFold or None
        Where patients are placed by the others; None where nothing was searched or held out.
    notes : list of str
        What is to be known.
    """

    name: str
    cell_types: list[str]
    index: npt.NDArray[np.int8]
    strength: Array
    typed: list[states.TypeStates] = dataclasses.field(default_factory=list)
    medians: state_baselines.Medians | None = None
    found: search.Search | None = None
    apart: out_of_fold.OutOfFold | None = None
    notes: list[str] = dataclasses.field(default_factory=list)

    @property
    def two_state(self) -> list[str]:
        """Name the types with two states.

        Returns
        -------
        list of str
            In order.
        """
        two = (self.index == 0).any(axis=0) & (self.index == 1).any(axis=0)
        return [name for name, has in zip(self.cell_types, two, strict=True) if has]


def rng_for(seed: int, *words: str) -> np.random.Generator:
    """Make a generator for one purpose, so that no draw hangs on what else is drawn.

    Parameters
    ----------
    seed : int
        Of the run.
    *words : str
        The purpose.

    Returns
    -------
    np.random.Generator
        The same for the same seed and words.
    """
    return np.random.default_rng([seed, *(zlib.crc32(word.encode()) for word in words)])


def search_states(branch: Branch, cohort: Cohort, settings: Settings, seed: int) -> Branch:
    """Test every definition of a branch, and what its groups say of patients held out.

    Parameters
    ----------
    branch : Branch
        With states.
    cohort : Cohort
        With survival.
    settings : Settings
        How.
    seed : int
        Of all that is drawn.

    Returns
    -------
    Branch
        Searched; with a note instead where no type has two states.
    """
    if not branch.two_state:
        return dataclasses.replace(branch, notes=[*branch.notes, "no cell type has two states"])
    rng = rng_for(seed, "search", branch.name)
    found = search.run(branch.index, branch.cell_types, cohort.outcome, settings.search, rng)
    apart = None
    if settings.out_of_fold.n_folds:
        how = (settings.out_of_fold, settings.search, settings.groups)
        rng = rng_for(seed, "out of fold", branch.name)
        apart = out_of_fold.predict(branch.index, branch.cell_types, cohort.outcome, how, rng)
    return dataclasses.replace(branch, found=found, apart=apart)


def search_within(
    branch: Branch, proportion: Array, cohort: Cohort, settings: Settings, seed: int
) -> Branch:
    """Test every definition again, among patients of like risk by their proportions.

    Parameters
    ----------
    branch : Branch
        With states.
    proportion : np.ndarray, shape (patient, cell_type)
        Of all types.
    cohort : Cohort
        With survival.
    settings : Settings
        How.
    seed : int
        Of all that is drawn.

    Returns
    -------
    Branch
        Searched within thirds of that risk, crossed with the cohort's strata; with a note instead
        where there is no such model. Nobody is held out: the thirds know all patients' survival.
    """
    index, said = proportion_risk.thirds(proportion, cohort.found.cell_types, cohort.outcome)
    # The evidence of its states stands with the branch they are of.
    branch = dataclasses.replace(branch, name=WITHIN, typed=[], found=None, apart=None, notes=[])
    if index is None:
        return dataclasses.replace(branch, notes=[f"no risk by proportions: {said}"])
    given = np.zeros(len(index)) if cohort.strata is None else cohort.strata
    strata = np.unique(np.column_stack([given, index]), axis=0, return_inverse=True)[1]
    outcome = dataclasses.replace(cohort.outcome, strata=strata)
    rng = rng_for(seed, "search", branch.name)
    found = search.run(branch.index, branch.cell_types, outcome, settings.search, rng)
    return dataclasses.replace(branch, found=found)


def table(branches: Sequence[Branch], cohort: Cohort) -> pd.DataFrame:
    """Compare the branches.

    Parameters
    ----------
    branches : sequence of Branch
        Searched.
    cohort : Cohort
        With survival.

    Returns
    -------
    pd.DataFrame
        One row a branch: ``branch``, ``n_cell_types`` (with two states), ``n_definitions``,
        ``n_tested``, ``best_definition``, ``best_p``, ``best_p_max_t``, ``n_significant``,
        ``p_count``, the concordance of patients placed by the others, within strata where there
        are any (``c_index``, ``c_low``, ``c_high``), ``folds_with_groups`` and ``note``.
    """
    return pd.DataFrame([_row(branch, cohort) for branch in branches])


def _row(branch: Branch, cohort: Cohort) -> dict[str, Any]:
    row: dict[str, Any] = {"branch": branch.name, "n_cell_types": len(branch.two_state)}
    if branch.found is not None:
        found = branch.found
        row |= {"n_definitions": len(found.definitions), "n_tested": found.n_tested}
        if found.n_tested:
            best = found.table.iloc[int(found.table["p"].argmin())]
            row |= {
                "best_definition": best["definition"],
                "best_p": best["p"],
                "best_p_max_t": best["p_max_t"],
            }
        row |= {"n_significant": found.n_significant, "p_count": found.p_count}
    if branch.apart is not None:
        times, events = cohort.durations, cohort.event_observed
        pairs = concordance.count(times, events, branch.apart.risk, cohort.strata)
        low, high = pairs.interval()
        row |= {"c_index": pairs.index, "c_low": low, "c_high": high}
        row["folds_with_groups"] = f"{branch.apart.n_found} of {branch.apart.n_folds}"
    said = [*branch.notes, *([] if branch.found is None else branch.found.notes)]
    return {**row, "note": "; ".join(said)}
