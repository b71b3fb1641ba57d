import pathlib
import threading
from collections.abc import Iterator
from contextlib import closing

import numpy as np
import numpy.typing as npt
import pytest
from unit.engine import pseudobulks

from bluebatch.engine import feed, stream, task
from bluebatch.store import read

N_ROWS = 1200  # Of 1500: four blocks of 256 rows and one of 176.


@pytest.fixture(scope="module")
def split(tmp_path_factory: pytest.TempPathFactory) -> stream.Split:
    path = pseudobulks.write_store(tmp_path_factory.mktemp("rows") / "s.zarr", 1500)
    return stream.Split(pseudobulks.learn(path), read.open_store(path), "train")


def rows_of(batches: Iterator[task.Arrays]) -> list[npt.NDArray[np.float32]]:
    return [batch["log_cpm"] for batch in batches]


def of_every_holding(split: stream.Split, window: int) -> list[list[npt.NDArray[np.float32]]]:
    feeds = [feed.Feed(split, 64, window, holding) for holding in feed.HOLDINGS]
    return [rows_of(each.batches(1, 0)) for each in feeds]


def threads_reading_ahead() -> list[str]:
    return [each.name for each in threading.enumerate() if each.name.startswith("look-ahead")]


@pytest.mark.parametrize("window", [1, 2, 3, 64])
def test_batches__are_the_same_whatever_is_held(split: stream.Split, window: int) -> None:
    kept, ahead, alone = of_every_holding(split, window)
    for one, two, three in zip(kept, ahead, alone, strict=True):
        np.testing.assert_array_equal(one, two)
        np.testing.assert_array_equal(one, three)


@pytest.mark.parametrize("holding", feed.HOLDINGS)
@pytest.mark.parametrize("window", [1, 3, 64])
def test_batches__hold_every_row_once_in_full_batches(
    split: stream.Split, window: int, holding: feed.Holding
) -> None:
    chosen = feed.Feed(split, 64, window, holding)
    batches = rows_of(chosen.batches(7, 2))
    assert [len(batch) for batch in batches] == [64] * 18 + [48]
    assert len(batches) == chosen.n_batches()
    everything = np.concatenate([block["log_cpm"] for block in split])
    found = np.concatenate(batches)
    np.testing.assert_array_equal(np.sort(found, axis=0), np.sort(everything, axis=0))


def test_batches__are_shuffled_within_their_window_only(split: stream.Split) -> None:
    everything = np.concatenate([block["log_cpm"] for block in split])
    place = {row.tobytes(): index for index, row in enumerate(everything)}
    found = np.concatenate(rows_of(feed.Feed(split, 64, 1).batches(3, 0)))
    blocks = np.array([place[row.tobytes()] // 256 for row in found])
    # One block after another, each in one piece, in an order of its own.
    changes = np.flatnonzero(np.diff(blocks))
    assert len(changes) == 4
    assert sorted(blocks[[0, *(changes + 1)]]) == [0, 1, 2, 3, 4]


def test_batches__are_drawn_anew_each_epoch_and_alike_for_one_seed(split: stream.Split) -> None:
    kept = feed.Feed(split, 64, 64)
    first, again = (np.concatenate(rows_of(kept.batches(1, 0))) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, np.concatenate(rows_of(kept.batches(1, 1))))
    assert not np.array_equal(first, np.concatenate(rows_of(kept.batches(2, 0))))


def test_batches__survive_the_windows_that_follow(split: stream.Split) -> None:
    # Buffers are used again: what was yielded must not change with them.
    batches = feed.Feed(split, 64, 1, "two windows").batches(1, 0)
    first = next(batches)["log_cpm"]
    before = first.copy()
    assert len(list(batches)) == 18
    np.testing.assert_array_equal(first, before)


def test_batches__a_window_ahead_is_read_and_no_more(
    split: stream.Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, done = stream.Split.read, threading.Semaphore(0)
    asked: list[int] = []

    def counted(self: stream.Split, index: int, draw: tuple[int, int] = (0, 0)) -> task.Arrays:
        asked.append(index)
        try:
            return whole(self, index, draw)
        finally:
            done.release()

    chosen = feed.Feed(split, 64, 1, "two windows")
    monkeypatch.setattr(stream.Split, "read", counted)
    with closing(chosen.batches(1, 0)) as batches:
        next(batches)
        for _ in range(2):
            assert done.acquire(timeout=30)
        assert not done.acquire(timeout=0.2)
    assert len(asked) == 2


def test_batches__what_fails_in_the_thread_reaches_the_caller(
    split: stream.Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = stream.Split.read
    chosen = feed.Feed(split, 64, 1, "two windows")

    def failing(self: stream.Split, index: int, draw: tuple[int, int] = (0, 0)) -> task.Arrays:
        if index == 3:
            raise OSError("the disk is gone")
        return whole(self, index, draw)

    monkeypatch.setattr(stream.Split, "read", failing)
    with pytest.raises(OSError, match="the disk is gone"):
        list(chosen.batches(1, 0))
    assert not threads_reading_ahead()


@pytest.mark.parametrize("stop", [KeyboardInterrupt, ValueError])
def test_batches__left_early_leave_no_thread(
    split: stream.Split, stop: type[BaseException]
) -> None:
    def leave() -> None:
        with closing(feed.Feed(split, 64, 1, "two windows").batches(1, 0)) as batches:
            next(batches)
            assert threads_reading_ahead()
            raise stop

    with pytest.raises(stop):
        leave()
    assert not threads_reading_ahead()


@pytest.mark.parametrize("is_kept", [True, False])
def test_held__gives_its_rows_in_order_and_ends_a_batch_with_a_block(
    split: stream.Split, is_kept: bool
) -> None:
    batches = rows_of(feed.Held(split, 100, is_kept=is_kept).batches())
    assert [len(batch) for batch in batches] == [100, 100, 56] * 4 + [100, 76]
    everything = np.concatenate([block["log_cpm"] for block in split])
    np.testing.assert_array_equal(np.concatenate(batches), everything)


def test_held__may_be_empty(tmp_path: pathlib.Path) -> None:
    path = pseudobulks.write_store(tmp_path / "s.zarr", 300, (1.0, 1.0))
    empty = stream.Split(pseudobulks.learn(path), read.open_store(path), "validation")
    assert list(feed.Held(empty, 64).batches()) == []


def test_window_rows__are_those_of_the_largest_blocks(split: stream.Split) -> None:
    assert [feed.window_rows(split, window) for window in (1, 4, 5, 64)] == [256, 1024, 1200, 1200]
