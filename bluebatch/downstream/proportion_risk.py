"""Patients put at like risk by their proportions, so that states are compared at like ones.

Where states follow proportions, states found in what proportions leave of the profiles are no
answer: the fit is never perfect, or takes the states away with the proportions. Comparing patients
of like risk by their proportions leaves the states as they are.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from bluebatch.downstream import hazards
from bluebatch.downstream.covariates import Covariates
from bluebatch.downstream.outcomes import Outcome

Array = npt.NDArray[Any]
THIRDS = (1 / 3, 2 / 3)
UNKNOWN = len(THIRDS) + 1


def thirds(
    proportion: Array, cell_types: Sequence[str], outcome: Outcome
) -> tuple[npt.NDArray[np.int64] | None, str]:
    """Divide patients into thirds of their risk by a Cox model of all proportions.

    Parameters
    ----------
    proportion : np.ndarray, shape (patient, cell_type)
        Proportions; the last type is left out of the model, since they sum to 1.
    cell_types : sequence of str
        Names of the columns.
    outcome : Outcome
        Survival; its strata have baseline hazards of their own.

    Returns
    -------
    index : np.ndarray of int64, shape (patient,), or None
        0 to 2, the highest risk last; 3 where a proportion is unknown. None without a model.
    said : str
        Why there is none.
    """
    names = list(cell_types)[:-1]
    frame = pd.DataFrame(np.asarray(proportion, np.float64)[:, :-1], columns=names)
    # A type that nobody has, or everybody as much of, says nothing.
    frame = frame.loc[:, frame.nunique() > 1]
    terms = Covariates(frame, {str(name): [str(name)] for name in frame}, {}, [])
    strata = None
    if outcome.strata is not None:
        strata = np.unique(outcome.strata, return_inverse=True)[1]
    fitted, said = hazards.attempt(outcome.durations, outcome.event_observed, terms, strata)
    if fitted is None:
        return None, said
    risk = fitted.design.frame.to_numpy(np.float64) @ fitted.coefficients
    index = np.full(len(frame), UNKNOWN, np.int64)
    index[fitted.rows] = np.digitize(risk, np.quantile(risk, THIRDS))
    return index, ""
