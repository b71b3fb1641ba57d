import dataclasses
import pathlib
from typing import Any

import numpy as np
import pytest
from unit.downstream import discovered, planted

from bluebatch.downstream import definitions, discovery, frozen, subtype_freeze
from bluebatch.downstream.subtype_settings import SubtypeSettings

PLAN = dataclasses.replace(discovered.PLAN, n_patients=90, absent=0.3)


def freeze(
    found: discovery.Discovery, cohort: Any, settings: Any = discovered.SETTINGS
) -> frozen.Frozen:
    resolved = settings.model_dump(mode="json")
    return subtype_freeze.freeze(found, cohort, None, resolved, {"results": "0" * 64})


def test_freeze__keeps_the_types_with_two_states_and_their_columns(
    case: discovered.Case,
) -> None:
    model = freeze(case.found, case.cohort)
    assert model.branch == "profile"
    assert model.cell_types == case.found.main.two_state
    assert len(model.cell_types) < len(case.found.main.cell_types)
    assert list(model.spaces) == model.cell_types
    # What is picked is still what the labels say.
    again = definitions.Definitions(tuple(model.cell_types), model.picks)
    assert again.labels == model.table["definition"].tolist()
    table = case.found.search.table
    np.testing.assert_array_equal(model.table["significant"], table["q"] < 0.05)
    for name in frozen.NUMBERS:
        np.testing.assert_array_equal(model.table[name], table[name])
    assert model.cuts == {}
    assert model.composition_types == []
    assert case.found.groups is not None
    assert model.rules == case.found.groups.rules()


def test_freeze__alpha_says_what_is_significant(case: discovered.Case) -> None:
    strict = discovered.SETTINGS.search.model_copy(update={"alpha": 1e-6})
    settings = discovered.SETTINGS.model_copy(update={"search": strict})
    model = freeze(case.found, case.cohort, settings)
    np.testing.assert_array_equal(model.table["significant"], case.found.search.table["q"] < 1e-6)


def test_freeze__shares_are_of_the_patients_with_the_type(tmp_path: pathlib.Path) -> None:
    drawn = planted.draw(PLAN, seed=2)
    cohort = discovered.open_drawn(tmp_path, drawn, bulk=False)
    branch = discovered.known_branch(drawn)
    at = drawn.cell_types.index("T")
    branch.index[:30, at] = -1
    branch = dataclasses.replace(branch, typed=[])
    model = freeze(discovered.search_of(branch, cohort), cohort)
    share = model.facts["share_1"]
    assert share["T"] == pytest.approx(drawn.state["T"][30:].mean())
    assert share["Mono"] == pytest.approx(drawn.state["Mono"].mean())
    assert share["B"] == 0
    assert model.facts["n_patients"] == 90
    assert model.facts["n_events"] == drawn.event.sum()


def test_freeze__names_nobody(case: discovered.Case, tmp_path: pathlib.Path) -> None:
    frozen.write(tmp_path / "model", freeze(case.found, case.cohort))
    files = [file for file in (tmp_path / "model").rglob("*") if file.is_file()]
    assert len(files) >= 3
    for file in files:
        content = file.read_bytes()
        assert not [name for name in case.drawn.patients if name.encode() in content]
        assert str(case.cohort.found.path).encode() not in content
    again = frozen.read(tmp_path / "model")
    np.testing.assert_array_equal(again.picks, freeze(case.found, case.cohort).picks)


@pytest.mark.parametrize("renormalise", [True, False])
def test_freeze__cuts_and_what_they_are_cuts_of(tmp_path: pathlib.Path, renormalise: bool) -> None:
    drawn = planted.draw(PLAN, seed=2)
    proportion = drawn.proportion.copy()
    # B is there in so few patients that it cannot be halved.
    proportion[5:, drawn.cell_types.index("B")] = 0
    drawn = dataclasses.replace(drawn, proportion=proportion)
    cohort = discovered.open_fractions(tmp_path, drawn)
    settings = discovered.SETTINGS.model_copy(
        update={"subtypes": SubtypeSettings(renormalise=renormalise)}
    )
    chosen = ["Mono", "B", "T"]
    model = freeze(discovery.discover(cohort, chosen, settings, 0), cohort, settings)
    part = proportion[:, [drawn.cell_types.index(name) for name in chosen]]
    if renormalise:
        part = part / part.sum(axis=1, keepdims=True)
    assert model.branch == "composition"
    assert model.cell_types == ["Mono", "T"]
    # The sum is over all three, that of B among them.
    assert model.composition_types == (chosen if renormalise else [])
    assert model.cuts == pytest.approx(
        {"Mono": np.median(part[:, 0]), "T": np.median(part[:, 2])}, rel=1e-6
    )
