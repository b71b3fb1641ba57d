import pathlib
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
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


def rows_of(batches: Iterator[task.Arrays]) -> list[npt.NDArray[np.float32]]:
    return [batch["log_cpm"] for batch in batches]


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
    arrays = stream.join(list(split))
    assert arrays["log_cpm"].shape == (1200, 30)
    assert split.row_bytes() == 4 * (30 + 3 * 30 + 3)


@pytest.mark.parametrize("window", [1, 2, 64])
def test_batches__are_the_same_from_memory_and_from_the_store(
    split: stream.Split, window: int
) -> None:
    kept = stream.Feed(split, 64, window, keep_bytes=1 << 30)
    read_again = stream.Feed(split, 64, window, keep_bytes=0)
    assert kept.is_kept
    assert not read_again.is_kept
    pairs = zip(rows_of(kept.batches(1, 0)), rows_of(read_again.batches(1, 0)), strict=True)
    for ours, theirs in pairs:
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("window", [1, 3, 64])
def test_batches__hold_every_row_once_in_full_batches(split: stream.Split, window: int) -> None:
    feed = stream.Feed(split, 64, window, keep_bytes=0)
    batches = rows_of(feed.batches(7, 2))
    assert [len(batch) for batch in batches] == [64] * 18 + [48]
    assert len(batches) == feed.n_batches()
    found = np.concatenate(batches)
    everything = stream.join(list(split))["log_cpm"]
    np.testing.assert_array_equal(np.sort(found, axis=0), np.sort(everything, axis=0))


def test_batches__are_drawn_anew_each_epoch_and_alike_for_one_seed(split: stream.Split) -> None:
    feed = stream.Feed(split, 64, 64, keep_bytes=1 << 30)
    first, again = (np.concatenate(rows_of(feed.batches(1, 0))) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, np.concatenate(rows_of(feed.batches(1, 1))))
    assert not np.array_equal(first, np.concatenate(rows_of(feed.batches(2, 0))))


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
