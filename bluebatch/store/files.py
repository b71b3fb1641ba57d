"""Input files: opened plain or gzipped, digested, and told when they are broken."""

import csv
import gzip
import hashlib
import io
import pathlib
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, TextIO, cast

import pandas as pd

from bluebatch import errors
from bluebatch.store import places


@contextmanager
def broken_file(path: object) -> Iterator[None]:
    """Turn what readers raise on a broken file into an error that says so.

    Parameters
    ----------
    path : object
        The file, for the message.

    Yields
    ------
    None
        Nothing.

    Raises
    ------
    errors.InputFileError
        If a compressed file is truncated, or text is no table.
    """
    try:
        yield
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise errors.InputFileError(
            f"{path}: the compressed file is truncated or damaged ({error}). "
            "Copy or download it again."
        ) from error
    except (
        pd.errors.ParserError,
        pd.errors.EmptyDataError,
        UnicodeDecodeError,
        csv.Error,
    ) as error:
        raise errors.InputFileError(
            f"{path}: is not a table of text ({str(error).strip()}), needed: lines of "
            "as many fields each. Check the file."
        ) from error


def file_digest(path: places.Place) -> str:
    """Digest a file's content.

    Parameters
    ----------
    path : pathlib.Path or upath.UPath
        The file.

    Returns
    -------
    str
        SHA-256, hexadecimal.
    """
    with path.open("rb") as handle:
        return hashlib.file_digest(cast("io.BufferedReader", handle), "sha256").hexdigest()


def is_packed(path: pathlib.Path) -> bool:
    """Tell gzip by its first bytes.

    Parameters
    ----------
    path : pathlib.Path
        A file.

    Returns
    -------
    bool
        Whatever its name says.
    """
    with path.open("rb") as handle:
        return handle.read(2) == b"\x1f\x8b"


def open_lines(path: pathlib.Path) -> TextIO:
    """Open text, plain or gzipped.

    Parameters
    ----------
    path : pathlib.Path
        A file, for the caller to close.

    Returns
    -------
    TextIO
        UTF-8 text, a byte order mark removed.
    """
    raw = gzip.GzipFile(path) if is_packed(path) else path.open("rb")
    return io.TextIOWrapper(cast("BinaryIO", raw), encoding="utf-8-sig")
