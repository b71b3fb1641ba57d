"""From blocks of stores to tensors: the one place where a training set becomes batches.

A split of a training store is read by the store's own aligned blocks, as it stands or, where the
kind of model can, drawn anew. `bluebatch.engine.feed` holds what is read and shuffles it.
"""

import hashlib
import tracemalloc
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


class Layout(NamedTuple):
    """What the rows of a split take.

    Parameters
    ----------
    arrays : dict of str to np.ndarray
        No rows of each array: its shape beyond the rows, and its type.
    row_bytes : int
        Inputs and targets of one row.
    reading_bytes : int
        What reading one block holds at its peak, the block itself included.
    """

    arrays: task.Arrays
    row_bytes: int
    reading_bytes: int

    def allocate(self, n_rows: int) -> task.Arrays:
        """Make room for rows.

        Parameters
        ----------
        n_rows : int
            How many.

        Returns
        -------
        dict of str to np.ndarray
            Not filled.
        """
        return {
            name: np.empty((n_rows, *array.shape[1:]), array.dtype)
            for name, array in self.arrays.items()
        }


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
    fresh : bool
        Whether its rows are drawn anew each time, rather than read.
    """

    def __init__(
        self, learner: task.Task, store: read.Store, name: str, *, fresh: bool = False
    ) -> None:
        self._learner = learner
        self._store = store
        self.name = name
        self.fresh = fresh
        rows = np.asarray(learner.rows(store, name), dtype=np.int64)
        self.n_rows = len(rows)
        self.blocks = cut(rows, store.n_rows)
        counts = [len(block.kept) for block in self.blocks]
        self.starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)

    def read(self, index: int, draw: tuple[int, int] = (0, 0)) -> task.Arrays:
        """Read one block's examples, or draw them.

        Parameters
        ----------
        index : int
            Which block.
        draw : tuple of int
            Seed and epoch, on which with the block alone hangs what is drawn anew.

        Returns
        -------
        dict of str to np.ndarray
            Rows of this split only.
        """
        rows, kept = self.blocks[index]
        if self.fresh:
            number = rows.start // BLOCK_ROWS
            rng = np.random.default_rng(keyed_seed(*draw, number))
            arrays = self._learner.fresh(self._store, rows, rng)
        else:
            arrays = self._learner.examples(self._store, rows)
        if len(kept) == rows.stop - rows.start:
            return arrays
        return {name: array[kept] for name, array in arrays.items()}

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

    def layout(self) -> Layout:
        """Read a block and see what it takes.

        Returns
        -------
        Layout
            Of nothing for an empty split.
        """
        if not self.n_rows:
            return Layout({}, 0, 0)
        index = int(np.argmax(np.diff(self.starts)))
        if self.fresh:
            # What drawing keeps for good is not part of what one block takes.
            self.read(index)
        was_tracing = tracemalloc.is_tracing()
        tracemalloc.start()
        try:
            before, _ = tracemalloc.get_traced_memory()
            tracemalloc.reset_peak()
            block = self.read(index)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            if not was_tracing:
                tracemalloc.stop()
        n_rows = len(self.blocks[index].kept)
        row_bytes = sum(array.nbytes for array in block.values()) // n_rows
        empty = {name: array[:0].copy() for name, array in block.items()}
        return Layout(empty, row_bytes, peak - before)


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


def count(arrays: task.Arrays) -> int:
    """Count the rows.

    Parameters
    ----------
    arrays : dict of str to np.ndarray
        Rows first.

    Returns
    -------
    int
        The same for each.
    """
    return len(next(iter(arrays.values())))


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
