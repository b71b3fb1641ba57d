"""How a run is cut into blocks and lanes, and what it then holds in memory."""

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch

from bluebatch import errors
from bluebatch.engine import kinds, task
from bluebatch.run import memory, partition
from bluebatch.store import schema

BLOCK_ROWS = 256
# More of one block at a time take twice the time on a disk, and their memory.
CHUNKS_WRITTEN_AT_ONCE = 2
# Of threads, and of libraries that are loaded at the first use.
FIXED_BYTES = 130 * 10**6
# What a micro-batch frees stays with the process, and what another asks for does not always fit
# into the gaps: measured, 0.7 to 1.1 times what is in use at a time.
GAPS = 1.25
# Threads that feed one GPU: one computes while others copy, finish and write.
GPU_LANES = 3
# Of a GPU's free memory: the rest is for the libraries and what they round up.
GPU_SHARE = 0.9


class Means(NamedTuple):
    """What a run may use.

    Parameters
    ----------
    device : torch.device
        Where the networks run.
    dtypes : tuple of torch.dtype
        Every precision in which they are held at the same time.
    micro_batch : int
        Rows that they see at once.
    threads : int
        Of the processor.
    budget_bytes : int
        That may be resident.
    """

    device: torch.device
    dtypes: tuple[torch.dtype, ...]
    micro_batch: int
    threads: int
    budget_bytes: int


class Sizes(NamedTuple):
    """How much of a run is worked on at a time; changes no result.

    Parameters
    ----------
    rows : int
        Read, predicted and written together: a multiple of the chunks' and the micro-batch's.
    n_blocks : int
        So many rows in memory at a time.
    n_lanes : int
        Micro-batches computed at a time.
    items : tuple of memory.Item
        What the process holds at its peak.
    """

    rows: int
    n_blocks: int
    n_lanes: int
    items: tuple[memory.Item, ...] = ()


def plan(trained: task.Task, reader: task.Reader, result: task.Result, means: Means) -> Sizes:
    """Choose how much is worked on at a time, so that a run fits its memory.

    Parameters
    ----------
    trained : task.Task
        The model; its weights are priced and not loaded.
    reader : task.Reader
        The input.
    result : task.Result
        The store to be filled.
    means : Means
        What the run may use.

    Returns
    -------
    Sizes
        The most that fits: first as many lanes as threads, then fewer.

    Raises
    ------
    errors.ResourceError
        If one block and one lane do not fit.
    """
    price = _price(trained, reader, result, means)
    rows, _ = row_steps(result.spec, means.micro_batch)
    most_lanes = _lanes_on_gpu(price, means) if means.device.type == "cuda" else means.threads
    for n_lanes, n_blocks in _choices(most_lanes, means.micro_batch, rows):
        sizes = Sizes(rows, n_blocks, n_lanes, _items(price, means, (rows, n_blocks, n_lanes)))
        if sum(item.n_bytes for item in sizes.items) <= means.budget_bytes:
            return sizes
    memory.require(sizes.items, means.budget_bytes, "apply a smaller model")
    return sizes


def row_steps(spec: schema.StoreSpec, micro_batch: int) -> tuple[int, int]:
    """Cut a store into blocks and partitions that share no chunk and no micro-batch.

    Parameters
    ----------
    spec : schema.StoreSpec
        The result store.
    micro_batch : int
        Rows that a network sees at once.

    Returns
    -------
    tuple of int
        Rows of a block and of a partition: multiples of the micro-batch and of the chunk rows of
        every array that grows with the rows; the block at least `BLOCK_ROWS`, the partition at
        most `partition.PARTITION_ROWS` unless a block is more.
    """
    chunks = [array.chunks[0] or 1 for array in spec.arrays if array.dims[:1] == (spec.row,)]
    step = math.lcm(micro_batch, *chunks)
    block = -(-BLOCK_ROWS // step) * step
    return block, max(1, partition.PARTITION_ROWS // block) * block


class _Price(NamedTuple):
    """Bytes of what a run holds, each once; ``*_row`` for one row."""

    weights: int
    conversion: int
    network_row: int
    finishing_row: int
    reading_row: int
    block_row: int
    writing: int


def _price(trained: task.Task, reader: task.Reader, result: task.Result, means: Means) -> _Price:
    of_row, members = reader.price(), range(len(trained.card.members))
    networks = [
        kinds.blank_network(trained, member).price(dtype)
        for member in members
        for dtype in means.dtypes
    ]
    by_row = [
        (array, array.chunk_shape(shape))
        for array in result.spec.arrays
        if array.dims[:1] == (result.spec.row,) and array.name not in result.leave_out
        for shape in [tuple(len(result.coordinates[axis]) for axis in array.dims)]
    ]
    result_row = sum(
        math.prod(len(result.coordinates[axis]) for axis in array.dims[1:]) * _item_bytes(array)
        for array, _ in by_row
    )
    chunk = max(math.prod(shape) * _item_bytes(array) for array, shape in by_row)
    as_trained = sum(
        kinds.blank_network(trained, member).price().weight_bytes for member in members
    )
    return _Price(
        weights=sum(network.weight_bytes for network in networks),
        conversion=0 if means.dtypes == (torch.float32,) else as_trained,
        network_row=max(network.row_bytes for network in networks),
        finishing_row=of_row.finishing,
        reading_row=of_row.reading - of_row.inputs,
        block_row=of_row.inputs + result_row,
        # Each is copied out of its block, and once more to append its checksum.
        writing=2 * CHUNKS_WRITTEN_AT_ONCE * chunk,
    )


def _items(price: _Price, means: Means, sizes: tuple[int, int, int]) -> tuple[memory.Item, ...]:
    rows, n_blocks, n_lanes = sizes
    in_lanes = price.finishing_row + price.network_row
    held = {
        "process": memory.resident_bytes(),
        "weights": price.weights,
        f"micro-batches ({n_lanes})": n_lanes * means.micro_batch * in_lanes,
        f"blocks ({n_blocks})": n_blocks * rows * price.block_row,
        # A block is read, or predicted, or written.
        "reading and writing": n_blocks * max(rows * price.reading_row, price.writing),
    }
    held["libraries and gaps"] = FIXED_BYTES + int(GAPS * held[f"micro-batches ({n_lanes})"])
    # The weights are converted before the first block is read.
    more = price.conversion - sum(held.values()) + held["process"] + held["weights"]
    held["converting weights"] = max(0, more)
    return tuple(memory.Item(name, n_bytes) for name, n_bytes in held.items())


def _choices(threads: int, micro_batch: int, rows: int) -> Iterator[tuple[int, int]]:
    """Give lanes and blocks in the order in which they are tried."""
    for n_lanes in range(max(1, threads), 0, -1):
        # As many blocks as keep the lanes busy, and one that is read or written meanwhile.
        yield n_lanes, 1 - (-n_lanes * micro_batch // rows)
    yield 1, 1


def _lanes_on_gpu(price: _Price, means: Means) -> int:
    free = int(GPU_SHARE * torch.cuda.mem_get_info(means.device)[0])
    lane = means.micro_batch * price.network_row
    fit = (free - price.weights) // lane
    if fit < 1:
        raise errors.ResourceError(
            f"{means.device}: has {memory.tell(free)} free, this model needs "
            f"{memory.tell(price.weights + lane)} (weights {memory.tell(price.weights)}). "
            "End what else runs there, give --precision bf16, or --device cpu."
        )
    return min(fit, GPU_LANES)


def _item_bytes(array: schema.ArraySpec) -> int:
    # Text by row is a pointer, and short.
    return 64 if array.dtype == "str" else np.dtype(array.dtype).itemsize
