"""Measure the search over definitions: how fast, what luck finds, and whether it finds the truth.

Usage: python tests/benchmarks/search.py [--parts speed null planted] [--cohorts 200] [--repeats 50]
       [--intervals 300] [--permutations 1000] [--seed 0] [--large]
Speed: one search with permutations each row; `--large` adds 10,000 patients of 15 types (minutes).
Null: cohorts of 150 patients and six types whose states have nothing to do with survival. Planted:
one definition multiplies the hazard. Prints tables in Markdown; fails above 60 s for six types, or
where the largest statistic rejects in other than 5 % +- 3 % of the null cohorts (without a least
group in more: there single patients who die first make the same largest statistic again and again,
and ties count against the finding), or where the interval of the planted hazard ratio covers the
truth in fewer than 90 % of the cohorts it is estimated in.
"""

import argparse
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import lifelines
import numpy as np
import numpy.typing as npt
import pandas as pd

from bluebatch.downstream import definitions, outcomes, search

Array = npt.NDArray[Any]
TYPES = [f"T{number}" for number in range(1, 16)]
LIMIT_SECONDS = 60.0
# What was published of such searches: share of cohorts, by the smallest group.
PUBLISHED_P = 0.00064
PUBLISHED = {1: ("92 %", "81 %"), 10: ("30 %", "16 %")}
PLANTED = "T1=1&T4=0"
RATIOS = (0.2, 0.35, 0.5, 2.0, 3.0)
COX_LEVEL = 0.95


class Cohort(NamedTuple):
    """States and survival."""

    states: Array
    durations: Array
    events: Array

    @property
    def outcome(self) -> outcomes.Outcome:
        """Put survival together."""
        return outcomes.Outcome(self.durations, self.events)


def draw(rng: np.random.Generator, n_patients: int, n_types: int, ratio: float = 1.0) -> Cohort:
    """Draw states that split the patients .3 to .7, exponential survival, uniform censoring.

    About a third of the patients is censored. The patients of the planted definition have
    ``ratio`` times the hazard of the others.
    """
    share = rng.uniform(0.3, 0.7, size=n_types)
    states = (rng.random((n_patients, n_types)) < share).astype(np.int8)
    hazard = np.ones(n_patients)
    if ratio != 1:
        hazard[planted(states)] = ratio
    death = rng.exponential(500 / hazard)
    censored = rng.uniform(0, 1500, size=n_patients)
    return Cohort(states, np.minimum(death, censored), death <= censored)


def planted(states: Array) -> Array:
    """Tell who is inside the planted definition."""
    found = definitions.parse([PLANTED], TYPES[: states.shape[1]])
    return definitions.members(found, states)[0][:, 0]


def run(cohort: Cohort, seed: int, strata: Array | None = None, **settings: Any) -> search.Search:
    """Search one cohort."""
    names = TYPES[: cohort.states.shape[1]]
    chosen = search.SearchSettings(**settings)
    outcome = outcomes.Outcome(cohort.durations, cohort.events, strata)
    return search.run(cohort.states, names, outcome, chosen, np.random.default_rng(seed))


def speed(given: argparse.Namespace) -> bool:
    """Time searches; tell whether the one of six types is fast enough."""
    rng = np.random.default_rng([given.seed, 1])
    halves = rng.integers(0, 2, size=(500, 15)).astype(np.int8)
    cohort = draw(rng, 500, 15)._replace(states=halves)
    lacking = np.where(rng.random((500, 15)) < 0.1, -1, halves).astype(np.int8)
    six, strata = cohort._replace(states=halves[:, :6]), rng.integers(0, 4, size=500)
    rows: list[tuple[str, Cohort, Array | None, dict[str, Any]]] = [
        ("500 patients, 6 types, every group", six, None, {"min_group": 1}),
        ("500 patients, 6 types, groups of 25", six, None, {}),
        ("the same, four strata", six, strata, {"min_group": 1}),
        (
            "500 patients, 6 types each absent in 10 %, left out",
            cohort._replace(states=lacking[:, :6]),
            None,
            {"min_group": 1, "absent": "drop"},
        ),
        ("500 patients, 15 types, at most 3 picked", cohort, None, {"min_group": 1}),
    ]
    if given.large:
        large = draw(rng, 10_000, 15)
        rows.append(("10,000 patients, 15 types, at most 3 picked", large, None, {}))
    tell(["search", "definitions", "tested", "permutations", "seconds", "CPU seconds"])
    first = 0.0
    for name, of, labels, settings in rows:
        begun, worked = time.perf_counter(), time.process_time()
        found = run(of, 0, labels, n_permutations=given.permutations, **settings)
        seconds, worked = time.perf_counter() - begun, time.process_time() - worked
        first = first or seconds
        counts = [f"{n:,}" for n in (len(found.table), found.n_tested, given.permutations)]
        tell([name, *counts, f"{seconds:.2f}", f"{worked:.2f}"], head=False)
    return first < LIMIT_SECONDS


def null(given: argparse.Namespace) -> bool:
    """Search cohorts without signal; tell whether the largest statistic keeps its level."""
    rng = np.random.default_rng([given.seed, 2])
    cohorts = [draw(rng, 150, 6) for _ in range(given.cohorts)]
    tell(["of null cohorts", "no least group", "published", "groups of 10 or more", "published"])
    shares = {}
    for least in (1, 10):
        found = [
            run(cohort, number, min_group=least, n_permutations=given.permutations)
            for number, cohort in enumerate(cohorts)
        ]
        shares[least] = [
            np.mean([one.table["p"].min() <= PUBLISHED_P for one in found]),
            np.mean([one.n_significant > 0 for one in found]),
            np.mean([one.table["p_max_t"].min() <= 0.05 for one in found]),
            np.mean([one.p_count <= 0.05 for one in found]),
            np.mean([one.n_tested for one in found]),
        ]
    names = [f"best raw p <= {PUBLISHED_P}", "any BH q < .05", "any p_max_t <= .05"]
    for row, name in enumerate([*names, "p_count <= .05"]):
        cells = []
        for least in (1, 10):
            cells += [f"{shares[least][row]:.1%}", PUBLISHED[least][row] if row < 2 else "-"]
        tell([name, *cells], head=False)
    tested = [f"{shares[least][4]:.0f}" for least in (1, 10)]
    tell(["definitions tested, mean", tested[0], "-", tested[1], "-"], head=False)
    return bool(abs(shares[10][2] - 0.05) <= 0.03 and shares[1][2] <= 0.08)


def cox(cohort: Cohort, inside: Array) -> tuple[float, float, float]:
    """Give the hazard ratio of a group with both ends of its interval."""
    table = pd.DataFrame({"time": cohort.durations, "event": cohort.events, "inside": inside * 1.0})
    fitter = lifelines.CoxPHFitter(alpha=1 - COX_LEVEL).fit(table, "time", "event")
    low, high = np.exp(fitter.confidence_intervals_.loc["inside"])
    return float(fitter.hazard_ratios_["inside"]), float(low), float(high)


def repeats(ratio: float, given: argparse.Namespace) -> Iterator[dict[str, float]]:
    """Estimate the hazard ratio of a planted definition, and search the first of the cohorts."""
    for repeat in range(max(given.intervals, given.repeats)):
        rng = np.random.default_rng([given.seed, 3, round(100 * ratio), repeat])
        cohort = draw(rng, 300, 6, ratio)
        estimate, low, high = cox(cohort, planted(cohort.states))
        told = {"cox": estimate, "covers": float(low <= ratio <= high)}
        if repeat >= given.repeats:
            yield told
            continue
        found = run(cohort, repeat, n_permutations=given.permutations)
        row = found.definitions.labels.index(PLANTED)
        p, p_max_t, one_step = (
            found.table[name].to_numpy() for name in ("p", "p_max_t", "log_hazard_ratio")
        )
        yield {
            **told,
            "leads": float(np.nanargmin(p) == row),
            "found": float(p_max_t[row] <= 0.05),
            "peto": float(np.exp(one_step[row])),
        }


def plant(given: argparse.Namespace) -> bool:
    """Search for what was planted; tell whether the intervals cover it often enough."""
    tell(
        [
            f"hazard ratio of {PLANTED}",
            f"it has the smallest p, of {given.repeats}",
            "its p_max_t <= .05",
            "Cox interval covers the truth",
            f"the same, of {max(given.intervals, given.repeats)}",
            "Cox ratio, median",
            "Peto ratio, median",
        ]
    )
    enough = True
    for ratio in RATIOS:
        found = pd.DataFrame(list(repeats(ratio, given)))
        searched = found.iloc[: given.repeats]
        shares = [f"{searched[name].mean():.0%}" for name in ("leads", "found", "covers")]
        medians = [f"{searched[name].median():.2f}" for name in ("cox", "peto")]
        tell([f"{ratio}", *shares, f"{found['covers'].mean():.0%}", *medians], head=False)
        enough &= bool(found["covers"].mean() >= 0.9)
    return enough


def tell(cells: Sequence[str], head: bool = True) -> None:
    """Print a row of a table, and the line below it where it is the head."""
    rule = "|---" * len(cells) + "|\n" if head else ""
    lead = "\n" if head else ""
    sys.stdout.write(f"{lead}| {' | '.join(cells)} |\n{rule}")
    sys.stdout.flush()


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parts = {"speed": speed, "null": null, "planted": plant}
    parser.add_argument("--parts", nargs="+", choices=list(parts), default=list(parts))
    parser.add_argument("--cohorts", type=int, default=200)
    parser.add_argument("--repeats", type=int, default=50)
    parser.add_argument("--intervals", type=int, default=300, help="cohorts to estimate from")
    parser.add_argument("--permutations", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--large", action="store_true")
    given = parser.parse_args()
    warnings.simplefilter("error")
    passed = [parts[name](given) for name in given.parts]
    sys.exit(not all(passed))


if __name__ == "__main__":
    main()
