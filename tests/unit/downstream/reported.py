"""A results store with all that a report can show; three types whose genes are told apart."""

import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from bluebatch.store import model_folder, schema, write

Array = npt.NDArray[Any]
CELL_TYPES = ["B", "Mono", "NK"]
GENES = [f"g{index}" for index in range(12)]
HOSTILE = '<script>throw "x"</script>'
EVERY = ["proportion_low", "proportion_high", "domain_distance", "missing_type", "skill", "spread"]
ATTRIBUTES = {
    "origin": "bulk",
    "level": 0.9,
    "n_panel_genes": 20,
    "n_missing_genes": 4,
    "missing_genes": ["x1", "x2", "x3", "x4"],
    "mrna_content": "published",
    "flag_limits": {
        "domain_distance": {"limit": 1.0, "calibrated_on": "750 pseudobulks", "expected": 0.01},
        "missing_type": {"limit": 1.0, "calibrated_on": "750 pseudobulks", "expected": 0.01},
        "reconstruction_error": {"limit": 0.5, "calibrated_on": "750 pseudobulks"},
    },
}


def names(n_samples: int) -> list[str]:
    """Name samples, one of them as no one should."""
    return [HOSTILE if index == 2 else f"s{index:05d}" for index in range(n_samples)]


def values(n_samples: int) -> dict[str, Array]:
    """Make every array: of sample i the fractions are (.5, .3, .2), turned by i."""
    turned = np.arange(n_samples)[:, None] + np.arange(3)
    proportion = np.array([0.5, 0.3, 0.2])[turned % 3]
    base = np.kron(np.eye(3), np.full(4, 6.0)) + 1  # four genes of its own for each type
    profile = base + 0.01 * np.arange(n_samples)[:, None, None]
    skill = np.linspace(-0.2, 0.35, 12) + np.array([0, 0.1, -0.5])[:, None]
    step = np.linspace(0, 1, n_samples) if n_samples > 1 else np.zeros(1)
    return {
        "proportion": proportion,
        "rna_fraction": proportion,
        "proportion_low": np.maximum(proportion - 0.05, 0),
        "proportion_high": proportion + np.array([0.05, 0.05, 0.25]),
        "profile": profile,
        "domain_distance": 0.6 + 0.5 * step,
        "missing_type": 0.2 + 0.1 * step,
        "reconstruction_error": 0.3 + 0.1 * step,
        "gene_coverage": np.full(n_samples, 0.8),
        "skill": skill,
        "spread": np.ones((3, 12)),
    }


def write_results(
    path: pathlib.Path,
    n_samples: int = 6,
    *,
    leave_out: Sequence[str] = (),
    attributes: dict[str, Any] | None = None,
    changed: dict[str, Array] | None = None,
    complete: bool = True,
) -> pathlib.Path:
    """Write the store, without the arrays left out."""
    arrays = {**values(n_samples), **(changed or {})}
    known_here = set(arrays) - set(leave_out)
    lacking = [each.name for each in schema.PROFILE.arrays if each.name not in known_here]
    coordinates = {"sample": names(n_samples), "cell_type": CELL_TYPES, "gene": GENES}
    known = ATTRIBUTES if attributes is None else attributes
    group = write.create(path, schema.PROFILE, coordinates, known, leave_out=lacking)
    for name, array in arrays.items():
        if name not in lacking:
            write.write_whole(group, name, np.asarray(array, np.float32))
    if complete:
        write.complete(group)
    return path


def write_cohort(path: pathlib.Path, n_samples: int = 6, n_genes: int = 9) -> pathlib.Path:
    """Write what the results might have been made from, with patients and a gene report."""
    coordinates = {"sample": names(n_samples), "gene": GENES[:n_genes]}
    attributes = {
        "unit": "TPM",
        "origin": "bulk",
        "genes": {
            "n_source": 14,
            "n_genes": n_genes,
            "panel": {"found": 16, "wanted": 20},
            "findings": [
                {"kind": "date", "done": "dropped", "count": 2, "examples": ["1-Sep", "2-Mar"]}
            ],
        },
        "notes": ["2 names look like dates of a spreadsheet"],
    }
    group = write.create(path, schema.COHORT, coordinates, attributes)
    expression = np.ones((n_samples, n_genes), np.float32)
    write.write_whole(group, "expression", expression)
    write.write_whole(group, "library_size", expression.sum(axis=1, dtype=np.float64))
    patients = np.array([f"patient {index % 2}" for index in range(n_samples)], dtype=object)
    write.write_whole(group, "patient", patients)
    write.complete(group)
    return path


def write_model(folder: pathlib.Path, cell_types: Sequence[str] = CELL_TYPES) -> pathlib.Path:
    """Write a card that names markers: two of three measured for B, all for Mono, none for NK."""
    card = model_folder.Card(
        kind="unmix",
        labels={"cell_type": list(cell_types), "gene": GENES, "input_gene": GENES},
        units={},
        settings={"training": {"epochs": 3}},
        made_from={},
        facts={"markers": {"B": ["g1", "g0", "g11"], "Mono": ["g5"], "NK": ["g10"]}},
        scores={},
        members=[{"seed": 7}],
    )
    model_folder.write_card(folder, card, {"skill": np.zeros((3, 12), np.float32)})
    return folder


def write_table(path: pathlib.Path, rows: dict[str, Sequence[object]]) -> pathlib.Path:
    """Write a table of attributes, a line a sample."""
    lines = [",".join(rows)]
    for line in zip(*rows.values(), strict=True):
        lines.append(",".join('"{}"'.format(str(each).replace('"', '""')) for each in line))
    path.write_text("\n".join(lines) + "\n")
    return path
