"""Time simulation against a straightforward pandas loop, and its writing against the disk.

Usage: python tests/benchmarks/simulate.py [--samples 4096] [--loop-samples 50] [--folder DIR]
5,000 cells x 3,000 genes x 6 types, profiles of all genes written; start-up is not counted.
"""

import argparse
import logging
import os
import pathlib
import shutil
import sys
import tempfile
import time

import anndata
import numpy as np
import numpy.typing as npt
import pandas as pd
import scipy.sparse

from bluebatch.run import partition
from bluebatch.simulate import blocks, plan, pseudobulk, request
from bluebatch.store import schema, write

N_CELLS, N_GENES, N_TYPES = 5000, 3000, 6
DISK_BYTES = 1 << 30


def make_reference(path: pathlib.Path, density: float) -> None:
    """Write a reference whose counts are as sparse as real ones."""
    rng = np.random.default_rng(0)
    labels = np.arange(N_CELLS) % N_TYPES
    rate = rng.gamma(0.2, 1, (N_TYPES, N_GENES)) * density / 0.1
    counts = scipy.sparse.csr_matrix(rng.poisson(rate[labels]).astype(np.float32))
    obs = pd.DataFrame({"cell_type": [f"type{code}" for code in labels]})
    obs.index = obs.index.astype(str)
    anndata.AnnData(counts, obs=obs).write_h5ad(path)


def loop_seconds(planned: plan.Plan, names: list[str], path: pathlib.Path, n_samples: int) -> float:
    """Time the loop over samples and types that one would write first; seconds a sample."""
    cells = anndata.read_h5ad(path)
    labels = cells.obs["cell_type"]
    table = pd.DataFrame(cells.X.toarray(), index=cells.obs_names, columns=cells.var_names)
    start = time.perf_counter()
    for sample in range(n_samples):
        sums = {}
        for code, name in enumerate(names):
            n_cells = int(planned.design.n_cells[sample, code])
            of_type = table[labels == name]
            sums[name] = of_type.sample(n_cells, replace=True, random_state=sample).sum()
        drawn = pd.DataFrame(sums).T
        bulk = drawn.sum()
        profile = np.log2(1 + drawn.div(drawn.sum(axis=1), axis=0) * 1e6)
        del bulk, profile
    return (time.perf_counter() - start) / n_samples


def disk_seconds(folder: pathlib.Path) -> float:
    """Time plain writing of 1 GB with flush, in pieces of 8 MB; seconds a byte."""
    piece = np.random.default_rng(0).bytes(8 << 20)
    file = folder / "plain"
    start = time.perf_counter()
    with file.open("wb") as handle:
        for _ in range(DISK_BYTES // len(piece)):
            handle.write(piece)
        handle.flush()
        os.fsync(handle.fileno())
    seconds = time.perf_counter() - start
    file.unlink()
    return seconds / DISK_BYTES


def draw_seconds(planned: plan.Plan) -> tuple[float, int]:
    """Time drawing alone, nothing written; seconds a sample, and bytes a sample."""
    n_samples = len(planned.design.part)
    n_bytes = 0
    start = time.perf_counter()
    for first in range(0, n_samples, schema.ROWS_PER_CHUNK):
        rows = slice(first, min(first + schema.ROWS_PER_CHUNK, n_samples))
        arrays: dict[str, npt.NDArray[np.generic]] = blocks.draw(planned, rows)
        n_bytes += arrays["profile"].nbytes + arrays["expression"].nbytes
    return (time.perf_counter() - start) / n_samples, n_bytes // n_samples


def store_seconds(planned: plan.Plan, reference: pathlib.Path, out: pathlib.Path) -> float:
    """Time drawing and writing, markers flushed, beyond reading and planning; seconds a sample."""
    settings, options = chosen(len(planned.design.part))
    start = time.perf_counter()
    pseudobulk.run([reference], out, settings, options)
    whole = time.perf_counter() - start
    start = time.perf_counter()
    plan.prepare(request.make([reference], settings, options))
    return (whole - (time.perf_counter() - start)) / len(planned.design.part)


def chosen(n_samples: int) -> tuple[pseudobulk.Settings, pseudobulk.RunOptions]:
    """Choose the settings of the benchmark."""
    simulation = pseudobulk.SimulationSettings(n_samples=n_samples, all_genes=True)
    return pseudobulk.Settings(simulation=simulation), pseudobulk.RunOptions()


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=4 * partition.PARTITION_ROWS)
    parser.add_argument("--loop-samples", type=int, default=50)
    parser.add_argument("--density", type=float, default=0.07)
    parser.add_argument("--folder", type=pathlib.Path, default=None)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.WARNING)
    folder = pathlib.Path(tempfile.mkdtemp(dir=arguments.folder))
    try:
        reference, out = folder / "reference.h5ad", folder / "out.zarr"
        make_reference(reference, arguments.density)
        asked = request.make([reference], *chosen(arguments.samples))
        planned, layout = plan.prepare(asked)
        draw, n_bytes = draw_seconds(planned)
        stored = store_seconds(planned, reference, out)
        write.clear(out)
        names = layout.coordinates["cell_type"]
        loop = loop_seconds(planned, names, reference, arguments.loop_samples)
        disk = disk_seconds(folder)
    finally:
        shutil.rmtree(folder)
    rows = [
        ("pandas loop, nothing written", loop, ""),
        ("drawn, nothing written", draw, ""),
        ("simulated and written", stored, f"{n_bytes / stored / 1e9:.2f}"),
        ("the disk alone", disk * n_bytes, f"{1 / disk / 1e9:.2f}"),
    ]
    lines = ["| | samples/s | times the loop | GB/s |", "|---|---|---|---|"]
    lines += [f"| {name} | {1 / s:,.0f} | {loop / s:.1f} | {rate} |" for name, s, rate in rows]
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
