"""Compositions: families, exact zeros, whole cells."""

import numpy as np
import pydantic
import pytest

from bluebatch.simulate import proportions

N = 4000
PRESENT = proportions.ProportionSettings(absent_share=0)


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_draw_proportions__rows_sum_to_one() -> None:
    drawn = proportions.draw_proportions(
        rng(), np.ones((N, 6), bool), proportions.ProportionSettings()
    )
    np.testing.assert_allclose(drawn.sum(axis=1), 1)


def test_draw_proportions__half_the_samples_lack_one_to_three_of_six_types() -> None:
    drawn = proportions.draw_proportions(
        rng(), np.ones((N, 6), bool), proportions.ProportionSettings(absent_share=0.5)
    )
    n_absent = (drawn == 0).sum(axis=1)
    # Four standard deviations of a share of one half.
    assert abs((n_absent > 0).mean() - 0.5) < 4 * np.sqrt(0.25 / N)
    assert set(n_absent.tolist()) == {0, 1, 2, 3}


def test_draw_proportions__leaves_out_types_that_the_source_lacks() -> None:
    available = np.tile([True, False, True], (N, 1))
    drawn = proportions.draw_proportions(rng(), available, PRESENT)
    assert (drawn[:, 1] == 0).all()
    assert (drawn[:, [0, 2]] > 0).all()


def test_draw_proportions__families_come_in_equal_shares() -> None:
    settings = proportions.ProportionSettings(families=(1.0, 1e6), absent_share=0)
    drawn = proportions.draw_proportions(rng(), np.ones((N, 4), bool), settings)
    # Raised to a million over ones, a type holds all but a few millionths.
    assert (drawn.max(axis=1) > 0.999).sum() == N // 2
    raised = drawn.argmax(axis=1)[drawn.max(axis=1) > 0.999]
    assert np.bincount(raised, minlength=4).min() > N / 2 / 4 * 0.8


def test_draw_proportions__a_raised_type_has_the_mean_of_its_dirichlet() -> None:
    settings = proportions.ProportionSettings(families=(25.0,), absent_share=0)
    drawn = proportions.draw_proportions(rng(), np.ones((N, 6), bool), settings)
    # By hand: 25 / (25 + 5).
    assert drawn.max(axis=1).mean() == pytest.approx(25 / 30, abs=0.01)


@pytest.mark.parametrize("method", ["multinomial", "largest_remainder"])
def test_draw_cell_numbers__sum_to_the_cells_and_keep_zeros(method: str) -> None:
    shares = np.tile([0.7, 0.0, 0.3, 0.0], (N, 1))
    settings = proportions.ProportionSettings.model_validate({"cell_numbers": method})
    numbers = proportions.draw_cell_numbers(rng(), shares, 500, settings.cell_numbers)
    assert (numbers.sum(axis=1) == 500).all()
    assert (numbers[:, [1, 3]] == 0).all()
    # Six standard errors of a binomial of 500 and .7.
    assert numbers[:, 0].mean() == pytest.approx(350, abs=6 * np.sqrt(105 / N))


def test_draw_cell_numbers__largest_remainder_by_hand() -> None:
    shares = np.array([[0.25, 0.26, 0.49]])
    numbers = proportions.draw_cell_numbers(rng(), shares, 10, "largest_remainder")
    # 2.5, 2.6, 4.9 -> 2, 2, 4 and the two largest remainders get one more.
    assert numbers.tolist() == [[2, 3, 5]]


def test_draw_cell_numbers__ceiling_is_the_authors_rounding() -> None:
    shares = np.array([[0.0011, 0.9989]])
    numbers = proportions.draw_cell_numbers(rng(), shares, 500, "ceiling")
    # By hand: ceil(.55), ceil(499.45).
    assert numbers.tolist() == [[1, 500]]


def test_proportion_settings__refuses_a_concentration_of_zero() -> None:
    with pytest.raises(pydantic.ValidationError, match="greater than 0"):
        proportions.ProportionSettings(families=(0.0,))
