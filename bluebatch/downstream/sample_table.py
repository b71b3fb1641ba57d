"""A table of text that says something of each sample: attributes, or known proportions."""

from typing import TextIO

import pandas as pd

from bluebatch import errors
from bluebatch.store import files, places

SEPARATORS = ("\t", ";", ",")
# What stands in a cell of which nothing is known.
GAPS = ("", "NA", "NaN", "nan")


def read(table: str | places.Place, columns: str = "an attribute") -> pd.DataFrame:
    """Read what a table says of samples, as it stands there.

    Parameters
    ----------
    table : str, pathlib.Path or upath.UPath
        CSV or TSV, plain or gzipped, whose first column, or the one named ``sample``, names the
        samples.
    columns : str
        What is looked for beside the samples, for the message where there is nothing.

    Returns
    -------
    pd.DataFrame
        Text, one row a sample; missing alone where a line ends early. The index holds the samples
        under the name of their column.

    Raises
    ------
    errors.MissingInputError
        If there is no such file.
    errors.InputFileError
        If it is no table, has no column beside the samples, or lines longer than its header.
    errors.LabelMismatchError
        If it names a sample twice.
    """
    frame = text(table, columns)
    names = "sample" if "sample" in frame.columns else frame.columns[0]
    repeated = frame[names][frame[names].duplicated()]
    if len(repeated):
        raise errors.LabelMismatchError(
            f"{table}: names the sample {repeated.iloc[0]} twice. Keep one row a sample."
        )
    return frame.set_index(names)


def text(table: str | places.Place, columns: str = "an attribute") -> pd.DataFrame:
    """Read a table of text without choosing the column that names its rows.

    Parameters
    ----------
    table : str, pathlib.Path or upath.UPath
        CSV or TSV, plain or gzipped. Remarks above its header, as cBioPortal writes them, are
        passed over: two lines or more that begin with ``#``.
    columns : str
        What is looked for beside the samples, for the message where there is nothing.

    Returns
    -------
    pd.DataFrame
        Text, as it stands there; missing alone where a line ends early.

    Raises
    ------
    errors.MissingInputError
        If there is no such file.
    errors.InputFileError
        If it is a folder or no table, has but one column, or lines longer than its header.
    """
    with places.local_copy(places.place(table)) as file:
        if file.is_dir():
            raise errors.InputFileError(f"{table}: is a folder, needed: a table. Give a file.")
        if not file.is_file():
            raise errors.MissingInputError(f"{table}: no such file. Check the path.")
        with files.broken_file(table), files.open_lines(file) as lines:
            start = _after_remarks(lines)
            lines.seek(start)
            head = next((line for line in lines if line.strip()), "")
            lines.seek(start)
            # A sniffed separator may be a letter where there is but one column.
            separator = max(SEPARATORS, key=head.count)
            # Text alone: "NA" may be a sample, and a wrong number must be named as it stands.
            # The slower engine tells a line that ends early from one with empty fields.
            frame = pd.read_csv(
                lines, sep=separator, engine="python", dtype=str, keep_default_na=False
            )
    if not isinstance(frame.index, pd.RangeIndex):
        # The reader takes what is too much for labels, and samples for values.
        raise errors.InputFileError(
            f"{table}: its lines have more fields than its header, needed: as many each. Name "
            "every column."
        )
    if frame.shape[1] < 2:
        raise errors.InputFileError(
            f"{table}: has {frame.shape[1]} columns, needed: samples and {columns}, parted by "
            "tabs, semicolons or commas. Fill it."
        )
    return frame


def _after_remarks(lines: TextIO) -> int:
    start = n_remarks = 0
    # One such line may be the header itself.
    while lines.readline().startswith("#"):
        n_remarks += 1
        start = lines.tell()
    return start if n_remarks > 1 else 0
