"""Log-rank tests of several groups: all at once and every two, stratified, permuted where small."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from bluebatch.downstream import hazards, logrank_scores, survival
from bluebatch.expression import markers

Array = npt.NDArray[Any]
Float = npt.NDArray[np.float64]
# Below these the chi-square distribution is a poor guide, and patients are permuted.
MIN_PATIENTS, MIN_EVENTS = 20, 5
# Permutations whose numbers at risk are held at a time.
BLOCK_NUMBERS = 4_000_000
ALL = "all groups"


@dataclasses.dataclass(frozen=True)
class Permutations:
    """How small groups are tested.

    Parameters
    ----------
    rng : np.random.Generator
        Draws the orders.
    n : int
        How many; p is at least 1 / (n + 1).
    min_patients, min_events : int
        A test that has a group with fewer of either is permuted.
    """

    rng: np.random.Generator
    n: int = 10_000
    min_patients: int = MIN_PATIENTS
    min_events: int = MIN_EVENTS


@dataclasses.dataclass(frozen=True, eq=False)
class LogRank:
    """Log-rank tests of groups.

    Parameters
    ----------
    overall : pd.DataFrame
        One row: comparison, n_groups, n, events, statistic, df, p, p_permuted, n_permutations,
        stratified.
    pairwise : pd.DataFrame
        One row a pair: first, second, n_first, n_second, events_first, events_second, statistic,
        p, p_permuted, n_permutations, q (Benjamini-Hochberg over the pairs, of the permuted p
        where there is one), hazard_ratio (second against first), low, high, said.
    groups : pd.DataFrame
        One row a group: group, n, observed, expected events.
    notes : list of str
        What was left out, and what was permuted.
    """

    overall: pd.DataFrame
    pairwise: pd.DataFrame
    groups: pd.DataFrame
    notes: list[str]


def logrank(
    durations: Float,
    event_observed: Array,
    groups: Array,
    names: Sequence[str],
    strata: Array | None = None,
    permutations: Permutations | None = None,
) -> LogRank:
    """Test whether groups differ in survival.

    Parameters
    ----------
    durations : np.ndarray, shape (patient,)
        Days to the event or to censoring.
    event_observed : np.ndarray of bool, shape (patient,)
        Whether the event came.
    groups : np.ndarray of int, shape (patient,)
        Positions in ``names``; patients below 0 are in none.
    names : sequence of str
        The groups.
    strata : np.ndarray of int, optional
        Patients are compared, and permuted, within; those below 0 are left out.
    permutations : Permutations, optional
        Without, small groups get no permuted p.

    Returns
    -------
    LogRank
        Gaps where nothing can be compared, as with one group alone.

    References
    ----------
    Mantel N (1966). Cancer Chemother Rep 50(3):163-170.
    """
    times, events = np.asarray(durations, dtype=np.float64), np.asarray(event_observed, dtype=bool)
    codes = np.zeros(len(times), dtype=np.int64) if strata is None else np.asarray(strata)
    kept = (np.asarray(groups) >= 0) & (codes >= 0)
    times, events, codes, index = times[kept], events[kept], codes[kept], np.asarray(groups)[kept]
    notes = survival.tell_empty(events, index, names)
    if not kept.all():
        notes.append(f"log-rank: {int((~kept).sum()):,} patients are in no group or no stratum")
    present = [at for at in range(len(names)) if (index == at).any()]
    followed = (times, events, codes)
    overall, of_all = _compare(followed, index, present, permutations)
    if len(present) < 2:
        notes.append(f"log-rank: {len(present)} groups have patients, needed: 2 to compare")
    pairs = [(a, b) for at, a in enumerate(present) for b in present[at + 1 :]]
    compared = [_compare(followed, index, pair, permutations)[0] for pair in pairs]
    ratios = hazards.between(times, events, index, names, None if strata is None else codes)
    pairwise = _list_pairs(compared, ratios, {names[at]: index == at for at in present}, events)
    if permutations and any(test["n_permutations"] for test in (overall, *compared)):
        notes.append(
            f"log-rank: where a group has fewer than {permutations.min_patients} patients or "
            f"{permutations.min_events} events, p_permuted is the p to read"
        )
    sizes = {"n": [int((index == at).sum()) for at in present]}
    of_groups = {"group": [names[at] for at in present]} | sizes
    table = pd.DataFrame(of_groups | {"observed": of_all.observed, "expected": of_all.expected})
    row = {"comparison": ALL, "n_groups": len(present), "n": len(times), "events": events.sum()}
    whole = pd.DataFrame([row | overall | {"stratified": strata is not None}])
    return LogRank(whole, pairwise, table, notes)


def permuted(
    durations: Float, event_observed: Array, member: Array, strata: Array, draws: Permutations
) -> float:
    """Test groups by permuting patients within their strata.

    Parameters
    ----------
    durations : np.ndarray, shape (patient,)
        Days to the event or to censoring.
    event_observed : np.ndarray of bool, shape (patient,)
        Whether the event came.
    member : np.ndarray of bool, shape (patient, group)
        Each patient is in one group.
    strata : np.ndarray of int, shape (patient,)
        Within which patients are permuted.
    draws : Permutations
        How many, and from what.

    Returns
    -------
    float
        The share of permutations, the given order among them, whose log-rank statistic is as
        large; NaN where there is no statistic.
    """
    given = logrank_scores.score(durations, event_observed, member, strata).statistic
    if np.isnan(given):
        return np.nan
    # Within a stratum any order is as likely: sort by stratum, then by a random number.
    by_stratum = np.argsort(strata, kind="stable")
    codes = np.asarray(strata)[by_stratum]
    width = max(1, BLOCK_NUMBERS // member.size)
    n_large = 0
    for begin in range(0, draws.n, width):
        n = min(width, draws.n - begin)
        keys = draws.rng.random((n, len(codes)))
        orders = np.array([np.lexsort((key, codes)) for key in keys]).T  # (patient, permutation)
        groups = member[by_stratum[orders]].transpose(0, 2, 1)
        observed, expected, covariance = logrank_scores.sums(
            durations[by_stratum], event_observed[by_stratum], codes, groups
        )
        found = logrank_scores.quadratic(observed - expected, covariance)
        # Equal statistics must not differ by the order of their sums.
        n_large += int((found >= given * (1 - 1e-9)).sum())
    return (n_large + 1) / (draws.n + 1)


def _compare(
    followed: tuple[Float, Array, Array],
    index: Array,
    present: Sequence[int],
    permutations: Permutations | None,
) -> tuple[dict[str, Any], logrank_scores.Score]:
    among = np.isin(index, present)
    durations, events, codes = (values[among] for values in followed)
    member = index[among, None] == np.asarray(present)
    found = logrank_scores.score(durations, events, member, codes)
    p, n = np.nan, 0
    if permutations is not None and len(present) > 1:
        small = member.sum(axis=0).min() < permutations.min_patients
        if small or (member & events[:, None]).sum(axis=0).min() < permutations.min_events:
            p, n = permuted(durations, events, member, codes, permutations), permutations.n
    row = {"statistic": found.statistic, "df": found.df, "p": found.p}
    return row | {"p_permuted": p, "n_permutations": n}, found


def _list_pairs(
    compared: list[dict[str, Any]],
    ratios: pd.DataFrame,
    members: dict[str, Array],
    events: Array,
) -> pd.DataFrame:
    tests = pd.DataFrame(compared, columns=["statistic", "p", "p_permuted", "n_permutations"])
    table = ratios[["first", "second"]].copy()
    for side in ("first", "second"):
        table[f"n_{side}"] = [int(members[name].sum()) for name in table[side]]
        table[f"events_{side}"] = [int(events[members[name]].sum()) for name in table[side]]
    table = pd.concat([table, tests], axis=1)
    table["q"] = markers.adjust_p(tests["p_permuted"].fillna(tests["p"]).to_numpy(dtype=np.float64))
    return pd.concat([table, ratios[["hazard_ratio", "low", "high", "said"]]], axis=1)
