"""A table that says something of each sample."""

import gzip
import pathlib

import pytest

from bluebatch import errors
from bluebatch.downstream import sample_table

EXPECTED = {"age": {"a": "61", "NA": "007"}, "stage, first": {"a": "", "NA": "II"}}


@pytest.mark.parametrize(
    "text",
    [
        'id,age,"stage, first"\na,61,\nNA,007,II\n',
        "id\tage\tstage, first\na\t61\t\nNA\t007\tII\n",
        "id;age;stage, first\na;61;\nNA;007;II\n",
        '\ufeffid,age,"stage, first"\r\na,61,\r\nNA,007,II\r\n',
        '\nid,age,"stage, first"\na,61,\nNA,007,II\n',
    ],
    ids=["commas", "tabs", "semicolons", "byte order mark", "a blank line first"],
)
def test_read__text_as_it_stands(tmp_path: pathlib.Path, text: str) -> None:
    (tmp_path / "plain").write_text(text, encoding="utf-8", newline="")
    (tmp_path / "packed").write_bytes(gzip.compress(text.encode()))
    for name in ("plain", "packed"):
        frame = sample_table.read(tmp_path / name)
        assert frame.to_dict() == EXPECTED
        assert frame.index.name == "id"


def test_read__the_column_named_sample_may_stand_anywhere(tmp_path: pathlib.Path) -> None:
    (tmp_path / "t.csv").write_text("age,sample\n61,a\n")
    assert sample_table.read(tmp_path / "t.csv").to_dict() == {"age": {"a": "61"}}


def test_read__a_line_that_ends_early_is_told_from_empty_fields(tmp_path: pathlib.Path) -> None:
    (tmp_path / "t.csv").write_text("sample,age,stage\na,61,\nb,70\n")
    frame = sample_table.read(tmp_path / "t.csv")
    assert frame["stage"].isna().tolist() == [False, True]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        # "sample" would be parted at one of its letters if the separator were guessed.
        (b"sample\na\nb\n", r"has 1 columns, needed: samples and an age, parted by tabs"),
        (b"sample age\na 61\n", r"has 1 columns, needed: samples and an age, parted by tabs"),
        (b"", r"is not a table of text"),
        (b"\xff\xfe\x00\x01", r"is not a table of text"),
        (b"sample,age\na,61\nb,1,2\n", r"is not a table of text"),
        (b"sample,age\na,61\nb,1,2,3\n", r"more fields than its header"),
        (b"sample,age\na,61,\nb,70,\n", r"more fields than its header"),
        (b"age,sex\na,61,m\nb,70,f\n", r"more fields than its header"),
        (gzip.compress(b"sample,age\na,61\n")[:-9], r"is truncated or damaged"),
    ],
)
def test_read__refuses_what_is_no_table(tmp_path: pathlib.Path, content: bytes, told: str) -> None:
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(errors.InputFileError, match=rf"t\.csv: .*{told}") as raised:
        sample_table.read(tmp_path / "t.csv", "an age")
    assert "\n" not in str(raised.value)


def test_read__refuses_a_sample_named_twice_and_no_file(tmp_path: pathlib.Path) -> None:
    (tmp_path / "t.csv").write_text("sample,age\na,61\nb,2\na,61\n")
    with pytest.raises(errors.LabelMismatchError, match=r"t\.csv: names the sample a twice"):
        sample_table.read(tmp_path / "t.csv")
    with pytest.raises(errors.MissingInputError, match=r"none\.csv: no such file"):
        sample_table.read(tmp_path / "none.csv")
    with pytest.raises(errors.InputFileError, match="is a folder, needed: a table"):
        sample_table.read(tmp_path)


def test_text__remarks_above_the_header_are_passed_over(tmp_path: pathlib.Path) -> None:
    content = "#Name,more, and,more\n#x;y;z;v;w\n#1\nid;age\n#a;61\nb;70\n"
    for packed in (False, True):
        data = content.encode("utf-8-sig")
        (tmp_path / "t.csv").write_bytes(gzip.compress(data) if packed else data)
        frame = sample_table.text(tmp_path / "t.csv")
        assert frame.to_dict("list") == {"id": ["#a", "b"], "age": ["61", "70"]}


def test_text__one_such_line_is_the_header_and_names_may_repeat(tmp_path: pathlib.Path) -> None:
    (tmp_path / "t.csv").write_text("#id,age\na,61\na,70\n")
    frame = sample_table.text(tmp_path / "t.csv")
    assert frame.to_dict("list") == {"#id": ["a", "a"], "age": ["61", "70"]}
