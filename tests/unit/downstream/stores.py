"""Small synthetic stores: three cell types, true and predicted, with a model folder."""

import dataclasses
import pathlib
from typing import Any

import numpy as np
import numpy.typing as npt

from bluebatch.expression import baselines, normalise
from bluebatch.store import model_folder, schema, write

Array = npt.NDArray[Any]
CELL_TYPES = ["B", "Mono", "NK"]
N_GENES = 40
GENES = [f"g{index}" for index in range(N_GENES)]
BASE = np.random.default_rng(7).gamma(1.0, 300.0, size=(3, N_GENES))


@dataclasses.dataclass(frozen=True)
class Known:
    samples: list[str]
    proportion: Array
    profile: Array  # log2(1 + CPM); NaN where absent
    expression: Array
    n_cells: Array


def draw(n_samples: int, seed: int, prefix: str = "test") -> Known:
    """Samples whose cell types share a state; 2i and 2i + 1 are twins."""
    rng = np.random.default_rng(seed)
    proportion = np.repeat(rng.dirichlet([1.5] * 3, -(-n_samples // 2)), 2, axis=0)[:n_samples]
    proportion[::7, 2] = 0
    proportion /= proportion.sum(axis=1, keepdims=True)
    n_cells = np.round(proportion * 500).astype(np.int32)
    state = np.repeat(rng.normal(size=(-(-n_samples // 2), 1, 1)), 2, axis=0)[:n_samples]
    slope = np.random.default_rng(8).normal(size=(1, 3, N_GENES))
    noise = rng.normal(size=(n_samples, 3, N_GENES)) * 0.2
    linear = BASE * np.exp(0.5 * state * slope + noise)
    cpm = normalise.counts_per_million(linear)
    profile = normalise.log_transform(cpm)
    profile[n_cells == 0] = np.nan
    expression = np.einsum("nt,ntg->ng", proportion, cpm)
    samples = [f"{prefix}-{index:06d}" for index in range(n_samples)]
    return Known(samples, proportion, profile, expression, n_cells)


def write_truth(path: pathlib.Path, known: Known, splits: list[str] | None = None) -> pathlib.Path:
    n_samples = len(known.samples)
    coordinates = {
        "sample": known.samples,
        "gene": GENES,
        "profile_gene": GENES,
        "cell_type": CELL_TYPES,
    }
    leave_out = ["marker_log_fold_change", "marker_adjusted_p", "cell_library_size"]
    attributes = {"origin": "pseudobulk", "unit": "counts"}
    group = write.create(path, schema.PSEUDOBULK, coordinates, attributes, leave_out=leave_out)
    twins = [known.samples[i ^ 1] if (i ^ 1) < n_samples else "" for i in range(n_samples)]
    arrays: dict[str, Any] = {
        "expression": known.expression,
        "library_size": known.expression.sum(axis=1),
        "proportion": known.proportion,
        "rna_fraction": known.proportion,
        "n_cells": known.n_cells,
        "profile": known.profile,
        "split": np.array(splits or ["test"] * n_samples, object),
        "source": np.array(["a"] * n_samples, object),
        "twin": np.array(twins, object),
    }
    for name, values in arrays.items():
        write.write_whole(group, name, values)
    write.complete(group)
    return path


def write_results(
    path: pathlib.Path,
    known: Known,
    *,
    error: float = 0.0,
    cell_types: list[str] | None = None,
    complete: bool = True,
    **more: Array,
) -> pathlib.Path:
    """Write true values with an error on top; ``more`` are optional arrays of a result."""
    rng = np.random.default_rng(3)
    coordinates = {
        "sample": known.samples,
        "cell_type": cell_types or CELL_TYPES,
        "gene": GENES,
    }
    optional = [spec.name for spec in schema.PROFILE.arrays if spec.optional]
    leave_out = [name for name in optional if name not in more]
    group = write.create(path, schema.PROFILE, coordinates, {}, leave_out=leave_out)
    proportion = np.abs(known.proportion + error * rng.normal(size=known.proportion.shape) / 5)
    proportion /= proportion.sum(axis=1, keepdims=True)
    profile = known.profile + error * rng.normal(size=known.profile.shape)
    for name, values in (
        ("proportion", proportion),
        ("rna_fraction", proportion),
        ("profile", profile),
        ("reconstruction_error", np.zeros(len(profile))),
        ("gene_coverage", np.ones(len(profile))),
        *more.items(),
    ):
        write.write_whole(group, name, values)
    if complete:
        write.complete(group)
    return path


def write_model(folder: pathlib.Path, known: Known) -> pathlib.Path:
    log_cpm = normalise.log_transform(normalise.counts_per_million(known.expression))
    block = {
        "input": baselines.standard_input(log_cpm),
        "profile": known.profile,
        "proportion": known.proportion,
        "rna_fraction": known.proportion,
    }
    fitted = baselines.fit([block], baselines.AnchorSettings(n_components=8))
    card = model_folder.Card(
        kind="unmix",
        labels={
            "input_gene": GENES,
            "gene": GENES,
            "cell_type": CELL_TYPES,
            "library_gene": GENES,
        },
        units={},
        settings={"panel": {"cpm_over": "library"}},
        made_from={},
        facts={},
        scores={},
        members=[],
    )
    model_folder.write_card(folder, card, fitted.arrays())
    return folder
