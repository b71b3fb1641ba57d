import dataclasses
import pathlib

import numpy as np
import pandas as pd
import pytest
from unit.downstream import discovered, planted

from bluebatch import errors
from bluebatch.downstream import discovery, search

FRACTIONS = dataclasses.replace(discovered.PLAN, n_patients=80)


def test_discover__branches_in_their_order(case: discovered.Case) -> None:
    assert case.found.main.name == "profiles"
    assert [each.name for each in case.found.others] == [
        "profiles beyond proportions", "profiles at like proportions", "proportions", "bulk",
    ]  # fmt: skip
    # The main branch has cut nothing.
    assert case.found.composition_types == []
    assert case.found.search is case.found.main.found


def test_discover__the_planted_group_is_the_favourable_one(case: discovered.Case) -> None:
    assert case.found.groups is not None
    best = case.found.groups.index == 0
    inside = case.drawn.inside
    assert (best & inside).sum() / (best | inside).sum() > 0.9
    assert case.found.luck is not None
    # The smallest that 19 permutations can give.
    assert case.found.luck.p == 1 / 20


def test_table__clusters_are_one_test_and_no_count(case: discovered.Case) -> None:
    table = discovery.table(case.found, case.cohort)
    row = table.set_index("branch").loc["clusters of proportions"]
    assert case.found.clusters is not None
    assert row["n_tested"] == 1
    assert row["best_p_max_t"] == case.found.p_clusters
    assert row[["best_p", "p_count", "n_significant", "c_index"]].isna().all()
    assert row["note"].startswith(f"{case.found.clusters.n_clusters} clusters")


def test_discover__same_seed_same_numbers(tmp_path: pathlib.Path) -> None:
    drawn = planted.draw(FRACTIONS, seed=5)
    cohort = discovered.open_fractions(tmp_path, drawn)
    one, again, other = (
        discovery.discover(cohort, drawn.cell_types, discovered.SETTINGS, seed)
        for seed in (0, 0, 1)
    )
    pd.testing.assert_frame_equal(one.search.table, again.search.table)
    assert one.p_clusters == again.p_clusters
    assert one.search.table["p"].equals(other.search.table["p"])
    assert not one.search.table["p_max_t"].equals(other.search.table["p_max_t"])


def test_discover__a_composition_store_has_proportions_alone(tmp_path: pathlib.Path) -> None:
    drawn = planted.draw(FRACTIONS, seed=5)
    cohort = discovered.open_fractions(tmp_path, drawn)
    chosen = ["Mono", "B", "T"]
    found = discovery.discover(cohort, chosen, discovered.SETTINGS, 0)
    assert found.main.name == "proportions"
    assert found.others == []
    assert found.composition_types == chosen
    part = drawn.proportion[:, [drawn.cell_types.index(name) for name in chosen]]
    part = part / part.sum(axis=1, keepdims=True)
    np.testing.assert_array_equal(found.main.index, part > np.median(part, axis=0))


def test_discover__one_type_of_a_composition(tmp_path: pathlib.Path) -> None:
    drawn = planted.draw(FRACTIONS, seed=5)
    cohort = discovered.open_fractions(tmp_path, drawn)
    found = discovery.discover(cohort, ["B"], discovered.SETTINGS, 0)
    share = drawn.proportion[:, drawn.cell_types.index("B")]
    np.testing.assert_array_equal(found.main.index[:, 0], share > np.median(share))
    assert found.search.definitions.labels == ["B=1"]
    # A second cohort must not divide it by itself either.
    assert found.composition_types == []


def test_discover__without_permutations_nothing_pretends_to_have_them(
    tmp_path: pathlib.Path,
) -> None:
    drawn = planted.draw(FRACTIONS, seed=5)
    cohort = discovered.open_fractions(tmp_path, drawn)
    none = discovered.SETTINGS.model_copy(
        update={"search": search.SearchSettings(n_permutations=0)}
    )
    found = discovery.discover(cohort, drawn.cell_types, none, 0)
    assert np.isnan(found.p_clusters)
    assert np.isnan(found.search.p_count)
    assert found.search.table["p_max_t"].isna().all()


def test_discover__no_two_states_are_told_with_their_reasons(tmp_path: pathlib.Path) -> None:
    drawn = planted.draw(dataclasses.replace(FRACTIONS, n_patients=30), seed=5)
    cohort = discovered.open_drawn(tmp_path, drawn, bulk=False)
    settings = discovered.SETTINGS.model_copy(
        update={"search": search.SearchSettings(min_group=16)}
    )
    with pytest.raises(
        errors.ValuesError,
        match=r"no cell type has two states \(T: too few patients, 30 patients, needed: 32\)",
    ):
        discovery.discover(cohort, ["T"], settings, 0)
