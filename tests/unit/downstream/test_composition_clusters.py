from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import safetensors.numpy
import sklearn.decomposition
import sklearn.metrics
import sklearn.neighbors

from bluebatch import errors
from bluebatch.downstream import composition_clusters, state_graph

Array = npt.NDArray[Any]
TYPES = ("B", "Mono", "NK", "T")
CENTRES = np.array([[30.0, 5, 5, 5], [5, 30, 5, 5], [5, 5, 5, 30]])


def draw(n_each: int, seed: int) -> tuple[Array, Array]:
    """Three kinds of patients, each rich in one type; their proportions and kinds."""
    rng = np.random.default_rng(seed)
    proportion = np.concatenate([rng.dirichlet(centre, n_each) for centre in CENTRES])
    return proportion, np.repeat(np.arange(3), n_each)


def on_a_line(scores: list[float], index: list[int]) -> composition_clusters.Clusters:
    """Make frozen clusters of two types by hand: the score is the first type's proportion."""
    return composition_clusters.Clusters(
        ("A", "B"),
        np.array(index, np.int16),
        np.zeros(2),
        np.array([[1.0], [0.0]]),
        np.array(scores)[:, None],
    )


def test_find__planted_kinds_are_clusters() -> None:
    # Of each kind 28: Leiden at resolution 1 cuts larger ones in two, though they have no parts.
    proportion, kind = draw(28, 0)
    found = composition_clusters.find(proportion, TYPES)
    assert sklearn.metrics.adjusted_rand_score(kind, found.index) > 0.95
    assert found.n_clusters == 3
    again, kinds = draw(50, 1)
    assert sklearn.metrics.adjusted_rand_score(kinds, found.assign(again, TYPES)) > 0.95


def test_find__space_is_that_of_the_principal_components() -> None:
    proportion, _ = draw(20, 0)
    found = composition_clusters.find(proportion, TYPES)
    # Rows sum to 1, so that four types lie in three dimensions.
    assert found.loadings.shape == (4, 3)
    other = sklearn.decomposition.PCA(3).fit(proportion)
    np.testing.assert_allclose(np.abs(found.scores), np.abs(other.transform(proportion)), atol=1e-9)
    assert (found.loadings.max(axis=0) == np.abs(found.loadings).max(axis=0)).all()


def test_find__numbers_the_largest_cluster_first_whatever_the_scale_of_the_rows() -> None:
    proportion, _ = draw(20, 0)
    proportion = np.concatenate([proportion, draw(4, 5)[0][:4]])
    found = composition_clusters.find(proportion, TYPES)
    assert (np.diff(np.bincount(found.index)) <= 0).all()
    scaled = proportion * np.linspace(1, 9, len(proportion))[:, None]
    np.testing.assert_array_equal(composition_clusters.find(scaled, TYPES).index, found.index)


def test_find__takes_the_best_of_many_starts() -> None:
    proportion = np.random.default_rng(0).dirichlet(np.full(4, 3.0), 90)
    found = composition_clusters.find(proportion, TYPES)
    squared = state_graph.squared_distances(found.scores)
    graph = state_graph.build(*state_graph.find_nearest(squared, 15))
    starts = [
        state_graph.cluster(graph, 1.0, seed) for seed in range(composition_clusters.N_STARTS)
    ]
    quality = [graph.modularity(labels, weights="weight") for labels in starts]
    assert max(quality) > min(quality) + 1e-6
    ours = graph.modularity(found.index.astype(int), weights="weight")
    assert ours == pytest.approx(max(quality), abs=1e-9)


def test_assign__takes_most_of_the_nearest_fifteen() -> None:
    # At .5: the nearest fifteen are the eight of cluster 1 and seven of cluster 0.
    near, far = [0.5 + step / 100 for step in range(1, 9)], [0.4 - step / 100 for step in range(20)]
    found = on_a_line(near + far, [1] * 8 + [0] * 20)
    assert found.assign(np.array([[0.5, 0.5]]), ("A", "B")).tolist() == [1]
    # With seven near ones the eight farther ones outvote them.
    fewer = on_a_line(near[:7] + far, [1] * 7 + [0] * 20)
    assert fewer.assign(np.array([[0.5, 0.5]]), ("A", "B")).tolist() == [0]


def test_assign__ties_go_to_the_nearest() -> None:
    # Six of cluster 2, six of cluster 0, three of cluster 1; the very nearest is of cluster 1.
    index = [1, 2, 0, 0, 0, 0, 0, 0, 2, 2, 2, 2, 2, 1, 1]
    found = on_a_line([0.5 + step / 100 for step in range(15)], index)
    assert found.assign(np.array([[0.5, 0.5]]), ("A", "B")).tolist() == [2]


def test_assign__equals_neighbours_of_scikit_learn(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    loadings, index = rng.normal(size=(4, 3)), rng.integers(0, 2, 90).astype(np.int16)
    scores = rng.dirichlet(np.ones(4), 90) @ loadings
    found = composition_clusters.Clusters(TYPES, index, np.zeros(4), loadings, scores)
    proportion = rng.dirichlet(np.ones(4), 200)
    other = sklearn.neighbors.KNeighborsClassifier(15, algorithm="brute").fit(scores, index)
    expected = other.predict(proportion @ found.loadings)
    assert 20 < expected.sum() < 180
    np.testing.assert_array_equal(found.assign(proportion, TYPES), expected)
    monkeypatch.setattr(composition_clusters, "ROWS_PER_BLOCK", 7)
    np.testing.assert_array_equal(found.assign(proportion, TYPES), expected)


def test_assign__columns_are_found_by_name_and_others_ignored() -> None:
    proportion, _ = draw(20, 0)
    found = composition_clusters.find(proportion, TYPES)
    expected = found.assign(proportion, TYPES)
    shuffled = np.column_stack([np.full(60, 0.5), proportion[:, ::-1] / 2])
    names = ("Other", *TYPES[::-1])
    np.testing.assert_array_equal(found.assign(shuffled, names), expected)
    assert found.assign(proportion[:0], TYPES).tolist() == []


def test_of__gives_back_what_was_written() -> None:
    proportion, _ = draw(20, 0)
    found = composition_clusters.find(proportion, TYPES)
    arrays = safetensors.numpy.load(safetensors.numpy.save(found.arrays()))
    again = composition_clusters.Clusters.of(list(TYPES), arrays)
    assert again.cell_types == TYPES
    for name in ("index", "mean", "loadings", "scores"):
        np.testing.assert_array_equal(getattr(again, name), getattr(found, name))
    other = draw(10, 2)[0]
    np.testing.assert_array_equal(again.assign(other, TYPES), found.assign(other, TYPES))


def test_assign__lacking_cell_type_is_refused() -> None:
    found = on_a_line([0.1, 0.2, 0.9], [0, 0, 1])
    with pytest.raises(errors.LabelMismatchError, match=r"lacks 1 of 2 frozen.*first: B"):
        found.assign(np.ones((2, 2)), ("A", "C"))


@pytest.mark.parametrize("value", [np.nan, 0.0])
def test_find__patients_without_proportions_are_nowhere(value: float) -> None:
    proportion, _ = draw(20, 0)
    whole = composition_clusters.find(proportion, TYPES)
    with_gap = np.insert(proportion, 7, value, axis=0)
    found = composition_clusters.find(with_gap, TYPES)
    assert np.delete(found.index, 7).tolist() == whole.index.tolist()
    assert found.index[7] == composition_clusters.NOWHERE
    assert np.isnan(found.scores[7]).all()
    # What is frozen has no gap, and the gap of another cohort stays one.
    again = composition_clusters.Clusters.of(TYPES, found.arrays())
    assert len(again.index) == 60
    expected = np.insert(whole.assign(proportion, TYPES), 7, composition_clusters.NOWHERE)
    for each in (found, again):
        np.testing.assert_array_equal(each.assign(with_gap, TYPES), expected)


def test_find__negative_proportions_are_refused() -> None:
    proportion, _ = draw(5, 0)
    proportion[7, 1] = -0.25
    with pytest.raises(errors.ValuesError, match=r"row 7 holds -0\.25, 0 or more was needed"):
        composition_clusters.find(proportion, TYPES)


def test_find__two_patients_are_too_few() -> None:
    proportion, _ = draw(1, 0)
    proportion[1] = np.nan
    with pytest.raises(errors.ValuesError, match="2 patients have proportions, at least 3"):
        composition_clusters.find(proportion, TYPES)


@pytest.mark.parametrize("n_patients", [3, 10])
def test_find__small_cohorts_and_equal_patients_are_clustered(n_patients: int) -> None:
    same = composition_clusters.find(np.ones((n_patients, 4)), TYPES)
    assert len(same.index) == n_patients
    assert composition_clusters.find(draw(1, 0)[0], TYPES).n_clusters >= 1
