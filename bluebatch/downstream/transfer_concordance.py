"""How well frozen groups and scores foretell who of a second cohort has the event first."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from bluebatch.downstream import concordance, covariates, discrimination, patterns
from bluebatch.downstream.outcomes import Outcome

Array = npt.NDArray[Any]


def judge(
    groups: patterns.Groups | None,
    outcome: Outcome,
    beside: covariates.Covariates | None,
    rng: np.random.Generator,
) -> tuple[pd.DataFrame, list[str]]:
    """Measure what frozen groups add to covariates in telling who has the event first.

    Parameters
    ----------
    groups : patterns.Groups or None
        Frozen; the models' coefficients alone are of this cohort, by cross-validation.
    outcome : Outcome
        Of the same patients.
    beside : covariates.Covariates or None
        Columns that the groups are judged beside.
    rng : np.random.Generator
        Draws the folds.

    Returns
    -------
    table : pd.DataFrame
        As `discrimination.compare` gives; empty without groups or covariates.
    notes : list of str
        How to read it.
    """
    if groups is None or beside is None:
        return pd.DataFrame(columns=[*discrimination.COLUMNS]), []
    design = covariates.of_groups(groups.index, groups.names)
    folds = discrimination.Folds(rng)
    told = (outcome.durations, outcome.event_observed, design, beside, folds)
    return discrimination.compare(*told, "second cohort")


def agree(risk_score: Array, outcome: Outcome) -> dict[str, float]:
    """Measure Harrell's C of a score that is higher where events are expected sooner.

    Parameters
    ----------
    risk_score : np.ndarray, shape (patient,)
        E.g. the groups' codes.
    outcome : Outcome
        Of the same patients.

    Returns
    -------
    dict of str to float
        ``concordance`` with ``concordance_low`` and ``concordance_high``, 95 %; NaN where no two
        patients can be compared.
    """
    score = np.asarray(risk_score, np.float64)
    pairs = concordance.count(outcome.durations, outcome.event_observed, score)
    low, high = pairs.interval()
    return {"concordance": pairs.index, "concordance_low": low, "concordance_high": high}
