"""What the benchmarks of planted cohorts share: the plan, quicker settings, and tables."""

import pathlib
import sys
from collections.abc import Sequence

import numpy as np

# What the tests share lies beside this folder, not in it.
sys.path.append(str(pathlib.Path(__file__).parents[1]))

from unit.downstream import planted as cohorts

from bluebatch.downstream import states

PLAN = cohorts.Plan(
    n_patients=300,
    two_state=("Mono", "T", "B", "DC"),
    one_blob=("NK", "Mega"),
    n_genes=200,
    distance=3.0,
    n_axes=30,
)
ALPHA = 0.05
# Quicker where states are not what is measured.
FEWER = states.StateSettings(n_nulls=59, n_resamples=10, neighbours=(15,))
SAID = f"n_nulls {FEWER.n_nulls}, n_resamples {FEWER.n_resamples}, 15 neighbours alone"


def share(value: float, n: int) -> str:
    """Write a share with its binomial standard error."""
    return f"{value:.1%} +- {np.sqrt(value * (1 - value) / n):.1%}"


def tell(cells: Sequence[str], head: bool = True) -> None:
    """Print a row of a table, and the line below it where it is the head."""
    rule = "|---" * len(cells) + "|\n" if head else ""
    lead = "\n" if head else ""
    sys.stdout.write(f"{lead}| {' | '.join(cells)} |\n{rule}")
    sys.stdout.flush()
