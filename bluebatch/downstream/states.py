"""Two states of the patients in one cell type's profiles, or the answer that there are none."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from bluebatch import errors
from bluebatch.downstream import state_components, state_search, state_settings, state_space

Array = npt.NDArray[Any]

TWO_STATES = "two states"
NO_STRUCTURE = "no structure"
SPLIT = "split without structure"
TOO_FEW = "too few patients"

StateSettings = state_settings.StateSettings
ROWS = 512
# Of fewer patients nothing can be said.
FEWEST = 10


@dataclasses.dataclass(frozen=True)
class TypeStates:
    """One cell type's states, and the evidence of them.

    Parameters
    ----------
    cell_type : str
        Name.
    index : np.ndarray of int8, shape (patient,)
        0, the larger state, or 1; -1 where the type is absent. All 0 where there are no states.
    strength : np.ndarray of float32, shape (patient,)
        How clearly a patient is in its state: its place on the line through both centroids, 0 from
        half way on, 1 at its state's centroid and beyond; 0 where there are no states, NaN where
        the type is absent.
    n_present, n_0, n_1 : int
        Patients with the type, and in each state.
    stability : float
        Mean adjusted Rand index with parts of the patients clustered again; NaN if not measured.
        Below what is asked for, it rests on fewer parts.
    p_structure : float
        Of clouds without groups, the share with halves as far apart; NaN if not measured.
    separation : float
        Share of the variance along the discriminant axis that lies between the states.
    agreement : float
        Share of patients whose nearest state is their own, by which a second cohort gets its
        states.
    neighbours : int
        Chosen; 0 where nothing was found.
    resolution : float
        Chosen; NaN where nothing was found.
    verdict : str
        ``"two states"``, ``"no structure"``, ``"split without structure"`` or
        ``"too few patients"``.
    reason : str
        Why.
    space : state_space.Space or None
        Where the states lie; None where there are none.
    scores : np.ndarray of float32, shape (patient, component)
        Principal components; NaN rows where the type is absent.
    """

    cell_type: str
    index: Array
    strength: Array
    n_present: int
    n_0: int
    n_1: int
    stability: float
    p_structure: float
    separation: float
    agreement: float
    neighbours: int
    resolution: float
    verdict: str
    reason: str
    space: state_space.Space | None
    scores: Array


def find(
    matrix: Array,
    cell_type: str,
    genes: Sequence[str],
    settings: StateSettings,
    min_group: int,
    rng: np.random.Generator,
) -> TypeStates:
    """Look for two states in one cell type's profiles.

    Parameters
    ----------
    matrix : np.ndarray of float32, shape (patient, gene)
        Profiles, log2(1 + CPM); rows of NaN where the type is absent. Not changed.
    cell_type : str
        Name, for messages.
    genes : sequence of str
        Names of the columns.
    settings : StateSettings
        How.
    min_group : int
        Patients that each state needs; the type must be present in twice as many.
    rng : np.random.Generator
        Draws parts of the patients and clouds without groups.

    Returns
    -------
    TypeStates
        With verdict and reason.

    Raises
    ------
    errors.ValuesError
        If there are infinite values, or profiles with some genes missing.
    errors.LabelMismatchError
        If there are fewer than two genes, or another number of names.
    """
    present = _check(matrix, cell_type, genes)
    n_present = int(present.sum())
    needed = max(2 * min_group, FEWEST)
    if n_present < needed:
        reason = f"{n_present:,} patients, needed: {needed:,}"
        return without(cell_type, present, TOO_FEW, reason)
    kept, components = state_components.of_variable_genes(
        matrix, np.flatnonzero(present), settings, rng
    )
    if not components.scores.shape[1]:
        return without(cell_type, present, NO_STRUCTURE, "all profiles are alike")
    scores = np.full((len(matrix), components.scores.shape[1]), np.nan, np.float32)
    scores[present] = components.scores
    found = state_search.search(components.scores, settings, min_group, rng)
    if found is None:
        reason = f"no two groups of {min_group:,} patients or more"
        return dataclasses.replace(without(cell_type, present, NO_STRUCTURE, reason), scores=scores)
    verdict, reason = _judge(found, settings)
    space = components.settle([genes[column] for column in kept], found.index)
    states = _describe(cell_type, present, found, space, components.scores)
    states = dataclasses.replace(states, verdict=verdict, reason=reason, scores=scores)
    if verdict != NO_STRUCTURE:
        return states
    # The numbers that were measured stay, the partition does not.
    none = without(cell_type, present, verdict, reason)
    return dataclasses.replace(
        states, index=none.index, strength=none.strength, n_0=n_present, n_1=0, space=None
    )


def summary(found: Sequence[TypeStates]) -> pd.DataFrame:
    """Tabulate the evidence of every type's states.

    Parameters
    ----------
    found : sequence of TypeStates
        One of each cell type.

    Returns
    -------
    pd.DataFrame
        One row a type; NaN for what was not measured.
    """
    names = ["verdict", "reason", "n_present", "n_absent", "n_0", "n_1", "stability"]
    names += ["p_structure", "separation", "agreement", "neighbours", "resolution"]
    names += ["n_genes", "n_components"]
    rows = []
    for states in found:
        more = {
            "n_absent": len(states.index) - states.n_present,
            "n_genes": 0 if states.space is None else len(states.space.genes),
            "n_components": states.scores.shape[1],
        }
        values = {name: more.get(name, getattr(states, name, None)) for name in names}
        rows.append({"cell_type": states.cell_type, **values})
    return pd.DataFrame(rows, columns=["cell_type", *names])


def _check(matrix: Array, cell_type: str, genes: Sequence[str]) -> Array:
    """Refuse what has no states, and tell in whom the type is present."""
    if matrix.ndim != 2 or matrix.shape[1] != len(genes) or len(genes) < 2:
        raise errors.LabelMismatchError(
            f"{cell_type}: profiles of shape {matrix.shape} with {len(genes):,} gene names, "
            "needed: a name for each of two or more genes. Give profiles of more genes."
        )
    present = np.zeros(len(matrix), bool)
    for start in range(0, len(matrix), ROWS):
        block = matrix[start : start + ROWS]
        missing = np.isnan(block).sum(axis=1)
        n_infinite = int(np.isinf(block).sum())
        n_partial = int(((missing > 0) & (missing < len(genes))).sum())
        if n_infinite or n_partial:
            what = f"{n_infinite:,} infinite values" if n_infinite else "a missing gene"
            raise errors.ValuesError(
                f"{cell_type}: {what} among profiles {start + 1:,} to {start + len(block):,}, "
                "needed: numbers, or all genes NaN where the type is absent. Mend the profiles."
            )
        present[start : start + ROWS] = missing == 0
    return present


def _judge(found: state_search.Found, settings: StateSettings) -> tuple[str, str]:
    """Decide whether a partition is two states."""
    p_text = f"p = {found.p_structure:.3g}"
    stability_text = f"stability {found.stability:.3f}"
    lacking = []
    if found.p_structure > settings.alpha:
        lacking.append(f"no further apart than halves of a {settings.null} ({p_text})")
    if found.stability < settings.min_stability:
        lacking.append(f"not found again ({stability_text} < {settings.min_stability:g})")
    if not lacking:
        return TWO_STATES, f"{p_text}, {stability_text}"
    return (SPLIT if settings.no_structure == "split" else NO_STRUCTURE), "; ".join(lacking)


def _describe(
    cell_type: str,
    present: Array,
    found: state_search.Found,
    space: state_space.Space,
    scores: Array,
) -> TypeStates:
    """Put a partition of the patients with the type among all patients."""
    index = np.full(len(present), -1, np.int8)
    strength = np.full(len(present), np.nan, np.float32)
    index[present] = found.index
    along = space.place(scores) * (2.0 * found.index - 1)
    strength[present] = np.clip(along, 0, 1)
    return TypeStates(
        cell_type=cell_type,
        index=index,
        strength=strength,
        n_present=len(scores),
        n_0=int((found.index == 0).sum()),
        n_1=int((found.index == 1).sum()),
        stability=found.stability,
        p_structure=found.p_structure,
        separation=found.separation,
        agreement=float((space.nearest(scores)[0] == found.index).mean()),
        neighbours=found.partition.neighbours,
        resolution=found.partition.resolution,
        verdict="",
        reason="",
        space=space,
        scores=scores,
    )


def without(cell_type: str, present: Array, verdict: str, reason: str) -> TypeStates:
    """Describe a type without states.

    Parameters
    ----------
    cell_type : str
        Name.
    present : np.ndarray of bool, shape (patient,)
        Who has the type.
    verdict, reason : str
        Why.

    Returns
    -------
    TypeStates
        All in state 0 who have the type; nothing measured.
    """
    n_present = int(present.sum())
    return TypeStates(
        cell_type=cell_type,
        index=np.where(present, 0, -1).astype(np.int8),
        strength=np.where(present, 0, np.nan).astype(np.float32),
        n_present=n_present,
        n_0=n_present,
        n_1=0,
        stability=np.nan,
        p_structure=np.nan,
        separation=np.nan,
        agreement=np.nan,
        neighbours=0,
        resolution=np.nan,
        verdict=verdict,
        reason=reason,
        space=None,
        scores=np.full((len(present), 0), np.nan, np.float32),
    )
