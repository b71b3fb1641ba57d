"""Hazard ratios: each column alone, and groups with covariates."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from bluebatch import errors
from bluebatch.downstream import covariates as covariate_columns
from bluebatch.downstream import cox_model
from bluebatch.downstream.covariates import Covariates

Array = npt.NDArray[Any]
Float = npt.NDArray[np.float64]
GROUP = covariate_columns.GROUP
UNIVARIABLE, ADJUSTED = "univariable", "adjusted"
COLUMNS = (
    *("model", "covariate", "term", "reference", "hazard_ratio", "low", "high", "p"),
    *("n", "events", "log_hazard_ratio", "standard_error", "hazard_ratio_per_spread", "said"),
)
TEST_COLUMNS = ("model", "tested", "beside", "statistic", "df", "p", "n", "events", "said")


@dataclasses.dataclass(frozen=True, eq=False)
class Hazards:
    """Hazard ratios of Cox models.

    Parameters
    ----------
    table : pd.DataFrame
        One row a term and model, as `COLUMNS` has them: ``reference`` is the level compared with,
        or ``one more`` of a number; ``hazard_ratio_per_spread`` is per standard deviation of a
        number. Gaps where there is no estimate, with the reason in ``said``.
    tests : pd.DataFrame
        Likelihood-ratio tests of whole columns, as `TEST_COLUMNS` has them.
    notes : list of str
        What is not estimated or little supported, and why.
    """

    table: pd.DataFrame
    tests: pd.DataFrame
    notes: list[str]


def fit(
    durations: Float,
    event_observed: Array,
    groups: Array,
    names: Sequence[str],
    covariates: Covariates | None = None,
    strata: Array | None = None,
) -> Hazards:
    """Fit Cox models: groups and each covariate alone, then all together.

    Parameters
    ----------
    durations : np.ndarray, shape (patient,)
        Days to the event or to censoring.
    event_observed : np.ndarray of bool, shape (patient,)
        Whether the event came.
    groups : np.ndarray of int, shape (patient,)
        Positions in ``names``; patients below 0 are left out. The first group with patients is
        what the others are compared with.
    names : sequence of str
        The groups.
    covariates : Covariates, optional
        Of the same patients; without, there is no adjusted model.
    strata : np.ndarray of int, optional
        Each with a baseline hazard of its own, in every model; patients below 0 are left out.

    Returns
    -------
    Hazards
        Models that cannot be fitted are told: their rows are gaps.

    References
    ----------
    Cox DR (1972). J R Stat Soc B 34(2):187-220. Efron B (1977). J Am Stat Assoc 72(359):557-565.
    """
    of_groups = covariate_columns.of_groups(groups, names, GROUP)
    whole = of_groups if covariates is None else of_groups.beside(covariates)
    rows, tests, notes = [], [], []
    for source in whole.sources:
        if not whole.sources[source]:
            notes.append(f"{source}: {whole.references.get(source)} alone: nothing to compare with")
            continue
        part = whole.only([source])
        found, said = attempt(durations, event_observed, part, strata)
        rows.append(describe(UNIVARIABLE, part, found, said))
        tests.append(_test(UNIVARIABLE, source, "", found, None, said))
        notes += [f"{UNIVARIABLE}: {note}" for note in _notes(found, said)]
    if covariates is not None and covariates.sources and whole.sources[GROUP]:
        found, said = attempt(durations, event_observed, whole, strata)
        rows.append(describe(ADJUSTED, whole, found, said))
        tests.append(_groups_on_top(durations, event_observed, found, said, strata))
        notes += [f"{ADJUSTED}: {note}" for note in _notes(found, said)]
    table = pd.concat(rows, ignore_index=True) if rows else pd.DataFrame(columns=[*COLUMNS])
    return Hazards(table, pd.DataFrame(tests, columns=[*TEST_COLUMNS]), notes)


def between(
    durations: Float,
    event_observed: Array,
    groups: Array,
    names: Sequence[str],
    strata: Array | None = None,
) -> pd.DataFrame:
    """Compare every two groups with a Cox model of their patients alone.

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
    strata : np.ndarray of int, optional
        Each with a baseline hazard of its own.

    Returns
    -------
    pd.DataFrame
        One row a pair of groups with patients: first, second, hazard_ratio (second against
        first), low, high, said; gaps where a group has no events.
    """
    rows = []
    present = [at for at in range(len(names)) if (np.asarray(groups) == at).any()]
    for position, first in enumerate(present):
        for second in present[position + 1 :]:
            member = np.full(len(groups), -1)
            member[groups == first], member[groups == second] = 0, 1
            part = covariate_columns.of_groups(member, [names[first], names[second]], GROUP)
            found, said = attempt(durations, event_observed, part, strata)
            row = describe(UNIVARIABLE, part, found, said).iloc[0]
            rows.append(
                {"first": names[first], "second": names[second]}
                | {name: row[name] for name in ("hazard_ratio", "low", "high", "said")}
            )
    columns = ["first", "second", "hazard_ratio", "low", "high", "said"]
    return pd.DataFrame(rows, columns=columns)


def attempt(
    durations: Float, event_observed: Array, design: Covariates, strata: Array | None
) -> tuple[cox_model.CoxFit | None, str]:
    """Fit a model, or say why there is none.

    Parameters
    ----------
    durations : np.ndarray, shape (patient,)
        Days to the event or to censoring.
    event_observed : np.ndarray of bool, shape (patient,)
        Whether the event came.
    design : Covariates
        Its terms.
    strata : np.ndarray of int or None, shape (patient,)
        Each with a baseline hazard of its own.

    Returns
    -------
    found : CoxFit or None
        None where there is no model.
    said : str
        Why; empty where there is one.
    """
    try:
        return cox_model.fit(durations, event_observed, design, strata), ""
    except errors.ValuesError as error:
        return None, str(error)


def describe(
    model: str, design: Covariates, found: cox_model.CoxFit | None, said: str
) -> pd.DataFrame:
    """List the hazard ratios of a model.

    Parameters
    ----------
    model : str
        Its name.
    design : Covariates
        The terms that were asked for.
    found : CoxFit or None
        The fitted model.
    said : str
        Why there is none.

    Returns
    -------
    pd.DataFrame
        One row a term, as `COLUMNS` has them.
    """
    places = {} if found is None else {n: at for at, n in enumerate(found.design.frame.columns)}
    rows = []
    for source, terms in design.sources.items():
        for term in terms:
            row: dict[str, Any] = {"model": model, "covariate": source, "term": term}
            reference = design.references.get(source, "one more")
            if found is None:
                rows.append(row | {"reference": reference, "said": said})
                continue
            row |= {"n": int(found.rows.sum()), "events": found.events}
            row["reference"] = found.design.references.get(source, "one more")
            if term in places:
                row |= _ratio(found, places[term], source not in design.references)
            rows.append(row | {"said": found.left_out.get(term, "")})
    return pd.DataFrame(rows, columns=[*COLUMNS]).astype({"n": "Int64", "events": "Int64"})


def _ratio(found: cox_model.CoxFit, at: int, numeric: bool) -> dict[str, float]:
    beta, error = float(found.coefficients[at]), float(found.standard_errors[at])
    reach = float(stats.norm.ppf(0.975)) * error
    ratios = np.exp([beta, beta - reach, beta + reach]).tolist()
    return dict(zip(("hazard_ratio", "low", "high"), ratios, strict=True)) | {
        "p": float(2 * stats.norm.sf(abs(beta) / error)),
        "log_hazard_ratio": beta,
        "standard_error": error,
        "hazard_ratio_per_spread": float(np.exp(beta * found.spread[at])) if numeric else np.nan,
    }


def _groups_on_top(
    durations: Float,
    event_observed: Array,
    full: cox_model.CoxFit | None,
    said: str,
    strata: Array | None,
) -> dict[str, Any]:
    """Test groups beyond covariates, on the patients of the full model."""
    if full is None:
        return _test(ADJUSTED, GROUP, "", None, None, said)
    others = [name for name in full.design.sources if name != GROUP and full.design.sources[name]]
    part = full.design.only(others)
    beside = ", ".join(others)
    if not others or not full.design.sources[GROUP]:
        return _test(ADJUSTED, GROUP, beside, None, None, "groups or covariates do not vary")
    in_model = None if strata is None else np.asarray(strata)[full.rows]
    reduced, said = attempt(
        np.asarray(durations)[full.rows], np.asarray(event_observed)[full.rows], part, in_model
    )
    return _test(ADJUSTED, GROUP, beside, full if reduced else None, reduced, said)


def _test(
    model: str,
    tested: str,
    beside: str,
    full: cox_model.CoxFit | None,
    reduced: cox_model.CoxFit | None,
    said: str,
) -> dict[str, Any]:
    row: dict[str, Any] = {"model": model, "tested": tested, "beside": beside, "said": said}
    if full is None:
        return row
    base = full.null_log_likelihood if reduced is None else reduced.log_likelihood
    n_less = 0 if reduced is None else reduced.design.frame.shape[1]
    statistic, df = 2 * (full.log_likelihood - base), full.design.frame.shape[1] - n_less
    return row | {
        "statistic": statistic,
        "df": df,
        "p": float(stats.chi2.sf(statistic, df)),
        "n": int(full.rows.sum()),
        "events": full.events,
    }


def _notes(found: cox_model.CoxFit | None, said: str) -> list[str]:
    return [said] if found is None else found.notes
