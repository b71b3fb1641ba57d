"""Tables as they come: read in blocks of lines, checked to be numbers, never held whole."""

import csv
import dataclasses
import pathlib
from collections.abc import Callable, Generator, Sequence
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from bluebatch import errors
from bluebatch.store import files

# Numbers held at once: 32 MB of float64, about 100 MB while pandas parses them.
BLOCK_CELLS = 4_000_000

Axis = Literal["sample", "gene"]
Unit = Literal["counts", "TPM", "FPKM", "RSEM", "CPM"]
FloatArray = npt.NDArray[np.float64]


class Block(NamedTuple):
    """Some lines of a table: their labels and their numbers, shape (line, column)."""

    lines: list[str]
    values: FloatArray


Blocks = Generator[Block, None, None]


@dataclasses.dataclass(frozen=True)
class Table:
    """A source of numbers that is read line block by line block.

    Parameters
    ----------
    path : str
        Where it lies, for messages.
    columns : list of str
        Labels of the columns.
    blocks : callable
        Begins reading: a generator of `Block`.
    lines_are : {"sample", "gene"} or None
        What a line is, where the format says so.
    unit : str or None
        Unit of the numbers, where the format says so.
    origin : {"bulk", "pseudobulk"}
        Whether the samples are real.
    patients : dict of str to str
        Patient of each sample, where the format says so.
    normals : tuple of str
        Samples that the format calls normal tissue.
    symbols : dict of str to str
        Symbol of each gene id, where the format says so.
    notes : list of str
        What a user should know; may grow while it is read.
    """

    path: str
    columns: list[str]
    blocks: Callable[[], Blocks]
    lines_are: Axis | None = None
    unit: Unit | None = None
    origin: Literal["bulk", "pseudobulk"] = "bulk"
    patients: dict[str, str] = dataclasses.field(default_factory=dict)
    normals: tuple[str, ...] = ()
    symbols: dict[str, str] = dataclasses.field(default_factory=dict)
    notes: list[str] = dataclasses.field(default_factory=list)


def block_lines(n_columns: int) -> int:
    """Say how many lines make a block.

    Parameters
    ----------
    n_columns : int
        Numbers in a line.

    Returns
    -------
    int
        At least 1.
    """
    return max(1, BLOCK_CELLS // max(1, n_columns))


def open_text(path: pathlib.Path, gene_column: str | None = None) -> Table:
    """Open a delimited text file, plain or gzipped, whose first column labels its lines.

    Parameters
    ----------
    path : pathlib.Path
        A csv, tsv or txt file.
    gene_column : str, optional
        Column of gene names; other columns of text are then left out with a note.

    Returns
    -------
    Table
        Not yet read beyond its first lines.

    Raises
    ------
    errors.ValuesError
        If it is empty.
    errors.LabelMismatchError
        If ``gene_column`` is not there.
    errors.InputFileError
        If it cannot be read.
    """
    with files.broken_file(path):
        header, first, skip, separator = _head(path)
    if not first or len(header) + (len(first) > len(header)) < 2:
        raise errors.ValuesError(
            f"{path}: holds no table, needed: a line of labels and lines of a label and numbers. "
            "Give a csv, tsv or txt file of expression."
        )
    # R's write.table leaves the corner out of the header.
    names = header if len(first) == len(header) else ["", *header]
    label = 0
    if gene_column is not None and gene_column in names:
        label = names.index(gene_column)
    elif gene_column is not None:
        raise errors.LabelMismatchError(
            f"{path}: has no column {gene_column!r} (first: {', '.join(names[:5])}). "
            "Name the column of gene names with --gene-column."
        )
    # With a gene column named, text beside it (ids, descriptions) is annotation, not data.
    text = gene_column is not None
    annotation = {at for at, item in enumerate(first) if text and not _is_number(item)} - {label}
    taken = [at for at in range(len(names)) if at != label and at not in annotation]
    columns = [names[at] for at in taken]
    notes = [f"columns left out: {', '.join(names[at] for at in annotation)}"] * bool(annotation)

    def blocks() -> Blocks:
        with files.broken_file(path):
            reader = pd.read_csv(
                path,
                sep=separator,
                header=None,
                skiprows=skip,
                # One column more than there should be: pandas drops what is beyond in silence.
                names=range(len(names) + 1),
                # A converter keeps labels as they stand: a gene may be called NAN.
                converters={label: str.strip},
                compression="gzip" if files.is_packed(path) else None,
                chunksize=block_lines(len(taken)),
                low_memory=False,
            )
            with reader as frames:
                for frame in frames:
                    yield _block(path, frame, label, taken, columns)

    known: Axis | None = "gene" if gene_column is not None else None
    return Table(str(path), columns, blocks, lines_are=known, notes=notes)


def frame_numbers(
    path: object, frame: pd.DataFrame, lines: Sequence[str], columns: Sequence[str]
) -> FloatArray:
    """Turn a data frame into numbers, or name the first cell that is text.

    Parameters
    ----------
    path : object
        For the message.
    frame : pd.DataFrame
        Columns of numbers, as they were parsed.
    lines, columns : sequence of str
        Labels, for the message.

    Returns
    -------
    np.ndarray, shape (line, column)
        NaN where a cell is empty.

    Raises
    ------
    errors.ValuesError
        If a cell holds text.
    """
    for at, kind in enumerate(frame.dtypes):
        if kind.kind in "biuf":
            continue
        column = frame.iloc[:, at]
        numbers = pd.to_numeric(column, errors="coerce")
        wrong = np.flatnonzero(numbers.isna() & column.notna())
        if len(wrong):
            raise errors.ValuesError(
                f"{path}: row {lines[wrong[0]]!r}, column {columns[at]!r} holds the text "
                f"{str(column.iloc[wrong[0]])[:40]!r}, needed: numbers. Remove what is not "
                "expression, or name the column of gene names with --gene-column."
            )
        frame = frame.astype({frame.columns[at]: float})
    return frame.to_numpy(dtype=np.float64)


def _head(path: pathlib.Path) -> tuple[list[str], list[str], int, str]:
    skip = 0
    with files.open_lines(path) as handle:
        line = handle.readline()
        while line.startswith("#") or line.isspace():
            skip += 1
            line = handle.readline()
        following = handle.readline()
        while following.isspace():
            following = handle.readline()
    likely = "," if ".csv" in path.name.lower() else "\t"
    separator = next((mark for mark in (likely, "\t", ",", ";") if mark in following), likely)
    header, first = (
        next(csv.reader([text], delimiter=separator), []) for text in (line, following)
    )
    return [name.strip() for name in header], first, skip + 1, separator


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return not text.strip()
    return True


def _block(
    path: pathlib.Path, frame: pd.DataFrame, label: int, taken: list[int], columns: list[str]
) -> Block:
    lines = [str(name) for name in frame[label]]
    longer = np.flatnonzero(frame.iloc[:, -1].notna())
    if len(longer):
        raise errors.InputFileError(
            f"{path}: row {lines[longer[0]]!r} has more fields than the first line, needed: "
            "lines of as many fields each. Check the file."
        )
    return Block(lines, frame_numbers(path, frame[taken], lines, columns))
