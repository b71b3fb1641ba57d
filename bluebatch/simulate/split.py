"""Splitting a reference's cells into train, validation and test: by donor, else by cell."""

from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
import pydantic

from bluebatch import errors

NAMES = ("train", "validation", "test")
MIN_CELLS = 2
TRIES = 50

IntArray = npt.NDArray[np.int64]


class SplitSettings(pydantic.BaseModel):
    """How cells and samples are split.

    Parameters
    ----------
    fractions : tuple of float
        Shares of train, validation and test, scaled to sum to 1; zeros leave a split empty.
    by : {"auto", "donor", "cell"}
        ``auto`` splits by donor where there are enough donors, else by cell.
    """

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid")

    fractions: tuple[float, float, float] = (0.8, 0.1, 0.1)
    by: Literal["auto", "donor", "cell"] = "auto"

    @pydantic.field_validator("fractions")
    @classmethod
    def _scale(cls, fractions: tuple[float, float, float]) -> tuple[float, float, float]:
        total = sum(fractions)
        if min(fractions) < 0 or total <= 0:
            raise ValueError("fractions must be 0 or more, and one of them above 0")
        return (fractions[0] / total, fractions[1] / total, fractions[2] / total)


def split_cells(
    cell_type: IntArray,
    donor: npt.NDArray[np.object_] | None,
    settings: SplitSettings,
    rng: np.random.Generator,
    name: str,
) -> tuple[IntArray, str]:
    """Assign each cell of a reference to a split.

    Parameters
    ----------
    cell_type : np.ndarray of int, shape (cell,)
        Type of each cell.
    donor : np.ndarray of str, shape (cell,), optional
        Donor of each cell.
    settings : SplitSettings
        Fractions, and whether donors must be kept whole.
    rng : np.random.Generator
        Source of randomness.
    name : str
        The reference, for messages.

    Returns
    -------
    assigned : np.ndarray of int, shape (cell,)
        Index into `NAMES`.
    used : str
        ``"donor"`` or ``"cell"``.

    Raises
    ------
    errors.TooFewCellsError
        If a split would hold fewer than two cells of a type.
    """
    if settings.by != "cell":
        by_donor = None if donor is None else _by_donor(cell_type, donor, settings, rng)
        if by_donor is not None:
            return by_donor, "donor"
        if settings.by == "donor":
            n_donors = 0 if donor is None else len(pd.unique(donor))
            raise errors.TooFewCellsError(
                f"{name}: its {n_donors} donors cannot be split so that every split has "
                f"{MIN_CELLS} cells of each type. Give --donor-key, or [split] by = 'cell'."
            )
    return _by_cell(cell_type, settings, rng, name), "cell"


def cut(n: int, fractions: tuple[float, ...], fewest: int = 0) -> IntArray:
    """Cut a number into parts by largest remainder.

    Parameters
    ----------
    n : int
        What is cut.
    fractions : tuple of float
        Shares that sum to 1.
    fewest : int
        Least part of a share above 0, taken from the largest parts.

    Returns
    -------
    np.ndarray of int
        Parts that sum to ``n``; 0 where the share is 0.
    """
    exact = np.asarray(fractions) * n
    parts = np.floor(exact + 1e-9).astype(np.int64)
    remainder = np.where(np.asarray(fractions) > 0, exact - parts, -1)
    parts[np.argsort(-remainder, kind="stable")[: n - parts.sum()]] += 1
    for short in np.flatnonzero((np.asarray(fractions) > 0) & (parts < fewest)):
        missing = fewest - parts[short]
        parts[np.argmax(parts)] -= missing
        parts[short] += missing
    return parts


def _by_cell(
    cell_type: IntArray, settings: SplitSettings, rng: np.random.Generator, name: str
) -> IntArray:
    assigned = np.zeros(len(cell_type), dtype=np.int64)
    n_splits = sum(fraction > 0 for fraction in settings.fractions)
    for code in np.unique(cell_type):
        cells = rng.permutation(np.flatnonzero(cell_type == code))
        if len(cells) < MIN_CELLS * n_splits:
            raise errors.TooFewCellsError(
                f"{name}: a cell type has {len(cells)} cells, needed: {MIN_CELLS * n_splits} "
                f"({MIN_CELLS} for each split). Drop the type, or raise [cell_types] min_cells."
            )
        parts = cut(len(cells), settings.fractions, fewest=MIN_CELLS)
        assigned[cells] = np.repeat(np.arange(len(NAMES)), parts)
    return assigned


def _by_donor(
    cell_type: IntArray,
    donor: npt.NDArray[np.object_],
    settings: SplitSettings,
    rng: np.random.Generator,
) -> IntArray | None:
    """Assign whole donors; None where no try leaves every split enough cells of every type."""
    codes, names = pd.factorize(donor, sort=True)
    used = np.flatnonzero(np.asarray(settings.fractions) > 0)
    if len(names) < len(used) or (names == "").any():
        return None
    parts = cut(len(names), settings.fractions, fewest=1)
    types = np.unique(cell_type)
    for _ in range(TRIES):
        split_of = np.empty(len(names), dtype=np.int64)
        split_of[rng.permutation(len(names))] = np.repeat(np.arange(len(NAMES)), parts)
        assigned = split_of[codes]
        table = np.zeros((len(NAMES), int(types.max(initial=0)) + 1), dtype=np.int64)
        np.add.at(table, (assigned, cell_type), 1)
        if (table[np.ix_(used, types)] >= MIN_CELLS).all():
            return assigned
    return None
