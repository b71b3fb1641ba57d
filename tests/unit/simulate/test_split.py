"""Cells into train, validation and test."""

import numpy as np
import pydantic
import pytest

from bluebatch import errors
from bluebatch.simulate import split

AUTO = split.SplitSettings()


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_cut__by_largest_remainder() -> None:
    # By hand: 7.2, .9, .9 -> floors 7, 0, 0; the two largest remainders get the rest.
    assert split.cut(9, (0.8, 0.1, 0.1)).tolist() == [7, 1, 1]


def test_cut__a_share_of_zero_gets_nothing() -> None:
    assert split.cut(7, (0.0, 0.0, 1.0)).tolist() == [0, 0, 7]


def test_split_cells__by_cell_cuts_each_type() -> None:
    cell_type = np.repeat([0, 1], [100, 20])
    assigned, used = split.split_cells(cell_type, None, AUTO, rng(), "a")
    assert used == "cell"
    assert np.bincount(assigned[cell_type == 0]).tolist() == [80, 10, 10]
    assert np.bincount(assigned[cell_type == 1]).tolist() == [16, 2, 2]


def test_split_cells__by_donor_keeps_donors_whole() -> None:
    cell_type = np.tile([0, 1], 50)
    donor = np.repeat([f"d{i}" for i in range(10)], 10).astype(object)
    assigned, used = split.split_cells(cell_type, donor, AUTO, rng(), "a")
    assert used == "donor"
    splits_of = [set(assigned[donor == name]) for name in np.unique(donor)]
    assert all(len(splits) == 1 for splits in splits_of)
    assert np.bincount(assigned).tolist() == [80, 10, 10]


def test_split_cells__falls_back_to_cells_with_too_few_donors() -> None:
    donor = np.repeat(["a", "b"], 30).astype(object)
    assert split.split_cells(np.zeros(60, int), donor, AUTO, rng(), "a")[1] == "cell"


def test_split_cells__falls_back_where_a_type_has_one_donor() -> None:
    cell_type = np.repeat([0, 1], [80, 20])
    donor = np.array([f"d{i % 8}" for i in range(80)] + ["d0"] * 20, dtype=object)
    assert split.split_cells(cell_type, donor, AUTO, rng(), "a")[1] == "cell"


def test_split_cells__asked_for_donors_it_does_not_fall_back() -> None:
    donor = np.repeat(["a", "b"], 30).astype(object)
    by_donor = split.SplitSettings(by="donor")
    with pytest.raises(errors.TooFewCellsError, match="its 2 donors"):
        split.split_cells(np.zeros(60, int), donor, by_donor, rng(), "a")


def test_split_cells__too_few_cells_of_a_type_for_all_splits() -> None:
    with pytest.raises(errors.TooFewCellsError, match="has 5 cells, needed: 6"):
        split.split_cells(np.zeros(5, int), None, AUTO, rng(), "a")


def test_split_cells__all_into_one_split() -> None:
    only_test = split.SplitSettings(fractions=(0, 0, 1))
    assigned, _ = split.split_cells(np.zeros(5, int), None, only_test, rng(), "a")
    assert assigned.tolist() == [2] * 5


def test_split_settings__scales_the_fractions() -> None:
    assert split.SplitSettings(fractions=(8, 1, 1)).fractions == pytest.approx((0.8, 0.1, 0.1))


@pytest.mark.parametrize("fractions", [(0, 0, 0), (1, -1, 1)])
def test_split_settings__refuses(fractions: tuple[float, float, float]) -> None:
    with pytest.raises(pydantic.ValidationError, match="0 or more"):
        split.SplitSettings(fractions=fractions)
