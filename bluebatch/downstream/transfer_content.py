"""Everything that a transfer finds, and the tables that it becomes."""

import dataclasses
import json
import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from bluebatch.downstream import (
    frozen,
    report,
    transfer_states,
    transfer_survival,
    transfer_tests,
)
from bluebatch.downstream.patient_options import Cohort
from bluebatch.store import output_folders

COLUMNS = [
    *("family", "comparison", "test", "statistic", "p_one_sided", "p", "q", "p_permutation"),
    "worth",
]
# What a p-value is worth.
FIXED = "as it stands: the direction was fixed in the discovery"
EXPLORED = "descriptive: not significant in the discovery"
PLAIN = "as it stands: two-sided"


@dataclasses.dataclass(frozen=True, eq=False)
class Transferred:
    """Everything that the frozen subtypes say of a second cohort.

    Parameters
    ----------
    cohort : Cohort
        Its patients are in the order of every array.
    states : transfer_states.States
        By frozen spaces and cuts.
    replication : transfer_tests.Replication
        Every definition.
    sets : transfer_survival.Sets
        Groups, signatures' scores and clusters, as far as there are any.
    comparisons : pd.DataFrame
        One row a comparison of groups, signatures and clusters.
    gain : pd.DataFrame
        What the groups add to covariates; empty without either.
    survival : pd.DataFrame
        One row a group of patients.
    notes : list of str
        What is to be known before any of it is believed.
    """

    cohort: Cohort
    states: transfer_states.States
    replication: transfer_tests.Replication
    sets: transfer_survival.Sets
    comparisons: pd.DataFrame
    gain: pd.DataFrame
    survival: pd.DataFrame
    notes: list[str]


def tables(transferred: Transferred, model: frozen.Frozen) -> dict[str, pd.DataFrame]:
    """Lay everything out as tables.

    Parameters
    ----------
    transferred : Transferred
        What was found.
    model : frozen.Frozen
        For the cell types.

    Returns
    -------
    dict of str to pd.DataFrame
        By file name without ``.csv``.
    """
    who, states, sets = transferred.cohort.patients, transferred.states, transferred.sets
    frame = {
        "patient": who.names,
        "sample": who.samples,
        "duration": who.durations,
        "event": np.asarray(who.event_observed, int),
    }
    of_types = dict(zip(model.cell_types, states.index.T, strict=True))
    found = {
        "patients": who.fates,
        "states": pd.DataFrame({**frame, **of_types}),
        "state_quality": states.quality,
        "definitions": transferred.replication.table,
        "comparisons": transferred.comparisons,
        "tests": tests(transferred),
        "survival": transferred.survival,
    }
    if sets.groups is not None:
        named = [sets.groups.names[code] for code in sets.groups.index]
        found["groups"] = pd.DataFrame({**frame, "group": named, "margin": sets.groups.margin})
        found["components"] = sets.groups.components
    if len(transferred.gain):
        found["concordance"] = transferred.gain
    if sets.signatures:
        scores = {
            f"{name}_{field}": getattr(each, field)
            for name, each in sets.signatures.items()
            for field in ("score", "probability", "inside")
        }
        found["signature"] = pd.DataFrame({**frame, **scores})
    if sets.clusters is not None:
        found["clusters"] = pd.DataFrame({**frame, "cluster": sets.clusters + 1})
    return found


def tests(transferred: Transferred) -> pd.DataFrame:
    """List every test that was made.

    Parameters
    ----------
    transferred : Transferred
        What was found.

    Returns
    -------
    pd.DataFrame
        One row a test: ``family``, ``comparison``, ``test``, ``statistic`` (z of one-sided ones),
        ``p_one_sided`` or, of tests without a direction, ``p``; ``q``, ``p_permutation`` and
        ``worth``, what the p-value is worth.
    """
    rows: list[dict[str, Any]] = []
    for suffix in ("", transfer_tests.STRATIFIED):
        name = "one-sided log-rank" + (" within strata" if suffix else "")
        for row in transferred.replication.table.to_dict("records"):
            # Without a p: the discovery did not test it, so that it has no direction.
            if not np.isnan(row.get(f"p_one_sided{suffix}", np.nan)):
                told = ("definitions", row["definition"])
                p, q = row[f"p_one_sided{suffix}"], row[f"q_one_sided{suffix}"]
                worth = FIXED if row["significant"] else EXPLORED
                rows.append(_row(*told, name, row[f"z{suffix}"], p, np.nan, q, np.nan, worth))
        for row in transferred.comparisons.to_dict("records"):
            told = (row["family"], row["comparison"])
            p, luck = row.get(f"p_one_sided{suffix}", np.nan), row.get(f"p_permuted{suffix}")
            if not np.isnan(p):
                rows.append(_row(*told, name, row[f"z{suffix}"], p, np.nan, np.nan, luck, FIXED))
            elif not suffix and not np.isnan(row.get("p", np.nan)):
                overall = ("log-rank", row["statistic"], np.nan, row["p"], np.nan, luck, PLAIN)
                rows.append(_row(*told, *overall))
    return pd.DataFrame(rows, columns=COLUMNS)


def save(
    folder: pathlib.Path, tables: Mapping[str, pd.DataFrame], facts: Mapping[str, Any]
) -> None:
    """Write tables as CSV and everything else as JSON.

    Parameters
    ----------
    folder : pathlib.Path
        To be filled.
    tables : mapping of str to pd.DataFrame
        By file name without ``.csv``; no index is written.
    facts : mapping of str to Any
        Written to ``transfer.json``, NaN as null.
    """
    for name, table in tables.items():
        table.to_csv(folder / f"{name}.csv", index=False, float_format="%.6g")
    text = json.dumps(report.plain(facts), indent=1, allow_nan=False)
    (folder / output_folders.TRANSFER_FILE).write_text(text + "\n")


def _row(*values: Any) -> dict[str, Any]:
    return dict(zip(COLUMNS, values, strict=True))
