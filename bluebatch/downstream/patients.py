"""Samples matched to the patients of a clinical table: one sample stands for one patient."""

import collections
import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from bluebatch import errors
from bluebatch.downstream import clinical as clinical_table
from bluebatch.downstream import fates, owners

Array = npt.NDArray[np.int64]

MIN_PATIENTS = 10
N_VALUES = 8


@dataclasses.dataclass(frozen=True)
class Patients:
    """Patients with a sample, a time and an event, in the order of the samples.

    Parameters
    ----------
    names, samples : list of str
        Each patient, and the sample that stands for it.
    rows : np.ndarray of int64, shape (patient,)
        Positions of these samples, in increasing order.
    durations : np.ndarray of float64, shape (patient,)
        Days.
    event_observed : np.ndarray of bool, shape (patient,)
        True for the event, False for censored.
    table : pd.DataFrame
        What the clinical table says beside these: text, with ``names`` as its index.
    fates : pd.DataFrame
        Columns ``kind`` (sample or patient), ``name``, ``patient`` and ``fate``: what became of
        every sample, and of every row of the clinical table.
    notes : list of str
        What was matched and what was not, in words.
    """

    names: list[str]
    samples: list[str]
    rows: Array
    durations: npt.NDArray[np.float64]
    event_observed: npt.NDArray[np.bool_]
    table: pd.DataFrame
    fates: pd.DataFrame
    notes: list[str]

    def take(self, index: npt.ArrayLike) -> "Patients":
        """Take some of the patients.

        Parameters
        ----------
        index : array_like of int or bool
            Which.

        Returns
        -------
        Patients
            These alone; fates and notes stay those of all.
        """
        at = np.arange(len(self.names))[np.asarray(index)]
        return dataclasses.replace(
            self,
            names=[self.names[position] for position in at],
            samples=[self.samples[position] for position in at],
            rows=self.rows[at],
            durations=self.durations[at],
            event_observed=self.event_observed[at],
            table=self.table.iloc[at],
        )


def match(
    where: object,
    samples: Sequence[str],
    stated: Sequence[str] | None,
    clinical: clinical_table.Clinical,
    patient_from_sample: str | None = None,
    leave_out: Mapping[str, Sequence[str]] | None = None,
) -> Patients:
    """Find one sample for each patient of a clinical table.

    Parameters
    ----------
    where : object
        Where the samples are from, for messages.
    samples : sequence of str
        Names of all samples.
    stated : sequence of str or None
        Patient of each sample, where their store says so.
    clinical : clinical_table.Clinical
        Times and events.
    patient_from_sample : str, optional
        ``"tcga"``, ``"target"`` or a regular expression with one group, before what is stated.
        By default barcodes are recognised, and any other sample is its own patient.
    leave_out : mapping of str to sequence of str, optional
        Columns of the table, and the values whose patients are left out.

    Returns
    -------
    Patients
        Of several samples of a patient, the one whose barcode says primary bone marrow (09), else
        primary blood (03), else primary tumour (01), and of equals the first in order of names.

    Raises
    ------
    errors.LabelMismatchError
        If too few samples match, a column or value to leave out is not there, or samples of the
        table cannot be told apart.
    errors.ConfigError
        If the expression is no regular expression with one group.
    errors.ValuesError
        If no matched patient has the event.
    """
    known = [*map(str, clinical.table.index), *clinical.dropped["name"]]
    matched = owners.find(where, samples, stated, patient_from_sample, known)
    n_matched = sum(row is not None for row in matched.rows)
    if not n_matched:
        raise errors.LabelMismatchError(
            f"{where}: none of its {len(samples):,} samples ({owners.first(samples)}; as patients "
            f"{owners.first(matched.owners)}) is among the {len(known):,} names of "
            f"{clinical.path} ({owners.first(known)}). Give --patient-from-sample or "
            "--patient-column."
        )
    reasons = dict(zip(clinical.dropped["name"], clinical.dropped["reason"], strict=True))
    reasons |= _left_out(clinical, leave_out or {})
    chosen = owners.choose(matched, reasons)
    found = _gather(matched, sorted(chosen.values()), clinical)
    _require_enough(where, clinical.path, found, n_matched, leave_out or {})
    listed = fates.collect(matched, chosen, known, reasons)
    notes = [*matched.notes, *fates.say(matched, chosen, listed)]
    return dataclasses.replace(found, fates=listed, notes=notes)


def _gather(
    matched: owners.Matched, rows: list[int], clinical: clinical_table.Clinical
) -> Patients:
    names = [matched.owners[at] for at in rows]
    position = {str(name): at for at, name in enumerate(clinical.table.index)}
    at_table = np.array([position[str(matched.rows[at])] for at in rows], dtype=np.int64)
    return Patients(
        names,
        [matched.samples[at] for at in rows],
        np.array(rows, dtype=np.int64),
        clinical.durations[at_table],
        clinical.event_observed[at_table],
        clinical.table.iloc[at_table].set_axis(pd.Index(names, name="patient"), axis=0),
        pd.DataFrame(),
        [],
    )


def _left_out(
    clinical: clinical_table.Clinical, leave_out: Mapping[str, Sequence[str]]
) -> dict[str, str]:
    table = clinical.table
    reasons: dict[str, str] = {}
    for column, values in leave_out.items():
        if column != table.index.name and column not in table.columns:
            raise errors.LabelMismatchError(
                f"{clinical.path}: has no column {column!r} to leave patients out by; it has "
                f"{', '.join(map(str, table.columns))} beside {table.index.name!r}. Name one."
            )
        cells = table.index if column == table.index.name else table[column]
        there = [str(cell) for cell in cells]
        missing = [value for value in values if value not in there]
        if missing:
            common = collections.Counter(there).most_common(N_VALUES)
            raise errors.LabelMismatchError(
                f"{clinical.path}: nobody with a time and an event has {column} {missing[0]!r}; "
                f"it has {', '.join(f'{value!r} ({n:,})' for value, n in common)}. Leave out "
                "values that are there."
            )
        for name, cell in zip(table.index, there, strict=True):
            if cell in values:
                reasons.setdefault(str(name), f"left out: {column}={cell}")
    return reasons


def _require_enough(
    where: object,
    path: str,
    found: Patients,
    n_matched: int,
    leave_out: Mapping[str, Sequence[str]],
) -> None:
    if len(found.names) < MIN_PATIENTS:
        remedy = (
            f"Leave out fewer than those of {', '.join(leave_out)}"
            if leave_out
            else "Give the table of these patients, or --patient-from-sample"
        )
        raise errors.LabelMismatchError(
            f"{where}: {n_matched:,} samples match names of {path}, and {len(found.names):,} "
            f"patients of theirs have a time and an event and are not left out, needed: at least "
            f"{MIN_PATIENTS}. {remedy}."
        )
    if not found.event_observed.any():
        raise errors.ValuesError(
            f"{path}: none of the {len(found.names):,} patients with a sample has the event, "
            "needed: some. Check --event, --event-values and --censor-at."
        )
