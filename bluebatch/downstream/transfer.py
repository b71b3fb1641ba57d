"""Frozen subtypes on a second cohort: nothing is refitted, and every test has its direction."""

import dataclasses
from importlib import metadata
from typing import Any

import numpy as np
import numpy.typing as npt
import pydantic

from bluebatch import errors
from bluebatch.downstream import (
    covariates,
    evidence,
    frozen,
    group_rules,
    patients,
    patterns,
    search,
    transfer_concordance,
    transfer_content,
    transfer_drawing,
    transfer_hazards,
    transfer_states,
    transfer_survival,
    transfer_tests,
)
from bluebatch.downstream.definitions import Definitions
from bluebatch.downstream.outcomes import Outcome
from bluebatch.downstream.patient_options import Cohort, PatientOptions, open_cohort
from bluebatch.downstream.signature import Scores
from bluebatch.downstream.transfer_content import Transferred
from bluebatch.downstream.transfer_summary import Summary
from bluebatch.store import genes as gene_names
from bluebatch.store import output_folders, places

Array = npt.NDArray[Any]
# Only named genes are read: none is chosen here.
MAX_GENES = 1


class Options(PatientOptions):
    """What a transfer is given beside the frozen subtypes and the results.

    Parameters
    ----------
    alpha : float
        Level at which a one-sided p replicates a definition.
    n_permutations : int
        Permutations of the survival times behind the p of how many definitions replicate.
    """

    alpha: float = pydantic.Field(default=0.05, gt=0, lt=1)
    n_permutations: int = pydantic.Field(default=1000, ge=0)


def run(
    subtypes: str | places.Place,
    results: str | places.Place,
    out: str | places.Place,
    options: Options,
) -> Summary:
    """Test frozen subtypes on a second cohort.

    Parameters
    ----------
    subtypes : str, pathlib.Path or upath.UPath
        Folder that `bluebatch subtype` wrote, or the model in it.
    results : str, pathlib.Path or upath.UPath
        Store of the second cohort, of the kind that the states were found in.
    out : str, pathlib.Path or upath.UPath
        Folder for the tables and ``transfer.json``.
    options : Options
        Clinical table, and how it is read.

    Returns
    -------
    Summary
        What replicates.

    Raises
    ------
    errors.BluebatchError
        If an input cannot be read or does not fit, or something stands at the output.
    """
    inputs = [subtypes, results, options.cohort, options.clinical]
    output_folders.check(out, inputs, overwrite=options.overwrite)
    model = frozen.read(subtypes)
    cohort = open_cohort(results, options, MAX_GENES)
    transferred = measure(model, cohort, options)
    summary = Summary.of(str(out), transferred)
    facts = {
        **summary.as_dict(),
        "settings": options.model_dump(exclude={"overwrite"}),
        "frozen": {"settings": model.settings, "made_from": model.made_from, "facts": model.facts},
        "bluebatch_version": metadata.version("bluebatch"),
    }
    with output_folders.whole_folder(out) as folder:
        transfer_content.save(folder, transfer_content.tables(transferred, model), facts)
        transfer_drawing.draw_all(folder / "figures", transferred)
    return summary


def measure(model: frozen.Frozen, cohort: Cohort, options: Options) -> Transferred:
    """Find states, groups, signatures and clusters with everything frozen, and test them.

    Parameters
    ----------
    model : frozen.Frozen
        The discovery.
    cohort : Cohort
        The second one.
    options : Options
        Covariates, level, permutations and seed.

    Returns
    -------
    Transferred
        One order of patients throughout.

    Raises
    ------
    errors.LabelMismatchError
        If the results are of another kind, or lack cell types or too many genes.
    """
    found, who = cohort.found, cohort.patients
    transfer_states.check_kind(model, found)
    outcome = cohort.outcome
    beside = covariates.design(who.table, options.covariates) if options.covariates else None
    states = transfer_states.find(model, found, who.rows)
    asked = Definitions(tuple(model.cell_types), model.picks)
    rng = np.random.default_rng(options.seed)
    again = _replicate(model, asked, states, outcome, options, rng)
    if beside is not None:
        again = dataclasses.replace(again, table=transfer_hazards.adjust(again, outcome, beside))
    groups, of_groups = _groups(model, asked, again, states)
    signatures, of_signatures = _signatures(model, found, who)
    clusters, of_clusters = _clusters(model, found, who)
    sets = transfer_survival.Sets(groups, signatures, clusters)
    how = transfer_survival.How(rng, options.n_permutations, beside)
    comparisons = transfer_survival.test(sets, outcome, how)
    gain, of_gain = transfer_concordance.judge(groups, outcome, beside, rng)
    told = [*cohort.notes, *([] if beside is None else beside.notes), *states.notes]
    told += [*of_groups, *of_signatures, *of_clusters, *of_gain]
    medians = transfer_survival.describe(sets, outcome)
    notes = list(dict.fromkeys(told))
    return Transferred(cohort, states, again, sets, comparisons, gain, medians, notes)


def _replicate(
    model: frozen.Frozen,
    asked: Definitions,
    states: transfer_states.States,
    outcome: Outcome,
    options: Options,
    rng: np.random.Generator,
) -> transfer_tests.Replication:
    searched = model.settings.get("search", {})
    how = transfer_tests.ReplicationSettings(
        options.alpha,
        searched.get("min_group") or search.least_group(len(states.index)),
        options.n_permutations,
        searched.get("absent", "rest"),
    )
    return transfer_tests.replicate(model.table, asked, states.index, outcome, how, rng)


def _groups(
    model: frozen.Frozen,
    asked: Definitions,
    again: transfer_tests.Replication,
    states: transfer_states.States,
) -> tuple[patterns.Groups | None, list[str]]:
    if model.rules is None:
        return None, ["groups: the discovery has none, since no definition is significant"]
    rules = group_rules.Rules.of(model.rules)
    there = (states.index != transfer_states.ABSENT).any(axis=0)
    can = [bool(there[row != -1].all()) for row in asked.picks]
    inside = {label: again.inside[:, at] for at, label in enumerate(asked.labels) if can[at]}
    considered = {label: again.considered[:, at] for at, label in enumerate(asked.labels)}
    try:
        groups = patterns.apply(rules, inside, considered)
    except errors.LabelMismatchError as error:
        return None, [str(error)]
    return groups, groups.notes


def _signatures(
    model: frozen.Frozen, found: evidence.Evidence, who: patients.Patients
) -> tuple[dict[str, Scores], list[str]]:
    if not model.signatures:
        return {}, ["signatures: the discovery has none"]
    store = found.bulk_store()
    if store is None:
        return {}, ["signatures: not scored without bulk expression, which --cohort gives"]
    scores, notes = {}, []
    available = store.labels["gene"]
    for name, each in model.signatures.items():
        index = gene_names.match(each.genes, available).index
        wanted = [available[at] for at in index if at >= 0]
        try:
            scores[name] = each.score(found.bulk(who.rows, wanted), wanted)
        except errors.LabelMismatchError as error:
            told = f"{store.path}: {error}"
            if store is not found.results:
                told = f"{told.removesuffix('.')}, or leave out --cohort: groups need none."
            raise errors.LabelMismatchError(told) from error
        notes += scores[name].notes
    return scores, notes


def _clusters(
    model: frozen.Frozen, found: evidence.Evidence, who: patients.Patients
) -> tuple[Array | None, list[str]]:
    if model.clusters is None:
        return None, []
    matrix = found.proportion(who.rows)
    if matrix is None:
        return None, ["clusters of proportions: not assigned, the results hold no proportions"]
    try:
        return model.clusters.assign(matrix, found.cell_types), []
    except (errors.LabelMismatchError, errors.ValuesError) as error:
        return None, [str(error)]
