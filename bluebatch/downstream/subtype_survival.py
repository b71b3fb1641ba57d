"""Survival of the three groups, and what of it is more than the search that made them."""

import dataclasses

import pandas as pd

from bluebatch.downstream import (
    branches,
    covariates,
    discrimination,
    group_logrank,
    group_tests,
    hazards,
    proportional,
    restricted_mean,
    subtype_tables,
    survival,
)
from bluebatch.downstream.discovery import Discovery
from bluebatch.downstream.patient_options import Cohort
from bluebatch.downstream.patterns import Groups

# A repeat takes seconds where patients are many, and changes little there.
MAX_REPEATS, PATIENTS_REPEATED = 10, 10_000
SCHOENFELD = "scaled Schoenfeld residuals"
GROUPS, APART = "group", "groups without the patient"


@dataclasses.dataclass(frozen=True, eq=False)
class Survival:
    """What is known of the groups' survival.

    Parameters
    ----------
    tables : dict of str to pd.DataFrame
        By file name.
    tests : list of pd.DataFrame
        With columns of `subtype_tables.TEST_COLUMNS`.
    notes : list of str
        What a reader should know.
    """

    tables: dict[str, pd.DataFrame]
    tests: list[pd.DataFrame]
    notes: list[str]


def describe(
    cohort: Cohort,
    found: Discovery,
    groups: Groups,
    beside: covariates.Covariates | None,
    seed: int,
) -> Survival:
    """Describe and test the groups.

    Parameters
    ----------
    cohort : Cohort
        With survival and the clinical table.
    found : Discovery
        Where patients are placed by the others.
    groups : Groups
        Three of them.
    beside : covariates.Covariates or None
        What models adjust for.
    seed : int
        Of permutations and folds.

    Returns
    -------
    Survival
        Tables ``survival``, ``curves``, ``at_risk``, ``logrank``, ``pairwise``, ``hazards``,
        ``hazard_tests``, ``proportional_hazards``, ``stratified_hazards``, ``restricted_mean``,
        ``restricted_mean_differences``, ``concordance`` and ``clinical``.
    """
    times, events = cohort.durations, cohort.event_observed
    who = (times, events, groups.index, groups.names)
    curves = survival.curves(*who)
    permutations = group_logrank.Permutations(branches.rng_for(seed, "log-rank of groups"))
    ranked = group_logrank.logrank(*who, cohort.strata, permutations)
    ratios = hazards.fit(*who, beside, cohort.strata)
    checked = proportional.check(*who, beside, cohort.strata)
    means = restricted_mean.compare(*who)
    concordance, said = _concordance(cohort, found, groups, beside, seed)
    clinical = group_tests.against(
        groups.index, groups.names, cohort.patients.table, branches.rng_for(seed, "clinical")
    )
    tables = {
        "survival": survival.medians(*who),
        "curves": curves.steps,
        "at_risk": curves.counts,
        "logrank": ranked.overall,
        "pairwise": ranked.pairwise,
        "hazards": ratios.table,
        "hazard_tests": ratios.tests,
        "proportional_hazards": checked.table,
        "stratified_hazards": checked.stratified,
        "restricted_mean": means.means,
        "restricted_mean_differences": means.differences,
        "concordance": concordance,
        "clinical": clinical,
    }
    notes = [*curves.notes, *ranked.notes, *ratios.notes, *checked.notes, *means.notes]
    notes += [*([] if beside is None else beside.notes), *said]
    return Survival(tables, _tests(found, tables), list(dict.fromkeys(notes)))


def _concordance(
    cohort: Cohort,
    found: Discovery,
    groups: Groups,
    beside: covariates.Covariates | None,
    seed: int,
) -> tuple[pd.DataFrame, list[str]]:
    """Judge the groups as they are, and as they would be without each patient."""
    times, events = cohort.durations, cohort.event_observed
    designs = {GROUPS: covariates.of_groups(groups.index, groups.names)}
    if found.main.apart is not None:
        risk = pd.DataFrame({APART: found.main.apart.risk}, index=cohort.patients.table.index)
        if risk[APART].nunique() > 1:
            designs[APART] = covariates.Covariates(risk, {APART: [APART]}, {}, [])
    frames, notes = [], []
    for name, design in designs.items():
        rng = branches.rng_for(seed, "folds", name)
        n_repeats = max(1, min(MAX_REPEATS, PATIENTS_REPEATED // cohort.n_patients))
        folds = discrimination.Folds(rng, n_repeats=n_repeats)
        # Who is placed by the others had no part in it, as in a second cohort.
        kind: discrimination.Cohort = "discovery" if name == GROUPS else "second cohort"
        table, said = discrimination.compare(times, events, design, beside, folds, kind)
        frames.append(table.assign(groups=name, cohort="discovery"))
        notes += said if name == GROUPS else []
    return pd.concat(frames, ignore_index=True), notes


def _tests(found: Discovery, tables: dict[str, pd.DataFrame]) -> list[pd.DataFrame]:
    named = subtype_tables.named
    chosen = subtype_tables.CHOSEN
    overall, pairs = tables["logrank"], tables["pairwise"]
    rows = [
        named(
            "groups",
            "log-rank",
            chosen,
            {
                "subject": overall["comparison"],
                "statistic": overall["statistic"],
                "p": overall["p"],
                "p_permutation": overall["p_permuted"],
            },
        ),
        named(
            "groups",
            "log-rank",
            chosen,
            {
                "subject": pairs["second"] + " against " + pairs["first"],
                "statistic": pairs["statistic"],
                "p": pairs["p"],
                "q": pairs["q"],
                "p_permutation": pairs["p_permuted"],
            },
        ),
    ]
    if found.luck is not None:
        luck = {
            "subject": ["most favourable against most unfavourable"],
            "statistic": [found.luck.statistic],
            "p_permutation": [found.luck.p],
        }
        rows.append(named("groups", "log-rank", subtype_tables.PERMUTED, luck))
    rows += _of_models(tables)
    means = tables["restricted_mean_differences"]
    shown = {
        "subject": means["second"] + " against " + means["first"],
        "p": means["p"],
        "q": means["q"],
    }
    rows.append(named("restricted mean survival time", "normal", chosen, shown))
    clinical = tables["clinical"]
    for test, part in clinical.groupby("test", sort=False):
        shown = {name: part[name] for name in ("statistic", "p", "q")} | {"subject": part["column"]}
        rows.append(named("groups against clinical columns", str(test), chosen, shown))
    return rows


def _of_models(tables: dict[str, pd.DataFrame]) -> list[pd.DataFrame]:
    """List the tests of Cox models; what has no groups in it was not chosen by survival."""
    ratios, wholes = tables["hazards"], tables["hazard_tests"]
    checks = tables["proportional_hazards"]
    made = [
        ("Cox models", "Wald", ratios, ratios["covariate"], ratios["term"]),
        ("Cox models", "likelihood ratio", wholes, wholes["tested"], wholes["tested"]),
        ("proportional hazards", SCHOENFELD, checks, checks["covariate"], checks["term"]),
    ]
    rows = []
    for family, test, table, source, term in made:
        shown = table.reindex(columns=["statistic", "p"]).assign(
            subject=table["model"] + ": " + term
        )
        alone = (table["model"] == hazards.UNIVARIABLE) & (source != hazards.GROUP)
        plain = alone & (source != proportional.EVERY)
        for worth, part in ((subtype_tables.CHOSEN, ~plain), (subtype_tables.PLAIN, plain)):
            rows.append(subtype_tables.named(family, test, worth, shown[part & shown["p"].notna()]))
    return rows
