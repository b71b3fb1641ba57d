"""Small references, one gene of which belongs to each cell, so that draws can be read back."""

import pathlib
from typing import Any

import anndata
import numpy as np
import pandas as pd

from bluebatch.simulate import pseudobulk

N_CELLS, N_REAL = 120, 40
TYPES = ("B", "Mono", "NK")
GENES = [f"cell{i}" for i in range(N_CELLS)] + [f"G{i}" for i in range(N_REAL)]
N_SAMPLES, CELLS_PER_SAMPLE = 700, 60


def make(path: pathlib.Path, seed: int, lacks: str = "") -> pathlib.Path:
    """Write a reference of forty cells of each type."""
    rng = np.random.default_rng(seed)
    labels = np.array(TYPES)[np.arange(N_CELLS) % 3]
    rate = rng.gamma(0.5, 4, (3, N_REAL))
    values = np.hstack([np.eye(N_CELLS), rng.poisson(rate[np.arange(N_CELLS) % 3])])
    obs = pd.DataFrame({"cell_type": labels}, index=[f"c{i}" for i in range(N_CELLS)])
    obs.loc[obs["cell_type"] == lacks, "cell_type"] = "Unknown"
    cells = anndata.AnnData(values.astype(np.float32), obs=obs, var=pd.DataFrame(index=GENES))
    cells.write_h5ad(path)
    return path


def settings(**simulation: Any) -> pseudobulk.Settings:
    """Choose settings that are quick to simulate, with profiles of every gene."""
    sizes = {"n_samples": N_SAMPLES, "cells_per_sample": CELLS_PER_SAMPLE}
    given = {**sizes, "all_genes": True, **simulation}
    return pseudobulk.Settings(simulation=pseudobulk.SimulationSettings(**given))
