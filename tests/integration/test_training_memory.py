"""Training holds no more than it was granted, however large its store is."""

import json
import pathlib
import subprocess
import sys
from typing import Any, NamedTuple

import numpy as np
import pytest
from benchmarks import resident

from bluebatch.store import schema, write

pytestmark = pytest.mark.memory

# A row takes 156 kB, and all of them more than the budget: ten times what it leaves for rows.
N_SAMPLES, N_GENES, N_TYPES = 7680, 3000, 12
BUDGET = 1_100_000_000
CONFIG = """
extends = "default"
[panel]
top_n = 250
[model]
width = 32
channels = 2
depth = 2
hidden = [16]
[[model.members]]
input = "rank"
[anchor]
n_components = 8
component_rows = 512
[training]
epochs = 1
window = 2
precision = "fp32"
"""


class Ended(NamedTuple):
    code: int
    answer: dict[str, Any]
    complaint: str
    peak_bytes: int


def write_store(path: pathlib.Path) -> None:
    """Write the same 256 samples over and over: compressed they take little room."""
    rng = np.random.default_rng(0)
    names = [f"G{index}" for index in range(N_GENES)]
    part = np.array(["train"] * N_SAMPLES, dtype=object)
    part[-1024:-512], part[-512:] = "validation", "test"
    coordinates = {
        "sample": [f"s{index}" for index in range(N_SAMPLES)],
        "gene": names,
        "cell_type": [f"T{index}" for index in range(N_TYPES)],
        "profile_gene": names,
        "reference": ["one"],
    }
    attributes = {"unit": "counts", "origin": "pseudobulk"}
    group = write.create(path, schema.PSEUDOBULK, coordinates, attributes, codec="zstd")
    marks = np.arange(N_GENES) % N_TYPES == np.arange(N_TYPES)[:, None]
    write.write_whole(group, "marker_log_fold_change", np.where(marks, 2.0, -1.0)[None])
    write.write_whole(group, "marker_adjusted_p", np.where(marks, 0.001, 0.5)[None])
    write.write_whole(group, "cell_library_size", np.full((1, N_TYPES), 1000.0))
    n_cells = rng.multinomial(500, np.full(N_TYPES, 1 / N_TYPES), 256)
    expression = rng.poisson(5.0, (256, N_GENES)).astype(np.float32)
    block = {
        "expression": expression,
        "library_size": expression.sum(1),
        "proportion": n_cells / 500,
        "rna_fraction": n_cells / 500,
        "n_cells": n_cells,
        "profile": rng.integers(5, 9, (256, N_TYPES, N_GENES)).astype(np.float32),
        "source": np.array(["one"] * 256, dtype=object),
        "twin": np.array([""] * 256, dtype=object),
    }
    for start in range(0, N_SAMPLES, 256):
        rows = slice(start, start + 256)
        for name, values in {**block, "split": part[rows]}.items():
            write.write(group, name, rows, values)
    write.complete(group)


def train(folder: pathlib.Path, out: str, *more: str) -> Ended:
    """Run the command as users do, and watch it."""
    command = [sys.executable, "-m", "bluebatch", "train", str(folder / "s.zarr")]
    command += ["--out", str(folder / out), "--config", str(folder / "small.toml")]
    command += ["--json", "--quiet", "--threads", "1", *more]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = subprocess.Popen(command, text=True, **pipes)  # type: ignore[call-overload]
    with resident.sampled(process.pid) as peak:
        answer, complaint = process.communicate()
    told = json.loads(answer) if answer else {}
    return Ended(process.returncode, told, complaint, peak[0])


def test_train__a_store_larger_than_the_budget_stays_below_it(tmp_path: pathlib.Path) -> None:
    write_store(tmp_path / "s.zarr")
    (tmp_path / "small.toml").write_text(CONFIG)
    assert N_SAMPLES * 4 * N_GENES * (N_TYPES + 1) > BUDGET
    foreseen = train(tmp_path, "model", "--max-memory", "1.1GB", "--dry-run")
    assert foreseen.code == 0, foreseen.complaint
    assert not (tmp_path / "model").exists()
    done = train(tmp_path, "model", "--max-memory", "1.1GB")
    assert done.code == 0, done.complaint
    assert done.peak_bytes < BUDGET
    priced = foreseen.answer["peak_memory_bytes"]
    assert done.peak_bytes < priced < 1.4 * done.peak_bytes
    refused = train(tmp_path, "other", "--max-memory", "500MB")
    assert refused.code == 1
    assert "Give at least --max-memory" in refused.complaint
    assert not (tmp_path / "other").exists()
