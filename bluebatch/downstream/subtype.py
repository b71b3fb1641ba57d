"""Groups of patients by combinations of cell states, and what the search for them is worth."""

import pathlib
from typing import Any

from bluebatch import errors
from bluebatch.downstream import (
    covariates,
    discovery,
    gene_sets,
    subtype_expression,
    subtype_files,
    subtype_survival,
    subtype_tables,
)
from bluebatch.downstream.patient_options import Cohort, PatientOptions, open_cohort
from bluebatch.downstream.subtype_settings import Settings
from bluebatch.downstream.subtype_summary import Summary
from bluebatch.run import progress
from bluebatch.store import output_folders, places


class Options(PatientOptions):
    """What `subtype` is given beside results and settings.

    Parameters
    ----------
    cell_types : tuple of str
        Types that definitions may pick; all by default.
    gene_sets : pathlib.Path or None
        GMT file.
    """

    cell_types: tuple[str, ...] = ()
    gene_sets: pathlib.Path | None = None


def run(
    results: str | places.Place,
    out: str | places.Place,
    settings: Settings | None,
    options: Options,
) -> Summary:
    """Find states, definitions and groups of patients, and write all about them to a folder.

    Parameters
    ----------
    results : str, pathlib.Path or upath.UPath
        Profile, composition or cohort store.
    out : str, pathlib.Path or upath.UPath
        Folder to write.
    settings : Settings or None
        How; the defaults by default.
    options : Options
        Clinical table, cohort, columns.

    Returns
    -------
    Summary
        What was found.

    Raises
    ------
    errors.BluebatchError
        If something cannot be read or does not match, no cell type has two states, or something
        else stands at ``out``.
    """
    settings = settings or Settings()
    inputs = [results, options.cohort, options.clinical, options.gene_sets]
    output_folders.check(out, inputs, overwrite=options.overwrite)
    cohort = open_cohort(results, options, settings.subtypes.max_bulk_genes)
    cell_types = _choose_types(cohort, options)
    sets = _read_sets(cohort, options, settings)
    # A wrong covariate is told before the search, not after it.
    named = options.covariates
    beside = covariates.design(cohort.patients.table, named) if named else None
    with progress.bar("states", len(cell_types), "types") as step:
        found = discovery.discover(cohort, cell_types, settings, options.seed, step)
    tables = subtype_tables.build(found, cohort)
    notes = [*cohort.notes, *found.main.notes, *found.search.notes]
    notes += [*(sets.notes if sets is not None else [])]
    tests: list[Any] = []
    expression = None
    if found.groups is not None:
        groups = found.groups
        described = subtype_survival.describe(cohort, found, groups, beside, options.seed)
        tables |= described.tables
        tests += described.tests
        with progress.bar("expression", len(cell_types), "types") as step:
            how = subtype_expression.How(settings, options.seed, sets)
            expression = subtype_expression.compare(cohort, cell_types, groups.index, how, step)
        notes += [*groups.notes, *described.notes, *expression.notes]
    tables["tests"] = subtype_tables.tests(found, tests)
    work = subtype_files.Work(cohort, found, tables, expression, notes)
    resolved = settings.model_dump(mode="json")
    return subtype_files.write(out, work, resolved, options.clinical, options.seed)


def _read_sets(
    cohort: Cohort, options: Options, settings: Settings
) -> gene_sets.GeneSetFile | None:
    """Read gene sets; those that the results have no genes of are refused before any work."""
    if options.gene_sets is None:
        return None
    sets = gene_sets.read(options.gene_sets)
    found = cohort.found
    if found.kind == "composition":
        said = f"{options.gene_sets}: not tested, for the results hold proportions alone"
        return sets._replace(notes=[*sets.notes, said])
    genes = cohort.variable_genes if found.kind == "cohort" else found.genes()
    gene_sets.within(sets, genes, settings.gene_sets)
    return sets


def _choose_types(cohort: Cohort, options: Options) -> list[str]:
    known = cohort.found.cell_types
    chosen = list(dict.fromkeys(options.cell_types)) or known
    unknown = [name for name in chosen if name not in known]
    if unknown:
        raise errors.LabelMismatchError(
            f"{cohort.found.path}: has no cell type {unknown[0]!r}, needed: some of "
            f"{', '.join(known)}. Name those with --cell-types."
        )
    return chosen
