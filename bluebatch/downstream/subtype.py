"""Groups of patients by combinations of cell states, and what the search for them is worth."""

import pathlib
from typing import Any

from bluebatch import errors
from bluebatch.downstream import (
    discovery,
    gene_sets,
    subtype_expression,
    subtype_files,
    subtype_survival,
    subtype_tables,
    transfer_files,
)
from bluebatch.downstream.patient_options import Cohort, PatientOptions, open_cohort
from bluebatch.downstream.subtype_settings import Settings
from bluebatch.downstream.subtype_summary import Summary
from bluebatch.run import progress
from bluebatch.store import places


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
    transfer_files.check(out, inputs, overwrite=options.overwrite)
    cohort = open_cohort(results, options, settings.subtypes.max_bulk_genes)
    cell_types = _choose_types(cohort, options)
    sets = None if options.gene_sets is None else gene_sets.read(options.gene_sets)
    with progress.bar("states", len(cell_types), "types") as step:
        found = discovery.discover(cohort, cell_types, settings, options.seed, step)
    tables = subtype_tables.build(found, cohort)
    notes = [*cohort.notes, *found.search.notes, *(sets.notes if sets is not None else [])]
    tests: list[Any] = []
    expression = None
    if found.groups is not None:
        groups = found.groups
        described = subtype_survival.describe(
            cohort, found, groups, options.covariates, options.seed
        )
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
