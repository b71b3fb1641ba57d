"""Runs of `bluebatch subtype` on rough input: what they say of it, and what stops them leaves."""

import dataclasses
import errno
import json
import os
import pathlib
import shutil
from typing import Any, NoReturn

import numpy as np
import pandas as pd
import pytest
from integration.patient_files import (
    PLAN,
    SEED,
    Table,
    done,
    edited,
    fractions,
    refused,
    untouched,
    words,
    write_all,
    write_composition,
)
from unit.downstream import planted

from bluebatch.downstream import discovery, subtype_figures, subtype_store


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    return write_all(tmp_path_factory.mktemp("good"))


def composed(good: pathlib.Path, out: pathlib.Path, **replaced: object) -> list[object]:
    """Write the command for the composition store, which is the quickest."""
    return words(good, out, **{"results": good / "composition.zarr", "cohort": None, **replaced})


def rough(table: Table) -> Table:
    """Months without their name, events in words, gaps, strangers, and a column that knows all."""
    days = table["time"].astype(float)
    table["time"] = (days / 30.4375).round(2).astype(str)
    table["event"] = table["event"].map({"1": "Dead", "0": "Alive"})
    # Of those who die early it is large, and of nobody else.
    table["oracle"] = (-days).rank().where(table["event"] == "Dead", 0).astype(int).astype(str)
    table.loc[[3, 4], "time"] = ["", "NA"]
    table.loc[5, "event"] = "unknown"
    table.loc[[8, 9], "patient"] = ["ghost", "phantom"]
    return table


def eventless(table: Table) -> Table:
    """Nobody of the planted group dies; one covariate is another in other words."""
    share = fractions(planted.draw(PLAN, seed=SEED))
    inside = np.all(share[:, :2] > np.median(share[:, :2], axis=0), axis=1)
    table.loc[inside, "event"] = "0"
    table["event"] = table["event"].map({"1": "1:DECEASED", "0": "0:LIVING"})
    table["gender"] = table["sex"].map({"male": "m", "female": "f"})
    return table


@dataclasses.dataclass(frozen=True)
class Runs:
    """Notes of both runs, and what the search of the first found."""

    rough: list[str]
    eventless: list[str]
    found: discovery.Discovery


@pytest.fixture(scope="module")
def runs(good: pathlib.Path) -> Runs:
    """Run both tables; figures, which take most of the time, are drawn elsewhere."""
    asked = {"rough": "age,oracle", "eventless": "sex,gender"}
    notes, found = [], []
    search = discovery.discover

    def remember(*given: Any) -> discovery.Discovery:
        found.append(search(*given))
        return found[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(subtype_figures, "draw_all", lambda *given: 0)
        patch.setattr(discovery, "discover", remember)
        for edit in (rough, eventless):
            name = edit.__name__
            table = edited(good / "clinical.csv", good / f"{name}.csv", edit)
            given = composed(good, good / name, clinical=table, covariates=asked[name])
            notes.append(json.loads(done(*given, "--json"))["notes"])
    return Runs(notes[0], notes[1], found[0])


def test_subtype__what_was_made_of_a_rough_table_is_said(runs: Runs) -> None:
    notes = runs.rough
    drawn = planted.draw(PLAN, seed=SEED)
    n_dead = int(np.delete(drawn.event, 5).sum())
    assert f"event: event, Dead = 1 ({n_dead}), Alive = 0 ({99 - n_dead})" in notes
    assert "dropped: 3 of 100 rows, without time or event" in notes
    assert "patients: 95 used of 100 in the table (2 no sample, 2 no time, 1 no event)" in notes
    assert "samples: 2 of 100 match no patient of the table (P0008, P0009)" in notes
    assert any(
        note.startswith("warning: a median follow-up of") and "give --time-unit months" in note
        for note in notes
    )


def test_subtype__everybody_is_listed(good: pathlib.Path, runs: Runs) -> None:
    listed = pd.read_csv(good / "rough" / "patients.csv").set_index(["kind", "name"])["fate"]
    fates = listed[listed != "used"].to_dict()
    assert fates == {
        ("sample", "P0003"): "no time",
        ("sample", "P0004"): "no time",
        ("sample", "P0005"): "no event",
        ("sample", "P0008"): "no such patient in the table",
        ("sample", "P0009"): "no such patient in the table",
        ("patient", "P0003"): "no time",
        ("patient", "P0004"): "no time",
        ("patient", "P0005"): "no event",
        ("patient", "ghost"): "no sample",
        ("patient", "phantom"): "no sample",
    }


def test_subtype__a_covariate_that_separates_is_told_and_the_rest_stands(
    good: pathlib.Path, runs: Runs
) -> None:
    assert any("oracle separates patients" in note for note in runs.rough)
    rows = pd.read_csv(good / "rough" / "hazards.csv").set_index(["model", "term"])
    told = rows["said"].str.contains("complete separation", na=False)
    # The model of it alone, and the one of all; each other covariate has its own.
    assert set(rows.index[told & rows["hazard_ratio"].isna()]) == {
        ("univariable", "oracle"),
        *(name for name in rows.index if name[0] == "adjusted"),
    }
    assert rows["hazard_ratio"][~told].notna().all()
    assert ("univariable", "group=most unfavourable") in rows.index[~told]


def test_subtype__a_group_without_events_and_collinear_columns_are_told(
    good: pathlib.Path, runs: Runs
) -> None:
    notes = runs.eventless
    assert any("say the same (collinear)" in note for note in notes)
    assert any(
        note.startswith("group most favourable: no events among its") and "no median" in note
        for note in notes
    )
    assert any(note.startswith("event: event, 1:DECEASED = 1 (") for note in notes)
    rows = pd.read_csv(good / "eventless" / "hazards.csv").set_index(["model", "term"])
    assert rows["said"]["adjusted"].str.contains("collinear").all()
    # Its test against the others stands, for that needs no hazard ratio.
    first = pd.read_csv(good / "eventless" / "pairwise.csv").set_index(["first", "second"])
    assert first["p"]["most favourable", "most unfavourable"] < 0.001


def test_subtype__proportions_without_two_states(
    good: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    names = planted.draw(PLAN, seed=SEED).patients
    store = write_composition(tmp_path / "flat.zarr", names, np.full((100, 3), 1 / 3))
    with untouched(tmp_path):
        told = refused(*composed(good, tmp_path / "out", results=store))
    assert "flat.zarr: no cell type has two states (" in told
    assert told.endswith(
        "needed: one at least. Give more patients, a smaller --min-group or other --cell-types."
    )


def test_subtype__a_cohort_of_other_samples(good: pathlib.Path, tmp_path: pathlib.Path) -> None:
    drawn = planted.draw(PLAN, seed=SEED)
    names = list(drawn.patients)
    drawn.patients[:] = [f"Q{name}" for name in names]
    planted.write_cohort(tmp_path / "other.zarr", drawn)
    drawn.patients[:50] = names[:50]
    planted.write_cohort(tmp_path / "half.zarr", drawn)
    with untouched(tmp_path):
        told = refused(*words(good, tmp_path / "out", cohort=tmp_path / "other.zarr"))
        assert "other.zarr: has none of the 100 samples of" in told
        flags = {"cohort": tmp_path / "half.zarr", "patient-from-sample": "(.*)-s"}
        told = refused(*words(good, tmp_path / "out", **flags))
    assert "half.zarr: lacks 50 of the 100 samples of" in told
    assert "(first: P0050-s). Give the cohort that the results were made from" in told


def test_subtype__output_that_would_cost_something(
    good: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "thesis.txt").touch()
    with untouched(tmp_path), untouched(good):
        for path, told in (
            (tmp_path / "file", "file: is a file, needed: a folder. Give another --out"),
            (tmp_path / "file" / "out", "needed: a folder"),
            (tmp_path / "theirs", "--overwrite removes no such folder. Choose another --out"),
            (good / "results.zarr", "is, holds or lies in the input"),
            (good / "clinical.csv", "is, holds or lies in the input"),
            (good / "results.zarr" / "out", "is, holds or lies in the input"),
            (good, "is, holds or lies in the input"),
        ):
            assert told in refused(*words(good, path), "--overwrite")
        told = refused(*words(good, tmp_path / "theirs"))
        assert "something stands there (thesis.txt, ...). Choose another --out, or give" in told


def stop(*given: object, **named: object) -> NoReturn:
    raise KeyboardInterrupt


def fill(*given: object, **named: object) -> NoReturn:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


STOPS = [
    (subtype_store, "write_store", stop, "/out is as it was before; run the same command again"),
    (subtype_figures, "draw_all", stop, "/out is as it was before; run the same command again"),
    (subtype_store, "write_store", fill, "out: no space left on the disk. It is as it was"),
    (subtype_figures, "draw_all", fill, "out: no space left on the disk. It is as it was"),
]


@pytest.mark.parametrize("stands", [False, True])
@pytest.mark.parametrize(("place", "name", "does", "told"), STOPS)
def test_subtype__stopped_while_writing_leaves_what_stood_there(
    good: pathlib.Path,
    runs: Runs,
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
    stands: bool,
    place: Any,
    name: str,
    does: Any,
    told: str,
) -> None:
    given = composed(good, tmp_path / "out", clinical=good / "rough.csv")
    if stands:
        shutil.copytree(good / "rough", tmp_path / "out")
        given.append("--overwrite")
    # The search is not repeated; without groups there is less to write of it.
    found = dataclasses.replace(runs.found, groups=None)
    monkeypatch.setattr(discovery, "discover", lambda *given: found)
    monkeypatch.setattr(place, name, does)
    with untouched(tmp_path):
        line = refused(*given, code=3)
    assert told in line
    assert line.startswith("interrupted: " if does is stop else "Error: ")


def test_subtype__stopped_while_searching_leaves_nothing(
    good: pathlib.Path, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(discovery, "discover", stop)
    with untouched(tmp_path):
        assert "interrupted" in refused(*composed(good, tmp_path / "out"), code=3)
