"""Frozen spaces: scores, nearest states and places worked by hand; components as scikit-learn's."""

import numpy as np
import pytest
import sklearn.decomposition

from bluebatch import errors
from bluebatch.downstream import state_components, state_space
from bluebatch.downstream.state_space import Array


def plane() -> state_space.Space:
    """Two of three genes are the axes; state 0 lies at the origin, state 1 at (4, 0)."""
    return state_space.Space(
        genes=["A", "B", "C"],
        mean=np.array([1, 2, 3], np.float32),
        scale=np.array([1, 2, 1], np.float32),
        loadings=np.array([[1, 0], [0, 1], [0, 0]], np.float32),
        centroids=np.array([[0, 0], [4, 0]], np.float32),
        metric=np.eye(2, dtype=np.float32),
    )


def test_score__centres_scales_and_projects() -> None:
    profiles = np.array([[1, 2, 3], [5, 4, 9], [np.nan, np.nan, np.nan]])
    expected = [[0, 0], [4, 1], [np.nan, np.nan]]
    np.testing.assert_array_equal(plane().score(profiles), expected)


def test_score__a_gene_not_measured_is_at_its_mean() -> None:
    np.testing.assert_array_equal(plane().score([[np.nan, 6, 3]]), [[0, 2]])


def test_score__asks_for_the_genes() -> None:
    with pytest.raises(errors.LabelMismatchError, match="2 genes, but the states rest on 3"):
        plane().score(np.zeros((4, 2)))


def test_nearest__by_hand() -> None:
    scores = np.array([[-1, 5], [1, 0], [2.5, 0], [4, 3], [9, 0], [np.nan, np.nan]])
    index, strength = plane().nearest(scores)
    np.testing.assert_array_equal(index, [0, 0, 1, 1, 1, -1])
    np.testing.assert_allclose(strength, [1, 0.5, 0.25, 1, 1, np.nan])
    assert index.dtype == np.int8
    assert strength.dtype == np.float32


def test_place__counts_distance_in_spreads_within_states() -> None:
    # By hand: with correlated axes, covariance [[2, 1], [1, 2]] and its inverse
    # [[2, -1], [-1, 2]] / 3, the axis is (8, -4) / 3, so (2, 4) lies half way: -16 / 3 below it.
    metric = np.array([[2, -1], [-1, 2]], np.float32) / 3
    space = state_space.Space(**{**vars(plane()), "metric": metric})
    np.testing.assert_allclose(
        space.place(np.array([[0, 0], [4, 0], [2, 0], [2, 4]])), [-1, 1, 0, -1], atol=1e-6
    )


def test_arrays__make_the_same_space() -> None:
    space = plane()
    again = state_space.Space.of(space.genes, space.arrays())
    assert again.genes == space.genes
    for name, numbers in space.arrays().items():
        np.testing.assert_array_equal(again.arrays()[name], numbers)
        assert again.arrays()[name].dtype == np.float32


def test_of__tells_what_is_damaged() -> None:
    arrays = plane().arrays()
    with pytest.raises(errors.LabelMismatchError, match=r"mean holds \(3,\), needed: \(2,\)"):
        state_space.Space.of(["A", "B"], arrays)
    del arrays["metric"]
    with pytest.raises(errors.LabelMismatchError, match="metric holds nothing"):
        state_space.Space.of(["A", "B", "C"], arrays)


def decompose(matrix: Array, n_components: int) -> state_components.Components:
    ones = np.ones(matrix.shape[1])
    rng = np.random.default_rng(0)
    return state_components.decompose(matrix.copy(), ones, n_components, rng)


@pytest.mark.parametrize("shape", [(30, 80), (80, 30)])
@pytest.mark.parametrize("exact", [1200, 0])
def test_decompose__is_scikit_learns(
    shape: tuple[int, int], exact: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(state_components, "EXACT", exact)
    rng = np.random.default_rng(3)
    matrix = rng.standard_normal(shape) * 0.8 ** np.arange(shape[1]) + 5
    found = decompose(matrix.astype(np.float32), 4)
    model = sklearn.decomposition.PCA(4, svd_solver="full").fit(matrix)
    for column in range(4):
        sign = np.sign(model.components_[column] @ found.loadings[:, column])
        theirs = sign * model.components_[column]
        np.testing.assert_allclose(found.loadings[:, column], theirs, atol=2e-3)
        scores = sign * model.transform(matrix)[:, column]
        np.testing.assert_allclose(found.scores[:, column], scores, atol=2e-2)
    np.testing.assert_allclose(found.mean, matrix.mean(axis=0), rtol=1e-5)


def test_decompose__the_largest_loading_is_positive() -> None:
    matrix = np.random.default_rng(4).standard_normal((40, 9)).astype(np.float32)
    loadings = decompose(matrix, 5).loadings
    assert (loadings.max(axis=0) == np.abs(loadings).max(axis=0)).all()


def test_decompose__finds_no_more_than_there_are() -> None:
    rng = np.random.default_rng(5)
    matrix = rng.standard_normal((40, 2)) @ rng.standard_normal((2, 25))
    assert decompose(matrix.astype(np.float32), 10).loadings.shape == (25, 2)
    assert decompose(np.full((40, 25), 3, np.float32), 10).loadings.shape == (25, 0)


def test_moments__are_numpys() -> None:
    matrix = np.random.default_rng(6).standard_normal((2500, 3)).astype(np.float32) + 100
    mean, variance = state_components.moments(matrix)
    np.testing.assert_allclose(mean, matrix.mean(axis=0, dtype=np.float64), rtol=1e-12)
    np.testing.assert_allclose(variance, matrix.var(axis=0, dtype=np.float64), rtol=1e-9)


def test_settle__centroids_and_spread_by_hand() -> None:
    # State 0: (0, 0), (2, 0); state 1: (10, 1), (12, -1), (11, 0). Within: 2 + 2 and 0 + 2 on the
    # axes, -2 between them, over 5 - 2; nine tenths of what is between stays.
    scores = np.array([[0, 0], [2, 0], [10, 1], [12, -1], [11, 0]], np.float32)
    genes = np.eye(2, dtype=np.float32)
    components = state_components.Components(np.zeros(2), np.ones(2), genes, scores)
    space = components.settle(["A", "B"], np.array([0, 0, 1, 1, 1], np.int8))
    np.testing.assert_allclose(space.centroids, [[1, 0], [11, 0]])
    covariance = np.array([[4, -1.8], [-1.8, 2]]) / 3
    np.testing.assert_allclose(space.metric, np.linalg.inv(covariance), rtol=1e-3)
