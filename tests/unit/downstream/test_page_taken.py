"""Reports of results that no model made: what is shown of them, said, and refused."""

import pathlib
import re
import struct

import pytest
from unit.downstream import reported, subtypes_folder, taken

from bluebatch import errors
from bluebatch.downstream import figures, page, page_content, page_facts, page_taken

N = subtypes_folder.N


@pytest.fixture(autouse=True)
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the slow part, turning figures into files: the words are read here."""
    head = b"\x89PNG\r\n\x1a\n" + b"\0\0\0\x0dIHDR" + struct.pack(">II", 30, 20)
    monkeypatch.setattr(figures, "render", lambda figure, form, dots=0: head)


def sections(path: pathlib.Path) -> list[str]:
    return re.findall(r'<section id="(\w+)">', path.read_text())


def test_run__a_composition_has_its_proportions_and_no_profiles(tmp_path: pathlib.Path) -> None:
    composition = taken.write_composition(tmp_path / "c.zarr")
    found = page.run(composition, tmp_path / "c.html")
    assert sections(tmp_path / "c.html") == ["verdict", "proportions", "samples", "settings"]
    assert found.verdict == "Cannot be judged here: proportions, profiles."
    text = (tmp_path / "c.html").read_text()
    assert "Cell-type proportions of table.csv, taken in by bluebatch" in text
    assert "<li>row sums 0.9 to 1</li>" in text
    assert "samples flagged" not in text
    assert "Levels are plain thresholds" not in text
    first = (tmp_path / "c_files" / "samples.csv").read_text().splitlines()[:2]
    assert first == ["sample,B,Mono", "s00000,0,1"]


def test_run__a_composition_and_its_subtypes(tmp_path: pathlib.Path) -> None:
    composition = taken.write_composition(tmp_path / "c.zarr")
    folder = subtypes_folder.write_folder(tmp_path / "sub")
    found = page.run(composition, tmp_path / "c.html", page.Options(subtypes=folder))
    assert sections(tmp_path / "c.html") == [
        "verdict", "proportions", "patients", "samples", "settings",
    ]  # fmt: skip
    assert found.verdict.startswith("Take care with: groups of patients.")
    assert (tmp_path / "c_files" / "patients_proportions.csv").exists()
    assert "Groups of patients that were chosen by survival are never called sound" in (
        tmp_path / "c.html"
    ).read_text().replace("\n", " ")


def test_run__a_cohort_has_patients_and_genes(tmp_path: pathlib.Path) -> None:
    cohort = reported.write_cohort(tmp_path / "bulk.zarr", N)
    folder = subtypes_folder.write_transfer(tmp_path / "second")
    found = page.run(cohort, tmp_path / "b.html", page.Options(subtypes=folder))
    assert sections(tmp_path / "b.html") == ["verdict", "patients", "genes", "settings"]
    # The frozen groups have a one-sided p of .0456.
    assert found.verdict == "Looks sound: groups of patients. Cannot be judged here: samples."
    text = (tmp_path / "b.html").read_text()
    assert "2 names look like dates of a spreadsheet" in text
    assert not (tmp_path / "b_files" / "patients_proportions.csv").exists()
    assert "<dt>genes measured</dt><dd>9</dd>" in text


def test_run__a_cohort_alone_is_refused(tmp_path: pathlib.Path) -> None:
    cohort = reported.write_cohort(tmp_path / "bulk.zarr")
    with pytest.raises(
        errors.ForeignStoreError, match=r"bulk\.zarr: is a cohort store, .* Give the folder that"
    ):
        page.run(cohort, tmp_path / "b.html")
    assert not (tmp_path / "b.html").exists()


@pytest.mark.parametrize("flag", ["by", "evaluation"])
def test_check__what_needs_proportions_is_refused_of_a_cohort(
    flag: str, tmp_path: pathlib.Path
) -> None:
    facts = page_facts.collect(reported.write_cohort(tmp_path / "bulk.zarr"))
    given = {"by": None, "evaluation": None, flag: "patient"}
    with pytest.raises(errors.ConfigError, match=rf"no proportions, needed for --{flag}\. Leave"):
        page_taken.check(facts, "sub", **given)


@pytest.mark.parametrize("kind", ["composition", "cohort"])
def test_collect__no_model_made_what_was_taken_in(kind: str, tmp_path: pathlib.Path) -> None:
    write = {"composition": taken.write_composition, "cohort": reported.write_cohort}[kind]
    model = reported.write_model(tmp_path / "model")
    with pytest.raises(errors.ConfigError, match=rf"no model made .*, a {kind} store\. Leave"):
        page_facts.collect(write(tmp_path / "r.zarr"), model)


def test_cells__p_values_keep_their_size() -> None:
    row: page_content.Row = [0.00004, 0.0314, 0.5, None]
    table = page_content.Table("t", "T", list("abcd"), [row], p_columns=("a", "b", "c", "d"))
    assert [cell.text for cell in table.cells()[0]] == ["4.0e-5", "0.031", "0.50", "-"]
    assert [cell.key for cell in table.cells()[0]] == ["4e-05", "0.0314", "0.5", ""]
