import errno
import pathlib
import threading
import warnings

import numpy as np
import numpy.typing as npt
import pytest
import torch
import xarray as xr
import zarr
from unit.engine import toy

from bluebatch import errors
from bluebatch.engine import blocks, infer, kinds, precision, task
from bluebatch.store import digests, model_folder, read, schema, write

pytestmark = pytest.mark.usefixtures("toy_kind")

EXACT = infer.InferenceSettings(precision="fp32")


@pytest.fixture
def model(tmp_path: pathlib.Path) -> pathlib.Path:
    return toy.write_model(tmp_path / "model")


def arrays(path: pathlib.Path) -> dict[str, bytes]:
    store = read.open_store(path)
    return {spec.name: store.read(spec.name).tobytes() for spec in store.spec.arrays}


def test_run__writes_what_the_members_predict(tmp_path: pathlib.Path, model: pathlib.Path) -> None:
    cells = toy.write_cells(tmp_path / "cells.zarr", 700)
    summary = infer.run(cells, model, tmp_path / "out.zarr", EXACT)
    networks = kinds.load_networks(kinds.load(model), model)
    signal = torch.from_numpy(read.open_store(cells).read("signal"))
    with torch.no_grad():
        outputs = [network({"signal": signal})["level"] for network in networks]
    expected = torch.stack(outputs).mean(dim=0).numpy()
    store = read.open_store(tmp_path / "out.zarr", "toy_draws")
    np.testing.assert_allclose(store.read("level"), expected, rtol=1e-4, atol=1e-6)
    assert store.labels["cell"][699] == "cell-699"
    assert not np.isnan(store.read("level_draw")).any()
    assert (summary.state, summary.n_rows, summary.n_partitions) == ("new", 700, 1)
    assert "700 cells, 1 partition, fp32 on cpu" in summary.as_text()
    assert summary.as_dict()["notes"] == ("toy: all is measured",)


def test_run__names_what_it_was_made_from(tmp_path: pathlib.Path, model: pathlib.Path) -> None:
    cells = toy.write_cells(tmp_path / "cells.zarr", 20)
    infer.run(cells, model, tmp_path / "out.zarr", EXACT)
    attributes = read.open_store(tmp_path / "out.zarr").attributes
    assert attributes["model_digest"] == model_folder.digest(model)
    assert attributes["cohort_digest"] == digests.of_store(cells)
    assert attributes["made_by"] == "toy"
    assert attributes["inference"]["precision"] == "fp32"
    assert attributes["inference"]["presence"] == 0.01
    assert "torch" in attributes["versions"]


def test_run__opens_in_plain_xarray(tmp_path: pathlib.Path, model: pathlib.Path) -> None:
    cells = toy.write_cells(tmp_path / "cells.zarr", 20)
    infer.run(cells, model, tmp_path / "out.zarr", EXACT)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        dataset = xr.open_zarr(str(tmp_path / "out.zarr"))
        picked = dataset["level_draw"].sel(cell="cell-7", part="right").to_numpy()
    assert picked.shape == (toy.N_DRAWS,)


@pytest.mark.parametrize("block_rows", [128, 256, 512])
def test_run__blocks_do_not_matter(
    tmp_path: pathlib.Path,
    model: pathlib.Path,
    block_rows: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cells = toy.write_cells(tmp_path / "cells.zarr", 657)
    infer.run(cells, model, tmp_path / "plain.zarr", EXACT)
    monkeypatch.setattr(blocks, "BLOCK_ROWS", block_rows)
    infer.run(cells, model, tmp_path / "other.zarr", EXACT)
    assert arrays(tmp_path / "plain.zarr") == arrays(tmp_path / "other.zarr")


def test_run__complete_says_so_and_does_nothing(
    tmp_path: pathlib.Path, model: pathlib.Path
) -> None:
    cells = toy.write_cells(tmp_path / "cells.zarr", 1100)
    infer.run(cells, model, tmp_path / "out.zarr", EXACT)
    before = digests.of_store(tmp_path / "out.zarr")
    summary = infer.run(cells, model, tmp_path / "out.zarr", EXACT)
    assert summary.state == "complete"
    assert "already complete" in summary.as_text()
    assert digests.of_store(tmp_path / "out.zarr") == before


def test_run__resumes_after_a_full_disk(
    tmp_path: pathlib.Path, model: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cells = toy.write_cells(tmp_path / "cells.zarr", 2100)
    infer.run(cells, model, tmp_path / "whole.zarr", EXACT)
    n_written = 0

    def fail_late(group: zarr.Group, name: str, rows: slice, values: object) -> None:
        nonlocal n_written
        n_written += 1
        with write.room_on_disk("here"):
            if n_written > 13:
                raise OSError(errno.ENOSPC, "full")
        original(group, name, rows, np.asarray(values))

    original = write.write
    monkeypatch.setattr(write, "write", fail_late)
    with pytest.raises(errors.DiskFullError, match="no space left"):
        infer.run(cells, model, tmp_path / "out.zarr", EXACT)
    with pytest.raises(errors.IncompleteError):
        read.open_store(tmp_path / "out.zarr")
    monkeypatch.setattr(write, "write", original)
    summary = infer.run(cells, model, tmp_path / "out.zarr", EXACT)
    # Two arrays, four blocks a partition: the first partition takes eight writes.
    assert (summary.state, summary.n_partitions, summary.n_skipped) == ("resumed", 3, 1)
    assert "3 partitions, 1 skipped as finished before" in summary.as_text()
    assert arrays(tmp_path / "out.zarr") == arrays(tmp_path / "whole.zarr")


def test_run__refuses_an_input_that_changed(
    tmp_path: pathlib.Path, model: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cells = toy.write_cells(tmp_path / "cells.zarr", 300)

    def interrupt(*arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(write, "write", interrupt)
        with pytest.raises(KeyboardInterrupt):
            infer.run(cells, model, tmp_path / "out.zarr", EXACT)
    write.clear(cells)
    toy.write_cells(cells, 300, seed=1)
    with pytest.raises(errors.ChangedInputError, match="another cohort"):
        infer.run(cells, model, tmp_path / "out.zarr", EXACT)
    summary = infer.run(cells, model, tmp_path / "out.zarr", EXACT, infer.Options(overwrite=True))
    assert summary.state == "new"


def test_run__refuses_a_foreign_output(tmp_path: pathlib.Path, model: pathlib.Path) -> None:
    cells = toy.write_cells(tmp_path / "cells.zarr", 20)
    (tmp_path / "out.zarr").mkdir()
    with pytest.raises(errors.OutputExistsError, match="--overwrite"):
        infer.run(cells, model, tmp_path / "out.zarr", EXACT)


def test_run__refuses_another_kind_of_store(tmp_path: pathlib.Path, model: pathlib.Path) -> None:
    cells = toy.write_cells(tmp_path / "cells.zarr", 20)
    infer.run(cells, model, tmp_path / "out.zarr", EXACT)
    with pytest.raises(errors.ForeignStoreError, match="is a toy_draws store, needed: toy_cells"):
        infer.run(tmp_path / "out.zarr", model, tmp_path / "again.zarr", EXACT)


def test_run__auto_takes_bf16_where_the_task_accepts_it(
    tmp_path: pathlib.Path, model: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cells = toy.write_cells(tmp_path / "cells.zarr", 20)
    monkeypatch.setattr(precision, "has_bf16", lambda device: True)
    summary = infer.run(cells, model, tmp_path / "accepted.zarr")
    assert summary.precision == "bf16"
    monkeypatch.setattr(toy.Task, "accepts", lambda *arguments: False)
    summary = infer.run(cells, model, tmp_path / "refused.zarr")
    assert summary.precision == "fp32"
    assert "strays too far" in summary.as_text()
    monkeypatch.setattr(precision, "has_bf16", lambda device: False)
    assert infer.run(cells, model, tmp_path / "plain.zarr").precision == "fp32"
    assert arrays(tmp_path / "refused.zarr") == arrays(tmp_path / "plain.zarr")


def test_run__refuses_fp16_on_a_processor(tmp_path: pathlib.Path, model: pathlib.Path) -> None:
    options = infer.Options(device="cpu", precision="fp16")
    with pytest.raises(errors.ResourceError, match="--precision fp16"):
        infer.run("cells.zarr", model, tmp_path / "out.zarr", options=options)


def test_run__refuses_broken_weights(tmp_path: pathlib.Path, model: pathlib.Path) -> None:
    cells = toy.write_cells(tmp_path / "cells.zarr", 20)
    (model / "member_1.safetensors").write_bytes(b"short")
    with pytest.raises(errors.ForeignStoreError, match=r"member_1.*no weights of this model"):
        infer.run(cells, model, tmp_path / "out.zarr", EXACT)
    assert not (tmp_path / "out.zarr").exists()


def test_run__refuses_a_kind_it_does_not_know(
    tmp_path: pathlib.Path, model: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(kinds.KINDS, "toy")
    with pytest.raises(errors.ForeignStoreError, match="is of kind 'toy', needed: unmix"):
        infer.run("cells.zarr", model, tmp_path / "out.zarr", EXACT)


def test_fill__holds_two_blocks_at_most(
    tmp_path: pathlib.Path, model: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cells = toy.write_cells(tmp_path / "cells.zarr", 3000)
    lock, held, most = threading.Lock(), 0, 0

    def inputs(self: toy.Reader, rows: slice) -> task.Arrays:
        nonlocal held, most
        with lock:
            held += 1
            most = max(most, held)
        return read_inputs(self, rows)

    def last(group: zarr.Group, name: str, rows: slice, values: npt.ArrayLike) -> None:
        nonlocal held
        write_rows(group, name, rows, values)
        with lock:
            held -= name == "level_draw"

    read_inputs, write_rows = toy.Reader.inputs, write.write
    monkeypatch.setattr(toy.Reader, "inputs", inputs)
    monkeypatch.setattr(write, "write", last)
    infer.run(cells, model, tmp_path / "out.zarr", EXACT, infer.Options(threads=2))
    assert most <= 2
    assert held == 0


def test_row_steps__share_no_chunk() -> None:
    # Chunks of 128 and 64 rows: blocks of 256; the profile's of 256 likewise.
    assert blocks.row_steps(toy.DRAWS, 64) == (256, 1024)
    assert blocks.row_steps(schema.PROFILE, 64) == (256, 1024)
    odd = schema.StoreSpec(
        "odd", "cell", (schema.ArraySpec("part", ("cell",), "float32", "", "", (96,)),)
    )
    # Least common multiple of 64 and 96 is 192; 384 is its first multiple from 256 on.
    assert blocks.row_steps(odd, 64) == (384, 768)
