"""The ways of giving patients states, each searched alike: profiles, and simpler ones beside them.

What profiles add shows in comparison only. So the same search runs on profiles, on profiles from
which all is taken that proportions explain, on proportions cut at their medians, and on the bulk
expression as if it were the one profile. None of the states knows of survival.
"""

import dataclasses
import logging
import zlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from bluebatch.downstream import (
    concordance,
    out_of_fold,
    search,
    state_baselines,
    states,
)
from bluebatch.downstream.evidence import BULK
from bluebatch.downstream.patient_options import Cohort
from bluebatch.downstream.subtype_settings import Settings, SubtypeSettings

Array = npt.NDArray[Any]
Step = Callable[[int], None]

PROFILES, RESIDUAL = "profiles", "profiles beyond proportions"
PROPORTIONS, CLUSTERS = "proportions", "clusters of proportions"
FEWEST_GENES = 2

log = logging.getLogger(__name__)


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


def of_profiles(
    cohort: Cohort,
    cell_types: Sequence[str],
    settings: Settings,
    seed: int,
    on_type: Step | None = None,
) -> list[Branch]:
    """Find states in profiles, and in what proportions leave of them, one type at a time.

    Parameters
    ----------
    cohort : Cohort
        With profiles, or a cohort store whose bulk is the one profile.
    cell_types : sequence of str
        Types that are looked at.
    settings : Settings
        How.
    seed : int
        Of all that is drawn.
    on_type : callable, optional
        Told of each type that is done.

    Returns
    -------
    list of Branch
        The profiles' branch, named `PROFILES` or for a cohort store `BULK`, and with proportions
        the residuals'; neither is searched yet.
    """
    found = cohort.found
    proportion = found.proportion(cohort.rows)
    min_group = settings.search.min_group or search.least_group(cohort.n_patients)
    plain: list[states.TypeStates] = []
    residual: list[states.TypeStates] = []
    for name in cell_types:
        genes = usable_genes(cohort, name, settings.subtypes)
        if len(genes) < FEWEST_GENES:
            plain.append(_unpredicted(name, cohort.n_patients, settings.subtypes.min_skill))
            continue
        matrix = found.profile(name, cohort.rows, genes)
        each = states.find(
            matrix, name, genes, settings.states, min_group, rng_for(seed, "states", name)
        )
        plain.append(each)
        log.info("%s: %s (%s)", name, each.verdict, each.reason)
        # With hardly more patients than proportions the fit leaves nothing to look at.
        if proportion is not None and each.n_present > 2 * proportion.shape[1]:
            left = state_baselines.residuals(matrix, proportion)
            del matrix
            rng = rng_for(seed, "residual states", name)
            residual.append(states.find(left, name, genes, settings.states, min_group, rng))
        if on_type is not None:
            on_type(1)
    own = BULK if found.kind == "cohort" else PROFILES
    branches = [_of_types(own, plain, cohort.n_patients)]
    if residual:
        branches.append(_of_types(RESIDUAL, residual, cohort.n_patients))
    return branches


def of_bulk(cohort: Cohort, settings: Settings, seed: int) -> Branch:
    """Find states in bulk expression.

    Parameters
    ----------
    cohort : Cohort
        With a cohort store.
    settings : Settings
        How.
    seed : int
        Of all that is drawn.

    Returns
    -------
    Branch
        With bulk as the one type; not searched yet.
    """
    min_group = settings.search.min_group or search.least_group(cohort.n_patients)
    genes = cohort.found.variable_genes(cohort.rows)
    matrix = cohort.found.bulk(cohort.rows, genes)
    rng = rng_for(seed, "states", BULK)
    each = states.find(matrix, BULK, genes, settings.states, min_group, rng)
    return _of_types(BULK, [each], cohort.n_patients)


def of_proportions(
    proportion: Array, cell_types: Sequence[str], chosen: Sequence[str], settings: Settings
) -> Branch:
    """Cut the proportions of every type at their median.

    Parameters
    ----------
    proportion : np.ndarray, shape (patient, cell_type)
        All of them.
    cell_types : sequence of str
        Names of the columns.
    chosen : sequence of str
        Types that are cut.
    settings : Settings
        Whether they are divided by their sum first.

    Returns
    -------
    Branch
        Not searched yet.
    """
    part = choose(proportion, cell_types, chosen, renormalise=settings.subtypes.renormalise)
    min_group = settings.search.min_group or search.least_group(len(part))
    index, medians = state_baselines.at_medians(part, list(chosen), min_group)
    return Branch(
        PROPORTIONS,
        medians.cell_types,
        index,
        np.full(index.shape, np.nan, np.float32),
        medians=medians,
        notes=list(medians.notes),
    )


def choose(
    proportion: Array, cell_types: Sequence[str], chosen: Sequence[str], *, renormalise: bool
) -> Array:
    """Take the proportions of some types.

    Parameters
    ----------
    proportion : np.ndarray, shape (patient, cell_type)
        All of them.
    cell_types, chosen : sequence of str
        Names of the columns; those wanted.
    renormalise : bool
        Whether they are divided by their sum; a patient without any of them has NaN.

    Returns
    -------
    np.ndarray of float64, shape (patient, chosen)
        In the order of ``chosen``.
    """
    part: Array = np.asarray(proportion, np.float64)[
        :, [list(cell_types).index(name) for name in chosen]
    ]
    if not renormalise:
        return part
    total = part.sum(axis=1, keepdims=True)
    return np.asarray(np.divide(part, total, out=np.full_like(part, np.nan), where=total > 0))


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
    survival = (cohort.durations, cohort.event_observed, cohort.strata)
    rng = rng_for(seed, "search", branch.name)
    found = search.run(branch.index, branch.cell_types, *survival, settings.search, rng)
    apart = None
    if settings.out_of_fold.n_folds:
        how = (settings.out_of_fold, settings.search, settings.groups)
        rng = rng_for(seed, "out of fold", branch.name)
        apart = out_of_fold.predict(branch.index, branch.cell_types, *survival, how, rng)
    return dataclasses.replace(branch, found=found, apart=apart)


def usable_genes(cohort: Cohort, cell_type: str, settings: SubtypeSettings) -> list[str]:
    """Choose the genes in which a type's states are looked for.

    Parameters
    ----------
    cohort : Cohort
        Whose samples are looked at.
    cell_type : str
        Which.
    settings : SubtypeSettings
        Least skill, most genes of bulk.

    Returns
    -------
    list of str
        Of profiles those that the model predicts; of bulk the most variable ones.
    """
    found = cohort.found
    if found.kind == "cohort":
        return found.variable_genes(cohort.rows)
    skill = found.skill(cell_type)
    if skill is None:
        return found.genes()
    return [
        name
        for name, value in zip(found.genes(), skill, strict=True)
        if np.isfinite(value) and value > settings.min_skill
    ]


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
        ``p_count``, the concordance of patients placed by the others (``c_index``, ``c_low``,
        ``c_high``), ``folds_with_groups`` and ``note``.
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
        row |= _concordance(branch.apart.risk, cohort)
        row["folds_with_groups"] = f"{branch.apart.n_found} of {branch.apart.n_folds}"
    return {**row, "note": "; ".join(branch.notes)}


def _concordance(risk: Array, cohort: Cohort) -> dict[str, float]:
    pairs = concordance.count(cohort.durations, cohort.event_observed, risk)
    reach = float(stats.norm.ppf(0.975)) * pairs.standard_error
    return {"c_index": pairs.index, "c_low": pairs.index - reach, "c_high": pairs.index + reach}


def _of_types(name: str, typed: list[states.TypeStates], n_patients: int) -> Branch:
    shape = (n_patients, 0)
    return Branch(
        name,
        [each.cell_type for each in typed],
        np.column_stack([np.zeros(shape, np.int8), *(each.index for each in typed)]),
        np.column_stack([np.zeros(shape, np.float32), *(each.strength for each in typed)]),
        typed=typed,
    )


def _unpredicted(cell_type: str, n_patients: int, min_skill: float) -> states.TypeStates:
    reason = f"fewer than {FEWEST_GENES} genes of skill above {min_skill:g}"
    return states.without(cell_type, np.ones(n_patients, bool), states.NO_STRUCTURE, reason)
