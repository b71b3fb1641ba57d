"""Strata: patients who are compared among themselves only."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from bluebatch import errors
from bluebatch.downstream import clinical_columns

Array = npt.NDArray[Any]


@dataclasses.dataclass(frozen=True, eq=False)
class Strata:
    """Patients who are compared among themselves only.

    Parameters
    ----------
    index : np.ndarray of int, shape (patient,)
        Positions in ``names``; -1 where a column is unknown.
    names : list of str
        ``column=level``, joined by `` & `` where there are more columns.
    notes : list of str
        What is unknown, and how many patients are alone in their stratum.
    """

    index: Array
    names: list[str]
    notes: list[str]


def divide(table: pd.DataFrame, columns: Sequence[str]) -> Strata:
    """Divide patients by the levels of clinical columns.

    Parameters
    ----------
    table : pd.DataFrame of str
        One row a patient.
    columns : sequence of str
        Categorical, or of 0 and 1.

    Returns
    -------
    Strata
        One stratum for each combination that occurs, in the order of its name.

    Raises
    ------
    errors.LabelMismatchError
        If the table has no such column.
    errors.ValuesError
        If a column is of numbers, unknown throughout, constant, or names the patients.
    """
    found = [clinical_columns.take(table, name, "strata") for name in dict.fromkeys(columns)]
    for column in found:
        if column.kind == clinical_columns.NUMERIC and len(column.levels) > 2:
            raise errors.ValuesError(
                f"strata {column.name}: {len(column.levels):,} different numbers, needed: levels. "
                "Cut it into classes in the table, or take it as a covariate."
            )
    known = np.all([column.known for column in found], axis=0)
    pieces = [[f"{column.name}={word}" for word in column.words()] for column in found]
    labels = np.array([" & ".join(each) for each in zip(*pieces, strict=True)], dtype=object)
    names = sorted(set(labels[known].tolist()))
    places = {name: at for at, name in enumerate(names)}
    index = np.array(
        [places[label] if there else -1 for label, there in zip(labels, known, strict=True)]
    )
    notes = []
    if not known.all():
        notes.append(
            f"strata: unknown of {int((~known).sum()):,} of {len(known):,} patients, who are "
            "compared among themselves"
        )
    n_alone = int((np.bincount(index[known], minlength=len(names)) == 1).sum())
    if n_alone:
        notes.append(
            f"strata: {n_alone:,} of {len(names):,} have one patient, who is compared with nobody"
        )
    return Strata(index, names, notes)
