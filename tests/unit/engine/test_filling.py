import pathlib
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from unit.engine import toy

from bluebatch import errors
from bluebatch.engine import filling, infer, kinds, precision
from bluebatch.models import contract
from bluebatch.run import cluster, memory, partition, staged
from bluebatch.store import places, read

pytestmark = pytest.mark.usefixtures("toy_kind")

EXACT = infer.InferenceSettings(precision="fp32")
N_CELLS = 2 * 1024 + 17
CPU = filling.Resources(device="cpu", threads=1)


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> list[places.Place]:
    """Note every time that weights are loaded."""
    found = []

    def note(trained: object, folder: places.Place) -> list[contract.Model]:
        found.append(folder)
        return original(trained, folder)  # type: ignore[arg-type]

    original = kinds.load_networks
    monkeypatch.setattr(kinds, "load_networks", note)
    return found


@pytest.fixture
def begun(tmp_path: pathlib.Path) -> pathlib.Path:
    cells = toy.write_cells(tmp_path / "cells.zarr", N_CELLS)
    model = toy.write_model(tmp_path / "model")
    infer.init(cells, model, tmp_path / "out.zarr", EXACT, infer.Options(device="cpu"))
    return tmp_path / "out.zarr"


def levels(path: pathlib.Path) -> bytes:
    return read.open_store(path).read("level").tobytes()


def test_fill_partition__keeps_the_model_for_the_next(
    begun: pathlib.Path, loads: list[places.Place]
) -> None:
    found = [filling.fill_partition(str(begun), number, CPU) for number in (1, 0)]
    assert [(each["number"], each["written"]) for each in found] == [(1, True), (0, True)]
    assert all(each["peak_memory_bytes"] > 0 for each in found)
    assert len(loads) == 1
    assert not filling.fill_partition(str(begun), 1, CPU)["written"]
    assert [part.number for part in partition.load_job(begun).pending()] == [2]


def test_fill_partition__takes_another_run_at_the_same_path_for_another(
    begun: pathlib.Path, loads: list[places.Place]
) -> None:
    filling.fill_partition(str(begun), 0, CPU)
    model = toy.write_model(begun.with_name("other"), n_members=1)
    options = infer.Options(device="cpu", overwrite=True)
    infer.init(begun.with_name("cells.zarr"), model, begun, EXACT, options)
    loads.clear()
    assert filling.fill_partition(str(begun), 0, CPU)["written"]
    assert loads == [model]


def test_work__loads_no_model_where_all_is_whole(
    begun: pathlib.Path, loads: list[places.Place]
) -> None:
    infer.work(begun, [0, 2], infer.Options(threads=1))
    loads.clear()
    summary = infer.work(begun, [2, 0], infer.Options(threads=1))
    assert (summary.done, summary.skipped) == ([], [2, 0])
    assert "0 of 3 partitions written, 2 skipped as finished before" in summary.as_text()
    assert not loads
    assert summary.start_up_seconds == 0


def test_work__keeps_the_precision_that_init_settled(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cells = toy.write_cells(tmp_path / "cells.zarr", 70)
    model = toy.write_model(tmp_path / "model")
    rounded = infer.InferenceSettings(precision="bf16")
    infer.run(cells, model, tmp_path / "whole.zarr", rounded)
    monkeypatch.setattr(precision, "has_bf16", lambda device: True)
    infer.init(cells, model, tmp_path / "out.zarr")
    monkeypatch.setattr(precision, "has_bf16", lambda device: False)
    monkeypatch.setattr(toy.Task, "accepts", lambda *arguments: False)
    infer.work(tmp_path / "out.zarr", [0])
    staged.finalise(tmp_path / "out.zarr", "infer")
    assert levels(tmp_path / "out.zarr") == levels(tmp_path / "whole.zarr")
    # Nor does the command itself, if it is to go on with what tasks began, settle it anew.
    assert infer.run(cells, model, tmp_path / "out.zarr").precision == "bf16"


def test_pick_device__stays_with_the_kind_that_the_run_began_on() -> None:
    begun = {kind: plan_on(kind) for kind in ("cpu", "cuda")}
    assert filling.pick_device(begun["cpu"], "auto") == torch.device("cpu")
    with pytest.raises(errors.ConfigError, match=r"--device cpu: the run began on cuda"):
        filling.pick_device(begun["cuda"], "cpu")
    if not torch.cuda.is_available():
        with pytest.raises(errors.ResourceError, match="shows no CUDA device"):
            filling.pick_device(begun["cuda"], "auto")


def plan_on(kind: str) -> partition.Plan:
    return partition.Plan(command="infer", settings={"device": kind}, inputs={}, n_rows=1)


def test_run__on_workers_gives_the_same_store(
    begun: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs = (begun.with_name("cells.zarr"), begun.with_name("model"))
    infer.run(*inputs, begun.with_name("whole.zarr"), EXACT, infer.Options(device="cpu"))
    given = []

    def spread(
        job: partition.Job, work: cluster.Work, options: cluster.ClusterOptions, unit: str
    ) -> Sequence[dict[str, Any]]:
        given.append((options.cluster, unit))
        done = [work(part.number) for part in reversed(job.pending())]
        # A worker that was lost may have marked its partition, and tells nothing.
        return [*done[1:], {}]

    monkeypatch.setattr(cluster, "spread", spread)
    options = infer.Options(device="cpu", cluster="local", workers=2)
    summary = infer.run(*inputs, begun, EXACT, options)
    assert given == [("local", "cells")]
    assert (summary.state, summary.n_skipped, summary.n_partitions) == ("resumed", 0, 3)
    assert summary.peak_memory_bytes > 0
    assert levels(begun) == levels(begun.with_name("whole.zarr"))
    assert infer.run(*inputs, begun, EXACT, options).state == "complete"
    assert len(given) == 1
    assert "one worker" in infer.preview(*inputs, begun, EXACT, options).notes[-1]


def test_options__divide_the_memory_among_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "resident_bytes", lambda: 4 * 10**8)
    options = infer.Options(device="cpu", cluster="local", workers=4, max_memory=8 * 10**9)
    assert options.means == filling.Resources("cpu", None, 19 * 10**8)
    assert infer.Options(max_memory=8 * 10**9).means.max_memory == 8 * 10**9
