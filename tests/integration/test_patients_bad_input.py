"""Bad input to `bluebatch subtype`: one line before any work, or a note where work can be done."""

import pathlib
import re
import shutil
from collections.abc import Callable

import click
import pandas as pd
import pytest
import zarr
from integration.patient_files import (
    Edit,
    Table,
    edited,
    refused,
    untouched,
    words,
    write_all,
)

from bluebatch.cli import subtype, transfer

Spoil = Callable[[pathlib.Path], object]


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    return write_all(tmp_path_factory.mktemp("good"))


def column(**columns: object) -> Edit:
    """Set columns of the clinical table, by a value or from the table."""
    return lambda table: table.assign(**columns)


def some(name: str, **values: object) -> Edit:
    """Set a column of some patients."""

    def change(table: Table) -> Table:
        at = [table.index[table["patient"] == patient][0] for patient in values]
        table.loc[at, name] = list(values.values())
        return table

    return change


# What is done to the table: what must be told of it.
TABLES: dict[str, tuple[Edit, str]] = {
    "nobody matches": (
        column(patient=lambda table: "X" + table["patient"]),
        r"results\.zarr: none of its 100 samples \(P0000-s.*as patients P0000.*"
        r"among the 100 names of .*t\.csv \(XP0000.* Give --patient-from-sample or",
    ),
    "few match": (
        lambda table: table.head(7),
        r"results\.zarr: 7 samples match names of .*t\.csv, .* needed: at least 10\. Give the",
    ),
    "negative times": (
        some("time", P0003="-5", P0007="-0.1"),
        r"t\.csv: the time in 'time' is below 0 for 2 patients \(P0003: '-5', P0007: '-0.1'\), "
        r"needed: 0 or more\. Correct it, or empty",
    ),
    "time in words": (
        some("time", P0003="long"),
        r"t\.csv: the time in 'time' is no number for 1 patients \(P0003: 'long'\), needed: 0",
    ),
    "no time at all": (column(time=""), r"t\.csv: none of its 100 rows has both time and event"),
    "no event known": (column(event="NA"), r"t\.csv: 'event' says nothing in any row, needed: 0"),
    "event maybe": (
        column(event=["maybe", "0", "1", "1"] * 25),
        r"t\.csv: cannot tell events in 'event', which has 1 \(50\), maybe \(25\), 0 \(25\); "
        r"needed: 0 and 1, or words such as Alive and Dead\. Give .*--event-values",
    ),
    "nobody has the event": (
        column(event="Alive"),
        r"t\.csv: none of the 100 patients with a sample has the event, needed: some\. Check",
    ),
    "duplicate patients": (
        lambda table: pd.concat([table, table.head(2)]),
        r"t\.csv: 2 names stand in several rows of 'patient' \(P0000, P0001\), needed: one row a",
    ),
    "no time column": (
        lambda table: table.drop(columns="time"),
        r"t\.csv: no column is recognised as that of --time, needed: one\. Name one with --time; "
        "it has event, age, sex, stage",
    ),
    "no event column": (
        lambda table: table.drop(columns="event"),
        r"t\.csv: no column is recognised as that of --event, needed: one\. Name one with --event",
    ),
    "two times": (
        lambda table: table.rename(columns={"time": "OS_days"}).assign(OS_months="1"),
        r"t\.csv: 2 columns may be that of --time \(OS_days, OS_months\), needed: one\. Name one",
    ),
    "a header alone": (lambda table: table.head(0), r"t\.csv: has a header and no rows, needed: a"),
}


@pytest.mark.parametrize("case", TABLES)
def test_subtype__a_bad_clinical_table(
    good: pathlib.Path, tmp_path: pathlib.Path, case: str
) -> None:
    edit, told = TABLES[case]
    table = edited(good / "clinical.csv", tmp_path / "t.csv", edit)
    with untouched(tmp_path):
        assert re.search(told, refused(*words(good, tmp_path / "out", clinical=table)))


COLUMNS: dict[tuple[str, str], str] = {
    ("covariates", "one"): "covariate one: is 'x' in all 100 patients .*needed: two values. Leave",
    ("covariates", "none"): "covariate none: unknown of all 100 patients, needed: two values. Leav",
    ("covariates", "age,grade"): "covariate grade: .* has age, sex, stage, one, none, name. Name",
    ("covariates", "name"): "covariate name: 100 different texts .* needed: levels .*: leave it",
    ("strata", "grade"): "strata grade: .* no such column; it has age, sex, stage, .* Name one",
    ("strata", "age"): r"strata age: \d+ different numbers, needed: levels. Cut it into classes",
    ("strata", "one"): "strata one: is 'x' in all 100 patients .* needed: two values. Leave it out",
    ("leave-out", "grade=3"): r"t\.csv: has no column 'grade' to leave .* it has age, sex.* Name",
    ("leave-out", "stage=IV"): r"t\.csv: nobody .* has stage 'IV'; it has '\w+' \(\d+\), '\w+' \(",
    ("leave-out", "sex=male,female"): "0 patients of theirs .*at least 10. Leave out fewer .* sex",
    ("time", "days"): r"t\.csv: has no column 'days', needed: that of --time. Name one .* it has ",
    ("event", "time"): r"t\.csv: 'time' is given as time and as event, needed: two columns. Name",
    ("event-values", "gone"): r"t\.csv: nobody has 'gone' in 'event'; it has 1 \(\d+\), 0 \(\d+\)",
    ("patient-column", "id"): r"t\.csv: has no column 'id'; it has patient, time, .* Name the one",
    ("patient-from-sample", "("): r"is no regular expression .* Give one with one group",
    ("patient-from-sample", "P"): r"has 0 groups, needed: 1. Put brackets around",
    ("patient-from-sample", "tcga"): r"none of its 100 sample names are TCGA barcodes .* Change",
    ("cell-types", "Tcell"): r"has no cell type 'Tcell', needed: some of Mono, T, B, NK. Name",
    ("censor-at", "0"): "--censor-at: is 0, needed: days above 0. Give it in the unit",
    ("censor-at", "-3"): "--censor-at: is -3, needed: days above 0. Give it in the unit",
    ("censor-at", "nan"): "--censor-at: is nan, needed: days above 0",
    ("censor-at", "0.01"): "none of the 100 patients .* has the event.* Check .*--censor-at",
    ("min-group", "100"): "no cell type has two states .*needed: 200.* a smaller --min-group or",
}


@pytest.mark.parametrize(("flag", "value"), COLUMNS)
def test_subtype__flags_that_do_not_fit_the_table(
    good: pathlib.Path, tmp_path: pathlib.Path, flag: str, value: str
) -> None:
    edit = column(one="x", none="NA", name=lambda table: "is " + table["patient"])
    table = edited(good / "clinical.csv", tmp_path / "t.csv", edit)
    with untouched(tmp_path):
        told = refused(*words(good, tmp_path / "out", clinical=table, **{flag: value}))
    assert re.search(COLUMNS[flag, value], told)


@pytest.mark.parametrize(
    ("flag", "value", "told"),
    [
        ("censor-at", "long", "'--censor-at': 'long' is not a valid float"),
        ("time-unit", "weeks", "'weeks' is not one of 'days', 'months', 'years'"),
        ("leave-out", "sex", "'sex' is not like COLUMN=VALUE or COLUMN=A,B"),
        ("leave-out", "sex=", "'sex=' is not like COLUMN=VALUE or COLUMN=A,B"),
        ("leave-out", "=male", "'=male' is not like COLUMN=VALUE or COLUMN=A,B"),
        ("permutations", "many", "'many' is not a valid integer"),
    ],
)
def test_subtype__flags_of_another_form(
    good: pathlib.Path, tmp_path: pathlib.Path, flag: str, value: str, told: str
) -> None:
    with untouched(tmp_path):
        assert told in refused(*words(good, tmp_path / "out", **{flag: value}), code=2)


FILES: dict[str, tuple[str, Spoil, str]] = {
    "no table": ("clinical", lambda file: None, "no such file. Check the path"),
    "empty table": ("clinical", pathlib.Path.touch, "is not a table of text .* needed: lines"),
    "folder as table": ("clinical", pathlib.Path.mkdir, "is a folder, needed: a table. Give a"),
    "one column": (
        "clinical",
        lambda file: file.write_text("patient\nP0001\n"),
        "has 1 columns, needed: samples and their times and events",
    ),
    "no sets": ("gene-sets", lambda file: None, "no such file. Check the path"),
    "empty sets": ("gene-sets", pathlib.Path.touch, "holds no gene set, needed: a name, .* Give"),
    "folder as sets": ("gene-sets", pathlib.Path.mkdir, "is a folder, needed: a GMT file. Give"),
    "a table as sets": (
        "gene-sets",
        lambda file: file.write_text("gene,set\nG001,SET\n"),
        "line 1: has 1 field, needed: a name, a description and genes, parted by tabs. Mend it",
    ),
    "Ensembl sets": (
        "gene-sets",
        lambda file: file.write_text(
            "SET\t-\t" + "\t".join(f"ENSG{at:011d}" for at in range(20)) + "\n"
        ),
        "none of its 20 genes is among the 40 tested .* by Ensembl ids, the profiles by symbols",
    ),
    "small sets": (
        "gene-sets",
        lambda file: file.write_text("SET\t-\tG001\tG002\n"),
        "none of its 1 gene sets has 10 to 500 of the 40 genes tested .* Change min_size",
    ),
    "no results": ("results", lambda file: None, "nothing is there. Check the path"),
    "a file as results": ("results", pathlib.Path.touch, "is not a Zarr group. Give a store"),
    "a folder as results": ("results", pathlib.Path.mkdir, "is not a Zarr group. Give a store"),
    "no cohort": ("cohort", lambda file: None, "nothing is there. Check the path"),
}


@pytest.mark.parametrize("case", FILES)
def test_subtype__a_file_that_is_none(
    good: pathlib.Path, tmp_path: pathlib.Path, case: str
) -> None:
    flag, make, told = FILES[case]
    make(tmp_path / "given")
    with untouched(tmp_path):
        line = refused(*words(good, tmp_path / "out", **{flag: tmp_path / "given"}))
    assert re.search(rf"^Error: {tmp_path}/given: .*{told}", line)


@pytest.mark.parametrize(
    ("name", "value", "code", "told"),
    [
        ("kind", "pseudobulk", 1, "is a pseudobulk store, needed: profile or composition or coho"),
        ("format_version", 99, 1, "has format version 99, needed: 1"),
        # As everywhere, 3 says that a command stopped early and may be run again.
        ("status", "writing", 3, "is unfinished (status 'writing'). Run the command that was"),
    ],
)
def test_subtype__results_of_another_kind_or_unfinished(
    good: pathlib.Path, tmp_path: pathlib.Path, name: str, value: int | str, code: int, told: str
) -> None:
    shutil.copytree(good / "results.zarr", tmp_path / "r.zarr")
    zarr.open_group(tmp_path / "r.zarr").attrs[name] = value
    with untouched(tmp_path):
        given = words(good, tmp_path / "out", results=tmp_path / "r.zarr")
        assert f"r.zarr: {told}" in refused(*given, code=code)


@pytest.mark.parametrize("command", [subtype.subtype_command, transfer.transfer_command])
def test_help__every_flag_is_explained_in_a_line(command: click.Command) -> None:
    flags = [each for each in command.params if isinstance(each, click.Option)]
    assert len(flags) > 15
    for flag in flags:
        # At least a noun and what of it, in one sentence or two.
        assert flag.help is not None
        assert len(flag.help.split()) >= 3, flag.name
        assert flag.help.endswith("."), flag.name
        assert "\n" not in flag.help
