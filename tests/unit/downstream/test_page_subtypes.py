"""The section of a report about patients: what is shown, what is said, and what is refused."""

import csv
import json
import pathlib
import struct

import click.testing
import pandas as pd
import pytest
from matplotlib.text import Text
from unit.downstream import reported, subtypes_folder

from bluebatch import errors
from bluebatch.cli import main
from bluebatch.downstream import (
    figures,
    page,
    page_content,
    page_facts,
    page_subtypes,
    subtypes_found,
)

PICTURES = {
    "patients_survival", "patients_definitions", "patients_similarity", "patients_search",
    "patients_branches", "patients_hazards", "patients_proportions",
}  # fmt: skip


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the slow part, turning figures into files, where a test reads words alone."""
    head = b"\x89PNG\r\n\x1a\n" + b"\0\0\0\x0dIHDR" + struct.pack(">II", 30, 20)
    monkeypatch.setattr(figures, "render", lambda figure, form, dots=0: head)


@pytest.fixture(scope="module")
def facts(tmp_path_factory: pytest.TempPathFactory) -> page_facts.Facts:
    folder = tmp_path_factory.mktemp("facts")
    return page_facts.collect(reported.write_results(folder / "results.zarr", subtypes_folder.N))


def section(folder: pathlib.Path, facts: page_facts.Facts) -> page_content.Section:
    found = subtypes_found.read(folder)
    assert found is not None
    return page_subtypes.section(found, facts)


def words(figure: page_content.Picture) -> str:
    return "\n".join(
        text.get_text() for text in figure.figure.findobj(Text) if isinstance(text, Text)
    )


def picture(made: page_content.Section, name: str) -> page_content.Picture:
    return next(each for each in made.pictures if each.name == name)


def test_section__shows_everything_that_is_there(
    tmp_path: pathlib.Path, facts: page_facts.Facts
) -> None:
    made = section(subtypes_folder.write_folder(tmp_path / "sub"), facts)
    assert {each.name for each in made.pictures} == PICTURES
    assert made.notes[0] == (
        "12 patients with 8 events: 4 most favourable, 4 intermediate, 4 most unfavourable."
    )
    assert made.details == [subtypes_folder.CAUTION]
    assert not any("not shown" in note for note in made.notes)
    assert {each.name.removeprefix("patients_") for each in made.tables} == {
        *subtypes_found.TABLES
    } - {"groups"}


def test_section__says_what_p_is_worth(tmp_path: pathlib.Path, facts: page_facts.Facts) -> None:
    made = section(subtypes_folder.write_folder(tmp_path / "sub"), facts)
    text = " ".join(made.notes)
    assert "Groups were chosen by survival in the same patients" in text
    assert "What counts is p max-T" in text
    drawn = words(picture(made, "patients_survival"))
    assert "log-rank p 7.8e-4 (descriptive: the groups were chosen by survival)" in drawn
    assert "log-rank p 0.046 (outer groups, permutation of the whole procedure)" in drawn


@pytest.mark.parametrize("transfer", [False, True])
def test_section__small_groups_take_the_permutation_p(
    transfer: bool, tmp_path: pathlib.Path, facts: page_facts.Facts
) -> None:
    write = subtypes_folder.write_transfer if transfer else subtypes_folder.write_folder
    folder = write(tmp_path / "sub")
    changed, column = ("tests", "p_permutation") if transfer else ("logrank", "p_permuted")
    table = pd.read_csv(folder / f"{changed}.csv").assign(**{column: 0.0678})
    table.to_csv(folder / f"{changed}.csv", index=False)
    drawn = words(picture(section(folder, facts), "patients_survival"))
    worth = "outer groups, one-sided, frozen beforehand" if transfer else "descriptive: the groups"
    assert f"log-rank p 0.068 (by permutation, {worth}" in drawn.replace("\n", " ")


def test_section__definitions_stand_with_all_their_p(
    tmp_path: pathlib.Path, facts: page_facts.Facts
) -> None:
    made = section(subtypes_folder.write_folder(tmp_path / "sub"), facts)
    table = next(each for each in made.tables if each.name == "patients_definitions")
    assert table.columns[-4:] == ["p", "q", "p max-T", "component"]
    assert [cell.text for cell in table.cells()[0]][-4:] == ["1.4e-9", "9.8e-9", "0.012", "0"]
    assert [cell.text for cell in table.cells()[-1]][-4:] == ["-", "-", "-", "-"]
    assert len(table.rows) == 8


def test_section__similarity_is_that_of_the_members(
    tmp_path: pathlib.Path, facts: page_facts.Facts
) -> None:
    made = section(subtypes_folder.write_folder(tmp_path / "sub"), facts)
    rows = [list(row) for row in picture(made, "patients_similarity").rows]
    # Mono=0 and Mono=1 part the same patients: the smaller group of one is a group of the other.
    assert rows == [["Mono=0", 1.0, 1.0], ["Mono=1", 1.0, 1.0]]


@pytest.mark.parametrize("name", ["definitions", "hazards", "branches", "logrank", "tests"])
def test_section__what_is_missing_is_a_note(
    name: str, tmp_path: pathlib.Path, facts: page_facts.Facts
) -> None:
    folder = subtypes_folder.write_folder(tmp_path / "sub", leave_out=[name])
    made = section(folder, facts)
    assert "patients_survival" in {each.name for each in made.pictures}
    said = any(f"({name}.csv)" in note for note in made.notes)
    assert said == (name != "logrank")  # which is worked out from the patients


def test_section__without_groups_the_search_is_shown(
    tmp_path: pathlib.Path, facts: page_facts.Facts
) -> None:
    made = section(subtypes_folder.write_folder(tmp_path / "sub", leave_out=["group"]), facts)
    assert made.notes[0].startswith("12 patients, no groups: no definition was significant")
    assert {each.name for each in made.pictures} == PICTURES - {
        "patients_survival", "patients_proportions",
    }  # fmt: skip


def test_section__a_transfer_is_tested_in_the_frozen_direction(
    tmp_path: pathlib.Path, facts: page_facts.Facts
) -> None:
    made = section(subtypes_folder.write_transfer(tmp_path / "second"), facts)
    assert {each.name for each in made.pictures} == {
        "patients_survival", "patients_replication", "patients_proportions",
    }  # fmt: skip
    assert "nothing was refitted" in " ".join(made.notes)
    drawn = words(picture(made, "patients_survival"))
    assert "log-rank p 0.046 (outer groups, one-sided, frozen beforehand)" in drawn
    # The definition that was not significant before is not asked again.
    rows = list(picture(made, "patients_replication").rows)
    assert [row[0] for row in rows] == ["B=0", "B=1", "Mono=0"]
    table = next(each for each in made.tables if each.name == "patients_replication")
    assert [row[0] for row in table.rows] == ["B=0", "B=1", "Mono=0"]


def test_section__figures_of_the_folder_are_taken(
    tmp_path: pathlib.Path, facts: page_facts.Facts
) -> None:
    folder = subtypes_folder.write_folder(tmp_path / "sub")
    (folder / "figures").mkdir()
    (folder / "figures" / "states.png").write_bytes(b"\x89PNG stands for a picture")
    made = section(folder, facts)
    assert made.images == [("States of each cell type", b"\x89PNG stands for a picture")]


@pytest.mark.usefixtures("undrawn")
def test_report__the_command_takes_the_folder(tmp_path: pathlib.Path) -> None:
    results = reported.write_results(tmp_path / "results.zarr", subtypes_folder.N)
    folder = subtypes_folder.write_folder(tmp_path / "sub")
    arguments = ["report", str(results), "--out", str(tmp_path / "r.html"), "--subtypes",
                 str(folder), "--json", "--quiet"]  # fmt: skip
    done = click.testing.CliRunner().invoke(main.main, arguments)
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["n_samples"] == subtypes_folder.N
    text = (tmp_path / "r.html").read_text()
    assert '<section id="patients">' in text
    assert text.index('id="skill"') < text.index('id="patients"') < text.index('id="samples"')
    with (tmp_path / "r_files" / "patients_definitions.csv").open(newline="") as file:
        first = next(csv.DictReader(file))
    assert float(first["p"]) == 1.4e-9


def test_read__what_is_no_such_folder_is_refused(tmp_path: pathlib.Path) -> None:
    with pytest.raises(errors.MissingInputError, match=r"none: nothing is there\. Give the folder"):
        subtypes_found.read(tmp_path / "none")
    (tmp_path / "other").mkdir()
    with pytest.raises(
        errors.ForeignStoreError, match=r"neither subtypes\.zarr nor transfer\.json"
    ):
        subtypes_found.read(tmp_path / "other")
    (tmp_path / "file").touch()
    with pytest.raises(errors.ForeignStoreError, match=r"neither subtypes\.zarr nor"):
        subtypes_found.read(tmp_path / "file")
    assert subtypes_found.read(None) is None


def test_read__files_that_are_something_else_are_refused(tmp_path: pathlib.Path) -> None:
    folder = subtypes_folder.write_folder(tmp_path / "sub")
    (folder / "hazards.csv").write_text("a,b\n1,2\n3,4,5,6\n")
    with pytest.raises(errors.InputFileError, match=r"hazards\.csv: is not a table of text"):
        subtypes_found.read(folder)
    (folder / "hazards.csv").unlink()
    (folder / "summary.json").write_text("{")
    with pytest.raises(errors.InputFileError, match=r"summary\.json: is not JSON"):
        subtypes_found.read(folder)


def test_run__groups_of_other_samples_are_refused(tmp_path: pathlib.Path) -> None:
    results = reported.write_results(tmp_path / "results.zarr", subtypes_folder.N)
    others = [f"other {at}" for at in range(subtypes_folder.N)]
    folder = subtypes_folder.write_folder(tmp_path / "sub", others)
    with pytest.raises(
        errors.LabelMismatchError, match=r"none of its 12 samples .first: other 0. is among the 12"
    ):
        page.run(results, tmp_path / "r.html", page.Options(subtypes=folder))
    assert not (tmp_path / "r.html").exists()
