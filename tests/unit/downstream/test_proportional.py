"""The check of proportional hazards, against residuals written out, and its advice."""

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from lifelines import KaplanMeierFitter
from scipy import stats
from statsmodels.duration.hazard_regression import PHReg

from bluebatch.downstream import hazards, proportional
from bluebatch.downstream.covariates import Covariates

Float = npt.NDArray[np.float64]
NAMES = ["good", "middle", "bad"]


def one(name: str, values: Float) -> Covariates:
    return Covariates(pd.DataFrame({name: values}), {name: [name]}, {}, [])


def turning(flag: Float, rng: np.random.Generator) -> Float:
    """Draw times: those with the flag die four times as fast until day 100, then a quarter so."""
    hazard = np.where(flag > 0, 4.0, 1.0) / 200
    early = rng.exponential(1 / hazard)
    late = 100 + rng.exponential(np.where(flag > 0, 4.0, 1.0) * 200)
    return np.where(early < 100, early, late)


@pytest.mark.parametrize("stratified", [False, True])
def test_check__agrees_with_residuals_written_out(stratified: bool) -> None:
    rng = np.random.default_rng(8)
    n = 120
    groups, age, strata = rng.integers(0, 3, n), rng.normal(size=n), rng.integers(0, 2, n)
    times = rng.permutation(np.arange(1.0, n + 1))
    events = rng.random(n) < 0.7
    matrix = np.column_stack([groups == 1, groups == 2, age]).astype(np.float64)
    strata = strata if stratified else np.zeros(n, dtype=int)
    fitted = PHReg(times, matrix, events, strata=strata).fit()
    risk, variance = np.exp(matrix @ fitted.params), fitted.cov_params()
    survival = KaplanMeierFitter().fit(times, events)
    rows = np.flatnonzero(events)
    residuals = []
    for row in rows:
        at_risk = (times >= times[row]) & (strata == strata[row])
        mean = risk[at_risk] @ matrix[at_risk] / risk[at_risk].sum()
        residuals.append(variance @ (matrix[row] - mean) * len(rows))
    curve = 1 - np.array([float(survival.predict(times[row])) for row in rows])
    curve = curve - curve.mean()
    slopes, scale = curve @ np.array(residuals), len(rows) * (curve @ curve)
    found = proportional.check(
        *(times, events, groups, NAMES, one("age", age)), strata if stratified else None
    ).table
    single = found[found["term"].isin(["group=middle", "group=bad", "age"])]
    expected = slopes**2 / (np.diag(variance) * scale)
    assert single["statistic"].to_numpy() == pytest.approx(expected, rel=1e-4)
    assert single["p"].to_numpy() == pytest.approx(stats.chi2.sf(expected, 1), rel=1e-3)
    joint = found[found["term"] == "all terms"]
    both = slopes[:2] @ np.linalg.inv(variance[:2, :2]) @ slopes[:2] / scale
    assert joint[["covariate", "df"]].to_numpy().tolist() == [["group", 2]]
    assert joint["statistic"].to_numpy() == pytest.approx([both], rel=1e-4)
    every = found[found["covariate"] == "all columns"]
    assert every["df"].tolist() == [3]
    whole = slopes @ np.linalg.inv(variance) @ slopes / scale
    assert every["statistic"].to_numpy() == pytest.approx([whole], rel=1e-4)


def test_check__a_failing_flag_is_stratified_by() -> None:
    rng = np.random.default_rng(0)
    flag, groups = rng.integers(0, 2, 300).astype(float), rng.integers(0, 3, 300)
    times, events = turning(flag, rng), np.ones(300, dtype=bool)
    found = proportional.check(times, events, groups, NAMES, one("flag", flag))
    fails = found.table.set_index("covariate")["fails"]
    assert fails["flag"]
    assert len(found.notes) == 1
    assert found.notes[0].startswith("flag: hazards are not proportional")
    assert "stratify by flag" in found.notes[0]
    assert "restricted mean survival times" in found.notes[0]
    expected = hazards.fit(times, events, groups, NAMES, strata=flag.astype(int)).table
    assert found.stratified["model"].unique().tolist() == ["stratified by flag"]
    ratios = found.stratified["hazard_ratio"].to_numpy()
    assert ratios == pytest.approx(expected["hazard_ratio"].to_numpy())


def test_check__a_failing_number_is_cut_into_thirds_within_the_strata_asked_for() -> None:
    rng = np.random.default_rng(1)
    age, groups = rng.uniform(20, 80, 400), rng.integers(0, 2, 400)
    times, events = turning((age > 50).astype(float), rng), np.ones(400, dtype=bool)
    sex = rng.integers(0, 2, 400)
    found = proportional.check(times, events, groups, NAMES, one("age", age), sex)
    assert "stratify by 3 classes of it" in found.notes[0]
    thirds = np.searchsorted(np.quantile(age, [1 / 3, 2 / 3]), age)
    expected = hazards.fit(times, events, groups, NAMES, strata=3 * sex + thirds).table
    ratios = found.stratified["hazard_ratio"].to_numpy()
    assert ratios == pytest.approx(expected["hazard_ratio"].to_numpy())


def test_check__failing_groups_are_compared_by_restricted_means() -> None:
    rng = np.random.default_rng(2)
    groups = rng.integers(0, 2, 300)
    times, events = turning(groups.astype(float), rng), np.ones(300, dtype=bool)
    found = proportional.check(times, events, groups, NAMES)
    assert found.stratified.empty
    assert len(found.notes) == 1
    assert found.notes[0].startswith("group: hazards are not proportional")
    assert "restricted mean survival times of the groups" in found.notes[0]


def test_check__no_model_no_check() -> None:
    found = proportional.check(
        np.arange(1.0, 11), np.zeros(10, dtype=bool), np.repeat([0, 1], 5), NAMES
    )
    assert found.table.empty
    assert "not checked: Cox model: no events" in found.notes[0]


def test_check__events_of_one_day_are_no_course() -> None:
    events = np.arange(30) % 2 == 0
    found = proportional.check(np.full(30, 5.0), events, np.arange(30) % 3, NAMES)
    assert found.table.empty
    assert "all events come on one day" in found.notes[0]
