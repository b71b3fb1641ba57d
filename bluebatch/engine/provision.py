"""What a training run holds in memory, and how much of its rows, so that it fits its budget."""

from collections.abc import Iterator
from typing import NamedTuple

import torch

from bluebatch import errors
from bluebatch.engine import distributed, feed, kinds, optimise, predict, stream, task
from bluebatch.run import memory, ranks
from bluebatch.store import read

# What libraries set aside on first use: kernels, their scratch space, threads, the curve's fonts.
LIBRARY_BYTES = 80 * 2**20


class Provision(NamedTuple):
    """How a training run holds its rows.

    Parameters
    ----------
    holding : feed.Holding
        Of the training rows.
    keeps_validation : bool
        Whether validation rows stay in memory.
    items : tuple of memory.Item
        All that is held at the peak.
    budget_bytes : int
        What this process may hold.
    """

    holding: feed.Holding
    keeps_validation: bool
    items: tuple[memory.Item, ...]
    budget_bytes: int


def settle(
    learner: task.Task,
    store: read.Store,
    settings: optimise.TrainingSettings,
    device: torch.device,
    max_memory: int | None,
) -> Provision:
    """Choose how rows are held: as much in memory as the budget allows.

    Parameters
    ----------
    learner : task.Task
        Outlined; one block is read to see what rows take.
    store : read.Store
        Training store.
    settings : optimise.TrainingSettings
        Batch, window, where rows come from.
    device : torch.device
        Where networks are trained.
    max_memory : int or None
        Bytes that all processes of the run on this machine may hold.

    Returns
    -------
    Provision
        The first that fits of: all rows kept, windows with one read ahead, one window at a time;
        each with the validation rows kept, then without.

    Raises
    ------
    errors.ResourceError
        If even one window does not fit, or the device is too small.
    errors.ValuesError
        If there are too few training rows.
    """
    budget = memory.budget(max_memory) // ranks.local_size()
    process = memory.resident_bytes()
    price = _price(learner, store, settings, device)
    for holding, keeps_validation in _choices(settings.fresh):
        items = _items(price, process, holding, keeps_validation)
        chosen = Provision(holding, keeps_validation, items, budget)
        if sum(item.n_bytes for item in items) <= budget:
            break
    memory.require(items, budget, _remedy(price, items, budget))
    if device.type == "cuda":
        _require_device(price, device)
    return chosen


def open_feeds(
    learner: task.Task,
    store: read.Store,
    settings: optimise.TrainingSettings,
    chosen: Provision,
) -> feed.Feeds:
    """Take up the rows that networks are fitted on.

    Parameters
    ----------
    learner : task.Task
        Kind of model.
    store : read.Store
        Training store.
    settings : optimise.TrainingSettings
        Batch and window.
    chosen : Provision
        What is kept.

    Returns
    -------
    feed.Feeds
        Training and validation rows.
    """
    training = stream.Split(learner, store, "train", fresh=settings.fresh)
    validation = stream.Split(learner, store, "validation")
    return feed.Feeds(
        feed.Feed(training, settings.batch, settings.window, chosen.holding),
        feed.Held(validation, settings.batch, is_kept=chosen.keeps_validation),
    )


class _Price(NamedTuple):
    """Bytes of what a run may hold."""

    kept: int
    window: int
    block: int
    validation: int
    reading: int
    batches: int
    held: task.Held
    weights: int
    fitting: int
    on_device: int
    judging: int


def _choices(fresh: bool) -> Iterator[tuple[feed.Holding, bool]]:
    for holding in feed.HOLDINGS:
        # What is drawn anew every epoch is not worth keeping longer than its window.
        if not (fresh and holding == "memory"):
            yield from ((holding, True), (holding, False))


def _price(
    learner: task.Task,
    store: read.Store,
    settings: optimise.TrainingSettings,
    device: torch.device,
) -> _Price:
    training = stream.Split(learner, store, "train", fresh=settings.fresh)
    training.require_rows()
    validation = stream.Split(learner, store, "validation")
    layouts = [training.layout(), validation.layout()]
    row_bytes = layouts[0].row_bytes
    held = learner.held_bytes(store)
    networks = [kinds.blank_network(learner, k) for k in range(len(learner.card.members))]
    prices = [network.price() for network in networks]
    largest = max(price.weight_bytes for price in prices)
    rows_at_once = -(-settings.batch // settings.micro_batches)
    activations = rows_at_once * max(price.training_row_bytes for price in prices)
    # Gradients and two moments; doubles to add up parts, and to exchange them a copy and doubles.
    copies = 4 + 2 * (settings.micro_batches > 1) + 3 * distributed.is_spread()
    stepping = copies * largest + activations
    on_gpu = device.type == "cuda"
    return _Price(
        kept=training.n_rows * row_bytes,
        window=feed.window_rows(training, settings.window) * row_bytes,
        block=feed.window_rows(training, 1) * row_bytes,
        validation=validation.n_rows * layouts[1].row_bytes,
        reading=max(layout.reading_bytes for layout in layouts),
        batches=3 * settings.batch * row_bytes,
        held=held if settings.fresh else held._replace(drawing=0),
        weights=largest,
        # Saving copies what lies on a GPU; going on maps a checkpoint's four parts and copies them.
        fitting=max(0 if on_gpu else stepping, 7 * largest),
        on_device=stepping,
        judging=2 * sum(price.weight_bytes for price in prices)
        + predict.MICRO_BATCH * max(price.row_bytes for price in prices),
    )


def _items(
    price: _Price, process: int, holding: feed.Holding, keeps_validation: bool
) -> tuple[memory.Item, ...]:
    rows = {
        "memory": ("training rows", price.kept),
        "two windows": ("two windows of training rows", 2 * price.window),
        "one window": ("a window of training rows", price.window),
    }[holding]
    fitting = {
        rows[0]: rows[1],
        "validation rows": price.validation if keeps_validation else 0,
        "weights, gradients and activations": price.weights + price.fitting,
        "batches": price.batches,
    }
    judging = {"networks, scored": price.judging, "scores": price.held.judging}
    # Either follows the other; what is freed in between stays with the process, to be used again.
    later = max(fitting, judging, key=lambda items: sum(items.values()))
    named = {
        "process": process,
        "libraries": LIBRARY_BYTES,
        "model's arrays": price.held.arrays,
        "cells": price.held.drawing,
        "baselines": price.held.learning,
        "reading a block": price.reading,
        **later,
    }
    return tuple(memory.Item(name, n_bytes) for name, n_bytes in named.items() if n_bytes)


def _remedy(price: _Price, items: tuple[memory.Item, ...], budget: int) -> str:
    """Name the number that would make the run fit: the items are those of a single window."""
    over = sum(item.n_bytes for item in items) - budget
    n_blocks = (price.window - over) // price.block
    if over <= 0 or n_blocks >= 1:
        return f"set [training] window = {n_blocks}"
    return "raise [training] micro_batches, or train a smaller network"


def _require_device(price: _Price, device: torch.device) -> None:
    free, _ = torch.cuda.mem_get_info(device)
    if price.on_device > free:
        raise errors.ResourceError(
            f"{device}: has {memory.tell(free)} free, training needs "
            f"{memory.tell(price.on_device)} (weights {memory.tell(price.weights)}). "
            "Raise [training] micro_batches, lower batch, or give --device cpu."
        )
