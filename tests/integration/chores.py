"""A job of few rows whose partitions are filled, or not, by functions that workers can import."""

import os
import pathlib
import signal
from typing import Any

import numpy as np

from bluebatch import errors
from bluebatch.run import partition, progress
from bluebatch.store import places, read, schema, write

PARTITION_ROWS = 256


def begin(path: str | places.Place, n_partitions: int = 5) -> partition.Job:
    """Begin a run that `fill` can do."""
    # The last partition is not full.
    n_rows = PARTITION_ROWS * n_partitions - 39
    plan = partition.Plan(
        command="infer", settings={}, inputs={}, n_rows=n_rows, partition_rows=PARTITION_ROWS
    )

    def create() -> None:
        labels = {"sample": [f"s{row}" for row in range(n_rows)], "gene": ["A", "B", "C"]}
        facts = {"unit": "TPM", "origin": "bulk"}
        write.create(path, schema.COHORT, labels, facts, leave_out=("patient",))

    return partition.open_job(path, plan, create)


def fill(store: str, number: int) -> dict[str, Any]:
    """Write and mark a partition."""
    job = partition.load_job(store)
    part = job.partitions()[number]
    values = np.random.default_rng(number).random((part.n_rows, 3), dtype=np.float32)
    with job.claim([part]):
        write.write(job.group(), "expression", part.rows, values)
        write.write(job.group(), "library_size", part.rows, values.sum(axis=1, dtype=np.float64))
        job.mark(part, 0.0)
    return {"number": number, "cores": os.environ.get("SLURM_CPUS_PER_TASK")}


def fill_even(store: str, number: int) -> dict[str, Any]:
    """Find no room for every second partition."""
    if number % 2:
        raise errors.DiskFullError(f"{store}: no space is left. Make room.")
    return fill(store, number)


def fill_even_or_break(store: str, number: int) -> dict[str, Any]:
    """Break in a way that nobody has foreseen."""
    if number % 2:
        raise ZeroDivisionError(f"{number} of nothing")
    return fill(store, number)


def fill_then_be_lost(store: str, number: int) -> dict[str, Any]:
    """Mark a partition, then fail, as a worker does that was taken for lost."""
    fill(store, number)
    raise errors.ClaimedError(f"{store}: another process writes partition {number}.")


def fill_or_die(store: str, number: int) -> dict[str, Any]:
    """Kill the worker, but only the first one that tries partition 2."""
    first = pathlib.Path(f"{store}.killed")
    if number == 2 and not first.exists():
        first.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return fill(store, number)


def contents(path: str | places.Place) -> dict[str, bytes]:
    """Read every array of a complete store."""
    store = read.open_store(path)
    found = {spec.name for spec in store.spec.arrays} & set(store.group)
    return {name: store.read(name).tobytes() for name in found}


def environment() -> dict[str, str]:
    """Tell the variables that a process has."""
    return dict(os.environ)


def is_quiet() -> bool:
    """Tell whether a process shows no progress."""
    return progress._screen.quiet
