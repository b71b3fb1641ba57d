"""What a simulation would write, hold and take: sizes, and the time of one block that is drawn."""

from typing import NamedTuple

from bluebatch.run import memory, partition, preview, staged
from bluebatch.simulate import blocks, plan, price, ranking, request
from bluebatch.store import cells, schema


class Found(NamedTuple):
    """What is known of a run.

    Parameters
    ----------
    asked : partition.Plan
        What is asked for.
    state : {"new", "resumed", "complete"}
        Of the store.
    labels : dict of str to list of str
        Of its axes.
    sizes : price.Sizes
        Of the references.
    kept : tuple of int
        Training cells that the store holds, and counts that they store.
    """

    asked: partition.Plan
    state: str
    labels: dict[str, list[str]]
    sizes: price.Sizes
    kept: tuple[int, int] = (0, 0)


def tell(
    path: str, found: Found, max_memory: int | None, seconds: float | None, *, first: bool
) -> preview.Preview:
    """Put together what a run would read, hold and write.

    Parameters
    ----------
    path : str
        The store.
    found : Found
        What is known of the run.
    max_memory : int, optional
        Bytes that a process may hold; what was granted by default.
    seconds : float, optional
        That it takes.
    first : bool
        Whether the memory is that of the whole run; else that of a task.

    Returns
    -------
    preview.Preview
        For the user.
    """
    asked, labels = found.asked, found.labels
    settings = request.settings_of(asked)
    n_profile_genes = len(labels["profile_gene"])
    left_out = () if settings.split.fractions[plan.TRAIN] > 0 else ranking.ARRAYS
    n_files, n_bytes = preview.on_disk(schema.PSEUDOBULK, labels, left_out)
    if found.kept[0]:
        own_files, own_bytes = cells.on_disk(*found.kept)
        n_files, n_bytes = n_files + own_files, n_bytes + own_bytes
    held = price.items(found.sizes, settings, n_profile_genes, first=first)
    named = ("gene", "profile_gene", "cell_type", "reference")
    axes = {f"{axis}s".replace("_", " "): len(labels[axis]) for axis in named}
    return preview.Preview(
        command=request.COMMAND,
        path=path,
        sizes={"samples": asked.n_rows, **axes, "cells": found.sizes.n_cells},
        n_blocks=_n_blocks(asked),
        n_partitions=len(asked.partitions()),
        n_tasks=staged.n_tasks(asked),
        n_files=n_files,
        n_bytes=n_bytes,
        memory_items=dict(held),
        budget_bytes=memory.budget(max_memory),
        seconds=None if seconds is None else round(seconds, 1),
        notes=tuple(note for note in (preview.STATES[found.state],) if note),
    )


def drawing_seconds(asked: partition.Plan, planned: plan.Plan) -> float:
    """Draw one block, and tell what all of them would take.

    Parameters
    ----------
    asked : partition.Plan
        What is asked for.
    planned : plan.Plan
        Ready to be drawn.

    Returns
    -------
    float
        Seconds, without writing: one block is written while the next is drawn.
    """
    clock = partition.timer()
    blocks.draw(planned, slice(0, min(schema.ROWS_PER_CHUNK, asked.n_rows)))
    return clock() * _n_blocks(asked)


def _n_blocks(asked: partition.Plan) -> int:
    return -(-asked.n_rows // schema.ROWS_PER_CHUNK)
