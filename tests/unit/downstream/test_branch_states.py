import dataclasses
import pathlib

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score
from unit.downstream import discovered, planted

from bluebatch.downstream import branch_states, branches, patient_options, states
from bluebatch.downstream.subtype_settings import SubtypeSettings

SMALL = planted.Plan(n_patients=100, n_genes=4, distance=8.0)


def with_skill(folder: pathlib.Path) -> tuple[planted.Planted, patient_options.Cohort]:
    """Open profiles of which B is not predictable, and of T but two genes are."""
    drawn = planted.draw(SMALL, seed=1)
    skill = {
        "Mono": [0.5, 0.1, 0.25, 0.3],
        "T": [0.4, np.nan, -0.1, 0.2],
        "B": [-0.3, 0.0, 0.0, np.nan],
        "NK": [np.nan] * 4,
    }
    rows = np.array([skill[name] for name in drawn.cell_types])
    results = discovered.write_skill(folder / "r.zarr", drawn, rows)
    return drawn, discovered.open_results(folder, results, drawn)


def test_usable_genes__are_those_of_skill_above_the_least(tmp_path: pathlib.Path) -> None:
    _, cohort = with_skill(tmp_path)
    chosen = [
        branch_states.usable_genes(cohort, name, SubtypeSettings(min_skill=least))
        for name, least in (("Mono", 0.0), ("Mono", 0.25), ("T", 0.0), ("B", 0.0), ("NK", 0.0))
    ]
    assert chosen == [
        ["G000", "G001", "G002", "G003"],
        ["G000", "G003"],
        ["G000", "G003"],
        [],
        # Nothing is told of NK, so that all are used.
        ["G000", "G001", "G002", "G003"],
    ]


def test_of_profiles__an_unpredictable_type_is_without_structure_and_in_no_definition(
    tmp_path: pathlib.Path,
) -> None:
    drawn, cohort = with_skill(tmp_path)
    told: list[int] = []
    plain, beyond = branch_states.of_profiles(
        cohort, drawn.cell_types, discovered.SETTINGS, 0, told.append
    )
    assert told == [1] * 4
    assert plain.cell_types == beyond.cell_types == drawn.cell_types
    at = drawn.cell_types.index("B")
    for branch in (plain, beyond):
        assert branch.typed[at].verdict == states.NO_STRUCTURE
        assert branch.typed[at].reason == "fewer than 2 genes of skill above 0"
        assert (branch.index[:, at] == 0).all()
        assert "B" not in branch.two_state
    searched = branches.search_states(plain, cohort, discovered.SETTINGS, 0)
    assert searched.found is not None
    picks = searched.found.definitions.picks
    assert (picks[:, at] == -1).all()
    # By hand: 3^2 - 1 - 2 definitions of the two types with two states.
    assert plain.two_state == ["Mono", "T"]
    assert len(picks) == 6


def test_of_profiles__a_patient_without_an_unpredictable_type_still_lacks_it(
    tmp_path: pathlib.Path,
) -> None:
    drawn = planted.draw(dataclasses.replace(SMALL, absent=0.3), seed=1)
    skill = np.full((4, 4), 0.5)
    skill[drawn.cell_types.index("NK")] = -1
    results = discovered.write_skill(tmp_path / "r.zarr", drawn, skill)
    cohort = discovered.open_results(tmp_path, results, drawn)
    plain = branch_states.of_profiles(cohort, ["NK"], discovered.SETTINGS, 0)[0]
    lacking = np.isnan(drawn.profile[:, drawn.cell_types.index("NK"), 0])
    assert 0 < lacking.sum() < 100
    np.testing.assert_array_equal(plain.index[:, 0], np.where(lacking, -1, 0))
    assert plain.typed[0].n_present == (~lacking).sum()


def test_of_profiles__states_that_only_follow_proportions_are_gone_beyond_them(
    tmp_path: pathlib.Path,
) -> None:
    drawn = planted.draw(planted.Plan(n_patients=150, two_state=("T", "Mono")), seed=2)
    rng = np.random.default_rng(0)
    # Mono is rare in some patients and frequent in others, and its profile follows that.
    much = rng.random(150) < 0.5
    share = np.where(much, 0.5, 0.1) + rng.uniform(-0.02, 0.02, 150)
    rest = rng.dirichlet(np.full(3, 20.0), 150) * (1 - share)[:, None]
    proportion = np.column_stack([rest[:, 0], share, rest[:, 1:]])
    profile = drawn.profile.copy()
    slope = rng.choice([-4.0, 4.0], 60)
    profile[:, 1] = 6 + share[:, None] * slope + 0.3 * rng.normal(size=(150, 60))
    drawn = dataclasses.replace(drawn, profile=profile, proportion=proportion)
    cohort = discovered.open_drawn(tmp_path, drawn, bulk=False)
    plain, beyond = branch_states.of_profiles(cohort, ["T", "Mono"], discovered.SETTINGS, 0)
    assert plain.name == branches.PROFILES
    assert plain.two_state == ["T", "Mono"]
    assert adjusted_rand_score(much, plain.index[:, 1]) > 0.9
    assert beyond.name == branches.RESIDUAL
    assert beyond.two_state == ["T"]
    assert adjusted_rand_score(drawn.state["T"], beyond.index[:, 0]) > 0.9


def test_of_profiles__few_patients_say_nothing_beyond_proportions(tmp_path: pathlib.Path) -> None:
    drawn = planted.draw(dataclasses.replace(SMALL, n_patients=30), seed=3)
    # Proportions of fourteen types more: 30 patients are fewer than twice 18 and one.
    more = [f"X{at}" for at in range(14)]
    proportion = np.random.default_rng(0).dirichlet(np.ones(18), 30)
    profile = np.concatenate([drawn.profile, drawn.profile[:, [0] * 14]], axis=1)
    drawn = dataclasses.replace(
        drawn, cell_types=drawn.cell_types + more, profile=profile, proportion=proportion
    )
    cohort = discovered.open_drawn(tmp_path, drawn, bulk=False)
    _, beyond = branch_states.of_profiles(cohort, ["T"], discovered.SETTINGS, 0)
    assert beyond.typed[0].verdict == states.TOO_FEW
    assert beyond.typed[0].reason == "30 patients, needed: 37 to fit the proportions"
    assert beyond.two_state == []


def test_of_profiles__a_type_has_the_states_that_it_has_alone(tmp_path: pathlib.Path) -> None:
    drawn = planted.draw(SMALL, seed=4)
    cohort = discovered.open_drawn(tmp_path, drawn, bulk=False)
    together = branch_states.of_profiles(cohort, drawn.cell_types, discovered.SETTINGS, 7)[0]
    at = drawn.cell_types.index("T")
    alone = branch_states.of_profiles(cohort, ["T"], discovered.SETTINGS, 7)[0]
    np.testing.assert_array_equal(together.index[:, at], alone.index[:, 0])
    assert together.typed[at].p_structure == alone.typed[0].p_structure
    assert together.typed[at].stability == alone.typed[0].stability


@pytest.mark.parametrize("renormalise", [True, False])
def test_of_proportions__are_halves_at_the_median(renormalise: bool) -> None:
    rng = np.random.default_rng(0)
    proportion = rng.dirichlet(np.ones(5), 101)
    # None of the chosen types: no share of them is known once they are divided by their sum.
    proportion[3] = [0, 0.5, 0, 0.5, 0]
    settings = discovered.SETTINGS.model_copy(
        update={"subtypes": SubtypeSettings(renormalise=renormalise)}
    )
    found = branch_states.of_proportions(proportion, list("ABCDE"), ["E", "A", "C"], settings)
    part = proportion[:, [4, 0, 2]]
    expected = np.empty((101, 3), np.int8)
    if renormalise:
        known = np.delete(np.arange(101), 3)
        part = part[known] / part[known].sum(axis=1, keepdims=True)
        expected[3] = -1
        expected[known] = part > np.median(part, axis=0)
    else:
        expected[:] = part > np.median(part, axis=0)
    assert found.name == branches.PROPORTIONS
    assert found.cell_types == ["E", "A", "C"]
    np.testing.assert_array_equal(found.index, expected)
    assert found.medians is not None
    np.testing.assert_allclose(found.medians.cuts, np.median(part, axis=0), rtol=1e-12)
    assert np.isnan(found.strength).all()


def test_of_proportions__one_type_is_not_divided_by_itself() -> None:
    share = np.random.default_rng(1).random(60)
    proportion = np.stack([share, 1 - share], axis=1)
    found = branch_states.of_proportions(proportion, ["A", "B"], ["B"], discovered.SETTINGS)
    np.testing.assert_array_equal(found.index[:, 0], share < np.median(share))


def test_of_proportions__a_type_that_most_lack_is_told() -> None:
    proportion = np.random.default_rng(2).dirichlet(np.ones(3), 60)
    proportion[:55, 1] = 0
    found = branch_states.of_proportions(proportion, list("ABC"), list("ABC"), discovered.SETTINGS)
    assert found.cell_types == ["A", "C"]
    assert found.notes == [
        "B: 5 of 60 patients are above the median 0, needed: 10 on each side; left out"
    ]


def test_of_bulk__finds_what_is_planted_in_bulk(tmp_path: pathlib.Path) -> None:
    drawn = planted.draw(SMALL, seed=5)
    truth = drawn.state["T"]
    rng = np.random.default_rng(0)
    # Half of the genes are four times as high, the others make up for it.
    level = np.where(truth[:, None], [4.0, 4.0, 1.0, 1.0], [1.0, 1.0, 4.0, 4.0])
    drawn = dataclasses.replace(drawn, bulk=level * rng.lognormal(0, 0.2, (100, 4)))
    cohort = discovered.open_drawn(tmp_path, drawn)
    found = branch_states.of_bulk(cohort, discovered.SETTINGS, 0)
    assert found.name == "bulk"
    assert found.two_state == ["bulk"]
    assert adjusted_rand_score(truth, found.index[:, 0]) == 1


def test_of_bulk__genes_that_never_vary_have_no_structure(tmp_path: pathlib.Path) -> None:
    drawn = planted.draw(SMALL, seed=6)
    drawn = dataclasses.replace(drawn, bulk=np.ones((100, 4)))
    cohort = discovered.open_drawn(tmp_path, drawn)
    found = branch_states.of_bulk(cohort, discovered.SETTINGS, 0)
    assert found.two_state == []
    assert found.typed[0].reason == "fewer than 2 genes vary"
