"""Definitions of patient groups by cell states: which types are picked, and one state of each.

A definition is written ``T1=1&T4=0``: the patients in whom T1 is in state 1 and T4 in state 0 are
inside, all others outside. Picking k of K types and a state of each gives ``3^K - 1`` definitions.
The two of one type alone say the same where no patient lacks that type (who is not in state 1 is in
state 0), so that ``T=1`` stands for both: ``3^K - 1 - K`` logical definitions, 722 for six types.
"""

import dataclasses
import functools
import itertools
import math
import re
from collections.abc import Collection, Sequence
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from bluebatch import errors

ANY = -1
ABSENT = -1
# What would make a label ambiguous; such names are quoted as in CSV.
SPECIAL = re.compile(r'[&="]')
TERM = re.compile(r'(?P<name>"(?:[^"]|"")*"|[^&="]*)=(?P<state>[01])(?:&|$)')
# Whether patients without a picked type are outside, or not considered.
Absent = Literal["rest", "drop"]


class Count(NamedTuple):
    """How many definitions there are.

    Parameters
    ----------
    raw : int
        Ways to pick types and a state of each.
    logical : int
        The same, with the two of a single type counted once.
    """

    raw: int
    logical: int


@dataclasses.dataclass(frozen=True, eq=False)
class Definitions:
    """Definitions over the same cell types, one row each.

    Parameters
    ----------
    cell_types : tuple of str
        All types, picked or not, in the order of the columns.
    picks : np.ndarray of int8, shape (definition, cell_type)
        State asked for: 0 or 1; -1 where the type is not picked.
    """

    cell_types: tuple[str, ...]
    picks: npt.NDArray[np.int8]

    def __len__(self) -> int:
        return len(self.picks)

    @functools.cached_property
    def labels(self) -> list[str]:
        """Write them.

        Returns
        -------
        list of str
            Such as ``T1=1&T4=0``, in the order of the cell types. Names that hold ``&``, ``=`` or
            a quotation mark are quoted, so that no two definitions share a label.
        """
        names = [_quoted(name) for name in self.cell_types]
        return [
            "&".join(f"{names[column]}={row[column]}" for column in np.flatnonzero(row != ANY))
            for row in self.picks
        ]

    def take(self, index: npt.NDArray[np.int_]) -> "Definitions":
        """Keep some.

        Parameters
        ----------
        index : np.ndarray of int
            Their positions.

        Returns
        -------
        Definitions
            In that order, over the same cell types.
        """
        return Definitions(self.cell_types, self.picks[index])


def count(n_types: int, max_picked: int | None = None) -> Count:
    """Count definitions without making them.

    Parameters
    ----------
    n_types : int
        Cell types with two states.
    max_picked : int or None
        Most types that a definition may pick; all where None.

    Returns
    -------
    Count
        For six types 728 and 722.
    """
    most = n_types if max_picked is None else min(max_picked, n_types)
    raw = sum(2**k * math.comb(n_types, k) for k in range(1, most + 1))
    return Count(raw, raw - n_types if most else 0)


def enumerate_all(
    cell_types: Sequence[str],
    max_picked: int | None = None,
    complements: bool | Collection[str] = False,
) -> Definitions:
    """Make every definition: few types before many, then in the order of the types and states.

    Parameters
    ----------
    cell_types : sequence of str
        Types with two states.
    max_picked : int or None
        Most types that a definition may pick; all where None.
    complements : bool or collection of str
        Whether ``T=0`` stands beside ``T=1``, or for which types: needed where patients lack the
        type and count as outside, because then the one is not the rest of the other.

    Returns
    -------
    Definitions
        ``count(n, max_picked).logical`` of them, or more with complements.

    Raises
    ------
    LabelMismatchError
        If a name occurs twice.
    """
    names = tuple(cell_types)
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise errors.LabelMismatchError(
            f"cell types: {twice[0]!r} is named {names.count(twice[0])} times, once is needed. "
            "Name each type once."
        )
    both = set(names if complements is True else complements or ())
    most = len(names) if max_picked is None else min(max_picked, len(names))
    picks = [
        _row(len(names), chosen, states)
        for k in range(1, most + 1)
        for chosen in itertools.combinations(range(len(names)), k)
        for states in itertools.product((0, 1), repeat=k)
        if k > 1 or states[0] == 1 or names[chosen[0]] in both
    ]
    return Definitions(names, np.array(picks, dtype=np.int8).reshape(-1, len(names)))


def parse(labels: Sequence[str], cell_types: Sequence[str]) -> Definitions:
    """Read labels back.

    Parameters
    ----------
    labels : sequence of str
        As `Definitions.labels` writes them.
    cell_types : sequence of str
        All types of the definitions, which give the columns.

    Returns
    -------
    Definitions
        In the order of the labels.

    Raises
    ------
    LabelMismatchError
        If a label is not written so, or names a type that is not among them.
    """
    column = {_quoted(name): number for number, name in enumerate(cell_types)}
    picks = np.full((len(labels), len(column)), ANY, dtype=np.int8)
    for row, label in zip(picks, labels, strict=True):
        terms = list(TERM.finditer(label))
        if not terms or "".join(term.group() for term in terms) != label or label.endswith("&"):
            raise errors.LabelMismatchError(
                f"definition {label!r}: is not of the form TYPE=1&TYPE=0. "
                "Write it as definitions.csv does."
            )
        for term in terms:
            if term["name"] not in column:
                raise errors.LabelMismatchError(
                    f"definition {label!r}: {term['name']} is none of the {len(column)} cell types "
                    f"({', '.join(column)}). Use definitions of these types."
                )
            row[column[term["name"]]] = int(term["state"])
    return Definitions(tuple(cell_types), picks)


def members(
    definitions: Definitions, states: npt.NDArray[np.int8], absent: Absent = "rest"
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Tell who is inside each definition, and who is considered at all.

    Parameters
    ----------
    definitions : Definitions
        Over the columns of ``states``.
    states : np.ndarray of int8, shape (patient, cell_type)
        0 or 1; -1 where the type is absent.
    absent : {"rest", "drop"}
        Whether patients without a picked type are outside, or not considered.

    Returns
    -------
    inside : np.ndarray of bool, shape (patient, definition)
        Patients with all states of the definition.
    considered : np.ndarray of bool, shape (patient, definition)
        Patients inside or outside; with ``rest`` a view of one True that cannot be written to.
    """
    shape = (len(states), len(definitions))
    inside = np.ones(shape, dtype=bool)
    drop = absent == "drop" and bool((states == ABSENT).any())
    considered = np.ones(shape, dtype=bool) if drop else np.broadcast_to(np.True_, shape)
    everybody = np.ones(len(states), dtype=bool)
    for column, pick in zip(states.T, definitions.picks.T, strict=True):
        # The last of the three answers to a pick of -1, any.
        inside &= np.stack([column == 0, column == 1, everybody], axis=1)[:, pick]
        if drop:
            known = column != ABSENT
            considered &= np.stack([known, known, everybody], axis=1)[:, pick]
    return inside, considered


def _row(n_types: int, chosen: tuple[int, ...], states: tuple[int, ...]) -> list[int]:
    row = [ANY] * n_types
    for column, state in zip(chosen, states, strict=True):
        row[column] = state
    return row


def _quoted(name: str) -> str:
    if not SPECIAL.search(name):
        return name
    doubled = name.replace('"', '""')
    return f'"{doubled}"'
