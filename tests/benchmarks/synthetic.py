"""Cohorts and untrained models of any size, made without holding them in memory."""

import pathlib

import numpy as np
import safetensors.torch
import torch

from bluebatch.engine import kinds, unmix
from bluebatch.expression import baselines
from bluebatch.models import unmix as unmixer
from bluebatch.store import model_folder, schema, write

# The paper's network, and one so small that it leaves reading and writing to be measured.
PAPER = unmixer.ModelSettings(
    width=4096,
    channels=16,
    depth=4,
    hidden=(4096, 1024, 256, 64),
    trunk="separate",
    output="relu",
    share_surprise=False,
    fp32_heads=False,
    members=(unmixer.MemberSettings(input="none", noise=0, gaps=0),),
)
SMALL = PAPER.model_copy(update={"width": 256, "channels": 4, "hidden": (64,)})


def write_cohort(path: pathlib.Path, n_samples: int, n_genes: int) -> None:
    """Write a bulk cohort of TPM, block by block."""
    labels = {
        "sample": [f"sample-{index}" for index in range(n_samples)],
        "gene": [f"gene-{index}" for index in range(n_genes)],
    }
    attributes = {"unit": "TPM", "origin": "bulk"}
    group = write.create(path, schema.COHORT, labels, attributes, leave_out=("patient",))
    rng = np.random.default_rng(0)
    step = schema.ROWS_PER_CHUNK
    for start in range(0, n_samples, step):
        rows = slice(start, min(start + step, n_samples))
        expression = rng.standard_exponential((rows.stop - start, n_genes), dtype=np.float32)
        # Squared: as skewed as expression is.
        expression *= 30 * expression
        write.write(group, "expression", rows, expression)
        write.write(group, "library_size", rows, expression.sum(axis=1, dtype=np.float64))
    write.complete(group)


def write_model(
    folder: pathlib.Path, n_genes: int, n_types: int, model: unmixer.ModelSettings = PAPER
) -> None:
    """Write a folder as ``train`` does, with weights drawn at random and no anchor."""
    settings = unmix.Settings(model=model, anchor=baselines.AnchorSettings(kind="none"))
    names = [f"gene-{index}" for index in range(n_genes)]
    cell_types = [f"type-{index}" for index in range(n_types)]
    files = [f"member_{index}.safetensors" for index in range(len(model.members))]
    card = model_folder.Card(
        kind="unmix",
        labels={
            "input_gene": names,
            "gene": names,
            "library_gene": names,
            "cell_type": cell_types,
        },
        units={},
        settings=settings.model_dump(mode="json"),
        made_from={},
        facts={"markers": {}, "mrna_content": dict.fromkeys(cell_types, 1.0)},
        scores={},
        members=[{"file": file} for file in files],
    )
    arrays = {"skill": np.zeros((n_types, n_genes), np.float32)}
    if model.share_surprise:
        arrays["surprise_variance"] = np.ones((n_types, n_genes), np.float32)
    model_folder.write_card(folder, card, arrays)
    for member, file in enumerate(files):
        blank = kinds.blank_network(kinds.load(folder), member)
        weights = {name: draw(name, value, member) for name, value in blank.state_dict().items()}
        safetensors.torch.save_file(weights, folder / file)


def draw(name: str, blank: torch.Tensor, seed: int) -> torch.Tensor:
    """Draw a weight so that signals keep their size from layer to layer."""
    if blank.dim() < 2:
        is_scale = name.endswith(("running_var", "weight"))
        return torch.full(blank.shape, float(is_scale), dtype=blank.dtype)
    bound = (3 / blank[0].numel()) ** 0.5
    generator = torch.Generator().manual_seed(seed)
    return torch.empty(blank.shape).uniform_(-bound, bound, generator=generator)
