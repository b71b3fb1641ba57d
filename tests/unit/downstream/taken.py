"""Stores that no model made: a table of proportions, and nothing of a model's."""

import pathlib

import numpy as np
from unit.downstream import reported

from bluebatch.store import schema, write


def write_composition(path: pathlib.Path, n_samples: int = 12) -> pathlib.Path:
    """Write two types; of sample i the first has i of all but one and a half."""
    coordinates = {"sample": reported.names(n_samples), "cell_type": ["B", "Mono"]}
    attributes = {"source": {"name": "table.csv"}, "notes": ["row sums 0.9 to 1"]}
    group = write.create(path, schema.COMPOSITION, coordinates, attributes, leave_out=["patient"])
    first = np.arange(n_samples) / (n_samples + 0.5)
    write.write_whole(group, "proportion", np.stack([first, 1 - first], 1).astype(np.float32))
    write.complete(group)
    return path
