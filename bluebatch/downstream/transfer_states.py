"""States of a second cohort's patients, with spaces and cuts frozen in the first."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from bluebatch import errors
from bluebatch.downstream import evidence, frozen
from bluebatch.downstream.state_space import Space
from bluebatch.store import genes as gene_names

Array = npt.NDArray[Any]
ABSENT = -1
N_NAMED = 3
# Shares of a space's genes below which a cohort is refused, and warned.
MIN_COVERAGE, WARN_COVERAGE = 0.5, 0.8
# A share of state 1 so far from the discovery's is worth a look at platforms and units.
MAX_DRIFT = 0.25


@dataclasses.dataclass(frozen=True)
class States:
    """States by frozen spaces and cuts.

    Parameters
    ----------
    index : np.ndarray of int8, shape (patient, cell_type)
        0 or 1; -1 where the type is absent.
    strength : np.ndarray of float32, shape (patient, cell_type)
        How clearly, 0 to 1; NaN where the type is absent.
    quality : pd.DataFrame
        One row a cell type: ``cell_type``, ``by`` (``space`` or ``cut``), ``n_genes``,
        ``n_genes_there``, ``coverage``, ``n_present``, ``n_absent``, ``n_0``, ``n_1``, ``share_1``
        and ``share_1_in_discovery``.
    notes : list of str
        What is to be known of them.
    """

    index: Array
    strength: Array
    quality: pd.DataFrame
    notes: list[str]


def find(model: frozen.Frozen, found: evidence.Evidence, rows: Array) -> States:
    """Give every patient the state of each frozen cell type.

    Parameters
    ----------
    model : frozen.Frozen
        Spaces and cuts; nothing is fitted again.
    found : evidence.Evidence
        Of the second cohort.
    rows : np.ndarray of int, shape (patient,)
        Rows of its results.

    Returns
    -------
    States
        In the order of ``model.cell_types``.

    Raises
    ------
    errors.LabelMismatchError
        If the results are of another kind, or lack a cell type or too many genes.
    """
    check_kind(model, found)
    shape = (len(rows), len(model.cell_types))
    index = np.full(shape, ABSENT, np.int8)
    strength = np.full(shape, np.nan, np.float32)
    lines, notes = [], []
    fractions = proportions(found, rows, model.composition_types) if model.cuts else {}
    for at, cell_type in enumerate(model.cell_types):
        # One cell type of all patients at a time.
        if cell_type in model.spaces:
            space = model.spaces[cell_type]
            matrix, n_there = _profiles(found, cell_type, rows, space)
            index[:, at], strength[:, at] = space.nearest(space.score(matrix))
            counted = (len(space.genes), n_there)
        else:
            index[:, at], strength[:, at] = by_cut(fractions[cell_type], model.cuts[cell_type])
            counted = (0, 0)
        share = model.facts.get("share_1", {}).get(cell_type, np.nan)
        lines.append(_line(cell_type, index[:, at], counted, share))
        notes += _notes(lines[-1])
    return States(index, strength, pd.DataFrame(lines), notes)


def check_kind(model: frozen.Frozen, found: evidence.Evidence) -> None:
    """Refuse results in which the frozen states cannot be found.

    Parameters
    ----------
    model : frozen.Frozen
        Spaces and cuts.
    found : evidence.Evidence
        Of the second cohort.

    Raises
    ------
    errors.LabelMismatchError
        If the results are of another kind, or lack a cell type.
    """
    fits = found.kind == model.branch or (not model.spaces and found.kind == "profile")
    if not fits:
        raise errors.LabelMismatchError(
            f"{found.path}: is a {found.kind} store, needed: a {model.branch} store, in which "
            "the frozen states were found. Give results of the same kind."
        )
    needed = dict.fromkeys([*model.cell_types, *model.composition_types])
    lacking = [name for name in needed if name not in found.cell_types]
    if lacking:
        raise errors.LabelMismatchError(
            f"{found.path}: lacks {len(lacking):,} of the {len(needed):,} frozen cell types "
            f"({', '.join(lacking)}); it has {', '.join(found.cell_types)}. "
            "Give results with the same cell types."
        )


def by_cut(fraction: Array, cut: float) -> tuple[Array, Array]:
    """Halve proportions at a frozen median.

    Parameters
    ----------
    fraction : np.ndarray, shape (patient,)
        Proportions; NaN where unknown.
    cut : float
        Above it: 1.

    Returns
    -------
    index : np.ndarray of int8, shape (patient,)
        0 or 1; -1 where unknown.
    strength : np.ndarray of float32, shape (patient,)
        How far the proportion is from the cut by their sum: 0 at the cut.
    """
    known = np.isfinite(fraction)
    index = np.where(known, fraction > cut, ABSENT).astype(np.int8)
    total = fraction + cut
    apart = np.divide(np.abs(fraction - cut), total, out=np.zeros_like(fraction), where=total > 0)
    return index, np.where(known, apart, np.nan).astype(np.float32)


def proportions(
    found: evidence.Evidence, rows: Array, divided_by: Sequence[str]
) -> dict[str, Array]:
    """Read proportions as the discovery did.

    Parameters
    ----------
    found : evidence.Evidence
        Of the second cohort.
    rows : np.ndarray of int, shape (patient,)
        Rows of its results.
    divided_by : sequence of str
        Cell types whose sum they are divided by; none: they are as they stand.

    Returns
    -------
    dict of str to np.ndarray of float64, shape (patient,)
        By cell type; NaN in patients who have none of the types divided by.
    """
    matrix = found.proportion(rows)
    if matrix is None:
        return {}
    fractions = dict(zip(found.cell_types, np.asarray(matrix, np.float64).T, strict=True))
    if not divided_by:
        return fractions
    total = np.sum([fractions[name] for name in divided_by], axis=0)
    empty = np.full_like(total, np.nan)
    return {
        name: np.divide(fractions[name], total, out=empty.copy(), where=total > 0)
        for name in divided_by
    }


def _profiles(
    found: evidence.Evidence, cell_type: str, rows: Array, space: Space
) -> tuple[Array, int]:
    """Read the frozen genes in their order: NaN where one is not there, as the space takes it."""
    available = found.genes()
    match = gene_names.match(space.genes, available)
    if match.coverage < MIN_COVERAGE:
        more = ", ..." if len(match.missing) > N_NAMED else ""
        first = ", ".join(match.missing[:N_NAMED]) + more
        raise errors.LabelMismatchError(
            f"{found.path}: has {len(space.genes) - len(match.missing):,} of the "
            f"{len(space.genes):,} frozen genes of {cell_type} (lacking: {first}), needed: "
            f"{MIN_COVERAGE:.0%}. Give results of the same model, or of the same genes."
        )
    wanted = [available[at] for at in match.index if at >= 0]
    if not match.missing:
        return found.profile(cell_type, rows, wanted), len(wanted)
    matrix = np.full((len(rows), len(space.genes)), np.nan, np.float32)
    matrix[:, match.index >= 0] = found.profile(cell_type, rows, wanted)
    return matrix, len(wanted)


def _line(cell_type: str, index: Array, counted: tuple[int, int], share: float) -> dict[str, Any]:
    n_genes, n_there = counted
    n_0, n_1 = int((index == 0).sum()), int((index == 1).sum())
    return {
        "cell_type": cell_type,
        "by": "space" if n_genes else "cut",
        "n_genes": n_genes,
        "n_genes_there": n_there,
        "coverage": n_there / n_genes if n_genes else np.nan,
        "n_present": n_0 + n_1,
        "n_absent": len(index) - n_0 - n_1,
        "n_0": n_0,
        "n_1": n_1,
        "share_1": n_1 / (n_0 + n_1) if n_0 + n_1 else np.nan,
        "share_1_in_discovery": float(share),
    }


def _notes(line: dict[str, Any]) -> list[str]:
    notes, name = [], line["cell_type"]
    if line["coverage"] < WARN_COVERAGE:
        notes.append(
            f"{name}: {line['n_genes_there']:,} of {line['n_genes']:,} frozen genes are there; "
            "the others count as the discovery's mean"
        )
    if not line["n_present"]:
        notes.append(f"{name}: absent in every patient")
    elif not (line["n_0"] and line["n_1"]):
        state = int(line["n_1"] > 0)
        notes.append(f"{name}: every patient is in state {state}; units or platforms may differ")
    elif abs(line["share_1"] - line["share_1_in_discovery"]) > MAX_DRIFT:
        notes.append(
            f"{name}: {line['share_1']:.0%} of the patients are in state 1, "
            f"{line['share_1_in_discovery']:.0%} in the discovery"
        )
    return notes
