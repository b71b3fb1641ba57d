"""A report as a whole: what stands on it, its files, and what is refused."""

import csv
import html.parser
import json
import pathlib
import re
import struct

import numpy as np
import pytest
from unit.downstream import reported

from bluebatch import errors
from bluebatch.downstream import figures, page
from bluebatch.store import schema, write


class Reader(html.parser.HTMLParser):
    """Collects a page's tags, texts and tables as a browser would."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())


def read(path: pathlib.Path) -> Reader:
    reader = Reader()
    reader.feed(path.read_text())
    return reader


def rows(path: pathlib.Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the slow part, turning figures into files, where a test reads words alone."""
    head = b"\x89PNG\r\n\x1a\n" + b"\0\0\0\x0dIHDR" + struct.pack(">II", 30, 20)
    monkeypatch.setattr(figures, "render", lambda figure, form, dots=0: head)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """Hold a report with all that can be given."""
    folder = tmp_path_factory.mktemp("report")
    results = reported.write_results(folder / "results.zarr")
    evaluation = {
        "kind": "evaluation",
        "cell_types": ["B"],
        "n_samples": 5,
        "proportion": {
            "model": {
                "per_type": {"ccc": {"B": 0.5}},
                "mean_of_types": {"ccc": 0.5},
                "flattened": {"ccc": 0.75},
            }
        },
        "intervals": {
            "level": 0.9,
            "per_type": {"B": {"coverage": 0.875, "width": 0.25, "n_samples": 5}},
            "mean_of_types": {"coverage": 0.875, "width": 0.25},
        },
        "contrast": {
            "column": "stage",
            "base": "A",
            "against": "B",
            "scores": {"model": {"B": {"r": 0.375}}},
            "mean_of_types": {"model": {"r": 0.375}},
        },
        "profile": {"all": {"model": {"B": {"skill": 0.125, "median_r": 0.25, "n_samples": 5.0}}}},
        "notes": ["1 sample not compared"],
        "made_from": {"results": {"digest": "of something else"}},
    }
    (folder / "evaluation.json").write_text(json.dumps(evaluation))
    (folder / "contrast.png").write_bytes(b"\x89PNG stands for a picture")
    options = page.Options(
        cohort=reported.write_cohort(folder / "cohort.zarr"),
        model=reported.write_model(folder / "model"),
        by="patient",
        evaluation=folder,
    )
    page.run(results, folder / "report.html", options)
    return folder


def test_run__a_hostile_sample_name_is_text(made: pathlib.Path) -> None:
    reader = read(made / "report.html")
    # Text within <script> is the page's own script; the name is text elsewhere.
    assert sum(tag == "script" for tag, _ in reader.tags) == 1
    assert reported.HOSTILE in reader.texts
    assert reported.HOSTILE not in (made / "report.html").read_text()


def test_run__the_page_needs_no_network(made: pathlib.Path) -> None:
    text = (made / "report.html").read_text()
    assert re.findall(r"(?:https?:)?//[\w.]+\.\w", re.sub(r'base64,[^"]*', "", text)) == []
    reader = read(made / "report.html")
    assert not {"link", "iframe", "object"} & {tag for tag, _ in reader.tags}
    sources = [attributes["src"] or "" for _, attributes in reader.tags if "src" in attributes]
    assert sources
    assert all(source.startswith("data:image/png;base64,") for source in sources)


def test_run__every_figure_is_there_as_png_svg_and_csv(made: pathlib.Path) -> None:
    reader = read(made / "report.html")
    links = [value["href"] or "" for tag, value in reader.tags if tag == "a"]
    files = {link for link in links if not link.startswith("#")}
    assert all((made / link).is_file() for link in files)
    drawn = [value["id"] or "" for tag, value in reader.tags if tag == "figure" and "id" in value]
    names = {name.removeprefix("figure-") for name in drawn}
    assert names == {
        "proportions", "groups", "intervals", "profile_overview", "profile_01_B",
        "profile_02_Mono", "profile_03_NK", "skill", "flags", "coverage",
    }  # fmt: skip
    for name in names:
        assert {f"report_files/{name}.{form}" for form in ("png", "svg", "csv")} <= files
        assert (made / "report_files" / f"{name}.png").read_bytes().startswith(b"\x89PNG\r\n")
        assert b"</svg>" in (made / "report_files" / f"{name}.svg").read_bytes()


def test_run__numbers_are_those_of_the_store(made: pathlib.Path) -> None:
    files = made / "report_files"
    first = rows(files / "samples.csv")[0]
    assert (first["sample"], first["patient"], first["flags"]) == ("s00000", "patient 0", "")
    found = [float(first[name]) for name in ("B", "Mono", "NK", "B low", "NK high")]
    assert found == pytest.approx([0.5, 0.3, 0.2, 0.45, 0.45], abs=1e-6)
    # The distance runs from .6 to 1.1 in five equal steps: 1.0 is no more than the limit of 1.
    flagged = [row["sample"] for row in rows(files / "samples.csv") if row["flags"]]
    assert flagged == ["s00005"]
    coverage = {
        row["cell type"]: row["share of markers measured"] for row in rows(files / "coverage.csv")
    }
    # The cohort measures g0 to g8; of B's markers g0 and g1 but not g11.
    assert coverage == {"B": "0.666667", "Mono": "1", "NK": "0"}
    skill = {row["cell type"]: row for row in rows(files / "skill_by_type.csv")}
    # Skill of B rises from -.2 to .35 by .05: 7 of 12 genes are above 0, 5 above .1, 1 above .3.
    shares = [float(skill["B"][f"above {least} (%)"]) for least in ("0", "0.1", "0.3")]
    assert shares == pytest.approx([100 * n / 12 for n in (7, 5, 1)], rel=1e-4)


def test_run__other_inputs_are_shown(made: pathlib.Path) -> None:
    reader = read(made / "report.html")
    assert "2 names look like dates of a spreadsheet" in reader.text
    assert "this evaluation is of other results" in reader.text
    assert "1 sample not compared" in reader.text
    assert "training.epochs" in reader.text
    pictures = [value.get("alt") for tag, value in reader.tags if tag == "img"]
    assert "Differences between groups" in pictures
    files = made / "report_files"
    assert rows(files / "evaluation_proportions.csv")[-1]["CCC model"] == "0.75"
    assert rows(files / "evaluation_profiles_all.csv")[0]["r model"] == "0.25"
    assert rows(files / "evaluation_contrast.csv")[1]["r model"] == "0.375"
    assert rows(files / "evaluation_intervals.csv")[0]["share that holds the truth"] == "0.875"
    assert rows(files / "gene_names.csv") == [
        {"found": "date", "done": "dropped", "names": "2", "the first of them": "1-Sep, 2-Mar"}
    ]


@pytest.mark.usefixtures("undrawn")
def test_run__what_a_store_lacks_is_said(tmp_path: pathlib.Path) -> None:
    results = reported.write_results(tmp_path / "old.zarr", leave_out=reported.EVERY, attributes={})
    summary = page.run(results, tmp_path / "old.html")
    reader = read(tmp_path / "old.html")
    for words in (
        "the store has no proportion_low and proportion_high",
        "the store has no skill",
        "Not in the store: domain_distance, missing_type",
        "No gene report",
        "Markers of all types are the genes whose mean profile stands highest",
    ):
        assert words in reader.text
    assert "Cannot be judged here: samples, proportions, profiles." in summary.verdict
    assert "6 samples" in summary.as_text()
    assert summary.as_dict()["n_figures"] == 6  # bars, overview, three types, flags
    assert not (tmp_path / "old_files" / "skill.png").exists()


def test_run__a_type_that_is_nowhere_and_a_sample_without_values_are_no_obstacle(
    tmp_path: pathlib.Path,
) -> None:
    proportion = reported.values(6)["proportion"]
    profile = reported.values(6)["profile"]
    proportion[:, 2], profile[:, 2] = 0, np.nan
    proportion[4], profile[4] = np.nan, np.nan
    changed = {"proportion": proportion, "profile": profile}
    results = reported.write_results(tmp_path / "gaps.zarr", changed=changed)
    page.run(results, tmp_path / "gaps.html")
    reader = read(tmp_path / "gaps.html")
    assert "No profile in the samples looked at: NK." in reader.text
    assert "Markers of B, Mono are" in reader.text or "Markers of all types are" in reader.text
    assert "1 samples have no proportions" in reader.text


def test_run__nothing_measured_in_the_only_sample_is_reported_too(tmp_path: pathlib.Path) -> None:
    gaps = {name: np.full_like(array, np.nan, float) for name, array in reported.values(1).items()}
    results = reported.write_results(tmp_path / "none.zarr", 1, changed=gaps)
    summary = page.run(results, tmp_path / "none.html")
    assert "Do not rely on: empty samples." in summary.verdict
    assert "Looks sound" not in summary.verdict


@pytest.mark.usefixtures("undrawn")
def test_run__of_many_samples_some_are_shown_and_it_is_said(tmp_path: pathlib.Path) -> None:
    results = reported.write_results(tmp_path / "many.zarr", 3000)
    page.run(results, tmp_path / "many.html")
    reader = read(tmp_path / "many.html")
    # 3,000 samples in 400 bars are 8 at most in each.
    assert "the mean of up to 8 neighbouring samples (3,000 in all)" in reader.text
    # Eight of twelve blocks, the last of which holds 184 samples.
    assert f"{7 * 256 + 184:,} of 3,000 samples looked at" in reader.text
    assert "200 evenly chosen of" in reader.text
    assert "Shown: 200 of 3,000 samples, flagged ones first" in reader.text
    assert len(rows(tmp_path / "many_files" / "samples.csv")) == 3000
    assert len(rows(tmp_path / "many_files" / "proportions.csv")) == 400


def test_run__an_incomplete_store_is_refused(tmp_path: pathlib.Path) -> None:
    results = reported.write_results(tmp_path / "half.zarr", complete=False)
    with pytest.raises(errors.IncompleteError, match=r"half\.zarr: is unfinished .* it resumes"):
        page.run(results, tmp_path / "half.html")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["half.zarr"]


def test_run__another_kind_of_store_is_refused(tmp_path: pathlib.Path) -> None:
    cohort = reported.write_cohort(tmp_path / "cohort.zarr")
    with pytest.raises(
        errors.ForeignStoreError, match=r"is a cohort store, .* with it --subtypes\. Give"
    ):
        page.run(cohort, tmp_path / "cohort.html")


@pytest.mark.usefixtures("undrawn")
def test_run__what_stands_at_the_output_is_kept(tmp_path: pathlib.Path) -> None:
    results = reported.write_results(tmp_path / "results.zarr", 3)
    out = tmp_path / "mine.html"
    out.write_text("mine")
    with pytest.raises(errors.OutputExistsError, match=r"mine\.html: something stands there"):
        page.run(results, out)
    assert out.read_text() == "mine"
    page.run(results, out, page.Options(overwrite=True))
    assert out.read_text().startswith("<!DOCTYPE html>")
    out.unlink()
    with pytest.raises(errors.OutputExistsError, match=r"mine_files: something stands there"):
        page.run(results, out)
    (tmp_path / "folder").mkdir()
    with pytest.raises(errors.OutputExistsError, match="is a folder, needed: a file"):
        page.run(results, tmp_path / "folder", page.Options(overwrite=True))
    with pytest.raises(errors.OutputExistsError, match=r"results\.zarr"):
        page.run(results, results / "report.html")


def test_run__inputs_that_do_not_fit_are_refused(tmp_path: pathlib.Path) -> None:
    results = reported.write_results(tmp_path / "results.zarr", 3)
    model = reported.write_model(tmp_path / "model", ["B", "Mono", "T"])
    with pytest.raises(errors.LabelMismatchError, match="its 3 labels of cell_type are not the 3"):
        page.run(results, tmp_path / "r.html", page.Options(model=model))
    other = write.create(
        tmp_path / "other.zarr",
        schema.COHORT,
        {"sample": ["elsewhere"], "gene": ["g0"]},
        {},
        leave_out=["patient"],
    )
    write.write_whole(other, "expression", np.ones((1, 1), np.float32))
    write.write_whole(other, "library_size", np.ones(1))
    write.complete(other)
    with pytest.raises(errors.LabelMismatchError, match=r"none of its 1 samples .first: elsewhere"):
        page.run(results, tmp_path / "r.html", page.Options(cohort=tmp_path / "other.zarr"))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "there is no evaluation"),
        ("not JSON", "is not the JSON of an evaluation"),
        ("[]", "is not the JSON of an evaluation"),
        ('{"kind": "other"}', "is of the kind 'other', needed: 'evaluation'"),
    ],
)
def test_run__what_is_no_evaluation_is_refused(
    tmp_path: pathlib.Path, content: str | None, words: str
) -> None:
    results = reported.write_results(tmp_path / "results.zarr", 3)
    if content is not None:
        (tmp_path / "evaluation.json").write_text(content)
    with pytest.raises(errors.InputFileError, match=words):
        page.run(results, tmp_path / "r.html", page.Options(evaluation=tmp_path))
