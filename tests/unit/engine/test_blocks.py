import pathlib

import pytest
import torch
from unit.engine import toy

from bluebatch import errors
from bluebatch.engine import blocks
from bluebatch.run import memory
from bluebatch.store import read

pytestmark = pytest.mark.usefixtures("toy_kind")

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def process_of_a_megabyte(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "resident_bytes", lambda: 10**6)


def plan(
    tmp_path: pathlib.Path,
    budget_bytes: int = 10**12,
    threads: int = 2,
    device: torch.device = CPU,
    dtypes: tuple[torch.dtype, ...] = (torch.float32,),
) -> blocks.Sizes:
    path = tmp_path / "cells.zarr"
    if not path.exists():
        toy.write_cells(path, 700)
    reader = toy.Reader(read.open_store(path))
    means = blocks.Means(device, dtypes, 64, threads, budget_bytes)
    return blocks.plan(toy.Task(toy.card(), {}), reader, reader.result(), means)


def total(sizes: blocks.Sizes) -> int:
    return sum(item.n_bytes for item in sizes.items)


def test_plan__prices_what_is_held(tmp_path: pathlib.Path) -> None:
    held = dict(plan(tmp_path).items)
    assert held["process"] == 10**6
    # Two members of 104 bytes.
    assert held["weights"] == 2 * 104
    # Two lanes of 64 rows of 56 bytes.
    assert held["micro-batches (2)"] == 2 * 64 * 56
    # Two blocks of 256 rows: 12 channels read; 2 levels and 3 x 2 draws written, each 4 bytes.
    assert held["blocks (2)"] == 2 * 256 * 4 * (12 + 2 + 6)
    # Reading takes 96 bytes a row beyond what is kept: more than two chunks of 128 x 2 levels
    # that are copied twice.
    assert held["reading and writing"] == 2 * 256 * 96
    assert held["converting weights"] == 0


def test_plan__holds_both_precisions_until_one_is_settled(tmp_path: pathlib.Path) -> None:
    both = plan(tmp_path, dtypes=(torch.bfloat16, torch.float32))
    assert dict(both.items)["weights"] == 4 * 104


@pytest.mark.parametrize(
    ("threads", "n_blocks"),
    # Four micro-batches are a block; one block more is read or written.
    [(1, 2), (2, 2), (4, 2), (5, 3), (64, 17)],
)
def test_plan__keeps_every_thread_busy(tmp_path: pathlib.Path, threads: int, n_blocks: int) -> None:
    sizes = plan(tmp_path, threads=threads)
    assert (sizes.rows, sizes.n_blocks, sizes.n_lanes) == (256, n_blocks, threads)


def test_plan__takes_fewer_lanes_where_memory_is_short(tmp_path: pathlib.Path) -> None:
    most = plan(tmp_path, threads=64)
    fewer = plan(tmp_path, total(most) - 1, threads=64)
    assert fewer.n_lanes == 63
    assert total(fewer) < total(most)


def test_plan__one_block_and_one_lane_at_least(tmp_path: pathlib.Path) -> None:
    two = plan(tmp_path, threads=1)
    least = plan(tmp_path, total(two) - 1, threads=8)
    assert (least.n_blocks, least.n_lanes) == (1, 1)
    with pytest.raises(errors.ResourceError, match="Give at least --max-memory"):
        plan(tmp_path, total(least) - 1, threads=8)


def test_plan__the_number_of_the_refusal_will_do(tmp_path: pathlib.Path) -> None:
    with pytest.raises(errors.ResourceError) as caught:
        plan(tmp_path, 1000)
    number = str(caught.value).split("Give at least --max-memory ")[1].split(",")[0]
    assert total(plan(tmp_path, memory.parse(number))) <= memory.parse(number)


def test_plan__a_gpu_takes_the_lanes_that_fit(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lane, weights = 64 * 56, 2 * 104
    gpu = torch.device("cuda")

    def free(n_bytes: float) -> None:
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (int(n_bytes), 10**12))

    free(10**12)
    assert plan(tmp_path, threads=16, device=gpu).n_lanes == blocks.GPU_LANES
    free((weights + 2.5 * lane) / blocks.GPU_SHARE)
    assert plan(tmp_path, threads=16, device=gpu).n_lanes == 2
    free((weights + 0.5 * lane) / blocks.GPU_SHARE)
    with pytest.raises(errors.ResourceError, match=r"cuda: has [0-9.]+ MB free, this"):
        plan(tmp_path, device=gpu)
