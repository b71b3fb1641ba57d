"""Survival of patients, as whatever tests it takes it."""

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt

from bluebatch.downstream import logrank

Array = npt.NDArray[Any]


@dataclasses.dataclass(frozen=True, eq=False)
class Outcome:
    """How long patients were followed, and among whom they are compared.

    Parameters
    ----------
    durations : np.ndarray, shape (patient,)
        Times to the event or censoring.
    event_observed : np.ndarray of bool, shape (patient,)
        Whether the event came.
    strata : np.ndarray or None, shape (patient,)
        Labels within which patients are compared, and permuted.
    """

    durations: npt.NDArray[np.float64]
    event_observed: Array
    strata: Array | None = None

    def take(self, rows: Array) -> "Outcome":
        """Take some of the patients.

        Parameters
        ----------
        rows : np.ndarray of bool or int
            Which.

        Returns
        -------
        Outcome
            Theirs.
        """
        strata = None if self.strata is None else self.strata[rows]
        return Outcome(self.durations[rows], self.event_observed[rows], strata)

    def risk(self, *, stratified: bool = True) -> logrank.Risk:
        """Set up the log-rank test.

        Parameters
        ----------
        stratified : bool
            Whether within the strata, where there are any.

        Returns
        -------
        logrank.Risk
            Of these patients.
        """
        return logrank.Risk(
            self.durations, self.event_observed, self.strata if stratified else None
        )
