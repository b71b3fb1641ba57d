"""Blocks of a store through a model into another store, overlapped, by partitions that are marked.

A Dask graph has one task a block (read, predict, write) and one a partition (flush, mark), on a few
threads. The micro-batches of the blocks in memory queue for lanes, threads of one core each: while
they compute, the other threads read the next block, write the last one, and flush. So there are
never more blocks in memory than was planned, however long the store is.
"""

import concurrent.futures
import contextlib
import functools
import queue
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
import zarr
from dask import base
from dask.delayed import delayed

from bluebatch.engine import blocks, precision, predict, task
from bluebatch.run import memory, partition, progress
from bluebatch.store import places, write

# A graph is made for so many partitions at a time: it stays small however long the store is.
PARTITIONS_PER_GRAPH = 64

_Lanes = concurrent.futures.ThreadPoolExecutor


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
    sizes : blocks.Sizes
        How much is worked on at a time; changes no result.
    """

    def __init__(
        self,
        reader: task.Reader,
        predictor: predict.Predictor,
        job: partition.Job,
        sizes: blocks.Sizes,
    ) -> None:
        self.reader = reader
        self.predictor = predictor
        self.job = job
        self.sizes = sizes
        self.group: zarr.Group = job.group()

    def fill(self, parts: Sequence[partition.Partition], unit: str) -> None:
        """Write partitions and mark each as it is whole.

        Parameters
        ----------
        parts : sequence of partition.Partition
            Of the job, claimed by the caller.
        unit : str
            Name of a row in the plural, for the progress bar.

        Raises
        ------
        errors.DiskFullError
            If no space is left; what is marked stays.
        """
        n_rows = sum(part.n_rows for part in parts)
        with (
            progress.bar("infer", total=n_rows, unit=unit) as step,
            # One more than blocks, to flush. Leaving waits for the tasks that run, so nothing is
            # written behind the caller's back.
            concurrent.futures.ThreadPoolExecutor(self.sizes.n_blocks + 1) as pool,
            open_lanes(self.sizes.n_lanes) as lanes,
            zarr.config.set(self._write_settings()),
        ):
            work = _Work(self, lanes, step)
            for first in range(0, len(parts), PARTITIONS_PER_GRAPH):
                marks = work.graph(parts[first : first + PARTITIONS_PER_GRAPH])
                base.compute(marks, scheduler="threads", pool=pool)  # type: ignore[no-untyped-call]

    def _write_settings(self) -> dict[str, int]:
        """Limit the chunks made at once, where none waits for a network."""
        is_local = places.is_local(self.job.path)
        return {"async.concurrency": blocks.CHUNKS_WRITTEN_AT_ONCE} if is_local else {}


class _Work:
    """One call of `Pipeline.fill`: its threads, and the arrays that its blocks are made in."""

    def __init__(self, pipeline: Pipeline, lanes: _Lanes, step: progress.Step) -> None:
        self._reader, self._predictor = pipeline.reader, pipeline.predictor
        self._job, self._group = pipeline.job, pipeline.group
        self._rows, self._lanes, self._step = pipeline.sizes.rows, lanes, step
        self._planned = sum(item.n_bytes for item in pipeline.sizes.items)
        # Results of written blocks are written over: new arrays would be mapped in page by page.
        self._spare: queue.SimpleQueue[task.Arrays] = queue.SimpleQueue()
        for _ in range(pipeline.sizes.n_blocks):
            self._spare.put(self._blank())

    def graph(self, parts: Sequence[partition.Partition]) -> list[object]:
        # pure=False: tasks are named at random, not by hashing the weights.
        block = delayed(self._block, pure=False, traverse=False)
        mark = delayed(self._mark, pure=False, traverse=False)
        marks: list[object] = []
        for part in parts:
            clock, stop = partition.timer(), part.rows.stop
            starts = range(part.rows.start, stop, self._rows)
            written = [block(start, min(start + self._rows, stop)) for start in starts]
            marks.append(mark(part.number, part.rows.start, stop, clock, written))
        return marks

    def _block(self, start: int, stop: int) -> None:
        # There are more threads than blocks may be in memory: one waits here, or flushes.
        results = self._spare.get()
        try:
            inputs = self._reader.inputs(slice(start, stop))
            offsets = range(0, stop - start, self._predictor.micro_batch)
            compute = functools.partial(self._compute, inputs, results, start)
            names, *_ = self._lanes.map(compute, offsets)
            del inputs
            for name in names:
                write.write(self._group, name, slice(start, stop), results[name][: stop - start])
        finally:
            self._spare.put(results)
        self._step(stop - start)

    def _compute(
        self, inputs: task.Arrays, results: task.Arrays, first_row: int, offset: int
    ) -> list[str]:
        rows = slice(offset, offset + self._predictor.micro_batch)
        part = {name: values[rows] for name, values in inputs.items()}
        finished = self._reader.finish(self._predictor(part, first_row + offset), part)
        for name, values in finished.items():
            results[name][offset : offset + len(values)] = values
        # Lanes that ask for memory in turns leave gaps, and more of them the longer they run.
        if memory.resident_bytes() > self._planned:
            precision.trim_allocator()
        return list(finished)

    def _blank(self) -> task.Arrays:
        declared, n_rows = self._reader.result(), min(self._rows, self._job.plan.n_rows)
        blank: task.Arrays = {}
        for spec in declared.spec.arrays:
            array = self._group.get(spec.name)
            if spec.dims[:1] == (declared.spec.row,) and isinstance(array, zarr.Array):
                blank[spec.name] = np.empty((n_rows, *array.shape[1:]), array.dtype)
        return blank

    def _mark(
        self, number: int, start: int, stop: int, clock: Callable[[], float], written: list[None]
    ) -> None:
        del written
        self._job.mark(partition.Partition(number, slice(start, stop)), clock())


@contextlib.contextmanager
def open_lanes(n_lanes: int) -> Iterator[_Lanes]:
    """Start threads for micro-batches, of one core each: their bits hang on no number of cores.

    Parameters
    ----------
    n_lanes : int
        How many.

    Yields
    ------
    concurrent.futures.ThreadPoolExecutor
        To map micro-batches over.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    lanes = _Lanes(n_lanes, "lane", torch.set_num_threads, (1,))
    try:
        yield lanes
    finally:
        # What was not begun is left undone where the run was stopped.
        lanes.shutdown(cancel_futures=True)
        torch.set_num_threads(before)
