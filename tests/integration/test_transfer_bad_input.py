"""Bad input to `bluebatch transfer`: one line that says what is wrong, and nothing written."""

import dataclasses
import errno
import json
import os
import pathlib
import re
import shutil
from collections.abc import Callable
from typing import Any, NoReturn

import pytest
from integration import small
from integration.patient_files import (
    PLAN,
    SEED,
    done,
    edited,
    fractions,
    refused,
    untouched,
    write_all,
)
from unit.downstream import freezing, planted

from bluebatch.downstream import frozen, transfer, transfer_content, transfer_drawing

Spoil = Callable[[pathlib.Path], object]


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    return write_all(tmp_path_factory.mktemp("good"))


def words(good: pathlib.Path, out: pathlib.Path, **replaced: object) -> list[object]:
    """Write the command, some of its inputs replaced; None leaves one out."""
    flags: dict[str, object] = {
        "cohort": good / "cohort.zarr",
        "clinical": good / "clinical.csv",
        "out": out,
    }
    flags |= replaced
    given = [
        flags.pop(name, good / file)
        for name, file in (
            ("subtypes", "subtypes"),
            ("results", "results.zarr"),
        )
    ]
    pairs = [(f"--{name}", value) for name, value in flags.items() if value is not None]
    return ["transfer", *given, *(word for pair in pairs for word in pair)]


def flip(file: pathlib.Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def with_card(**changed: object) -> Spoil:
    def spoil(model: pathlib.Path) -> None:
        card = json.loads((model / frozen.CARD_FILE).read_text())
        (model / frozen.CARD_FILE).write_text(json.dumps(card | changed))

    return spoil


MODELS: dict[str, tuple[Spoil, str]] = {
    "no model": (shutil.rmtree, r"given: holds no subtypes\.json: no frozen subtypes\. Give the"),
    "no card": (
        lambda model: (model / frozen.CARD_FILE).unlink(),
        r"given: holds no subtypes\.json: no frozen subtypes\. Give the folder that",
    ),
    "half a card": (
        lambda model: (model / frozen.CARD_FILE).write_text('{"kind": '),
        r"subtypes\.json: is not the JSON of frozen subtypes .* Copy the folder again",
    ),
    "another kind": (
        with_card(kind="train"),
        r"subtypes\.json: is of kind 'train' and .* needed: 'subtypes' and 1\. Run `bluebatch sub",
    ),
    "a newer format": (
        with_card(format_version=99),
        r"subtypes\.json: is of kind 'subtypes' and format version 99, needed: .* and 1\. Run",
    ),
    "an unknown entry": (with_card(extra=1), r"subtypes\.json: extra: .* Copy the folder again"),
    "damaged arrays": (
        lambda model: flip(model / frozen.ARRAYS_FILE),
        r"arrays\.safetensors: is not as it was written \(SHA-256 .*, needed: .*\)\. Copy the",
    ),
    "no arrays": (
        lambda model: (model / frozen.ARRAYS_FILE).unlink(),
        r"arrays\.safetensors: is not there\. Copy the folder again, or run",
    ),
    "damaged genes": (
        lambda model: flip(model / frozen.GENES_FILE),
        r"genes\.csv: is not as it was written \(SHA-256 .*, needed: .*\)\. Copy the folder again",
    ),
}


@pytest.mark.parametrize("case", MODELS)
def test_transfer__subtypes_that_are_none(
    good: pathlib.Path, tmp_path: pathlib.Path, case: str
) -> None:
    spoil, told = MODELS[case]
    shutil.copytree(good / "subtypes", tmp_path / "given")
    spoil(tmp_path / "given" / "model")
    with untouched(tmp_path):
        line = refused(*words(good, tmp_path / "out", subtypes=tmp_path / "given"))
    assert re.search(told, line)


def test_transfer__a_trained_model_and_results_are_no_subtypes(
    good: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    small.write_model(tmp_path / "model")
    with untouched(tmp_path):
        told = refused(*words(good, tmp_path / "out", subtypes=tmp_path / "model"))
        assert "a model of `bluebatch train`, not frozen subtypes. Give the folder" in told
        told = refused(*words(good, tmp_path / "out", subtypes=good / "results.zarr"))
        assert "results.zarr: holds no subtypes.json: no frozen subtypes. Give" in told
        told = refused(*words(good, tmp_path / "out", subtypes=tmp_path / "none"))
        assert "none: holds no subtypes.json" in told


def second(**changed: Any) -> planted.Planted:
    return dataclasses.replace(planted.draw(PLAN, seed=SEED), **changed)


def first_genes(n_kept: int) -> planted.Planted:
    drawn = planted.draw(PLAN, seed=SEED)
    return dataclasses.replace(
        drawn,
        genes=drawn.genes[:n_kept],
        profile=drawn.profile[:, :, :n_kept],
        bulk=drawn.bulk[:, :n_kept],
    )


ENSEMBL = [f"ENSG{at:011d}" for at in range(PLAN.n_genes)]
COHORTS: dict[str, tuple[Callable[[], planted.Planted], str, str]] = {
    "a type lacks": (
        lambda: second(cell_types=["Mono", "CD8", "B", "NK"]),
        r"given: lacks 1 of the 2 frozen cell types \(T\); it has Mono, CD8, B, NK\. Give results",
        "results",
    ),
    "most genes lack": (
        lambda: first_genes(12),
        r"given: has 12 of the 40 frozen genes of Mono \(lacking: G012, G013, G014, \.\.\.\), "
        r"needed: 50%\. Give results of",
        "results",
    ),
    "other names": (
        lambda: second(genes=ENSEMBL),
        r"given: has 0 of the 40 frozen genes of Mono .* needed: 50%\. Give results of",
        "results",
    ),
    "most genes of the signature lack": (
        lambda: first_genes(4),
        r"given: signature favourable: \d of its \d+ genes are there \(lacking: .*\), "
        r"needed: 50%\. Map the cohort .* or leave out --cohort",
        "cohort",
    ),
    "other names in bulk": (
        lambda: second(genes=ENSEMBL),
        r"given: signature favourable: 0 of its \d+ genes are there .* needed: 50%\. Map the",
        "cohort",
    ),
    "a cohort of others": (
        lambda: second(patients=[f"Q{at}" for at in range(PLAN.n_patients)]),
        r"given: has none of the 100 samples of .*results\.zarr .* Give the cohort that",
        "cohort",
    ),
}


@pytest.mark.parametrize("case", COHORTS)
def test_transfer__a_second_cohort_that_does_not_fit(
    good: pathlib.Path, tmp_path: pathlib.Path, case: str
) -> None:
    draw, told, flag = COHORTS[case]
    write = planted.write_results if flag == "results" else planted.write_cohort
    given = write(tmp_path / "given", draw())
    with untouched(tmp_path):
        assert re.search(told, refused(*words(good, tmp_path / "out", **{flag: given})))


def test_transfer__results_of_another_kind(good: pathlib.Path, tmp_path: pathlib.Path) -> None:
    drawn = planted.draw(PLAN, seed=SEED)
    columns = {"proportion": fractions(drawn), "cell_types": ["Mono", "T", "B"]}
    halves = freezing.discover_fractions(dataclasses.replace(drawn, **columns), ["Mono", "T", "B"])
    frozen.write(tmp_path / "halves", halves)
    given: dict[str, object] = {"cohort": None, "patient-from-sample": "^(P[0-9]+)"}
    with untouched(tmp_path):
        for kind in ("composition", "cohort"):
            results = good / f"{kind}.zarr"
            told = refused(*words(good, tmp_path / "out", results=results, **given))
            assert f"{kind}.zarr: is a {kind} store, needed: a profile store, in which" in told
        given |= {"subtypes": tmp_path / "halves", "results": good / "cohort.zarr"}
        told = refused(*words(good, tmp_path / "out", **given))
        assert "cohort.zarr: is a cohort store, needed: a composition store, in which" in told


@pytest.mark.parametrize(
    ("flag", "value", "told"),
    [
        ("covariates", "grade", "covariate grade: .* it has age, sex, stage. Name one"),
        ("strata", "age", "strata age: .* different numbers, needed: levels"),
        ("leave-out", "sex=other", r"nobody .* has sex 'other'; it has '\w+' \("),
        ("censor-at", "0", "--censor-at: is 0, needed: days above 0"),
        ("patient-from-sample", "target", "none of its 100 sample names are TARGET barcodes"),
    ],
)
def test_transfer__flags_that_do_not_fit_the_table(
    good: pathlib.Path, tmp_path: pathlib.Path, flag: str, value: str, told: str
) -> None:
    with untouched(tmp_path):
        assert re.search(told, refused(*words(good, tmp_path / "out", **{flag: value})))


def test_transfer__a_clinical_table_of_others(good: pathlib.Path, tmp_path: pathlib.Path) -> None:
    def rename(table: Any) -> Any:
        return table.assign(patient="X" + table["patient"])

    table = edited(good / "clinical.csv", tmp_path / "t.csv", rename)
    with untouched(tmp_path):
        told = refused(*words(good, tmp_path / "out", clinical=table))
        assert re.search(r"none of its 100 samples .* 100 names of .*t\.csv \(XP0000", told)
        told = refused(*words(good, tmp_path / "out", clinical=tmp_path / "none.csv"))
    assert "none.csv: no such file. Check the path" in told


def test_transfer__output_that_would_cost_something(
    good: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    (tmp_path / "file").touch()
    with untouched(tmp_path), untouched(good):
        for path, told in (
            (tmp_path / "file", "file: is a file, needed: a folder. Give another --out"),
            (tmp_path / "file" / "out", "needed: a folder"),
            (good / "subtypes", "is, holds or lies in the input"),
            (good / "subtypes" / "model", "removes no such folder. Choose another --out"),
            (good / "clinical.csv", "is, holds or lies in the input"),
        ):
            assert told in refused(*words(good, path), "--overwrite")


def stop(*given: object, **named: object) -> NoReturn:
    raise KeyboardInterrupt


def fill(*given: object, **named: object) -> NoReturn:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_transfer__what_is_stopped_leaves_what_stood_there(
    good: pathlib.Path, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stops = [
        (transfer, "measure", stop, "interrupted: .*out is as it was before; run the same"),
        (transfer_content, "save", stop, "interrupted: .*out is as it was before; run the same"),
        (transfer_drawing, "draw_all", fill, "out: no space left on the disk. It is as it was"),
    ]

    def try_all(*flags: str) -> None:
        for place, name, does, told in stops:
            with monkeypatch.context() as patch, untouched(tmp_path):
                patch.setattr(place, name, does)
                line = refused(*words(good, tmp_path / "out"), *flags, code=3)
            assert re.search(told, line)

    try_all()
    # Figures, which take most of the time, are drawn elsewhere.
    with monkeypatch.context() as patch:
        patch.setattr(transfer_drawing, "draw_all", lambda *given: 0)
        done(*words(good, tmp_path / "out"))
    try_all("--overwrite")
