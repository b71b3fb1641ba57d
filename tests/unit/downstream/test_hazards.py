"""Cox models against statsmodels and published ratios, and what is told where there is none."""

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from scipy import stats
from statsmodels.duration.hazard_regression import PHReg
from unit.downstream import freireich

from bluebatch import errors
from bluebatch.downstream import covariates, cox_model, hazards
from bluebatch.downstream.covariates import Covariates

Float = npt.NDArray[np.float64]
FREIREICH = (freireich.DURATIONS, freireich.EVENTS, freireich.GROUPS, freireich.NAMES)
NAMES = ["good", "middle", "bad"]


class Cohort:
    """Patients whose hazard depends on groups, an age and a flag; times are tied."""

    def __init__(self, n: int = 200) -> None:
        rng = np.random.default_rng(4)
        self.groups = rng.integers(0, 3, n)
        self.age, self.flag = rng.normal(60, 10, n), rng.integers(0, 2, n).astype(np.float64)
        self.strata = rng.integers(0, 2, n)
        rate = np.exp(0.5 * self.groups + 0.03 * (self.age - 60) + 0.4 * self.flag)
        times = rng.exponential(300 / rate)
        self.durations = np.ceil(np.minimum(times, 500) / 10) * 10
        self.events = times < 500
        frame = pd.DataFrame({"age": self.age, "flag": self.flag})
        self.covariates = Covariates(frame, {"age": ["age"], "flag": ["flag"]}, {}, [])
        dummies = [(self.groups == at).astype(np.float64) for at in (1, 2)]
        self.matrix = np.column_stack([*dummies, self.age, self.flag])

    def theirs(self, columns: list[int], strata: bool = False) -> PHReg:
        by = self.strata if strata else None
        model = PHReg(self.durations, self.matrix[:, columns], self.events, strata=by, ties="efron")
        return model.fit()


@pytest.fixture(scope="module")
def cohort() -> Cohort:
    return Cohort()


def test_fit__of_the_remission_data() -> None:
    # Published with Efron's ties: 4.82 (2.15, 10.81); likelihood-ratio chi-square 16.35.
    found = hazards.fit(*FREIREICH)
    row = found.table.iloc[0]
    assert (row["term"], row["reference"], row["n"], row["events"]) == (
        *("group=placebo", "6-MP", 42, 30),
    )
    ratio = row[["hazard_ratio", "low", "high"]].to_numpy(dtype=float)
    assert ratio == pytest.approx([4.82, 2.15, 10.81], abs=0.005)
    assert found.tests["statistic"][0] == pytest.approx(16.35, abs=0.005)
    assert found.notes == []


@pytest.mark.parametrize("stratified", [False, True])
def test_fit__agrees_with_statsmodels(cohort: Cohort, stratified: bool) -> None:
    strata = cohort.strata if stratified else None
    found = hazards.fit(
        cohort.durations, cohort.events, cohort.groups, NAMES, cohort.covariates, strata
    )
    adjusted = found.table[found.table["model"] == "adjusted"]
    theirs = cohort.theirs([0, 1, 2, 3], stratified)
    assert list(adjusted["term"]) == ["group=middle", "group=bad", "age", "flag"]
    assert adjusted["log_hazard_ratio"].to_numpy() == pytest.approx(theirs.params, rel=1e-4)
    assert adjusted["standard_error"].to_numpy() == pytest.approx(theirs.bse, rel=1e-4)
    assert adjusted["p"].to_numpy() == pytest.approx(theirs.pvalues, rel=1e-3)
    assert np.log(adjusted[["low", "high"]].to_numpy()) == pytest.approx(
        theirs.conf_int(), rel=1e-3, abs=1e-4
    )
    for source, columns in {"group": [0, 1], "age": [2], "flag": [3]}.items():
        alone = found.table[
            (found.table["model"] == "univariable") & (found.table["covariate"] == source)
        ]
        single = cohort.theirs(columns, stratified)
        assert alone["log_hazard_ratio"].to_numpy() == pytest.approx(single.params, rel=1e-4)


def test_fit__groups_beyond_covariates_by_likelihood_ratio(cohort: Cohort) -> None:
    found = hazards.fit(cohort.durations, cohort.events, cohort.groups, NAMES, cohort.covariates)
    row = found.tests[found.tests["model"] == "adjusted"].iloc[0]
    statistic = 2 * (cohort.theirs([0, 1, 2, 3]).llf - cohort.theirs([2, 3]).llf)
    assert (row["tested"], row["beside"], row["df"]) == ("group", "age, flag", 2)
    assert row["statistic"] == pytest.approx(statistic, rel=1e-5)
    assert row["p"] == pytest.approx(stats.chi2.sf(statistic, 2), rel=1e-4)


def test_fit__a_number_also_per_spread(cohort: Cohort) -> None:
    table = hazards.fit(
        cohort.durations, cohort.events, cohort.groups, NAMES, cohort.covariates
    ).table.drop_duplicates("term")
    table = table.set_index("term")
    expected = table["hazard_ratio"]["age"] ** np.std(cohort.age)
    assert table["hazard_ratio_per_spread"]["age"] == pytest.approx(expected)
    assert table["reference"]["age"] == "one more"
    assert np.isnan(table["hazard_ratio_per_spread"]["group=bad"])


def test_fit__patients_unknown_or_in_no_group_are_left_out(cohort: Cohort) -> None:
    frame = cohort.covariates.frame.copy()
    frame.loc[:19, "age"] = np.nan
    design = Covariates(frame, cohort.covariates.sources, {}, [])
    groups = np.where(np.arange(200) >= 190, -1, cohort.groups)
    found = hazards.fit(cohort.durations, cohort.events, groups, NAMES, design).table
    adjusted = found[found["model"] == "adjusted"]
    kept = slice(20, 190)
    theirs = PHReg(
        cohort.durations[kept], cohort.matrix[kept], cohort.events[kept], ties="efron"
    ).fit()
    assert set(adjusted["n"]) == {170}
    assert adjusted["log_hazard_ratio"].to_numpy() == pytest.approx(theirs.params, rel=1e-4)


def test_fit__a_group_without_events_is_told_and_the_others_are_compared(cohort: Cohort) -> None:
    events = cohort.events & (cohort.groups != 1)
    found = hazards.fit(cohort.durations, events, cohort.groups, NAMES).table.set_index("term")
    n_middle = int((cohort.groups == 1).sum())
    assert np.isnan(found["hazard_ratio"]["group=middle"])
    assert f"group=middle: no events among its {n_middle} patients" in found["said"]["group=middle"]
    rest = cohort.groups != 1
    theirs = PHReg(
        cohort.durations[rest], cohort.matrix[rest][:, [1]], events[rest], ties="efron"
    ).fit()
    assert found["log_hazard_ratio"]["group=bad"] == pytest.approx(theirs.params[0], rel=1e-4)


def test_fit__a_reference_without_events_gives_way_to_the_next(cohort: Cohort) -> None:
    events = cohort.events & (cohort.groups != 0)
    found = hazards.fit(cohort.durations, events, cohort.groups, NAMES).table.set_index("term")
    assert np.isnan(found["hazard_ratio"]["group=middle"])
    assert "the reference is group=middle" in found["said"]["group=middle"]
    assert found["reference"]["group=bad"] == "middle"
    rest = cohort.groups != 0
    theirs = PHReg(
        cohort.durations[rest], cohort.matrix[rest][:, [1]], events[rest], ties="efron"
    ).fit()
    assert found["log_hazard_ratio"]["group=bad"] == pytest.approx(theirs.params[0], rel=1e-4)


def test_fit__complete_separation_is_named_and_gives_no_numbers(cohort: Cohort) -> None:
    # The higher the marker, the earlier the event, without exception.
    marker = Covariates(pd.DataFrame({"marker": -cohort.durations}), {"marker": ["marker"]}, {}, [])
    found = hazards.fit(cohort.durations, np.ones(200, dtype=bool), cohort.groups, NAMES, marker)
    mine = found.table[found.table["covariate"] == "marker"]
    assert mine["hazard_ratio"].isna().all()
    assert mine["said"].str.contains("marker separates .*complete separation").all()
    assert mine["said"].str.contains("leave it out").all()
    assert found.table["hazard_ratio"][found.table["model"] == "univariable"].notna().sum() == 2
    assert found.tests.set_index("model")["p"].isna()["adjusted"]
    assert any(note.startswith("adjusted: Cox model: marker separates") for note in found.notes)


def test_fit__a_flag_whose_patients_all_go_first_is_separation(cohort: Cohort) -> None:
    # Both sides have events, but none of the others comes while a flagged patient is at risk.
    first = (cohort.durations < 60).astype(np.float64)
    flag = Covariates(pd.DataFrame({"flag": first}), {"flag": ["flag"]}, {}, [])
    events = np.ones(200, dtype=bool)
    row = hazards.fit(cohort.durations, events, cohort.groups, NAMES, flag).table.iloc[2]
    assert row["term"] == "flag"
    assert np.isnan(row["hazard_ratio"])
    assert "flag separates" in row["said"]


def test_fit__a_flag_of_all_events_is_separation(cohort: Cohort) -> None:
    flag = Covariates(
        pd.DataFrame({"flag": cohort.events.astype(np.float64)}), {"flag": ["flag"]}, {}, []
    )
    found = hazards.fit(cohort.durations, cohort.events, cohort.groups, NAMES, flag)
    row = found.table[found.table["term"] == "flag"].iloc[0]
    assert np.isnan(row["hazard_ratio"])
    assert "flag=0: no events among its" in row["said"]


def test_fit__columns_that_say_the_same_are_named(cohort: Cohort) -> None:
    frame = cohort.covariates.frame.assign(years=cohort.age, days=365.25 * cohort.age + 3)
    design = Covariates(
        frame.drop(columns="age"), {name: [name] for name in ("flag", "years", "days")}, {}, []
    )
    found = hazards.fit(cohort.durations, cohort.events, cohort.groups, NAMES, design)
    said = found.table[found.table["model"] == "adjusted"]["said"]
    assert said.str.contains("Cox model: years, days say the same").all()


def test_fit__one_group_alone_is_told_and_covariates_are_fitted(cohort: Cohort) -> None:
    found = hazards.fit(
        cohort.durations, cohort.events, np.zeros(200, dtype=int), NAMES, cohort.covariates
    )
    assert set(found.table["model"]) == {"univariable"}
    assert found.notes == ["group: good alone: nothing to compare with"]


def test_fit__few_events_a_term_are_told(cohort: Cohort) -> None:
    few = slice(0, 40)
    design = Covariates(cohort.covariates.frame.iloc[few], cohort.covariates.sources, {}, [])
    events = cohort.events[few] & (np.cumsum(cohort.events[few]) <= 15)
    found = hazards.fit(cohort.durations[few], events, cohort.groups[few], NAMES, design)
    assert any("15 events for 4 terms, fewer than 10 each" in note for note in found.notes)


@pytest.mark.parametrize(
    ("columns", "n_events", "words"),
    [
        (["age"], 0, "no events among the 200 patients"),
        (["age", "flag"], 2, "2 events for 2 terms, needed: more events"),
        (["ones"], 50, "ones: the same in all 200 patients"),
    ],
    ids=["no events", "few events", "constant"],
)
def test_model__what_cannot_be_fitted_is_one_line(
    cohort: Cohort, columns: list[str], n_events: int, words: str
) -> None:
    frame = cohort.covariates.frame.assign(ones=1.0)[columns]
    # The first to have the event are of both flags.
    both = np.argsort(-cohort.flag, kind="stable")[[0, -1]]
    events = np.arange(200) < n_events if n_events != 2 else np.isin(np.arange(200), both)
    design = Covariates(frame, {name: [name] for name in columns}, {}, [])
    with pytest.raises(errors.ValuesError, match=words) as told:
        cox_model.fit(cohort.durations, events, design)
    assert "\n" not in str(told.value)


def test_model__a_reference_of_whom_all_is_unknown_gives_way(cohort: Cohort) -> None:
    design = covariates.of_groups(cohort.groups, NAMES)
    age = pd.DataFrame({"age": np.where(cohort.groups == 0, np.nan, cohort.age)})
    design = design.beside(Covariates(age, {"age": ["age"]}, {}, []))
    found = cox_model.fit(cohort.durations, cohort.events, design)
    assert found.design.references == {"group": "middle"}
    assert list(found.design.frame.columns) == ["group=bad", "age"]
    assert "group=good: has no patients in this model" in found.left_out["group=middle"]


def test_model__a_column_that_is_also_the_strata_says_nothing_more(cohort: Cohort) -> None:
    frame = cohort.covariates.frame.assign(sex=cohort.strata.astype(np.float64))
    sources = {name: [name] for name in frame.columns}
    found = cox_model.fit(
        cohort.durations, cohort.events, Covariates(frame, sources, {}, []), cohort.strata
    )
    assert "sex" in found.left_out
    assert "within each stratum" in found.left_out["sex"]
    assert list(found.design.frame.columns) == ["age", "flag"]


def test_between__every_pair_alone(cohort: Cohort) -> None:
    found = hazards.between(cohort.durations, cohort.events, cohort.groups, NAMES)
    assert found[["first", "second"]].to_numpy().tolist() == [
        *(["good", "middle"], ["good", "bad"], ["middle", "bad"]),
    ]
    rest = cohort.groups != 0
    inside = cohort.matrix[rest][:, [1]]
    theirs = PHReg(cohort.durations[rest], inside, cohort.events[rest], ties="efron").fit()
    assert np.log(found["hazard_ratio"][2]) == pytest.approx(theirs.params[0], rel=1e-4)


def test_of_groups__many_events_but_of_one_level_only() -> None:
    # Three levels, events in one: nothing can be compared, and each level is named.
    groups = np.repeat([0, 1, 2], 20)
    events = groups == 1
    design = covariates.of_groups(groups, NAMES)
    with pytest.raises(errors.ValuesError, match=r"group=bad: no events.*group=good: no events"):
        cox_model.fit(np.arange(60.0) + 1, events, design)
