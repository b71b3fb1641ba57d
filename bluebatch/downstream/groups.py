"""Two groups of samples, named by a column of a table or of the truth."""

import collections
import dataclasses
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from bluebatch import errors
from bluebatch.downstream import sample_table, truth

Array = npt.NDArray[Any]
MIN_SAMPLES = 2
N_NAMED = 8


@dataclasses.dataclass(frozen=True)
class Groups:
    """Which of the compared samples are in which of two groups.

    Parameters
    ----------
    column : str
        What was looked at.
    names : tuple of str
        The two groups: differences are the second minus the first.
    member : np.ndarray of int, shape (sample,)
        0, 1, or 2 for neither.
    notes : list of str
        Samples that are in neither.
    """

    column: str
    names: tuple[str, str]
    member: Array
    notes: list[str]


def read_groups(
    column: str,
    known: truth.Truth,
    matched: truth.Match,
    table: str | pathlib.Path | None = None,
    wanted: Sequence[str] = (),
) -> Groups:
    """Divide the compared samples into two groups.

    Parameters
    ----------
    column : str
        Of the table, or without a table an array of the truth store with one word a sample.
    known : truth.Truth
        What is known.
    matched : truth.Match
        The samples.
    table : str or pathlib.Path, optional
        A CSV or TSV whose first column, or the one named ``sample``, names the samples.
    wanted : sequence of str
        The two values compared, the base first; may be empty where there are but two.

    Returns
    -------
    Groups
        One member for each compared sample.

    Raises
    ------
    errors.BluebatchError
        If the table cannot be read, the column is not there, its values do not make two groups,
        or a group has too few samples.
    """
    if table is None:
        where, values = known.path, _of_store(column, known)[matched.truth_rows]
    else:
        where, values = str(table), _of_table(column, table, matched.samples)
    counts = collections.Counter(
        value for value in map(str, values) if value not in sample_table.GAPS
    )
    names = _choose(where, column, counts, wanted)
    for name in names:
        if counts[name] < MIN_SAMPLES:
            raise errors.LabelMismatchError(
                f"{where}: {counts[name]} of the {len(values):,} compared samples have {column} "
                f"{name!r}, needed: {MIN_SAMPLES}. Choose two of: {_list(counts)}."
            )
    member = np.select([values == names[0], values == names[1]], [0, 1], default=2)
    n_left = int((member == 2).sum())
    notes = []
    if n_left:
        others = sorted(set(counts) - set(names))
        named = f" ({', '.join(others[:N_NAMED])})" if others else ""
        notes = [f"contrast: {n_left:,} samples are in neither group{named}"]
    return Groups(column, names, member, notes)


def _choose(
    where: str, column: str, counts: collections.Counter[str], wanted: Sequence[str]
) -> tuple[str, str]:
    if wanted:
        missing = [name for name in wanted if name not in counts]
        if missing or len(set(wanted)) != 2:
            what = f"no sample has {missing[0]!r}" if missing else f"{len(set(wanted))} groups"
            raise errors.LabelMismatchError(
                f"{where}: --groups {','.join(wanted)}: {what}, needed: two values of {column} "
                f"among the compared samples: {_list(counts)}. Give two of them."
            )
        return wanted[0], wanted[1]
    if len(counts) != 2:
        raise errors.LabelMismatchError(
            f"{where}: {column} has {len(counts):,} values among the compared samples, needed: 2. "
            f"Pick two with --groups A,B from: {_list(counts)}."
        )
    first, second = sorted(counts)
    return first, second


def _list(counts: collections.Counter[str]) -> str:
    named = [f"{name} ({n:,})" for name, n in counts.most_common(N_NAMED)]
    return ", ".join(named) + (", ..." if len(counts) > N_NAMED else "") or "none"


def _of_store(column: str, known: truth.Truth) -> Array:
    store = known.store
    words = []
    if store is not None:
        words = [
            spec.name
            for spec in store.spec.arrays
            if spec.dims == ("sample",) and spec.dtype == "str" and store.has(spec.name)
        ]
    if store is None or column not in words:
        raise errors.LabelMismatchError(
            f"{known.path}: has no column {column!r} of samples; it has "
            f"{', '.join(words) or 'none'}. Name one of those, or give a table with --samples."
        )
    return np.asarray(store.read(column))


def _of_table(column: str, path: str | pathlib.Path, samples: Sequence[str]) -> Array:
    frame = sample_table.read(path)
    if column not in frame.columns:
        raise errors.LabelMismatchError(
            f"{path}: has no column {column!r}; it has {', '.join(frame.columns)} beside "
            f"{frame.index.name!r}. Give --contrast one of those."
        )
    value_of = dict(zip(frame.index, frame[column].fillna(""), strict=True))
    if not any(name in value_of for name in samples):
        raise errors.LabelMismatchError(
            f"{path}: names none of the {len(samples):,} compared samples (first: {samples[0]}). "
            "Give a table of the same samples, with the same names."
        )
    return np.array([value_of.get(name, "") for name in samples], dtype=object)
