"""Definitions of TCGA frozen and tested in TARGET; a signature of M3 fitted in half of TCGA."""

import dataclasses
import os
import pathlib
from typing import Any

import anndata
import lifelines.statistics
import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
import scipy.stats

from bluebatch.downstream import search, signature, signature_fit, transfer_tests
from bluebatch.downstream.outcomes import Outcome
from bluebatch.downstream.transfer_tests import ReplicationSettings
from bluebatch.expression import normalise

Array = npt.NDArray[Any]
HERE = pathlib.Path(__file__).resolve()
DATA = pathlib.Path(os.environ.get("BLUEBATCH_TEST_DATA", HERE.parents[2] / ".." / "shared/data"))
TYPES = ["GMP-like", "LSPC-Cycle", "LSPC-Primed", "LSPC-Quiescent", "Mono-like", "cDC-like"]

pytestmark = pytest.mark.real


def table(name: str) -> pd.DataFrame:
    path = DATA / "clinical" / name
    if not path.is_file():
        pytest.skip(f"{path} is absent: set BLUEBATCH_TEST_DATA")
    return pd.read_csv(path)


@dataclasses.dataclass(frozen=True)
class Cohort:
    fractions: Array
    outcome: Outcome
    table: pd.DataFrame


def cohort(name: str, clinical: pd.DataFrame, risk: str) -> Cohort:
    """Shares of six malignant types; of a patient with several samples the first by name."""
    found = table("aml_zeng2022_cibersortx_composition.csv")
    found = found[found["cohort"] == name].sort_values("mixture").drop_duplicates("sample")
    joined = found.merge(clinical, on="sample").dropna(subset=["time", "event"])
    fractions = joined[TYPES].to_numpy(float)
    strata = pd.factorize(joined[risk].fillna("unknown"))[0]
    event = joined["event"].to_numpy() == 1
    outcome = Outcome(joined["time"].to_numpy(float), event, strata)
    return Cohort(fractions / fractions.sum(axis=1, keepdims=True), outcome, joined)


def tcga() -> Cohort:
    survival = table("aml_tcga_beat_gse6891_survival.csv")
    survival = survival[survival["cohort"] == "TCGA"][["sample", "time", "event"]]
    more = table("tcga_laml_clinical.csv")[["sample", "fab", "risk_cyto"]]
    return cohort("TCGA", survival.merge(more, on="sample", how="left"), "risk_cyto")


def replicated(first: Cohort, second: Cohort) -> tuple[search.Search, transfer_tests.Replication]:
    cuts = np.median(first.fractions, axis=0)
    states = [(each.fractions > cuts).astype(np.int8) for each in (first, second)]
    times, event = first.outcome.durations, first.outcome.event_observed
    rng = np.random.default_rng(0)
    settings = search.SearchSettings(min_group=10, n_permutations=0)
    found = search.run(states[0], TYPES, Outcome(times, event), settings, rng)
    discovered = found.table.assign(significant=found.table["q"] < settings.alpha)
    how = ReplicationSettings(n_permutations=500)
    again = transfer_tests.replicate(
        discovered, found.definitions, states[1], second.outcome, how, rng
    )
    return found, again


@pytest.mark.parametrize("keep_m3", [True, False])
def test_replicate__tcga_in_target_is_what_lifelines_finds(*, keep_m3: bool) -> None:
    first = tcga()
    second = cohort("TARGET", table("target_aml_clinical.csv"), "risk_group")
    assert len(first.table) == 159
    assert len(second.table) == 285
    if not keep_m3:
        rows = ~first.table["fab"].str.contains("m3", na=False).to_numpy()
        first = Cohort(first.fractions[rows], first.outcome.take(rows), first.table[rows])
    found, again = replicated(first, second)
    assert found.n_significant == (47 if keep_m3 else 21)
    p = []
    for at in np.flatnonzero(again.table["significant"] & again.table["tested"]):
        inside = again.inside[:, at]
        other = lifelines.statistics.logrank_test(
            *(second.outcome.durations[side] for side in (inside, ~inside)),
            *(second.outcome.event_observed[side] for side in (inside, ~inside)),
        )
        same = again.table["z"][at] * again.table["discovery_z"][at] > 0
        p.append(other.p_value / 2 if same else 1 - other.p_value / 2)
    counted = again.counted
    assert counted.n_tested == len(p)
    assert counted.n_replicated == np.sum(np.array(p) < 0.05)
    assert counted.n_adjusted == np.sum(scipy.stats.false_discovery_control(p) < 0.05)
    # More than chance gives as they stand; cytogenetic risk explains it.
    assert counted.n_replicated > counted.expected
    assert again.stratified is not None
    assert again.stratified.n_replicated < counted.n_replicated
    assert again.stratified.p_count > 0.2


def test_fit__m3_of_one_half_is_told_in_the_other() -> None:
    path = DATA / "bulk" / "tcga_laml_rsem_1195genes.h5ad"
    if not path.is_file():
        pytest.skip(f"{path} is absent: set BLUEBATCH_TEST_DATA")
    given = anndata.read_h5ad(path)
    bulk = normalise.log_transform(normalise.counts_per_million(np.asarray(given.X)))
    fab = table("tcga_laml_clinical.csv").set_index("sample")["fab"]
    inside = fab.reindex(given.obs_names.str[:12]).str.contains("m3", na=False).to_numpy()
    assert inside.sum() >= 10
    half = np.arange(len(bulk)) % 2 == 0
    genes = list(given.var_names)
    found = signature.fit(bulk[half], genes, inside[half], name="m3")
    scores = found.score(bulk[~half], genes)
    assert signature_fit.area(scores.score, inside[~half]) > 0.95
    assert abs(scores.shift) < 1
