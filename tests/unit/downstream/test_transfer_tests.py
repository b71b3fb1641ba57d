import itertools
from typing import Any

import lifelines.statistics
import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
import scipy.stats

from bluebatch.downstream import definitions, transfer_tests
from bluebatch.downstream.outcomes import Outcome
from bluebatch.downstream.transfer_tests import ReplicationSettings

Array = npt.NDArray[Any]
TYPES = ["A", "B", "C"]
FOUND = definitions.enumerate_all(TYPES)
HOW = ReplicationSettings(min_group=5, n_permutations=0)


def drawn(seed: int, log_hazard: float, n: int = 200) -> tuple[Array, Outcome]:
    """State 1 of A multiplies the hazard."""
    rng = np.random.default_rng(seed)
    states = rng.integers(0, 2, (n, 3)).astype(np.int8)
    death = rng.exponential(1000 / np.exp(log_hazard * states[:, 0]))
    censored = rng.uniform(200, 3000, n)
    event = death <= censored
    strata = np.array([f"s{at % 3}" for at in range(n)], dtype=object)
    return states, Outcome(np.minimum(death, censored), event, strata)


def discovered(z: Array, significant: Array | None = None) -> pd.DataFrame:
    numbers = {name: np.zeros(len(z)) for name in ("log_hazard_ratio", "p", "q", "p_max_t")}
    kept = np.ones(len(z), bool) if significant is None else significant
    return pd.DataFrame({"definition": FOUND.labels, "significant": kept, "z": z, **numbers})


def again(
    states: Array, outcome: Outcome, table: pd.DataFrame, how: ReplicationSettings = HOW
) -> transfer_tests.Replication:
    rng = np.random.default_rng(0)
    return transfer_tests.replicate(table, FOUND, states, outcome, how, rng)


def test_replicate__p_is_half_of_that_of_lifelines_in_the_direction_found() -> None:
    states, outcome = drawn(1, 0.5)
    found = again(states, outcome, discovered(np.where(np.arange(len(FOUND)) % 2, -1.0, 1.0)))
    for at, row in enumerate(found.table.to_dict("records")):
        inside = found.inside[:, at]
        other = lifelines.statistics.logrank_test(
            outcome.durations[inside],
            outcome.durations[~inside],
            outcome.event_observed[inside],
            outcome.event_observed[~inside],
        )
        assert row["z"] ** 2 == pytest.approx(other.test_statistic)
        with_it = (row["z"] > 0) == (row["discovery_z"] > 0)
        half = other.p_value / 2
        assert row["p_one_sided"] == pytest.approx(half if with_it else 1 - half)


def test_replicate__planted_effect_is_small_and_its_reverse_near_1() -> None:
    first = FOUND.labels.index("A=1")
    table = discovered(np.ones(len(FOUND)), np.arange(len(FOUND)) == first)
    states, outcome = drawn(2, 1.0)
    found = again(states, outcome, table)
    assert found.table["p_one_sided"][first] < 1e-4
    assert found.counted.n_replicated == found.counted.n_same_direction == 1
    states, outcome = drawn(2, -1.0)
    turned = again(states, outcome, table)
    assert turned.table["p_one_sided"][first] > 0.999
    assert turned.counted.n_replicated == turned.counted.n_same_direction == 0


def test_replicate__counts_by_hand() -> None:
    states, outcome = drawn(3, 0.7)
    significant = np.arange(len(FOUND)) % 2 == 0
    sign = np.where(np.arange(len(FOUND)) % 3, 1.0, -1.0)
    counted = again(states, outcome, discovered(sign, significant)).counted
    table = again(states, outcome, discovered(sign, significant)).table
    p = table["p_one_sided"][significant].to_numpy()
    assert counted.n_significant == counted.n_tested == significant.sum()
    assert counted.n_replicated == (p < 0.05).sum() > 0
    assert counted.expected == pytest.approx(0.05 * significant.sum())
    assert counted.n_same_direction == (p < 0.5).sum()
    adjusted = scipy.stats.false_discovery_control(p)
    assert counted.n_adjusted == (adjusted < 0.05).sum()
    np.testing.assert_allclose(table["q_one_sided"][significant], adjusted)
    assert table["q_one_sided"][~significant].isna().all()
    # What was not significant in the discovery is tested too, and never counted.
    assert table["p_one_sided"][~significant].notna().all()
    assert not table["replicated"][~significant].any()


def test_replicate__small_groups_are_not_tested() -> None:
    states, outcome = drawn(4, 0.5, n=40)
    states[:, 2] = 0
    states[:3, 2] = 1
    found = again(states, outcome, discovered(np.ones(len(FOUND))))
    row = found.table.set_index("definition").loc["C=1"]
    assert row["n_in"] == 3
    assert not row["tested"]
    assert np.isnan(row["p_one_sided"])
    assert found.counted.n_tested < found.counted.n_significant


def test_replicate__absent_types_are_outside_or_left_out() -> None:
    states, outcome = drawn(5, 0.5)
    states[:30, 0] = -1
    at = FOUND.labels.index("A=1")
    inside = int((states[:, 0] == 1).sum())
    table = discovered(np.ones(len(FOUND)))
    rest = again(states, outcome, table).table.loc[at]
    assert (rest["n_in"], rest["n_out"], rest["n_left_out"]) == (inside, 200 - inside, 0)
    drop = again(
        states, outcome, table, ReplicationSettings(n_permutations=0, absent="drop")
    ).table.loc[at]
    assert (drop["n_in"], drop["n_out"], drop["n_left_out"]) == (inside, 170 - inside, 30)


def test_replicate__permutation_p_of_the_count_is_that_of_every_order() -> None:
    # Seven patients have 5,040 orders: the exact p, against 4,000 random ones.
    rng = np.random.default_rng(6)
    states = np.array([[1, 1, 0], [1, 1, 1], [1, 0, 0], [0, 1, 1], [0, 0, 0], [0, 0, 1], [0, 1, 0]])
    outcome = Outcome(np.arange(1.0, 8), np.array([1, 1, 1, 0, 1, 1, 1], bool))
    table = discovered(np.ones(len(FOUND)))
    how = ReplicationSettings(alpha=0.2, min_group=2, n_permutations=4000)
    found = transfer_tests.replicate(table, FOUND, states.astype(np.int8), outcome, how, rng)
    inside = found.inside[:, found.table["tested"]]
    reached = 0
    for order in itertools.permutations(range(7)):
        shuffled = [list(order)]
        risk = Outcome(outcome.durations[shuffled[0]], outcome.event_observed[shuffled[0]]).risk()
        p = scipy.stats.norm.sf(risk.test(inside).z)
        reached += int((p < 0.2).sum()) >= found.counted.n_replicated
    assert found.counted.n_replicated > 0
    assert found.counted.p_count == pytest.approx(reached / 5040, abs=0.03)


def test_replicate__within_strata() -> None:
    # Survival and state both go with the stratum, and not with each other within it.
    rng = np.random.default_rng(7)
    n = 400
    bad = rng.random(n) < 0.5
    states = np.zeros((n, 3), np.int8)
    states[:, 0] = rng.random(n) < np.where(bad, 0.8, 0.2)
    states[:, 1:] = rng.integers(0, 2, (n, 2))
    durations = rng.exponential(np.where(bad, 200.0, 2000.0))
    strata = np.where(bad, "bad", "good").astype(object)
    outcome = Outcome(durations, np.ones(n, bool), strata)
    found = again(states, outcome, discovered(np.ones(len(FOUND))))
    row = found.table.loc[FOUND.labels.index("A=1")]
    assert row["p_one_sided"] < 1e-6
    assert 0.01 < row["p_one_sided_stratified"] < 0.99
    assert found.stratified is not None
    assert found.stratified.n_replicated < found.counted.n_replicated
