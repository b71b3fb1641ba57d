import dataclasses
import itertools
import pathlib
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from lifelines.utils import concordance_index
from statsmodels.duration import survfunc
from unit.downstream import discovered, planted

from bluebatch.downstream import branches, discovery, out_of_fold, patient_options, search

Array = npt.NDArray[Any]


def brute_force(durations: Array, events: Array, risk: Array, strata: Array) -> float:
    """Count pairs of one stratum: the earlier event first, of equal times the event."""
    right = total = 0.0
    for a, b in itertools.permutations(range(len(risk)), 2):
        first = durations[a] < durations[b] or (durations[a] == durations[b] and not events[b])
        if events[a] and first and strata[a] == strata[b]:
            total += 1
            right += 1.0 if risk[a] > risk[b] else 0.5 * (risk[a] == risk[b])
    return right / total


def test_rng_for__hangs_on_seed_and_purpose_alone() -> None:
    one = branches.rng_for(1, "states", "T").random(3)
    np.testing.assert_array_equal(one, branches.rng_for(1, "states", "T").random(3))
    for other in ((2, "states", "T"), (1, "states", "B"), (1, "search", "T"), (1, "states")):
        seed, *words = other
        assert not np.isin(branches.rng_for(seed, *words).random(3), one).any()


def test_table__says_what_the_searches_found(case: discovered.Case) -> None:
    made = [case.found.main, *case.found.others]
    table = branches.table(made, case.cohort).set_index("branch")
    assert list(table.index) == [
        "profiles", "profiles beyond proportions", "profiles at like proportions", "proportions",
        "bulk",
    ]  # fmt: skip
    for branch in made:
        row, found = table.loc[branch.name], branch.found
        if found is None:
            assert "no cell type has two states" in row["note"]
            assert np.isnan(row["n_tested"])
            continue
        tested = found.table.dropna(subset="p").sort_values("p", kind="stable")
        assert row["n_definitions"] == len(found.table)
        assert row["n_tested"] == len(tested)
        assert row["n_significant"] == (tested["q"] < 0.05).sum()
        assert row["p_count"] == found.p_count
        if len(tested):
            assert row["best_definition"] == tested["definition"].iloc[0]
            assert row["best_p"] == tested["p"].iloc[0]
            assert row["best_p_max_t"] == tested["p_max_t"].iloc[0]
        assert all(note in row["note"] for note in (*branch.notes, *found.notes))


def test_table__concordance_of_patients_held_out_equals_lifelines(case: discovered.Case) -> None:
    row = branches.table([case.found.main], case.cohort).iloc[0]
    apart = case.found.main.apart
    assert apart is not None
    # Lifelines wants the higher for the later event.
    times, events = case.cohort.durations, case.cohort.event_observed
    assert row["c_index"] == pytest.approx(concordance_index(times, -apart.risk, events))
    assert 0 <= row["c_low"] < row["c_index"] < row["c_high"] <= 1
    assert row["folds_with_groups"] == f"{apart.n_found} of 3"


def test_table__concordance_is_within_strata(tmp_path: pathlib.Path) -> None:
    drawn = planted.draw(dataclasses.replace(discovered.PLAN, n_patients=70), seed=1)
    cohort = discovered.open_drawn(tmp_path, drawn, bulk=False, strata=("stage",))
    assert cohort.strata is not None
    risk = np.random.default_rng(0).integers(0, 3, 70).astype(float)
    branch = dataclasses.replace(
        discovered.known_branch(drawn), apart=out_of_fold.OutOfFold(risk, 3, 3)
    )
    found = branches.table([branch], cohort)["c_index"].iloc[0]
    durations, events = cohort.durations, cohort.event_observed
    assert found == pytest.approx(brute_force(durations, events, risk, cohort.strata))
    alike = np.zeros(70)
    assert found != pytest.approx(brute_force(durations, events, risk, alike))


def test_search_states__strata_as_in_statsmodels(tmp_path: pathlib.Path) -> None:
    drawn = planted.draw(dataclasses.replace(discovered.PLAN, n_patients=90), seed=2)
    cohort = discovered.open_drawn(tmp_path, drawn, bulk=False, strata=("stage", "sex"))
    branch = discovered.known_branch(drawn)
    searched = branches.search_states(branch, cohort, discovered.SETTINGS, seed=0)
    assert searched.found is not None
    table = searched.found.table
    n_tested = 0
    for at in np.flatnonzero(table["tested"]):
        statistic, p = survfunc.survdiff(
            cohort.durations,
            cohort.event_observed,
            searched.found.inside[:, at],
            strata=cohort.strata,
        )
        assert table["z"].iloc[at] ** 2 == pytest.approx(statistic, rel=1e-9)
        assert table["p"].iloc[at] == pytest.approx(p, abs=1e-10)
        n_tested += 1
    assert n_tested == searched.found.n_tested > 4


def test_search_states__unknown_levels_are_compared_with_each_other(
    tmp_path: pathlib.Path,
) -> None:
    drawn = planted.draw(dataclasses.replace(discovered.PLAN, n_patients=90), seed=2)
    discovered.open_fractions(tmp_path, drawn)
    table = (tmp_path / "clinical.csv").read_text().splitlines()
    # The stage of every third patient is not known.
    text = [
        line.rpartition(",")[0] + "," if number % 3 == 1 else line
        for number, line in enumerate(table)
    ]
    (tmp_path / "holes.csv").write_text("\n".join(text) + "\n")
    options = patient_options.PatientOptions(clinical=tmp_path / "holes.csv", strata=("stage",))
    cohort = patient_options.open_cohort(tmp_path / "composition.zarr", options, 10)
    assert cohort.n_patients == 90
    words = cohort.patients.table["stage"].replace("", "unknown").fillna("unknown")
    assert (words == "unknown").sum() == 30
    branch = discovered.known_branch(drawn)
    searched = branches.search_states(branch, cohort, discovered.SETTINGS, seed=0)
    assert searched.found is not None
    for at in np.flatnonzero(searched.found.table["tested"]):
        inside = searched.found.inside[:, at]
        statistic, _ = survfunc.survdiff(
            cohort.durations, cohort.event_observed, inside, strata=words.to_numpy()
        )
        assert searched.found.table["z"].iloc[at] ** 2 == pytest.approx(statistic, rel=1e-9)


def test_search_states__held_out_patients_are_left_out_where_not_asked_for(
    tmp_path: pathlib.Path,
) -> None:
    drawn = planted.draw(dataclasses.replace(discovered.PLAN, n_patients=60), seed=2)
    cohort = discovered.open_fractions(tmp_path, drawn)
    settings = discovered.SETTINGS.model_copy(
        update={
            "out_of_fold": out_of_fold.FoldSettings(n_folds=0),
            "search": search.SearchSettings(n_permutations=0),
        }
    )
    searched = branches.search_states(discovered.known_branch(drawn), cohort, settings, seed=0)
    assert searched.apart is None
    row = branches.table([searched], cohort).iloc[0]
    assert "c_index" not in row
    assert np.isnan(row["p_count"])
    assert np.isnan(row["best_p_max_t"])


def test_table__notes_of_a_search_are_kept(tmp_path: pathlib.Path) -> None:
    drawn = planted.draw(dataclasses.replace(discovered.PLAN, n_patients=60), seed=2)
    cohort = discovered.open_fractions(tmp_path, drawn)
    settings = discovered.SETTINGS.model_copy(
        update={"search": search.SearchSettings(n_permutations=9, min_group=31)}
    )
    searched = branches.search_states(discovered.known_branch(drawn), cohort, settings, seed=0)
    found: discovery.Discovery = discovered.search_of(
        discovered.known_branch(drawn), cohort, settings
    )
    row = discovery.table(found, cohort).iloc[0]
    assert row["n_tested"] == 0
    # Of 60 patients no 31 are on both sides.
    assert "No definition was tested: none has 31 patients on both sides" in row["note"]
    assert "B, NK: fewer than two states" in row["note"]
    assert searched.found is not None
    assert row["n_definitions"] == len(searched.found.definitions) == 6
