"""Survival of a second cohort by the frozen groups, signatures and clusters."""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

import lifelines
import lifelines.statistics
import lifelines.utils
import numpy as np
import numpy.typing as npt
import pandas as pd
import scipy.stats

from bluebatch.downstream import patterns
from bluebatch.downstream.signature import Scores
from bluebatch.downstream.transfer_tests import Outcome

Array = npt.NDArray[Any]
LOW, HIGH = 0.025, 0.975
DAYS_PER_YEAR = 365.25
YEARS = (1, 3, 5)
GROUPS, CLUSTERS = "groups", "clusters of proportions"
# Where a signature's own group is expected: fewer events, or more.
DIRECTIONS = {"favourable": -1, "unfavourable": 1}


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

    def divisions(self) -> Iterator[tuple[str, Array, dict[int, str]]]:
        """List them.

        Yields
        ------
        tuple of str, np.ndarray and dict
            Name; code of each patient; names of the codes.
        """
        if self.groups is not None:
            yield GROUPS, self.groups.index, dict(enumerate(patterns.NAMES))
        for name, scores in self.signatures.items():
            words = {1: f"{name} by signature", 0: "the rest"}
            yield f"signature {name}", scores.inside.astype(int), words
        if self.clusters is not None:
            codes = sorted({int(code) for code in self.clusters} - {-1})
            yield CLUSTERS, self.clusters, {code: f"cluster {code}" for code in codes}


def test(sets: Sets, outcome: Outcome) -> pd.DataFrame:
    """Test every division, in the discovery's direction where it has one.

    Parameters
    ----------
    sets : Sets
        Divisions.
    outcome : Outcome
        Of the same patients.

    Returns
    -------
    pd.DataFrame
        One row a test: ``family`` and what `compare` gives, ``concordance`` of the groups' order or
        of the signature's score; of clusters the overall ``statistic`` and ``p`` alone.
    """
    rows: list[dict[str, Any]] = []
    if sets.groups is not None:
        index = sets.groups.index
        shared = {"family": GROUPS, "concordance": concordance(index, outcome)}
        rows += [{**shared, **row} for row in compare_groups(index, outcome)]
    for name, scores in sets.signatures.items():
        direction = DIRECTIONS[name]
        everybody = np.ones(len(scores.inside), bool)
        found = compare(
            f"{name} by signature against the rest", scores.inside, everybody, direction, outcome
        )
        agreement = concordance(direction * scores.score, outcome)
        rows.append({"family": f"signature {name}", "concordance": agreement, **found})
    if sets.clusters is not None:
        rows.append(_overall(sets.clusters, outcome))
    return pd.DataFrame(rows)


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
        One row a group: ``family``, ``group``, ``n``, ``events``, median survival in days with its
        95 % interval, and the share alive after some years; NaN where follow-up does not tell.
    """
    rows = []
    for family, codes, names in sets.divisions():
        for code, name in names.items():
            mine = codes == code
            row = {"family": family, "group": name, "n": int(mine.sum())}
            rows.append({**row, **_curve(mine, outcome)})
    return pd.DataFrame(rows)


def compare_groups(groups: Array, outcome: Outcome) -> list[dict[str, Any]]:
    """Test three groups in the direction of their names.

    Parameters
    ----------
    groups : np.ndarray of int8, shape (patient,)
        0 most favourable, 1 intermediate, 2 most unfavourable.
    outcome : Outcome
        Of the same patients.

    Returns
    -------
    list of dict
        One a comparison, as `compare` gives.
    """
    best, worst = groups == patterns.BEST, groups == patterns.WORST
    everybody = np.ones(len(groups), bool)
    good, _, bad = patterns.NAMES
    rows = [
        (f"{good} against the rest", best, everybody, -1),
        (f"{bad} against the rest", worst, everybody, 1),
        (f"{good} against {bad}", best, best | worst, -1),
    ]
    return [compare(*row, outcome) for row in rows]


def compare(
    name: str, inside: Array, considered: Array, direction: int, outcome: Outcome
) -> dict[str, Any]:
    """Test one group against others in a direction set beforehand.

    Parameters
    ----------
    name : str
        Of the comparison.
    inside, considered : np.ndarray of bool, shape (patient,)
        The group; whom to compare at all.
    direction : int
        -1 where fewer events inside are expected, 1 where more.
    outcome : Outcome
        Of the same patients.

    Returns
    -------
    dict of str to Any
        ``comparison``, ``expects``, ``n_in``, ``n_out``, ``events_in``, ``events_out``, ``z``,
        ``p_one_sided``, the hazard ratio inside against outside (Peto's one step) with its 95 %
        interval, and the same within strata where there are any.
    """
    mine, others = inside & considered, ~inside & considered
    event = np.asarray(outcome.event_observed, bool)
    row: dict[str, Any] = {
        "comparison": name,
        "expects": "fewer events" if direction < 0 else "more events",
        "n_in": int(mine.sum()),
        "n_out": int(others.sum()),
        "events_in": int((mine & event).sum()),
        "events_out": int((others & event).sum()),
    }
    for suffix in ("", "_stratified") if outcome.strata is not None else ("",):
        tests = outcome.risk(stratified=bool(suffix)).test(mine[:, None], considered[:, None])
        z, ratio, variance = tests.z[0], tests.log_hazard_ratio[0], tests.variance[0]
        error = 1 / np.sqrt(variance) if variance > 0 else np.nan
        row |= {
            f"z{suffix}": float(z),
            f"p_one_sided{suffix}": float(scipy.stats.norm.sf(direction * z)),
            f"hazard_ratio{suffix}": float(np.exp(ratio)),
            f"hazard_ratio{suffix}_low": float(np.exp(ratio + scipy.stats.norm.ppf(LOW) * error)),
            f"hazard_ratio{suffix}_high": float(np.exp(ratio + scipy.stats.norm.ppf(HIGH) * error)),
        }
    return row


def concordance(risk_score: Array, outcome: Outcome) -> float:
    """Measure Harrell's C of a score that is higher where events are expected sooner.

    Parameters
    ----------
    risk_score : np.ndarray, shape (patient,)
        E.g. the groups' codes.
    outcome : Outcome
        Of the same patients.

    Returns
    -------
    float
        Chance that of two patients the one with the higher score has the event first; NaN where no
        two can be compared.
    """
    try:
        found = lifelines.utils.concordance_index(
            outcome.durations, -np.asarray(risk_score, float), outcome.event_observed
        )
    except ZeroDivisionError:
        return float("nan")
    return float(found)


def _overall(clusters: Array, outcome: Outcome) -> dict[str, Any]:
    known = clusters >= 0
    row: dict[str, Any] = {
        "family": CLUSTERS,
        "comparison": "all clusters",
        "expects": "any difference",
        "statistic": np.nan,
        "p": np.nan,
    }
    if len(np.unique(clusters[known])) > 1:
        found = lifelines.statistics.multivariate_logrank_test(
            outcome.durations[known], clusters[known], outcome.event_observed[known]
        )
        row |= {"statistic": float(found.test_statistic), "p": float(found.p_value)}
    return row


def _curve(mine: Array, outcome: Outcome) -> dict[str, Any]:
    events = int((mine & np.asarray(outcome.event_observed, bool)).sum())
    names = ("median_days", "median_low", "median_high", *(f"survival_{at}y" for at in YEARS))
    row: dict[str, Any] = {"events": events, **dict.fromkeys(names, np.nan)}
    if not mine.any():
        return row
    durations = outcome.durations[mine]
    fitted = lifelines.KaplanMeierFitter().fit(durations, outcome.event_observed[mine])
    bounds = lifelines.utils.median_survival_times(fitted.confidence_interval_)
    low, high = np.asarray(bounds, float).ravel()
    row |= {
        "median_days": float(fitted.median_survival_time_),
        "median_low": float(low),
        "median_high": float(high),
    }
    for at in YEARS:
        if durations.max() >= at * DAYS_PER_YEAR:
            row[f"survival_{at}y"] = float(fitted.predict(at * DAYS_PER_YEAR))
    return row
