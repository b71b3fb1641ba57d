"""Which branch finds what survival follows: cell states, or proportions.

Run by ``planted.py --parts branches``. Cohorts of 200 patients whose survival follows states or
proportions, where states follow proportions or are apart from them.
"""

import argparse
import pathlib
import tempfile
from typing import Any

import numpy as np
import pandas as pd
from planted_cohorts import (  # type: ignore[import-not-found] # beside this script
    ALPHA,
    FEWER,
    PLAN,
    SAID,
    cohorts,
    share,
    tell,
)

from bluebatch.downstream import (
    branches,
    concordance,
    discovery,
    patient_options,
    patterns,
    search,
    subtype_settings,
)

# Log odds of a state per standard deviation of its type's proportion: correlations of .4 and .6.
LOOSELY, CLOSELY = 1.0, 2.0
BY_STATES = {"hazard_ratio": 0.35}
BY_PROPORTIONS = {"from_proportion": float(np.log(2))}
KINDS: dict[str, dict[str, Any]] = {
    "states, apart from proportions": BY_STATES,
    "proportions, apart from states": BY_PROPORTIONS,
    "states, which follow proportions loosely": {**BY_STATES, "follows": LOOSELY},
    "proportions, which states follow loosely": {**BY_PROPORTIONS, "follows": LOOSELY},
    "states, which follow proportions closely": {**BY_STATES, "follows": CLOSELY},
    "proportions, which states follow closely": {**BY_PROPORTIONS, "follows": CLOSELY},
}


def compare(given: argparse.Namespace) -> list[str]:
    """Tell which branch finds what survival follows."""
    n = given.repeats or 20
    settings = subtype_settings.Settings(
        states=FEWER,
        search=search.SearchSettings(n_permutations=199),
        groups=patterns.GroupSettings(n_permutations=0),
    )
    head = ["branch", "types with two states", "mean p_count", "p_count <= .05"]
    head += ["smallest p_max_t <= .05", "mean C-index out of fold"]
    tell([f"survival follows ({n} cohorts of 200 patients each, {SAID})", *head])
    for number, (kind, changes) in enumerate(KINDS.items()):
        plan = cohorts.Plan(**{**vars(PLAN), "n_patients": 200, "hazard_ratio": 1.0, **changes})
        tables, truth = [], []
        for repeat in range(n):
            drawn = cohorts.draw(plan, 1_000 * given.seed + 100 * number + repeat, repeat)
            truth.append(best_concordance(plan, drawn))
            with tempfile.TemporaryDirectory() as folder:
                tables.append(discover(pathlib.Path(folder), drawn, settings, given.seed))
        told = pd.concat(tables)
        for branch, part in told.groupby("branch", sort=False):
            tell([kind, str(branch), *tell_branch(part, n)], head=False)
        tell([kind, "the truth", "-", "-", "-", "-", f"{np.mean(truth):.3f}"], head=False)
    return []


def tell_branch(part: pd.DataFrame, n: int) -> list[str]:
    """Sum up what a branch found in the cohorts of one kind; nothing counts as p = 1, C = .5."""
    searched = part["branch"].iloc[0] != branches.CLUSTERS
    counts, c_index = part["p_count"].fillna(1), part["c_index"].fillna(0.5).mean()
    cells = [f"{part['n_cell_types'].mean():.1f}", f"{counts.mean():.3f}"]
    cells = [*cells, share((counts <= ALPHA).mean(), n)] if searched else ["-"] * 3
    cells.append(share((part["best_p_max_t"] <= ALPHA).mean(), n))
    # Nobody is held out where patients are compared at like proportions.
    held_out = searched and part["branch"].iloc[0] != branches.WITHIN
    return [*cells, f"{c_index:.3f}" if held_out else "-"]


def best_concordance(plan: cohorts.Plan, drawn: cohorts.Planted) -> float:
    """Give the C-index of the hazards that survival was drawn from."""
    usual = cohorts.standardise(drawn.proportion)[:, 0]
    risk = np.log(plan.hazard_ratio) * drawn.inside + plan.from_proportion * usual
    return concordance.count(drawn.durations, drawn.event == 1, risk).index


def discover(
    folder: pathlib.Path, drawn: cohorts.Planted, settings: subtype_settings.Settings, seed: int
) -> pd.DataFrame:
    """Write a cohort, open it, and compare its branches."""
    results = cohorts.write_results(folder / "results.zarr", drawn)
    options = patient_options.PatientOptions(
        clinical=str(cohorts.write_clinical(folder / "clinical.csv", drawn)),
        cohort=str(cohorts.write_cohort(folder / "cohort.zarr", drawn)),
        time="time",
        event="event",
        time_unit="days",
    )
    opened = patient_options.open_cohort(str(results), options, 10_000)
    found = discovery.discover(opened, drawn.cell_types, settings, seed)
    return discovery.table(found, opened)
