"""Groups of patients compared in each cell type: what is asked, and what is found."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy.typing as npt
import pandas as pd

from bluebatch import errors
from bluebatch.downstream import gene_sets

Array = npt.NDArray[Any]
FAVOURABLE, UNFAVOURABLE = 0, 2
GROUPS = {"favourable": FAVOURABLE, "unfavourable": UNFAVOURABLE}


@dataclasses.dataclass(frozen=True)
class Beside:
    """What is asked beside the comparisons.

    Parameters
    ----------
    skill : callable or None
        Of a cell type, how well each of its genes is predicted, or None.
    sets : gene_sets.GeneSets or None
        Gene sets over the same genes.
    """

    skill: Callable[[str], Array | None] | None = None
    sets: gene_sets.GeneSets | None = None


@dataclasses.dataclass(frozen=True)
class TypeTests:
    """The comparisons of one cell type.

    Parameters
    ----------
    cell_type : str
        Which.
    favourable, unfavourable : pd.DataFrame or None
        Each group against the rest, as `differential.compare` gives; None where too few patients
        have the type.
    sets : pd.DataFrame or None
        Gene sets of both, by their column ``group``; None without gene sets.
    notes : list of str
        What was not compared, and why.
    """

    cell_type: str
    favourable: pd.DataFrame | None
    unfavourable: pd.DataFrame | None
    sets: pd.DataFrame | None
    notes: list[str]

    def as_frame(self) -> pd.DataFrame:
        """Put both comparisons below each other.

        Returns
        -------
        pd.DataFrame
            ``cell_type`` and ``group`` before the columns of `differential.compare`; empty
            without comparisons.
        """
        parts = {"favourable": self.favourable, "unfavourable": self.unfavourable}
        return stack(
            self.cell_type, {name: part for name, part in parts.items() if part is not None}
        )


def check_groups(group: Array, min_patients: int) -> None:
    """Make sure that a group can be compared with its rest.

    Parameters
    ----------
    group : np.ndarray of int8, shape (patient,)
        0, 1 or 2.
    min_patients : int
        Fewest inside and outside.

    Raises
    ------
    errors.LabelMismatchError
        If neither can.
    """
    sizes = {name: int((group == code).sum()) for name, code in GROUPS.items()}
    if not any(min_patients <= size <= len(group) - min_patients for size in sizes.values()):
        raise errors.LabelMismatchError(
            f"differential expression: of {len(group):,} patients {sizes['favourable']:,} are in "
            f"the most favourable group and {sizes['unfavourable']:,} in the most unfavourable, "
            f"needed: {min_patients:,} inside and outside of one of them. Take larger groups."
        )


def too_few(cell_type: str, name: str, inside: Array, taken: Array, min_patients: int) -> str:
    """Tell why a comparison is not made.

    Parameters
    ----------
    cell_type, name : str
        The type and the group.
    inside, taken : np.ndarray of bool, shape (patient,)
        The group, and the patients who have the type.
    min_patients : int
        Fewest inside and outside.

    Returns
    -------
    str
        Empty where there are enough.
    """
    n_in, n_out = int((inside & taken).sum()), int((~inside & taken).sum())
    if min(n_in, n_out) >= min_patients:
        return ""
    return (
        f"{cell_type}: {name} group not compared: {n_in:,} of its {int(inside.sum()):,} patients "
        f"and {n_out:,} of the other {int((~inside).sum()):,} have the type, needed: "
        f"{min_patients:,} each"
    )


def stack(cell_type: str, parts: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Put the tables of the groups below each other.

    Parameters
    ----------
    cell_type : str
        Of which they are.
    parts : dict of str to pd.DataFrame
        By group.

    Returns
    -------
    pd.DataFrame
        ``cell_type`` and ``group`` before their own columns.
    """
    named = []
    for name, part in parts.items():
        table = part.copy()
        table.insert(0, "group", name)
        table.insert(0, "cell_type", cell_type)
        named.append(table)
    if not named:
        return pd.DataFrame({"cell_type": [], "group": []}, dtype=object)
    return pd.concat(named, ignore_index=True)
