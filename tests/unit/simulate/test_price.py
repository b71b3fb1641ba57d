"""Memory of a simulation: foreseen before counts are read, and kept to."""

import pathlib
import subprocess
import sys
from typing import Any, Never

import anndata
import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from unit.simulate import references

from bluebatch import errors
from bluebatch.simulate import plan, price, pseudobulk, reference, request

# The price of a task is that of the process as it is: asked for in a fresh one.
MEASURE = """
import sys
from bluebatch.run import memory
from bluebatch.simulate import plan, price, pseudobulk, request
path, out, n_samples, all_genes = sys.argv[1:]
simulation = pseudobulk.SimulationSettings(n_samples=n_samples, all_genes=all_genes == "all")
settings = pseudobulk.Settings(simulation=simulation)
asked = request.make([path], settings, pseudobulk.RunOptions())
sizes = plan.survey(asked)
held = price.items(sizes, settings, None, first=True)
budget = sum(item.n_bytes for item in held) + memory.ANOTHER_PROCESS_BYTES
pseudobulk.run([path], out, settings, pseudobulk.RunOptions(max_memory=budget))
print(sizes.process_bytes, budget, memory.peak_bytes())
"""


def write_reference(path: pathlib.Path, n_cells: int, n_genes: int) -> pathlib.Path:
    rng = np.random.default_rng(0)
    n_stored = n_cells * n_genes // 10
    rows, columns = rng.integers(n_cells, size=n_stored), rng.integers(4, n_genes, size=n_stored)
    kinds = np.arange(n_cells) % 4
    # The first four genes tell the types apart.
    rows, columns = np.append(rows, np.arange(n_cells)), np.append(columns, kinds)
    values = np.append(rng.integers(1, 9, n_stored), np.full(n_cells, 30)).astype(np.float32)
    counts = scipy.sparse.csr_matrix((values, (rows, columns)), shape=(n_cells, n_genes))
    obs = pd.DataFrame({"cell_type": [f"type{kind}" for kind in kinds]})
    obs.index = obs.index.astype(str)
    anndata.AnnData(counts, obs=obs).write_h5ad(path)
    return path


@pytest.mark.memory
@pytest.mark.parametrize(
    ("n_cells", "n_genes", "genes"),
    [(2_000, 1_000, "candidates"), (20_000, 4_000, "candidates"), (20_000, 4_000, "all")],
)
def test_run__holds_no_more_than_it_was_priced_at(
    tmp_path: pathlib.Path, n_cells: int, n_genes: int, genes: str
) -> None:
    path = write_reference(tmp_path / "cells.h5ad", n_cells, n_genes)
    arguments = [str(path), str(tmp_path / "s.zarr"), "600", genes]
    told = subprocess.run(
        [sys.executable, "-c", MEASURE, *arguments], capture_output=True, text=True, check=False
    )
    assert told.returncode == 0, told.stderr
    process, budget, peak = (int(word) for word in told.stdout.split())
    assert process < peak <= budget
    # The price is no empty promise either: it is not many times what was needed.
    assert budget - process < 4 * (peak - process) + 50e6


@pytest.fixture
def path(tmp_path: pathlib.Path) -> pathlib.Path:
    return references.make(tmp_path / "one.h5ad", 0)


def refuse(*_: Any) -> Never:
    raise AssertionError("counts were read")


@pytest.mark.parametrize("verb", [pseudobulk.run, pseudobulk.init, pseudobulk.preview])
def test_run__refuses_a_budget_that_is_too_small_before_counts_are_read(
    path: pathlib.Path, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, verb: Any
) -> None:
    monkeypatch.setattr(reference.Survey, "read", refuse)
    options = pseudobulk.RunOptions(max_memory=10**6)
    with pytest.raises(errors.ResourceError, match=r"--max-memory.* max_cells .*--all-genes"):
        verb([path], tmp_path / "s.zarr", references.settings(), options)
    assert not (tmp_path / "s.zarr").exists()
    assert not (tmp_path / "s.zarr.run").exists()


def test_work__refuses_a_budget_that_is_too_small(
    path: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    pseudobulk.init([path], tmp_path / "s.zarr", references.settings(), pseudobulk.RunOptions())
    with pytest.raises(errors.ResourceError, match="--max-memory"):
        pseudobulk.work(tmp_path / "s.zarr", [0], max_memory=10**6)


def sizes_of(path: pathlib.Path, settings: pseudobulk.Settings) -> price.Sizes:
    return plan.survey(request.make([path], settings, pseudobulk.RunOptions()))


def test_measure__counts_what_is_stored_by_hand(path: pathlib.Path) -> None:
    settings = references.settings()
    sizes = sizes_of(path, settings)
    values = np.asarray(anndata.read_h5ad(path).X)
    assert sizes.n_cells == references.N_CELLS
    assert sizes.n_stored == np.count_nonzero(values)
    assert sizes.ranked_values == np.count_nonzero(values)
    of_type = [int(np.count_nonzero(values[kind::3])) for kind in range(3)]
    assert sizes.pool == (40, max(of_type))


def test_measure__takes_the_largest_cells_where_only_some_are_ranked(path: pathlib.Path) -> None:
    settings = pseudobulk.Settings.model_validate({"markers": {"max_cells": 5}})
    values = np.asarray(anndata.read_h5ad(path).X)
    stored = [np.sort(np.count_nonzero(values[kind::3], axis=1))[-5:].sum() for kind in range(3)]
    assert sizes_of(path, settings).ranked_values == sum(stored)


def test_items__tasks_rank_nothing(path: pathlib.Path) -> None:
    settings = references.settings()
    sizes = sizes_of(path, settings)._replace(ranked_values=10**9)
    first = dict(price.items(sizes, settings, 100, first=True))
    task = dict(price.items(sizes, settings, 100, first=False))
    assert "ranking markers" in first
    assert "ranking markers" not in task
