"""Measure the groups that are made of a search: how circular, how true, how fast; and the clusters.

Usage: python tests/benchmarks/groups.py [--parts null planted clusters speed] [--cohorts 200]
       [--repeats 50] [--permutations 1000] [--seed 0]
Null: cohorts of 150 patients and six types whose states have nothing to do with survival. Planted:
one definition multiplies the hazard of 300 patients. Clusters: proportions of 159 patients and six
types, one blob or four. Prints tables in Markdown; fails where the permuted p rejects in other than
5 % +- 3 % of the null cohorts, or where 1,000 permutations of 300 patients take more than 30 s.
"""

import argparse
import sys
import time
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import search as searches  # type: ignore[import-not-found] # beside this script
import sklearn.metrics
from scipy import stats

from bluebatch.downstream import (
    composition_clusters,
    group_permutation,
    patterns,
    search,
)

Array = npt.NDArray[Any]
ALPHA = 0.05
LIMIT_SECONDS = 30.0
RATIOS = (0.2, 0.35, 0.5, 2.0, 3.0)
WAYS = [patterns.GroupSettings(decide_by="majority"), patterns.GroupSettings(decide_by="lead")]


def look(cohort: Any, n: int, seed: int) -> Iterator[tuple[Any, Any, Any]]:
    """Search a cohort, and make groups in both ways; give the search, groups and permuted p."""
    found = searches.run(cohort, seed, n_permutations=0)
    risk = cohort.outcome.risk()
    for way in WAYS:
        how = way.model_copy(update={"n_permutations": n})
        groups = patterns.find(found, cohort.outcome, how)
        luck = None
        if groups is not None:
            rng = np.random.default_rng(seed)
            luck = group_permutation.permuted(found, groups, risk, ALPHA, how, rng)
        yield found, groups, luck


def null(given: argparse.Namespace) -> bool:
    """Group cohorts without signal; tell whether the permuted p keeps its level."""
    rng = np.random.default_rng([given.seed, 4])
    rows = []
    for number in range(given.cohorts):
        cohort = searches.draw(rng, 150, 6)
        row: dict[str, Any] = {}
        for way, (_, groups, luck) in zip(
            WAYS, look(cohort, given.permutations, number), strict=True
        ):
            naive = stats.chi2.sf(luck.statistic, 1) if luck else 1.0
            row |= {"groups": groups is not None, f"naive {way.decide_by}": naive <= ALPHA}
            row[way.decide_by] = luck is not None and luck.p <= ALPHA
        rows.append(row)
    table = pd.DataFrame(rows)
    searches.tell(["of null cohorts", "share"])
    names = {
        "groups": "have groups at all",
        "naive majority": "log-rank p of the groups <= .05, by majority",
        "naive lead": "the same, by the lead",
        "majority": "permuted p of the whole way <= .05, by majority",
        "lead": "the same, by the lead",
    }
    for name, words in names.items():
        searches.tell([words, f"{table[name].mean():.1%}"], head=False)
    return all(abs(table[way.decide_by].mean() - ALPHA) <= 0.03 for way in WAYS)


def overlap(first: Array, second: Array) -> float:
    """Give intersection over union."""
    return float((first & second).sum() / max(1, (first | second).sum()))


def plant(given: argparse.Namespace) -> bool:
    """Group cohorts with a planted definition, and compare the groups with its patients."""
    searches.tell(
        [
            f"hazard ratio of {searches.PLANTED}",
            "significant definitions",
            "components",
            "group of the majority: IoU with the planted",
            "group of the lead: IoU",
            "permuted p <= .05, majority",
            "lead",
        ]
    )
    for ratio in RATIOS:
        rows = []
        for repeat in range(given.repeats):
            rng = np.random.default_rng([given.seed, 5, round(100 * ratio), repeat])
            cohort = searches.draw(rng, 300, 6, ratio)
            truth = searches.planted(cohort.states)
            side = patterns.BEST if ratio < 1 else patterns.WORST
            row: dict[str, Any] = {}
            n = min(given.permutations, 200)
            for way, (found, groups, luck) in zip(WAYS, look(cohort, n, repeat), strict=True):
                row["n"] = found.n_significant
                row["components"] = 0 if groups is None else len(groups.components)
                placed = np.zeros(300, bool) if groups is None else groups.index == side
                row[f"IoU {way.decide_by}"] = overlap(placed, truth)
                row[way.decide_by] = luck is not None and luck.p <= ALPHA
            rows.append(row)
        table = pd.DataFrame(rows)
        medians = [f"{table[name].median():.0f}" for name in ("n", "components")]
        medians += [f"{table[name].median():.2f}" for name in ("IoU majority", "IoU lead")]
        shares = [f"{table[name].mean():.0%}" for name in ("majority", "lead")]
        searches.tell([f"{ratio}", *medians, *shares], head=False)
    return True


def clusters(given: argparse.Namespace) -> bool:
    """Cluster proportions that have no parts, and proportions that have four."""
    names = searches.TYPES[:6]
    rng = np.random.default_rng([given.seed, 6])
    searches.tell(["proportions of 159 patients", "clusters, median", "range", "ARI, median"])
    centres = np.full((4, 6), 4.0) + 30 * np.eye(4, 6)
    for words, n_parts in (("one blob", 1), ("four kinds", 4)):
        counts, agreement = [], []
        for _ in range(given.repeats):
            kind = rng.integers(0, n_parts, 159)
            shape = np.full((159, 6), 3.0) if n_parts == 1 else centres[kind]
            gamma = rng.gamma(shape)
            index = composition_clusters.find(gamma, names).index
            counts.append(len(np.unique(index)))
            agreement.append(sklearn.metrics.adjusted_rand_score(kind, index))
        ari = f"{np.median(agreement):.2f}" if n_parts > 1 else "-"
        span = f"{min(counts)} to {max(counts)}"
        searches.tell([words, f"{np.median(counts):.0f}", span, ari], head=False)
    return True


def speed(given: argparse.Namespace) -> bool:
    """Time the permutations of the whole way; tell whether 300 patients are fast enough."""
    searches.tell(["cohort", "tested", "significant", "permutations with groups", "seconds"])
    slowest = 0.0
    for n_patients, settings in ((300, {}), (300, {"min_group": 1}), (500, {})):
        cohort = searches.draw(np.random.default_rng([given.seed, 7]), n_patients, 6, 0.2)
        found = searches.run(cohort, 0, n_permutations=0, **settings)
        how = patterns.GroupSettings(n_permutations=given.permutations)
        groups = patterns.find(found, cohort.outcome, how)
        if groups is None:
            continue
        risk = cohort.outcome.risk()
        begun = time.perf_counter()
        luck = group_permutation.permuted(found, groups, risk, ALPHA, how, np.random.default_rng(0))
        seconds = time.perf_counter() - begun
        slowest = max(slowest, seconds if n_patients == 300 else 0)
        least = settings.get("min_group", search.least_group(n_patients))
        name = f"{n_patients} patients, six types, groups of {least} or more"
        counts = [f"{n:,}" for n in (found.n_tested, found.n_significant, luck.n_with_groups)]
        searches.tell([name, *counts, f"{seconds:.1f}"], head=False)
    return slowest < LIMIT_SECONDS


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parts = {"null": null, "planted": plant, "clusters": clusters, "speed": speed}
    parser.add_argument("--parts", nargs="+", choices=list(parts), default=list(parts))
    parser.add_argument("--cohorts", type=int, default=200)
    parser.add_argument("--repeats", type=int, default=50)
    parser.add_argument("--permutations", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    warnings.simplefilter("error")
    passed = [parts[name](given) for name in given.parts]
    sys.exit(not all(passed))


if __name__ == "__main__":
    main()
