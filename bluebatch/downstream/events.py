"""What the words of a column of events mean: 1 for the event, 0 for censored."""

import collections
import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from bluebatch import errors
from bluebatch.downstream import sample_table

FloatArray = npt.NDArray[np.float64]

N_NAMED = 8
# What stands for an unknown time or event beside the gaps of any table, in small letters.
UNKNOWN = frozenset(
    (
        *(gap.lower() for gap in sample_table.GAPS),
        *("n/a", "none", "null", "unknown", "not reported", "not available", "[not available]"),
        *("[unknown]", "[not applicable]", "not applicable", "--", "'--", "."),
    )
)
_WORDS = {
    **dict.fromkeys(("1", "true", "yes", "y", "event", "dead", "deceased", "died", "death"), 1),
    **dict.fromkeys(("relapse", "relapsed", "recurred", "progressed", "progression"), 1),
    **dict.fromkeys(("recurred/progressed", "recurrence"), 1),
    **dict.fromkeys(("0", "false", "no", "n", "no event", "none observed", "alive", "living"), 0),
    **dict.fromkeys(("censored", "censor", "disease free", "diseasefree", "progression free"), 0),
}


class Column(NamedTuple):
    """What a column says of each row.

    Parameters
    ----------
    values : np.ndarray of float64, shape (row,)
        Numbers, NaN where it says nothing.
    notes : list of str
        What was made of it, in words.
    """

    values: FloatArray
    notes: list[str]


def read(where: object, text: pd.Series, words: Sequence[str] = ()) -> Column:
    """Read events as 1 and 0, whatever they are called.

    Parameters
    ----------
    where : object
        The table, for messages.
    text : pd.Series of str
        The column.
    words : sequence of str
        What means the event, where that is told; everything else is none.

    Returns
    -------
    Column
        1 for the event, 0 for none, NaN where it is missing.

    Raises
    ------
    errors.ValuesError
        If a value is not known, or 1 and 0 cannot be told apart.
    errors.LabelMismatchError
        If nobody has one of ``words``.
    """
    counts = collections.Counter(text[~is_unknown(text)])
    if words:
        missing = [word for word in words if word not in counts]
        if missing:
            raise errors.LabelMismatchError(
                f"{where}: nobody has {missing[0]!r} in {text.name!r}; it has {_count(counts)}. "
                "Name values of these with --event-values."
            )
        meaning = {value: int(value in words) for value in counts}
    else:
        meaning = _meanings(where, str(text.name), counts)
    said = ", ".join(
        f"{value} = {meaning[value]} ({n:,})"
        for value, n in sorted(counts.items(), key=lambda item: (-meaning[item[0]], item[0]))
    )
    r_coding = " (as in R: 1 is censored, 2 the event)" if _is_r_coded(counts) and not words else ""
    notes = [f"event: {text.name}, {said}{r_coding}"]
    if 0 not in meaning.values():
        notes.append(f"warning: by {text.name} nobody is censored: is it the right column?")
    if not words and "censor" in str(text.name).lower():
        notes.append(
            f"warning: {text.name} is named for censoring, and 1 is taken for the event: where 1 "
            "means censored, give --event-values 0"
        )
    return Column(text.map(meaning).to_numpy(dtype=np.float64), notes)


def is_unknown(text: pd.Series) -> "pd.Series[bool]":
    """Tell which cells say nothing.

    Parameters
    ----------
    text : pd.Series of str
        A column of times or events.

    Returns
    -------
    pd.Series of bool
        True for gaps and for what sources write in place of them.
    """
    return text.str.lower().isin(UNKNOWN)


def _meanings(where: object, column: str, counts: collections.Counter[str]) -> dict[str, int]:
    meaning = {value: _meaning(value) for value in counts}
    if _is_r_coded(counts):
        return {value: int(_as_number(value) == 2.0) for value in counts}
    unknown = [value for value in counts if meaning[value] is None]
    if not counts:
        raise errors.ValuesError(
            f"{where}: {column!r} says nothing in any row, needed: 0 and 1, or words such as Alive "
            "and Dead. Fill it, or name another column with --event."
        )
    if unknown:
        raise errors.ValuesError(
            f"{where}: cannot tell events in {column!r}, which has {_count(counts)}; needed: 0 and "
            "1, or words such as Alive and Dead. Give the values that mean the event with "
            "--event-values A,B."
        )
    return {value: int(known) for value, known in meaning.items() if known is not None}


def _meaning(value: str) -> int | None:
    plain = value.lower()
    number = _as_number(plain)
    if number in (0.0, 1.0):
        return int(number)
    coded = re.match(r"([01])\s*:", plain)  # cBioPortal: 1:DECEASED
    return int(coded.group(1)) if coded else _WORDS.get(plain)


def _is_r_coded(counts: collections.Counter[str]) -> bool:
    return {_as_number(value) for value in counts} == {1.0, 2.0}


def _as_number(value: str) -> float | None:
    try:
        return float(value)
    except ValueError:
        return None


def _count(counts: collections.Counter[str]) -> str:
    named = [f"{value} ({n:,})" for value, n in counts.most_common(N_NAMED)]
    return ", ".join(named) + (", ..." if len(counts) > N_NAMED else "") or "nothing"
