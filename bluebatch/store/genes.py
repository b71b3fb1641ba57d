"""Gene names: told apart, mapped, summed and matched, and never altered in silence."""

import dataclasses
import pathlib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from bluebatch import errors
from bluebatch.store import files

_ENSEMBL = re.compile(r"^(ENS[A-Z]*[GT]\d{11})(\.\d+)?(_PAR_Y)?$")
_EXCEL_DATE = re.compile(
    r"^(\d{1,2}-(Mar|Sep|Dec|Oct|Apr|Feb|Nov)|(Mar|Sep|Dec|Oct|Apr|Feb|Nov)-\d{1,2}"
    r"|\d{4}[-/]\d{1,2}[-/]\d{1,2}( 00:00:00)?|\d{1,2}/\d{1,2}/\d{2,4})$",
    re.IGNORECASE,
)
FIRST = 5  # names listed in a report
MAP_ADVICE = "Map its names with `bluebatch ingest --gene-map FILE` (two columns: from, to)."


@dataclasses.dataclass(frozen=True)
class Match:
    """Where the genes that are wanted stand among those that are available.

    Parameters
    ----------
    index : np.ndarray of int64, shape (wanted,)
        Position among the available; -1 where a gene is missing.
    missing : list of str
        Wanted genes that are not available, in order.
    hint : str
        What may be wrong where much is missing; else empty.
    """

    index: npt.NDArray[np.int64]
    missing: list[str]
    hint: str

    @property
    def coverage(self) -> float:
        """Measure the share of the wanted genes that is available.

        Returns
        -------
        float
            0 to 1.
        """
        return 1 - len(self.missing) / max(1, len(self.index))


@dataclasses.dataclass(frozen=True)
class Resolution:
    """The genes of a store, made from the names of its source.

    Parameters
    ----------
    genes : list of str
        Names, each once, in the order of their first appearance.
    index : np.ndarray of int64, shape (source gene,)
        Gene that each name of the source goes to; -1 where it is dropped.
    report : dict of str to Any
        What was done: counts and first names, JSON values.
    notes : list of str
        The same in words.
    """

    genes: list[str]
    index: npt.NDArray[np.int64]
    report: dict[str, Any]
    notes: list[str]


def strip_version(name: str) -> str:
    """Take the version off an Ensembl id.

    Parameters
    ----------
    name : str
        Any gene name.

    Returns
    -------
    str
        The bare id; other names as they stand.

    Examples
    --------
    >>> strip_version("ENSG00000141510.18"), strip_version("RP11-34P13.7")
    ('ENSG00000141510', 'RP11-34P13.7')
    """
    found = _ENSEMBL.match(name)
    return found.group(1) if found else name


def ensembl_share(names: Iterable[str]) -> float:
    """Measure how many names are Ensembl ids.

    Parameters
    ----------
    names : iterable of str
        Gene names.

    Returns
    -------
    float
        0 to 1; 0 for no names.
    """
    found = [_ENSEMBL.match(name) is not None for name in names]
    return sum(found) / max(1, len(found))


def match(wanted: Sequence[str], available: Sequence[str]) -> Match:
    """Find genes by name, Ensembl ids without regard to their version.

    Parameters
    ----------
    wanted : sequence of str
        E.g. the input genes of a model.
    available : sequence of str
        E.g. the genes of a cohort, each once.

    Returns
    -------
    Match
        One position for each wanted gene.
    """
    exact = {name: at for at, name in enumerate(available)}
    bare = {strip_version(name): at for at, name in reversed(list(enumerate(available)))}
    index = [exact.get(name, bare.get(strip_version(name), -1)) for name in wanted]
    missing = [name for name, at in zip(wanted, index, strict=True) if at < 0]
    hint = _hint(missing, available) if len(missing) * 2 > len(wanted) else ""
    return Match(np.asarray(index, dtype=np.int64), missing, hint)


def read_pairs(path: str | pathlib.Path) -> dict[str, str]:
    """Read a table of two columns, from and to, with or without a header.

    Parameters
    ----------
    path : str or pathlib.Path
        A csv or tsv file: a gene map, or gene lengths.

    Returns
    -------
    dict of str to str
        By the first column, versions of Ensembl ids taken off; the first line of a name counts.

    Raises
    ------
    errors.InputFileError
        If it is not there or has other than two columns.
    """
    path = pathlib.Path(path)
    if not path.is_file():
        raise errors.MissingInputError(f"{path}: no such file. Check the path.")
    with files.broken_file(path):
        frame = pd.read_csv(
            path, sep=None, engine="python", header=None, dtype=str, keep_default_na=False
        )
    n_columns = int(frame.notna().sum(axis=1).min()) if frame.shape[1] == 2 else frame.shape[1]
    if n_columns != 2:
        raise errors.InputFileError(
            f"{path}: has {n_columns} columns, needed: 2 (from, to). "
            "Give a csv or tsv with these columns alone."
        )
    pairs: dict[str, str] = {}
    for old, new in zip(frame[0], frame[1], strict=True):
        pairs.setdefault(strip_version(old.strip()), new.strip())
    return pairs


def resolve(
    names: Sequence[str],
    mapping: Mapping[str, str] | None = None,
    symbols: Mapping[str, str] | None = None,
) -> Resolution:
    """Turn the gene names of a source into the genes of a store.

    Parameters
    ----------
    names : sequence of str
        As the source has them.
    mapping : mapping of str to str, optional
        The user's own, applied last: to the source's name, or to its symbol.
    symbols : mapping of str to str, optional
        The source's own symbols for its ids.

    Returns
    -------
    Resolution
        Names that are empty, or dates made by a spreadsheet, are dropped.
    """
    final = [_rename(name, mapping or {}, symbols or {}) for name in names]
    dates = [name for name in final if _EXCEL_DATE.match(name)]
    unnamed = sum(not name for name in final)
    position: dict[str, int] = {}
    index = np.full(len(names), -1, dtype=np.int64)
    summed: list[str] = []
    for at, name in enumerate(final):
        if not name or _EXCEL_DATE.match(name):
            continue
        if name in position:
            summed.append(name)
        index[at] = position.setdefault(name, len(position))
    changed = sum(old != new for old, new in zip(names, final, strict=True))
    report = {
        "n_source": len(names),
        "n_genes": len(position),
        "n_renamed": changed,
        "n_summed": len(summed),
        "summed": list(dict.fromkeys(summed))[:FIRST],
        "n_spreadsheet_dates": len(dates),
        "spreadsheet_dates": list(dict.fromkeys(dates))[:FIRST],
        "n_unnamed": unnamed,
        "ensembl_share": round(ensembl_share(position), 4),
    }
    return Resolution(list(position), index, report, _words(report, mapping))


def _hint(missing: Sequence[str], available: Sequence[str]) -> str:
    ours, theirs = ensembl_share(missing) > 0.5, ensembl_share(available[:2000]) > 0.5
    if ours == theirs:
        lower = {name.upper() for name in available}
        cased = sum(name.upper() in lower for name in missing)
        return f"Names differ in case: another species? {MAP_ADVICE}" if cased else ""
    has, needs = ("Ensembl ids", "symbols") if theirs else ("symbols", "Ensembl ids")
    return f"The table names genes by {has}, the model by {needs}. {MAP_ADVICE}"


def _rename(name: str, mapping: Mapping[str, str], symbols: Mapping[str, str]) -> str:
    bare = strip_version(name.strip())
    symbol = symbols.get(bare, bare)
    return mapping.get(bare, mapping.get(symbol, symbol))


def _words(report: Mapping[str, Any], mapping: Mapping[str, str] | None) -> list[str]:
    notes = []
    if report["n_renamed"]:
        notes.append(f"genes: {report['n_renamed']:,} renamed (mapped, or version taken off)")
    elif mapping is not None:
        notes.append("warning: the gene map holds none of the table's genes")
    if report["n_summed"]:
        first = ", ".join(report["summed"])
        notes.append(f"genes: {report['n_summed']:,} duplicates summed (first: {first})")
    if report["n_spreadsheet_dates"]:
        first = ", ".join(report["spreadsheet_dates"])
        notes.append(
            f"warning: {report['n_spreadsheet_dates']:,} gene names were turned into dates by a "
            f"spreadsheet and are dropped (first: {first})"
        )
    if report["n_unnamed"]:
        notes.append(f"warning: {report['n_unnamed']:,} genes without a name are dropped")
    return notes
