"""A table of cell-type proportions as others write it: which way it lies, what is a cell type."""

import collections
import csv
import dataclasses
import pathlib
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow

from bluebatch import errors
from bluebatch.store import barcodes, files, orientation, places, tables

GAPS = ("", "NA", "NaN", "nan")
# How far a sum of fractions may be from 1, and of per cents from 100 in hundredths.
TOLERANCE = 0.02
_NAME_COLUMNS = ("sample", "mixture")
# What CIBERSORTx and xCell write beside cell types, in small letters and digits.
_NO_TYPES = frozenset(
    (
        *("p_value", "correlation", "pearson_correlation", "rmse", "absolute_score"),
        *("absolute_score_sig_score", "sig_score", "immunescore", "stromascore"),
        "microenvironmentscore",
    )
)
_FIRST = 5


@dataclasses.dataclass(frozen=True)
class Composition:
    """A table of proportions.

    Parameters
    ----------
    samples, cell_types : list of str
        Labels.
    values : np.ndarray of float64, shape (sample, cell_type)
        Fractions: rows sum to 1.
    notes : list of str
        What was made of the table, in words.
    """

    samples: list[str]
    cell_types: list[str]
    values: tables.FloatArray
    notes: list[str]


def read(source: places.Place, sample_column: str | None, asked: str | None) -> Composition:
    """Read a table of samples and cell types, in either orientation.

    Parameters
    ----------
    source : pathlib.Path or upath.UPath
        CSV or TSV, plain or gzipped, or parquet.
    sample_column : str or None
        Column that names the samples; ``sample``, ``mixture`` or the first by default.
    asked : {"genes-by-samples", "samples-by-genes"} or None
        Which way it lies, cell types in place of genes; detected by default.

    Returns
    -------
    Composition
        Fractions.

    Raises
    ------
    errors.MissingInputError
        If there is no such file.
    errors.InputFileError
        If it is no table.
    errors.LabelMismatchError
        If a column is not there, or samples or cell types are named twice.
    errors.ValuesError
        If a value is negative, missing or text, or a row has nothing but zeros.
    """
    frame = _frame(source)
    names = _name_column(source, frame, sample_column)
    by_line, how = _lines_are_samples(frame, names, asked, given=sample_column is not None)
    if not by_line:
        turned = frame.set_index(names).T
        frame, names = turned.rename_axis(index="sample", columns=None).reset_index(), "sample"
    samples = [str(name).strip() for name in frame[names]]
    _refuse_repeated(source, frame, names, samples, sample_column)
    _refuse_no_names(source, names, samples)
    cells = frame.drop(columns=names).map(lambda cell: "" if cell is None else str(cell).strip())
    values, cell_types, left_out = _numbers(source, samples, cells)
    values, cell_types, more = _without_strangers(values, cell_types)
    fractions, said = _fractions(source, samples, values)
    notes = [f"{'lines' if by_line else 'columns'} are samples, {how}; named by {names!r}"]
    if left_out or more:
        notes.append(f"columns that are no cell types, left out: {', '.join([*left_out, *more])}")
    notes += [f"cell types: {', '.join(cell_types)}", *said]
    return Composition(samples, cell_types, fractions, notes)


def _frame(source: places.Place) -> pd.DataFrame:
    with places.local_copy(source) as file:
        if not file.is_file():
            raise errors.MissingInputError(
                f"{source}: no such file, needed: a table of proportions. Check the path."
            )
        if file.suffix.lower() in (".parquet", ".pq"):
            header, rows = _read_parquet(source, file)
        else:
            header, rows = _read_text(source, file)
    repeated = [name for name, n in collections.Counter(header).items() if n > 1]
    if repeated:
        raise errors.LabelMismatchError(
            f"{source}: {len(repeated):,} columns are named more than once "
            f"({', '.join(repeated[:_FIRST])}), needed: each once. Rename or remove the copies."
        )
    if not rows or len(header) < 2:
        raise errors.InputFileError(
            f"{source}: holds {len(rows):,} lines under {len(header):,} columns, needed: samples "
            "and at least two cell types, parted by tabs, semicolons or commas. Check the file."
        )
    return pd.DataFrame(rows, columns=header, dtype=object)


def _read_text(source: places.Place, file: pathlib.Path) -> tuple[list[str], list[list[Any]]]:
    with files.broken_file(source), files.open_lines(file) as lines:
        head = next((line for line in lines if line.strip()), "")
        separator = max(("\t", ";", ","), key=head.count)
        rows = [row for row in csv.reader(lines, delimiter=separator) if any(map(str.strip, row))]
    header = [name.strip() for name in next(csv.reader([head], delimiter=separator), [])]
    if rows and len(rows[0]) == len(header) + 1:
        header = ["", *header]  # R's write.table leaves the corner out.
    for row in rows:
        if len(row) != len(header):
            raise errors.InputFileError(
                f"{source}: line {row[0]!r} has {len(row):,} fields, needed: {len(header):,} as in "
                "the first line. Check the file."
            )
    return header, rows


def _read_parquet(source: places.Place, file: pathlib.Path) -> tuple[list[str], list[list[Any]]]:
    try:
        frame = pd.read_parquet(file)
    except (OSError, ValueError, pyarrow.ArrowException) as error:
        raise errors.InputFileError(
            f"{source}: is truncated, damaged or not parquet ({str(error).strip()[:120]}). "
            "Copy or download it again."
        ) from error
    if not isinstance(frame.index, pd.RangeIndex):
        frame = frame.reset_index()
    return [str(name) for name in frame.columns], frame.astype(object).to_numpy().tolist()


def _name_column(source: places.Place, frame: pd.DataFrame, asked: str | None) -> str:
    columns = list(map(str, frame.columns))
    if asked is not None and asked not in columns:
        raise errors.LabelMismatchError(
            f"{source}: has no column {asked!r}; it has {', '.join(columns)}. Name the one of "
            "samples with --sample-column."
        )
    by_name = {name.lower(): name for name in reversed(columns)}
    known = [by_name[name] for name in _NAME_COLUMNS if name in by_name]
    return asked or next(iter(known), columns[0])


def _lines_are_samples(
    frame: pd.DataFrame, names: str, asked: str | None, *, given: bool
) -> tuple[bool, str]:
    if asked is not None:
        return asked == orientation.SAMPLES_BY_GENES, "as given"
    if given or names.lower() in _NAME_COLUMNS:
        return True, "by the name of a column"
    labels = [str(name) for name in frame[names]]
    columns = [str(name) for name in frame.columns if name != names]
    for tell in (_no_type_share, barcodes.barcode_share):
        of_lines, of_columns = tell(labels), tell(columns)
        if of_lines != of_columns:
            return (of_lines > of_columns) == (tell is barcodes.barcode_share), "by the names"
    numbers = frame.drop(columns=names).apply(pd.to_numeric, errors="coerce")
    across, down = (_near(numbers.sum(axis=axis).to_numpy(dtype=float)) for axis in (1, 0))
    if across != down:
        return across, "by their sums"
    return True, "by default (else give --orientation genes-by-samples)"


def _no_type_share(labels: Sequence[str]) -> float:
    return sum(_plain(label) in _NO_TYPES for label in labels) / max(1, len(labels))


def _refuse_repeated(
    source: places.Place, frame: pd.DataFrame, names: str, samples: list[str], asked: str | None
) -> None:
    repeated = [name for name, n in collections.Counter(samples).items() if n > 1]
    if not repeated:
        return
    others = [
        str(name)
        for name in frame.columns
        if name != names and frame[name].is_unique and not _parses(frame[name]).any()
    ]
    hint = f" ({', '.join(others)} would do)" if others else ""
    raise errors.LabelMismatchError(
        f"{source}: {len(repeated):,} sample names occur more than once in {names!r} "
        f"({', '.join(repeated[:_FIRST])}), needed: each once. Name another column with "
        f"--sample-column{hint}, or rename the copies."
    )


def _refuse_no_names(source: places.Place, names: str, samples: list[str]) -> None:
    n_empty = sum(name in GAPS for name in samples)
    fractions = pd.to_numeric(pd.Series(samples), errors="coerce") % 1 > 0
    if n_empty or fractions.all():
        found = f"{n_empty:,} empty names" if n_empty else "numbers in place of names"
        raise errors.LabelMismatchError(
            f"{source}: has {found} in {names!r}, needed: a name for each sample. Name the column "
            "of samples with --sample-column."
        )


def _numbers(
    source: places.Place, samples: Sequence[str], cells: pd.DataFrame
) -> tuple[tables.FloatArray, list[str], list[str]]:
    kept, left_out = [], []
    for name in map(str, cells.columns):
        if _plain(name) in _NO_TYPES:
            left_out.append(name)
        elif not _parses(cells[name]).any():
            left_out.append(f"{name} (text)")
        else:
            kept.append(name)
    if len(kept) < 2:
        raise errors.LabelMismatchError(
            f"{source}: has {len(kept)} columns of numbers that may be cell types, needed: at "
            "least 2. Check the file, or give --orientation."
        )
    values = cells[kept].apply(pd.to_numeric, errors="coerce").to_numpy(dtype=np.float64)
    wrong = np.argwhere(~np.isfinite(values) | (values < 0))
    if len(wrong):
        row, column = wrong[0]
        raise errors.ValuesError(
            f"{source}: row {samples[row]!r}, column {kept[column]!r} holds "
            f"{cells[kept[column]].iloc[row]!r}, the first of {len(wrong):,} such cells, needed: "
            "numbers from 0. Correct it, or remove the row or column."
        )
    return values, kept, left_out


def _without_strangers(
    values: tables.FloatArray, names: list[str]
) -> tuple[tables.FloatArray, list[str], list[str]]:
    """Set the one column aside without which the others sum to 1, or to 100, in every row."""
    sums = values.sum(axis=1)
    if _near(sums) or len(names) < 3:
        return values, names, []
    strangers = [at for at in range(len(names)) if _near(sums - values[:, at])]
    if len(strangers) != 1:
        return values, names, []
    at = strangers[0]
    said = f"{names[at]} (the others sum to 1 without it)"
    return np.delete(values, at, axis=1), [*names[:at], *names[at + 1 :]], [said]


def _fractions(
    source: places.Place, samples: Sequence[str], values: tables.FloatArray
) -> tuple[tables.FloatArray, list[str]]:
    sums = values.sum(axis=1)
    empty = [samples[int(at)] for at in np.flatnonzero(sums == 0)]
    if empty:
        raise errors.ValuesError(
            f"{source}: {len(empty):,} samples have nothing but zeros "
            f"({', '.join(empty[:_FIRST])}), needed: some cell type in each. Remove these rows."
        )
    whole = 100.0 if abs(np.median(sums) / 100 - 1) < TOLERANCE else 1.0
    unit = "per cents" if whole == 100 else "fractions" if _near(sums) else "scores"
    notes = [f"{unit}: row sums {sums.min():.6g} to {sums.max():.6g}, divided by them"]
    far = np.flatnonzero(np.abs(sums / whole - 1) >= TOLERANCE)
    if len(far) and abs(np.median(sums) / whole - 1) < TOLERANCE:
        named = ", ".join(f"{samples[int(at)]}: {sums[at]:.4g}" for at in far[:_FIRST])
        notes.append(
            f"warning: the rows of most samples sum to {whole:g}, those of {len(far):,} do not "
            f"({named})"
        )
    return values / sums[:, None], notes


def _near(sums: tables.FloatArray) -> bool:
    return any(bool(np.all(np.abs(sums / whole - 1) < TOLERANCE)) for whole in (1.0, 100.0))


def _parses(column: "pd.Series[str]") -> "pd.Series[bool]":
    return pd.to_numeric(column.where(~column.isin(GAPS)), errors="coerce").notna()


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
