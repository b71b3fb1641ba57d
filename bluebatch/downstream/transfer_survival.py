"""Survival of a second cohort by the frozen groups, signatures and clusters."""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import scipy.stats

from bluebatch.downstream import (
    covariates,
    group_logrank,
    patterns,
    permutation,
    survival,
    transfer_concordance,
    transfer_hazards,
    transfer_tests,
)
from bluebatch.downstream.outcomes import Outcome
from bluebatch.downstream.signature import Scores

Array = npt.NDArray[Any]
GROUPS, CLUSTERS = "groups", "clusters of proportions"
ROUNDING = 1e-9
ANY_DIFFERENCE = "any difference"
# Where a signature's own group is expected: fewer events, or more.
DIRECTIONS = {"favourable": -1, "unfavourable": 1}
COUNTS = ["n_in", "n_out", "events_in", "events_out"]
EXPECTS = {-1: "fewer events", 1: "more events"}


class Division(NamedTuple):
    """One way in which patients are divided.

    Parameters
    ----------
    family : str
        Its name.
    codes : np.ndarray of int, shape (patient,)
        Positions in ``names``; below 0: in none.
    names : tuple of str
        The groups.
    """

    family: str
    codes: Array
    names: tuple[str, ...]


@dataclasses.dataclass(frozen=True, eq=False)
class Sets:
    """The ways in which patients are divided.

    Parameters
    ----------
    groups : patterns.Groups or None
        The three groups.
    signatures : mapping of str to Scores
        By group.
    clusters : np.ndarray of int or None, shape (patient,)
        Of the proportions; -1 where unknown.
    """

    groups: patterns.Groups | None
    signatures: Mapping[str, Scores]
    clusters: Array | None

    def divisions(self) -> Iterator[Division]:
        """List them.

        Yields
        ------
        Division
            Those with patients.
        """
        if self.groups is not None:
            yield Division(GROUPS, self.groups.index, tuple(self.groups.names))
        for name, scores in self.signatures.items():
            words = (f"not {name} by signature", f"{name} by signature")
            yield Division(f"signature {name}", scores.inside.astype(np.int8), words)
        if self.clusters is not None and (self.clusters >= 0).any():
            names = tuple(f"cluster {at + 1}" for at in range(int(self.clusters.max()) + 1))
            yield Division(CLUSTERS, self.clusters, names)


@dataclasses.dataclass(frozen=True)
class How:
    """With what groups are compared.

    Parameters
    ----------
    rng : np.random.Generator
        For permutations.
    n_permutations : int
        Of survival times, within strata where there are any.
    beside : covariates.Covariates or None
        Columns that hazard ratios are adjusted for.
    """

    rng: np.random.Generator
    n_permutations: int = 1000
    beside: covariates.Covariates | None = None


def test(sets: Sets, outcome: Outcome, how: How) -> pd.DataFrame:
    """Test every division, in the discovery's direction where it has one.

    Parameters
    ----------
    sets : Sets
        Divisions.
    outcome : Outcome
        Of the same patients.
    how : How
        Permutations and covariates.

    Returns
    -------
    pd.DataFrame
        One row a comparison: ``family`` and what `compare` gives, with the ``concordance`` of the
        groups' order or the signature's score; of clusters the overall ``statistic`` and ``p``.
    """
    rows: list[dict[str, Any]] = []
    if sets.groups is not None:
        index = sets.groups.index
        shared = {"family": GROUPS, **transfer_concordance.agree(index, outcome)}
        rows += [{**shared, **row} for row in compare_groups(index, outcome, how)]
    for name, scores in sets.signatures.items():
        direction, everybody = DIRECTIONS[name], np.ones(len(scores.inside), bool)
        comparison = f"{name} by signature against the rest"
        row = compare(comparison, (scores.inside, everybody), direction, outcome, how)
        shared = {
            "family": f"signature {name}",
            **transfer_concordance.agree(direction * scores.score, outcome),
        }
        rows.append({**shared, **row})
    rows += [_overall(each, outcome, how) for each in sets.divisions() if each.family == CLUSTERS]
    table = pd.DataFrame(rows)
    return table.astype(dict.fromkeys(table.columns.intersection(COUNTS), "Int64"))


def describe(sets: Sets, outcome: Outcome) -> pd.DataFrame:
    """Describe the survival of every group of patients.

    Parameters
    ----------
    sets : Sets
        Divisions.
    outcome : Outcome
        Of the same patients.

    Returns
    -------
    pd.DataFrame
        One row a group: ``family`` and what `survival.medians` gives.
    """
    frames = [
        survival.medians(outcome.durations, outcome.event_observed, each.codes, each.names).assign(
            family=each.family
        )
        for each in sets.divisions()
    ]
    if not frames:
        return pd.DataFrame(columns=["family", "group", "n", "events"])
    table = pd.concat(frames, ignore_index=True)
    return table[["family", *table.columns.drop("family")]]


def compare_groups(groups: Array, outcome: Outcome, how: How) -> list[dict[str, Any]]:
    """Test three groups in the direction of their names.

    Parameters
    ----------
    groups : np.ndarray of int8, shape (patient,)
        0 most favourable, 1 intermediate, 2 most unfavourable.
    outcome : Outcome
        Of the same patients.
    how : How
        Permutations and covariates.

    Returns
    -------
    list of dict
        One a comparison, as `compare` gives.
    """
    best, worst = groups == patterns.BEST, groups == patterns.WORST
    everybody = np.ones(len(groups), bool)
    good, _, bad = patterns.NAMES
    rows = [
        (f"{good} against the rest", (best, everybody), -1),
        (f"{bad} against the rest", (worst, everybody), 1),
        (f"{good} against {bad}", (best, best | worst), -1),
    ]
    return [compare(*row, outcome, how) for row in rows]


def compare(
    name: str, who: tuple[Array, Array], direction: int, outcome: Outcome, how: How
) -> dict[str, Any]:
    """Test one group against others in a direction set beforehand.

    Parameters
    ----------
    name : str
        Of the comparison.
    who : tuple of two np.ndarray of bool, shape (patient,)
        The group; whom to compare at all.
    direction : int
        -1 where fewer events inside are expected, 1 where more.
    outcome : Outcome
        Of the same patients.
    how : How
        Permutations and covariates.

    Returns
    -------
    dict of str to Any
        ``comparison``, ``expects``, ``n_in``, ``n_out``, ``events_in``, ``events_out``, ``z``,
        ``p_one_sided``, ``p_permuted``, the Cox ``hazard_ratio`` inside against outside with
        ``low``, ``high`` and, where there is none, ``said``; the same within strata, and the
        hazard ratio beside covariates, where there are any.
    """
    inside, considered = who
    mine, outcome = inside[considered], outcome.take(considered)
    event = np.asarray(outcome.event_observed, bool)
    row: dict[str, Any] = {
        "comparison": name,
        "expects": EXPECTS[direction],
        "n_in": int(mine.sum()),
        "n_out": int((~mine).sum()),
        "events_in": int((mine & event).sum()),
        "events_out": int((~mine & event).sum()),
    }
    for suffix in transfer_tests.suffixes(outcome):
        risk, group = outcome.risk(stratified=bool(suffix)), mine[:, None]
        z = float(risk.test(group).z[0]) * direction
        draws = permutation.permuted_tests(risk, group, None, how.n_permutations, how.rng)
        # Sums in another order differ in their last digits.
        reached = [draw.tests.z[0] * direction > z - ROUNDING for draw in draws if z == z]
        row |= {
            f"z{suffix}": z * direction,
            f"p_one_sided{suffix}": float(scipy.stats.norm.sf(z)),
            f"p_permuted{suffix}": (1 + sum(reached)) / (1 + len(reached)) if reached else np.nan,
        }
        codes = outcome.strata if suffix else None
        row |= transfer_hazards.estimate(mine, outcome, codes, None).as_columns(suffix)
    if how.beside is not None:
        beside = transfer_hazards.take(how.beside, considered)
        found = transfer_hazards.estimate(mine, outcome, outcome.strata, beside)
        row |= found.as_columns("_adjusted")
        row["p_one_sided_adjusted"] = found.one_sided(direction)
    return row


def _overall(each: Division, outcome: Outcome, how: How) -> dict[str, Any]:
    permutations = group_logrank.Permutations(how.rng, max(how.n_permutations, 1))
    found = group_logrank.logrank(
        outcome.durations,
        outcome.event_observed,
        each.codes,
        each.names,
        permutations=permutations,
    ).overall.iloc[0]
    return {
        "family": each.family,
        "comparison": "all clusters",
        "expects": ANY_DIFFERENCE,
        **{name: float(found[name]) for name in ("statistic", "p", "p_permuted")},
    }
