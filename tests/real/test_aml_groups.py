"""Groups and clusters of published cell compositions of acute myeloid leukaemia."""

import json
import os
import pathlib
from typing import Any

import anndata
import lifelines.statistics
import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
import scanpy

from bluebatch.downstream import (
    composition_clusters,
    definitions,
    group_logrank,
    group_permutation,
    logrank,
    outcomes,
    patterns,
    search,
    state_graph,
)

pytestmark = pytest.mark.real

REPOSITORY = pathlib.Path(__file__).parents[2]
DATA = pathlib.Path(os.environ.get("BLUEBATCH_TEST_DATA", REPOSITORY.parent / "shared" / "data"))
COMPOSITION = DATA / "clinical" / "aml_zeng2022_cibersortx_composition.csv"
SURVIVAL = DATA / "clinical" / "aml_tcga_beat_gse6891_survival.csv"
TARGET = DATA / "clinical" / "target_aml_clinical.csv"
NOT_TYPES = ["cohort", "mixture", "Absolute score (sig.score)"]
# The malignant types, without ProMono-like.
SIX = ["GMP-like", "LSPC-Cycle", "LSPC-Primed", "LSPC-Quiescent", "Mono-like", "cDC-like"]
Array = npt.NDArray[Any]


@pytest.fixture(scope="module", autouse=True)
def files() -> None:
    absent = [str(path) for path in (COMPOSITION, SURVIVAL, TARGET) if not path.exists()]
    if absent:
        pytest.skip(f"real measurements are absent: {', '.join(absent)}")


def patients(cohort: str) -> pd.DataFrame:
    """Join compositions with survival: one sample a patient."""
    composition = pd.read_csv(COMPOSITION).query("cohort == @cohort")
    composition = composition.drop_duplicates("sample").set_index("sample")
    survival = pd.read_csv(TARGET if cohort == "TARGET" else SURVIVAL).set_index("sample")
    joined = composition.drop(columns=NOT_TYPES).join(survival[["time", "event"]])
    return joined.dropna(subset=["time", "event"])


def fractions(table: pd.DataFrame) -> Array:
    found = table[SIX].to_numpy()
    return np.asarray(found / found.sum(axis=1, keepdims=True))


def outcome(table: pd.DataFrame) -> tuple[Array, Array]:
    return table["time"].to_numpy(float), table["event"].to_numpy() == 1


@pytest.mark.parametrize("decide_by", ["majority", "lead"])
def test_groups__of_tcga_are_placed_alike_by_their_frozen_rules(decide_by: Any) -> None:
    table = patients("TCGA")
    durations, events = outcome(table)
    found_in = fractions(table)
    cuts = np.median(found_in, axis=0)
    settings = search.SearchSettings(min_group=10, n_permutations=0)
    rng = np.random.default_rng(0)
    states = (found_in > cuts).astype(np.int8)
    found = search.run(states, SIX, outcomes.Outcome(durations, events), settings, rng)
    how = patterns.GroupSettings(decide_by=decide_by)
    groups = patterns.find(found, outcomes.Outcome(durations, events), how)
    assert groups is not None
    assert groups.components["n_definitions"].sum() == found.n_significant == 47
    labels = found.definitions.labels
    rules = patterns.Rules.of(json.loads(json.dumps(groups.rules())))
    again = patterns.apply(rules, dict(zip(labels, found.inside.T, strict=True)))
    np.testing.assert_array_equal(again.index, groups.index)
    # What is known of these compositions is more than luck gives by the same search.
    risk = logrank.Risk(durations, events)
    luck = group_permutation.permuted(found, groups, risk, 0.05, how, np.random.default_rng(0))
    assert luck.p < 0.05
    best, worst = groups.index == patterns.BEST, groups.index == patterns.WORST
    other = lifelines.statistics.logrank_test(
        durations[best], durations[worst], events[best], events[worst]
    )
    assert luck.statistic == pytest.approx(other.test_statistic)
    # Asymptotic p of groups that were picked by survival: far smaller than it should be.
    assert other.p_value < luck.p / 100


def test_groups__of_target_follow_the_frozen_rules_and_cuts_of_tcga() -> None:
    first, second = patients("TCGA"), patients("TARGET")
    assert len(second) == 285
    cuts = np.median(fractions(first), axis=0)
    durations, events = outcome(first)
    states = [(fractions(table) > cuts).astype(np.int8) for table in (first, second)]
    settings = search.SearchSettings(min_group=10, n_permutations=0)
    rng = np.random.default_rng(0)
    survival = outcomes.Outcome(durations, events)
    found = search.run(states[0], SIX, survival, settings, rng)
    groups = patterns.find(found, survival, patterns.GroupSettings())
    assert groups is not None
    parsed = definitions.parse(groups.frozen.labels, SIX)
    inside, _ = definitions.members(parsed, states[1])
    placed = patterns.apply(groups.frozen, dict(zip(parsed.labels, inside.T, strict=True)))
    assert len(placed.index) == 285
    assert min(placed.sizes) > 0
    assert placed.components["n_left_out"].sum() == 0


@pytest.mark.parametrize("n_types", [6, 14])
def test_clusters__are_those_of_scanpy(n_types: int) -> None:
    table = patients("TCGA")
    names = SIX if n_types == len(SIX) else [*table.columns.drop(["time", "event"])]
    assert len(names) == n_types
    proportion = table[names].to_numpy()
    found = composition_clusters.find(proportion, names)
    closed = proportion / proportion.sum(axis=1, keepdims=True)
    other = anndata.AnnData(closed)
    scanpy.pp.pca(other, n_comps=n_types - 1)
    scanpy.pp.neighbors(other)
    nearest = state_graph.find_nearest(state_graph.squared_distances(found.scores), 15)
    graph = state_graph.build(*nearest)
    ours = np.zeros((len(table), len(table)))
    for edge, weight in zip(graph.get_edgelist(), graph.es["weight"], strict=True):
        ours[edge] = ours[edge[::-1]] = weight
    np.testing.assert_allclose(ours, other.obsp["connectivities"].toarray(), atol=1e-5)
    # Leiden ends here and there as its draws fall; ours is as good as the best of five of theirs.
    scores, counts = [], []
    for seed in range(5):
        scanpy.tl.leiden(other, random_state=seed, flavor="igraph", n_iterations=2, directed=False)
        labels = other.obs["leiden"].astype(int).to_numpy()
        scores.append(graph.modularity(labels, weights="weight"))
        counts.append(len(set(labels)))
    assert min(counts) <= found.n_clusters <= max(counts)
    assert graph.modularity(found.index, weights="weight") > max(scores) - 1e-6


def test_clusters__overall_p_is_that_of_lifelines_and_of_permutations() -> None:
    table = patients("TCGA")
    names = [*table.columns.drop(["time", "event"])]
    found = composition_clusters.find(table[names].to_numpy(), names)
    durations, events = outcome(table)
    clusters = [f"cluster {number}" for number in range(found.n_clusters)]
    draws = group_logrank.Permutations(np.random.default_rng(0), n=2000, min_patients=1000)
    tested = group_logrank.logrank(durations, events, found.index, clusters, None, draws)
    row = tested.overall.iloc[0]
    other = lifelines.statistics.multivariate_logrank_test(durations, found.index, events)
    assert row["statistic"] == pytest.approx(other.test_statistic)
    assert row["p"] == pytest.approx(other.p_value)
    assert row["p_permuted"] == pytest.approx(other.p_value, abs=0.01)
    again = found.assign(table[names].to_numpy(), names)
    assert (again == found.index).mean() > 0.9
