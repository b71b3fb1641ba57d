"""How much RNA a cell of each type holds: between fractions of RNA and fractions of cells."""

import dataclasses
import logging
import math
import pathlib
import re
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
import pydantic

from bluebatch import errors

_log = logging.getLogger(__name__)

# Published mRNA per cell, each in its own unit. EPIC: Racle J et al. (2017), eLife 6:e26476.
# quanTIseq: Finotello F et al. (2019), Genome Medicine 11:34.
EPIC = {"B": 0.4016, "CD4T": 0.3952, "CD8T": 0.3952, "Mono": 1.4196, "NK": 0.4396, "Neu": 0.13}
QUANTISEQ = {"B": 65.66, "CD4T": 63.87, "CD8T": 70.26, "Mono": 130.65, "NK": 117.72, "Neu": 27.74}

_ALIASES = {
    "B": ("b", "bcell", "blymphocyte", "cd19b", "cd19+b"),
    "CD4T": ("cd4t", "cd4", "tcd4", "cd4tcell", "tcellcd4", "cd4+t"),
    "CD8T": ("cd8t", "cd8", "tcd8", "cd8tcell", "tcellcd8", "cd8+t"),
    "Mono": ("mono", "monocyte", "monocytes", "cd14mono", "cd14monocyte", "cd14+monocyte"),
    "NK": ("nk", "nkcell", "naturalkiller", "naturalkillercell", "cd56nk", "cd56+nk"),
    "Neu": ("neu", "neutrophil", "granulocyte"),
}


class MrnaSettings(pydantic.BaseModel):
    """Which fraction a model learns, and what turns it into the other.

    Parameters
    ----------
    target : {"rna_fraction", "proportion"}
        Fraction of RNA, which bulk RNA shows, or of cells.
    table : {"published", "none"}
        Factors for real bulk: sqrt(EPIC x quanTIseq), or 1 for every type.
    """

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid")

    target: Literal["rna_fraction", "proportion"] = "rna_fraction"
    table: Literal["published", "none"] = "published"


@dataclasses.dataclass(frozen=True)
class Factors:
    """RNA of a cell of each type, relative.

    Parameters
    ----------
    values : np.ndarray, shape (cell_type,)
        Above 0.
    source : str
        Where they come from, for the attributes of a result.
    """

    values: npt.NDArray[np.float64]
    source: str

    def named(self, cell_types: Sequence[str]) -> dict[str, float]:
        """Name each factor.

        Parameters
        ----------
        cell_types : sequence of str
            Labels in order.

        Returns
        -------
        dict of str to float
            Factor by type, to four decimals.
        """
        return {name: round(float(f), 4) for name, f in zip(cell_types, self.values, strict=True)}


def published() -> dict[str, float]:
    """Combine the published tables: sqrt(EPIC x quanTIseq), relative to a B cell.

    Returns
    -------
    dict of str to float
        Factor by type.
    """
    joint = {name: math.sqrt(EPIC[name] * QUANTISEQ[name]) for name in EPIC}
    return {name: value / joint["B"] for name, value in joint.items()}


def for_bulk(
    cell_types: Sequence[str], settings: MrnaSettings, own: Mapping[str, float] | None = None
) -> Factors:
    """Find the factors for real bulk samples.

    Parameters
    ----------
    cell_types : sequence of str
        The model's types.
    settings : MrnaSettings
        Which table.
    own : mapping of str to float, optional
        The user's factors, which come before any table's.

    Returns
    -------
    Factors
        1, with a warning, for a type that neither knows.
    """
    if own is None and settings.table == "none":
        return Factors(np.ones(len(cell_types)), "none: every cell holds the same RNA")
    table = published() if own is None else dict(own)
    found = [table.get(name) if own is not None else table.get(_alias(name)) for name in cell_types]
    unknown = [name for name, value in zip(cell_types, found, strict=True) if value is None]
    if unknown:
        _log.warning(
            "mRNA content: no factor for %s; 1, that of a B cell, is taken. "
            "Give your own with --mrna-content FILE (columns cell_type,factor).",
            ", ".join(unknown),
        )
    source = "sqrt(EPIC x quanTIseq)" if own is None else "the user's table"
    return Factors(np.array([1.0 if value is None else value for value in found]), source)


def for_pseudobulk(library_size: npt.ArrayLike) -> Factors:
    """Take the factors of pseudobulk from its own references: mean counts of a cell.

    Parameters
    ----------
    library_size : array_like, shape (reference, cell_type)
        Mean counts of a cell; NaN where a reference lacks the type.

    Returns
    -------
    Factors
        Mean over references, each relative to its own mean type; 1 where no reference has it.
    """
    sizes = np.asarray(library_size, dtype=np.float64)
    known = np.isfinite(sizes) & (sizes > 0)
    mean = np.where(known, sizes, 0).sum(1, keepdims=True) / np.maximum(
        known.sum(1, keepdims=True), 1
    )
    relative = np.divide(sizes, mean, out=np.zeros_like(sizes), where=known)
    n_known = known.sum(0)
    values = np.where(n_known > 0, relative.sum(0) / np.maximum(n_known, 1), 1.0)
    return Factors(values, "mean library sizes of the references")


def read_table(path: str | pathlib.Path) -> dict[str, float]:
    """Read the user's factors.

    Parameters
    ----------
    path : str or pathlib.Path
        CSV with the columns ``cell_type`` and ``factor``.

    Returns
    -------
    dict of str to float
        Factor by type.

    Raises
    ------
    errors.MissingInputError
        If there is no such file.
    errors.InputFileError
        If it lacks a column, or is no CSV.
    errors.ValuesError
        If a factor is not a number above 0.
    """
    try:
        table = pd.read_csv(path)
    except FileNotFoundError as error:
        raise errors.MissingInputError(f"{path}: there is no such file. Check the path.") from error
    except (OSError, ValueError) as error:
        raise errors.InputFileError(f"{path}: is no CSV ({error}). Give one.") from error
    if not {"cell_type", "factor"} <= set(table.columns):
        raise errors.InputFileError(
            f"{path}: has the columns {', '.join(map(str, table.columns))}, "
            "needed: cell_type,factor. Name them so."
        )
    factors = pd.to_numeric(table["factor"], errors="coerce").to_numpy(dtype=np.float64)
    bad = ~(np.isfinite(factors) & (factors > 0))
    if bad.any():
        first = table["cell_type"][int(np.flatnonzero(bad)[0])]
        raise errors.ValuesError(
            f"{path}: the factor of {first} is not a number above 0. Correct it."
        )
    return dict(zip(table["cell_type"].astype(str), factors.tolist(), strict=True))


def _alias(name: str) -> str:
    plain = re.sub(r"[^a-z0-9+]", "", name.lower())
    forms = {plain, plain.replace("+", ""), plain.removesuffix("s"), plain.removesuffix("cells")}
    forms |= {form.replace("+", "") for form in forms}
    return next((known for known, aliases in _ALIASES.items() if forms & set(aliases)), name)
