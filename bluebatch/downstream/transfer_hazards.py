"""Hazard ratios of frozen groups in a second cohort, beside covariates where there are any."""

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import scipy.stats

from bluebatch.downstream import covariates, hazards
from bluebatch.downstream.outcomes import Outcome
from bluebatch.downstream.transfer_tests import Replication

Array = npt.NDArray[Any]
REACH = float(scipy.stats.norm.isf(0.025))
# No column of a clinical table is called so.
SOURCE = "frozen group"
TERM = f"{SOURCE}=inside"
ADJUSTED = "_adjusted"


@dataclasses.dataclass(frozen=True)
class Ratio:
    """The hazard inside a group against that outside.

    Parameters
    ----------
    log_ratio, error : float
        Natural logarithm and its standard error; NaN where there is no estimate.
    said : str
        Why there is none.
    """

    log_ratio: float
    error: float
    said: str

    def as_columns(self, suffix: str = "") -> dict[str, Any]:
        """Give the ratio with its 95 % interval.

        Parameters
        ----------
        suffix : str
            What the names end in.

        Returns
        -------
        dict of str to Any
            ``hazard_ratio``, ``low``, ``high`` and ``said``.
        """
        names = {"hazard_ratio": 0.0, "low": -REACH, "high": REACH}
        ends = {
            f"{name}{suffix}": float(np.exp(self.log_ratio + reach * self.error))
            for name, reach in names.items()
        }
        return {**ends, f"said{suffix}": self.said}

    def one_sided(self, direction: float) -> float:
        """Test it in a direction set beforehand.

        Parameters
        ----------
        direction : float
            Below 0 where fewer events inside are expected, above where more.

        Returns
        -------
        float
            Wald p; NaN where there is no estimate.
        """
        return float(scipy.stats.norm.sf(np.sign(direction) * self.log_ratio / self.error))


def estimate(
    inside: Array,
    outcome: Outcome,
    strata: Array | None,
    beside: covariates.Covariates | None,
) -> Ratio:
    """Estimate the hazard ratio with a Cox model.

    Parameters
    ----------
    inside : np.ndarray of bool, shape (patient,)
        The group.
    outcome : Outcome
        Of the same patients.
    strata : np.ndarray of int or None, shape (patient,)
        Each with a baseline hazard of its own.
    beside : covariates.Covariates or None
        Further terms.

    Returns
    -------
    Ratio
        With the reason where it cannot be estimated.
    """
    own = covariates.of_groups(inside.astype(int), ("outside", "inside"), SOURCE)
    design = own if beside is None else own.beside(beside)
    found, said = hazards.attempt(outcome.durations, outcome.event_observed, design, strata)
    terms = [] if found is None else list(found.design.frame.columns)
    if found is None or TERM not in terms:
        left = "" if found is None else found.left_out.get(TERM, "")
        return Ratio(np.nan, np.nan, said or left or "one side has no patients")
    at = terms.index(TERM)
    return Ratio(float(found.coefficients[at]), float(found.standard_errors[at]), "")


def take(beside: covariates.Covariates, rows: Array) -> covariates.Covariates:
    """Take the covariates of some patients.

    Parameters
    ----------
    beside : covariates.Covariates
        Of all.
    rows : np.ndarray of bool, shape (patient,)
        Which.

    Returns
    -------
    covariates.Covariates
        The same terms.
    """
    return dataclasses.replace(beside, frame=beside.frame[np.asarray(rows, bool)])


def adjust(again: Replication, outcome: Outcome, beside: covariates.Covariates) -> pd.DataFrame:
    """Ask of each definition that replicates whether it does so beside covariates.

    Parameters
    ----------
    again : Replication
        Definitions, tested.
    outcome : Outcome
        Of the same patients.
    beside : covariates.Covariates
        Of the same patients.

    Returns
    -------
    pd.DataFrame
        The table of definitions with ``hazard_ratio_adjusted``, its ``low_adjusted`` and
        ``high_adjusted``, ``said_adjusted`` and ``p_one_sided_adjusted``; gaps where a definition
        does not replicate. Within the strata, where there are any.
    """
    rows = []
    for at, row in enumerate(again.table.to_dict("records")):
        if not row["replicated"]:
            rows.append({**Ratio(np.nan, np.nan, "").as_columns(ADJUSTED)})
            continue
        shown = again.considered[:, at]
        mine, some = again.inside[shown, at], outcome.take(shown)
        found = estimate(mine, some, some.strata, take(beside, shown))
        p = found.one_sided(row["discovery_z"])
        rows.append({**found.as_columns(ADJUSTED), f"p_one_sided{ADJUSTED}": p})
    names = [*Ratio(np.nan, np.nan, "").as_columns(ADJUSTED), f"p_one_sided{ADJUSTED}"]
    added = pd.DataFrame(rows, columns=names)
    return again.table.join(added)
