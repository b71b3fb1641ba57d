"""What is known of samples, and which of it a results store can be compared with."""

import dataclasses
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from bluebatch import errors
from bluebatch.downstream import sample_table
from bluebatch.store import digests, files, places, read

Array = npt.NDArray[Any]
N_NAMED = 5


@dataclasses.dataclass(frozen=True)
class Truth:
    """Known composition of samples, and where it is a store also their profiles.

    Parameters
    ----------
    path : str
        Where it was read.
    samples, cell_types : list of str
        Labels.
    proportion : np.ndarray, shape (sample, cell_type)
        Fraction of cells; NaN where it is not known.
    digest : str
        Of the file or store.
    store : read.Store or None
        The pseudobulk store that it comes from; None for a table.
    """

    path: str
    samples: list[str]
    cell_types: list[str]
    proportion: Array
    digest: str
    store: read.Store | None = None


@dataclasses.dataclass(frozen=True)
class Match:
    """The samples and cell types on which results and truth meet.

    Parameters
    ----------
    samples, cell_types : list of str
        Labels in common: samples in the truth's order, cell types in that of the results.
    result_rows, truth_rows : np.ndarray of int, shape (sample,)
        Their rows.
    result_types, truth_types : np.ndarray of int, shape (cell_type,)
        Their columns.
    notes : list of str
        What is not compared, and why.
    """

    samples: list[str]
    cell_types: list[str]
    result_rows: Array
    truth_rows: Array
    result_types: Array
    truth_types: Array
    notes: list[str]


def read_truth(path: str | places.Place) -> Truth:
    """Read the truth from a pseudobulk store or a table of proportions.

    Parameters
    ----------
    path : str, pathlib.Path or upath.UPath
        A pseudobulk store, or on a disk a CSV or TSV whose first column, or the one named
        ``sample``, names the samples, with one column a cell type.

    Returns
    -------
    Truth
        What is known.

    Raises
    ------
    errors.MissingInputError
        If nothing lies there.
    errors.InputFileError
        If it is neither store nor table.
    errors.ValuesError
        If a value of the table is no fraction.
    errors.LabelMismatchError
        If the table names a sample twice.
    """
    path = places.place(path)
    if isinstance(path, pathlib.Path) and path.is_file():
        return _read_table(path)
    store = read.open_store(path, "pseudobulk")
    return Truth(
        str(path),
        store.labels["sample"],
        store.labels["cell_type"],
        store.read("proportion").astype(np.float64),
        digests.of_store(path),
        store,
    )


def match(
    results: read.Store, truth: Truth, cell_types: Sequence[str] = (), split: str = "test"
) -> Match:
    """Find the samples and cell types that results and truth share.

    Parameters
    ----------
    results : read.Store
        Profile store.
    truth : Truth
        What is known.
    cell_types : sequence of str
        Types that must be compared; all in common by default.
    split : str
        Of a truth store with several splits only these rows are taken, where the results hold any.

    Returns
    -------
    Match
        Labels, rows and columns in common.

    Raises
    ------
    errors.LabelMismatchError
        If no sample or no cell type is shared, or one that was asked for is missing.
    """
    row_of = {name: row for row, name in enumerate(results.labels["sample"])}
    truth_rows = np.array([i for i, name in enumerate(truth.samples) if name in row_of], int)
    if not len(truth_rows):
        raise errors.LabelMismatchError(
            f"{truth.path}: none of its {len(truth.samples):,} samples (first: "
            f"{truth.samples[0] if truth.samples else 'none'}) is among the "
            f"{len(row_of):,} of {results.path} (first: {next(iter(row_of), 'none')}). "
            "Give the truth of the same samples, with the same names."
        )
    truth_rows, expected, note = _of_split(truth, truth_rows, split)
    notes = _unshared("sample", expected, row_of, truth.path, results.path)
    notes += _unshared("sample", list(row_of), set(truth.samples), results.path, truth.path)
    shared, type_notes = _shared_types(results, truth, cell_types)
    samples = [truth.samples[row] for row in truth_rows]
    own, known = results.labels["cell_type"], truth.cell_types
    return Match(
        samples=samples,
        cell_types=shared,
        result_rows=np.array([row_of[name] for name in samples]),
        truth_rows=truth_rows,
        result_types=np.array([own.index(name) for name in shared]),
        truth_types=np.array([known.index(name) for name in shared]),
        notes=notes + note + type_notes,
    )


def _of_split(truth: Truth, rows: Array, split: str) -> tuple[Array, list[str], list[str]]:
    """Find the rows to compare, and the samples that the results ought to hold."""
    if truth.store is None:
        return rows, truth.samples, []
    splits = truth.store.read("split")
    chosen = rows[splits[rows] == split]
    if not len(chosen):
        note = [f"none of the results' samples is of the {split} split: all in common are compared"]
        return rows, truth.samples, note
    expected = [truth.samples[row] for row in np.flatnonzero(splits == split)]
    n_left = len(rows) - len(chosen)
    note = [f"{n_left:,} samples outside the {split} split are left out"] if n_left else []
    return chosen, expected, note


def _shared_types(
    results: read.Store, truth: Truth, wanted: Sequence[str]
) -> tuple[list[str], list[str]]:
    own = results.labels["cell_type"]
    for where, labels in ((results.path, own), (truth.path, truth.cell_types)):
        missing = [name for name in wanted if name not in labels]
        if missing:
            raise errors.LabelMismatchError(
                f"{where}: lacks the cell types {', '.join(missing)}; it has "
                f"{', '.join(labels)}. Ask for those, or leave --cell-types out."
            )
    shared = [name for name in own if name in truth.cell_types and name in (wanted or own)]
    if not shared:
        raise errors.LabelMismatchError(
            f"{truth.path}: its cell types ({', '.join(truth.cell_types)}) share none with the "
            f"results' ({', '.join(own)}). Rename the columns to the model's cell types."
        )
    if wanted:
        left = [name for name in own if name in truth.cell_types and name not in wanted]
        return shared, [f"not asked for with --cell-types: {', '.join(left)}"] if left else []
    notes = _unshared("cell type", own, truth.cell_types, results.path, truth.path)
    return shared, notes + _unshared("cell type", truth.cell_types, own, truth.path, results.path)


def _unshared(
    what: str, labels: Sequence[str], others: Any, path: str, other_path: str
) -> list[str]:
    lone = [name for name in labels if name not in others]
    if not lone:
        return []
    named = ", ".join(lone[:N_NAMED]) + (", ..." if len(lone) > N_NAMED else "")
    plural = "" if len(lone) == 1 else "s"
    here, there = pathlib.Path(path).name, pathlib.Path(other_path).name
    return [f"{len(lone):,} {what}{plural} of {here} not in {there}: {named}"]


def _read_table(path: pathlib.Path) -> Truth:
    table = sample_table.read(path, "one column a cell type")
    if not len(table):
        raise errors.InputFileError(f"{path}: has no rows, needed: one row a sample. Fill it.")
    samples = table.index.tolist()
    return Truth(
        str(path),
        samples,
        table.columns.tolist(),
        _fractions(path, table, samples),
        files.file_digest(path),
    )


def _fractions(path: pathlib.Path, table: pd.DataFrame, samples: Sequence[str]) -> Array:
    gap = table.isin(sample_table.GAPS)
    numbers = table.where(~gap).apply(pd.to_numeric, errors="coerce")
    values: Array = numbers.to_numpy(dtype=np.float64)
    bad = (np.isnan(values) & ~gap.to_numpy()) | np.isinf(values) | (values < 0) | (values > 1.001)
    if bad.any():
        row, column = (int(index) for index in np.argwhere(bad)[0])
        raise errors.ValuesError(
            f"{path}: {table.iloc[row, column]!r} for {table.columns[column]} in {samples[row]} is "
            "no fraction, needed: numbers from 0 to 1. Divide per cents by 100, and drop columns "
            "that are no cell types."
        )
    return values
