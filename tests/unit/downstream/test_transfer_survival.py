import itertools
from typing import Any

import lifelines
import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
import scipy.stats

from bluebatch.downstream import covariates, transfer_concordance, transfer_survival
from bluebatch.downstream.outcomes import Outcome
from bluebatch.downstream.transfer_survival import How

Array = npt.NDArray[Any]


def how(n_permutations: int = 0, beside: covariates.Covariates | None = None) -> How:
    return How(np.random.default_rng(0), n_permutations, beside)


def three_groups() -> tuple[Array, Outcome]:
    rng = np.random.default_rng(8)
    groups = np.repeat([0, 1, 2], 60).astype(np.int8)
    durations = rng.exponential(np.array([3000.0, 1000.0, 300.0])[groups])
    return groups, Outcome(durations, np.ones(180, bool))


def test_compare_groups__directions_and_sizes() -> None:
    groups, outcome = three_groups()
    rows = transfer_survival.compare_groups(groups, outcome, how(99))
    assert [row["expects"] for row in rows] == ["fewer events", "more events", "fewer events"]
    assert [(row["n_in"], row["n_out"]) for row in rows] == [(60, 120), (60, 120), (60, 60)]
    assert all(row["p_one_sided"] < 1e-4 for row in rows)
    # The smallest that 99 permutations can give.
    assert all(row["p_permuted"] == 0.01 for row in rows)
    assert rows[0]["high"] < 1 < rows[1]["low"]
    turned = transfer_survival.compare_groups(2 - groups, outcome, how(99))
    assert all(row["p_one_sided"] > 0.999 for row in turned)
    assert all(row["p_permuted"] > 0.9 for row in turned)


def test_compare__hazard_ratio_is_that_of_lifelines_with_strata_and_covariates() -> None:
    groups, plain = three_groups()
    rng = np.random.default_rng(9)
    strata, age = rng.integers(0, 2, 180), rng.normal(60, 10, 180)
    outcome = Outcome(plain.durations, plain.event_observed, strata)
    table = pd.DataFrame({"age": [f"{each:.3f}" for each in age]})
    beside = covariates.design(table, ["age"])
    inside, shown = groups == 2, groups != 1
    row = transfer_survival.compare("x", (inside, shown), 1, outcome, how(0, beside))
    frame = pd.DataFrame(
        {
            "time": outcome.durations,
            "event": 1,
            "inside": inside.astype(float),
            "stratum": strata,
            "age": age.round(3),
        }
    )[shown]
    for suffix, columns, by in (
        ("", ["inside"], None),
        ("_stratified", ["inside", "stratum"], ["stratum"]),
        ("_adjusted", ["inside", "stratum", "age"], ["stratum"]),
    ):
        fitted = lifelines.CoxPHFitter().fit(
            frame[["time", "event", *columns]], "time", "event", strata=by
        )
        told = fitted.summary.loc["inside"]
        assert row[f"hazard_ratio{suffix}"] == pytest.approx(told["exp(coef)"], rel=1e-4)
        assert row[f"low{suffix}"] == pytest.approx(told["exp(coef) lower 95%"], rel=1e-4)
        assert row[f"high{suffix}"] == pytest.approx(told["exp(coef) upper 95%"], rel=1e-4)
    assert row["p_one_sided_adjusted"] == pytest.approx(scipy.stats.norm.sf(told["z"]), rel=1e-3)


def test_compare__permuted_p_is_that_of_every_order() -> None:
    times = np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0])
    events = np.array([1, 1, 0, 1, 1, 1, 1], bool)
    inside = np.array([1, 1, 0, 1, 0, 0, 0], bool)
    outcome = Outcome(times, events)
    row = transfer_survival.compare("x", (inside, np.ones(7, bool)), 1, outcome, how(4000))
    risk = outcome.risk()
    own = risk.test(inside[:, None]).z[0]
    chosen = [np.isin(np.arange(7), each) for each in itertools.combinations(range(7), 3)]
    exact = np.mean(risk.test(np.stack(chosen, axis=1)).z > own - 1e-9)
    assert row["p_permuted"] == pytest.approx(exact, abs=0.03)


def test_compare__an_empty_group_is_told() -> None:
    _, outcome = three_groups()
    everybody = np.ones(180, bool)
    row = transfer_survival.compare("x", (~everybody, everybody), -1, outcome, how(9))
    assert np.isnan([row["z"], row["p_one_sided"], row["p_permuted"], row["hazard_ratio"]]).all()
    assert row["said"]


def test_agree__by_hand() -> None:
    # Events at 1 and 2, the third censored at 3: pairs 12, 13, 23; scores 3, 1, 2 agree in 12, 13.
    outcome = Outcome(np.array([1.0, 2.0, 3.0]), np.array([True, True, False]))
    found = transfer_concordance.agree(np.array([3, 1, 2]), outcome)
    assert found["concordance"] == pytest.approx(2 / 3)
    assert 0 <= found["concordance_low"] < 2 / 3 < found["concordance_high"] <= 1
    nobody = Outcome(np.array([1.0, 2.0, 3.0]), np.zeros(3, bool))
    assert np.isnan(list(transfer_concordance.agree(np.array([3, 1, 2]), nobody).values())).all()


def test_describe__clusters_and_nothing() -> None:
    _, outcome = three_groups()
    clusters = np.repeat([0, 1, -1], [59, 61, 60])
    sets = transfer_survival.Sets(None, {}, clusters)
    table = transfer_survival.describe(sets, outcome)
    assert table["group"].tolist() == ["cluster 1", "cluster 2"]
    assert table["n"].tolist() == [59, 61]
    # Everybody has the event: the median is where 30 of 59 have had it.
    middle = np.sort(outcome.durations[:59])[29]
    assert table["median_days"][0] == pytest.approx(middle)
    tested = transfer_survival.test(sets, outcome, how(99))
    assert tested["p"].item() < 1e-3
    none = transfer_survival.Sets(None, {}, None)
    assert transfer_survival.describe(none, outcome).empty
    assert transfer_survival.test(none, outcome, how()).empty
