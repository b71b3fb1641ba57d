"""Survival of real patients by risk group: published p-values, and every part of the analysis."""

import os
import pathlib

import numpy as np
import pandas as pd
import pytest
from sksurv.compare import compare_survival
from sksurv.util import Surv
from statsmodels.duration.hazard_regression import PHReg

from bluebatch.downstream import (
    covariates,
    discrimination,
    group_logrank,
    group_tests,
    hazards,
    proportional,
    restricted_mean,
    sample_table,
    survival,
)

HERE = pathlib.Path(__file__).resolve()
DATA = pathlib.Path(os.environ.get("BLUEBATCH_TEST_DATA", HERE.parents[2] / ".." / "shared/data"))

pytestmark = pytest.mark.real


class Patients:
    """Those of a clinical table with a time and one of the risk groups named."""

    def __init__(self, name: str, time: str, risk: str, names: list[str]) -> None:
        path = DATA / "clinical" / name
        if not path.is_file():
            pytest.skip(f"{path} is absent: set BLUEBATCH_TEST_DATA")
        table = sample_table.read(path)
        self.table = table[table[time].ne("") & table["event"].ne("") & table[risk].isin(names)]
        self.durations = self.table[time].to_numpy(dtype=np.float64)
        self.events = self.table["event"].to_numpy(dtype=np.float64) > 0
        self.groups = self.table[risk].map(names.index).to_numpy(dtype=np.int64)
        self.names = names
        self.who = (self.durations, self.events, self.groups, names)


@pytest.fixture(scope="module")
def laml() -> Patients:
    return Patients(
        "tcga_laml_clinical.csv", "time_gdc", "risk_cyto", ["Good", "Intermediate", "Poor"]
    )


@pytest.fixture(scope="module")
def target() -> Patients:
    return Patients("target_aml_clinical.csv", "time", "risk_group", ["Low", "Standard", "High"])


def test_logrank__of_cytogenetic_risk_in_laml(laml: Patients) -> None:
    # Computed by others: 3e-5.
    found = group_logrank.logrank(*laml.who)
    assert found.overall["p"][0] == pytest.approx(3e-5, rel=0.02)
    theirs = compare_survival(Surv.from_arrays(laml.events, laml.durations), laml.groups)
    assert found.overall["statistic"][0] == pytest.approx(theirs[0], rel=1e-10)
    assert (found.pairwise["hazard_ratio"][:2] > 1.5).all()


def test_logrank__of_risk_groups_in_target(target: Patients) -> None:
    # Computed by others: 5e-17.
    found = group_logrank.logrank(*target.who)
    assert found.overall["p"][0] == pytest.approx(5e-17, rel=0.1, abs=0)
    # Low risk is apart from both others.
    assert (found.pairwise["q"][:2] < 1e-6).all()


def test_medians__fall_with_the_risk(laml: Patients, target: Patients) -> None:
    for patients in (laml, target):
        means = restricted_mean.compare(*patients.who).means["mean_days"].to_numpy()
        assert (np.diff(means) < 0).all()
        medians = survival.medians(*patients.who)["median_days"].to_numpy()
        known = medians[np.isfinite(medians)]
        assert (np.diff(known) < 0).all()


def test_hazards__adjusted_for_age_as_statsmodels_does(laml: Patients) -> None:
    design = covariates.design(laml.table, ["age", "sex"])
    found = hazards.fit(*laml.who, design).table
    adjusted = found[found["model"] == "adjusted"]
    matrix = np.column_stack(
        [laml.groups == 1, laml.groups == 2, design.frame["age"], design.frame.iloc[:, 1]]
    ).astype(np.float64)
    theirs = PHReg(laml.durations, matrix, laml.events, ties="efron").fit()
    assert adjusted["log_hazard_ratio"].to_numpy() == pytest.approx(theirs.params, rel=1e-3)
    assert adjusted["p"].to_numpy() == pytest.approx(theirs.pvalues, rel=1e-2)


def test_check__age_in_days_and_white_cells_are_taken_as_they_are(target: Patients) -> None:
    # Ages of thousands of days, and risk groups whose curves part late.
    design = covariates.design(target.table, ["age_days", "wbc", "sex", "fab"])
    found = hazards.fit(*target.who, design)
    assert found.table["hazard_ratio"].notna().all()
    assert found.tests["p"].notna().all()
    checked = proportional.check(*target.who, design)
    assert set(checked.table["covariate"]) == {
        *("group", "age_days", "wbc", "sex", "fab", "all columns")
    }


def test_against__risk_goes_with_the_french_american_british_classes(laml: Patients) -> None:
    table = laml.table[["fab", "age", "sex", "risk_molecular", "wbc", "bm_blast_pct"]]
    found = group_tests.against(laml.groups, laml.names, table, np.random.default_rng(0))
    q = found.set_index("column")["q"]
    # Promyelocytic leukaemia (M3) is of good risk.
    assert q["fab"] < 0.01
    assert q["sex"] > 0.05
    counts = group_tests.level_counts(laml.groups, laml.names, table)
    m3 = counts[(counts["level"] == "m3") & (counts["group"] == "Good")]
    assert m3["share"].to_numpy() > 0.4


def test_compare__risk_is_more_than_sex(laml: Patients) -> None:
    design = covariates.design(laml.table, ["sex"])
    table, notes = discrimination.compare(
        *(laml.durations, laml.events, covariates.of_groups(laml.groups, laml.names), design),
        discrimination.Folds(np.random.default_rng(0), n_repeats=3),
        "second cohort",
    )
    gain = table[table["model"] == "gain of groups"].iloc[0]
    assert isinstance(gain, pd.Series)
    assert gain["low"] > 0
    assert not any("too high" in note for note in notes)
