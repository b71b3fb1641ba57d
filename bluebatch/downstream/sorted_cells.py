"""Profiles measured in sorted cells, and the mean predicted profiles beside them."""

import pathlib
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from bluebatch import errors
from bluebatch.downstream import mean_profiles, truth, yardsticks
from bluebatch.expression import metrics
from bluebatch.store import files, genes, read, schema

Array = npt.NDArray[Any]
MIN_GENES = 10
# No linear table of expression stays below it; log2(1 + TPM) never passes it.
MAX_LOGGED = 25.0
N_NAMED = 5


def read_profiles(path: str | pathlib.Path, cell_types: list[str]) -> pd.DataFrame:
    """Read a table of profiles by cell type, in either orientation.

    Parameters
    ----------
    path : str or pathlib.Path
        CSV or TSV, linear (TPM or CPM), labels in its first line and column: cell types by genes
        or genes by cell types. A type that stands there several times, such as sorted
        subpopulations under one name, is averaged in log2.
    cell_types : list of str
        Types of the results, by which the orientation is told.

    Returns
    -------
    pd.DataFrame
        Log2(1 + value), one row a cell type in common, in the order of the results. What is not
        compared stands in ``attrs["notes"]``.

    Raises
    ------
    errors.BluebatchError
        If it cannot be read, shares no cell type, names a gene twice, or its values are not linear
        expression.
    """
    path = pathlib.Path(path)
    lines, columns, text = _read_cells(path)
    if len(set(columns) & set(cell_types)) > len(set(lines) & set(cell_types)):
        lines, columns, text = columns, lines, text.T
    shared = [name for name in cell_types if name in lines]
    if not shared:
        raise errors.LabelMismatchError(
            f"{path}: neither its lines (first: {_first(lines)}) nor its columns (first: "
            f"{_first(columns)}) are cell types of the results ({', '.join(cell_types)}). "
            "Name them as the results do."
        )
    repeated = pd.Series(columns)[pd.Series(columns).duplicated()]
    if len(repeated):
        raise errors.LabelMismatchError(
            f"{path}: names the gene {repeated.iloc[0]} twice. Keep one profile of it."
        )
    frame = pd.DataFrame(_linear(path, text, lines, columns), index=lines, columns=columns)
    logged = pd.DataFrame(np.log2(1 + frame.loc[shared].to_numpy()), index=frame.loc[shared].index)
    profiles = logged.set_axis(columns, axis=1).groupby(level=0).mean().loc[shared]
    profiles.attrs["notes"] = _notes(path, lines, cell_types)
    return profiles


def compare(
    results: read.Store,
    matched: truth.Match,
    sorted_profiles: pd.DataFrame,
    simple: yardsticks.Yardsticks | None,
    title: str,
) -> mean_profiles.MeanProfiles:
    """Lay the mean predicted profiles of the compared samples beside those of sorted cells.

    Parameters
    ----------
    results : read.Store
        Profile store.
    matched : truth.Match
        Its samples are averaged; in which the model finds a type absent are not.
    sorted_profiles : pd.DataFrame, shape (cell_type, gene)
        As `read_profiles` gives it.
    simple : yardsticks.Yardsticks or None
        Baselines of the model, for its mean training profile.
    title : str
        What the sorted cells are called.

    Returns
    -------
    mean_profiles.MeanProfiles
        On the genes in common.

    Raises
    ------
    errors.LabelMismatchError
        If fewer than ten genes are shared.
    """
    own = results.labels["gene"]
    found = genes.match(own, list(sorted_profiles.columns)).index
    kept = np.flatnonzero(found >= 0)
    if len(kept) < MIN_GENES:
        raise errors.LabelMismatchError(
            f"{title}: shares {len(kept)} genes with the results' {len(own):,} (first of both: "
            f"{_first(list(sorted_profiles.columns))}; {_first(own)}), needed: {MIN_GENES}. "
            "Name the genes as the model does."
        )
    names = list(sorted_profiles.index)
    predicted = _mean_predicted(results, matched.result_rows, names)[:, kept]
    shared = [own[at] for at in kept]
    predictors = {"model": predicted}
    if simple is not None:
        columns = genes.match(shared, simple.genes).index
        rows = [simple.cell_types.index(name) for name in names]
        predictors["training mean"] = np.asarray(simple.fitted.mean, float)[rows][:, columns]
    return mean_profiles.MeanProfiles(
        title,
        names,
        shared,
        sorted_profiles.to_numpy(dtype=float)[:, found[kept]],
        predictors,
        list(sorted_profiles.attrs.get("notes", [])),
    )


def _mean_predicted(results: read.Store, rows: Array, names: list[str]) -> Array:
    array: Any = results.group["profile"]
    rows = np.sort(rows)
    sums = np.zeros((len(names), len(results.labels["gene"])))
    n_seen = np.zeros(sums.shape)
    for start in range(0, len(rows), schema.ROWS_PER_CHUNK):
        block = rows[start : start + schema.ROWS_PER_CHUNK]
        for index, name in enumerate(names):
            at = results.labels["cell_type"].index(name)
            values = array.get_orthogonal_selection((block, at, slice(None))).astype(np.float64)
            n_seen[index] += np.isfinite(values).sum(axis=0)
            sums[index] += np.nansum(values, axis=0)
    return metrics.ratio(sums, n_seen)


def _read_cells(path: pathlib.Path) -> tuple[list[str], list[str], Array]:
    if not path.is_file():
        raise errors.MissingInputError(f"{path}: no such file. Give --profiles a table.")
    # Without a header: pandas would rename a cell type that stands in it twice.
    with files.broken_file(path):
        separator = "\t" if ".tsv" in path.suffixes or ".txt" in path.suffixes else ","
        cells = pd.read_csv(path, sep=separator, header=None, dtype=str, keep_default_na=False)
    if min(cells.shape) < 2:
        raise errors.InputFileError(
            f"{path}: has {cells.shape[0]:,} lines and {cells.shape[1]:,} columns, needed: labels "
            "in the first line and column, and values. Give a table of profiles."
        )
    table = cells.to_numpy(dtype=object)
    return [str(x) for x in table[1:, 0]], [str(x) for x in table[0, 1:]], table[1:, 1:]


def _linear(path: pathlib.Path, text: Array, lines: list[str], columns: list[str]) -> Array:
    numbers: Array = pd.DataFrame(text).apply(pd.to_numeric, errors="coerce").to_numpy(dtype=float)
    bad = ~(np.isfinite(numbers) & (numbers >= 0))
    if bad.any():
        row, column = (int(index) for index in np.argwhere(bad)[0])
        raise errors.ValuesError(
            f"{path}: {text[row, column]!r} for {columns[column]} in {lines[row]} is no linear "
            "expression, needed: numbers of 0 or more. Give TPM or CPM."
        )
    if numbers.max() <= MAX_LOGGED:
        raise errors.ValuesError(
            f"{path}: its largest value is {numbers.max():.3g}, so it looks logged, needed: linear "
            "TPM or CPM. Undo the logarithm."
        )
    return numbers


def _notes(path: pathlib.Path, lines: list[str], cell_types: list[str]) -> list[str]:
    notes = []
    for where, names, others in (
        (path.name, list(dict.fromkeys(lines)), cell_types),
        ("the results", cell_types, lines),
    ):
        lone = [name for name in names if name not in others]
        if lone:
            notes.append(f"profiles: {len(lone):,} cell types of {where} alone: {_first(lone)}")
    return notes


def _first(names: list[str]) -> str:
    return ", ".join(names[:N_NAMED]) + (", ..." if len(names) > N_NAMED else "")
