"""What a simulation holds in memory, from what is known before any counts are read."""

import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from bluebatch.expression import markers, mixture
from bluebatch.run import memory
from bluebatch.simulate import counts, reference
from bluebatch.simulate.settings import Settings
from bluebatch.store import cells, schema

Array = npt.NDArray[Any]
IntArray = npt.NDArray[np.int64]

# Measured: labels, split and place of a cell; name, source and numbers of a sample.
CELL_BYTES = 64
SAMPLE_BYTES = 600
SAMPLE_TYPE_BYTES = 80
# Copies of a block that encoding and checksums make while it is written.
WRITE_COPIES = 2


class Sizes(NamedTuple):
    """What the memory of a run depends on.

    Parameters
    ----------
    process_bytes : int
        Held when the references had been opened.
    n_cells, n_stored : int
        Cells that are read and counts that they store.
    index_bytes : int
        Of the position of a gene.
    read_values : int
        Stored values that are read at once.
    ranked_values : int
        Most that the ranked cells of one reference store.
    pool : tuple of int
        Cells of the largest type whose draws are held dense, and what they store.
    n_genes, n_types, n_references : int
        Length of each axis.
    """

    process_bytes: int
    n_cells: int
    n_stored: int
    index_bytes: int
    read_values: int
    ranked_values: int
    pool: tuple[int, int]
    n_genes: int
    n_types: int
    n_references: int


def measure(survey: reference.Survey, settings: Settings) -> Sizes:
    """Take the sizes of opened references.

    Parameters
    ----------
    survey : reference.Survey
        Before its counts are read.
    settings : Settings
        The science.

    Returns
    -------
    Sizes
        For `items`.
    """
    kinds = [codes[rows] for codes, rows in zip(survey.codes, survey.selected, strict=True)]
    ranked = [
        _most(lengths, codes, settings.markers.max_cells)
        for lengths, codes in zip(survey.lengths, kinds, strict=True)
    ]
    n_dense = mixture.DENSE_BELOW * settings.simulation.cells_per_sample
    pools = [
        _largest(lengths, n_dense) for lengths in _by_type(survey.lengths, kinds, survey.cell_types)
    ]
    return Sizes(
        process_bytes=memory.resident_bytes(),
        n_cells=sum(len(rows) for rows in survey.selected),
        n_stored=survey.n_stored,
        index_bytes=np.dtype(survey.index_type).itemsize,
        read_values=min(
            counts.BLOCK_VALUES, max(math.prod(each.matrix.shape) for each in survey.opened)
        ),
        ranked_values=max(ranked),
        pool=max(pools, key=lambda pool: pool[1]),
        n_genes=len(survey.genes),
        n_types=len(survey.cell_types),
        n_references=len(survey.opened),
    )


def items(
    sizes: Sizes, settings: Settings, n_profile_genes: int | None, *, first: bool
) -> list[memory.Item]:
    """Price a run at its peak.

    Parameters
    ----------
    sizes : Sizes
        Of the references.
    settings : Settings
        The science.
    n_profile_genes : int or None
        Genes whose profiles are kept; the most there can be where that is not known.
    first : bool
        Whether markers are ranked, and cells kept, too: not by a task of a begun store.

    Returns
    -------
    list of memory.Item
        What is held throughout, and the stage that holds most beside it.
    """
    value_bytes = 4 + sizes.index_bytes
    n_samples = settings.simulation.n_samples
    n_kept = _most_profile_genes(sizes, settings) if n_profile_genes is None else n_profile_genes
    stages = [
        memory.Item("reading", counts.VALUE_BYTES * sizes.read_values),
        memory.Item("drawing", _drawing(sizes, settings, n_kept)),
    ]
    if first:
        stages.append(memory.Item("ranking markers", _ranking(sizes)))
    if first and settings.simulation.keep_cells:
        stages.append(memory.Item("keeping cells", 4 * value_bytes * cells.CHUNK_VALUES))
    return [
        memory.Item("process", sizes.process_bytes),
        memory.Item("cells", sizes.n_stored * value_bytes + sizes.n_cells * CELL_BYTES),
        memory.Item("samples", n_samples * (SAMPLE_BYTES + SAMPLE_TYPE_BYTES * sizes.n_types)),
        max(stages, key=lambda item: item.n_bytes),
    ]


def require(
    sizes: Sizes,
    settings: Settings,
    n_profile_genes: int | None,
    max_memory: int | None,
    *,
    first: bool = True,
) -> None:
    """Refuse a run that cannot fit.

    Parameters
    ----------
    sizes : Sizes
        Of the references.
    settings : Settings
        The science.
    n_profile_genes : int or None
        Genes whose profiles are kept, where that is known.
    max_memory : int or None
        Bytes that it may hold; what was granted by default.
    first : bool
        Whether markers are ranked, and cells kept, too.

    Raises
    ------
    errors.ResourceError
        If it holds more.
    """
    most = settings.reference.max_cells
    remedy = f"lower [reference] max_cells ({f'{most:,}' if most else 'all'} a type)"
    genes = ", leave out --all-genes" if settings.simulation.all_genes else ""
    held = items(sizes, settings, n_profile_genes, first=first)
    memory.require(held, memory.budget(max_memory), f"{remedy}, keep fewer --keep-types{genes}")


def _most_profile_genes(sizes: Sizes, settings: Settings) -> int:
    tables = sizes.n_references * sizes.n_types
    most = tables * settings.markers.n_candidates
    return sizes.n_genes if settings.simulation.all_genes else min(sizes.n_genes, most)


def _ranking(sizes: Sizes) -> int:
    """Price the cells of one reference by cell and by gene, a block of genes, and the tables."""
    gathered = 2 * (4 + sizes.index_bytes) * sizes.ranked_values
    block = markers.VALUE_BYTES * min(markers.BLOCK_VALUES, sizes.ranked_values)
    table = 8 * sizes.n_types * sizes.n_genes
    return gathered + block + table * (12 + 3 * sizes.n_references)


def _drawing(sizes: Sizes, settings: Settings, n_profile_genes: int) -> int:
    n_rows = min(schema.ROWS_PER_CHUNK, settings.simulation.n_samples)
    n_drawn = n_rows * settings.simulation.cells_per_sample
    bulk = 4 * n_rows * sizes.n_genes
    profiles = 4 * n_rows * sizes.n_types * n_profile_genes
    n_pool, n_pool_stored = sizes.pool
    # Held dense, a draw takes its numbers twice, and its pool by cell and by gene.
    dense = 2 * (4 + sizes.index_bytes) * n_pool_stored + 12 * n_rows * n_pool
    sparse = (4 + sizes.index_bytes) * n_rows * sizes.n_genes
    # Of a type: the sum, what is kept of it, and the bulk that it is added to.
    summing = 2 * bulk + 4 * n_rows * n_profile_genes + max(dense, sparse) + 48 * n_drawn
    # One block is drawn while the last is written.
    return (2 + WRITE_COPIES) * (bulk + profiles) + summing


def _by_type(
    lengths: list[IntArray], kinds: list[IntArray], cell_types: list[str]
) -> list[IntArray]:
    every, kind = np.concatenate(lengths), np.concatenate(kinds)
    return [every[kind == code] for code in range(len(cell_types))]


def _most(lengths: IntArray, kinds: IntArray, n_cells: int) -> int:
    """Bound what so many cells of each type store; of all where that is 0."""
    if not n_cells:
        return int(lengths.sum())
    return sum(_largest(lengths[kinds == code], n_cells)[1] for code in np.unique(kinds))


def _largest(lengths: IntArray, n_cells: int) -> tuple[int, int]:
    """Bound what so many of some cells store, and give how many they are."""
    largest = np.sort(lengths)[::-1][:n_cells]
    return len(largest), int(largest.sum())
