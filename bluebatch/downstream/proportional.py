"""Whether hazards are proportional, and what to do where they are not."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from lifelines import KaplanMeierFitter
from lifelines.statistics import proportional_hazard_test
from scipy import stats

from bluebatch.downstream import covariates as covariate_columns
from bluebatch.downstream import cox_model, hazards
from bluebatch.downstream.covariates import Covariates

Array = npt.NDArray[Any]
Float = npt.NDArray[np.float64]
ALPHA = 0.05
# Of time, with which the effect may change: 1 less the survival of all patients, as in R.
TRANSFORM = "km"
EVERY, ALL_TERMS = "all columns", "all terms"
N_CLASSES = 3
COLUMNS = ("model", "covariate", "term", "statistic", "df", "p", "fails", "n", "events")


@dataclasses.dataclass(frozen=True, eq=False)
class Proportional:
    """A check of proportional hazards.

    Parameters
    ----------
    table : pd.DataFrame
        As `COLUMNS` has them: one row a term, one a column of several (``all terms``) and one
        of the model (``all columns``). ``fails`` where p is below .05.
    stratified : pd.DataFrame
        Hazard ratios, as `hazards.COLUMNS` has them, of the model stratified by the covariates
        that fail; empty where none does, or where nothing remains beside them.
    notes : list of str
        What to do about each column that fails.
    """

    table: pd.DataFrame
    stratified: pd.DataFrame
    notes: list[str]


def check(
    durations: Float,
    event_observed: Array,
    groups: Array,
    names: Sequence[str],
    covariates: Covariates | None = None,
    strata: Array | None = None,
) -> Proportional:
    """Check the model of groups and covariates with scaled Schoenfeld residuals.

    Parameters
    ----------
    durations : np.ndarray, shape (patient,)
        Days to the event or to censoring.
    event_observed : np.ndarray of bool, shape (patient,)
        Whether the event came.
    groups : np.ndarray of int, shape (patient,)
        Positions in ``names``; patients below 0 are left out.
    names : sequence of str
        The groups.
    covariates : Covariates, optional
        Of the same patients.
    strata : np.ndarray of int, optional
        Each with a baseline hazard of its own; patients below 0 are left out.

    Returns
    -------
    Proportional
        An empty table, and a note, where the model cannot be fitted.

    References
    ----------
    Grambsch PM, Therneau TM (1994). Biometrika 81(3):515-526.
    """
    design = covariate_columns.of_groups(groups, names, hazards.GROUP)
    design = design if covariates is None else design.beside(covariates)
    model = hazards.UNIVARIABLE if covariates is None else hazards.ADJUSTED
    found, said = hazards.attempt(durations, event_observed, design, strata)
    empty = pd.DataFrame(columns=[*hazards.COLUMNS])
    if found is not None and found.frame["duration"][found.frame["event"]].nunique() < 2:
        found, said = None, "all events come on one day, needed: two days"
    if found is None:
        note = f"proportional hazards: not checked: {said}"
        return Proportional(pd.DataFrame(columns=[*COLUMNS]), empty, [note])
    table = pd.DataFrame(_rows(model, found), columns=[*COLUMNS])
    # A column's last row is of all its terms.
    whole = table[table["covariate"] != EVERY].groupby("covariate", sort=False).tail(1)
    fails = whole["fails"].to_numpy(dtype=bool)
    failing = dict(zip(map(str, whole["covariate"][fails]), whole["p"][fails], strict=True))
    notes = [_advise(source, p, design) for source, p in failing.items()]
    others = [source for source in failing if source != hazards.GROUP]
    if not others:
        return Proportional(table, empty, notes)
    codes = _divide(design, others, strata)
    rest = design.only([source for source in design.sources if source not in others])
    found, said = hazards.attempt(durations, event_observed, rest, codes)
    stratified = hazards.describe(f"stratified by {', '.join(others)}", rest, found, said)
    notes += [f"stratified: {note}" for note in ([said] if found is None else found.notes)]
    return Proportional(table, stratified, notes)


def _rows(model: str, found: cox_model.CoxFit) -> list[dict[str, Any]]:
    """Test each term, each clinical column and all of them."""
    # The test fits a Kaplan-Meier curve, which turns NumPy's warnings off for good.
    with np.errstate():
        residuals = found.model.compute_residuals(found.frame, "scaled_schoenfeld")
        single = proportional_hazard_test(
            found.model, found.frame, TRANSFORM, precomputed_residuals=residuals
        )
        curve = 1 - _survival(found.model.durations, found.model.event_observed)
    times = curve[found.model.event_observed.to_numpy(dtype=bool)]
    times = times - times.mean()
    slopes = times @ residuals.to_numpy(dtype=np.float64)
    scale = found.events * float(times @ times)
    variance = np.asarray(found.model.variance_matrix_, dtype=np.float64)
    shared = {"model": model, "n": int(found.rows.sum()), "events": found.events}
    rows: list[dict[str, Any]] = []
    terms = list(found.design.frame.columns)
    for source, mine in found.design.sources.items():
        if not mine:
            continue
        for term in mine:
            statistic = float(np.atleast_1d(single.test_statistic)[terms.index(term)])
            rows.append(_row(source, term, statistic, 1) | shared)
        at = [terms.index(term) for term in mine]
        if len(at) > 1:
            joint = _joint(slopes, variance, at, scale)
            rows.append(_row(source, ALL_TERMS, joint, len(at)) | shared)
    every = list(range(len(terms)))
    rows.append(_row(EVERY, EVERY, _joint(slopes, variance, every, scale), len(every)) | shared)
    return rows


def _joint(slopes: Float, variance: Float, at: list[int], scale: float) -> float:
    part = slopes[at]
    return float(part @ np.linalg.solve(variance[np.ix_(at, at)], part) / scale)


def _row(source: str, term: str, statistic: float, df: int) -> dict[str, Any]:
    p = float(stats.chi2.sf(statistic, df))
    named = {"covariate": source, "term": term, "statistic": statistic, "df": df, "p": p}
    return named | {"fails": p < ALPHA}


def _survival(durations: "pd.Series[float]", event_observed: "pd.Series[bool]") -> Float:
    """Estimate the survival of all patients at each patient's time."""
    fitted = KaplanMeierFitter().fit(durations, event_observed)
    return np.asarray(fitted.survival_function_.iloc[:, 0].loc[durations], dtype=np.float64)


def _advise(source: str, p: float, design: Covariates) -> str:
    said = f"{source}: hazards are not proportional (p = {p:.2g})"
    if source == hazards.GROUP:
        return (
            f"{said}: its hazard ratio is but an average over the follow-up. Compare the "
            "restricted mean survival times of the groups instead"
        )
    by = source if _is_levels(design, source) else f"{N_CLASSES} classes of it"
    return (
        f"{said}: stratify by {by} (that model stands beside), or compare restricted mean "
        "survival times"
    )


def _is_levels(design: Covariates, source: str) -> bool:
    values = design.frame[design.sources[source]].to_numpy(dtype=np.float64)
    return source in design.references or bool(
        ((values == 0) | (values == 1) | np.isnan(values)).all()
    )


def _divide(design: Covariates, sources: Sequence[str], strata: Array | None) -> Array:
    """Divide patients by the levels of covariates, numbers by thirds; -1 where unknown."""
    n_patients = len(design.frame)
    labels = [np.zeros(n_patients) if strata is None else np.asarray(strata, dtype=np.float64)]
    known = labels[0] >= 0
    for source in sources:
        values = design.frame[design.sources[source]].to_numpy(dtype=np.float64)
        there = np.isfinite(values).all(axis=1)
        known &= there
        if _is_levels(design, source):
            labels.append(np.where(there, values @ np.arange(1, values.shape[1] + 1), -1))
        else:
            cuts = np.quantile(values[there, 0], np.arange(1, N_CLASSES) / N_CLASSES)
            labels.append(np.searchsorted(cuts, values[:, 0]).astype(np.float64))
    _, codes = np.unique(np.column_stack(labels), axis=0, return_inverse=True)
    return np.where(known, codes.ravel(), -1)
