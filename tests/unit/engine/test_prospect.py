import pathlib
from collections.abc import Callable

import pytest
import torch
from unit.engine import toy

from bluebatch import errors
from bluebatch.engine import infer, kinds, precision
from bluebatch.run import partition

pytestmark = pytest.mark.usefixtures("toy_kind")

EXACT = infer.InferenceSettings(precision="fp32")


@pytest.fixture
def inputs(tmp_path: pathlib.Path) -> tuple[pathlib.Path, pathlib.Path]:
    cells = toy.write_cells(tmp_path / "cells.zarr", 1100)
    return cells, toy.write_model(tmp_path / "model")


def test_preview__counts_by_the_axes_of_the_model(
    inputs: tuple[pathlib.Path, pathlib.Path], tmp_path: pathlib.Path
) -> None:
    told = infer.preview(*inputs, tmp_path / "out.zarr", EXACT)
    assert told.sizes == {"cells": 1100, "parts read": 2, "parts written": 2, "draws": 3}
    # Blocks of 256 in partitions of 1,024: four, and one of 76 cells.
    assert (told.n_blocks, told.n_partitions, told.n_tasks) == (5, 2, 2)
    # 9 chunks of level (128, 2); 18 x 2 of level_draw (64, 3, 1); labels of 3 axes; 6 zarr.json.
    assert told.n_files == 9 + 18 * 2 + 3 + 6
    assert told.n_bytes == 9 * (128 * 2 * 4 + 4) + 36 * (64 * 3 * 4 + 4)
    assert told.peak_memory_bytes <= told.budget_bytes
    assert told.memory_items["weights"] > 0


def test_preview__tells_what_stands_there(
    inputs: tuple[pathlib.Path, pathlib.Path], tmp_path: pathlib.Path
) -> None:
    out = tmp_path / "out.zarr"
    assert not any("there" in note for note in infer.preview(*inputs, out, EXACT).notes)
    infer.init(*inputs, out, EXACT)
    assert "an unfinished run" in infer.preview(*inputs, out, EXACT).notes[-1]
    infer.run(*inputs, out, EXACT)
    told = infer.preview(*inputs, out, EXACT)
    assert "already complete" in told.notes[-1]
    assert told.seconds is None
    with pytest.raises(errors.OutputExistsError, match="--overwrite"):
        infer.preview(*inputs, out, EXACT, infer.Options(seed=1))
    replacing = infer.Options(seed=1, overwrite=True)
    assert infer.preview(*inputs, out, EXACT, replacing).seconds is not None
    assert infer.run(*inputs, out, EXACT).state == "complete"


def test_init__leaves_tasks_what_they_need(
    inputs: tuple[pathlib.Path, pathlib.Path], tmp_path: pathlib.Path
) -> None:
    told = infer.init(*inputs, tmp_path / "out.zarr", EXACT, infer.Options(seed=3), per_task=2)
    assert (told.done, told.n_tasks) == (True, 1)
    plan = partition.Plan.load(tmp_path / "out.zarr")
    assert plan.sources["cohort"] == str(inputs[0])
    assert plan.sources["model"] == str(inputs[1])
    assert (plan.settings["seed"], plan.settings["precision"]) == (3, "fp32")
    assert len(plan.chain["cohort"]) == 2
    assert plan.per_task == 2


def test_init__for_gpus_where_there_is_none(
    inputs: tuple[pathlib.Path, pathlib.Path],
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    gpu, out = infer.Options(device="cuda"), tmp_path / "out.zarr"
    told = infer.init(*inputs, out, EXACT, gpu)
    assert (told.done, told.seconds) == (True, None)
    assert infer.init(*inputs, out, EXACT, gpu).notes[-1].startswith("an unfinished run")
    assert partition.Plan.load(out).settings["device"] == "cuda"
    # Tasks need one, as does this process if it is to do the work, or to settle what is open.
    with pytest.raises(errors.ResourceError, match="shows no CUDA device"):
        infer.work(out, [0], gpu)
    with pytest.raises(errors.ResourceError, match="shows no CUDA device"):
        infer.run(*inputs, tmp_path / "other.zarr", EXACT, gpu)
    with pytest.raises(errors.ResourceError, match="shows no CUDA device"):
        infer.init(*inputs, tmp_path / "other.zarr", None, gpu)
    assert not (tmp_path / "other.zarr").exists()


def test_run__settles_the_precision_once(
    inputs: tuple[pathlib.Path, pathlib.Path],
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(precision, "has_bf16", lambda device: True)
    infer.init(*inputs, tmp_path / "out.zarr")
    # What decided then would decide otherwise now, and is not asked.
    monkeypatch.setattr(toy.Task, "accepts", lambda *arguments: False)
    summary = infer.run(*inputs, tmp_path / "out.zarr")
    assert (summary.state, summary.precision) == ("resumed", "bf16")
    assert partition.Plan.load(tmp_path / "out.zarr").settings["precision"] == "bf16"


def test_run__loads_no_model_over_a_complete_store(
    inputs: tuple[pathlib.Path, pathlib.Path],
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(precision, "has_bf16", lambda device: True)
    infer.run(*inputs, tmp_path / "out.zarr")

    def fail(*arguments: object) -> None:
        raise AssertionError("weights were loaded")

    monkeypatch.setattr(kinds, "load_networks", fail)
    assert infer.run(*inputs, tmp_path / "out.zarr").state == "complete"


@pytest.mark.parametrize("verb", [infer.preview, infer.init, infer.run])
def test_infer__is_priced_before_the_model_is_loaded(
    inputs: tuple[pathlib.Path, pathlib.Path],
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
    verb: Callable[..., object],
) -> None:
    def fail(*arguments: object) -> None:
        raise AssertionError("weights were loaded")

    monkeypatch.setattr(kinds, "load_networks", fail)
    with pytest.raises(errors.ResourceError, match=r"--max-memory 1\.0 MB: this run needs"):
        verb(*inputs, tmp_path / "out.zarr", EXACT, infer.Options(max_memory=10**6))
    assert not (tmp_path / "out.zarr").exists()
