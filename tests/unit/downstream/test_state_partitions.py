"""Partitions into two groups: outliers, numbering, the search and stability."""

import numpy as np
import pytest

from bluebatch.downstream import state_graph, state_partitions
from bluebatch.downstream.state_partitions import Array


def clouds(sizes: list[int], apart: float, seed: int = 0) -> Array:
    """Draw clouds of spread 1 on a line."""
    rng = np.random.default_rng(seed)
    centre = np.repeat(np.arange(len(sizes)) * apart, sizes)
    scores = rng.standard_normal((sum(sizes), 4))
    scores[:, 0] += centre
    return scores.astype(np.float32)


def search(
    scores: Array, neighbours: tuple[int, ...], resolutions: tuple[float, ...]
) -> list[state_partitions.Partition]:
    squared = state_graph.squared_distances(scores)
    return state_partitions.search(squared, scores, (neighbours, resolutions), 10)


def test_dissolve__outliers_go_to_the_nearest() -> None:
    scores = np.r_[np.zeros((30, 1)), np.full((30, 1), 10.0), [[7.0], [2.0]]]
    labels = np.r_[np.zeros(30, int), np.ones(30, int), [2, 3]]
    joined = state_partitions.dissolve(labels, scores, 10)
    np.testing.assert_array_equal(joined, np.r_[np.zeros(30), np.ones(30), [1, 0]])


def test_dissolve__many_are_no_outliers() -> None:
    # 4 of 64 are more than a twentieth.
    labels = np.r_[np.zeros(30, int), np.ones(30, int), np.full(4, 2)]
    joined = state_partitions.dissolve(labels, np.zeros((64, 1)), 10)
    np.testing.assert_array_equal(joined, labels)


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ([5, 5, 5, 2, 2], [0, 0, 0, 1, 1]),
        ([5, 2, 2, 2, 5], [1, 0, 0, 0, 1]),
        ([7, 3, 3, 7], [0, 1, 1, 0]),
    ],
)
def test_number__the_larger_first_then_the_first_patient(
    labels: list[int], expected: list[int]
) -> None:
    np.testing.assert_array_equal(state_partitions.number(np.array(labels)), expected)


def test_is_pair__needs_two_of_enough() -> None:
    assert state_partitions.is_pair(np.array([0, 0, 1, 1]), 2)
    assert not state_partitions.is_pair(np.array([0, 0, 0, 1]), 2)
    assert not state_partitions.is_pair(np.array([0, 0, 0, 0]), 2)
    assert not state_partitions.is_pair(np.array([0, 0, 1, 1, 2, 2]), 2)


def test_search__finds_two_clouds_with_every_number_of_neighbours() -> None:
    found = search(clouds([60, 40], 12), (8, 12), (0.1, 0.2))
    assert {partition.neighbours for partition in found} == {8, 12}
    for partition in found:
        np.testing.assert_array_equal(partition.index, np.repeat([0, 1], [60, 40]))


def test_search__resolutions_of_the_same_groups_are_one() -> None:
    resolutions = (0.02, 0.04, 0.06, 0.08, 0.1)
    found = search(clouds([60, 40], 12), (12,), resolutions)
    assert [partition.resolution for partition in found] == [0.06]


def test_search__bisects_where_the_grid_gives_other_numbers() -> None:
    scores = clouds([60, 40], 12)
    found = search(scores, (12,), (4.0,))
    assert len(found) == 1
    assert found[0].resolution < 4
    np.testing.assert_array_equal(found[0].index, np.repeat([0, 1], [60, 40]))


def test_search__three_clouds_are_not_two() -> None:
    # No two of the three are nearer: at no edge between them does a resolution join just two.
    assert search(clouds([40, 40, 40], 40), (10,), (0.05, 0.1)) == []


def test_score_stability__clouds_are_found_again_and_halves_of_one_are_not() -> None:
    rng = np.random.default_rng(0)
    draws = [np.sort(rng.choice(100, 80, replace=False)) for _ in range(5)]
    two, one = clouds([60, 40], 12), clouds([100], 0)
    found = search(two, (12,), (0.1,))
    again = state_partitions.score_stability(state_graph.squared_distances(two), two, found, draws)
    np.testing.assert_array_equal(again, [1])
    half = [state_partitions.Partition(np.arange(100) % 2, 12, 0.5)]
    chance = state_partitions.score_stability(state_graph.squared_distances(one), one, half, draws)
    assert abs(chance[0]) < 0.1


def test_score_stability__gives_up_what_is_out_of_reach() -> None:
    # By hand: a mean of .85 over five draws may lose .75, and chance loses about 1 at the first.
    rng = np.random.default_rng(0)
    draws = [np.sort(rng.choice(100, 80, replace=False)) for _ in range(5)]
    two = clouds([60, 40], 12)
    squared = state_graph.squared_distances(two)
    found = [
        *search(two, (12,), (0.1,)),
        state_partitions.Partition(np.arange(100) % 2, 12, 0.1),
    ]
    early = state_partitions.score_stability(squared, two, found, draws, 0.85)
    first = state_partitions.score_stability(squared, two, found, draws[:1])
    full = state_partitions.score_stability(squared, two, found, draws)
    np.testing.assert_array_equal(early, [1, first[1]])
    assert early[1] != full[1]
