"""Cohorts with everything found in them, made once for all tests that look at it."""

import dataclasses
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from unit.downstream import planted

from bluebatch.downstream import (
    branches,
    discovery,
    group_permutation,
    out_of_fold,
    patient_options,
    patterns,
    search,
    state_settings,
    states,
    subtype_settings,
)
from bluebatch.store import schema, write

Array = npt.NDArray[Any]
PLAN = planted.Plan(n_patients=150, hazard_ratio=0.2)
# Few permutations, folds and clouds: enough to fill every table.
SETTINGS = subtype_settings.Settings(
    states=state_settings.StateSettings(n_resamples=3, n_nulls=19, neighbours=(15,)),
    search=search.SearchSettings(n_permutations=39),
    groups=patterns.GroupSettings(n_permutations=19),
    out_of_fold=out_of_fold.FoldSettings(n_folds=3, n_repeats=1),
)


@dataclasses.dataclass(frozen=True)
class Case:
    drawn: planted.Planted
    cohort: patient_options.Cohort
    found: discovery.Discovery


def write_composition(
    path: pathlib.Path, samples: Sequence[str], cell_types: Sequence[str], proportion: Array
) -> pathlib.Path:
    labels = {"sample": list(samples), "cell_type": list(cell_types)}
    group = write.create(path, schema.COMPOSITION, labels, {}, leave_out=("patient",))
    write.write_whole(group, "proportion", proportion)
    write.complete(group)
    return path


def write_skill(path: pathlib.Path, drawn: planted.Planted, skill: Array) -> pathlib.Path:
    """Write profiles with what the model predicts of them."""
    leave_out = [array.name for array in schema.PROFILE.arrays if array.optional]
    leave_out.remove("skill")
    labels = {"sample": drawn.patients, "cell_type": drawn.cell_types, "gene": drawn.genes}
    group = write.create(path, schema.PROFILE, labels, {"unit": "CPM"}, leave_out=leave_out)
    write.write_whole(group, "profile", drawn.profile)
    for name in ("proportion", "rna_fraction"):
        write.write_whole(group, name, drawn.proportion)
    for name in ("reconstruction_error", "gene_coverage"):
        write.write_whole(group, name, np.ones(len(drawn.patients)))
    write.write_whole(group, "skill", skill)
    write.complete(group)
    return path


def open_drawn(
    folder: pathlib.Path, drawn: planted.Planted, *, bulk: bool = True, **options: Any
) -> patient_options.Cohort:
    """Write profiles, and open them."""
    results = planted.write_results(folder / "results.zarr", drawn)
    if bulk:
        options["cohort"] = planted.write_cohort(folder / "cohort.zarr", drawn)
    else:
        # Without the store of the bulk nothing else names the patients.
        options["patient_from_sample"] = "(.*)-s"
    return open_results(folder, results, drawn, **options)


def open_fractions(
    folder: pathlib.Path, drawn: planted.Planted, **options: Any
) -> patient_options.Cohort:
    """Write proportions alone, and open them."""
    path = folder / "composition.zarr"
    results = write_composition(path, drawn.patients, drawn.cell_types, drawn.proportion)
    return open_results(folder, results, drawn, **options)


def open_results(
    folder: pathlib.Path, results: pathlib.Path, drawn: planted.Planted, **options: Any
) -> patient_options.Cohort:
    clinical = planted.write_clinical(folder / "clinical.csv", drawn)
    made = patient_options.PatientOptions(clinical=clinical, **options)
    return patient_options.open_cohort(results, made, 1000)


def known_states(drawn: planted.Planted, name: str) -> states.TypeStates:
    """Tell the planted states of a type as if they had been found."""
    column = drawn.profile[:, drawn.cell_types.index(name), 0]
    blob = states.without(name, ~np.isnan(column), states.NO_STRUCTURE, "planted so")
    if name not in drawn.state:
        return blob
    index = drawn.state[name].astype(np.int8)
    return dataclasses.replace(
        blob,
        index=index,
        n_0=int((index == 0).sum()),
        n_1=int((index == 1).sum()),
        verdict=states.TWO_STATES,
        p_structure=0.05,
        separation=0.5,
    )


def known_branch(drawn: planted.Planted) -> branches.Branch:
    """Make the branch of the planted states; it is not searched."""
    typed = [known_states(drawn, name) for name in drawn.cell_types]
    return branches.Branch(
        branches.PROFILES,
        list(drawn.cell_types),
        np.column_stack([each.index for each in typed]),
        np.column_stack([each.strength for each in typed]),
        typed=typed,
    )


def known_discovery(
    drawn: planted.Planted,
    cohort: patient_options.Cohort,
    settings: subtype_settings.Settings = SETTINGS,
) -> discovery.Discovery:
    """Search the planted states, without any clusters or simpler branches."""
    return search_of(known_branch(drawn), cohort, settings)


def search_of(
    branch: branches.Branch,
    cohort: patient_options.Cohort,
    settings: subtype_settings.Settings = SETTINGS,
) -> discovery.Discovery:
    """Search a branch, without any clusters or simpler branches."""
    main = branches.search_states(branch, cohort, settings, seed=0)
    assert main.found is not None
    groups = patterns.find(main.found, cohort.outcome, settings.groups)
    luck = None if groups is None else group_permutation.Permuted(10.0, 19, 5, 0.05)
    return discovery.Discovery(main, [], groups, luck, None, float("nan"), [])
