"""What a run would do: the answer of ``--dry-run`` and of the staged commands' first stage."""

import dataclasses
import math
import shlex
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from bluebatch.run import memory
from bluebatch.store import schema

SCRIPTS = "examples/slurm"
TASKS_AT_ONCE = 8
MEMORY_MARGIN = 1.25
# Slurm's default MaxArraySize is 1,001.
LARGEST_ARRAY = 1000
# What is said of what stands at the output path.
STATES: Final[Mapping[str, str]] = {
    "new": "",
    "resumed": "an unfinished run of the same stands there: it is gone on with",
    "complete": "already complete: nothing is left to do",
}


@dataclasses.dataclass(frozen=True)
class Preview:
    """What a run would read, hold and write.

    Parameters
    ----------
    command : str
        Verb.
    path : str
        What would be written.
    sizes : mapping of str to int
        Length of each axis by its name in the plural, e.g. samples, genes, cell types.
    n_blocks, n_partitions, n_tasks : int
        How the rows are cut; 0 where they are not.
    n_files, n_bytes : int
        On disk.
    memory_items : mapping of str to int
        Bytes by what holds them, at the peak.
    budget_bytes : int
        What the run may hold.
    seconds : float or None
        Wall time estimated from a short probe; None where none was made.
    done : bool
        Whether something was made (init) or nothing (``--dry-run``).
    notes : tuple of str
        What else the user should know.
    """

    command: str
    path: str
    sizes: Mapping[str, int]
    n_blocks: int
    n_partitions: int
    n_tasks: int
    n_files: int
    n_bytes: int
    memory_items: Mapping[str, int]
    budget_bytes: int
    seconds: float | None
    done: bool = False
    notes: tuple[str, ...] = ()

    @property
    def peak_memory_bytes(self) -> int:
        """Add the memory up.

        Returns
        -------
        int
            Bytes at the peak.
        """
        return sum(self.memory_items.values())

    @property
    def sbatch(self) -> str:
        """Write the line that gives a begun run to a Slurm queue.

        Returns
        -------
        str
            A shell line for the scripts in ``examples/slurm``: the array, then the job that waits
            for it and completes the store. Empty where there are no tasks.
        """
        if not self.n_tasks:
            return ""
        at_once = f"%{TASKS_AT_ONCE}" if self.n_tasks > TASKS_AT_ONCE else ""
        array = f"--array=0-{self.n_tasks - 1}{at_once}"
        if self.memory_items:
            # Slurm's G is 2**30 bytes; a process is not the same size on every machine.
            array += f" --mem={math.ceil(MEMORY_MARGIN * self.peak_memory_bytes / 2**30)}G"
        path = shlex.quote(self.path)
        return (
            f"job=$(sbatch --parsable {array} {SCRIPTS}/{self.command}_array.sh {path}) && "
            f"sbatch --dependency=afterany:$job {SCRIPTS}/finalise.sh {self.command} {path}"
        )

    def as_text(self) -> str:
        """Say it in lines.

        Returns
        -------
        str
            A headline, then a line a matter.
        """
        did = "begun" if self.done else "a dry run, nothing was written"
        sizes = ", ".join(_count(size, name) for name, size in self.sizes.items())
        largest = sorted(self.memory_items.items(), key=lambda item: -item[1])
        held = ", ".join(f"{name} {memory.tell(size)}" for name, size in largest)
        lines = [f"{self.path}: {self.command}, {did}", f"  {sizes}"]
        if self.n_partitions:
            lines.append(
                f"  {_count(self.n_partitions, 'partitions')} in {_count(self.n_tasks, 'tasks')}, "
                f"{_count(self.n_blocks, 'blocks')}"
            )
        lines.append(f"  {self.n_files:,} files, {memory.tell(self.n_bytes)} on disk")
        lines.append(
            f"  peak memory {memory.tell(self.peak_memory_bytes)} of "
            f"{memory.tell(self.budget_bytes)} ({held})"
        )
        if self.seconds is not None:
            lines.append(f"  about {_duration(self.seconds)} here, from a short probe")
        lines += [f"  {note}" for note in self.notes]
        if self.n_tasks > LARGEST_ARRAY:
            fitting = math.ceil(self.n_partitions / LARGEST_ARRAY)
            lines.append(f"  an array of so many tasks may be refused: give --per-task {fitting}")
        return "\n".join([*lines, f"  {self.sbatch}"] if self.sbatch else lines)

    def as_dict(self) -> dict[str, Any]:
        """Give it as JSON values.

        Returns
        -------
        dict of str to Any
            By field, with ``peak_memory_bytes`` and ``sbatch``.
        """
        more = {"peak_memory_bytes": self.peak_memory_bytes, "sbatch": self.sbatch}
        return {**dataclasses.asdict(self), **more}


def on_disk(
    spec: schema.StoreSpec, coordinates: Mapping[str, Sequence[str]], leave_out: Sequence[str] = ()
) -> tuple[int, int]:
    """Count the files and bytes of a store, before compression.

    Parameters
    ----------
    spec : schema.StoreSpec
        Kind of store.
    coordinates : mapping of str to sequence of str
        Labels of every axis that the arrays use.
    leave_out : sequence of str
        Optional arrays that it does without.

    Returns
    -------
    tuple of int
        Files, metadata and labels among them; bytes of the numbers' chunks, of which the last
        along an axis is as large as the others.
    """
    used = [array for array in spec.arrays if array.name not in leave_out]
    axes = {axis for array in used for axis in array.dims}
    # A zarr.json for the group and for each array; labels are one chunk, empty ones none.
    n_files = 1 + len(used) + len(axes) + sum(len(coordinates[axis]) > 0 for axis in axes)
    n_bytes = 0
    for array in used:
        shape = tuple(len(coordinates[axis]) for axis in array.dims)
        chunk = array.chunk_shape(shape)
        n_chunks = math.prod(-(-size // step) for size, step in zip(shape, chunk, strict=True))
        n_files += n_chunks
        if array.dtype != "str":
            # A checksum of four bytes ends each chunk.
            n_bytes += n_chunks * (math.prod(chunk) * np.dtype(array.dtype).itemsize + 4)
    return n_files, n_bytes


def _count(size: int, name: str) -> str:
    """Write a number before what it counts, which is named in the plural."""
    return f"{size:,} {name.removesuffix('s') if size == 1 else name}"


def _duration(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    if seconds < 6000:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
