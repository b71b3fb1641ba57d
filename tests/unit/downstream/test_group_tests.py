"""Groups against clinical columns: each test by hand, by enumeration or by another library."""

import itertools
import math

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from statsmodels.stats.multitest import multipletests

from bluebatch.downstream import group_tests

NAMES = ["good", "middle", "bad"]


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def spread(counts: list[list[int]]) -> tuple[npt.NDArray[np.int_], pd.DataFrame]:
    """Write a table of counts, level by group, as patients."""
    cells = [
        (group, f"level{level}")
        for level, row in enumerate(counts)
        for group, n in enumerate(row)
        for _ in range(n)
    ]
    groups, levels = zip(*cells, strict=True)
    return np.array(groups), pd.DataFrame({"x": levels})


def test_against__two_by_two_is_fishers() -> None:
    # The lady tasting tea: 34/70 two-sided.
    groups, table = spread([[3, 1], [1, 3]])
    row = group_tests.against(groups, NAMES, table, rng()).iloc[0]
    assert row["test"] == "Fisher's exact"
    assert row["p"] == pytest.approx(34 / 70)
    assert row["statistic"] == pytest.approx(9)
    # Chi-square is 8 * (9 - 1)^2 / 4^4 = 2, V = sqrt(2 / 8).
    assert (row["effect_measure"], row["effect"]) == ("Cramer's V", pytest.approx(0.5))


def test_against__large_tables_by_chi_square() -> None:
    # 15 expected everywhere: 4 * 25 / 15 = 20/3, of which 2 degrees of freedom leave exp(-10/3).
    groups, table = spread([[10, 20], [20, 10], [15, 15]])
    row = group_tests.against(groups, NAMES, table, rng()).iloc[0]
    assert (row["test"], row["df"], row["n_levels"]) == ("chi-square", 2, 3)
    assert row["statistic"] == pytest.approx(20 / 3)
    assert row["p"] == pytest.approx(math.exp(-10 / 3))
    assert row["effect"] == pytest.approx(math.sqrt(20 / 3 / 90))


def enumerate_p(counts: list[list[int]]) -> float:
    """Add up the probabilities of all tables of two columns that are at most as probable."""
    rows, first = [sum(row) for row in counts], sum(row[0] for row in counts)
    weights = {
        chosen: math.prod(math.comb(n, k) for n, k in zip(rows, chosen, strict=True))
        for chosen in itertools.product(*(range(n + 1) for n in rows))
        if sum(chosen) == first
    }
    given = weights[tuple(row[0] for row in counts)]
    return sum(w for w in weights.values() if w <= given) / sum(weights.values())


@pytest.mark.parametrize("counts", [[[3, 0], [0, 3], [2, 2]], [[4, 1], [2, 2], [1, 5], [0, 1]]])
def test_against__small_tables_by_random_ones_near_all_tables(counts: list[list[int]]) -> None:
    groups, table = spread(counts)
    row = group_tests.against(groups, NAMES, table, rng()).iloc[0]
    exact = enumerate_p(counts)
    assert row["test"].startswith("Fisher-Freeman-Halton")
    assert row["p"] == pytest.approx(exact, abs=4 * math.sqrt(exact * (1 - exact) / 10_000))


def test_against__numbers_of_two_groups_by_mann_whitney() -> None:
    # No value of the first above one of the second: 2 of 20 arrangements are as extreme.
    groups, table = np.repeat([0, 1], 3), pd.DataFrame({"age": list("123456")})
    row = group_tests.against(groups, NAMES, table, rng()).iloc[0]
    assert (row["kind"], row["test"], row["statistic"]) == ("numeric", "Mann-Whitney U", 0)
    assert row["p"] == pytest.approx(2 / 20)
    # Kruskal-Wallis' H is 12 / (6 * 7) * (36 + 225) / 3 - 21 = 27/7, by n - 1.
    assert (row["effect_measure"], row["effect"]) == ("epsilon squared", pytest.approx(27 / 35))


def test_against__numbers_of_three_groups_by_kruskal_wallis() -> None:
    # Sums of ranks 6, 15 and 24: H = 12 / 90 * (36 + 225 + 576) / 3 - 30 = 7.2.
    groups, table = np.repeat([0, 1, 2], 3), pd.DataFrame({"age": list("123456789")})
    row = group_tests.against(groups, NAMES, table, rng()).iloc[0]
    assert (row["test"], row["df"]) == ("Kruskal-Wallis", 2)
    assert row["statistic"] == pytest.approx(7.2)
    assert row["p"] == pytest.approx(math.exp(-3.6))
    assert row["effect"] == pytest.approx(0.9)


def clinical() -> tuple[npt.NDArray[np.int_], pd.DataFrame]:
    draw = rng()
    groups = np.repeat([0, 1, 2, -1], [10, 12, 14, 4])
    table = pd.DataFrame(
        {
            "age": draw.normal(60, 9, 40).round(1).astype(str),
            "sex": draw.choice(["m", "f", "Unknown"], 40),
            "flt3": draw.choice(["0", "1"], 40),
            "code": [f"P{at}" for at in range(40)],
            "site": ["here"] * 40,
            "blasts": ["<5"] + [str(at) for at in range(39)],
            "late": ["yes", "no"] * 5 + [""] * 30,
            "other": ["a"] * 36 + ["b"] * 4,
        }
    )
    return groups, table


def test_against__what_cannot_be_tested_is_a_gap_with_its_reason() -> None:
    found = group_tests.against(*clinical_arguments()).set_index("column")
    assert found["p"].notna().tolist() == [True, True, True] + [False] * 5
    for column, words in {
        "code": "36 different texts in 36 patients",
        "site": "is 'here' in all 36 patients",
        "blasts": "are no numbers (first: '<5')",
        "late": "known in 1 groups, needed: 2",
        "other": "is 'a' in all 36 patients",
    }.items():
        assert words in found["said"][column]
        assert found["said"][column].startswith("not tested: ")
    assert (found["said"][:3] == "").all()


def clinical_arguments() -> tuple[
    npt.NDArray[np.int_], list[str], pd.DataFrame, np.random.Generator
]:
    groups, table = clinical()
    return groups, NAMES, table, rng()


def test_against__q_over_the_tested_columns() -> None:
    found = group_tests.against(*clinical_arguments())
    tested = found[found["p"].notna()]
    expected = multipletests(tested["p"], method="fdr_bh")[1]
    assert tested["q"].to_numpy() == pytest.approx(expected)
    assert found["q"].isna().sum() == 5


def test_against__patients_unknown_or_in_no_group_are_counted_apart() -> None:
    groups, table = clinical()
    found = group_tests.against(groups, NAMES, table, rng()).set_index("column")
    n_unknown = int((table["sex"][:36] == "Unknown").sum())
    assert n_unknown > 0
    assert found["n_unknown"]["sex"] == n_unknown
    assert found["n"]["sex"] == 36 - n_unknown


def test_against__same_seed_same_numbers() -> None:
    first, second = (group_tests.against(*clinical_arguments()) for _ in range(2))
    assert first.equals(second)


def test_level_counts__patients_and_shares() -> None:
    groups, table = spread([[3, 1], [1, 3]])
    found = group_tests.level_counts(groups, NAMES, table.assign(id=list("abcdefgh")))
    assert found.to_numpy().tolist() == [
        ["x", "level0", "good", 3, 0.75],
        ["x", "level0", "middle", 1, 0.25],
        ["x", "level1", "good", 1, 0.25],
        ["x", "level1", "middle", 3, 0.75],
    ]


def test_level_counts__flags_are_levels_and_numbers_are_not() -> None:
    groups, table = clinical()
    found = group_tests.level_counts(groups, NAMES, table)
    assert set(found["column"]) == {"sex", "flt3"}
    assert set(found["level"][found["column"] == "flt3"]) == {"0", "1"}
    totals = found.groupby(["column", "group"])["share"].sum()
    assert totals.to_numpy() == pytest.approx(1)


def test_quartiles__of_numbers_by_group() -> None:
    groups = np.repeat([0, 1], 5)
    table = pd.DataFrame({"age": [*"123456789", ""]})
    found = group_tests.quartiles(groups, NAMES, table)
    assert found.to_numpy().tolist() == [
        ["age", "good", 5, 2, 3, 4],
        ["age", "middle", 4, 6.75, 7.5, 8.25],
    ]
