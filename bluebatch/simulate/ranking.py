"""The markers of every reference's cell types, and the genes whose profiles are kept."""

from typing import Any

import numpy as np
import numpy.typing as npt

from bluebatch import errors
from bluebatch.expression import markers
from bluebatch.simulate import genes, pools

FOLD_CHANGE, ADJUSTED_P = ARRAYS = ("marker_log_fold_change", "marker_adjusted_p")

Array = npt.NDArray[Any]
IntArray = npt.NDArray[np.int64]


def rank(
    cells: pools.Pools, part: int, settings: markers.MarkerSettings, rng: np.random.Generator
) -> dict[str, Array]:
    """Rank the genes of every type against the rest, reference by reference.

    Parameters
    ----------
    cells : pools.Pools
        Of every split.
    part : int
        The split whose cells are ranked.
    settings : markers.MarkerSettings
        How many cells at most.
    rng : np.random.Generator
        Draws the cells of types with more.

    Returns
    -------
    dict of str to np.ndarray, shape (reference, cell_type, gene)
        `ARRAYS`, float32.
    """
    rows, cell_type, references = cells.cells(part)
    tables = []
    for number in range(cells.n_references):
        own = np.flatnonzero(references == number)
        if settings.max_cells:
            own = own[_at_most(settings.max_cells, cell_type[own], rng)]
        tables.append(
            markers.rank_genes(
                # Gene after gene, as they are ranked; by cell they are given back at once.
                cells.counts[rows[own]].tocsc(),
                cell_type[own],
                cells.n_types,
                correct_ties=settings.correct_ties,
            )
        )
    stacked = [np.stack(parts).astype(np.float32) for parts in zip(*tables, strict=True)]
    return dict(zip(ARRAYS, stacked, strict=True))


def profile_genes(
    names: list[str],
    whole: dict[str, Array],
    settings: markers.MarkerSettings,
    extra: list[str],
    notes: list[str],
) -> IntArray:
    """Choose the genes of the profiles; all where nothing tells which may enter a panel.

    Parameters
    ----------
    names : list of str
        Every gene.
    whole : dict of str to np.ndarray
        What `rank` gave; empty where there are no training cells.
    settings : markers.MarkerSettings
        How many candidates.
    extra : list of str
        Genes that the user wants beside them.
    notes : list of str
        Is told what was done.

    Returns
    -------
    np.ndarray of int
        Positions in increasing order.

    Raises
    ------
    errors.LabelMismatchError
        If none of the extra genes is there.
    """
    position = {gene: index for index, gene in enumerate(names)}
    known = [position[gene] for gene in extra if gene in position]
    if extra and not known:
        raise errors.LabelMismatchError(
            f"--genes: none of its {len(extra):,} genes is in the references; it has "
            f"{genes.kind(extra)}, they have {genes.kind(names)}. Bring them onto one kind."
        )
    if len(known) < len(extra):
        missing = [gene for gene in extra if gene not in position]
        notes.append(
            f"--genes: {len(missing):,} of {len(extra):,} genes are not in the references "
            f"(first: {missing[0]})."
        )
    if FOLD_CHANGE not in whole:
        notes.append("no training cells: no markers are ranked, profiles hold every gene.")
        return np.arange(len(names))
    chosen = markers.candidate_genes(whole[FOLD_CHANGE], whole[ADJUSTED_P], settings)
    if not len(chosen):
        notes.append("no gene tells the cell types apart: profiles hold every gene.")
        return np.arange(len(names))
    return np.union1d(chosen, np.array(known, dtype=np.int64))


def _at_most(n: int, cell_type: IntArray, rng: np.random.Generator) -> IntArray:
    """Draw at most so many cells of each type."""
    order = rng.permutation(len(cell_type))
    place = np.empty(len(cell_type), dtype=np.int64)
    for code in np.unique(cell_type):
        own = order[cell_type[order] == code]
        place[own] = np.arange(len(own))
    return np.flatnonzero(place < n)
