"""A small store of pseudobulks made from known profiles, and settings small enough to train."""

import pathlib

import numpy as np
import scipy.sparse

from bluebatch.engine import train, unmix
from bluebatch.expression import baselines, normalise
from bluebatch.models import unmix as model
from bluebatch.store import cells, read, schema, write

CELL_TYPES = ["B", "CD4T", "Mono"]
N_GENES = 40
N_KEPT = 36  # Genes whose profiles the store keeps; each of the first 30 marks a type.


def write_store(
    path: pathlib.Path,
    n_samples: int = 300,
    splits: tuple[float, float] = (0.8, 0.9),
    marked: bool = True,
    with_cells: bool = False,
) -> pathlib.Path:
    """Write pseudobulks, Mono absent from every tenth; ``splits`` end training and validation."""
    rng = np.random.default_rng(0)
    gene = np.arange(N_GENES)
    kind = np.where(gene < 30, gene % 3, -1)
    rates = np.stack([np.where(kind == k, 60.0, 6.0) for k in range(3)]) * np.array([[1], [1], [2]])
    proportion = rng.dirichlet(np.ones(3), n_samples)
    proportion[::10, 2] = 0
    proportion /= proportion.sum(1, keepdims=True)
    n_cells = np.rint(proportion * 300).astype(np.int32)
    level = rng.lognormal(0, 0.3, (n_samples, 1, N_GENES))
    counts = rng.poisson(n_cells[:, :, None] * rates * level).astype(np.float64)
    profile = np.full(counts.shape, np.nan)
    present = n_cells > 0
    profile[present] = normalise.log_transform(normalise.counts_per_million(counts[present]))
    by_type = counts.sum(2)
    expression = counts.sum(1)
    split = np.array(["train"] * n_samples, dtype=object)
    split[int(splits[0] * n_samples) :] = "validation"
    split[int(splits[1] * n_samples) :] = "test"
    names = [f"G{index}" for index in gene]
    coordinates = {
        "sample": [f"s{index}" for index in range(n_samples)],
        "gene": names,
        "cell_type": CELL_TYPES,
        "profile_gene": names[:N_KEPT],
        "reference": ["one"],
    }
    attributes = {"unit": "counts", "origin": "pseudobulk"}
    left_out = () if marked else ("marker_log_fold_change", "marker_adjusted_p")
    group = write.create(path, schema.PSEUDOBULK, coordinates, attributes, leave_out=left_out)
    fold = np.log2(rates / np.stack([np.delete(rates, k, 0).mean(0) for k in range(3)]))
    arrays = {
        "expression": expression,
        "library_size": expression.sum(1),
        "proportion": n_cells / n_cells.sum(1, keepdims=True),
        "rna_fraction": by_type / by_type.sum(1, keepdims=True),
        "n_cells": n_cells,
        "profile": profile[:, :, :N_KEPT],
        "split": split,
        "source": np.array(["one"] * n_samples, dtype=object),
        "twin": np.array([""] * n_samples, dtype=object),
        "marker_log_fold_change": fold[None],
        "marker_adjusted_p": np.where(kind == np.arange(3)[:, None], 0.001, 0.5)[None],
        "cell_library_size": rates.sum(1)[None],
    }
    for name in arrays.keys() - set(left_out):
        values = arrays[name]
        write.write_whole(group, name, values)
    if with_cells:
        drawn = rng.poisson(np.repeat(rates, 200, axis=0)).astype(np.float32)
        labels = (np.repeat(np.arange(3), 200), np.zeros(600, np.int64))
        cells.write_cells(group, scipy.sparse.csr_matrix(drawn), np.arange(600), labels)
    write.complete(group)
    return path


def settings(**training: object) -> train.Settings:
    """Name settings under which two members train in a second or two."""
    members = (model.MemberSettings(input="zscore"), model.MemberSettings(input="rank", seed=1))
    return train.Settings(
        model=model.ModelSettings(
            width=32, channels=2, depth=2, hidden=(16, 8), members=members, share_surprise=False
        ),
        anchor=baselines.AnchorSettings(n_components=8),
        training=train.TrainingSettings.model_validate(
            {"epochs": 3, "precision": "fp32", **training}
        ),
    )


def learn(path: pathlib.Path, chosen: train.Settings | None = None) -> unmix.Task:
    """Learn all that comes before the networks."""
    store = read.open_store(path, "pseudobulk")
    outlined = unmix.Task.outline(store, chosen or settings(), train.Options(threads=1))
    return outlined.learn(store)
