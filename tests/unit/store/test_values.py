import numpy as np
import pytest

from bluebatch import errors
from bluebatch.store import tables, values


def take(numbers: list[list[float]], logged: values.Logged | None = None) -> values.Tally:
    tally = values.Tally()
    block = tables.Block(["r1", "r2"][: len(numbers)], np.asarray(numbers, dtype=np.float64))
    values.take_in("x.csv", block, ["c1", "c2"], logged, tally)
    return tally


def decide(numbers: list[list[float]], asked: tables.Unit | None = None) -> tables.Unit:
    tally = take(numbers)
    return values.decide_unit("x.csv", tally, tally.sums("sample"), asked, logged=False)[0]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [(np.nan, "holds no number"), (np.inf, "infinite"), (-1.0, "negative"), (1e39, "too large")],
)
def test_take_in__names_the_first_wrong_value(wrong: float, words: str) -> None:
    with pytest.raises(errors.ValuesError, match=rf"row 'r2', column 'c1' .*{words}"):
        take([[1, 2], [wrong, 4]])
    assert take([[1, 2], [3, 4]]).largest == 4


def test_take_in__negative_values_name_the_flag() -> None:
    with pytest.raises(errors.ValuesError, match=r"--logged 'log2\(x\+0\.001\)'"):
        take([[-9.9658, 2.0]])


def test_take_in__sums_along_both_axes() -> None:
    tally = take([[1, 2], [3, 4]])
    assert tally.sums("sample").tolist() == [3, 7]
    assert tally.sums("gene").tolist() == [4, 6]


@pytest.mark.parametrize(
    ("logged", "number", "linear"),
    [("log2(x+1)", 3.0, 7.0), ("log2(x+0.001)", 0.0, 0.999), ("log1p", np.log(5), 4.0)],
)
def test_unlog__worked_by_hand(logged: values.Logged, number: float, linear: float) -> None:
    assert values.unlog(np.array([number]), logged)[0] == pytest.approx(linear)


def test_take_in__tiny_negatives_of_rounding_become_zero_and_are_counted() -> None:
    # Xena writes log2(.001) = -9.96578 as -9.9658: 2^-9.9658 - .001 is about -1e-8.
    tally = take([[-9.9658, 4.0], [-9.9658, 5.0]], "log2(x+0.001)")
    assert tally.n_clipped == 2
    assert values.describe(tally, np.array([1.0, 0.0])) == [
        "values: 2 tiny negatives became 0",
        "warning: 1 samples hold nothing but zeros",
    ]


def test_take_in__the_wrong_logarithm_is_told() -> None:
    with pytest.raises(errors.ValuesError, match="Name the logarithm"):
        take([[-9.9658, 4.0]], "log2(x+1)")
    with pytest.raises(errors.ValuesError, match="Leave --logged out"):
        take([[45050.0, 4.0]], "log2(x+1)")


def test_decide_unit__whole_numbers_are_counts() -> None:
    assert decide([[1, 2], [30, 4]]) == "counts"


def test_decide_unit__a_million_is_tpm() -> None:
    assert decide([[999_999.5, 0.5], [500_000.25, 499_999.75]]) == "TPM"
    assert decide([[960_000.5, 0.5]]) == "TPM"
    with pytest.raises(errors.ValuesError, match="--unit"):
        decide([[940_000.5, 0.5]])


def test_decide_unit__other_sums_must_be_named() -> None:
    with pytest.raises(errors.ValuesError, match="--unit"):
        decide([[100.5, 2.5]])
    assert decide([[100.5, 2.5]], "FPKM") == "FPKM"


@pytest.mark.parametrize("asked", [None, "TPM", "counts"])
def test_decide_unit__logged_values_name_the_flag(asked: tables.Unit | None) -> None:
    with pytest.raises(errors.ValuesError, match=r"--logged 'log2\(x\+1\)'"):
        decide([[5.5, 12.25]], asked)


def test_decide_unit__doubts_are_noted() -> None:
    tally = take([[100.5, 2.5]])
    _, notes = values.decide_unit("x", tally, tally.sums("sample"), "counts", logged=False)
    assert "not every number is whole" in notes[0]
    _, notes = values.decide_unit("x", tally, tally.sums("sample"), "TPM", logged=False)
    assert "samples sum to 103" in notes[0]


def test_take_in__counts_survive_their_logarithm() -> None:
    tally = take([[np.log2(1 + 7), np.log2(1 + 1234)]], "log2(x+1)")
    assert tally.whole
