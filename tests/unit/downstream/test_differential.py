import re
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
import scipy.stats

from bluebatch import errors
from bluebatch.downstream import differential, gene_sets, type_tests

Array = npt.NDArray[Any]
SETTINGS = differential.DifferentialSettings()
WELCH = differential.DifferentialSettings(test="welch")
GROUP = np.repeat([0, 1, 2], 8).astype(np.int8)


def names(n: int) -> list[str]:
    return [f"G{index}" for index in range(n)]


def profiles(n_genes: int, seed: int = 0) -> Array:
    rng = np.random.default_rng(seed)
    return rng.normal(5, rng.uniform(0.2, 2, n_genes), (len(GROUP), n_genes)).astype(np.float32)


def test_compare__welch_is_that_of_scipy() -> None:
    # More genes than a block, and two patients without the type.
    matrix = profiles(300)
    matrix[[1, 20]] = np.nan
    frame = differential.compare(matrix, GROUP == 0, names(300), WELCH)
    there = ~np.isnan(matrix[:, 0])
    expected = scipy.stats.ttest_ind(
        matrix[(GROUP == 0) & there].astype(float),
        matrix[(GROUP != 0) & there].astype(float),
        equal_var=False,
    )
    np.testing.assert_allclose(frame["statistic"], expected.statistic, rtol=1e-9)
    np.testing.assert_allclose(frame["p"], expected.pvalue, rtol=1e-9)
    np.testing.assert_allclose(frame["q"], scipy.stats.false_discovery_control(expected.pvalue))
    assert frame[["n_in", "n_out"]].iloc[0].tolist() == [7, 15]


def test_compare__moderated_by_hand() -> None:
    # Two patients a side and 2 degrees of freedom, variances e^-a, 1 and e^a with a = pi / sqrt(3):
    # the prior has 2 degrees of freedom and variance 1 (worked in test_moderation), so that the
    # moderated variances are (1 + s^2) / 2 with 4 degrees of freedom.
    a = np.pi / np.sqrt(3)
    variance = np.exp([-a, 0, a])
    half = np.sqrt(variance / 2)
    matrix = np.array([3 + half, 3 - half, half, -half])
    inside = np.array([True, True, False, False])
    settings = differential.DifferentialSettings(min_patients=2)
    frame = differential.compare(matrix, inside, names(3), settings)
    expected = 3 / np.sqrt((1 + variance) / 2)
    np.testing.assert_allclose(frame["difference"], 3)
    np.testing.assert_allclose(frame["sd"], np.sqrt(variance))
    np.testing.assert_allclose(frame["statistic"], expected)
    np.testing.assert_allclose(frame["df"], 4)
    np.testing.assert_allclose(frame["p"], 2 * scipy.stats.t.sf(expected, 4))
    assert frame.attrs["prior_df"] == pytest.approx(2)


def test_compare__moderated_p_are_uniform_without_a_difference() -> None:
    rng = np.random.default_rng(5)
    spread = np.sqrt(0.5 * 6 / rng.chisquare(6, 3000))
    matrix = rng.normal(0, spread, (9, 3000)).astype(np.float32)
    frame = differential.compare(matrix, np.arange(9) < 4, names(3000), SETTINGS)
    assert scipy.stats.kstest(frame["p"], "uniform").pvalue > 0.01


def test_compare__says_that_it_is_descriptive() -> None:
    frame = differential.compare(profiles(5), GROUP == 0, names(5), SETTINGS, skill=np.arange(5.0))
    assert set(frame["kind"]) == {"descriptive"}
    assert frame.attrs["kind"] == "descriptive"
    assert frame["skill"].tolist() == [0, 1, 2, 3, 4]


def test_compare__a_gene_of_one_value_is_not_tested() -> None:
    matrix = profiles(4)
    matrix[:, 1] = np.float32(0.1)
    for settings in (SETTINGS, WELCH):
        frame = differential.compare(matrix, GROUP == 0, names(4), settings)
        assert frame[["statistic", "p", "q"]].isna().all(axis=1).tolist() == [0, 1, 0, 0]
        expected = scipy.stats.false_discovery_control(frame["p"].drop(index=1))
        np.testing.assert_allclose(frame["q"].drop(index=1), expected)


def test_compare__leaves_out_whom_it_is_told_to() -> None:
    matrix = profiles(6)
    frame = differential.compare(matrix, GROUP == 0, names(6), SETTINGS, considered=GROUP != 1)
    kept = GROUP != 1
    alone = differential.compare(matrix[kept], GROUP[kept] == 0, names(6), SETTINGS)
    pd.testing.assert_frame_equal(frame, alone)


@pytest.mark.parametrize(
    ("inside", "message"),
    [
        (np.zeros(24, dtype=bool), "0 patients inside the group have the type, needed: 3"),
        (np.arange(24) < 2, "2 patients inside the group have the type, needed: 3"),
        (np.arange(24) < 22, "2 patients outside the group have the type, needed: 3"),
    ],
)
def test_compare__too_few_patients_are_told(inside: Array, message: str) -> None:
    with pytest.raises(errors.LabelMismatchError, match=message) as told:
        differential.compare(profiles(4), inside, names(4), SETTINGS)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_compare__a_row_in_part_without_numbers_is_told(value: float) -> None:
    matrix = profiles(4)
    matrix[5, 2] = value
    with pytest.raises(errors.ValuesError, match="patient 6 has no number for G2 and 0 other"):
        differential.compare(matrix, GROUP == 0, names(4), SETTINGS)


def test_compare__infinite_rows_are_no_absent_type() -> None:
    matrix = profiles(4)
    matrix[5] = [np.nan, np.inf, np.nan, np.nan]
    with pytest.raises(errors.ValuesError, match="patient 6 has no number for G0 and 3 other"):
        differential.compare(matrix, GROUP == 0, names(4), SETTINGS)


def test_compare__names_that_are_not_of_the_profiles_are_told() -> None:
    with pytest.raises(errors.LabelMismatchError, match="profiles of 4 genes came with 3 names"):
        differential.compare(profiles(4), GROUP == 0, names(3), SETTINGS)


def test_per_type__compares_both_groups_with_the_rest() -> None:
    matrices = {"A": profiles(5, 1), "B": profiles(5, 2)}
    beside = type_tests.Beside(skill=lambda name: np.full(5, 0.5) if name == "A" else None)
    found = list(
        differential.per_type(matrices.__getitem__, ["A", "B"], GROUP, names(5), SETTINGS, beside)
    )
    assert [tests.cell_type for tests in found] == ["A", "B"]
    for tests in found:
        assert tests.favourable is not None
        assert tests.unfavourable is not None
        matrix = matrices[tests.cell_type].astype(float)
        up = matrix[GROUP == 2].mean(axis=0) - matrix[GROUP != 2].mean(axis=0)
        np.testing.assert_allclose(tests.unfavourable["difference"], up)
        assert not tests.notes
    frame = found[0].as_frame()
    assert frame["group"].tolist() == ["favourable"] * 5 + ["unfavourable"] * 5
    assert (frame["skill"] == 0.5).all()
    assert "skill" not in found[1].as_frame()


def test_per_type__reads_one_type_at_a_time() -> None:
    asked: list[str] = []

    def read(name: str) -> Array:
        asked.append(name)
        return profiles(3)

    found = differential.per_type(read, ["A", "B"], GROUP, names(3), SETTINGS)
    next(found)
    assert asked == ["A"]


def test_per_type__a_type_that_a_group_lacks_is_left_out_with_a_note() -> None:
    matrix = profiles(4)
    matrix[GROUP == 0] = np.nan
    (tests,) = differential.per_type(lambda name: matrix, ["T"], GROUP, names(4), SETTINGS)
    assert tests.favourable is None
    assert tests.unfavourable is not None
    assert tests.notes == [
        "T: favourable group not compared: 0 of its 8 patients and 16 of the other 16 have the "
        "type, needed: 3 each"
    ]
    matrix = np.full((24, 4), np.nan, dtype=np.float32)
    (tests,) = differential.per_type(lambda name: matrix, ["T"], GROUP, names(4), SETTINGS)
    assert len(tests.as_frame()) == 0
    assert len(tests.notes) == 2


def test_per_type__groups_too_small_for_any_comparison_are_told() -> None:
    group = np.array([0, 0, 1, 1, 1, 1, 2], dtype=np.int8)
    found = differential.per_type(lambda name: profiles(3), ["T"], group, names(3), SETTINGS)
    with pytest.raises(
        errors.LabelMismatchError,
        match=re.escape("2 are in the most favourable group and 1 in the most unfavourable"),
    ):
        next(found)


def test_per_type__tests_gene_sets_of_both_groups() -> None:
    file = gene_sets.GeneSetFile("s.gmt", {"S": ("G0", "G1"), "R": ("G2", "G3")}, {}, [])
    file.descriptions.update(S="", R="")
    sets = gene_sets.within(file, names(6), gene_sets.GeneSetSettings(min_size=2))
    matrix = profiles(6)
    matrix[GROUP == 0, :2] += 9
    (tests,) = differential.per_type(
        lambda name: matrix, ["T"], GROUP, names(6), SETTINGS, type_tests.Beside(sets=sets)
    )
    assert tests.sets is not None
    assert tests.sets["group"].tolist() == ["favourable"] * 2 + ["unfavourable"] * 2
    assert tests.sets["direction"][0] == "up"
    assert tests.sets["n_up"].tolist()[:2] == [2, 0]
    assert set(tests.sets["kind"]) == {"descriptive"}


def table(difference: list[float], q: list[float]) -> pd.DataFrame:
    return pd.DataFrame(
        {"gene": names(len(q)), "difference": difference, "q": q, "kind": "descriptive"}
    )


def test_reciprocal__up_in_one_and_down_in_the_other() -> None:
    # G0 rises and falls; G1 the other way; G2 rises in both; G3 is unsure in one; G4 untested.
    favourable = table([1, -2, 1, 1, 1], [0.01, 0.02, 0.01, 0.001, np.nan])
    unfavourable = table([-1, 0.5, 1, -1, -1], [0.04, 0.001, 0.01, 0.06, 0.01])
    found = differential.reciprocal(favourable, unfavourable, SETTINGS)
    assert found["gene"].tolist() == ["G1", "G0"]
    assert found["higher_in"].tolist() == ["unfavourable", "favourable"]
    assert found["q"].tolist() == [0.02, 0.04]
    assert set(found["kind"]) == {"descriptive"}
    strict = differential.DifferentialSettings(min_difference=0.6)
    assert differential.reciprocal(favourable, unfavourable, strict)["gene"].tolist() == ["G0"]


def test_reciprocal__tables_of_other_genes_are_told() -> None:
    with pytest.raises(errors.LabelMismatchError, match="2 and 1 genes that are not the same"):
        differential.reciprocal(table([1, 1], [0, 0]), table([1], [0]), SETTINGS)
