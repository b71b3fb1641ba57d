"""Gene names that were mangled on their way: what they were, and which of a model's they are."""

import collections
import re
from collections.abc import Collection, Iterable, Iterator
from typing import Literal, NamedTuple

from bluebatch.store import spreadsheets

Kind = Literal["date", "suffix", "renamed", "separator", "case"]

_SEPARATORS = re.compile(r"[-_. ]")
# Firehose's RSEM tables: TP53|7157.
_ENTREZ_SUFFIX = re.compile(r"([^|?]+)\|\d+")


class Suggestion(NamedTuple):
    """What a name may have been.

    Parameters
    ----------
    kind : {"date", "suffix", "renamed", "separator", "case"}
        What happened to it: a spreadsheet, an Entrez id behind a bar, another nomenclature, another
        mark between its parts, other case.
    becomes : str
        The one name that it can be; ``""`` where several or none are left.
    why : str
        The names that it can be, where that is open.
    """

    kind: Kind
    becomes: str
    why: str = ""


def suggest(names: Collection[str], wanted: Collection[str]) -> dict[str, Suggestion]:
    """Find the names that were mangled.

    Parameters
    ----------
    names : collection of str
        All names of a table.
    wanted : collection of str
        Names that a model knows; case, separators and nomenclature are judged by these alone.

    Returns
    -------
    dict of str to Suggestion
        By name. No suggestion is a name that the table has already, and no two names get the same
        by case or separator.
    """
    there, known = set(names), set(wanted)
    found: dict[str, Suggestion] = {}
    for name in sorted(there):
        if spreadsheets.is_mangled(name):
            found[name] = _of_date(name, there, known)
        elif suffixed := _ENTREZ_SUFFIX.fullmatch(name):
            symbol = _in_words_of(suffixed[1], known)
            found[name] = Suggestion("suffix", "" if symbol in there else symbol)
    rest = sorted(there - known - found.keys()) if known else []
    found.update(_renamed(rest, there, known))
    found.update(_alike(rest, there, known))
    return found


def _of_date(name: str, there: set[str], known: set[str]) -> Suggestion:
    symbols = spreadsheets.readings(name)
    if len(symbols) != 1:
        return Suggestion("date", "", " or ".join(symbols))
    names = {symbols[0], spreadsheets.RENAMED[symbols[0]]}
    if names & there:
        return Suggestion("date", "", f"{symbols[0]}, which the table has as well")
    return Suggestion("date", _in_words_of(symbols[0], known))


def _in_words_of(symbol: str, known: set[str]) -> str:
    """Take the name that a model knows, of those before and after 2020; else the one given."""
    new = spreadsheets.RENAMED.get(symbol, symbol)
    return new if new in known and symbol not in known else symbol


def _renamed(rest: list[str], there: set[str], known: set[str]) -> Iterator[tuple[str, Suggestion]]:
    for name in rest:
        other = spreadsheets.RENAMED.get(name) or spreadsheets.FORMER.get(name)
        if other in known and other not in there:
            yield name, Suggestion("renamed", other)


def _alike(rest: list[str], there: set[str], known: set[str]) -> Iterator[tuple[str, Suggestion]]:
    targets = _by_key(sorted(known))
    for key, names in _by_key(rest).items():
        wanted = [name for name in targets.get(key, ()) if name not in there]
        if not wanted:
            continue
        certain = len(wanted) == len(names) == len(targets[key]) == 1
        for name in names:
            same_case = _SEPARATORS.sub("-", name) == _SEPARATORS.sub("-", wanted[0])
            kind: Kind = "separator" if same_case else "case"
            why = "" if certain else f"{' and '.join(names)} against {' and '.join(wanted)}"
            yield name, Suggestion(kind, wanted[0] if certain else "", why)


def _by_key(names: Iterable[str]) -> dict[str, list[str]]:
    found = collections.defaultdict(list)
    for name in names:
        found[_SEPARATORS.sub("-", name).casefold()].append(name)
    return found
