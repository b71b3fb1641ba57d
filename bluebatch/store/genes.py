"""Gene names: told apart and matched; `naming` makes a store's genes of a source's names."""

import collections
import dataclasses
import pathlib
import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from bluebatch import errors
from bluebatch.store import files, gene_report, mending

_ENSEMBL = re.compile(r"^(ENS[A-Z]*[GT]\d{11})(\.\d+)?(_PAR_Y)?$")
# Entrez ids, probes of arrays, transcripts of RefSeq.
_NUMBER = re.compile(r"\d+|\w+_at|ILMN_\d+|[NX][MR]_\d+(\.\d+)?")
FIRST = gene_report.FIRST
MAP_ADVICE = (
    "Map its names with `bluebatch ingest --gene-map FILE` (two columns, from and to, or the table "
    "of HGNC)."
)
MEND_ADVICE = "`bluebatch ingest --mend-names --model MODEL`"
_REASONS: dict[mending.Kind, str] = {
    "date": "are dates of a spreadsheet there",
    "suffix": "carry an Entrez id there (TP53|7157)",
    "renamed": "have their name from before or after a renaming by HGNC there",
    "separator": "differ in hyphens, dots or underscores",
    "case": "differ in case alone (mouse? then its genes are not these, but their like)",
}


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
    lines : list of gene_report.Line
        The same name by name.
    """

    genes: list[str]
    index: npt.NDArray[np.int64]
    report: dict[str, Any]
    notes: list[str]
    lines: list[gene_report.Line] = dataclasses.field(default_factory=list)


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


def is_ensembl(name: str) -> bool:
    """Tell Ensembl ids.

    Parameters
    ----------
    name : str
        Any gene name.

    Returns
    -------
    bool
        With a version or without.
    """
    return _ENSEMBL.match(name) is not None


def is_number(name: str) -> bool:
    """Tell Entrez ids, probes of arrays and transcripts, which are no genes' names.

    Parameters
    ----------
    name : str
        Any gene name.

    Returns
    -------
    bool
        ``7157``, ``201746_at``, ``ILMN_1779356`` and ``NM_000546.6`` are.
    """
    return _NUMBER.fullmatch(name) is not None


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
    found = [is_ensembl(name) for name in names]
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
        A csv or tsv file, e.g. of gene lengths.

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


def _hint(missing: Sequence[str], available: Sequence[str]) -> str:
    ours, theirs = ensembl_share(missing) > 0.5, ensembl_share(available[:2000]) > 0.5
    if ours != theirs:
        has, needs = ("Ensembl ids", "symbols") if theirs else ("symbols", "Ensembl ids")
        return f"The table names genes by {has}, the model by {needs}. {MAP_ADVICE}"
    if 2 * sum(map(is_number, available[:2000])) > len(available[:2000]):
        return (
            "The table names genes by numbers, probes or transcripts. "
            f"{MAP_ADVICE} Or name another column with --gene-column."
        )
    lost = frozenset(missing)
    found = mending.suggest(available, lost).values()
    won = collections.Counter(each.kind for each in found if each.becomes in lost)
    if not won:
        return ""
    kind, count = won.most_common(1)[0]
    return f"{count:,} of the missing {_REASONS[kind]}. Mend them with {MEND_ADVICE}."
