"""From blocks of stores to tensors: the one place where a training set becomes batches.

Training order does not hang on memory. Blocks are shuffled, then the rows within each window of
blocks, from a generator keyed by seed and epoch; where the whole split fits it is read once and
kept, else each window is read when its turn comes, and either way the batches are the same.
"""

import hashlib
import logging
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from bluebatch import errors
from bluebatch.engine import task
from bluebatch.models import contract
from bluebatch.store import read, schema

BLOCK_ROWS = schema.ROWS_PER_CHUNK

_log = logging.getLogger(__name__)

Indices = npt.NDArray[np.int64]


class Block(NamedTuple):
    """Rows of one split within one aligned block of the store.

    Parameters
    ----------
    rows : slice
        Of the store.
    kept : np.ndarray of int
        Which of these belong to the split, counted from the start of ``rows``.
    """

    rows: slice
    kept: Indices


class Split:
    """One split of a training store, read by aligned blocks.

    Parameters
    ----------
    learner : task.Task
        It says which rows, and what of them.
    store : read.Store
        Training store.
    name : str
        ``"train"``, ``"validation"`` or ``"test"``.
    """

    def __init__(self, learner: task.Task, store: read.Store, name: str) -> None:
        self._learner = learner
        self._store = store
        self.name = name
        rows = np.asarray(learner.rows(store, name), dtype=np.int64)
        self.n_rows = len(rows)
        self.blocks = cut(rows, store.n_rows)
        counts = [len(block.kept) for block in self.blocks]
        self.starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)

    def read(self, index: int) -> task.Arrays:
        """Read one block's examples.

        Parameters
        ----------
        index : int
            Which block.

        Returns
        -------
        dict of str to np.ndarray
            Rows of this split only.
        """
        block = self.blocks[index]
        arrays = self._learner.examples(self._store, block.rows)
        if len(block.kept) == block.rows.stop - block.rows.start:
            return arrays
        return {name: array[block.kept] for name, array in arrays.items()}

    def __iter__(self) -> Iterator[task.Arrays]:
        return (self.read(index) for index in range(len(self.blocks)))

    def require_rows(self) -> None:
        """Refuse a split from which nothing can be learnt.

        Raises
        ------
        errors.ValuesError
            If it holds fewer than two rows.
        """
        if self.n_rows < 2:
            raise errors.ValuesError(
                f"{self._store.path}: holds {self.n_rows} rows of the split {self.name}, "
                "needed: at least 2. Make the store again with a larger fraction of them."
            )

    def row_bytes(self) -> int:
        """Price one row.

        Returns
        -------
        int
            Bytes of its inputs and targets; 0 for an empty split.
        """
        if not self.n_rows:
            return 0
        first = self.read(0)
        return sum(array.nbytes for array in first.values()) // len(self.blocks[0].kept)


class Feed:
    """Shuffled batches of a split.

    Parameters
    ----------
    split : Split
        Where rows come from.
    batch : int
        Rows of a batch; the last one may hold fewer.
    window : int
        Blocks within which rows are shuffled.
    keep_bytes : int
        The split is kept in memory if it takes no more.
    """

    def __init__(self, split: Split, batch: int, window: int, keep_bytes: int) -> None:
        self._split = split
        self._batch = batch
        self._window = window
        needed = split.row_bytes() * split.n_rows
        self.is_kept = needed <= keep_bytes
        self._kept = join(list(split)) if self.is_kept and split.n_rows else None
        where = "memory" if self.is_kept else "the store, window by window"
        message = "%s: %s rows, %.2f GB, from %s"
        _log.debug(message, split.name, f"{split.n_rows:,}", needed / 1e9, where)

    def n_batches(self) -> int:
        """Count the batches of an epoch.

        Returns
        -------
        int
            The same in every epoch: what a window leaves over begins the next one's first batch.
        """
        return -(-self._split.n_rows // self._batch)

    def batches(self, seed: int, epoch: int) -> Iterator[task.Arrays]:
        """Draw an epoch's batches.

        Parameters
        ----------
        seed, epoch : int
            On which alone the order depends.

        Yields
        ------
        dict of str to np.ndarray
            Arrays of one batch.
        """
        rng = np.random.default_rng(np.random.SeedSequence([seed, epoch]))
        order = rng.permutation(len(self._split.blocks))
        windows = [order[i : i + self._window] for i in range(0, len(order), self._window)]
        left: task.Arrays | None = None
        for window in windows:
            arrays, rows = self._load(window)
            rng.shuffle(rows)
            cuts = self._cuts(len(rows), 0 if left is None else len(next(iter(left.values()))))
            for chosen in np.split(rows, cuts):
                taken = {name: array[chosen] for name, array in arrays.items()}
                whole = taken if left is None else join([left, taken])
                left = None
                if len(next(iter(whole.values()))) < self._batch:
                    left = whole
                else:
                    yield whole
        if left is not None and len(next(iter(left.values()))):
            yield left

    def _cuts(self, n_rows: int, n_left: int) -> list[int]:
        return list(range(self._batch - n_left, n_rows, self._batch))

    def _load(self, window: Indices) -> tuple[task.Arrays, Indices]:
        starts = self._split.starts
        if self._kept is not None:
            rows = [np.arange(starts[block], starts[block + 1]) for block in window]
            return self._kept, np.concatenate(rows)
        arrays = join([self._split.read(int(block)) for block in window])
        return arrays, np.arange(sum(starts[block + 1] - starts[block] for block in window))


def cut(rows: Indices, n_rows: int) -> list[Block]:
    """Cut rows into the aligned blocks of their store.

    Parameters
    ----------
    rows : np.ndarray of int
        In increasing order.
    n_rows : int
        Of the store.

    Returns
    -------
    list of Block
        Blocks that hold any of the rows.
    """
    blocks = []
    for number in np.unique(rows // BLOCK_ROWS):
        start = int(number) * BLOCK_ROWS
        stop = min(start + BLOCK_ROWS, n_rows)
        kept = rows[(rows >= start) & (rows < stop)]
        # Read no further than the split's own rows.
        begin, end = int(kept[0]), int(kept[-1]) + 1
        blocks.append(Block(slice(begin, end), kept - begin))
    return blocks


def join(blocks: list[task.Arrays]) -> task.Arrays:
    """Join blocks of rows.

    Parameters
    ----------
    blocks : list of dict of str to np.ndarray
        At least one; the same names in each.

    Returns
    -------
    dict of str to np.ndarray
        Rows one after another.
    """
    if len(blocks) == 1:
        return blocks[0]
    return {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}


def to_batch(arrays: task.Arrays, device: torch.device) -> contract.Batch:
    """Turn arrays into tensors where the network is.

    Parameters
    ----------
    arrays : dict of str to np.ndarray
        Rows first.
    device : torch.device
        Processor or GPU.

    Returns
    -------
    contract.Batch
        On a processor they share the arrays' memory.
    """
    tensors = {
        name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in arrays.items()
    }
    if device.type != "cuda":
        return tensors
    return {
        name: tensor.pin_memory().to(device, non_blocking=True) for name, tensor in tensors.items()
    }


def keyed_seed(*key: int) -> int:
    """Make a seed that depends on a key alone.

    Parameters
    ----------
    *key : int
        E.g. seed, member and epoch.

    Returns
    -------
    int
        63 bits of the key's digest.
    """
    digest = hashlib.sha256(repr(key).encode()).digest()
    return int.from_bytes(digest[:8], "little") >> 1
