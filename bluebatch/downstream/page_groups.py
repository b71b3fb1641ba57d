"""Samples by an attribute: a column of the user's table, or of the cohort store."""

import dataclasses
import itertools
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from bluebatch import errors
from bluebatch.downstream import sample_table
from bluebatch.store import places, read

IntArray = npt.NDArray[np.int64]
MAX_GROUPS = 12
# A column of more different numbers than this is cut into quarters.
MAX_LEVELS = 6
NOT_GIVEN, REST = "not given", "all others"
_GAPS = (*sample_table.GAPS, "None")


@dataclasses.dataclass(frozen=True)
class Groups:
    """Which group each sample is in.

    Parameters
    ----------
    column : str
        The attribute; empty where all samples are one group.
    names : list of str
        Of the groups, in the order in which they are drawn.
    index : np.ndarray of int, shape (sample,)
        Group of each sample.
    values : list of str
        The attribute of each sample as it was given; empty without one.
    notes : list of str
        How groups were made.
    """

    column: str
    names: list[str]
    index: IntArray
    values: list[str]
    notes: list[str]


def one_group(n_samples: int) -> Groups:
    """Take all samples together.

    Parameters
    ----------
    n_samples : int
        How many.

    Returns
    -------
    Groups
        One, without an attribute.
    """
    return Groups("", ["all samples"], np.zeros(n_samples, np.int64), [], [])


def find(
    samples: Sequence[str],
    column: str | None,
    table: str | places.Place | None,
    cohort: read.Store | None,
) -> Groups:
    """Group samples by an attribute.

    Parameters
    ----------
    samples : sequence of str
        Of the results.
    column : str or None
        The attribute.
    table : str, pathlib.Path, upath.UPath or None
        CSV or TSV whose first column, or the one named ``sample``, names the samples.
    cohort : read.Store or None
        Whose arrays with one value a sample will do in place of a table.

    Returns
    -------
    Groups
        Groups of a numeric attribute are quarters of the samples; small groups are put together.

    Raises
    ------
    errors.ConfigError
        If the column is not there, or a table comes without a column.
    errors.InputFileError
        If the table cannot be read, or has one column alone.
    errors.LabelMismatchError
        If the table knows none of the samples, or one twice.
    """
    if column is None:
        if table is not None:
            has = ", ".join(sample_table.read(table).columns)
            raise errors.ConfigError(
                f"{table}: given without a column, needed: --by. It has {has}. Name one."
            )
        return one_group(len(samples))
    given = _from_table(table, column) if table is not None else _from_cohort(cohort, column)
    n_known = sum(name in given for name in samples)
    if not n_known:
        raise errors.LabelMismatchError(
            f"{table or column}: none of its {len(given):,} samples (first: "
            f"{next(iter(given), 'none')}) is among the {len(samples):,} of the results (first: "
            f"{samples[0] if samples else 'none'}). Give a table of the same names."
        )
    values = [given.get(name, "") for name in samples]
    values = [NOT_GIVEN if value.strip() in _GAPS else value for value in values]
    names, index, notes = _cut(values)
    n_gaps = values.count(NOT_GIVEN)
    if n_gaps:
        notes = [*notes, f"{column} is not given for {n_gaps:,} of {len(samples):,} samples"]
    return Groups(column, names, index, values, notes)


def _from_table(table: str | places.Place, column: str) -> dict[str, str]:
    frame = sample_table.read(table)
    if column not in frame.columns:
        raise _unknown(str(table), column, list(frame.columns))
    return dict(zip(frame.index, frame[column].fillna(""), strict=True))


def _from_cohort(cohort: read.Store | None, column: str) -> dict[str, str]:
    if cohort is None:
        raise errors.ConfigError(
            f"--by {column}: no table to take it from, needed: --samples or --cohort. Give one."
        )
    known = [
        array.name
        for array in cohort.spec.arrays
        if array.dims == ("sample",) and cohort.has(array.name)
    ]
    if column not in known:
        raise _unknown(cohort.path, column, known)
    values = [str(value) for value in cohort.read(column)]
    return dict(zip(cohort.labels["sample"], values, strict=True))


def _unknown(where: str, column: str, known: Sequence[str]) -> errors.ConfigError:
    return errors.ConfigError(
        f"{where}: has no column {column!r}; it has {', '.join(known)}. Name one of these with "
        "--by, or give a table with --samples."
    )


def _cut(values: list[str]) -> tuple[list[str], IntArray, list[str]]:
    """Turn values into few groups."""
    known = [value for value in values if value != NOT_GIVEN]
    numbers = pd.to_numeric(pd.Series(known, dtype=str), errors="coerce")
    if len(known) and numbers.notna().all() and numbers.nunique() > MAX_LEVELS:
        return _quarters(values)
    counts = pd.Series(values, dtype=str).value_counts()
    names = [str(name) for name in counts.index if name != NOT_GIVEN]
    names, rest, notes = names[:MAX_GROUPS], names[MAX_GROUPS:], []
    numeric = len(known) > 0 and bool(numbers.notna().all())
    names.sort(key=(lambda name: (float(name), name)) if numeric else (lambda name: (0.0, name)))
    if rest:
        notes = [f"{len(rest):,} smaller groups are shown as one, {REST!r}"]
        names.append(REST)
    if NOT_GIVEN in counts.index:
        names.append(NOT_GIVEN)
    place = {name: at for at, name in enumerate(names)}
    last = place.get(REST, 0)
    return names, np.array([place.get(value, last) for value in values], np.int64), notes


def _quarters(values: list[str]) -> tuple[list[str], IntArray, list[str]]:
    numbers = pd.to_numeric(pd.Series(values, dtype=str), errors="coerce").to_numpy(np.float64)
    ends = np.unique(np.nanquantile(numbers, [0.25, 0.5, 0.75]))
    index = np.searchsorted(ends, numbers, side="left")
    index[np.isnan(numbers)] = len(ends) + 1
    names = [f"up to {ends[0]:.4g}"]
    names += [f"{low:.4g} to {high:.4g}" for low, high in itertools.pairwise(ends)]
    names += [f"over {ends[-1]:.4g}", NOT_GIVEN]
    there = np.unique(index)
    position = np.searchsorted(there, index)
    notes = ["groups of a number are quarters of the samples; an upper end belongs to its group"]
    return [names[at] for at in there], position.astype(np.int64), notes
