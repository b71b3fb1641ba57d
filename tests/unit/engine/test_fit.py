"""What a process of several does and leaves to the first one."""

import pathlib
from typing import Any

import pytest
from unit.engine import pseudobulks

from bluebatch import errors
from bluebatch.engine import distributed, fit, provision, train
from bluebatch.store import read

OPTIONS = train.Options(device="cpu", threads=1)


@pytest.fixture
def trainer(tmp_path: pathlib.Path) -> fit.Trainer:
    path = pseudobulks.write_store(tmp_path / "s.zarr", 100)
    store = read.open_store(path, "pseudobulk")
    training = pseudobulks.settings(epochs=1).training
    learner = pseudobulks.learn(path)
    chosen = provision.Provision("memory", True, (), 0)
    feeds = provision.open_feeds(learner, store, training, chosen)
    folder = tmp_path / "model"
    folder.mkdir()
    return fit.Trainer(learner, feeds, folder, training, OPTIONS)


def files(trainer: fit.Trainer) -> set[str]:
    folder = trainer.folder
    assert isinstance(folder, pathlib.Path)
    return {file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()}


def test_fit_all__only_the_first_process_writes(
    trainer: fit.Trainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(distributed, "is_first", lambda: False)
        other = trainer.fit_all()[-1]
    assert files(trainer) == set()
    assert other["validation_loss"] == trainer.fit_all()[-1]["validation_loss"]
    weights = {"member_0.safetensors", "member_1.safetensors"}
    assert files(trainer) == weights | {"checkpoint/state.safetensors"}


def test_fit_all__processes_that_see_other_folders_are_refused(
    trainer: fit.Trainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def first_has_three(found: Any) -> list[Any]:
        return [False, 3]

    monkeypatch.setattr(distributed, "from_first", first_has_three)
    with pytest.raises(errors.ForeignStoreError, match=r"finds 0 .* first one finds 3.*--out on"):
        trainer.fit_all()


def test_validate__each_process_takes_its_share_of_the_batches(
    trainer: fit.Trainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = fit.build(trainer.learner, 0, 0)
    trainer.validation._batch = 4  # Ten rows: batches of 4, 4 and 2.
    whole = trainer.validate(network)
    sums: list[list[float]] = []

    def noted(values: Any) -> Any:
        sums.append(values.tolist())
        return values

    monkeypatch.setattr(distributed, "add_up", noted)
    monkeypatch.setattr(distributed, "world_size", lambda: 3)
    for rank in range(3):
        monkeypatch.setattr(distributed, "rank", lambda rank=rank: rank)
        trainer.validate(network)
    assert [row[-1] for row in sums] == [4, 4, 2]
    total = [sum(column) for column in zip(*sums, strict=True)]
    for value, (name, expected) in zip(total, whole.items(), strict=False):
        assert value / total[-1] == pytest.approx(expected, rel=1e-6), name
