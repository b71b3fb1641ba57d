import numpy as np
import pytest
from statsmodels.duration import survfunc

from bluebatch.downstream import outcomes


def test_risk__within_strata_or_not_as_in_statsmodels() -> None:
    rng = np.random.default_rng(0)
    durations, events = rng.integers(1, 30, 80).astype(float), rng.random(80) < 0.6
    strata, inside = rng.integers(0, 3, 80), rng.random(80) < 0.4
    outcome = outcomes.Outcome(durations, events, strata)
    within = outcome.risk().test(inside[:, None]).statistic[0]
    plain = outcome.risk(stratified=False).test(inside[:, None]).statistic[0]
    assert within == pytest.approx(survfunc.survdiff(durations, events, inside, strata=strata)[0])
    assert plain == pytest.approx(survfunc.survdiff(durations, events, inside)[0])
    assert within != pytest.approx(plain)


@pytest.mark.parametrize("rows", [np.array([3, 1]), np.array([False, True, False, True])])
def test_take__keeps_what_belongs_together(rows: np.ndarray) -> None:
    outcome = outcomes.Outcome(
        np.array([1.0, 2, 3, 4]), np.array([True, False, True, True]), np.array(list("abcd"))
    )
    part = outcome.take(rows)
    assert part.strata is not None
    found = zip(part.durations, part.event_observed, part.strata, strict=True)
    assert sorted(found) == [(2.0, False, "b"), (4.0, True, "d")]
    assert outcomes.Outcome(outcome.durations, outcome.event_observed).take(rows).strata is None
