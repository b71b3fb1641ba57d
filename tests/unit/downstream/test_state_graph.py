"""Neighbour graphs: distances, weights worked by hand, and a partition that repeats itself."""

import random

import igraph
import numpy as np
import pytest
import scipy.spatial.distance
import sklearn.neighbors

from bluebatch.downstream import state_graph


def test_squared_distances__are_scipys() -> None:
    scores = np.random.default_rng(0).standard_normal((30, 4)).astype(np.float32)
    expected = scipy.spatial.distance.cdist(scores, scores, "sqeuclidean")
    np.testing.assert_allclose(state_graph.squared_distances(scores), expected, atol=1e-5)


def test_find_nearest__are_scikit_learns() -> None:
    scores = np.random.default_rng(1).standard_normal((40, 3)).astype(np.float32)
    nearest, distances = state_graph.find_nearest(state_graph.squared_distances(scores), 7)
    model = sklearn.neighbors.NearestNeighbors(n_neighbors=6).fit(scores.astype(np.float64))
    theirs, positions = model.kneighbors()
    np.testing.assert_array_equal(nearest, positions)
    np.testing.assert_allclose(distances, theirs, rtol=1e-3)


def test_find_nearest__asks_for_no_more_than_there_are() -> None:
    squared = state_graph.squared_distances(np.array([[0.0], [1.0], [3.0]]))
    nearest, distances = state_graph.find_nearest(squared, 10)
    np.testing.assert_array_equal(nearest, [[1, 2], [0, 2], [1, 0]])
    np.testing.assert_allclose(distances, [[1, 3], [1, 2], [2, 3]])


def test_weigh__sums_to_the_logarithm() -> None:
    # By hand, three others and the patient: 1 + 2 w = log2(4), so both farther ones weigh 1/2;
    # with one at twice the distance beyond the nearest 1 + w + w^2 = 2, w = (sqrt(5) - 1) / 2.
    golden = (np.sqrt(5) - 1) / 2
    weights = state_graph.weigh(np.array([[1.0, 4.0, 4.0], [2.0, 3.0, 4.0]]))
    np.testing.assert_allclose(weights, [[1, 0.5, 0.5], [1, golden, golden**2]], rtol=1e-6)


def test_weigh__patients_who_are_alike_weigh_1() -> None:
    np.testing.assert_array_equal(state_graph.weigh(np.zeros((2, 5))), np.ones((2, 5)))


def test_build__joins_both_directions() -> None:
    # By hand: 0 - 1 is the nearest of both, 1 + 1 - 1; 2's nearest is 1, whose second it is, and
    # 1 + w = log2(3) for the second of two others.
    nearest = np.array([[1, 2], [0, 2], [1, 0]])
    distances = np.array([[1.0, 3.0], [1.0, 2.0], [2.0, 3.0]])
    second = np.log2(3) - 1
    graph = state_graph.build(nearest, distances)
    weights = {edge.tuple: edge["weight"] for edge in graph.es}
    assert weights.keys() == {(0, 1), (0, 2), (1, 2)}
    assert weights[0, 1] == pytest.approx(1)
    assert weights[1, 2] == pytest.approx(1)
    assert weights[0, 2] == pytest.approx(second + second - second**2)


def two_triangles(bridge: float) -> igraph.Graph:
    edges = [(0, 1), (1, 2), (0, 2), (3, 4), (4, 5), (3, 5), (2, 3)]
    graph = igraph.Graph(n=6, edges=edges)
    graph.es["weight"] = [1.0] * 6 + [bridge]
    return graph


def test_cluster__two_triangles_are_two_clusters() -> None:
    labels = state_graph.cluster(two_triangles(0.1), 1, seed=0)
    np.testing.assert_array_equal(labels, [0, 0, 0, 1, 1, 1])


def test_cluster__a_heavy_bridge_joins_them_at_a_low_resolution() -> None:
    # By hand: joined gains 2 b - g 2 d1 d2 / 2m with d1 = d2 = 6 + b, m = 6 + b; for b = 1 and
    # g = .1 that is 2 - .7 > 0, for g = 1 it is 2 - 7 < 0.
    assert len(set(state_graph.cluster(two_triangles(1), 0.1, seed=0))) == 1
    assert len(set(state_graph.cluster(two_triangles(1), 1, seed=0))) == 2


def test_cluster__repeats_itself_whatever_was_drawn_before() -> None:
    scores = np.random.default_rng(2).standard_normal((120, 5)).astype(np.float32)
    graph = state_graph.build(*state_graph.find_nearest(state_graph.squared_distances(scores), 8))
    random.seed(1)
    follows = random.random()
    random.seed(1)
    first = state_graph.cluster(graph, 0.8, seed=3)
    assert random.random() == follows
    np.testing.assert_array_equal(state_graph.cluster(graph, 0.8, seed=3), first)
