"""The user's table of gene names: from one name to another, or symbols with their aliases."""

import collections
import dataclasses
import pathlib
import re
from collections.abc import Collection, Iterable, Iterator

import pandas as pd

from bluebatch import errors
from bluebatch.store import files, genes

# Columns of the tables that genenames.org offers, in lower case.
_SYMBOL = ("symbol", "approved symbol")
_OTHER_NAMES = (
    *("prev_symbol", "previous symbol", "previous symbols"),
    *("alias_symbol", "alias symbol", "alias symbols"),
    *("ensembl_gene_id", "ensembl gene id", "entrez_id", "ncbi gene id"),
)
_BETWEEN = re.compile(r"[|,]")


@dataclasses.dataclass(frozen=True)
class GeneMap:
    """What a table of names says.

    Parameters
    ----------
    pairs : dict of str to str
        New name by old name, each unmistakable.
    conflicts : dict of str to str
        Old names that it leaves open, and why; they are not applied.
    is_alias_table : bool
        Whether it lists symbols with other names of theirs, and not what the user wants renamed.
    """

    pairs: dict[str, str]
    conflicts: dict[str, str] = dataclasses.field(default_factory=dict)
    is_alias_table: bool = False

    def choose(self, names: Collection[str], wanted: Collection[str]) -> "Choice":
        """Settle which of a table's names are renamed.

        Parameters
        ----------
        names : collection of str
            All names of the table, each hashed fast.
        wanted : collection of str
            Names that a model knows; empty where there is none.

        Returns
        -------
        Choice
            For names that the map speaks of.
        """
        choice = Choice({}, {}, {})
        former = self._former(wanted)
        for name in names:
            new = self.pairs.get(name)
            if name in self.conflicts:
                choice.conflicts[name] = self.conflicts[name]
            elif self.is_alias_table and name in wanted:
                if new is not None:
                    choice.known[name] = new
            elif new is None:
                if name in former and former[name] not in names:
                    choice.renamed[name] = former[name]
            elif self.is_alias_table and new in names and not genes.is_ensembl(name):
                choice.conflicts[name] = f"{new}, which the table has as well"
            else:
                choice.renamed[name] = new
        return choice

    def _former(self, wanted: Collection[str]) -> dict[str, str]:
        """Find the name under which a model knows a symbol, where it is one of its aliases."""
        if not self.is_alias_table:
            return {}
        known = [(old, new) for old, new in self.pairs.items() if old in wanted]
        times = collections.Counter(new for _, new in known)
        return {new: old for old, new in known if times[new] == 1}


@dataclasses.dataclass(frozen=True)
class Choice:
    """What a gene map does to a table.

    Parameters
    ----------
    renamed : dict of str to str
        New name by old name.
    conflicts : dict of str to str
        Names that are kept because the map leaves them open, and why.
    known : dict of str to str
        Names that are kept because the model knows them; what the map would make of them.
    """

    renamed: dict[str, str]
    conflicts: dict[str, str]
    known: dict[str, str]


def read(path: str | pathlib.Path) -> GeneMap:
    """Read a gene map.

    Parameters
    ----------
    path : str or pathlib.Path
        A csv or tsv file, also gzipped. Two columns, from and to, with or without a header; a cell
        of the first may list several names by ``|`` or ``,``. Or a table as genenames.org offers
        it, known by its header: a column of symbols, and columns of previous symbols, aliases,
        Ensembl or Entrez ids.

    Returns
    -------
    GeneMap
        Versions of Ensembl ids are taken off; names that stand for several are conflicts, and so
        are names that are themselves what another is turned into.

    Raises
    ------
    errors.MissingInputError, errors.InputFileError
        If it is not there, is no table or has other columns.
    """
    frame = read_table(path)
    header = [str(name).strip().lower() for name in frame.iloc[0]]
    symbol = next((at for at, name in enumerate(header) if name in _SYMBOL), None)
    others = [at for at, name in enumerate(header) if name in _OTHER_NAMES]
    if symbol is not None and others:
        body = frame.iloc[1:]
        # A symbol stands for itself, so that the same word as another's alias is a conflict.
        pairs = _pairs(body, (symbol, *others), symbol)
        return _settle(pairs, is_alias_table=True)
    if frame.shape[1] != 2:
        raise errors.InputFileError(
            f"{path}: has {frame.shape[1]} columns, needed: 2 (from, to), or a header with symbol "
            "and prev_symbol, alias_symbol or ensembl_gene_id. Give a csv or tsv with these."
        )
    return _settle(_pairs(frame, (0,), 1), is_alias_table=False)


def read_table(path: str | pathlib.Path) -> pd.DataFrame:
    """Read a table of text whose first line may be a header.

    Parameters
    ----------
    path : str or pathlib.Path
        A csv or tsv file, also gzipped.

    Returns
    -------
    pd.DataFrame
        Text, columns numbered; empty where a line ends early.

    Raises
    ------
    errors.MissingInputError, errors.InputFileError
        If it is not there or no table.
    """
    path = pathlib.Path(path)
    if not path.is_file():
        raise errors.MissingInputError(f"{path}: no such file. Check the path.")
    with files.broken_file(path), files.open_lines(path) as handle:
        first = handle.readline()
        separator = next((mark for mark in "\t,;" if mark in first), ",")
        handle.seek(0)
        return pd.read_csv(handle, sep=separator, header=None, dtype=str, keep_default_na=False)


def _pairs(
    frame: pd.DataFrame, columns: Iterable[int], target: int
) -> Iterator[tuple[str, list[str]]]:
    targets = [_split(cell) for cell in frame[target]]
    for column in columns:
        for cell, new in zip(frame[column], targets, strict=True):
            for old in _split(cell):
                yield genes.strip_version(old), new


def _split(cell: str) -> list[str]:
    return [part for part in (part.strip(' "') for part in _BETWEEN.split(cell)) if part]


def _settle(found: Iterable[tuple[str, list[str]]], *, is_alias_table: bool) -> GeneMap:
    meant: dict[str, dict[str, None]] = {}
    for old, new in found:
        meant.setdefault(old, {}).update(dict.fromkeys(new))
    targets = {new for news in meant.values() for new in news}
    pairs: dict[str, str] = {}
    conflicts: dict[str, str] = {}
    for old, news in meant.items():
        others = [new for new in news if new != old]
        if len(others) > 1 or (others and old in targets):
            conflicts[old] = " or ".join([old, *others] if old in targets else others)
        elif others:
            pairs[old] = others[0]
    return GeneMap(pairs, conflicts, is_alias_table)
