import csv
import pathlib
import re
from typing import Any

import numpy as np
import pydantic
import pytest
import safetensors.numpy
import torch
from unit.engine import pseudobulks

import bluebatch.engine
from bluebatch import errors
from bluebatch.engine import feed, fit, kinds, optimise, provision, train
from bluebatch.store import model_folder, read

ONE_THREAD = train.Options(threads=1)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    return pseudobulks.write_store(tmp_path_factory.mktemp("train") / "s.zarr")


@pytest.fixture(scope="module")
def trained(store: pathlib.Path) -> pathlib.Path:
    folder = store.parent / "trained"
    train.run(store, folder, pseudobulks.settings(), ONE_THREAD)
    return folder


def weights(folder: pathlib.Path) -> dict[str, Any]:
    files = sorted(folder.glob("member_*.safetensors"))
    return {
        f"{file.stem}/{name}": value
        for file in files
        for name, value in safetensors.numpy.load_file(file).items()
    }


def assert_same_weights(one: pathlib.Path, other: pathlib.Path) -> None:
    ours, theirs = weights(one), weights(other)
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        np.testing.assert_array_equal(value, theirs[name], err_msg=name)


def stop_after(monkeypatch: pytest.MonkeyPatch, n_epochs: int) -> None:
    """Interrupt training after so many finished epochs, all members counted."""
    whole = fit.Trainer._epoch
    done: list[int] = []

    def interrupted(self: fit.Trainer, *arguments: Any) -> dict[str, Any]:
        if len(done) == n_epochs:
            raise KeyboardInterrupt
        done.append(1)
        return whole(self, *arguments)

    monkeypatch.setattr(fit.Trainer, "_epoch", interrupted)


def interrupt(store: pathlib.Path, out: pathlib.Path, n_epochs: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        stop_after(patch, n_epochs)
        with pytest.raises(errors.InterruptedRunError, match="--resume"):
            train.run(store, out, pseudobulks.settings(), ONE_THREAD)


def test_run__leaves_a_model_and_nothing_else(trained: pathlib.Path) -> None:
    assert sorted(path.name for path in trained.iterdir()) == [
        "arrays.safetensors",
        "member_0.safetensors",
        "member_1.safetensors",
        "model.json",
        "training.csv",
        "training.png",
    ]
    card = model_folder.read_card(trained)
    assert card.kind == "unmix"
    assert [member["input"] for member in card.members] == ["zscore", "rank"]
    assert card.scores["test"]["n_samples"] == 30
    assert set(card.scores["test"]["by_type"]) == set(pseudobulks.CELL_TYPES)


def test_run__writes_one_row_an_epoch_and_member(trained: pathlib.Path) -> None:
    with (trained / "training.csv").open() as handle:
        rows = list(csv.DictReader(handle))
    assert [(row["member"], row["epoch"]) for row in rows] == [
        (member, epoch) for member in "12" for epoch in "123"
    ]
    for row in rows:
        total = float(row["validation_profile"]) + 100 * float(row["validation_fraction"])
        assert float(row["validation_loss"]) == pytest.approx(total, rel=1e-5)
    assert float(rows[2]["train_loss"]) < float(rows[0]["train_loss"])


def hold(patch: pytest.MonkeyPatch, holding: feed.Holding, keeps_validation: bool) -> None:
    patch.setattr(provision, "_choices", lambda fresh: [(holding, keeps_validation)])


@pytest.mark.parametrize("holding", ["two windows", "one window"])
def test_run__windows_give_the_bits_of_rows_kept_in_memory(
    store: pathlib.Path,
    trained: pathlib.Path,
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
    holding: feed.Holding,
) -> None:
    hold(monkeypatch, holding, False)
    train.run(store, tmp_path / "again", pseudobulks.settings(), ONE_THREAD)
    assert_same_weights(trained, tmp_path / "again")


def test_run__another_seed_gives_other_weights(
    store: pathlib.Path, trained: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    other = train.Options(threads=1, seed=1)
    train.run(store, tmp_path / "other", pseudobulks.settings(), other)
    changed = weights(tmp_path / "other")
    assert any(not np.array_equal(changed[k], v) for k, v in weights(trained).items())


@pytest.mark.parametrize("n_epochs", [1, 2, 3, 5])
def test_run__resumed_gives_the_bits_of_an_uninterrupted_run(
    store: pathlib.Path,
    trained: pathlib.Path,
    tmp_path: pathlib.Path,
    n_epochs: int,
) -> None:
    out = tmp_path / "model"
    interrupt(store, out, n_epochs)
    assert not (out / "model.json").exists()
    resume = train.Options(threads=1, resume=True)
    summary = train.run(store, out, pseudobulks.settings(), resume)
    assert summary.state == "resumed"
    assert_same_weights(trained, out)
    assert not (out / "checkpoint").exists()
    with (out / "training.csv").open() as handle:
        assert len(list(csv.DictReader(handle))) == 6


def test_run__resumed_takes_up_after_the_last_finished_epoch(
    store: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    out = tmp_path / "model"
    interrupt(store, out, 4)
    with pytest.MonkeyPatch.context() as patch:
        stop_after(patch, 2)  # Two of six are left; a third would raise.
        resume = train.Options(threads=1, resume=True)
        train.run(store, out, pseudobulks.settings(), resume)


def test_run__an_unfinished_run_is_neither_resumed_nor_replaced_unasked(
    store: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    out = tmp_path / "model"
    interrupt(store, out, 1)
    with pytest.raises(errors.OutputExistsError, match=r"--resume .* --overwrite"):
        train.run(store, out, pseudobulks.settings(), ONE_THREAD)
    resume = train.Options(threads=1, resume=True)
    with pytest.raises(errors.ChangedInputError, match="other settings"):
        train.run(store, out, pseudobulks.settings(epochs=4), resume)
    over = train.Options(threads=1, overwrite=True)
    assert train.run(store, out, pseudobulks.settings(epochs=1), over).state == "new"


def test_run__a_finished_model_is_complete_for_the_same_run_only(
    store: pathlib.Path, trained: pathlib.Path
) -> None:
    before = (trained / "model.json").stat().st_mtime_ns
    summary = train.run(store, trained, pseudobulks.settings(), ONE_THREAD)
    assert summary.state == "complete"
    assert "already complete" in summary.as_text()
    assert (trained / "model.json").stat().st_mtime_ns == before
    with pytest.raises(errors.OutputExistsError, match="--overwrite"):
        train.run(store, trained, pseudobulks.settings(epochs=1), ONE_THREAD)


def test_run__a_foreign_folder_is_left_alone(store: pathlib.Path, tmp_path: pathlib.Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(errors.OutputExistsError, match="did not make"):
        train.run(store, tmp_path, pseudobulks.settings(), ONE_THREAD)
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_run__a_store_without_training_rows_is_refused(tmp_path: pathlib.Path) -> None:
    path = pseudobulks.write_store(tmp_path / "s.zarr", splits=(0, 0))
    with pytest.raises(errors.ValuesError, match="0 rows of the split train"):
        train.run(path, tmp_path / "model", pseudobulks.settings(), ONE_THREAD)
    assert not (tmp_path / "model").exists()


def test_run__without_held_out_rows_the_training_loss_decides(tmp_path: pathlib.Path) -> None:
    path = pseudobulks.write_store(tmp_path / "s.zarr", 80, splits=(1, 1))
    summary = train.run(path, tmp_path / "model", pseudobulks.settings(), ONE_THREAD)
    assert summary.card.scores == {}
    assert "networks" in summary.as_text()


def test_run__stops_early_when_validation_no_longer_gains(
    store: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    # So small a rate that the loss stays where it is to within rounding, or rises.
    chosen = pseudobulks.settings(epochs=40, patience=2, learning_rate=3.0, schedule="constant")
    train.run(store, tmp_path / "model", chosen, ONE_THREAD)
    with (tmp_path / "model" / "training.csv").open() as handle:
        rows = [row for row in csv.DictReader(handle) if row["member"] == "1"]
    losses = [float(row["validation_loss"]) for row in rows]
    assert len(rows) < 40
    assert len(rows) == int(np.argmin(losses)) + 1 + 2


@pytest.mark.parametrize("keep", ["best", "last"])
def test_run__keeps_the_weights_asked_for(
    store: pathlib.Path, tmp_path: pathlib.Path, keep: str
) -> None:
    chosen = pseudobulks.settings(epochs=6, learning_rate=0.3, schedule="constant", keep=keep)
    folder = tmp_path / "model"
    train.run(store, folder, chosen, ONE_THREAD)
    with (folder / "training.csv").open() as handle:
        losses = [float(r["validation_loss"]) for r in csv.DictReader(handle) if r["member"] == "1"]
    learner = kinds.load(folder)
    network = kinds.load_networks(learner, folder)[0]
    opened = read.open_store(store)
    kept = provision.Provision("memory", True, (), 0)
    feeds = provision.open_feeds(learner, opened, chosen.training, kept)
    trainer = fit.Trainer(learner, feeds, folder, chosen.training, ONE_THREAD)
    expected = min(losses) if keep == "best" else losses[-1]
    assert min(losses) < losses[-1]
    assert trainer.validate(network)["loss"] == pytest.approx(expected, rel=1e-5)


def test_run__bf16_is_close_to_fp32(
    store: pathlib.Path, trained: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    train.run(store, tmp_path / "m", pseudobulks.settings(precision="bf16"), ONE_THREAD)
    exact, rounded = (
        model_folder.read_card(path).scores["headline"] for path in (trained, tmp_path / "m")
    )
    for name, value in exact.items():
        assert rounded[name] == pytest.approx(value, abs=0.05)


def test_run__a_loss_that_is_no_number_is_told(store: pathlib.Path, tmp_path: pathlib.Path) -> None:
    chosen = pseudobulks.settings(learning_rate=1e30)
    with pytest.raises(errors.ValuesError, match=r"Lower \[training\] learning_rate"):
        train.run(store, tmp_path / "m", chosen, ONE_THREAD)


def test_learning_rate__follows_its_schedule() -> None:
    def rates(**chosen: object) -> list[float]:
        settings = optimise.TrainingSettings.model_validate(
            {"epochs": 4, "learning_rate": 1, **chosen}
        )
        return [optimise.learning_rate(settings, step, 2) for step in range(8)]

    assert rates(schedule="constant") == [1.0] * 8
    stepped = rates(schedule="step", step_epochs=2)
    assert stepped == pytest.approx([1, 1, 1, 1, 0.1, 0.1, 0.1, 0.1])
    cosine = rates(schedule="cosine")
    assert cosine[0] == 1
    assert cosine[4] == pytest.approx(0.5)
    assert cosine[6] == pytest.approx((1 - np.sqrt(0.5)) / 2)


def test_training_settings__refuse_fp16() -> None:
    assert train.TrainingSettings(precision="bf16").precision == "bf16"
    with pytest.raises(pydantic.ValidationError):
        train.TrainingSettings.model_validate({"precision": "fp16"})


def test_build__takes_its_weights_from_its_own_seed(store: pathlib.Path) -> None:
    learner = pseudobulks.learn(store)
    before = torch.get_rng_state()
    one, again, other = (fit.build(learner, 0, seed).state_dict() for seed in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), before)
    name = "trunk.weight"
    assert torch.equal(one[name], again[name])
    assert not torch.equal(one[name], other[name])


GENERIC = ("task", "stream", "train", "fit", "optimise", "folders", "checkpoint", "precision")


@pytest.mark.parametrize("name", [*GENERIC, "curve", "kinds", "predict", "infer", "pipeline"])
def test_engine__names_no_kind_of_network_nor_its_axes(name: str) -> None:
    folder = pathlib.Path(next(iter(bluebatch.engine.__path__)))
    text = (folder / f"{name}.py").read_text().lower()
    assert not re.findall(r"u-net|unet|cell_type|cell type", text)
