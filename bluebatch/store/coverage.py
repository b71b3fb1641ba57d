"""How much of a model's panel, and of each cell type's markers, a table measures."""

from collections.abc import Mapping, Sequence
from typing import Any

from bluebatch import errors
from bluebatch.store import genes, spreadsheets

# Shares of a cell type's markers: below the first its figures are doubtful, below the second
# nothing can be said of it.
DOUBTFUL = 0.5
LEAST = 0.1
_DROPPED_DATES = ("date", "dropped")


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
    wanted = list(panel or dict.fromkeys(_flat(markers or {})))
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
    shares = of_markers(markers or {}, names)
    for cell_type, (share, missing) in shares.items():
        n_wanted = len((markers or {})[cell_type])
        n_part = n_wanted - len(missing)
        found_of.setdefault("markers", {})[cell_type] = {
            "found": n_part,
            "wanted": n_wanted,
            "missing": missing[: genes.FIRST],
        }
        doubt = "warning: " if share < DOUBTFUL else ""
        notes.append(f"{doubt}markers of {cell_type}: {n_part:,} of {n_wanted:,} measured")
    return found_of, notes


def of_markers(
    markers: Mapping[str, Sequence[str]], names: Sequence[str]
) -> dict[str, tuple[float, list[str]]]:
    """Measure the share of each cell type's markers that a table holds.

    Parameters
    ----------
    markers : mapping of str to sequence of str
        Marker genes by cell type; types without one are left out.
    names : sequence of str
        Genes of the table.

    Returns
    -------
    dict of str to tuple of float and list of str
        By cell type: the share, 0 to 1, and the markers that are missing.
    """
    missing = set(genes.match([*dict.fromkeys(_flat(markers))], names).missing)
    found = {}
    for cell_type, group in markers.items():
        lost = [gene for gene in group if gene in missing]
        if group:
            found[cell_type] = ((len(group) - len(lost)) / len(group), lost)
    return found


def check_markers(
    path: object, shares: Mapping[str, tuple[float, list[str]]], least: float, hint: str
) -> None:
    """Refuse a table that measures too few markers of a cell type.

    Parameters
    ----------
    path : object
        For the message.
    shares : mapping of str to tuple of float and list of str
        From `of_markers`.
    least : float
        Share needed of every type.
    hint : str
        What may be wrong with the names; else empty.

    Raises
    ------
    errors.LabelMismatchError
        If a type has less; the one with the least is named.
    """
    short = {cell_type: each for cell_type, each in shares.items() if each[0] < least}
    if not short:
        return
    worst = min(short, key=lambda cell_type: short[cell_type][0])
    share, missing = short[worst]
    others = f", and of {len(short) - 1} more types" if len(short) > 1 else ""
    advice = hint or (
        "Train with --cohort to take markers that it measures, or lower [inference] "
        "min_marker_coverage and mistrust these types."
    )
    raise errors.LabelMismatchError(
        f"{path}: measures {share:.0%} of the markers of {worst}{others}, needed: {least:.0%} "
        f"(missing first: {', '.join(missing[:3])}). {advice}"
    )


def tell(shares: Mapping[str, tuple[float, list[str]]]) -> str:
    """Tell the shares in a line.

    Parameters
    ----------
    shares : mapping of str to tuple of float and list of str
        From `of_markers`.

    Returns
    -------
    str
        The doubtful types first, with a warning; empty where there are no markers.
    """
    if not shares:
        return ""
    listed = ", ".join(f"{cell_type} {share:.0%}" for cell_type, (share, _) in shares.items())
    doubtful = [cell_type for cell_type, (share, _) in shares.items() if share < DOUBTFUL]
    if not doubtful:
        return f"markers measured: {listed}"
    return f"warning: under half of the markers of {', '.join(doubtful)} measured ({listed})"


def lost_to_dates(missing: Sequence[str], attributes: Mapping[str, Any]) -> str:
    """Tell which missing genes a cohort probably lost to a spreadsheet.

    Parameters
    ----------
    missing : sequence of str
        Genes that a model wants and the cohort lacks.
    attributes : mapping of str to Any
        Root attributes of the cohort store.

    Returns
    -------
    str
        What mends it; empty where the cohort dropped no dates or none of these is such a gene.
    """
    findings = (attributes.get("genes") or {}).get("findings") or []
    n_dates = sum(
        int(each["count"]) for each in findings if (each["kind"], each["done"]) == _DROPPED_DATES
    )
    lost = [name for name in missing if name in spreadsheets.RENAMED or name in spreadsheets.FORMER]
    if not (n_dates and lost):
        return ""
    return (
        f"{len(lost):,} missing genes ({', '.join(lost[: genes.FIRST])}) are of those that "
        f"spreadsheets turn into dates, and ingest dropped {n_dates:,} dates: mend them with "
        f"{genes.MEND_ADVICE}, or with --gene-map where two genes give one date (1-Mar)"
    )


def _flat(markers: Mapping[str, Sequence[str]]) -> list[str]:
    return [gene for group in markers.values() for gene in group]
