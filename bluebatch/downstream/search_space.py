"""Which definitions a search covers: those over types with two states, as many as are allowed."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from bluebatch import errors
from bluebatch.downstream import definitions
from bluebatch.downstream.definitions import Absent, Definitions


def choose(
    states: npt.NDArray[np.int8],
    cell_types: Sequence[str],
    absent: Absent,
    max_picked: int | None,
    max_definitions: int,
) -> tuple[Definitions, list[str]]:
    """Make the definitions that can tell patients apart.

    Parameters
    ----------
    states : np.ndarray of int8, shape (patient, cell_type)
        0 or 1; -1 where the type is absent.
    cell_types : sequence of str
        Names of the columns.
    absent : {"rest", "drop"}
        With ``rest``, ``T=0`` stands beside ``T=1`` for the types that some patients lack.
    max_picked : int or None
        Most types that a definition picks; where None as many as ``max_definitions`` lets.
    max_definitions : int
        Most definitions, complements counted once.

    Returns
    -------
    found : Definitions
        Over all types; one of fewer than two states is picked by none.
    notes : list of str
        Types that are in none, whether fewer are picked than there are, and complements.

    Raises
    ------
    ValuesError
        If no type has two states.
    ConfigError
        If more definitions are asked for than allowed.
    """
    names = list(cell_types)
    two = (states == 0).any(axis=0) & (states == 1).any(axis=0)
    usable = [name for name, has_two in zip(names, two, strict=True) if has_two]
    if not usable:
        raise errors.ValuesError(
            f"states: no cell type has two states among the {len(states):,} patients (of "
            f"{', '.join(names)}), at least one is needed. Choose other types with --cell-types."
        )
    notes = []
    if len(usable) < len(names):
        single = ", ".join(name for name in names if name not in usable)
        notes.append(
            f"{single}: fewer than two states, so in no definition; "
            f"{len(usable)} of {len(names)} types are searched."
        )
    picked, more = _most_picked(len(usable), max_picked, max_definitions)
    lacking = [name for name, column in zip(names, states.T, strict=True) if (column < 0).any()]
    # A patient without the type is in neither state: T=0 is then not the rest of T=1.
    both = [name for name in usable if name in lacking] if absent == "rest" else []
    if both:
        more.append(
            f"{', '.join(both)}: absent in some patients, who count as outside, so that state 0 "
            f"is not the rest of state 1; both stand alone too ({len(both)} more definitions)."
        )
    found = definitions.enumerate_all(usable, picked, both)
    picks = np.full((len(found), len(names)), definitions.ANY, dtype=np.int8)
    picks[:, two] = found.picks
    return Definitions(tuple(names), picks), notes + more


def _most_picked(n_types: int, stated: int | None, allowed: int) -> tuple[int, list[str]]:
    """Find how many types a definition may pick, and say so where it is not all."""
    sizes = {k: definitions.count(n_types, k).logical for k in range(1, n_types + 1)}
    fitting = [k for k, size in sizes.items() if size <= allowed]
    most = max(fitting, default=1) if stated is None else min(stated, n_types)
    if sizes[most] > allowed:
        raise errors.ConfigError(
            f"[search] max_picked: {most} of {n_types} types make {sizes[most]:,} definitions, "
            f"max_definitions allows {allowed:,}. Lower the one, raise the other, or choose fewer "
            "types with --cell-types."
        )
    if most == n_types or stated is not None:
        return most, []
    return most, [
        f"Definitions pick at most {most} of {n_types} types: {sizes[most]:,} definitions; "
        f"{most + 1} would make {sizes[most + 1]:,}, above max_definitions {allowed:,}."
    ]
