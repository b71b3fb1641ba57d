"""The states of each branch: of profiles, of what proportions leave of them, of bulk, of cuts.

None of them knows of survival.
"""

import logging
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from bluebatch.downstream import search, state_baselines, states
from bluebatch.downstream.branches import PROFILES, PROPORTIONS, RESIDUAL, Branch, rng_for
from bluebatch.downstream.evidence import BULK
from bluebatch.downstream.patient_options import Cohort
from bluebatch.downstream.subtype_settings import Settings, SubtypeSettings

Array = npt.NDArray[Any]
Step = Callable[[int], None]

FEWEST_GENES = 2

log = logging.getLogger(__name__)


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
    proportion = cohort.proportion
    min_group = settings.search.min_group or search.least_group(cohort.n_patients)
    plain: list[states.TypeStates] = []
    residual: list[states.TypeStates] = []
    for name in cell_types:
        genes = usable_genes(cohort, name, settings.subtypes)
        if len(genes) < FEWEST_GENES:
            each = left = _without_genes(cohort, name, settings.subtypes)
        else:
            matrix = found.profile(name, cohort.rows, genes)
            rng = rng_for(seed, "states", name)
            each = left = states.find(matrix, name, genes, settings.states, min_group, rng)
            if proportion is not None:
                rng = rng_for(seed, "residual states", name)
                left = _beyond(proportion, matrix, each, (genes, settings.states, min_group), rng)
        plain.append(each)
        residual.append(left)
        log.info("%s: %s (%s)", name, each.verdict, each.reason)
        if on_type is not None:
            on_type(1)
    own = BULK if found.kind == "cohort" else PROFILES
    branches = [_of_types(own, plain, cohort.n_patients)]
    if proportion is not None:
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
    genes = cohort.variable_genes
    if len(genes) < FEWEST_GENES:
        each = _without_genes(cohort, BULK, settings.subtypes)
    else:
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
    part = choose(proportion, cell_types, chosen, renormalise=renormalised(chosen, settings))
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


def renormalised(chosen: Sequence[str], settings: Settings) -> bool:
    """Tell whether proportions are divided by their sum before they are cut.

    Parameters
    ----------
    chosen : sequence of str
        Types that are cut.
    settings : Settings
        Whether it is asked for.

    Returns
    -------
    bool
        Never of one type, which would be 1 in everybody.
    """
    return settings.subtypes.renormalise and len(chosen) > 1


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
        return cohort.variable_genes
    skill = found.skill(cell_type)
    if skill is None:
        return found.genes()
    return [
        name
        for name, value in zip(found.genes(), skill, strict=True)
        if np.isfinite(value) and value > settings.min_skill
    ]


def _of_types(name: str, typed: list[states.TypeStates], n_patients: int) -> Branch:
    shape = (n_patients, 0)
    return Branch(
        name,
        [each.cell_type for each in typed],
        np.column_stack([np.zeros(shape, np.int8), *(each.index for each in typed)]),
        np.column_stack([np.zeros(shape, np.float32), *(each.strength for each in typed)]),
        typed=typed,
    )


def _beyond(
    proportion: Array,
    matrix: Array,
    each: states.TypeStates,
    how: tuple[Sequence[str], states.StateSettings, int],
    rng: np.random.Generator,
) -> states.TypeStates:
    """Look for states in what proportions leave of a type's profiles."""
    # With hardly more patients than proportions the fit leaves nothing to look at.
    needed = 2 * proportion.shape[1] + 1
    if each.n_present < needed:
        reason = f"{each.n_present:,} patients, needed: {needed:,} to fit the proportions"
        return states.without(each.cell_type, each.index >= 0, states.TOO_FEW, reason)
    left = state_baselines.residuals(matrix, proportion)
    return states.find(left, each.cell_type, *how, rng)


def _without_genes(cohort: Cohort, cell_type: str, settings: SubtypeSettings) -> states.TypeStates:
    """Answer for a type of which too little is known, in whom it is present all the same."""
    found, present = cohort.found, np.ones(cohort.n_patients, bool)
    reason = f"fewer than {FEWEST_GENES} genes vary"
    if cell_type != BULK:
        reason = f"fewer than {FEWEST_GENES} genes of skill above {settings.min_skill:g}"
        first = found.profile(cell_type, cohort.rows, found.genes()[:1])
        present = ~np.isnan(first[:, 0])
    return states.without(cell_type, present, states.NO_STRUCTURE, reason)
