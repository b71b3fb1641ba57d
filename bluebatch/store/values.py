"""What the numbers of a table are: linear or logged, counts or TPM; checked block by block."""

import dataclasses
from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from bluebatch import errors
from bluebatch.store import tables

Logged = Literal["log2(x+1)", "log2(x+0.001)", "log1p"]

_OFFSET: dict[Logged, float] = {"log2(x+1)": 1.0, "log2(x+0.001)": 1e-3, "log1p": 1.0}
# Rounding to two decimals moves the smallest logarithm by .35 % of the offset.
_ROUNDING = 0.01
# log2 of the largest library ever sequenced is below 40.
_LARGEST_LOG = 50.0
_LARGEST_LOGGED_GUESS = 30.0
_LARGEST = float(np.finfo(np.float32).max)
_MILLION = 1e6
# Gene lists are often cut a little: Monaco's TPM over named genes sum to .97 million.
_MILLION_TOLERANCE = 0.05


@dataclasses.dataclass
class Tally:
    """What has been seen of a table so far.

    Parameters
    ----------
    whole : bool
        Whether every number was whole.
    largest : float
        Largest number, linear.
    n_clipped : int
        Tiny negatives that unlogging left and that became 0.
    line_sums : list of np.ndarray
        Sums of the lines, block by block.
    column_sums : np.ndarray or float
        Sums of the columns.
    """

    whole: bool = True
    largest: float = 0.0
    n_clipped: int = 0
    line_sums: list[tables.FloatArray] = dataclasses.field(default_factory=list)
    column_sums: tables.FloatArray | float = 0.0

    def sums(self, lines_are: tables.Axis) -> tables.FloatArray:
        """Give the sum of each sample.

        Parameters
        ----------
        lines_are : {"sample", "gene"}
            What a line is.

        Returns
        -------
        np.ndarray, shape (sample,)
            In the table's unit.
        """
        lines = np.concatenate([*self.line_sums, np.empty(0)])
        return lines if lines_are == "sample" else np.asarray(self.column_sums, dtype=np.float64)


def take_in(
    path: str,
    block: tables.Block,
    columns: Sequence[str],
    logged: Logged | None,
    tally: Tally,
) -> npt.NDArray[np.float32]:
    """Check a block, undo its logarithm and count it in.

    Parameters
    ----------
    path : str
        For messages.
    block : tables.Block
        As read.
    columns : sequence of str
        Labels of the columns.
    logged : str or None
        The logarithm to undo.
    tally : Tally
        Changed in place.

    Returns
    -------
    np.ndarray, shape (line, column)
        Linear, finite, not negative.

    Raises
    ------
    errors.ValuesError
        If a number is missing, infinite or negative, or is not of the logarithm named.
    """
    values = block.values
    _refuse(path, block, columns, np.isnan(values), "holds no number (empty or NaN)", _FILL)
    _refuse(path, block, columns, np.isinf(values), "is infinite", _FILL)
    if logged is not None:
        wrong = values > _LARGEST_LOG
        _refuse(path, block, columns, wrong, f"is too large for {logged}", _NOT_LOGGED)
        values = unlog(values, logged)
        tiny = (values < 0) & (values >= -_ROUNDING * _OFFSET[logged])
        tally.n_clipped += int(tiny.sum())
        values = np.where(tiny, 0.0, values)
        _refuse(path, block, columns, values < 0, f"is no {logged} of expression", _OTHER_LOG)
    _refuse(path, block, columns, values < 0, "is negative", _NEGATIVE)
    _refuse(path, block, columns, values > _LARGEST, "is too large for expression", _FILL)
    nearest = np.rint(values)
    # Whole numbers come back from a rounded logarithm only nearly whole.
    slack = 0.0 if logged is None else 1e-4
    tally.whole &= bool((np.abs(values - nearest) <= slack * (1 + np.minimum(values, 1e3))).all())
    tally.largest = max(tally.largest, float(values.max(initial=0.0)))
    tally.line_sums.append(values.sum(axis=1))
    tally.column_sums = tally.column_sums + values.sum(axis=0)
    return values.astype(np.float32)


def unlog(values: tables.FloatArray, logged: Logged) -> tables.FloatArray:
    """Undo a logarithm.

    Parameters
    ----------
    values : np.ndarray
        Logged expression.
    logged : {"log2(x+1)", "log2(x+0.001)", "log1p"}
        Which logarithm.

    Returns
    -------
    np.ndarray
        Linear; slightly below 0 where rounding made it so.
    """
    if logged == "log1p":
        return np.asarray(np.expm1(values), dtype=np.float64)
    return np.asarray(np.exp2(values) - _OFFSET[logged], dtype=np.float64)


def decide_unit(
    path: str,
    tally: Tally,
    sample_sums: tables.FloatArray,
    asked: tables.Unit | None,
    *,
    logged: bool,
) -> tuple[tables.Unit, list[str]]:
    """Say what the numbers are, or refuse to guess.

    Parameters
    ----------
    path : str
        For messages.
    tally : Tally
        Of the whole table.
    sample_sums : np.ndarray, shape (sample,)
        Sum of each sample, linear.
    asked : str or None
        What the user says they are.
    logged : bool
        Whether a logarithm was undone.

    Returns
    -------
    unit : str
        Unit of the linear numbers.
    notes : list of str
        What was seen, in words.

    Raises
    ------
    errors.ValuesError
        If they look logged, or nothing tells their unit.
    """
    middle = float(np.median(sample_sums))
    millions = abs(middle / _MILLION - 1) <= _MILLION_TOLERANCE
    if not tally.whole and tally.largest < _LARGEST_LOGGED_GUESS and not (millions or logged):
        raise errors.ValuesError(
            f"{path}: looks logged (largest value {tally.largest:.4g}, samples sum to "
            f"{middle:.4g}), needed: linear expression. Give --logged 'log2(x+1)' (or "
            "'log2(x+0.001)', 'log1p') and the unit with --unit."
        )
    if asked is not None:
        return asked, _doubts(asked, tally, millions, middle)
    if tally.whole:
        return "counts", ["unit: counts, since every number is whole"]
    if millions:
        return "TPM", [f"unit: TPM or CPM (samples sum to {middle:,.0f}), taken as TPM"]
    raise errors.ValuesError(
        f"{path}: the unit cannot be told (numbers are not whole, samples sum to {middle:,.0f}), "
        "needed: counts, TPM, FPKM, RSEM or CPM. Name it with --unit."
    )


def describe(tally: Tally, sample_sums: tables.FloatArray) -> list[str]:
    """Say what a user should know of the numbers.

    Parameters
    ----------
    tally : Tally
        Of the whole table.
    sample_sums : np.ndarray, shape (sample,)
        Sum of each sample.

    Returns
    -------
    list of str
        Notes; none where all is well.
    """
    notes = []
    if tally.n_clipped:
        notes.append(f"values: {tally.n_clipped:,} tiny negatives became 0")
    n_empty = int((sample_sums == 0).sum())
    if n_empty:
        notes.append(f"warning: {n_empty:,} samples hold nothing but zeros")
    return notes


_FILL = "Expression must be a finite number of at least 0: mend or remove that row or column."
_NOT_LOGGED = "Leave --logged out, or name the logarithm that was taken."
_OTHER_LOG = "Name the logarithm that was taken with --logged ('log2(x+0.001)' reaches -9.97)."
_NEGATIVE = (
    "Expression is never negative: if the table is logged, give --logged 'log2(x+0.001)'; "
    "if it is centred or batch-corrected, give the table from before."
)


def _doubts(unit: tables.Unit, tally: Tally, millions: bool, middle: float) -> list[str]:
    if unit == "counts" and not tally.whole:
        return ["unit: counts as given, though not every number is whole"]
    if unit in ("TPM", "CPM") and not millions:
        return [f"unit: {unit} as given, though samples sum to {middle:,.0f}, not 1,000,000"]
    return []


def _refuse(
    path: str,
    block: tables.Block,
    columns: Sequence[str],
    wrong: npt.NDArray[np.bool_],
    found: str,
    advice: str,
) -> None:
    if not wrong.any():
        return
    line, column = (int(at) for at in np.argwhere(wrong)[0])
    raise errors.ValuesError(
        f"{path}: row {block.lines[line]!r}, column {columns[column]!r} {found} "
        f"(value {block.values[line, column]:g}; {int(wrong.sum()):,} like it in this block). "
        f"{advice}"
    )
