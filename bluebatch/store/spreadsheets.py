"""What spreadsheets make of gene symbols: dates and numbers, and what they can have been."""

import re

# The 27 symbols that HGNC replaced because spreadsheets turn them into dates: Bruford et al.
# (2020), Nat Genet 52:754-758; and SEP15: Gladyshev et al. (2016), J Biol Chem 291:24036-24040.
RENAMED: dict[str, str] = {
    **{f"SEPT{number}": f"SEPTIN{number}" for number in (*range(1, 13), 14)},
    **{f"MARCH{number}": f"MARCHF{number}" for number in range(1, 12)},
    "MARC1": "MTARC1",
    "MARC2": "MTARC2",
    "DEC1": "DELEC1",
    "SEP15": "SELENOF",
}
FORMER = {new: old for old, new in RENAMED.items()}
_FAMILIES = {3: ("MARCH", "MARC"), 9: ("SEPT", "SEP"), 12: ("DEC",)}
# As English, German and French spreadsheets write them.
_MONTHS = (
    ("jan", "january", "januar"),
    ("feb", "february", "februar"),
    ("mar", "march", "mrz", "mär", "märz", "mars"),
    ("apr", "april"),
    ("may", "mai"),
    ("jun", "june", "juni"),
    ("jul", "july", "juli"),
    ("aug", "august"),
    ("sep", "sept", "september"),
    ("oct", "october", "okt", "oktober"),
    ("nov", "november"),
    ("dec", "december", "dez", "dezember", "déc"),
)
_NUMBER_OF = {name: at for at, names in enumerate(_MONTHS, start=1) for name in names}
_STARTS = {name[:3] for name in _NUMBER_OF}
_MONTH = f"({'|'.join(sorted(_NUMBER_OF, key=len, reverse=True))})"
_YEAR = r"(\d{4}|\d{2})"
_MIDNIGHT = r"(?:[T ]0?0:00(?::00(?:\.0+)?)?)?"
_DAY_MONTH = re.compile(rf"(\d{{1,2}})(?:\. ?|[-/ ]){_MONTH}\.?(?:[-/ ]{_YEAR})?", re.IGNORECASE)
_MONTH_YEAR = re.compile(rf"{_MONTH}[-/ ](\d{{4}}|\d{{1,2}})", re.IGNORECASE)
_YEAR_FIRST = re.compile(rf"(\d{{4}})[-/.](\d{{1,2}})[-/.](\d{{1,2}}){_MIDNIGHT}")
_YEAR_LAST = re.compile(rf"(\d{{1,2}})([-/.])(\d{{1,2}})\2{_YEAR}{_MIDNIGHT}")
# 2310009E13Rik without its end is read as a power of ten.
_POWER = re.compile(r"\d(\.\d+)?E\+\d{2,}", re.IGNORECASE)

_Readings = set[tuple[int, int]]


def is_mangled(name: str) -> bool:
    """Tell whether a name is a date, or a power of ten, that a spreadsheet made.

    Parameters
    ----------
    name : str
        Any gene name.

    Returns
    -------
    bool
        ``1-Sep``, ``Sep-01``, ``2001-09-01 00:00:00``, ``9/1/2001``, ``2.31E+19`` are, and
        ``X1.Sep``, as R reads the first.

    Examples
    --------
    >>> is_mangled("1-Sep"), is_mangled("SEPT1"), is_mangled("APR-1"), is_mangled("HLA-A")
    (True, False, False, False)
    """
    return bool(_read(name)) or _POWER.fullmatch(name) is not None


def readings(name: str) -> list[str]:
    """List the symbols that a date can have been.

    Parameters
    ----------
    name : str
        A date.

    Returns
    -------
    list of str
        Symbols as they stood before 2020, since those alone become dates; empty where no such gene
        is known.

    Examples
    --------
    >>> readings("1-Sep"), readings("1-Mar"), readings("3-Mar"), readings("4-Oct")
    (['SEPT1'], ['MARC1', 'MARCH1'], ['MARCH3'], [])
    """
    found = {
        f"{family}{number}" for month, number in _read(name) for family in _FAMILIES.get(month, ())
    }
    return sorted(found & RENAMED.keys())


def _read(name: str) -> _Readings:
    """List the months and numbers that a name can mean."""
    if name[:1] == "X":
        # R's make.names: 1-Sep is X1.Sep.
        return _read_numbers(name[1:])
    if name[:1].isdigit():
        return _read_numbers(name)
    found = _MONTH_YEAR.fullmatch(name) if name[:3].lower() in _STARTS else None
    # APR-1 and SEP-15 are names of genes, Apr-1 and SEP-01 are dates.
    if found is None or (name[1].isupper() and len(found[2]) < 4 and found[2][0] != "0"):
        return set()
    return {(_NUMBER_OF[found[1].lower()], int(found[2]) % 100)}


def _read_numbers(name: str) -> _Readings:
    if found := _DAY_MONTH.fullmatch(name):
        day, month, year = found.groups()
        return _days(int(day), _NUMBER_OF[month.lower()], year)
    if found := _YEAR_FIRST.fullmatch(name):
        year, month, day = found.groups()
        return _days(int(day), int(month), year)
    if found := _YEAR_LAST.fullmatch(name):
        # Either the day or the month stands first.
        first, _, second, year = found.groups()
        return _days(int(first), int(second), year) | _days(int(second), int(first), year)
    return set()


def _days(day: int, month: int, year: str | None) -> _Readings:
    if not (1 <= day <= 31 and 1 <= month <= 12):
        return set()
    # SEPT2 is read as September 2002 as well: the first day of a month hides a number in the year.
    hidden = {(month, int(year) % 100)} if year is not None and day == 1 else set()
    return {(month, day)} | hidden
