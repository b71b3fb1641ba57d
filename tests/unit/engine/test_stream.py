import pathlib

import numpy as np
import pytest
import torch
from unit.engine import pseudobulks

from bluebatch.engine import stream, task
from bluebatch.store import read


@pytest.fixture(scope="module")
def learner(tmp_path_factory: pytest.TempPathFactory) -> task.Task:
    path = pseudobulks.write_store(tmp_path_factory.mktemp("stream") / "s.zarr", 1500)
    return pseudobulks.learn(path)


@pytest.fixture(scope="module")
def split(learner: task.Task, tmp_path_factory: pytest.TempPathFactory) -> stream.Split:
    path = pseudobulks.write_store(tmp_path_factory.mktemp("rows") / "s.zarr", 1500)
    return stream.Split(learner, read.open_store(path), "train")


def test_cut__keeps_blocks_aligned_and_reads_no_further_than_needed() -> None:
    blocks = stream.cut(np.array([3, 5, 254, 255, 256, 600]), 610)
    assert [(block.rows.start, block.rows.stop) for block in blocks] == [
        (3, 256),
        (256, 257),
        (600, 601),
    ]
    assert blocks[0].kept.tolist() == [0, 2, 251, 252]


def test_split__reads_every_row_of_its_own_and_no_other(split: stream.Split) -> None:
    assert split.n_rows == 1200
    found = np.concatenate([block["fraction"] for block in split])
    np.testing.assert_array_equal(found, split._store.read("rna_fraction")[:1200])


def test_layout__prices_a_row_and_what_reading_a_block_takes(split: stream.Split) -> None:
    layout = split.layout()
    assert layout.row_bytes == 4 * (30 + 3 * 30 + 3)
    # At least profiles of all 36 genes and of the 30 chosen ones, at one time.
    assert layout.reading_bytes > 256 * 4 * 3 * (36 + 30)
    room = layout.allocate(7)
    assert {name: array.shape for name, array in room.items()} == {
        "log_cpm": (7, 30),
        "profile": (7, 3, 30),
        "fraction": (7, 3),
    }
    assert all(array.dtype == np.float32 for array in room.values())


def test_to_batch__shares_memory_on_a_processor() -> None:
    values = np.ones((2, 3), np.float32)
    batch = stream.to_batch({"x": values}, torch.device("cpu"))
    values[0, 0] = 5
    assert float(batch["x"][0, 0]) == 5


def test_keyed_seed__depends_on_the_whole_key() -> None:
    assert stream.keyed_seed(1, 2) == stream.keyed_seed(1, 2)
    assert len({stream.keyed_seed(1, 2), stream.keyed_seed(2, 1), stream.keyed_seed(12)}) == 3
    assert 0 <= stream.keyed_seed(5) < 2**63


def test_write_store__is_what_the_other_tests_assume(tmp_path: pathlib.Path) -> None:
    store = read.open_store(pseudobulks.write_store(tmp_path / "s.zarr"), "pseudobulk")
    assert store.n_rows == 300
    np.testing.assert_allclose(store.read("proportion").sum(1), 1, rtol=1e-5)
