"""The order in which training rows come, whatever of them fits in memory.

Blocks are shuffled, then the rows within each window of blocks, from a generator keyed by seed and
epoch. Where the whole split fits it is read once and kept; else windows are read when their turn
comes, by a thread that is one window ahead where two of them fit. The batches are the same.
"""

import logging
import threading
from collections.abc import Generator, Iterator, Sequence
from concurrent import futures
from contextlib import closing
from typing import Final, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from bluebatch.engine import stream, task

# From what takes most memory and least time to what takes least memory.
Holding = Literal["memory", "two windows", "one window"]
HOLDINGS: Final[tuple[Holding, ...]] = ("memory", "two windows", "one window")

_log = logging.getLogger(__name__)

Indices = npt.NDArray[np.int64]
_Window = tuple[task.Arrays, Indices]


class Feed:
    """Shuffled batches of a split.

    Parameters
    ----------
    split : stream.Split
        Where rows come from.
    batch : int
        Rows of a batch; the last one may hold fewer.
    window : int
        Blocks within which rows are shuffled.
    holding : {"memory", "two windows", "one window"}
        What is held at once. Rows that are drawn anew are never kept beyond their window.
    """

    def __init__(
        self, split: stream.Split, batch: int, window: int, holding: Holding = "memory"
    ) -> None:
        self.n_rows = split.n_rows
        self.holding = holding
        self._split = split
        self._batch = batch
        self._window = window
        self._kept: task.Arrays | None = None
        self._buffers: list[task.Arrays] = []
        layout = split.layout()
        if holding == "memory" and not split.fresh:
            self._kept = layout.allocate(split.n_rows)
            fill(split, self._kept, range(len(split.blocks)))
        else:
            n_buffers = 2 if holding == "two windows" else 1
            rows = window_rows(split, window)
            self._buffers = [layout.allocate(rows) for _ in range(n_buffers)]
        _log.debug("%s: %s rows, held: %s", split.name, f"{split.n_rows:,}", holding)

    def n_batches(self) -> int:
        """Count the batches of an epoch.

        Returns
        -------
        int
            The same in every epoch: what a window leaves over begins the next one's first batch.
        """
        return -(-self.n_rows // self._batch)

    def batches(self, seed: int, epoch: int) -> Generator[task.Arrays, None, None]:
        """Draw an epoch's batches.

        Parameters
        ----------
        seed, epoch : int
            On which alone the order depends, and what is drawn anew.

        Yields
        ------
        dict of str to np.ndarray
            Arrays of one batch, which nothing else holds.

        Notes
        -----
        Close the generator where it is left early: a thread may be reading ahead.
        """
        rng = np.random.default_rng(np.random.SeedSequence([seed, epoch]))
        order = rng.permutation(len(self._split.blocks))
        windows = [order[i : i + self._window] for i in range(0, len(order), self._window)]
        left: task.Arrays | None = None
        with closing(self._load(windows, (seed, epoch))) as loaded:
            for arrays, rows in loaded:
                rng.shuffle(rows)
                n_left = 0 if left is None else stream.count(left)
                for chosen in np.split(rows, range(self._batch - n_left, len(rows), self._batch)):
                    taken = {name: array[chosen] for name, array in arrays.items()}
                    whole = taken if left is None else _join(left, taken)
                    left = None
                    if stream.count(whole) < self._batch:
                        left = whole
                    else:
                        yield whole
        if left is not None and stream.count(left):
            yield left

    def _load(
        self, windows: list[Indices], draw: tuple[int, int]
    ) -> Generator[_Window, None, None]:
        """Give the arrays that hold each window, and its rows among theirs."""
        if self._kept is not None:
            starts = self._split.starts
            for window in windows:
                rows = [np.arange(starts[block], starts[block + 1]) for block in window]
                yield self._kept, np.concatenate(rows)
            return
        buffers = [self._buffers[i % len(self._buffers)] for i in range(len(windows))]
        if len(self._buffers) == 1:
            for buffer, window in zip(buffers, windows, strict=True):
                yield buffer, np.arange(fill(self._split, buffer, window, draw))
            return
        yield from self._load_ahead(buffers, windows, draw)

    def _load_ahead(
        self, buffers: list[task.Arrays], windows: list[Indices], draw: tuple[int, int]
    ) -> Iterator[_Window]:
        stopped = threading.Event()
        with futures.ThreadPoolExecutor(1, thread_name_prefix="look-ahead") as pool:

            def read(index: int) -> futures.Future[int]:
                return pool.submit(fill, self._split, buffers[index], windows[index], draw, stopped)

            try:
                coming = read(0)
                for index, buffer in enumerate(buffers):
                    n_rows = coming.result()
                    # The window before has been trained on: its buffer is free again.
                    if index + 1 < len(buffers):
                        coming = read(index + 1)
                    yield buffer, np.arange(n_rows)
            finally:
                stopped.set()


class Held:
    """Batches of a split in its own order.

    Parameters
    ----------
    split : stream.Split
        Where rows come from.
    batch : int
        Rows of a batch; batches end where a block does.
    is_kept : bool
        Whether its rows stay in memory; else each block is read when its turn comes.
    """

    def __init__(self, split: stream.Split, batch: int, *, is_kept: bool = True) -> None:
        self.n_rows = split.n_rows
        self._split = split
        self._batch = batch
        self._kept: task.Arrays | None = None
        if is_kept:
            self._kept = split.layout().allocate(split.n_rows)
            fill(split, self._kept, range(len(split.blocks)))

    def batches(self) -> Iterator[task.Arrays]:
        """Give every row once.

        Yields
        ------
        dict of str to np.ndarray
            Arrays of one batch.
        """
        for index in range(len(self._split.blocks)):
            arrays = self._block(index)
            for start in range(0, stream.count(arrays), self._batch):
                rows = slice(start, start + self._batch)
                yield {name: array[rows] for name, array in arrays.items()}

    def _block(self, index: int) -> task.Arrays:
        if self._kept is None:
            return self._split.read(index)
        rows = slice(*self._split.starts[index : index + 2])
        return {name: array[rows] for name, array in self._kept.items()}


class Feeds(NamedTuple):
    """What the networks of a model are fitted on, and judged by.

    Parameters
    ----------
    training : Feed
        Shuffled.
    validation : Held
        In order; may hold no row.
    """

    training: Feed
    validation: Held


def fill(
    split: stream.Split,
    buffer: task.Arrays,
    blocks: Sequence[int] | Indices,
    draw: tuple[int, int] = (0, 0),
    stopped: threading.Event | None = None,
) -> int:
    """Read blocks into arrays, one after another.

    Parameters
    ----------
    split : stream.Split
        Whose blocks.
    buffer : dict of str to np.ndarray
        With room for them.
    blocks : sequence of int
        Which.
    draw : tuple of int
        Seed and epoch of what is drawn anew.
    stopped : threading.Event, optional
        Once it is set, nothing more is read.

    Returns
    -------
    int
        Rows filled.
    """
    filled = 0
    for block in blocks:
        if stopped is not None and stopped.is_set():
            break
        arrays = split.read(int(block), draw)
        n_rows = stream.count(arrays)
        for name, array in arrays.items():
            buffer[name][filled : filled + n_rows] = array
        filled += n_rows
    return filled


def window_rows(split: stream.Split, window: int) -> int:
    """Count the rows of the largest window that may come.

    Parameters
    ----------
    split : stream.Split
        Of which.
    window : int
        Blocks of a window.

    Returns
    -------
    int
        No more than the split has.
    """
    counts = np.sort(np.diff(split.starts))[::-1]
    return int(counts[:window].sum())


def _join(left: task.Arrays, right: task.Arrays) -> task.Arrays:
    return {name: np.concatenate([array, right[name]]) for name, array in left.items()}
