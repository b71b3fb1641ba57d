"""What groups add to covariates, judged by patients whom the models have not seen."""

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from sksurv.metrics import concordance_index_censored

from bluebatch.downstream import covariates, discrimination
from bluebatch.downstream.covariates import Covariates

Float = npt.NDArray[np.float64]
NAMES = ["good", "bad"]


def folds(seed: int = 0, n_repeats: int = 2, n_folds: int = 5) -> discrimination.Folds:
    return discrimination.Folds(np.random.default_rng(seed), n_folds, n_repeats)


def numbers(matrix: Float) -> Covariates:
    frame = pd.DataFrame(matrix).add_prefix("c")
    return Covariates(frame, {str(name): [str(name)] for name in frame}, {}, [])


def planted(log_ratio: float, n: int = 160) -> tuple[Float, npt.NDArray[np.bool_], Covariates]:
    rng = np.random.default_rng(12)
    groups = rng.integers(0, 2, n)
    times = rng.exponential(np.exp(-log_ratio * groups))
    return times, rng.random(n) < 0.8, covariates.of_groups(groups, NAMES)


def test_compare__a_planted_group_adds_and_noise_does_not() -> None:
    noise = numbers(np.random.default_rng(3).normal(size=(160, 2)))
    for log_ratio in (1.5, 0.0):
        times, events, groups = planted(log_ratio)
        table, _ = discrimination.compare(times, events, groups, noise, folds())
        gain = table[table["model"] == "gain of groups"].iloc[0]
        judged = table[table["estimate"] == "cross-validated"].set_index("model")["c_index"]
        difference = judged["covariates and groups"] - judged["covariates"]
        assert gain["c_index"] == pytest.approx(difference)
        assert gain["low"] < gain["c_index"] < gain["high"]
        assert (gain["low"] > 0) == (log_ratio > 0)


def test_compare__what_is_learnt_by_heart_is_apparent_only() -> None:
    times, events, groups = planted(0.0, 60)
    many = numbers(np.random.default_rng(4).normal(size=(60, 20)))
    table, _ = discrimination.compare(times, events, groups, many, folds(0, 1))
    found = table.set_index(["model", "estimate"])["c_index"]
    assert found["covariates", "apparent"] > 0.65
    assert found["covariates", "cross-validated"] < 0.6


def test_compare__one_covariate_has_the_concordance_of_itself() -> None:
    # A model of one term ranks as the term does.
    times, events, groups = planted(1.0)
    age = np.random.default_rng(5).normal(size=160) - times
    table, _ = discrimination.compare(times, events, groups, numbers(age[:, None]), folds(0, 1))
    apparent = table[(table["model"] == "covariates") & (table["estimate"] == "apparent")]
    expected = concordance_index_censored(events, times, age)[0]
    assert apparent["c_index"].to_numpy() == pytest.approx([expected])


def test_compare__same_seed_same_numbers_and_another_seed_others() -> None:
    times, events, groups = planted(0.5)
    tables = [
        discrimination.compare(times, events, groups, None, folds(seed, 1))[0] for seed in (1, 1, 2)
    ]
    assert tables[0].equals(tables[1])
    assert not tables[0].equals(tables[2])


@pytest.mark.parametrize("cohort", ["discovery", "second cohort"])
def test_compare__discovery_is_told_to_be_too_good(cohort: discrimination.Cohort) -> None:
    times, events, groups = planted(0.5)
    table, notes = discrimination.compare(times, events, groups, None, folds(0, 1), cohort)
    assert set(table["cohort"]) == {cohort}
    assert set(table["model"]) == {"groups"}
    assert any("gain is too high here" in note for note in notes) == (cohort == "discovery")


def test_compare__all_models_are_judged_by_the_same_patients() -> None:
    times, events, groups = planted(0.5)
    age = np.random.default_rng(3).normal(size=(160, 1))
    age[:40] = np.nan
    table, notes = discrimination.compare(times, events, groups, numbers(age), folds(0, 1))
    assert set(table["n"]) == {120}
    assert set(table["events"]) == {int(events[40:].sum())}
    assert "concordance: 40 patients of whom a column is unknown are left out" in notes


def test_compare__few_events_make_few_folds() -> None:
    times, events, groups = planted(0.5)
    few = events & (np.cumsum(events) <= 9)
    table, _ = discrimination.compare(times, few, groups, None, folds(0, 1))
    judged = table[table["estimate"] == "cross-validated"]
    assert judged["n_folds"].tolist() == [3]


@pytest.mark.parametrize(
    ("n_events", "names", "words"),
    [(5, NAMES, "5 events"), (50, NAMES[:1], "columns do not vary")],
)
def test_compare__nothing_to_measure_is_told(n_events: int, names: list[str], words: str) -> None:
    groups = covariates.of_groups(np.arange(100) % len(names), names)
    events = np.arange(100) < n_events
    table, notes = discrimination.compare(np.arange(1.0, 101), events, groups, None, folds())
    assert table["c_index"].isna().tolist() == [True]
    assert table["said"].str.contains(words).all()
    assert any(f"not measured: {words}" in note for note in notes)
