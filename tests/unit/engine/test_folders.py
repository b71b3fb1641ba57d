"""What may stand at a model's output path, on a disk or at a URL."""

import pathlib
import uuid

import pytest

from bluebatch import errors
from bluebatch.engine import folders, task
from bluebatch.store import model_folder, places

PLAN = {"run_id": "abc", "seed": 0}
OTHER = {"run_id": "def", "seed": 1}
PLAIN, RESUME, OVER = task.Options(), task.Options(resume=True), task.Options(overwrite=True)


@pytest.fixture(params=["a path", "memory"])
def folder(request: pytest.FixtureRequest, tmp_path: pathlib.Path) -> places.Place:
    if request.param == "memory":
        return places.place(f"memory://{uuid.uuid4().hex}/model")
    return tmp_path / "model"


def finish(folder: places.Place, run_id: str) -> None:
    card = model_folder.Card(
        kind="unmix",
        labels={},
        units={},
        settings={},
        made_from={"run_id": run_id},
        facts={},
        scores={},
        members=[],
    )
    model_folder.write_card(folder, card, {})


def test_look__an_unfinished_run_is_resumed_if_asked_and_the_same(folder: places.Place) -> None:
    assert folders.look(folder, PLAN, PLAIN) == "new"
    folders.make(folder, PLAN)
    assert folders.look(folder, PLAN, RESUME) == "resumed"
    assert folders.look(folder, PLAN, OVER) == "new"
    with pytest.raises(errors.OutputExistsError, match="--resume to go on"):
        folders.look(folder, PLAN, PLAIN)
    with pytest.raises(errors.ChangedInputError, match="other settings"):
        folders.look(folder, OTHER, RESUME)


def test_look__a_finished_model_is_complete_for_its_own_plan(folder: places.Place) -> None:
    folders.make(folder, PLAN)
    finish(folder, "abc")
    assert folders.look(folder, PLAN, PLAIN) == "complete"
    assert folders.look(folder, PLAN, OVER) == "new"
    with pytest.raises(errors.OutputExistsError, match="did not make"):
        folders.look(folder, OTHER, PLAIN)


@pytest.mark.parametrize("text", ["not JSON", "[]", "{}"])
def test_look__a_plan_of_another_kind_is_foreign(folder: places.Place, text: str) -> None:
    folders.make(folder, PLAN)
    (folder / "checkpoint" / folders.PLAN_FILE).write_text(text)
    with pytest.raises(errors.OutputExistsError, match="did not make"):
        folders.look(folder, PLAN, RESUME)


def test_make__removes_what_stood_there(folder: places.Place) -> None:
    folders.make(folder, PLAN)
    (folder / "notes.txt").write_text("old")
    folders.make(folder, OTHER)
    assert places.sizes(folder).keys() == {"checkpoint/plan.json"}
    assert folders.look(folder, OTHER, RESUME) == "resumed"
