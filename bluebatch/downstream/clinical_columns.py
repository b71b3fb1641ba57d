"""A column of a clinical table, read by its content as numbers or as levels."""

import collections
import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from bluebatch import errors
from bluebatch.downstream import sample_table

Array = npt.NDArray[Any]
# What clinical tables write, beside empty fields, where nothing is known; in any case.
UNKNOWN = ("unknown", "n.d.", ".", "n/a", "not available", "[not available]", "not reported")
_GAPS = {gap.casefold() for gap in sample_table.GAPS} | set(UNKNOWN)
# Numbers of so few values are codes, say of stages, and no amounts; 0/1 is both.
MAX_CODES = 5
# A level of fewer patients says nothing of its own.
MIN_LEVEL = 5
OTHER = "other"
# Of the known texts, the share that may differ from all others before they name the patients.
MAX_DISTINCT = 0.9
NUMERIC, CATEGORICAL = "numeric", "categorical"


@dataclasses.dataclass(frozen=True, eq=False)
class Column:
    """A clinical column, read by its content.

    Parameters
    ----------
    name : str
        Its header.
    kind : str
        ``numeric``, also of 0 and 1 alone, or ``categorical``.
    values : np.ndarray, shape (patient,)
        Numbers, NaN where unknown; or levels, empty where unknown.
    known : np.ndarray of bool, shape (patient,)
        Where something is known.
    """

    name: str
    kind: str
    values: Array
    known: Array

    @property
    def levels(self) -> list[str]:
        """Give the levels of a categorical column.

        Returns
        -------
        list of str
            The most frequent first, then by name; numbers as they are written shortest.
        """
        counts = collections.Counter(map(self.word, self.values[self.known].tolist()))
        return sorted(counts, key=lambda level: (-counts[level], level))

    def words(self) -> Array:
        """Give the values as levels.

        Returns
        -------
        np.ndarray of object, shape (patient,)
            Texts, empty where unknown.
        """
        pairs = zip(self.values.tolist(), self.known, strict=True)
        return np.array([self.word(value) if there else "" for value, there in pairs], dtype=object)

    def word(self, value: float | str) -> str:
        """Write one value as a level.

        Parameters
        ----------
        value : float or str
            One of ``values``.

        Returns
        -------
        str
            A text as it stands; 1.0 as ``1``.
        """
        return f"{value:g}" if isinstance(value, float) else value


def read(name: str, series: "pd.Series[Any]", use: str = "covariate") -> Column:
    """Read a column as numbers or as levels, by what stands in it.

    Parameters
    ----------
    name : str
        Its header, for messages.
    series : pd.Series of str
        Texts; `sample_table.GAPS`, "Unknown", "N.D." and the like are unknown.
    use : str
        What it is taken for, for messages.

    Returns
    -------
    Column
        Numeric where every known text is a number and there are more than 5 different ones, or
        but 0 and 1; categorical otherwise.

    Raises
    ------
    errors.ValuesError
        If nothing is known, if all are equal, or if it is of numbers but for some texts.
    """
    texts = series.fillna("").astype(str).str.strip()
    known = ~texts.str.casefold().isin(_GAPS).to_numpy()
    if not known.any():
        raise errors.ValuesError(
            f"{use} {name}: unknown of all {len(texts):,} patients, needed: two values. "
            "Leave it out."
        )
    numbers = pd.to_numeric(texts.where(known), errors="coerce").to_numpy(dtype=np.float64)
    are = np.isfinite(numbers)
    distinct = set(numbers[are].tolist())
    if are.sum() > known.sum() / 2 and len(distinct) > MAX_CODES and (known & ~are).any():
        raise errors.ValuesError(
            f"{use} {name}: {int((known & ~are).sum()):,} of {int(known.sum()):,} known values "
            f"are no numbers (first: {texts[known & ~are].iloc[0]!r}), needed: all or none. "
            "Write numbers, or leave those fields empty."
        )
    all_numbers = bool((are == known).all())
    if len(distinct) == 1 if all_numbers else texts[known].nunique() == 1:
        raise errors.ValuesError(
            f"{use} {name}: is {texts[known].iloc[0]!r} in all {int(known.sum()):,} patients "
            "of whom it is known, needed: two values. Leave it out."
        )
    if all_numbers and (len(distinct) > MAX_CODES or distinct <= {0.0, 1.0}):
        return Column(name, NUMERIC, numbers, known)
    levels = [f"{number:g}" for number in numbers] if all_numbers else texts.tolist()
    words = np.where(known, np.array(levels, dtype=object), "")
    return Column(name, CATEGORICAL, words, known)


def take(table: pd.DataFrame, name: str, use: str = "covariate") -> Column:
    """Read a column by its name, refusing what names the patients.

    Parameters
    ----------
    table : pd.DataFrame of str
        One row a patient.
    name : str
        Of a column.
    use : str
        What it is taken for, for messages.

    Returns
    -------
    Column
        As `read` gives it.

    Raises
    ------
    errors.LabelMismatchError
        If the table has no such column.
    errors.ValuesError
        If it is unknown throughout, constant, or differs from patient to patient.
    """
    if name not in table.columns:
        raise errors.LabelMismatchError(
            f"{use} {name}: the clinical table has no such column; it has "
            f"{', '.join(map(str, table.columns))}. Name one of those."
        )
    column = read(name, table[name], use)
    n_levels, n_known = len(column.levels), int(column.known.sum())
    if column.kind == CATEGORICAL and n_levels > max(2, MAX_DISTINCT * n_known):
        raise errors.ValuesError(
            f"{use} {name}: {n_levels:,} different texts in {n_known:,} patients, needed: "
            "levels that patients share, or numbers. It names patients: leave it out."
        )
    return column


def merge_rare(column: Column) -> tuple[Column, list[str]]:
    """Merge levels of fewer than 5 patients.

    Parameters
    ----------
    column : Column
        Numbers stay as they are.

    Returns
    -------
    column : Column
        Rare levels are ``other``; unknown where ``other`` is rare itself.
    notes : list of str
        What was merged.

    Raises
    ------
    errors.ValuesError
        If fewer than two levels remain.
    """
    if column.kind == NUMERIC:
        return column, []
    counts = collections.Counter(column.values[column.known].tolist())
    rare = sorted(level for level, n in counts.items() if n < MIN_LEVEL)
    if not rare:
        return column, []
    n_rare = sum(counts[level] for level in rare)
    named = f"{column.name}: {', '.join(rare)} ({n_rare:,} patients, fewer than {MIN_LEVEL} each)"
    among = np.isin(column.values, rare)
    enough = n_rare >= MIN_LEVEL
    values = np.where(among, OTHER if enough else "", column.values)
    merged = Column(column.name, CATEGORICAL, values, column.known & (enough | ~among))
    if len(merged.levels) < 2:
        raise errors.ValuesError(
            f"covariate {column.name}: {len(merged.levels)} levels have {MIN_LEVEL} patients or "
            f"more ({', '.join(f'{level} {n:,}' for level, n in counts.most_common(8))}), needed: "
            "two. Merge levels, or leave it out."
        )
    return merged, [f"{named}: {'merged into ' + OTHER if enough else 'taken as unknown'}"]


def count_unknown(column: Column) -> list[str]:
    """Tell of how many patients a column is unknown.

    Parameters
    ----------
    column : Column
        Any.

    Returns
    -------
    list of str
        One note, or none.
    """
    n_unknown = int((~column.known).sum())
    if not n_unknown:
        return []
    return [
        f"{column.name}: unknown of {n_unknown:,} of {len(column.known):,} patients, who are left "
        "out of every model that has it"
    ]
