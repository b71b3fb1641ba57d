"""Residuals as numpy's least squares, and median splits worked by hand."""

import numpy as np
import pytest

from bluebatch import errors
from bluebatch.downstream import state_baselines
from bluebatch.downstream.state_baselines import Array


def cohort(seed: int = 0) -> tuple[Array, Array]:
    rng = np.random.default_rng(seed)
    proportion = rng.dirichlet([2, 3, 4], 50)
    matrix = 5 + proportion @ rng.standard_normal((3, 7)) + rng.standard_normal((50, 7))
    return matrix.astype(np.float32), proportion


def test_residuals__are_least_squares_with_an_intercept() -> None:
    matrix, proportion = cohort()
    terms = np.column_stack([np.ones(50), proportion[:, :2]])
    expected = matrix - terms @ np.linalg.lstsq(terms, matrix.astype(float), rcond=None)[0]
    found = state_baselines.residuals(matrix, proportion)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert found.dtype == np.float32


def test_residuals__do_not_depend_on_which_type_is_last() -> None:
    matrix, proportion = cohort()
    turned = state_baselines.residuals(matrix, proportion[:, [2, 0, 1]])
    np.testing.assert_allclose(turned, state_baselines.residuals(matrix, proportion), atol=1e-5)


def test_residuals__absent_patients_are_left_out() -> None:
    matrix, proportion = cohort()
    holed = matrix.copy()
    holed[[3, 8]] = np.nan
    kept = np.delete(np.arange(50), [3, 8])
    found = state_baselines.residuals(holed, proportion)
    assert np.isnan(found[[3, 8]]).all()
    alone = state_baselines.residuals(matrix[kept], proportion[kept])
    np.testing.assert_allclose(found[kept], alone, atol=1e-5)


def test_residualise__what_proportions_explain_is_gone() -> None:
    _, proportion = cohort()
    matrix = (3 + proportion @ np.arange(6).reshape(3, 2)).astype(np.float32)
    np.testing.assert_allclose(state_baselines.residuals(matrix, proportion), 0, atol=1e-5)


def test_apply__takes_the_first_cohorts_coefficients() -> None:
    # By hand: profile = 1 + 2 p of the first type; a second cohort of 10 is left with 9 - 2 p.
    proportion = np.array([[0.0, 1], [0.5, 0.5], [1, 0], [0.2, 0.8]])
    matrix = np.tile(1 + 2 * proportion[:, :1], 2)
    _, frozen = state_baselines.residualise(matrix, proportion)
    again = state_baselines.Residualiser.of(frozen.arrays())
    left = again.apply(np.full((2, 2), 10.0), np.array([[0.25, 0.75], [1, 0]]))
    np.testing.assert_allclose(left, [[8.5, 8.5], [7.0, 7.0]], rtol=1e-5)


def test_residualise__needs_patients_and_the_same_ones() -> None:
    matrix, proportion = cohort()
    with pytest.raises(errors.ValuesError, match="3 patients have a profile and proportions"):
        state_baselines.residualise(matrix[:3], proportion[:3])
    with pytest.raises(errors.LabelMismatchError, match="one row a patient in both"):
        state_baselines.residualise(matrix, proportion[:-1])
    _, frozen = state_baselines.residualise(matrix, proportion)
    with pytest.raises(errors.LabelMismatchError, match="needed: 7 and 3"):
        frozen.apply(matrix[:, :6], proportion)


def test_at_medians__by_hand() -> None:
    proportion = np.array([[0.1, 0.0, 0.4], [0.2, 0.0, 0.3], [0.3, 0.0, np.nan], [0.4, 0.9, 0.2]])
    states, medians = state_baselines.at_medians(proportion, ["A", "B", "C"])
    assert medians.cell_types == ["A", "B", "C"]
    np.testing.assert_allclose(medians.cuts, [0.25, 0, 0.3])
    np.testing.assert_array_equal(states, [[0, 0, 1], [0, 0, 0], [1, 0, -1], [1, 1, 0]])
    assert states.dtype == np.int8
    states, medians = state_baselines.at_medians(proportion, ["A", "B", "C"], 2)
    assert medians.cell_types == ["A"]
    np.testing.assert_array_equal(states, [[0], [0], [1], [1]])
    assert medians.notes[0].startswith("B: 1 of 4 patients are above the median 0, needed: 2")


def test_at_medians__a_type_nobody_is_known_to_have() -> None:
    states, medians = state_baselines.at_medians(np.full((4, 1), np.nan), ["A"])
    assert states.shape == (4, 0)
    assert medians.cell_types == []


def test_by_cuts__are_not_moved() -> None:
    found = state_baselines.by_cuts(np.array([[0.25, 0.5], [0.26, np.nan]]), np.array([0.25, 0.1]))
    np.testing.assert_array_equal(found, [[0, 1], [1, -1]])


def test_at_medians__columns_have_names() -> None:
    with pytest.raises(errors.LabelMismatchError, match="needed: one name for each column"):
        state_baselines.at_medians(np.zeros((4, 2)), ["A"])
    with pytest.raises(errors.LabelMismatchError, match="a column for each of 2 cuts"):
        state_baselines.by_cuts(np.zeros((4, 3)), np.zeros(2))
