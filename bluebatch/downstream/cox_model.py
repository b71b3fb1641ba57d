"""One Cox model: what must hold before it is fitted, the fit, and whether it can be believed."""

import dataclasses
import warnings
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from lifelines import CoxPHFitter
from lifelines.exceptions import ConvergenceError, ConvergenceWarning
from scipy import linalg

from bluebatch import errors
from bluebatch.downstream.covariates import Covariates

Array = npt.NDArray[Any]
Float = npt.NDArray[np.float64]
# Of a term in units of its spread; beyond it the likelihood is flat, and the ratio without end.
MAX_ERROR = 5.0
# Singular values below this share of the largest: a column repeats others.
RANK = 1e-8
# Fewer events a term make estimates too large and intervals too short (Peduzzi and others, 1995).
EVENTS_PER_TERM = 10
REMEDY = "Merge levels or leave it out"


@dataclasses.dataclass(frozen=True, eq=False)
class CoxFit:
    """A Cox model that converged.

    Parameters
    ----------
    model : CoxPHFitter
        Of standardised terms, named by their position in ``design.frame``.
    frame : pd.DataFrame
        What it was fitted to.
    design : Covariates
        The terms that are in it, of the patients that are in it.
    rows : np.ndarray of bool, shape (patient,)
        Which patients are in it.
    coefficients, standard_errors : np.ndarray, shape (term,)
        Of the log hazard, per unit of each term.
    spread : np.ndarray, shape (term,)
        Standard deviation of each term.
    events : int
        Events among the patients in it.
    left_out : dict of str to str
        Terms that are not in it -> why.
    notes : list of str
        What to bear in mind.
    """

    model: CoxPHFitter
    frame: pd.DataFrame
    design: Covariates
    rows: Array
    coefficients: Float
    standard_errors: Float
    spread: Float
    events: int
    left_out: dict[str, str]
    notes: list[str]

    @property
    def log_likelihood(self) -> float:
        """Give the partial log-likelihood.

        Returns
        -------
        float
            At the estimates.
        """
        return float(self.model.log_likelihood_)

    @property
    def null_log_likelihood(self) -> float:
        """Give the partial log-likelihood of the same patients without any term.

        Returns
        -------
        float
            At 0.
        """
        gain = float(self.model.log_likelihood_ratio_test().test_statistic)
        return self.log_likelihood - gain / 2


def fit(
    durations: Float,
    event_observed: Array,
    design: Covariates,
    strata: Array | None = None,
) -> CoxFit:
    """Fit a Cox model to the patients of whom every term is known; ties by Efron.

    Parameters
    ----------
    durations : np.ndarray, shape (patient,)
        Days to the event or to censoring.
    event_observed : np.ndarray of bool, shape (patient,)
        Whether the event came.
    design : Covariates
        The terms.
    strata : np.ndarray of int or None, shape (patient,)
        Each with a baseline hazard of its own; patients below 0 are left out.

    Returns
    -------
    CoxFit
        Patients of levels without events are not in it: their ratio is 0 in the limit, and the
        other estimates are the same with and without them.

    Raises
    ------
    errors.ValuesError
        If there are no events, if no term varies, if terms repeat each other, if there are no
        more events than terms, or if a term separates those with the event from those without.
    """
    events = np.asarray(event_observed, dtype=bool)
    codes = np.zeros(len(events), dtype=np.int64) if strata is None else np.asarray(strata)
    rows = design.frame.notna().all(axis=1).to_numpy() & (codes >= 0)
    _check_events(int(events[rows].sum()), int(rows.sum()))
    rows, design, left_out = _without_eventless(rows, events, design)
    design, constant = _without_constant(rows, codes, design)
    left_out |= constant
    if design.frame.empty or not design.frame.shape[1]:
        why = "; ".join(left_out.values()) or "no terms, needed: one"
        raise errors.ValuesError(f"Cox model: {why}. {REMEDY}.")
    values = design.frame.to_numpy(dtype=np.float64)
    n_events, terms = int(events[rows].sum()), list(design.frame.columns)
    _check_terms(values, codes[rows], terms, n_events)
    spread = values.std(axis=0)
    frame = pd.DataFrame((values - values.mean(axis=0)) / spread).add_prefix("x")
    frame = frame.assign(duration=np.asarray(durations)[rows], event=events[rows])
    frame = frame if strata is None else frame.assign(stratum=codes[rows])
    model = _newton(frame, terms)
    deviations = model.standard_errors_.to_numpy(dtype=np.float64)
    coefficients = model.params_.to_numpy(dtype=np.float64) / spread
    notes = _tell_few(n_events, len(terms))
    return CoxFit(
        *(model, frame, design, rows),
        *(coefficients, deviations / spread, spread),
        *(n_events, left_out, [*left_out.values(), *notes]),
    )


def _newton(frame: pd.DataFrame, terms: list[str]) -> CoxPHFitter:
    strata = ["stratum"] if "stratum" in frame else None
    caught: list[warnings.WarningMessage]
    try:
        # A warning of convergence is judged below by the numbers; any other one is passed on.
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            model = CoxPHFitter().fit(frame, "duration", "event", strata=strata)
    except ConvergenceError as error:
        raise errors.ValuesError(
            f"Cox model of {', '.join(terms)}: did not converge ({type(error).__name__}). {REMEDY}."
        ) from error
    failed = [each for each in caught if issubclass(each.category, ConvergenceWarning)]
    for each in caught:
        if each not in failed:
            warnings.warn_explicit(each.message, each.category, each.filename, each.lineno)
    deviations = model.standard_errors_.to_numpy(dtype=np.float64)
    flat = [
        term
        for term, error in zip(terms, deviations, strict=True)
        if not np.isfinite(error) or error > MAX_ERROR
    ]
    # Where it did not converge though no error is large, the largest is the likeliest cause.
    flat = flat or ([terms[int(np.argmax(deviations))]] if failed else [])
    if flat:
        raise errors.ValuesError(
            f"Cox model: {', '.join(flat)} separates patients with the event from those without "
            f"(complete separation), so its hazard ratio has no finite estimate. {REMEDY}."
        )
    return model


def _check_events(n_events: int, n_patients: int) -> None:
    if not n_events:
        raise errors.ValuesError(
            f"Cox model: no events among the {n_patients:,} patients of whom all is known, "
            "needed: more than terms. Take fewer covariates, or follow patients longer."
        )


def _without_eventless(
    rows: Array, events: Array, design: Covariates
) -> tuple[Array, Covariates, dict[str, str]]:
    """Leave out the patients, and the terms, of levels among whom no event came."""
    left_out: dict[str, str] = {}
    kept = rows.copy()
    frame, sources, references = design.frame, dict(design.sources), dict(design.references)
    for source, terms in design.sources.items():
        part = frame.loc[rows, terms].to_numpy(dtype=np.float64)
        if not terms or not np.isin(part, (0.0, 1.0)).all():
            continue
        # A level each, the reference last.
        inside = np.column_stack([part == 1, (part == 0).all(axis=1)])
        alive: Array = np.any(inside & events[rows, None], axis=0)
        ends = ["=1", "=0"] if source not in references else ["", f"={references[source]}"]
        for at, term in enumerate(terms):
            if inside[:, at].any() and not alive[at]:
                left_out[term] = _say_eventless(f"{term}{ends[0]}", inside[:, at])
        remaining = [term for term, there in zip(terms, alive[:-1], strict=True) if there]
        # A flag that is 1 of all is told as constant.
        if not alive[-1] and remaining and (source in references or inside[:, -1].any()):
            # Another level takes the place of the reference, of whom none had an event.
            first = remaining.pop(0)
            left_out[first] = _say_eventless(f"{source}{ends[1]}", inside[:, -1])
            if source in references:
                references[source] = first.split("=", 1)[-1]
                left_out[first] += f"; the reference is {first}" if remaining else ""
        kept[np.flatnonzero(rows)[(inside & ~alive).any(axis=1)]] = False
        sources[source] = remaining
    terms_left = [term for terms in sources.values() for term in terms]
    return kept, Covariates(frame.loc[kept, terms_left], sources, references, []), left_out


def _say_eventless(level: str, inside: Array) -> str:
    if not inside.any():
        return f"{level}: has no patients in this model"
    return (
        f"{level}: no events among its {int(inside.sum()):,} patients, so it has no finite hazard "
        "ratio and they are left out of this model"
    )


def _without_constant(
    rows: Array, codes: Array, design: Covariates
) -> tuple[Covariates, dict[str, str]]:
    """Leave out terms that do not vary among the patients, or within any stratum."""
    values = _centre(design.frame.to_numpy(dtype=np.float64), codes[rows])
    scale = np.maximum(
        np.abs(design.frame.to_numpy(dtype=np.float64)).max(axis=0, initial=0), 1e-300
    )
    varies = np.abs(values).max(axis=0, initial=0) > RANK * scale
    terms = list(design.frame.columns)
    within = " within each stratum" if len(np.unique(codes[rows])) > 1 else ""
    left_out = {
        term: f"{term}: the same in all {int(rows.sum()):,} patients of this model{within}"
        for term, there in zip(terms, varies, strict=True)
        if not there
    }
    kept = [term for term in terms if term not in left_out]
    sources = {
        source: [term for term in names if term in kept] for source, names in design.sources.items()
    }
    return Covariates(design.frame[kept], sources, design.references, []), left_out


def _centre(values: Float, codes: Array) -> Float:
    """Take each stratum's mean away."""
    _, index = np.unique(codes, return_inverse=True)
    counts = np.bincount(index)
    means = np.zeros((len(counts), values.shape[1]))
    np.add.at(means, index, values)
    return values - (means / counts[:, None])[index]


def _check_terms(values: Float, codes: Array, terms: list[str], n_events: int) -> None:
    if n_events <= len(terms):
        raise errors.ValuesError(
            f"Cox model: {n_events:,} events for {len(terms):,} terms, needed: more events than "
            f"terms, better {EVENTS_PER_TERM} each. Take fewer covariates."
        )
    centred = _centre(values, codes)
    centred = centred / np.linalg.norm(centred, axis=0)
    _, sizes, axes = linalg.svd(centred, full_matrices=False)
    if sizes[-1] <= RANK * sizes[0]:
        among = [
            term for term, part in zip(terms, np.abs(axes[-1]), strict=True) if part > np.sqrt(RANK)
        ]
        raise errors.ValuesError(
            f"Cox model: {', '.join(among)} say the same (collinear), needed: terms that are no "
            "sums of each other. Leave one of them out."
        )


def _tell_few(n_events: int, n_terms: int) -> list[str]:
    if n_events >= EVENTS_PER_TERM * n_terms:
        return []
    return [
        f"{n_events:,} events for {n_terms:,} terms, fewer than {EVENTS_PER_TERM} each: ratios of "
        "this model tend to be too far from 1, and their intervals too short"
    ]
