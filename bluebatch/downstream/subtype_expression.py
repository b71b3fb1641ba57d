"""What the groups differ in: expression of every cell type, gene sets, and bulk signatures."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from bluebatch import errors
from bluebatch.downstream import (
    differential,
    gene_sets,
    signature,
    split_discovery,
    split_tests,
    type_tests,
)
from bluebatch.downstream.patient_options import Cohort
from bluebatch.downstream.signature_settings import SignatureSettings
from bluebatch.downstream.subtype_settings import Settings

Array = npt.NDArray[Any]


@dataclasses.dataclass(frozen=True, eq=False)
class How:
    """How groups are compared.

    Parameters
    ----------
    settings : Settings
        Of the tests.
    seed : int
        Of the halves of the patients, where they are asked for.
    sets : gene_sets.GeneSetFile or None
        Gene sets.
    """

    settings: Settings
    seed: int = 0
    sets: gene_sets.GeneSetFile | None = None


@dataclasses.dataclass(frozen=True, eq=False)
class Expression:
    """Comparisons of the groups.

    Parameters
    ----------
    tests : dict of str to pd.DataFrame
        By cell type, both comparisons of `differential.per_type` below each other.
    reciprocal : pd.DataFrame
        Genes that one group raises and the other lowers, by cell type.
    sets : pd.DataFrame
        Gene sets, by cell type and group; empty without any.
    signatures : dict of str to signature.Signature
        On bulk expression, by group.
    notes : list of str
        What was not compared, and why.
    """

    tests: dict[str, pd.DataFrame]
    reciprocal: pd.DataFrame
    sets: pd.DataFrame
    signatures: dict[str, signature.Signature]
    notes: list[str]


def compare(
    cohort: Cohort,
    cell_types: Sequence[str],
    group: Array,
    how: How,
    on_type: Callable[[int], None] | None = None,
) -> Expression:
    """Compare the most favourable and the most unfavourable group with the rest.

    Parameters
    ----------
    cohort : Cohort
        With profiles, bulk, or both; a composition store alone leaves nothing to compare.
    cell_types : sequence of str
        Whose profiles are compared.
    group : np.ndarray of int8, shape (patient,)
        0 most favourable, 1 intermediate, 2 most unfavourable.
    how : How
        Settings, gene sets.
    on_type : callable, optional
        Told of each type that is done.

    Returns
    -------
    Expression
        One cell type is held at a time. Its p-values are descriptive, for the groups were made
        from the same profiles; ``p_split`` is not, where it was asked for.
    """
    settings, sets = how.settings, how.sets
    signatures, notes = _fit_signatures(cohort, group, settings.signature)
    if cohort.found.kind == "composition":
        return Expression({}, pd.DataFrame(), pd.DataFrame(), signatures, notes)
    found = cohort.found
    genes = cohort.variable_genes if found.kind == "cohort" else found.genes()
    background = None if sets is None else gene_sets.within(sets, genes, settings.gene_sets)
    notes += [] if background is None else background.notes
    each_type = differential.per_type(
        lambda cell_type: found.profile(cell_type, cohort.rows, genes),
        cell_types,
        group,
        genes,
        settings.differential,
        type_tests.Beside(found.skill, background),
    )
    tests: dict[str, pd.DataFrame] = {}
    reciprocal: list[pd.DataFrame] = []
    tested_sets: list[pd.DataFrame] = []
    try:
        for each in each_type:
            notes += each.notes
            tests[each.cell_type] = each.as_frame()
            if each.favourable is not None and each.unfavourable is not None:
                both = differential.reciprocal(
                    each.favourable, each.unfavourable, settings.differential
                )
                reciprocal.append(type_tests.stack(each.cell_type, {"both": both}))
            if each.sets is not None:
                tested_sets.append(each.sets)
            if on_type is not None:
                on_type(1)
        if settings.differential.split_samples:
            split, said = split_discovery.compare(cohort, cell_types, settings, how.seed)
            notes += said
            for part in split:
                tests[part.cell_type] = split_tests.attach(tests[part.cell_type], part)
    except errors.LabelMismatchError as error:
        # Groups too small to be compared are no reason to lose what was found of survival.
        notes.append(str(error))
    return Expression(tests, _join(reciprocal), _join(tested_sets), signatures, notes)


def _fit_signatures(
    cohort: Cohort, group: Array, settings: SignatureSettings
) -> tuple[dict[str, signature.Signature], list[str]]:
    if cohort.found.bulk_store() is None:
        return {}, ["no bulk signature: no bulk expression is at hand; give it with --cohort"]
    genes = cohort.variable_genes
    bulk = cohort.found.bulk(cohort.rows, genes)
    return signature.fit_groups(bulk, genes, np.asarray(group), settings)


def _join(frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    filled = [frame for frame in frames if len(frame)]
    return pd.concat(filled, ignore_index=True) if filled else pd.DataFrame()
