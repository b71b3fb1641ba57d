"""Profiles for the page: markers of a few samples, read from some blocks of a store of any size."""

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from bluebatch.downstream.page_facts import Facts
from bluebatch.downstream.page_groups import Groups
from bluebatch.expression import metrics
from bluebatch.run import progress
from bluebatch.store import read, schema

Array = npt.NDArray[Any]
BLOCK_ROWS = schema.ROWS_PER_CHUNK
# Whole chunks are read, so a report on a large store takes blocks spread over it.
MAX_BLOCKS = 8
MAX_SAMPLES = 200
N_MARKERS = 16
MAX_TYPES = 24
PRESENCE = 0.01


@dataclasses.dataclass(frozen=True)
class TypeProfiles:
    """Markers of one cell type in some samples.

    Parameters
    ----------
    cell_type : str
        Which.
    genes : list of str
        Its markers.
    rows : np.ndarray of int
        Samples, in the order drawn: by group, then by proportion of the type.
    n_present : int
        Samples looked at in which the type is present.
    values : np.ndarray, shape (sample, gene)
        Log2(1 + CPM).
    skill : np.ndarray or None, shape (gene,)
        Held-out skill of these genes.
    """

    cell_type: str
    genes: list[str]
    rows: Array
    n_present: int
    values: Array
    skill: Array | None


@dataclasses.dataclass(frozen=True)
class Profiles:
    """What a report shows of profiles.

    Parameters
    ----------
    mean : np.ndarray, shape (cell_type, gene)
        Over the samples looked at in which the type is present, log2(1 + CPM); NaN without any.
    n_read : int
        Samples looked at.
    markers : dict of str to list of str
        Genes shown by type, best first.
    from_profiles : list of str
        Types whose markers no model names: taken from the mean profiles.
    types : list of TypeProfiles
        Types present in some sample, at most `MAX_TYPES`.
    """

    mean: Array
    n_read: int
    markers: dict[str, list[str]]
    from_profiles: list[str]
    types: list[TypeProfiles]


def collect(facts: Facts, groups: Groups) -> Profiles:
    """Read the profiles of a store, twice at most, block by block.

    Parameters
    ----------
    facts : Facts
        Of the store.
    groups : Groups
        Of the samples.

    Returns
    -------
    Profiles
        Some hundred samples at most, however many there are.
    """
    blocks = _blocks(facts.store.n_rows)
    mean = _means(facts, blocks)
    markers, from_profiles = _markers(facts, mean)
    looked_at = np.concatenate([np.arange(block.start, block.stop) for block in blocks])
    types = [
        _of_type(facts, groups, looked_at, index, markers[name])
        for index, name in enumerate(facts.cell_types[:MAX_TYPES])
        if markers[name]
    ]
    return Profiles(
        mean, len(looked_at), markers, from_profiles, [each for each in types if len(each.rows)]
    )


def evenly(n: int, most: int) -> Array:
    """Choose positions evenly, the first and the last among them.

    Parameters
    ----------
    n : int
        How many there are.
    most : int
        How many are wanted at most.

    Returns
    -------
    np.ndarray of int
        Increasing, all of them where they are few.

    Examples
    --------
    >>> evenly(3, 5).tolist(), evenly(9, 3).tolist()
    ([0, 1, 2], [0, 4, 8])
    """
    if n <= most:
        return np.arange(n)
    return np.round(np.linspace(0, n - 1, most)).astype(np.int64)


def mean_of_rows(values: Array) -> Array:
    """Average over rows what is known.

    Parameters
    ----------
    values : np.ndarray, shape (row, column)
        NaN where not known.

    Returns
    -------
    np.ndarray, shape (column,)
        NaN where nothing is known.
    """
    known = np.isfinite(values)
    total = np.where(known, values, 0).sum(axis=0, dtype=np.float64)
    return np.asarray(metrics.ratio(total, known.sum(axis=0)))


def specific(mean: Array) -> Array:
    """Measure how far each type stands above all others.

    Parameters
    ----------
    mean : np.ndarray, shape (cell_type, gene)
        Log2(1 + CPM); NaN where a type was never seen.

    Returns
    -------
    np.ndarray, shape (cell_type, gene)
        The type minus the highest other type; NaN where there is no other.
    """
    known = np.where(np.isnan(mean), -np.inf, mean)
    others = [np.delete(known, index, axis=0) for index in range(len(known))]
    highest = np.stack([part.max(axis=0, initial=-np.inf) for part in others])
    there = np.isfinite(known) & np.isfinite(highest)
    lead = np.full(known.shape, np.nan)
    return np.asarray(np.subtract(known, highest, out=lead, where=there))


def _blocks(n_rows: int) -> list[slice]:
    starts = np.arange(0, n_rows, BLOCK_ROWS)
    chosen = starts[evenly(len(starts), MAX_BLOCKS)]
    return [slice(int(start), int(min(start + BLOCK_ROWS, n_rows))) for start in chosen]


def _read(facts: Facts, rows: slice, index: int) -> Array:
    array: Any = facts.store.group["profile"]
    with read.damaged_chunks(facts.store.path, "profile"):
        values: Array = array[rows, index, :]
    return values


def _means(facts: Facts, blocks: list[slice]) -> Array:
    shape = len(facts.cell_types), len(facts.genes)
    total, n_known = np.zeros(shape), np.zeros(shape, np.int64)
    with progress.bar("report", total=len(blocks), unit="blocks") as step:
        for block in blocks:
            for index in range(shape[0]):
                values = _read(facts, block, index)
                known = np.isfinite(values)
                total[index] += np.where(known, values, 0).sum(axis=0, dtype=np.float64)
                n_known[index] += known.sum(axis=0)
            step(1)
    return np.asarray(metrics.ratio(total, n_known))


def _markers(facts: Facts, mean: Array) -> tuple[dict[str, list[str]], list[str]]:
    written, above = set(facts.genes), specific(mean)
    markers, from_profiles = {}, []
    for index, name in enumerate(facts.cell_types):
        known = [gene for gene in facts.markers.get(name, []) if gene in written]
        if not known and np.isfinite(above[index]).any():
            best = np.argsort(-np.nan_to_num(above[index], nan=-np.inf), kind="stable")
            known = [facts.genes[at] for at in best[:N_MARKERS] if above[index, at] > 0]
            from_profiles.append(name)
        markers[name] = known[:N_MARKERS]
    return markers, from_profiles


def _of_type(
    facts: Facts, groups: Groups, looked_at: Array, index: int, genes: list[str]
) -> TypeProfiles:
    presence = float(facts.attributes.get("presence", PRESENCE))
    proportion = facts.proportion[looked_at, index]
    present = looked_at[np.nan_to_num(proportion) >= presence]
    order = np.lexsort((facts.proportion[present, index], groups.index[present]))
    rows = present[order][evenly(len(present), MAX_SAMPLES)]
    position = {gene: at for at, gene in enumerate(facts.genes)}
    columns = np.array([position[gene] for gene in genes])
    values = np.full((len(rows), len(columns)), np.nan, np.float32)
    for taken, block in _by_block(rows):
        values[taken] = _read(facts, block, index)[np.ix_(rows[taken] - block.start, columns)]
    skill = None if facts.skill is None else facts.skill[index, columns]
    return TypeProfiles(facts.cell_types[index], genes, rows, len(present), values, skill)


def _by_block(rows: Array) -> Iterator[tuple[Array, slice]]:
    """Yield, for each block that holds some of the rows, which ones and the block."""
    for number in np.unique(rows // BLOCK_ROWS):
        taken = np.flatnonzero(rows // BLOCK_ROWS == number)
        # No further than the last row wanted: the end of a store may be a short block.
        last = int(rows[taken].max()) + 1
        yield taken, slice(int(number) * BLOCK_ROWS, last)
