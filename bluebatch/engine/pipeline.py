"""Blocks of a store through a model into another store, overlapped, by partitions that are marked.

Each block is read, predicted and written by a Dask graph on two threads: while the model, behind
its lock, works on one block, the other thread writes the last and reads the next. So no more than
two blocks are in memory, however long the store is.
"""

import concurrent.futures
import dataclasses
import math
from collections.abc import Callable, Iterator, Sequence

import zarr
from dask import base
from dask.delayed import delayed

from bluebatch.engine import predict, task
from bluebatch.run import partition, progress
from bluebatch.store import schema, write

BLOCK_ROWS = 256
WORKERS = 2
# A graph is made for so many partitions at a time: it stays small however long the store is.
PARTITIONS_PER_GRAPH = 64


@dataclasses.dataclass
class _Block:
    """Rows on their way; emptied as soon as they are written."""

    rows: slice
    inputs: task.Arrays
    predictions: task.Arrays


class Pipeline:
    """A model between an input and the result store of a job.

    Parameters
    ----------
    reader : task.Reader
        The input.
    predictor : predict.Predictor
        The model.
    job : partition.Job
        The result.
    block_rows : int
        Rows read, predicted and written together: a multiple of the chunks' and micro-batch's.
    """

    def __init__(
        self,
        reader: task.Reader,
        predictor: predict.Predictor,
        job: partition.Job,
        block_rows: int,
    ) -> None:
        self.reader = reader
        self.predictor = predictor
        self.job = job
        self.block_rows = block_rows
        self.group: zarr.Group = job.group()

    def fill(self, unit: str) -> None:
        """Write every partition that is not marked yet.

        Parameters
        ----------
        unit : str
            Name of a row in the plural, for the progress bar.

        Raises
        ------
        errors.DiskFullError
            If no space is left; what is marked stays.
        """
        pending = self.job.pending()
        n_rows = sum(part.rows.stop - part.rows.start for part in pending)
        with (
            progress.bar("infer", total=n_rows, unit=unit) as step,
            # Leaving waits for the tasks that run, so nothing is written behind the caller's back.
            concurrent.futures.ThreadPoolExecutor(WORKERS) as pool,
        ):
            for first in range(0, len(pending), PARTITIONS_PER_GRAPH):
                marks = self._graph(pending[first : first + PARTITIONS_PER_GRAPH], step)
                base.compute(marks, scheduler="threads", pool=pool)  # type: ignore[no-untyped-call]

    def _graph(
        self, partitions: Sequence[partition.Partition], step: progress.Step
    ) -> list[object]:
        # pure=False: tasks are named at random, not by hashing the weights.
        read = delayed(self._read, pure=False, traverse=False)
        apply = delayed(self._apply, pure=False, traverse=False)
        store = delayed(self._store, pure=False, traverse=False)
        mark = delayed(self._mark, pure=False, traverse=False)
        marks: list[object] = []
        for part in partitions:
            clock = partition.timer()
            written = [
                store(apply(read(start, stop)), step) for start, stop in self._blocks(part.rows)
            ]
            marks.append(mark(part.number, part.rows.start, part.rows.stop, clock, written))
        return marks

    def _blocks(self, rows: slice) -> Iterator[tuple[int, int]]:
        for start in range(rows.start, rows.stop, self.block_rows):
            yield start, min(start + self.block_rows, rows.stop)

    def _read(self, start: int, stop: int) -> _Block:
        rows = slice(start, stop)
        return _Block(rows, self.reader.inputs(rows), {})

    def _apply(self, block: _Block) -> _Block:
        block.predictions = self.predictor(block.inputs, block.rows.start)
        return block

    def _store(self, block: _Block, step: progress.Step) -> None:
        arrays = self.reader.finish(block.predictions, block.inputs)
        for name, values in arrays.items():
            write.write(self.group, name, block.rows, values)
        step(block.rows.stop - block.rows.start)
        block.inputs, block.predictions = {}, {}

    def _mark(
        self, number: int, start: int, stop: int, clock: Callable[[], float], written: list[None]
    ) -> None:
        del written
        self.job.mark(partition.Partition(number, slice(start, stop)), clock())


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
