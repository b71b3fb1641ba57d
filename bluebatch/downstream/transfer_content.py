"""Everything that a transfer finds, and the tables that it becomes."""

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from bluebatch.downstream import frozen, patients, patterns, transfer_states, transfer_tests
from bluebatch.downstream.signature import Scores

Array = npt.NDArray[Any]


@dataclasses.dataclass(frozen=True, eq=False)
class Transferred:
    """Everything that the frozen subtypes say of a second cohort.

    Parameters
    ----------
    who : patients.Patients
        In the order of every array.
    states : transfer_states.States
        By frozen spaces and cuts.
    replication : transfer_tests.Replication
        Every definition.
    groups : patterns.Groups or None
        The three groups; None where the discovery has none.
    signatures : dict of str to Scores
        By group; empty without bulk expression.
    clusters : np.ndarray of int8 or None, shape (patient,)
        Nearest clusters of proportions; -1 where there are none.
    tests : pd.DataFrame
        One row a test of groups, signatures and clusters.
    survival : pd.DataFrame
        One row a group of patients.
    notes : list of str
        What is to be known before any of it is believed.
    """

    who: patients.Patients
    states: transfer_states.States
    replication: transfer_tests.Replication
    groups: patterns.Groups | None
    signatures: dict[str, Scores]
    clusters: Array | None
    tests: pd.DataFrame
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
    who = transferred.who
    frame = {
        "patient": who.names,
        "sample": who.samples,
        "duration": who.durations,
        "event": np.asarray(who.event_observed, int),
    }
    states = transferred.states
    found = {
        "patients": who.fates,
        "states": pd.DataFrame(
            {**frame, **dict(zip(model.cell_types, states.index.T, strict=True))}
        ),
        "state_quality": states.quality,
        "definitions": transferred.replication.table,
        "tests": transferred.tests,
        "survival": transferred.survival,
    }
    if transferred.groups is not None:
        groups = transferred.groups
        found["groups"] = pd.DataFrame({**frame, "group": groups.index, "margin": groups.margin})
    if transferred.signatures:
        scores = {
            f"{name}_{field}": getattr(each, field)
            for name, each in transferred.signatures.items()
            for field in ("score", "probability", "inside")
        }
        found["signature"] = pd.DataFrame({**frame, **scores})
    if transferred.clusters is not None:
        found["clusters"] = pd.DataFrame({**frame, "cluster": transferred.clusters})
    return found
