"""Labels kept, dropped, merged, or too few."""

import numpy as np
import numpy.typing as npt
import pytest

from bluebatch import errors
from bluebatch.simulate import cell_types

CHOSEN = cell_types.CellTypeSettings


def labels(**numbers: int) -> npt.NDArray[np.object_]:
    return np.array([name for name, n in numbers.items() for _ in range(n)], dtype=object)


def test_choose__unknown_and_missing_labels_are_no_type() -> None:
    given = np.concatenate([labels(B=20, NK=20, Unknown=30), np.array([""] * 40, dtype=object)])
    choice = cell_types.choose([given], CHOSEN(), ["a"])
    assert choice.cell_types == ["B", "NK"]
    assert (choice.codes[0] == -1).sum() == 70
    assert any("Unknown (30 cells)" in note for note in choice.notes)


def test_choose__merges_before_it_keeps_and_in_the_order_of_keep() -> None:
    settings = CHOSEN(keep=("T", "B"), merge={"T": ("naive", "memory")})
    choice = cell_types.choose([labels(B=20, naive=12, memory=9, DC=50)], settings, ["a"])
    assert choice.cell_types == ["T", "B"]
    assert np.bincount(choice.codes[0] + 1).tolist() == [50, 21, 20]


def test_choose__drops_labels_named_before_or_after_merging() -> None:
    settings = CHOSEN(drop=("memory", "DC"), merge={"T": ("naive", "memory")})
    choice = cell_types.choose([labels(B=20, naive=21, memory=9, DC=50)], settings, ["a"])
    assert choice.cell_types == ["B", "T"]
    assert np.bincount(choice.codes[0] + 1).tolist() == [59, 20, 21]


def test_choose__a_type_with_few_cells_is_left_out_with_a_note() -> None:
    choice = cell_types.choose([labels(B=20, NK=20, DC=19)], CHOSEN(), ["a"])
    assert choice.cell_types == ["B", "NK"]
    assert any("DC left out: 19 cells, needed: 20" in note for note in choice.notes)


def test_choose__a_kept_type_with_few_cells_is_an_error() -> None:
    with pytest.raises(errors.TooFewCellsError, match="'DC' has 19 cells, needed: 20"):
        cell_types.choose([labels(B=20, DC=19)], CHOSEN(keep=("B", "DC")), ["a"])


def test_choose__a_kept_type_that_is_nowhere_lists_those_there_are() -> None:
    with pytest.raises(errors.LabelMismatchError, match="'Treg'"):
        cell_types.choose([labels(B=20, NK=20)], CHOSEN(keep=("B", "Treg")), ["a"])


def test_choose__a_kept_type_may_be_rare_in_one_reference() -> None:
    given = [labels(B=20, DC=20), labels(B=20, DC=3)]
    choice = cell_types.choose(given, CHOSEN(keep=("B", "DC")), ["a", "b"])
    assert choice.cell_types == ["B", "DC"]
    assert set(choice.codes[1].tolist()) == {0, -1}


def test_choose__one_type_is_too_few() -> None:
    with pytest.raises(errors.TooFewCellsError, match="needed: 2"):
        cell_types.choose([labels(B=20)], CHOSEN(), ["a"])


def test_choose__a_label_merged_twice_is_refused() -> None:
    with pytest.raises(errors.ConfigError, match="'x' goes into"):
        cell_types.choose([labels(x=20)], CHOSEN(merge={"A": ("x",), "B": ("x",)}), ["a"])
