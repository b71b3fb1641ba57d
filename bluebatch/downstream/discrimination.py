"""How well columns foretell who has the event first, and what groups add to covariates."""

import dataclasses
import warnings
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from lifelines import CoxPHFitter
from lifelines.exceptions import ConvergenceError, ConvergenceWarning
from scipy import stats

from bluebatch.downstream import concordance
from bluebatch.downstream.covariates import Covariates

Array = npt.NDArray[Any]
Float = npt.NDArray[np.float64]
Cohort = Literal["discovery", "second cohort"]
COVARIATES, GROUPS, BOTH, GAIN = "covariates", "groups", "covariates and groups", "gain of groups"
APPARENT, CROSS_VALIDATED = "apparent", "cross-validated"
# Of those with the event in each fold; with fewer the folds become fewer.
MIN_EVENTS = 3
COLUMNS = (
    *("model", "estimate", "c_index", "low", "high", "standard_error", "n", "events", "n_folds"),
    *("n_repeats", "penalizer", "cohort", "said"),
)


@dataclasses.dataclass(frozen=True)
class Folds:
    """How models are fitted to some patients and judged by others.

    Parameters
    ----------
    rng : np.random.Generator
        Draws the folds.
    n_folds : int
        Parts of the patients, with the event in equal shares; fewer where events are few.
    n_repeats : int
        Draws of folds.
    penalizer : float
        Ridge penalty, per patient, on standardised terms: half of it times the squared
        coefficients. It keeps a fold without events of a level from an endless ratio.
    level : float
        Coverage of intervals.
    """

    rng: np.random.Generator
    n_folds: int = 5
    n_repeats: int = 10
    penalizer: float = 0.01
    level: float = 0.95


def compare(
    durations: Float,
    event_observed: Array,
    groups: Covariates,
    covariates: Covariates | None,
    folds: Folds,
    cohort: Cohort = "discovery",
) -> tuple[pd.DataFrame, list[str]]:
    """Measure the concordance of groups, of covariates and of both, and the gain.

    Parameters
    ----------
    durations : np.ndarray, shape (patient,)
        Days to the event or to censoring.
    event_observed : np.ndarray of bool, shape (patient,)
        Whether the event came.
    groups : Covariates
        Of the groups, as `covariates.of_groups` makes them.
    covariates : Covariates or None
        Of the same patients; without, groups alone are judged.
    folds : Folds
        How.
    cohort : str
        ``discovery``, where the groups were made from these patients; or ``second cohort``.

    Returns
    -------
    table : pd.DataFrame
        As `COLUMNS` has them: each model, apparent (fitted to and judged by the same patients)
        and cross-validated, and the gain of groups over covariates. Only patients of whom every
        column is known, so that all models are judged by the same ones. Gaps, with the reason in
        ``said``, where columns do not vary or events are few.
    notes : list of str
        How to read it.
    """
    designs = {GROUPS: groups}
    if covariates is not None and covariates.frame.shape[1]:
        designs = {COVARIATES: covariates, GROUPS: groups, BOTH: covariates.beside(groups)}
    whole = designs.get(BOTH, groups).frame
    rows = whole.notna().all(axis=1).to_numpy()
    times = np.asarray(durations, dtype=np.float64)[rows]
    events = np.asarray(event_observed, dtype=bool)[rows]
    matrices = {
        name: design.frame.to_numpy(dtype=np.float64)[rows] for name, design in designs.items()
    }
    notes = _notes(cohort, int((~rows).sum()))
    n_folds = min(folds.n_folds, int(events.sum()) // MIN_EVENTS)
    varies = all(np.ptp(matrix, axis=0).any() for matrix in matrices.values() if len(matrix))
    if n_folds < 2 or not varies:
        why = "columns do not vary" if n_folds > 1 else f"{int(events.sum())} events"
        why += f", needed: columns that vary and {2 * MIN_EVENTS} events"
        gaps = [{"model": name, "estimate": CROSS_VALIDATED, "said": why} for name in matrices]
        return _table(gaps, times, events, folds, cohort), [f"concordance: not measured: {why}"]
    table = [
        {"model": name, "estimate": APPARENT}
        | _describe(concordance.count(times, events, _risk(times, events, matrix, folds)), folds)
        for name, matrix in matrices.items()
    ]
    drawn = [_draw(events, n_folds, folds.rng) for _ in range(folds.n_repeats)]
    pairs = {
        name: _validate(times, events, matrix, drawn, folds) for name, matrix in matrices.items()
    }
    cut = {"n_folds": n_folds, "n_repeats": folds.n_repeats}
    table += [
        {"model": name, "estimate": CROSS_VALIDATED} | _describe(found, folds) | cut
        for name, found in pairs.items()
    ]
    if BOTH in pairs:
        table.append(_gain(pairs[COVARIATES], pairs[BOTH], folds) | cut)
    return _table(table, times, events, folds, cohort), notes


def _table(
    rows: list[dict[str, Any]], durations: Float, events: Array, folds: Folds, cohort: Cohort
) -> pd.DataFrame:
    shared: dict[str, Any] = {"n": len(durations), "events": int(events.sum()), "said": ""}
    shared |= {"penalizer": folds.penalizer, "cohort": cohort}
    whole = {"n_folds": "Int64", "n_repeats": "Int64"}
    real = dict.fromkeys(("c_index", "low", "high", "standard_error"), "float64")
    table = pd.DataFrame([shared | row for row in rows], columns=[*COLUMNS])
    return table.astype(whole | real)


def _notes(cohort: Cohort, n_left: int) -> list[str]:
    notes = []
    if n_left:
        notes = [f"concordance: {n_left:,} patients of whom a column is unknown are left out"]
    if cohort == "discovery":
        notes.append(
            "concordance: the groups were made with the survival of these same patients, those of "
            "the held-out folds among them, so that their gain is too high here; the one of a "
            "second cohort is to be believed"
        )
    return notes


def _draw(events: Array, n_folds: int, rng: np.random.Generator) -> Array:
    """Give each patient a fold, those with and without the event in equal shares."""
    fold = np.empty(len(events), dtype=np.int64)
    for kind in (True, False):
        rows = rng.permutation(np.flatnonzero(events == kind))
        fold[rows] = np.arange(len(rows)) % n_folds
    return fold


def _validate(
    durations: Float, events: Array, matrix: Float, drawn: list[Array], folds: Folds
) -> concordance.Pairs:
    """Judge each patient by a model of the other folds; pairs within a fold only, of all draws."""
    found = concordance.Pairs(np.zeros(len(events)), np.zeros(len(events)))
    for fold in drawn:
        risk = np.zeros(len(events))
        for held in range(int(fold.max()) + 1):
            out = fold == held
            risk[out] = _risk(durations[~out], events[~out], matrix[~out], folds, matrix[out])
        # Risks of different models are on different scales.
        found = found + concordance.count(durations, events, risk, fold)
    return found


def _risk(
    durations: Float, events: Array, matrix: Float, folds: Folds, others: Float | None = None
) -> Float:
    """Fit a model with a ridge penalty, and give the log hazards of others, or of the same."""
    mean, spread = matrix.mean(axis=0), matrix.std(axis=0)
    varies = spread > 0
    if not varies.any():
        return np.zeros(len(matrix if others is None else others))
    frame = pd.DataFrame(((matrix - mean) / np.where(varies, spread, 1))[:, varies]).add_prefix("x")
    frame = frame.assign(duration=durations, event=events)
    with warnings.catch_warnings():
        # A penalised model of a fold is for ranking: collinear terms share their effect.
        warnings.simplefilter("ignore", ConvergenceWarning)
        try:
            model = CoxPHFitter(penalizer=folds.penalizer).fit(frame, "duration", "event")
        except ConvergenceError:
            return np.zeros(len(matrix if others is None else others))
    asked = matrix if others is None else others
    standard = ((asked - mean) / np.where(varies, spread, 1))[:, varies]
    return np.asarray(standard @ model.params_.to_numpy(dtype=np.float64))


def _describe(pairs: concordance.Pairs, folds: Folds) -> dict[str, Any]:
    limits = dict(zip(("low", "high"), pairs.interval(folds.level), strict=True))
    return {"c_index": pairs.index, "standard_error": pairs.standard_error} | limits


def _gain(base: concordance.Pairs, both: concordance.Pairs, folds: Folds) -> dict[str, Any]:
    gain = both.index - base.index
    error = float(np.sqrt(np.sum(np.square(both.influence - base.influence))))
    reach = float(stats.norm.ppf((1 + folds.level) / 2)) * error
    row = {"model": GAIN, "estimate": CROSS_VALIDATED, "c_index": gain, "standard_error": error}
    return row | {"low": gain - reach, "high": gain + reach}
