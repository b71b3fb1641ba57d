"""Which labels of the references become cell types: kept, dropped, merged, or too few."""

import dataclasses
import logging
import pathlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
import pydantic

from bluebatch import errors

NO_TYPE = {"", "unknown", "nan", "none", "na", "n/a", "unassigned"}
MIN_TYPES = 2

_log = logging.getLogger(__name__)

Labels = npt.NDArray[np.object_]


class CellTypeSettings(pydantic.BaseModel):
    """Which labels become cell types.

    Parameters
    ----------
    keep : tuple of str
        Cell types kept, in this order, named as after merging; all by default.
    drop : tuple of str
        Labels left out, named as before or after merging.
    merge : dict of str to tuple of str
        New name, and the labels that become it.
    min_cells : int
        Fewest cells of a type in a reference; a type with fewer counts as absent there.
    """

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid")

    keep: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()
    merge: dict[str, tuple[str, ...]] = pydantic.Field(default_factory=dict)
    min_cells: int = pydantic.Field(default=20, ge=1)


@dataclasses.dataclass(frozen=True)
class Choice:
    """The cell types of all references.

    Parameters
    ----------
    cell_types : list of str
        Names.
    codes : list of np.ndarray of int, shape (cell,)
        Index of each cell's type in each reference; -1 where it has none.
    notes : list of str
        What was left out or merged.
    """

    cell_types: list[str]
    codes: list[npt.NDArray[np.int64]]
    notes: list[str]


def choose(labels: Sequence[Labels], settings: CellTypeSettings, places: Sequence[str]) -> Choice:
    """Turn the labels of every reference into cell types.

    Parameters
    ----------
    labels : sequence of np.ndarray of str, shape (cell,)
        Label of each cell of each reference; ``""`` where there is none.
    settings : CellTypeSettings
        Kept, dropped, merged.
    places : sequence of str
        Paths of the references, for messages.

    Returns
    -------
    Choice
        In the order of ``keep``, else of the alphabet.

    Raises
    ------
    errors.ConfigError
        If a label is merged into two types.
    errors.LabelMismatchError
        If no reference has a kept type.
    errors.TooFewCellsError
        If a kept type has too few cells everywhere, or fewer than two types are left.
    """
    renames = _renames(settings)
    notes: list[str] = []
    merged = [
        _merge(each, renames, settings, place, notes)
        for each, place in zip(labels, places, strict=True)
    ]
    numbers = [_count(each) for each in merged]
    found = sorted(set().union(*numbers) - {""})
    _check_kept(settings, found, numbers, places)
    names = []
    for name in settings.keep or found:
        enough = [each.get(name, 0) >= settings.min_cells for each in numbers]
        if any(enough):
            names.append(name)
        _note_absences(name, numbers, enough, settings, places, notes)
    if len(names) < MIN_TYPES:
        most = {name: max(each.get(name, 0) for each in numbers) for name in found}
        listed = ", ".join(f"{name} {n:,}" for name, n in most.items()) or "none"
        raise errors.TooFewCellsError(
            f"{', '.join(places)}: {len(names)} cell types with at least {settings.min_cells} "
            f"cells (found: {listed}), needed: {MIN_TYPES}. "
            "Check --cell-type-key, --keep-types and --drop-types."
        )
    return Choice(names, [_encode(each, names, settings.min_cells) for each in merged], notes)


def _renames(settings: CellTypeSettings) -> dict[str, str]:
    renames: dict[str, str] = {}
    for name, parts in settings.merge.items():
        for part in parts:
            if renames.setdefault(part, name) != name:
                raise errors.ConfigError(
                    f"[cell_types] merge: {part!r} goes into {renames[part]!r} and {name!r}, "
                    "needed: one. Take it out of one of them."
                )
    return renames


def _merge(
    labels: Labels,
    renames: dict[str, str],
    settings: CellTypeSettings,
    place: str,
    notes: list[str],
) -> Labels:
    """Rename labels; ``""`` for those without a type, dropped or not kept."""
    target: dict[str, str] = {}
    left_out: list[str] = []
    for label, n_cells in _count(labels).items():
        name = renames.get(label, label)
        if label.casefold().strip() in NO_TYPE:
            name = ""
        dropped = bool({label, name} & set(settings.drop))
        if dropped or (settings.keep and name not in settings.keep):
            name = ""
        if not name:
            left_out.append(f"{label or 'no label'} ({n_cells:,} cells)")
        target[label] = name
    if left_out:
        notes.append(f"{pathlib.Path(place).name}: left out: {', '.join(left_out)}.")
    used = [(old, new) for old, new in target.items() if new not in ("", old)]
    if used:
        into = ", ".join(sorted({new for _, new in used}))
        notes.append(f"{pathlib.Path(place).name}: {len(used)} labels merged into {into}.")
        for old, new in used:
            _log.debug("%s: %s is taken as %s", place, old, new)
    position, names = pd.factorize(labels)
    return np.array([target[name] for name in names], dtype=object)[position]


def _count(labels: Labels) -> dict[str, int]:
    position, names = pd.factorize(labels, sort=True)
    return dict(zip(map(str, names), np.bincount(position).tolist(), strict=True))


def _check_kept(
    settings: CellTypeSettings,
    found: list[str],
    numbers: list[dict[str, int]],
    places: Sequence[str],
) -> None:
    where = ", ".join(places)
    for name in settings.keep:
        most = max(each.get(name, 0) for each in numbers)
        if most == 0:
            raise errors.LabelMismatchError(
                f"{where}: no cell is labelled {name!r}, of the types to keep there are: "
                f"{', '.join(found) or 'none'}. Correct --keep-types, or --cell-type-key."
            )
        if most < settings.min_cells:
            raise errors.TooFewCellsError(
                f"{where}: cell type {name!r} has {most} cells, needed: {settings.min_cells}. "
                "Leave it out of --keep-types, merge it, or lower [cell_types] min_cells."
            )


def _note_absences(
    name: str,
    numbers: list[dict[str, int]],
    enough: list[bool],
    settings: CellTypeSettings,
    places: Sequence[str],
    notes: list[str],
) -> None:
    for each, fits, path in zip(numbers, enough, places, strict=True):
        place = pathlib.Path(path).name
        n_cells = each.get(name, 0)
        if n_cells and not fits:
            notes.append(
                f"{place}: cell type {name} left out: {n_cells} cells, needed: "
                f"{settings.min_cells}."
            )
        elif not n_cells and any(enough):
            notes.append(f"{place}: has no cell type {name}; another reference has it.")


def _encode(labels: Labels, names: list[str], min_cells: int) -> npt.NDArray[np.int64]:
    codes = np.full(len(labels), -1, dtype=np.int64)
    for code, name in enumerate(names):
        cells = labels == name
        if cells.sum() >= min_cells:
            codes[cells] = code
    return codes
