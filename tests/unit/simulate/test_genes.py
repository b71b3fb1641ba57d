"""Gene names cleaned, told apart, brought onto one list."""

import numpy as np
import pytest

from bluebatch import errors
from bluebatch.simulate import genes


def test_clean__leaves_symbols_alone() -> None:
    # RP11-206L10.9 has a dot that is part of its name.
    assert genes.clean(["CD19", "RP11-206L10.9"], "a") == (["CD19", "RP11-206L10.9"], [])


def test_clean__tells_what_it_changed() -> None:
    cleaned, notes = genes.clean(["ENSG00000000003.15", None, "A", "A"], "a")
    assert cleaned == ["ENSG00000000003", "", "A", "A"]
    assert len(notes) == 3


def test_clean__leaves_dates_of_spreadsheets_out() -> None:
    cleaned, notes = genes.clean(["A", "1-Mar", "2001-09-01 00:00:00", ""], "a")
    assert cleaned == ["A", "", "", ""]
    assert "a: 2 gene names were turned into dates by a spreadsheet" in notes[0]
    assert "(first: 1-Mar)" in notes[0]
    assert notes[1] == "a: 1 genes without a name left out."


def test_common__keeps_the_order_of_the_first() -> None:
    assert genes.common([["C", "A", "B", "A"], ["B", "A", "D"]], ["a", "b"]) == ["A", "B"]


def test_common__names_the_kinds_where_nothing_matches() -> None:
    with pytest.raises(
        errors.LabelMismatchError, match=r"b: none of its 1 genes is in a; a has sy"
    ):
        genes.common([["CD19"], ["ENSG00000177455"]], ["a", "b"])


def test_common__nameless_genes_do_not_match() -> None:
    with pytest.raises(errors.LabelMismatchError):
        genes.common([["", "A"], ["", "B"]], ["a", "b"])


@pytest.mark.parametrize(
    ("listed", "kind"), [(["CD19", "CD3E"], "symbols"), (["ENSMUSG00000000001"], "Ensembl ids")]
)
def test_kind__tells_symbols_from_ensembl_ids(listed: list[str], kind: str) -> None:
    assert genes.kind(listed).startswith(kind)


def test_sorter__sums_columns_of_one_name_and_leaves_others_out() -> None:
    sorter = genes.sorter(["A", "x", "B", "A"], ["B", "A"])
    # By hand: B is column 2; A columns 0 and 3; x goes nowhere.
    assert (np.array([[1, 10, 100, 1000]]) @ sorter).tolist() == [[100, 1001]]
