"""Clinical columns are read by their content, and told where they say nothing."""

import numpy as np
import pandas as pd
import pytest

from bluebatch import errors
from bluebatch.downstream import clinical_columns, strata


def series(*texts: str) -> "pd.Series[str]":
    return pd.Series(texts)


@pytest.mark.parametrize("gap", ["", "NA", "nan", "Unknown", "N.D.", ".", "[Not Available]"])
def test_read__gaps_are_unknown(gap: str) -> None:
    column = clinical_columns.read("wbc", series("1", "2", "3", "4.5", "6", "7", gap))
    assert column.kind == "numeric"
    assert column.known.tolist() == [True] * 6 + [False]
    assert column.values[:6].tolist() == [1, 2, 3, 4.5, 6, 7]
    assert np.isnan(column.values[6])


def test_read__a_line_that_ends_early_is_a_gap() -> None:
    column = clinical_columns.read("sex", pd.Series(["m", None, "f"]))
    assert column.known.tolist() == [True, False, True]


@pytest.mark.parametrize(
    ("texts", "kind", "levels"),
    [
        (("0", "1", "1", "0"), "numeric", ["0", "1"]),
        (("1", "2", "2.0", "3"), "categorical", ["2", "1", "3"]),
        (("1", "2", "3", "4", "5", "6"), "numeric", ["1", "2", "3", "4", "5", "6"]),
        (("b", "a", "b", " a", "b"), "categorical", ["b", "a"]),
    ],
    ids=["flags", "codes", "amounts", "words"],
)
def test_read__kind_by_content(texts: tuple[str, ...], kind: str, levels: list[str]) -> None:
    column = clinical_columns.read("x", series(*texts))
    assert column.kind == kind
    assert column.levels == levels


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        (("", "Unknown", "."), "unknown of all 3 patients"),
        (("m", "m", ""), "is 'm' in all 2 patients"),
        (("1", "1.0", "1"), "is '1' in all 3 patients"),
        (("1", "2", "3", "4", "5", "6", ">89"), "1 of 7 known values are no numbers .*'>89'"),
    ],
    ids=["nothing known", "one text", "one number", "numbers but for one"],
)
def test_read__what_says_nothing_is_told(texts: tuple[str, ...], words: str) -> None:
    with pytest.raises(errors.ValuesError, match=f"^covariate x: .*{words}") as told:
        clinical_columns.read("x", series(*texts))
    assert "\n" not in str(told.value)


def test_take__an_unknown_column_is_told_with_those_there_are() -> None:
    with pytest.raises(errors.LabelMismatchError, match=r"age: .* it has sex, fab"):
        clinical_columns.take(pd.DataFrame({"sex": ["m"], "fab": ["M1"]}), "age")


def test_take__what_names_patients_is_told() -> None:
    table = pd.DataFrame({"id": [f"P{at}" for at in range(30)]})
    with pytest.raises(errors.ValuesError, match="30 different texts in 30 patients"):
        clinical_columns.take(table, "id")


def test_divide__combinations_that_occur() -> None:
    table = pd.DataFrame({"sex": ["m", "f", "m", "m"], "flt3": ["1", "0", "0", "N.D."]})
    found = strata.divide(table, ["sex", "flt3"])
    assert found.names == ["sex=f & flt3=0", "sex=m & flt3=0", "sex=m & flt3=1"]
    assert found.index.tolist() == [2, 0, 1, -1]
    assert found.notes == [
        "strata: unknown of 1 of 4 patients, who are compared among themselves",
        "strata: 3 of 3 have one patient, who is compared with nobody",
    ]


def test_divide__numbers_are_refused() -> None:
    table = pd.DataFrame({"age": [str(20 + at) for at in range(9)]})
    with pytest.raises(errors.ValuesError, match="strata age: 9 different numbers"):
        strata.divide(table, ["age"])


def test_divide__a_wrong_column_is_told_as_strata() -> None:
    table = pd.DataFrame({"site": ["a"] * 9, "id": [f"p{at}" for at in range(9)]})
    with pytest.raises(errors.LabelMismatchError, match=r"strata sex: .* it has site, id"):
        strata.divide(table, ["sex"])
    with pytest.raises(errors.ValuesError, match="strata site: is 'a' in all 9 patients"):
        strata.divide(table, ["site"])
    with pytest.raises(errors.ValuesError, match="strata id: 9 different texts in 9 patients"):
        strata.divide(table, ["id"])
