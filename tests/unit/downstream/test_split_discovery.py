import pathlib
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from unit.downstream import planted

from bluebatch.downstream import (
    patient_options,
    split_discovery,
    state_settings,
    subtype_settings,
)

Array = npt.NDArray[Any]
# Fewer resamples and clouds than by default: the states are far apart or not there.
SETTINGS = subtype_settings.Settings(
    states=state_settings.StateSettings(n_resamples=5, n_nulls=19, neighbours=(15,))
)
TRUE = planted.Plan(n_patients=240, hazard_ratio=0.15, one_blob=("B",))


def write(folder: pathlib.Path, drawn: planted.Planted) -> patient_options.Cohort:
    results = planted.write_results(folder / "results.zarr", drawn)
    clinical = planted.write_clinical(folder / "clinical.csv", drawn)
    cohort = planted.write_cohort(folder / "cohort.zarr", drawn)
    options = patient_options.PatientOptions(clinical=clinical, cohort=cohort)
    return patient_options.open_cohort(results, options, 100)


def differing(plan: planted.Plan) -> Array:
    """Draw again which genes of each type differ between its states: planted's first draws."""
    fixed = np.random.default_rng(0)
    shape = (len(plan.two_state) + len(plan.one_blob), plan.n_genes)
    fixed.uniform(4, 9, shape)
    fixed.choice([-1, 1], shape)
    return fixed.random(shape) < 0.4


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Any:
    cohort = write(tmp_path_factory.mktemp("split"), planted.draw(TRUE, 1))
    return split_discovery.compare(cohort, cohort.found.cell_types, SETTINGS, seed=0)


def test_compare__finds_the_genes_of_planted_states(found: Any) -> None:
    tests, notes = found
    assert "groups were found in 4 of 4 halves" in notes[0]
    assert "not the same groups" not in notes[0]
    differs = differing(TRUE)
    for at, each in enumerate(tests[:2]):
        frame = each.favourable
        assert set(frame["kind"]) == {"split samples"}
        assert (frame["q"] < 0.05)[differs[at]].mean() > 0.9
        assert (frame["q"] < 0.05)[~differs[at]].mean() < 0.1


def test_compare__a_type_without_states_has_uniform_p(found: Any) -> None:
    blob = found[0][2]
    assert blob.cell_type == "B"
    assert (blob.favourable["p"] < 0.05).mean() < 0.15
    assert (blob.favourable["q"] > 0.05).all()


def test_compare__without_states_nothing_is_tested(tmp_path: pathlib.Path) -> None:
    # Survival depends on something, of which the profiles say nothing.
    cohort = write(tmp_path, planted.draw(planted.Plan(distance=0.0), 2))
    tests, notes = split_discovery.compare(cohort, cohort.found.cell_types, SETTINGS, seed=0)
    assert "not the same groups" not in notes[0]
    assert all(each.favourable is None and each.unfavourable is None for each in tests)
    assert "groups were found in 0 of 4 halves" in notes[0]


def test_discovery__a_rule_reads_only_the_genes_it_may(tmp_path: pathlib.Path) -> None:
    cohort = write(tmp_path, planted.draw(TRUE, 1))
    genes = cohort.found.genes()
    rng = np.random.default_rng(0)
    whole = split_discovery.Discovery(cohort, ["Mono", "T", "B"], genes, SETTINGS, rng)
    mask = np.arange(len(genes)) % 2 == 0
    half = np.arange(120)
    rule = whole.discover(half, mask)
    assert rule is not None
    assert set(rule.spaces) == {"Mono", "T"}
    for space in rule.spaces.values():
        assert set(space.genes) <= {genes[at] for at in np.flatnonzero(mask)}
    # Those with both planted states live longest; placed without their survival.
    fresh = np.arange(120, 240)
    group = whole.assign(rule, fresh, mask)
    inside = planted.draw(TRUE, 1).inside[fresh]
    assert ((group == 0) == inside).mean() > 0.9


def test_discovery__nobody_with_the_event_makes_no_rule(tmp_path: pathlib.Path) -> None:
    cohort = write(tmp_path, planted.draw(TRUE, 1))
    genes = cohort.found.genes()
    rng = np.random.default_rng(0)
    whole = split_discovery.Discovery(cohort, ["Mono"], genes, SETTINGS, rng)
    alive = np.flatnonzero(~cohort.event_observed)
    assert whole.discover(alive, np.ones(len(genes), dtype=bool)) is None


def test_compare__groups_that_hang_on_the_genes_are_told(tmp_path: pathlib.Path) -> None:
    # Split without evidence, and grouped without significance: whatever is found is chance.
    states = SETTINGS.states.model_copy(update={"no_structure": "split"})
    searched = SETTINGS.search.model_copy(update={"alpha": 0.99})
    chance = SETTINGS.model_copy(update={"states": states, "search": searched})
    cohort = write(tmp_path, planted.draw(planted.Plan(distance=0.0), 3))
    _, notes = split_discovery.compare(cohort, cohort.found.cell_types, chance, seed=0)
    assert "not the same groups" in notes[0]
