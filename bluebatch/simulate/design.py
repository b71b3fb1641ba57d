"""The plan of a simulation: split, source, composition and twin of every sample, drawn at once."""

import dataclasses

import numpy as np
import numpy.typing as npt

from bluebatch.simulate import proportions, split

IntArray = npt.NDArray[np.int64]


@dataclasses.dataclass(frozen=True)
class Design:
    """What every sample is to be.

    Parameters
    ----------
    names : np.ndarray of str, shape (sample,)
        ``train-000000`` and so on: train, validation, test.
    part : np.ndarray of int, shape (sample,)
        Index into `split.NAMES`, not decreasing.
    source : np.ndarray of int, shape (sample,)
        Reference drawn from; the number of references for all of them mixed.
    n_cells : np.ndarray of int, shape (sample, cell_type)
        Cells to draw.
    twin : np.ndarray of str, shape (sample,)
        The other sample of the same composition, ``""`` outside the test split.
    """

    names: npt.NDArray[np.object_]
    part: IntArray
    source: IntArray
    n_cells: IntArray
    twin: npt.NDArray[np.object_]


def draw_design(
    rng: np.random.Generator,
    pool_sizes: IntArray,
    n_samples: IntArray,
    cells: tuple[int, float],
    settings: proportions.ProportionSettings,
) -> Design:
    """Draw the plan.

    Parameters
    ----------
    rng : np.random.Generator
        Source of randomness.
    pool_sizes : np.ndarray of int, shape (split, reference, cell_type)
        Cells there are to draw from.
    n_samples : np.ndarray of int, shape (split,)
        Samples of train, validation and test.
    cells : tuple of int and float
        Cells of a sample, and the share of samples drawn from all references mixed.
    settings : proportions.ProportionSettings
        Families, absent types, whole cells.

    Returns
    -------
    Design
        Test samples 2i and 2i + 1 are twins: one source and composition, other cells.
    """
    cells_per_sample, mixed_share = cells
    part = np.repeat(np.arange(len(n_samples)), n_samples)
    names, twin = _name(part)
    n_references = pool_sizes.shape[1]
    source = rng.integers(n_references, size=len(part))
    if n_references > 1:
        source[rng.random(len(part)) < mixed_share] = n_references
    # Samples of a source have the types that its pools have; mixed ones have them all.
    there = np.concatenate([pool_sizes, pool_sizes.sum(axis=1, keepdims=True)], axis=1) > 0
    drawn = proportions.draw_proportions(rng, there[part, source], settings)
    numbers = proportions.draw_cell_numbers(rng, drawn, cells_per_sample, settings.cell_numbers)
    second = np.flatnonzero((twin != "") & (_place(part) % 2 == 1))
    source[second], numbers[second] = source[second - 1], numbers[second - 1]
    return Design(names, part, source, numbers, twin)


def _place(part: IntArray) -> IntArray:
    """Give each sample's place within its split."""
    first = np.searchsorted(part, np.arange(len(split.NAMES)))
    return np.arange(len(part)) - first[part]


def _name(part: IntArray) -> tuple[npt.NDArray[np.object_], npt.NDArray[np.object_]]:
    place = _place(part)
    names = np.array(
        [f"{split.NAMES[code]}-{index:06d}" for code, index in zip(part, place, strict=True)],
        dtype=object,
    )
    twin = np.full(len(part), "", dtype=object)
    test = np.flatnonzero(part == split.NAMES.index("test"))
    # An odd one at the end has no twin.
    first, second = test[: len(test) // 2 * 2 : 2], test[1::2]
    twin[first], twin[second] = names[second], names[first]
    return names, twin
