"""A run of the smallest kind: a cohort of two genes, written in partitions of 1,024 and 76 rows."""

import pathlib
from collections.abc import Callable

import numpy as np

from bluebatch.run import partition
from bluebatch.store import places, schema, write

N_ROWS = 1100


def plan(digest: str = "a", seed: int = 0, n_rows: int = N_ROWS) -> partition.Plan:
    return partition.Plan(
        command="infer", settings={"seed": seed}, inputs={"table": digest}, n_rows=n_rows
    )


def creator(path: str | places.Place, n_rows: int = N_ROWS) -> Callable[[], object]:
    labels = {
        "sample": [f"sample-{index}" for index in range(n_rows)],
        "gene": ["CD3D", "CD19"],
    }
    return lambda: write.create(path, schema.COHORT, labels, {}, leave_out=("patient",))


def begin(path: str | places.Place, *, overwrite: bool = False) -> partition.Job:
    return partition.open_job(path, plan(), creator(path), overwrite=overwrite)


def fill(job: partition.Job, part: partition.Partition, value: float = 1.0) -> None:
    """Write a partition's chunks, and no marker."""
    values = np.full((part.n_rows, 2), value, np.float32)
    write.write(job.group(), "expression", part.rows, values)
    write.write(job.group(), "library_size", part.rows, np.full(part.n_rows, 2 * value))


def complete(path: pathlib.Path) -> partition.Job:
    """Make the whole store."""
    job = begin(path)
    for part in job.partitions():
        fill(job, part)
        job.mark(part, seconds=1)
    job.finalise()
    return job


def flip(file: places.Place, at: int) -> None:
    """Change one bit of a file; its length stays."""
    content = bytearray(file.read_bytes())
    content[at] ^= 1
    file.write_bytes(bytes(content))
