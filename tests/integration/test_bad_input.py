"""Bad input that no other test walks through the command line, a good input beside each."""

import json
import os
import pathlib
import shutil
from collections.abc import Callable

import click.testing
import pytest
import safetensors
from integration import small

from bluebatch import errors
from bluebatch.cli import main
from bluebatch.engine import folders, task
from bluebatch.store import model_folder, outputs, read, write

Spoil = Callable[[pathlib.Path], object]
TABLE = "gene,S1,S2\nCD19,10,20\nCD3E,300,4\nMS4A1,5,6\n"


def run(*arguments: object) -> click.testing.Result:
    return click.testing.CliRunner().invoke(main.main, [*map(str, arguments), "--quiet"])


def refused(*arguments: object, code: int = 1) -> str:
    done = run(*arguments)
    assert done.exit_code == code, done.output
    lines = [line for line in done.stderr.splitlines() if line.startswith("Error: ")]
    assert len(lines) == 1
    assert "Traceback" not in done.stderr
    return lines[0]


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """Hold a cohort and a model that fit each other."""
    folder = tmp_path_factory.mktemp("good")
    small.write_cohort(folder / "cohort.zarr", 20)
    small.write_model(folder / "model")
    return folder


@pytest.fixture
def case(good: pathlib.Path, tmp_path: pathlib.Path) -> pathlib.Path:
    """Copy them, for a test to spoil."""
    shutil.copytree(good, tmp_path / "case")
    return tmp_path / "case"


def infer(case: pathlib.Path, *more: object, out: str = "results.zarr") -> tuple[object, ...]:
    given = ("infer", case / "cohort.zarr", "--model", case / "model", "--out", case / out)
    return (*given, "--threads", 1, "--precision", "fp32", *more)


def flip(file: pathlib.Path) -> None:
    content = bytearray(file.read_bytes())
    content[50] ^= 1
    file.write_bytes(content)


def halve(file: pathlib.Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def without(*keys: str) -> Spoil:
    def spoil(file: pathlib.Path) -> None:
        card = json.loads(file.read_text())
        part = card
        for key in keys[:-1]:
            part = part[key]
        del part[keys[-1]]
        file.write_text(json.dumps(card))

    return spoil


def replaced(old: str, new: str) -> Spoil:
    return lambda file: file.write_text(file.read_text().replace(old, new))


def test_infer__a_good_cohort_and_model(case: pathlib.Path) -> None:
    done = run(*infer(case))
    assert done.exit_code == 0, done.stderr
    assert read.open_store(case / "results.zarr", "profile").n_rows == 20


@pytest.mark.parametrize(
    ("file", "spoil", "told"),
    [
        ("cohort.zarr/expression/c/0/0", flip, "damaged chunk"),
        ("cohort.zarr/expression/c/0/0", halve, "damaged chunk"),
        ("cohort.zarr/expression/c/0/0", os.remove, "has 0 of its 1 chunks"),
        ("cohort.zarr/expression", shutil.rmtree, "has 0 of its 1 chunks"),
        ("cohort.zarr/zarr.json", halve, "is not a Zarr group"),
        ("model/model.json", halve, "is not the JSON of a model"),
        ("model/model.json", os.remove, "holds no model.json"),
        ("model/model.json", without("units"), "units: Field required"),
        ("model/model.json", without("settings", "panel"), "lacks what a model"),
        ("model/model.json", without("labels", "gene"), "labels of gene"),
        ("model/model.json", replaced('"kind": "unmix"', '"kind": "zap"'), "needed: unmix"),
        ("model/model.json", replaced('"format_version": 1', '"format_version": 9'), "needed: 1"),
        ("model/member_0.safetensors", os.remove, "member_0.safetensors: are no weights"),
        ("model/member_0.safetensors", halve, "member_0.safetensors: are no weights"),
        ("model/arrays.safetensors", os.remove, "arrays.safetensors: cannot be read"),
        ("model/arrays.safetensors", halve, "arrays.safetensors: cannot be read"),
    ],
)
def test_infer__damaged_input(case: pathlib.Path, file: str, spoil: Spoil, told: str) -> None:
    spoil(case / file)
    assert told in refused(*infer(case))
    results = case / "results.zarr"
    assert not results.exists() or "complete" not in (results / "zarr.json").read_text()


@pytest.mark.parametrize("out", ["cohort.zarr", "cohort.zarr/inner.zarr", "model", "."])
def test_infer__overwrite_never_takes_an_input(case: pathlib.Path, out: str) -> None:
    before = sorted(case.rglob("*"))
    assert "is, holds or lies in the input" in refused(*infer(case, "--overwrite", out=out))
    assert sorted(case.rglob("*")) == before


def test_infer__overwrite_leaves_folders_of_other_files(case: pathlib.Path) -> None:
    (case / "thesis").mkdir()
    (case / "thesis" / "chapter.txt").write_text("x")
    assert "removes no such folder" in refused(*infer(case, "--overwrite", out="thesis"))
    assert (case / "thesis" / "chapter.txt").exists()
    shutil.copytree(case / "cohort.zarr", case / "old.zarr")
    assert run(*infer(case, "--overwrite", out="old.zarr")).exit_code == 0


@pytest.mark.parametrize("verb", ["train", "infer", "evaluate", "export"])
def test_commands__a_store_of_the_wrong_kind(case: pathlib.Path, verb: str) -> None:
    model = small.write_cohort(case / "other.zarr", 2)
    rest = {
        "train": ("--out", case / "m"),
        "infer": ("--model", model, "--out", case / "r.zarr"),
        "evaluate": ("--truth", case / "cohort.zarr", "--out", case / "e"),
        "export": ("--out", case / "e.csv", "--what", "proportion"),
    }
    assert refused(verb, case / "cohort.zarr", *rest[verb])


def test_ingest__a_gene_map_with_a_short_line(tmp_path: pathlib.Path) -> None:
    (tmp_path / "bulk.csv").write_text(TABLE)
    (tmp_path / "map.csv").write_text("from\nCD19\n")
    given = ("ingest", tmp_path / "bulk.csv", "--out", tmp_path / "c.zarr")
    told = refused(*given, "--gene-map", tmp_path / "map.csv")
    assert "has 1 columns, needed: 2" in told
    assert not (tmp_path / "c.zarr").exists()
    (tmp_path / "map.csv").write_text("from,to\nCD19,CD20\n")
    assert run(*given, "--gene-map", tmp_path / "map.csv").exit_code == 0


def test_ingest__a_sample_sheet_that_is_not_there(tmp_path: pathlib.Path) -> None:
    told = refused("ingest", tmp_path, "--sheet", tmp_path / "no.tsv", "--out", tmp_path / "c.zarr")
    assert "no.tsv: nothing is there" in told


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_ingest__a_file_without_permission(tmp_path: pathlib.Path) -> None:
    (tmp_path / "bulk.csv").write_text(TABLE)
    (tmp_path / "bulk.csv").chmod(0)
    told = refused("ingest", tmp_path / "bulk.csv", "--out", tmp_path / "c.zarr")
    assert "permission denied" in told


def test_ingest__an_output_below_a_file(tmp_path: pathlib.Path) -> None:
    (tmp_path / "bulk.csv").write_text(TABLE)
    (tmp_path / "file").write_text("x")
    told = refused("ingest", tmp_path / "bulk.csv", "--out", tmp_path / "file" / "c.zarr")
    assert "Give a path that can be read or written" in told


def test_config_show__json() -> None:
    done = run("config", "show", "demo", "--json")
    assert json.loads(done.stdout)["simulation"]["n_samples"] > 0


def test_write_card__files_are_as_readable_as_any(case: pathlib.Path) -> None:
    (case / "plain").touch()
    for name in (model_folder.ARRAYS_FILE, model_folder.CARD_FILE):
        assert (case / "model" / name).stat().st_mode == (case / "plain").stat().st_mode


def test_whole_file__keeps_what_stood_there_when_the_disk_is_full(tmp_path: pathlib.Path) -> None:
    file = tmp_path / "a.safetensors"
    file.write_text("before")
    full = safetensors.SafetensorError("I/O error: No space left on device (os error 28)")

    def fill() -> None:
        with outputs.whole_file(file) as temporary:
            temporary.write_text("half")
            raise full

    with pytest.raises(errors.DiskFullError):
        fill()
    assert [found.name for found in tmp_path.iterdir()] == ["a.safetensors"]
    assert file.read_text() == "before"
    with outputs.whole_file(file) as temporary:
        temporary.write_text("after")
    assert file.read_text() == "after"


def test_going_on__names_resume_unless_it_was_given(tmp_path: pathlib.Path) -> None:
    with (
        pytest.raises(errors.InterruptedRunError, match="--resume"),
        folders.going_on(tmp_path, task.Options()),
    ):
        raise KeyboardInterrupt
    with (
        pytest.raises(errors.DiskFullError, match="--resume"),
        folders.going_on(tmp_path, task.Options()),
        write.room_on_disk(tmp_path),
    ):
        raise OSError(28, "No space left on device")
    with pytest.raises(KeyboardInterrupt), folders.going_on(tmp_path, task.Options(resume=True)):
        raise KeyboardInterrupt
