"""The search on published cell compositions of acute myeloid leukaemia, and known risk groups."""

import os
import pathlib
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from lifelines import statistics

from bluebatch.downstream import logrank, outcomes, search

pytestmark = pytest.mark.real

REPOSITORY = pathlib.Path(__file__).parents[2]
DATA = pathlib.Path(os.environ.get("BLUEBATCH_TEST_DATA", REPOSITORY.parent / "shared" / "data"))
CLINICAL = DATA / "clinical"
COMPOSITION = CLINICAL / "aml_zeng2022_cibersortx_composition.csv"
SURVIVAL = CLINICAL / "aml_tcga_beat_gse6891_survival.csv"
LAML = CLINICAL / "tcga_laml_clinical.csv"
TARGET = CLINICAL / "target_aml_clinical.csv"
# The malignant types, without ProMono-like.
SIX = ["GMP-like", "LSPC-Cycle", "LSPC-Primed", "LSPC-Quiescent", "Mono-like", "cDC-like"]
RISKS = {
    # File, column, levels, time: p of the log-rank test over all levels, as computed by others.
    "laml": (LAML, "risk_cyto", ["Good", "Intermediate", "Poor"], "time_gdc", 3e-5),
    "target": (TARGET, "risk_group", ["Low", "Standard", "High"], "time", 5e-17),
}
Array = npt.NDArray[Any]


@pytest.fixture(scope="module", autouse=True)
def files() -> None:
    absent = [str(path) for path in (COMPOSITION, SURVIVAL, LAML, TARGET) if not path.exists()]
    if absent:
        pytest.skip(f"real measurements are absent: {', '.join(absent)}")


def patients(*, with_m3: bool) -> pd.DataFrame:
    """Join the TCGA compositions with survival; 12 patients have time 0."""
    composition = pd.read_csv(COMPOSITION)
    composition = composition[composition["cohort"] == "TCGA"].set_index("sample")
    survival = pd.read_csv(SURVIVAL).query("cohort == 'TCGA'").set_index("sample")
    joined = composition.join(survival[["time", "event"]]).dropna(subset=["time", "event"])
    fab = pd.read_csv(LAML).set_index("sample")["fab"].reindex(joined.index)
    return joined if with_m3 else joined[fab != "m3"]


def run(table: pd.DataFrame, **settings: Any) -> search.Search:
    fractions = table[SIX].to_numpy()
    fractions /= fractions.sum(axis=1, keepdims=True)
    states = (fractions > np.median(fractions, axis=0)).astype(np.int8)
    events = table["event"].to_numpy() == 1
    chosen = search.SearchSettings(min_group=10, **settings)
    rng = np.random.default_rng(0)
    outcome = outcomes.Outcome(table["time"].to_numpy(), events)
    return search.run(states, SIX, outcome, chosen, rng)


def by_lifelines(durations: Array, events: Array, inside: Array) -> tuple[float, float]:
    found = statistics.logrank_test(
        durations[inside], durations[~inside], events[inside], events[~inside]
    )
    return found.test_statistic, found.p_value


@pytest.mark.parametrize(
    ("with_m3", "n_patients", "n_tested", "n_significant", "best"),
    [(True, 159, 340, 47, 5.6e-7), (False, 144, 319, 21, None)],
)
def test_search__median_splits_are_significant_as_known(
    with_m3: bool, n_patients: int, n_tested: int, n_significant: int, best: float | None
) -> None:
    table = patients(with_m3=with_m3)
    found = run(table)
    assert len(table) == n_patients
    assert len(found.table) == 722
    assert (found.n_tested, found.n_significant) == (n_tested, n_significant)
    if best:
        assert found.table["p"].min() == pytest.approx(best, rel=0.02)
    # What the search over them leaves: more definitions than luck gives, few of them by name.
    assert found.p_count < 0.02
    kept = (found.table["p_max_t"] < 0.05).sum()
    assert 1 <= kept < n_significant


def test_search__each_test_is_that_of_lifelines() -> None:
    table = patients(with_m3=True)
    found = run(table, n_permutations=0)
    durations, events = table["time"].to_numpy(), table["event"].to_numpy() == 1
    for column in np.flatnonzero(found.table["tested"]):
        row = found.table.iloc[column]
        statistic, p = by_lifelines(durations, events, found.inside[:, column])
        assert row["z"] ** 2 == pytest.approx(statistic, rel=1e-10, abs=1e-10)
        assert row["p"] == pytest.approx(p, rel=1e-9, abs=1e-10)


@pytest.mark.parametrize("name", list(RISKS))
def test_logrank__known_risk_groups(name: str) -> None:
    path, column, levels, time, known = RISKS[name]
    table = pd.read_csv(path).dropna(subset=[time, "event"])
    table = table[table[column].isin(levels)]
    durations, events = table[time].to_numpy(float), table["event"].to_numpy() == 1
    overall = statistics.multivariate_logrank_test(durations, table[column], events).p_value
    assert overall == pytest.approx(known, rel=0.1)
    inside = table[column].to_numpy()[:, None] == np.array(levels)
    found = logrank.Risk(durations, events).test(inside)
    for number in range(len(levels)):
        statistic, p = by_lifelines(durations, events, inside[:, number])
        assert found.statistic[number] == pytest.approx(statistic, rel=1e-10)
        assert found.p[number] == pytest.approx(p, rel=1e-8)
    # The good one dies less, the bad one more.
    assert found.z[0] < -3
    assert found.z[-1] > 2
