import pathlib

import pytest
import torch
from unit.engine import pseudobulks, toy

from bluebatch import errors
from bluebatch.engine import kinds, provision, stream, task, train
from bluebatch.run import memory, ranks
from bluebatch.store import read

CPU = torch.device("cpu")
# 30 genes read, 3 types x 30 genes and 3 fractions learnt, in float32.
ROW = 4 * (30 + 3 * 30 + 3)
# Of 1500 samples 1200 are learnt from: four blocks of 256 and one of 176; 150 validate.
KEPT, BLOCK, VALIDATION = 1200 * ROW, 256 * ROW, 150 * ROW


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    return pseudobulks.write_store(tmp_path_factory.mktemp("provision") / "s.zarr", 1500)


@pytest.fixture(scope="module")
def store(path: pathlib.Path) -> read.Store:
    return read.open_store(path)


@pytest.fixture(scope="module")
def learner(path: pathlib.Path) -> task.Task:
    return pseudobulks.learn(path)


@pytest.fixture(autouse=True)
def steady(monkeypatch: pytest.MonkeyPatch) -> None:
    """What this process holds, and what reading a block takes, vary from one moment to the next."""
    layout = stream.Split.layout
    monkeypatch.setattr(memory, "resident_bytes", lambda: 10**9)
    monkeypatch.setattr(
        stream.Split, "layout", lambda self: layout(self)._replace(reading_bytes=1000)
    )


def settle(
    learner: task.Task, store: read.Store, n_bytes: int, **training: object
) -> provision.Provision:
    settings = pseudobulks.settings(**{"window": 1, **training}).training
    return provision.settle(learner, store, settings, CPU, n_bytes)


def rest(learner: task.Task, store: read.Store) -> int:
    """All but the rows."""
    items = dict(settle(learner, store, 10**12).items)
    return sum(items.values()) - items["training rows"] - items["validation rows"]


def test_settle__keeps_as_much_as_fits(learner: task.Task, store: read.Store) -> None:
    others = rest(learner, store)
    expected = [
        (KEPT + VALIDATION, ("memory", True)),
        (KEPT + VALIDATION - 1, ("memory", False)),
        (KEPT - 1, ("two windows", True)),
        (2 * BLOCK + VALIDATION - 1, ("two windows", False)),
        (2 * BLOCK - 1, ("one window", True)),
        (BLOCK + VALIDATION - 1, ("one window", False)),
        (BLOCK, ("one window", False)),
    ]
    for n_bytes, choice in expected:
        chosen = settle(learner, store, others + n_bytes)
        assert (chosen.holding, chosen.keeps_validation) == choice
        assert sum(item.n_bytes for item in chosen.items) <= others + n_bytes


def test_settle__names_the_budget_that_would_do(learner: task.Task, store: read.Store) -> None:
    needed = rest(learner, store) + BLOCK
    enough = -(-(needed + memory.ANOTHER_PROCESS_BYTES) // 10**7) / 100
    with pytest.raises(errors.ResourceError, match=f"at least --max-memory {enough:.2f}GB"):
        settle(learner, store, needed - 1)
    chosen = settle(learner, store, round(enough * 1e9))
    assert needed <= sum(item.n_bytes for item in chosen.items) <= enough * 1e9


def test_settle__names_the_window_that_would_do(learner: task.Task, store: read.Store) -> None:
    # All five blocks are one window; three of them and a bit more are to be had.
    budget = rest(learner, store) + KEPT - 2 * BLOCK + 10
    with pytest.raises(errors.ResourceError, match=r"or set \[training\] window = 2\."):
        settle(learner, store, budget, window=64)
    assert settle(learner, store, budget, window=2).holding == "one window"


def test_settle__less_than_a_block_is_no_matter_of_windows(
    learner: task.Task, store: read.Store
) -> None:
    with pytest.raises(errors.ResourceError, match="micro_batches, or train a smaller network"):
        settle(learner, store, rest(learner, store))


def test_settle__fresh_rows_are_never_kept(
    tmp_path: pathlib.Path,
) -> None:
    path = pseudobulks.write_store(tmp_path / "s.zarr", 1500, with_cells=True)
    chosen = settle(pseudobulks.learn(path), read.open_store(path), 10**12, fresh=True)
    assert chosen.holding == "two windows"
    items = dict(chosen.items)
    assert items["two windows of training rows"] == 2 * BLOCK
    # 600 cells of nearly 40 genes each, four bytes for the count and four for its place.
    assert items["cells"] >= 8 * 600 * 38


def test_settle__prices_weights_and_the_rows_that_are_computed_at_once(
    learner: task.Task, store: read.Store
) -> None:
    price = kinds.blank_network(learner, 0).price()
    name = "weights, gradients and activations"
    # The best weights so far, then weights, gradients and two moments: 5 times the weights. Parts
    # are added up in doubles: twice as much again.
    for n_parts, n_rows, n_copies in ((1, 64, 5), (2, 32, 7)):
        items = dict(settle(learner, store, 10**12, micro_batches=n_parts).items)
        assert items[name] == n_copies * price.weight_bytes + n_rows * price.training_row_bytes


def test_settle__processes_of_one_machine_share_the_budget(
    learner: task.Task, store: read.Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ranks, "local_size", lambda: 4)
    assert settle(learner, store, 10**12).budget_bytes == 25 * 10**10


@pytest.mark.usefixtures("toy_kind")
def test_settle__prices_a_kind_that_says_nothing_of_itself(tmp_path: pathlib.Path) -> None:
    cells = read.open_store(toy.write_cells(tmp_path / "cells.zarr", 512))
    learner = toy.Task.outline(cells, None, train.Options())
    items = dict(settle(learner, cells, 10**12).items)
    # 448 rows of 12 channels and 2 parts.
    assert items["training rows"] == 4 * 14 * 448
    assert "cells" not in items


def test_held_bytes__covers_what_learning_really_takes(path: pathlib.Path) -> None:
    learner = pseudobulks.learn(path)
    held = learner.held_bytes(read.open_store(path))
    assert held.arrays >= sum(array.nbytes for array in learner.arrays.values())
