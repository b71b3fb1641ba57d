"""Samples grouped by an attribute."""

import gzip
import pathlib

import numpy as np
import pytest
from unit.downstream import reported

from bluebatch import errors
from bluebatch.downstream import page_groups
from bluebatch.store import read

SAMPLES = ["a", "b", "c", "d"]


def test_find__words_are_sorted_and_gaps_named(tmp_path: pathlib.Path) -> None:
    table = reported.write_table(
        tmp_path / "t.csv", {"sample": ["d", "c", "b", "x"], "stage": ["II", "I", "NA", "III"]}
    )
    groups = page_groups.find(SAMPLES, "stage", table, None)
    assert groups.names == ["I", "II", page_groups.NOT_GIVEN]
    assert groups.index.tolist() == [2, 2, 0, 1]
    assert groups.values[3] == "II"
    assert groups.notes == ["stage is not given for 2 of 4 samples"]


def test_find__few_numbers_keep_their_order(tmp_path: pathlib.Path) -> None:
    table = reported.write_table(tmp_path / "t.csv", {"id": SAMPLES, "grade": [10, 9, 2, 10]})
    groups = page_groups.find(SAMPLES, "grade", table, None)
    assert groups.names == ["2", "9", "10"]
    assert groups.index.tolist() == [2, 1, 0, 2]


def test_find__many_numbers_become_quarters(tmp_path: pathlib.Path) -> None:
    samples = [f"s{index}" for index in range(9)]
    ages = [*range(10, 90, 10), ""]
    table = reported.write_table(tmp_path / "t.csv", {"sample": samples, "age": ages})
    groups = page_groups.find(samples, "age", table, None)
    # Quartiles of 10, 20 .. 80 by linear interpolation: 27.5, 45, 62.5.
    assert groups.names == ["up to 27.5", "27.5 to 45", "45 to 62.5", "over 62.5", "not given"]
    assert groups.index.tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4]


def test_find__small_groups_are_put_together(tmp_path: pathlib.Path) -> None:
    samples = [f"s{index}" for index in range(30)]
    # Fifteen sites, two samples each, but the first has one more and the last but one.
    sites = [f"site {min(index // 2, 14):02d}" for index in range(29)] + ["site 00"]
    table = reported.write_table(tmp_path / "t.csv", {"sample": samples, "site": sites})
    groups = page_groups.find(samples, "site", table, None)
    assert len(groups.names) == page_groups.MAX_GROUPS + 1
    assert groups.names[-1] == page_groups.REST
    counts = np.bincount(groups.index)
    assert counts[0] == 3
    assert counts[-1] == 30 - 3 - 11 * 2
    assert groups.notes == ["3 smaller groups are shown as one, 'all others'"]


def test_find__a_cohort_store_will_do(tmp_path: pathlib.Path) -> None:
    cohort = read.open_store(reported.write_cohort(tmp_path / "cohort.zarr", 4))
    groups = page_groups.find(reported.names(4), "patient", None, cohort)
    assert groups.names == ["patient 0", "patient 1"]
    assert groups.index.tolist() == [0, 1, 0, 1]


def test_find__without_an_attribute_all_are_one_group() -> None:
    groups = page_groups.find(SAMPLES, None, None, None)
    assert groups.index.tolist() == [0, 0, 0, 0]
    assert groups.column == ""


def test_find__an_unknown_column_names_those_there_are(tmp_path: pathlib.Path) -> None:
    table = reported.write_table(
        tmp_path / "t.csv", {"sample": SAMPLES, "stage": "abcd", "age": "1234"}
    )
    with pytest.raises(errors.ConfigError, match=r"no column 'grade'; it has stage, age\. Name"):
        page_groups.find(SAMPLES, "grade", table, None)
    cohort = read.open_store(reported.write_cohort(tmp_path / "cohort.zarr"))
    with pytest.raises(errors.ConfigError, match="no column 'grade'; it has library_size, patient"):
        page_groups.find(SAMPLES, "grade", None, cohort)
    with pytest.raises(errors.ConfigError, match="no table to take it from"):
        page_groups.find(SAMPLES, "grade", None, None)
    with pytest.raises(
        errors.ConfigError, match=r"given without a column, needed: --by\. It has stage"
    ):
        page_groups.find(SAMPLES, None, table, None)


def test_find__tables_that_do_not_fit_are_refused(tmp_path: pathlib.Path) -> None:
    other = reported.write_table(tmp_path / "o.csv", {"sample": ["x", "y"], "stage": "ab"})
    with pytest.raises(
        errors.LabelMismatchError, match=r"none of its 2 samples .first: x. is among"
    ):
        page_groups.find(SAMPLES, "stage", other, None)
    twice = reported.write_table(tmp_path / "w.csv", {"sample": ["a", "a"], "stage": "ab"})
    with pytest.raises(errors.LabelMismatchError, match="names the sample a twice"):
        page_groups.find(SAMPLES, "stage", twice, None)
    with pytest.raises(errors.MissingInputError, match="no such file"):
        page_groups.find(SAMPLES, "stage", tmp_path / "none.csv", None)
    (tmp_path / "empty.csv").write_text("")
    with pytest.raises(errors.InputFileError, match="is not a table of text"):
        page_groups.find(SAMPLES, "stage", tmp_path / "empty.csv", None)
    (tmp_path / "one.csv").write_text("sample\na\n")
    with pytest.raises(errors.InputFileError, match="has 1 columns, needed: samples and an"):
        page_groups.find(SAMPLES, "stage", tmp_path / "one.csv", None)


def test_find__a_table_may_be_parted_by_tabs_and_packed(tmp_path: pathlib.Path) -> None:
    with gzip.open(tmp_path / "t.tsv.gz", "wt") as file:
        file.write("name\tcell type, main\na\tx\nb\ty\n")
    groups = page_groups.find(["a", "b"], "cell type, main", tmp_path / "t.tsv.gz", None)
    assert groups.values == ["x", "y"]


def test_find__a_line_that_ends_early_gives_nothing(tmp_path: pathlib.Path) -> None:
    (tmp_path / "t.csv").write_text("sample,age,stage\na,61,I\nb,70\n")
    groups = page_groups.find(["a", "b"], "stage", tmp_path / "t.csv", None)
    assert groups.values == ["I", page_groups.NOT_GIVEN]
