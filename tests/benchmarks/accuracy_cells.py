"""The real measurements of `accuracy.py`: held-out cells, two pools of Kang, one cohort."""

import pathlib
from typing import Any

import anndata
import numpy as np
import pandas as pd

from bluebatch.store import ingest

TYPES = ("B", "CD4T", "CD8T", "Mono", "NK")
REFERENCES = ("pbmc3k_10x", "pbmc4k_10x")
# By their name in obs["condition"].
POOLS = {"control": "ctrl", "stimulated": "stim"}
HELD_OUT_SHARE, HELD_OUT_CELLS = 0.2, 50


def divide_references(data: pathlib.Path, folder: pathlib.Path, split: int) -> None:
    """Write the held-out cells of both references, and all others, as files of their own."""
    for number, name in enumerate(REFERENCES):
        cells = anndata.read_h5ad(data / "sc" / f"{name}.h5ad")
        held_out = hold_out(cells.obs["cell_type"], np.random.default_rng([split, number]))
        kept = cells.obs["cell_type"].isin(TYPES).to_numpy()
        _write(cells[held_out], folder / "held-out" / f"{name}.h5ad")
        _write(cells[kept & ~held_out], folder / "training" / f"{name}.h5ad")


def hold_out(cell_type: "pd.Series[str]", rng: np.random.Generator) -> Any:
    """Choose a fifth of each type's cells, and at least fifty unless that is over half of them."""
    chosen = np.zeros(len(cell_type), bool)
    for name in TYPES:
        cells = rng.permutation(np.flatnonzero(cell_type == name))
        least = min(HELD_OUT_CELLS, len(cells) // 2)
        chosen[cells[: max(round(HELD_OUT_SHARE * len(cells)), least)]] = True
    return chosen


def divide_kang(data: pathlib.Path, folder: pathlib.Path) -> None:
    """Write control and stimulated cells as two files, so that samples differ by condition.

    Among pseudobulks of one pool, at a given composition, nothing but the draw of cells differs,
    and nothing can be predicted. Donor x condition would be sixteen pools, most of which hold fewer
    than five natural killer cells.
    """
    cells = anndata.read_h5ad(data / "sc" / "pbmc_kang_ctrl_stim.h5ad")
    known = cells.obs["cell_type"] != "Unknown"
    for name, condition in POOLS.items():
        chosen = (known & (cells.obs["condition"] == condition)).to_numpy()
        _write(cells[chosen], folder / f"{name}.h5ad")


def ingest_monaco(data: pathlib.Path, folder: pathlib.Path) -> None:
    """Turn the bulk table into a cohort store."""
    table = data / "bulk" / "pbmc_monaco_s13_tpm.h5ad"
    ingest.run(table, folder / "monaco.zarr", ingest.IngestOptions(overwrite=True))


def _write(cells: anndata.AnnData, path: pathlib.Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cells.copy().write_h5ad(path)
