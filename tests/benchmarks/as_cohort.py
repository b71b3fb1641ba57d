"""What a cohort's alignment is worth, by how often its samples are predicted again.

    python tests/benchmarks/as_cohort.py MODEL COHORT [TRUTH.csv]

COHORT is a store of pseudobulks, which knows its own proportions, or a cohort with a table of them.
Every row is scored once with the predictor's own error undone in each pass, as `--as-cohort` does,
and once with it left in. For profiles compare `bluebatch evaluate` of two results, with
`--as-cohort` and without.
"""

import argparse
import contextlib
import pathlib
import sys
from collections.abc import Iterator
from unittest import mock

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from bluebatch.engine import as_cohort, cohort_learning, kinds, pipeline, task, unmixing
from bluebatch.expression import alignment, cohort_shift, metrics
from bluebatch.store import read

Array = npt.NDArray[np.float64]
MOST_PASSES = 4


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("cohort", type=pathlib.Path)
    parser.add_argument("truth", type=pathlib.Path, nargs="?")
    parser.add_argument("--n-samples", type=int, help="The first ones; all by default.")
    given = parser.parse_args()
    trained, store = kinds.load(given.model), read.open_store(given.cohort)
    reader = trained.bind(store, {})
    if not isinstance(reader, unmixing.Reader):
        parser.error(f"{given.model} does not unmix")
    n_rows = min(given.n_samples or store.n_rows, store.n_rows)
    truth = find_truth(trained, store, given.truth)[:n_rows]
    networks = kinds.load_networks(trained, given.model)
    sys.stdout.write(
        f"{n_rows:,} samples. CCC flattened / mean of types / mean absolute error (proportions)\n"
    )
    sys.stdout.write("passes  own error undone       left in\n")
    for passes in range(MOST_PASSES):
        cells = []
        for undone in (True, False):
            predictor = as_cohort.Predictor(networks, torch.float32)
            with settings(passes, undone=undone, n_rows=n_rows):
                cohort_learning.learn(trained, reader, store, predictor)
            cells.append(score(predict(reader, predictor, n_rows), truth))
        sys.stdout.write(f"{passes:>6}  {cells[0]:<22} {cells[1]}\n")
        sys.stdout.flush()


def find_truth(trained: task.Task, store: read.Store, table: pathlib.Path | None) -> Array:
    """Give proportions of the model's types, summing to 1."""
    types = trained.card.labels["cell_type"]
    if table is None:
        known = pd.DataFrame(store.read("proportion"), columns=store.labels["cell_type"])
    else:
        known = pd.read_csv(table, index_col=0).loc[store.labels["sample"]]
    values = known[types].to_numpy(np.float64)
    return np.asarray(values / values.sum(axis=1, keepdims=True))


@contextlib.contextmanager
def settings(passes: int, *, undone: bool, n_rows: int) -> Iterator[None]:
    """Set how an alignment is learnt; shifts of profiles, not looked at here, take no time."""
    with (
        mock.patch.object(alignment, "PASSES", passes),
        mock.patch.object(cohort_shift, "PASSES", 0),
        mock.patch.object(cohort_learning, "MOST_SAMPLES", max(n_rows, alignment.MIN_SAMPLES)),
    ):
        if undone:
            yield
            return
        with mock.patch.object(alignment, "aim", lambda wanted, answered: wanted):
            yield


def predict(reader: unmixing.Reader, predictor: as_cohort.Predictor, n_rows: int) -> Array:
    """Predict proportions."""
    inputs = reader.inputs(slice(0, n_rows))
    with pipeline.open_lanes(1):
        return np.asarray(reader.compose(predictor(inputs)).proportion)


def score(predicted: Array, truth: Array) -> str:
    """Score proportions."""
    _, mean, flat = metrics.score_fractions(predicted, truth)
    return f"{flat['ccc']:.3f} / {mean['ccc']:.3f} / {flat['l1']:.3f}"


if __name__ == "__main__":
    main()
