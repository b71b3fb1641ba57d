import dataclasses
import pathlib

import numpy as np
import pandas as pd
import pytest
from lifelines import KaplanMeierFitter
from lifelines.statistics import multivariate_logrank_test
from scipy import stats
from unit.downstream import discovered, planted

from bluebatch.downstream import covariates, discrimination, subtype_survival, subtype_tables

PLAN = dataclasses.replace(discovered.PLAN, n_patients=120, hazard_ratio=0.15)
Told = tuple[discovered.Case, subtype_survival.Survival]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    drawn = planted.draw(PLAN, seed=8)
    cohort = discovered.open_drawn(tmp_path_factory.mktemp("survival"), drawn, bulk=False)
    found = discovered.known_discovery(drawn, cohort)
    assert found.groups is not None
    # A favourable group, a few unfavourable ones, and the others.
    index = np.where(drawn.inside, 0, 1).astype(np.int8)
    index[np.flatnonzero(index == 1)[:8]] = 2
    groups = dataclasses.replace(found.groups, index=index)
    found = dataclasses.replace(found, groups=groups)
    beside = covariates.design(cohort.patients.table, ["age", "sex"])
    with pytest.MonkeyPatch.context() as patch:
        # Each repeat of the folds takes a second.
        patch.setattr(subtype_survival, "MAX_REPEATS", 1)
        described = subtype_survival.describe(cohort, found, groups, beside, seed=0)
    return discovered.Case(drawn, cohort, found), described


def index_of(case: discovered.Case) -> np.ndarray:
    assert case.found.groups is not None
    return case.found.groups.index


def test_describe__log_rank_and_medians_equal_lifelines(told: Told) -> None:
    case, described = told
    index, drawn = index_of(case), case.drawn
    row = described.tables["logrank"].iloc[0]
    theirs = multivariate_logrank_test(drawn.durations, index, drawn.event)
    assert row["statistic"] == pytest.approx(theirs.test_statistic, rel=1e-9)
    assert row["p"] == pytest.approx(theirs.p_value, abs=1e-12)
    medians = described.tables["survival"].set_index("group")["median_days"]
    for code, name in enumerate(("most favourable", "intermediate", "most unfavourable")):
        curve = KaplanMeierFitter().fit(drawn.durations[index == code], drawn.event[index == code])
        expected = curve.median_survival_time_
        assert medians[name] == pytest.approx(expected if np.isfinite(expected) else np.nan,
                                              nan_ok=True)  # fmt: skip


def test_describe__clinical_columns_are_tested_against_the_groups(told: Told) -> None:
    case, described = told
    table = described.tables["clinical"].set_index("column")
    assert set(table.index) == {"age", "sex", "stage"}
    age = case.cohort.patients.table["age"].astype(float).to_numpy()
    index = index_of(case)
    theirs = stats.kruskal(*(age[index == code] for code in range(3)))
    assert table.loc["age", "statistic"] == pytest.approx(theirs.statistic)
    assert table.loc["age", "p"] == pytest.approx(theirs.pvalue)


def test_describe__tests_are_listed_with_what_they_are_worth(told: Told) -> None:
    case, described = told
    table = subtype_tables.tests(case.found, described.tests)
    chosen, plain = "descriptive: groups were chosen by survival", "as it stands"
    cox = table[table["family"] == "Cox models"].set_index(["test", "subject"])["worth"]
    # Age and sex alone have nothing to do with the groups; beside groups they do.
    assert cox["Wald", "univariable: age"] == plain
    assert cox["likelihood ratio", "univariable: sex"] == plain
    assert cox["likelihood ratio", "univariable: group"] == chosen
    assert cox["Wald", "adjusted: age"] == chosen
    assert cox["Wald", "univariable: group=intermediate"] == chosen
    for family in ("restricted mean survival time", "groups against clinical columns"):
        assert set(table.loc[table["family"] == family, "worth"]) == {chosen}
    groups = table[table["family"] == "groups"]
    assert groups["worth"].value_counts().to_dict() == {
        # Overall and three pairs; and the whole procedure.
        chosen: 4,
        "permutation of the whole procedure": 1,
    }
    assert case.found.luck is not None
    last = groups[groups["worth"] != chosen].iloc[0]
    assert last["p_permutation"] == case.found.luck.p
    assert last["statistic"] == case.found.luck.statistic


def test_describe__small_groups_bring_their_permuted_p(told: Told) -> None:
    _, described = told
    pairs = described.tables["pairwise"].set_index(["first", "second"])["p_permuted"]
    listed = pd.concat(described.tests)
    groups = listed[listed["family"] == "groups"].set_index("subject")["p_permutation"]
    # Eight patients are most unfavourable, few enough to be permuted; the others are many.
    few = "most unfavourable against most favourable"
    assert groups[few] == pairs["most favourable", "most unfavourable"]
    assert np.isfinite(groups[few])
    assert np.isnan(groups["intermediate against most favourable"])


def test_describe__every_p_of_a_table_is_in_the_list(told: Told) -> None:
    _, described = told
    listed = pd.concat(described.tests)
    names = ("hazards", "hazard_tests", "proportional_hazards", "restricted_mean_differences")
    for name in (*names, "clinical", "logrank", "pairwise"):
        p = described.tables[name]["p"].dropna().astype(float)
        assert len(p)
        assert np.isin(p, listed["p"].dropna().astype(float)).all(), name


def test_describe__groups_are_judged_with_and_without_the_patient(told: Told) -> None:
    case, described = told
    table = described.tables["concordance"]
    assert set(table["groups"]) == {"group", "groups without the patient"}
    assert set(table["cohort"]) == {"discovery"}
    apart = case.found.main.apart
    assert apart is not None
    # One number alone: the model's risk is in the order of the number, or against it.
    row = table[
        (table["groups"] == "groups without the patient")
        & (table["model"] == discrimination.GROUPS)
        & (table["estimate"] == discrimination.APPARENT)
    ].iloc[0]
    times, events, risk = case.drawn.durations, case.drawn.event, apart.risk
    right = comparable = 0.0
    for a in np.flatnonzero(events):
        later = (times > times[a]) | ((times == times[a]) & (events == 0))
        comparable += later.sum()
        right += (risk[a] > risk[later]).sum() + 0.5 * (risk[a] == risk[later]).sum()
    assert row["c_index"] == pytest.approx(max(right, comparable - right) / comparable)


def test_describe__strata_are_taken(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subtype_survival, "MAX_REPEATS", 1)
    drawn = planted.draw(PLAN, seed=8)
    cohort = discovered.open_drawn(tmp_path, drawn, bulk=False, strata=("stage",))
    found = discovered.known_discovery(drawn, cohort)
    assert found.groups is not None
    described = subtype_survival.describe(cohort, found, found.groups, None, seed=0)
    assert bool(described.tables["logrank"]["stratified"].iloc[0])
    assert set(described.tables["hazards"]["model"]) == {"univariable"}
