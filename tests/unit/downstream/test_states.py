"""States of patients: planted ones are found, one cloud has none, and what a user is told."""

import dataclasses

import numpy as np
import numpy.typing as npt
import pydantic
import pytest
import sklearn.metrics

from bluebatch import errors
from bluebatch.downstream import state_baselines, states

Array = npt.NDArray[np.float32]
N_GENES = 120
GENES = [f"g{number}" for number in range(N_GENES)]
SETTINGS = states.StateSettings(n_resamples=8, n_nulls=39, neighbours=(10, 20))


def cloud(rng: np.random.Generator, n_patients: int = 100, decay: float | None = 0.8) -> Array:
    """Draw one normal cloud, of genes that decay along 30 axes or that are independent."""
    if decay is None:
        return rng.standard_normal((n_patients, N_GENES)).astype(np.float32)
    axes = np.linalg.qr(rng.standard_normal((N_GENES, 30)))[0]
    scores = rng.standard_normal((n_patients, 30)) * 10 * decay ** np.arange(30)
    noise = 0.3 * rng.standard_normal((n_patients, N_GENES))
    return np.asarray(6 + scores @ axes.T + noise, np.float32)


def planted(
    seed: int, n_patients: int = 100, share: float = 0.4
) -> tuple[Array, npt.NDArray[np.bool_]]:
    """Move some patients in a direction of its own, four times the longest axis's deviation."""
    rng = np.random.default_rng(seed)
    inside = np.zeros(n_patients, bool)
    inside[rng.permutation(n_patients)[: round(share * n_patients)]] = True
    direction = rng.standard_normal(N_GENES)
    direction /= np.linalg.norm(direction)
    shift = 40 * np.outer(inside, direction)
    return (cloud(rng, n_patients) + shift).astype(np.float32), inside


def find(
    matrix: Array, settings: states.StateSettings = SETTINGS, min_group: int = 10, seed: int = 0
) -> states.TypeStates:
    rng = np.random.default_rng(seed)
    return states.find(matrix, "Mono", GENES[: matrix.shape[1]], settings, min_group, rng)


def rand(truth: npt.ArrayLike, found: npt.ArrayLike) -> float:
    return float(sklearn.metrics.adjusted_rand_score(truth, found))


@pytest.mark.parametrize("seed", range(5))
def test_find__planted_states_are_found(seed: int) -> None:
    matrix, inside = planted(seed)
    found = find(matrix)
    assert found.verdict == states.TWO_STATES
    assert rand(inside, found.index) >= 0.9
    assert found.p_structure == pytest.approx(1 / 40)
    assert found.stability > 0.9
    assert (found.n_0, found.n_1, found.n_present) == (60, 40, 100)
    assert found.agreement >= 0.98


@pytest.mark.parametrize("decay", [None, 0.8, 0.5])
def test_find__one_cloud_has_no_structure(decay: float | None) -> None:
    verdicts = [find(cloud(np.random.default_rng(seed), decay=decay)).verdict for seed in range(8)]
    assert verdicts == [states.NO_STRUCTURE] * 8


@pytest.mark.slow
@pytest.mark.parametrize("decay", [None, 0.8])
def test_find__one_cloud_has_no_structure_in_90_of_100(decay: float | None) -> None:
    verdicts = [
        find(cloud(np.random.default_rng(seed), decay=decay), states.StateSettings()).verdict
        for seed in range(100)
    ]
    assert verdicts.count(states.NO_STRUCTURE) >= 90


@pytest.mark.slow
def test_find__planted_states_are_found_in_100_cohorts() -> None:
    for seed in range(100):
        matrix, inside = planted(seed)
        found = find(matrix, states.StateSettings())
        assert rand(inside, found.index) >= 0.9, seed


def test_find__a_stable_half_of_a_long_cloud_is_no_state() -> None:
    # One axis ten times as long as the others: Leiden cuts it at the same place again and again.
    rng = np.random.default_rng(3)
    matrix = cloud(rng, 200, None)
    matrix += 20 * np.outer(rng.standard_normal(200), np.ones(N_GENES) / np.sqrt(N_GENES))
    found = find(matrix.astype(np.float32))
    assert found.stability >= 0.8
    assert found.verdict == states.NO_STRUCTURE
    assert found.reason.startswith("no further apart than halves of a cloud")


def test_find__without_structure_everybody_is_alike() -> None:
    matrix = cloud(np.random.default_rng(0))
    matrix[:7] = np.nan
    found = find(matrix)
    np.testing.assert_array_equal(found.index, np.repeat([-1, 0], [7, 93]))
    np.testing.assert_array_equal(found.strength, np.repeat([np.nan, 0], [7, 93]))
    assert (found.n_present, found.n_0, found.n_1, found.space) == (93, 93, 0, None)
    assert found.p_structure > 0.05
    assert found.scores.shape[0] == 100


def test_find__splits_without_structure_where_asked_to() -> None:
    matrix = cloud(np.random.default_rng(0))
    found = find(matrix, SETTINGS.model_copy(update={"no_structure": "split"}))
    assert found.verdict == states.SPLIT
    assert found.p_structure > 0.05
    assert min(found.n_0, found.n_1) >= 10
    assert set(found.index) == {0, 1}
    assert found.space is not None


def test_find__patients_without_the_type_are_absent_and_change_nothing() -> None:
    matrix, inside = planted(1)
    full = find(matrix)
    absent = np.zeros(120, bool)
    absent[::6] = True
    holed = np.full((120, N_GENES), np.nan, np.float32)
    holed[~absent] = matrix
    found = find(holed)
    np.testing.assert_array_equal(found.index[~absent], full.index)
    assert (found.index[absent] == -1).all()
    assert np.isnan(found.strength[absent]).all()
    assert np.isnan(found.scores[absent]).all()
    np.testing.assert_array_equal(found.strength[~absent], full.strength)
    assert rand(inside, found.index[~absent]) == 1


def test_find__strength_is_the_place_between_the_centroids() -> None:
    # Two far points of 30 patients each, and one patient a quarter of the way: twice .25 from
    # the border is half as strong as those at their centroid.
    rng = np.random.default_rng(0)
    matrix = 0.01 * rng.standard_normal((61, 10))
    matrix[30:60, 0] += 8
    matrix[60, 0] = 2
    found = find(matrix.astype(np.float32))
    assert found.index[60] == found.index[0]
    assert found.strength[60] == pytest.approx(0.5, abs=0.1)
    assert found.strength[:60].min() > 0.9
    assert found.strength.max() == 1


def test_find__repeats_itself_and_leaves_the_profiles_alone() -> None:
    matrix, _ = planted(2)
    before = matrix.copy()
    first, second = find(matrix), find(matrix)
    np.testing.assert_array_equal(matrix, before)
    assert first.space is not None
    assert second.space is not None
    for name, numbers in first.space.arrays().items():
        np.testing.assert_array_equal(numbers, second.space.arrays()[name])
    for field in dataclasses.fields(first):
        if field.name != "space":
            ours, again = getattr(first, field.name), getattr(second, field.name)
            np.testing.assert_array_equal(ours, again, err_msg=field.name)


def test_find__the_space_places_another_cohort() -> None:
    matrix, inside = planted(3, 300)
    found = find(matrix[:150])
    assert found.space is not None
    assert found.space.genes == GENES
    np.testing.assert_allclose(found.space.score(matrix[:150]), found.scores, atol=1e-3)
    index, _ = found.space.nearest(found.space.score(matrix[150:]))
    same = rand(inside[:150], found.index)
    assert same >= 0.9
    assert rand(inside[150:], index) >= 0.9


def test_find__beyond_the_searched_patients_follow_their_nearest() -> None:
    matrix, inside = planted(4, 400)
    found = find(matrix, SETTINGS.model_copy(update={"max_patients": 150}), min_group=20)
    assert found.verdict == states.TWO_STATES
    assert rand(inside, found.index) >= 0.9
    assert found.n_0 + found.n_1 == 400


def test_find__uses_the_most_variable_genes_and_no_constant_one() -> None:
    matrix, inside = planted(5)
    matrix[:, 3] = 4
    matrix[:, 7] *= 10
    assert find(matrix).space.genes == [name for name in GENES if name != "g3"]  # type: ignore[union-attr]
    variance = matrix.var(axis=0)
    widest = sorted(np.argsort(-variance)[:20])
    few = find(matrix, SETTINGS.model_copy(update={"n_genes": 20, "no_structure": "split"}))
    assert few.space is not None
    assert few.space.genes == [GENES[column] for column in widest]
    scaled = find(matrix, SETTINGS.model_copy(update={"scale": "unit"}))
    assert scaled.space is not None
    deviation = np.delete(matrix, 3, axis=1).std(axis=0)
    np.testing.assert_allclose(scaled.space.scale, deviation, rtol=1e-4)
    assert rand(inside, scaled.index) >= 0.9


def test_find__states_hidden_by_proportions_are_found_in_residuals() -> None:
    rng = np.random.default_rng(6)
    matrix, inside = planted(6)
    proportion = rng.dirichlet([1, 1, 1], 100)
    hidden = (matrix + 900 * np.outer(proportion[:, 0], rng.standard_normal(N_GENES))) / 10
    found = find(state_baselines.residuals(hidden.astype(np.float32), proportion))
    assert rand(inside, found.index) >= 0.9
    assert rand(inside, find(hidden.astype(np.float32)).index) < 0.9


def test_find__too_few_patients() -> None:
    matrix, _ = planted(7, 40)
    matrix[:21] = np.nan
    found = find(matrix)
    assert found.verdict == states.TOO_FEW
    assert found.reason == "19 patients, needed: 20"
    assert np.isnan(found.p_structure)
    np.testing.assert_array_equal(found.index, np.repeat([-1, 0], [21, 19]))


@pytest.mark.parametrize("n_patients", [0, 1, 2, 9, 10, 12])
def test_find__a_handful_of_patients_are_no_error(n_patients: int) -> None:
    found = find(cloud(np.random.default_rng(0), n_patients), min_group=1)
    assert found.verdict == (states.TOO_FEW if n_patients < 10 else states.NO_STRUCTURE)


def test_find__profiles_that_are_all_alike() -> None:
    found = find(np.full((40, 5), 3, np.float32))
    assert (found.verdict, found.reason) == (states.NO_STRUCTURE, "all profiles are alike")


def test_find__a_minority_below_the_smallest_group_is_no_state() -> None:
    matrix, _ = planted(8, share=0.05)
    assert find(matrix).verdict == states.NO_STRUCTURE


def test_find__tells_of_profiles_it_cannot_use() -> None:
    matrix, _ = planted(9)
    for value, message in (
        (np.inf, "Mono: 1 infinite values among profiles 1 to 100"),
        (np.nan, "Mono: a missing gene among profiles 1 to 100"),
    ):
        broken = matrix.copy()
        broken[4, 2] = value
        with pytest.raises(errors.ValuesError, match=message):
            find(broken)
    with pytest.raises(errors.LabelMismatchError, match="two or more genes"):
        find(matrix[:, :1])
    with pytest.raises(errors.LabelMismatchError, match="119 gene names"):
        states.find(matrix, "Mono", GENES[1:], SETTINGS, 10, np.random.default_rng(0))


def test_summary__has_a_row_for_each_type() -> None:
    matrix, _ = planted(10)
    few = matrix.copy()
    few[15:] = np.nan
    table = states.summary([find(matrix), find(few)])
    assert table["verdict"].tolist() == [states.TWO_STATES, states.TOO_FEW]
    assert table["n_absent"].tolist() == [0, 85]
    assert table["n_genes"].tolist() == [N_GENES, 0]
    assert np.isnan(table["stability"][1])
    assert list(states.summary([]).columns) == list(table.columns)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"neighbours": (2,)}, "needed: each 3 to 500"),
        ({"resolutions": (0.5, 0.2)}, "needed: ascending"),
        ({"resolutions": (0.0, 0.2)}, "each above 0"),
        ({"n_nulls": 19, "alpha": 0.01}, "needed: at least 99"),
        ({"min_stability": 1.2}, "less than or equal to 1"),
        ({"scale": "log"}, "'none' or 'unit'"),
        ({"components": 3}, "Extra inputs are not permitted"),
    ],
)
def test_settings__out_of_bounds(given: dict[str, object], message: str) -> None:
    with pytest.raises(pydantic.ValidationError, match=message):
        states.StateSettings.model_validate(given)
