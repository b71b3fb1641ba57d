"""How much of a model's panel, and of each cell type's markers, a table measures."""

from collections.abc import Mapping, Sequence
from typing import Any

from bluebatch import errors
from bluebatch.store import genes


def report(
    path: object,
    names: Sequence[str],
    markers: Mapping[str, Sequence[str]] | None,
    panel: Sequence[str] | None,
) -> tuple[dict[str, Any], list[str]]:
    """Say how much of a model's panel, and of each type's markers, a table holds.

    Parameters
    ----------
    path : object
        For the message.
    names : sequence of str
        Genes of the table.
    markers : mapping of str to sequence of str, optional
        Marker genes by cell type.
    panel : sequence of str, optional
        Input genes of the model.

    Returns
    -------
    report : dict of str to Any
        ``panel`` and ``markers``: found and wanted, and the first names missing.
    notes : list of str
        The same in words.

    Raises
    ------
    errors.LabelMismatchError
        If nothing matches at all.
    """
    wanted = list(
        panel or dict.fromkeys(gene for group in (markers or {}).values() for gene in group)
    )
    if not wanted:
        return {}, []
    found = genes.match(wanted, names)
    n_found = len(wanted) - len(found.missing)
    if not n_found:
        raise errors.LabelMismatchError(
            f"{path}: none of its {len(names):,} genes (first: {', '.join(names[:3])}) is among "
            f"the model's {len(wanted):,} (first: {', '.join(wanted[:3])}). "
            f"{found.hint or genes.MAP_ADVICE}"
        )
    found_of: dict[str, Any] = {
        "panel": {"found": n_found, "wanted": len(wanted), "missing": found.missing[: genes.FIRST]}
    }
    notes = [f"panel: {n_found:,} of {len(wanted):,} genes measured"]
    if found.hint:
        notes.append(f"warning: {found.hint}")
    for cell_type, group in (markers or {}).items():
        part = genes.match(list(group), names)
        n_part = len(group) - len(part.missing)
        found_of.setdefault("markers", {})[cell_type] = {
            "found": n_part,
            "wanted": len(group),
            "missing": part.missing[: genes.FIRST],
        }
        notes.append(f"markers of {cell_type}: {n_part:,} of {len(group):,} measured")
    return found_of, notes
