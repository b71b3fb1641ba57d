import lifelines
import numpy as np
import pandas as pd

from bluebatch.downstream import proportion_risk
from bluebatch.downstream.outcomes import Outcome

TYPES = ["A", "B", "C"]


def cohort(n: int, seed: int) -> tuple[np.ndarray, Outcome]:
    rng = np.random.default_rng(seed)
    proportion = rng.dirichlet([3, 3, 3], n)
    death = rng.exponential(500 * np.exp(-3 * proportion[:, 0]))
    censored = rng.uniform(100, 2000, n)
    return proportion, Outcome(np.minimum(death, censored), death <= censored)


def test_thirds__are_those_of_the_cox_models_risk() -> None:
    proportion, outcome = cohort(150, 0)
    index, said = proportion_risk.thirds(proportion, TYPES, outcome)
    frame = pd.DataFrame({"A": proportion[:, 0], "B": proportion[:, 1]})
    frame["t"], frame["e"] = outcome.durations, outcome.event_observed
    risk = lifelines.CoxPHFitter().fit(frame, "t", "e").predict_log_partial_hazard(frame)
    expected = pd.qcut(risk, 3, labels=False)
    assert said == ""
    assert index is not None
    np.testing.assert_array_equal(index, expected)


def test_thirds__an_unknown_proportion_is_a_stratum_of_its_own() -> None:
    proportion, outcome = cohort(60, 1)
    proportion[7] = np.nan
    index, _ = proportion_risk.thirds(proportion, TYPES, outcome)
    assert index is not None
    assert np.flatnonzero(index == proportion_risk.UNKNOWN).tolist() == [7]


def test_thirds__no_model_is_said() -> None:
    proportion, outcome = cohort(40, 2)
    index, said = proportion_risk.thirds(
        proportion, TYPES, Outcome(outcome.durations, np.zeros(40, bool))
    )
    assert index is None
    assert "events" in said
