import dataclasses
import pathlib
from typing import Any

import numpy as np
import pandas as pd
import pytest
from lifelines import CoxPHFitter
from unit.downstream import discovered, planted

from bluebatch.downstream import search, subtype_tables

PLAN = dataclasses.replace(discovered.PLAN, n_patients=90, absent=0.3)


def known(folder: pathlib.Path, seed: int = 4, **options: Any) -> discovered.Case:
    drawn = planted.draw(PLAN, seed)
    cohort = discovered.open_drawn(folder, drawn, bulk=False, **options)
    return discovered.Case(drawn, cohort, discovered.known_discovery(drawn, cohort))


def test_build__states_of_every_patient_and_type(tmp_path: pathlib.Path) -> None:
    case = known(tmp_path)
    table = subtype_tables.build(case.found, case.cohort)["states"]
    drawn = case.drawn
    assert table.columns.tolist() == [
        "patient", "sample", "duration_days", "event", *drawn.cell_types,
    ]  # fmt: skip
    assert table["patient"].tolist() == drawn.patients
    assert table["sample"].tolist() == [f"{name}-s" for name in drawn.patients]
    np.testing.assert_array_equal(table["duration_days"], drawn.durations)
    np.testing.assert_array_equal(table["event"], drawn.event)
    assert table["T"].tolist() == ["1" if state else "0" for state in drawn.state["T"]]
    lacking = np.isnan(drawn.profile[:, drawn.cell_types.index("NK"), 0])
    assert table["NK"].tolist() == ["absent" if none else "0" for none in lacking]


def test_build__groups_and_quality(case: discovered.Case) -> None:
    tables = subtype_tables.build(case.found, case.cohort)
    groups = case.found.groups
    assert groups is not None
    words = tables["groups"]["group"]
    assert [(words == name).sum() for name in groups.names] == list(groups.sizes)
    quality = tables["state_quality"]
    # Four types, as they are and beyond proportions, and the bulk; medians have no evidence.
    assert quality["branch"].tolist() == ["profiles"] * 4 + ["profiles beyond proportions"] * 4 + [
        "bulk"
    ]
    assert tables["patients"] is case.cohort.patients.fates


def test_definitions__hazard_ratios_are_cox_models(tmp_path: pathlib.Path) -> None:
    case = known(tmp_path)
    table = subtype_tables.definitions(case.found, case.cohort)
    searched = case.found.search
    pd.testing.assert_frame_equal(table[searched.table.columns], searched.table)
    tested = np.flatnonzero(table["tested"])
    assert len(tested) > 3
    for at in tested:
        frame = pd.DataFrame(
            {
                "inside": searched.inside[:, at].astype(float),
                "duration": case.drawn.durations,
                "event": case.drawn.event,
            }
        )
        model = CoxPHFitter().fit(frame, "duration", "event").summary.loc["inside"]
        row = table.iloc[at]
        assert row["hazard_ratio"] == pytest.approx(model["exp(coef)"], rel=1e-4)
        assert row["hazard_low"] == pytest.approx(model["exp(coef) lower 95%"], rel=1e-3)
        assert row["hazard_high"] == pytest.approx(model["exp(coef) upper 95%"], rel=1e-3)
        # More events inside than expected is a ratio above 1.
        assert (row["z"] > 0) == (row["hazard_ratio"] > 1)
    assert table["hazard_ratio"].notna().sum() == len(tested)


def test_definitions__only_the_best_have_ratios(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subtype_tables, "N_RATIOS", 2)
    case = known(tmp_path)
    table = subtype_tables.definitions(case.found, case.cohort)
    best = table["p"].rank() <= 2
    np.testing.assert_array_equal(table["hazard_ratio"].notna(), best)


def test_definitions__component_is_where_they_vote(case: discovered.Case) -> None:
    table = subtype_tables.definitions(case.found, case.cohort).set_index("definition")
    groups = case.found.groups
    assert groups is not None
    for component in groups.frozen.components:
        members = table.index[(table["component"] == component.number).fillna(False)]
        assert sorted(members) == sorted(component.members)
    # Those that are significant are all in a component.
    np.testing.assert_array_equal(table["component"].notna(), table["q"] < 0.05)


def test_tests__none_is_missing(case: discovered.Case) -> None:
    found = case.found
    made = [found.main, *found.others]
    other = subtype_tables.named("x", "y", "z", {"subject": ["a", "b"], "p": [0.5, 0.25]})
    table = subtype_tables.tests(found, [other])
    assert table.columns.tolist() == subtype_tables.TEST_COLUMNS
    searched = [each.found for each in made if each.found is not None]
    n_structures = sum(np.isfinite(type_.p_structure) for each in made for type_ in each.typed)
    n_definitions = sum(each.n_tested for each in searched)
    # Each search has its count; there is one test of clusters, and two others.
    assert len(table) == n_definitions + len(searched) + n_structures + 1 + 2
    assert n_structures >= 4
    assert table[["p", "p_permutation"]].notna().any(axis=1).all()
    assert table["worth"].notna().all()
    family = table[table["family"] == "search: profiles"].set_index("subject")
    definitions = found.search.table.set_index("definition").loc[family.index]
    for name, theirs in (("p", "p"), ("q", "q"), ("p_permutation", "p_max_t")):
        np.testing.assert_array_equal(family[name].astype(float), definitions[theirs])
    np.testing.assert_allclose(family["statistic"].astype(float), definitions["z"] ** 2)
    counts = table[table["family"] == "count: profiles"].iloc[0]
    assert counts["statistic"] == found.search.n_significant
    assert counts["p_permutation"] == found.search.p_count
    states = table[table["family"] == "states: profiles"].set_index("subject")["p_permutation"]
    assert states.to_dict() == {each.cell_type: each.p_structure for each in found.main.typed}
    clusters = table[table["family"] == "clusters of proportions"]
    assert clusters["p_permutation"].tolist() == [found.p_clusters]


def test_tests__what_each_is_worth(case: discovered.Case) -> None:
    table = subtype_tables.tests(case.found, [])
    worth = {
        str(family).partition(":")[0]: set(part["worth"])
        for family, part in table.groupby("family")
    }
    assert worth == {
        "states": {"as it stands"},
        "search": {"one of a search: read p_permutation"},
        "count": {"permutation of the whole procedure"},
        "clusters of proportions": {"as it stands"},
    }


def test_tests__nothing_tested_is_an_empty_table(tmp_path: pathlib.Path) -> None:
    drawn = planted.draw(PLAN, 4)
    cohort = discovered.open_fractions(tmp_path, drawn)
    settings = discovered.SETTINGS.model_copy(
        update={"search": search.SearchSettings(n_permutations=9, min_group=46)}
    )
    branch = dataclasses.replace(discovered.known_branch(drawn), typed=[])
    found = discovered.search_of(branch, cohort, settings)
    assert found.search.n_tested == 0
    table = subtype_tables.tests(found, [])
    assert len(table) == 0
    assert table.columns.tolist() == subtype_tables.TEST_COLUMNS
    definitions = subtype_tables.definitions(found, cohort)
    assert definitions["hazard_ratio"].isna().all()
    assert "groups" not in subtype_tables.build(found, cohort)
