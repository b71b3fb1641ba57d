"""Another kind of model runs through the same engine, which knows no kind by name."""

import pathlib
import re

import numpy as np
import pytest
from unit.engine import toy

from bluebatch import engine
from bluebatch.engine import infer, train
from bluebatch.store import read

GENERIC = (
    "task",
    "stream",
    "train",
    "fit",
    "checkpoint",
    "curve",
    "precision",
    "predict",
    "pipeline",
    "blocks",
    "applied",
    "prospect",
    "filling",
    "infer",
    "infer_summary",
    "kinds",
)


@pytest.mark.parametrize("name", GENERIC)
def test_engine__knows_no_kind_by_its_parts(name: str) -> None:
    file = pathlib.Path(next(iter(engine.__path__))) / f"{name}.py"
    found = re.findall(r"u-net|unet|cell_type", file.read_text(), flags=re.IGNORECASE)
    assert not found


@pytest.mark.usefixtures("toy_kind")
def test_engine__trains_and_applies_another_kind(tmp_path: pathlib.Path) -> None:
    cells = toy.write_cells(tmp_path / "cells.zarr", 1024)
    settings = train.Settings(training=train.TrainingSettings(epochs=20, learning_rate=0.02))
    model = settings.model.model_copy(update={"kind": "toy"})
    settings = settings.model_copy(update={"model": model})
    train.run(cells, tmp_path / "model", settings, train.Options(device="cpu", threads=1))
    exact = infer.InferenceSettings(precision="fp32")
    infer.run(cells, tmp_path / "model", tmp_path / "out.zarr", exact)
    learnt = read.open_store(tmp_path / "out.zarr", "toy_draws").read("level")
    # What is to be learnt is linear, with a standard deviation of sqrt(2).
    truth = read.open_store(cells).read("level")
    assert np.sqrt(np.mean((learnt - truth) ** 2)) < 0.2
