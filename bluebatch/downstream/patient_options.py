"""Who the patients of a run are: the flags that subtype and transfer share, and what they make."""

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pydantic

from bluebatch.downstream import clinical as clinical_table
from bluebatch.downstream import outcomes
from bluebatch.downstream import patients as patient_rows
from bluebatch.downstream import strata as levels
from bluebatch.downstream.endpoints import TimeUnit
from bluebatch.downstream.evidence import Evidence, open_evidence
from bluebatch.store import places


class PatientOptions(pydantic.BaseModel):
    """The tables of a run, and how they are read.

    Parameters
    ----------
    clinical : str, pathlib.Path or upath.UPath
        Table of one row a patient.
    cohort : str, pathlib.Path, upath.UPath or None
        Store of bulk expression that the results were made from.
    time, event, time_unit, patient_column : str, optional
        Columns of the table, and the unit of the time; recognised by default.
    event_values : tuple of str
        Words that mean the event.
    censor_at : float, optional
        Longest follow-up, in the unit of the time.
    patient_from_sample : str, optional
        ``"tcga"``, ``"target"`` or a regular expression with one group.
    leave_out : mapping of str to tuple of str
        Values of clinical columns whose patients are left out.
    strata, covariates : tuple of str
        Clinical columns.
    seed : int
        Of all that is drawn.
    overwrite : bool
        Whether what stands at the output is replaced.
    """

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    clinical: str | places.Place
    cohort: str | places.Place | None = None
    time: str | None = None
    event: str | None = None
    event_values: tuple[str, ...] = ()
    time_unit: TimeUnit | None = None
    censor_at: float | None = None
    patient_column: str | None = None
    patient_from_sample: str | None = None
    leave_out: Mapping[str, tuple[str, ...]] = {}
    strata: tuple[str, ...] = ()
    covariates: tuple[str, ...] = ()
    seed: int = 0
    overwrite: bool = False

    def endpoint(self) -> clinical_table.EndpointSettings:
        """Take what says how long patients were followed.

        Returns
        -------
        clinical_table.EndpointSettings
            Checked.
        """
        names = clinical_table.EndpointSettings.model_fields
        return clinical_table.EndpointSettings(**{name: getattr(self, name) for name in names})


@dataclasses.dataclass(frozen=True, eq=False)
class Cohort:
    """Patients, their samples' results, and their survival.

    Parameters
    ----------
    found : Evidence
        Results, and bulk expression where it is at hand.
    patients : patient_rows.Patients
        One sample each.
    strata : np.ndarray of int or None, shape (patient,)
        Within which patients are compared; those whose level is not known are one more.
    notes : list of str
        What was made of the tables.
    """

    found: Evidence
    patients: patient_rows.Patients
    strata: npt.NDArray[Any] | None
    notes: list[str]

    @property
    def rows(self) -> npt.NDArray[np.int64]:
        """Give the rows of the results.

        Returns
        -------
        np.ndarray of int64, shape (patient,)
            One a patient.
        """
        return self.patients.rows

    @property
    def durations(self) -> npt.NDArray[np.float64]:
        """Give the follow-up.

        Returns
        -------
        np.ndarray of float64, shape (patient,)
            Days.
        """
        return self.patients.durations

    @property
    def event_observed(self) -> npt.NDArray[np.bool_]:
        """Tell whose follow-up ended with the event.

        Returns
        -------
        np.ndarray of bool, shape (patient,)
            True for the event.
        """
        return self.patients.event_observed

    @property
    def outcome(self) -> outcomes.Outcome:
        """Give the follow-up, and within what it is compared.

        Returns
        -------
        outcomes.Outcome
            Of these patients.
        """
        return outcomes.Outcome(self.durations, self.event_observed, self.strata)

    @property
    def n_patients(self) -> int:
        """Count the patients.

        Returns
        -------
        int
            At least the few that are needed.
        """
        return len(self.patients.names)

    @functools.cached_property
    def proportion(self) -> npt.NDArray[np.floating[Any]] | None:
        """Read the patients' proportions, once.

        Returns
        -------
        np.ndarray of float64, shape (patient, cell_type), or None
            As `Evidence.proportion` gives them.
        """
        return self.found.proportion(self.rows)

    @functools.cached_property
    def variable_genes(self) -> list[str]:
        """Choose the genes of bulk that vary most among the patients, once.

        Returns
        -------
        list of str
            As `Evidence.variable_genes` gives them.
        """
        return self.found.variable_genes(self.rows)


def open_cohort(results: str | places.Place, options: PatientOptions, max_genes: int) -> Cohort:
    """Open results and match their samples to the patients of the clinical table.

    Parameters
    ----------
    results : str, pathlib.Path or upath.UPath
        Profile, composition or cohort store.
    options : PatientOptions
        The tables.
    max_genes : int
        Genes of bulk that are read at most.

    Returns
    -------
    Cohort
        Ready for tests.

    Raises
    ------
    errors.BluebatchError
        If something cannot be read or does not match.
    """
    found = open_evidence(results, options.cohort, max_genes)
    table = clinical_table.read(options.clinical, options.endpoint())
    patients = patient_rows.match(
        found.path,
        found.samples,
        found.stated_patients,
        table,
        options.patient_from_sample,
        options.leave_out,
    )
    found.check_bulk(patients.rows)
    notes = [*table.notes, *patients.notes]
    if not options.strata:
        return Cohort(found, patients, None, notes)
    divided = levels.divide(patients.table, options.strata)
    index = np.where(divided.index < 0, len(divided.names), divided.index)
    return Cohort(found, patients, index, [*notes, *divided.notes])
