"""What a page is made of: sections with notes, pictures and tables, each written as files too."""

import csv
import dataclasses
import math
from collections.abc import Iterable, Sequence
from typing import Any, Literal

import numpy as np
from matplotlib.figure import Figure

from bluebatch.downstream import figures
from bluebatch.store import outputs, places

Value = str | int | float | bool | None
Row = Sequence[Value]
# In place of how many digits a column has.
P_VALUE = -1
Level = Literal["good", "careful", "poor", "unknown"]


@dataclasses.dataclass(frozen=True)
class Table:
    """Rows of values under a heading.

    Parameters
    ----------
    name : str
        Of its file, without the extension.
    title : str
        Heading on the page.
    columns : list of str
        Their names.
    rows : sequence of sequence
        Text, numbers, or None for what is not known.
    caption : str
        What it shows, and of how many.
    digits : int
        Of fractions on the page; files have them all.
    whole : iterable of sequence or None
        Rows of the file, read once, where the page shows but some.
    p_columns : tuple of str
        Columns of p-values, written as figures write them.
    """

    name: str
    title: str
    columns: list[str]
    rows: Sequence[Row]
    caption: str = ""
    digits: int = 3
    whole: Iterable[Row] | None = None
    p_columns: tuple[str, ...] = ()

    def all_rows(self) -> Iterable[Row]:
        """Give the rows of the table's file.

        Returns
        -------
        iterable of sequence
            Those of the page, and where it shows but some, all others.
        """
        return self.rows if self.whole is None else self.whole

    def cells(self) -> list[list["Cell"]]:
        """Lay the rows out for the page.

        Returns
        -------
        list of list of Cell
            By row.
        """
        # Per cents take no decimals.
        digits = [
            P_VALUE if name in self.p_columns else 0 if name.endswith("(%)") else self.digits
            for name in self.columns
        ]
        return [
            [_cell(value, n_digits) for value, n_digits in zip(row, digits, strict=True)]
            for row in self.rows
        ]


@dataclasses.dataclass(frozen=True)
class Cell:
    """One value as the page shows it.

    Parameters
    ----------
    text : str
        For the reader.
    key : str
        By which a column is sorted; empty for what is not known.
    is_number : bool
        Whether it is set to the right and sorted by size.
    """

    text: str
    key: str
    is_number: bool


@dataclasses.dataclass(frozen=True)
class Picture:
    """A figure, and the numbers behind it.

    Parameters
    ----------
    name : str
        Of its files, without the extension.
    title, caption : str
        Heading; what it shows, and of how many.
    figure : Figure
        Not yet saved.
    columns : list of str
        Of the numbers.
    rows : iterable of sequence
        The numbers; read once.
    """

    name: str
    title: str
    caption: str
    figure: Figure
    columns: list[str]
    rows: Iterable[Row]


@dataclasses.dataclass(frozen=True)
class Statement:
    """What the numbers say about how far the results can be trusted.

    Parameters
    ----------
    level : {"good", "careful", "poor", "unknown"}
        How well it looks.
    subject, text : str
        What it is about; the finding in a sentence or two.
    """

    level: Level
    subject: str
    text: str


@dataclasses.dataclass
class Section:
    """A part of the page.

    Parameters
    ----------
    name, title : str
        Anchor and heading.
    notes : list of str
        Paragraphs: how to read it, what is missing and why.
    details : list of str
        Points of a list: what other commands noted.
    pictures : list of Picture
        Drawn in order.
    tables : list of Table
        Below the pictures.
    images : list of tuple of str and bytes
        Titles and PNG files made elsewhere.
    """

    name: str
    title: str
    notes: list[str] = dataclasses.field(default_factory=list)
    details: list[str] = dataclasses.field(default_factory=list)
    pictures: list[Picture] = dataclasses.field(default_factory=list)
    tables: list[Table] = dataclasses.field(default_factory=list)
    images: list[tuple[str, bytes]] = dataclasses.field(default_factory=list)


def write_csv(file: places.Place, columns: Sequence[str], rows: Iterable[Row]) -> None:
    """Write a table, whole or not at all.

    Parameters
    ----------
    file : pathlib.Path or upath.UPath
        Replaced if it is there.
    columns : sequence of str
        Header.
    rows : iterable of sequence
        Taken one by one; what is not known is left empty.
    """
    with (
        outputs.whole_file(file) as temporary,
        temporary.open("w", newline="", encoding="utf-8") as text,
    ):
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows([_plain(value) for value in row] for row in rows)


def is_known(value: Any) -> bool:
    """Tell whether there is a value.

    Parameters
    ----------
    value : Any
        Of a table.

    Returns
    -------
    bool
        False for None, NaN and infinity.
    """
    if value is None:
        return False
    return not isinstance(value, float | np.floating) or math.isfinite(value)


def _cell(value: Value, digits: int) -> Cell:
    if not is_known(value):
        return Cell("-", "", is_number=True)
    if isinstance(value, bool | np.bool_):
        return Cell("yes" if value else "no", str(int(value)), is_number=False)
    if isinstance(value, int | np.integer):
        return Cell(f"{value:,}", str(int(value)), is_number=True)
    if isinstance(value, float | np.floating):
        if digits == P_VALUE:
            return Cell(figures.p_text(float(value)), f"{value:.9g}", is_number=True)
        # Of a small number its size is what counts.
        small = 0 < abs(value) < 0.5 * 10.0**-digits
        text = f"{value:.1e}" if small else f"{value:,.{digits}f}"
        return Cell(text, f"{value:.9g}", is_number=True)
    return Cell(str(value), str(value), is_number=False)


def _plain(value: Value) -> str:
    if not is_known(value):
        return ""
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, float | np.floating):
        return f"{value:.6g}"
    return str(value)
