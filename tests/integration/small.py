"""A small model with weights as they are drawn, cohorts for it, single cells: quick to make."""

import pathlib

import anndata
import numpy as np
import pandas as pd
import safetensors.torch
import scipy.sparse
import torch

from bluebatch.engine import kinds, unmix
from bluebatch.expression import baselines
from bluebatch.models import unmix as unmixer
from bluebatch.store import model_folder, schema, write

GENES = [f"GENE{index}" for index in range(200)]
CELL_TYPES = ["B", "CD4T", "CD8T", "Mono"]


def write_cohort(
    path: pathlib.Path, n_samples: int, *, seed: int = 0, first: int = 0, genes: int = len(GENES)
) -> pathlib.Path:
    """Write samples of an endless cohort, from ``first`` on."""
    rows = [
        np.random.default_rng([seed, first + index]).gamma(0.5, 40, len(GENES))
        for index in range(n_samples)
    ]
    expression = np.array(rows, dtype=np.float32)[:, :genes]
    names = [f"sample-{first + index}" for index in range(n_samples)]
    group = write.create(
        path,
        schema.COHORT,
        {"sample": names, "gene": GENES[:genes]},
        {"unit": "TPM", "origin": "bulk"},
        leave_out=("patient",),
    )
    write.write_whole(group, "expression", expression)
    write.write_whole(group, "library_size", expression.sum(axis=1, dtype=np.float64))
    write.complete(group)
    return path


def write_reference(path: pathlib.Path) -> pathlib.Path:
    """Write single cells of two types, of which one has ten marker genes."""
    rng = np.random.default_rng(0)
    counts = rng.poisson(2.0, size=(120, 60)).astype(np.float32)
    counts[:60, :10] += 5
    obs = pd.DataFrame({"cell_type": ["A"] * 60 + ["B"] * 60}, index=[f"c{i}" for i in range(120)])
    var = pd.DataFrame(index=[f"G{i}" for i in range(60)])
    anndata.AnnData(scipy.sparse.csr_matrix(counts), obs=obs, var=var).write_h5ad(path)
    return path


def write_model(folder: pathlib.Path, width: int = 64) -> pathlib.Path:
    """Write a folder as ``train`` does, without training."""
    model = unmixer.ModelSettings(width=width, channels=4, depth=2, hidden=(32,))
    settings = unmix.Settings(model=model, anchor=baselines.AnchorSettings(kind="none"))
    members = [{"file": f"member_{index}.safetensors"} for index in range(len(model.members))]
    card = model_folder.Card(
        kind="unmix",
        labels={
            "input_gene": GENES[:120],
            "gene": GENES[20:110],
            "library_gene": GENES,
            "cell_type": CELL_TYPES,
        },
        units={},
        settings=settings.model_dump(mode="json"),
        made_from={},
        facts={"markers": {}},
        scores={},
        members=members,
    )
    skill = np.full((len(CELL_TYPES), 90), 0.5, np.float32)
    variance = np.linspace(0.05, 2, skill.size, dtype=np.float32).reshape(skill.shape)
    model_folder.write_card(folder, card, {"skill": skill, "surprise_variance": variance})
    trained = kinds.load(folder)
    for index, member in enumerate(members):
        torch.manual_seed(index)
        weights = trained.network(index).state_dict()
        contiguous = {name: value.contiguous() for name, value in weights.items()}
        safetensors.torch.save_file(contiguous, folder / member["file"])
    return folder
