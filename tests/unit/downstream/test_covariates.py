"""Clinical columns, and groups, as the numbers of a model."""

import numpy as np
import pandas as pd
import pytest

from bluebatch import errors
from bluebatch.downstream import covariates

# 20 patients: M1 8, M2 6, M3 5, M6 1 (rare, and alone), one more unknown in age.
TABLE = pd.DataFrame(
    {
        "fab": ["M1"] * 8 + ["M2"] * 6 + ["M3"] * 5 + ["M6"],
        "age": [str(40 + at) for at in range(19)] + ["Unknown"],
        "flt3": ["0", "1"] * 10,
        "sex": ["m"] * 17 + ["f"] * 3,
    },
    index=[f"P{at}" for at in range(20)],
)


def test_design__numbers_flags_and_levels() -> None:
    found = covariates.design(TABLE, ["age", "flt3", "fab"])
    assert list(found.frame.columns) == ["age", "flt3", "fab=M2", "fab=M3"]
    assert found.sources == {"age": ["age"], "flt3": ["flt3"], "fab": ["fab=M2", "fab=M3"]}
    assert found.references == {"fab": "M1"}
    assert list(found.frame.index) == list(TABLE.index)
    assert found.frame.to_numpy()[9].tolist() == [49, 1, 1, 0]
    assert found.source_of("fab=M3") == "fab"


def test_design__unknown_values_stay_and_are_counted() -> None:
    found = covariates.design(TABLE, ["age"])
    assert np.isnan(found.frame["age"]["P19"])
    assert found.notes == [
        "age: unknown of 1 of 20 patients, who are left out of every model that has it"
    ]


def test_design__a_rare_level_alone_becomes_unknown() -> None:
    found = covariates.design(TABLE, ["fab"])
    assert found.frame.loc["P19"].isna().all()
    assert "M6 (1 patients, fewer than 5 each): taken as unknown" in found.notes[0]


def test_design__rare_levels_together_become_other() -> None:
    table = TABLE.assign(fab=["M1"] * 8 + ["M2"] * 6 + ["M5"] * 3 + ["M6"] * 3)
    found = covariates.design(table, ["fab"])
    assert found.sources["fab"] == ["fab=M2", "fab=other"]
    assert found.frame["fab=other"].sum() == 6
    assert "M5, M6 (6 patients, fewer than 5 each): merged into other" in found.notes[0]


def test_design__other_is_never_the_reference() -> None:
    table = TABLE.assign(fab=["M1"] * 6 + ["M4"] * 4 + ["M5"] * 4 + ["M6"] * 3 + ["M7"] * 3)
    found = covariates.design(table, ["fab"])
    assert found.references == {"fab": "M1"}
    assert found.sources["fab"] == ["fab=other"]


def test_design__a_column_of_one_large_level_is_told() -> None:
    with pytest.raises(errors.ValuesError, match=r"sex: 1 levels .* \(m 17, f 3\)"):
        covariates.design(TABLE, ["sex"])


def test_design__asked_twice_is_taken_once() -> None:
    assert list(covariates.design(TABLE, ["age", "age"]).frame.columns) == ["age"]


def test_design__nothing_asked_is_an_empty_frame() -> None:
    found = covariates.design(TABLE, [])
    assert found.frame.shape == (20, 0)


def test_of_groups__the_first_with_patients_is_the_reference() -> None:
    found = covariates.of_groups(np.array([2, 1, -1, 2]), ["good", "middle", "bad"])
    assert found.references == {"group": "middle"}
    assert found.frame["group=bad"].tolist()[:2] == [1, 0]
    assert np.isnan(found.frame["group=bad"][2])


def test_beside__keeps_the_first_index_and_both_sources() -> None:
    groups = covariates.of_groups(np.repeat([0, 1], 10), ["good", "bad"])
    found = covariates.design(TABLE, ["fab"]).beside(groups)
    assert list(found.sources) == ["fab", "group"]
    assert list(found.frame.index) == list(TABLE.index)
    assert found.only(["group"]).frame["group=bad"].sum() == 10


def test_design__a_column_named_as_the_groups_is_told() -> None:
    table = pd.DataFrame({"group": ["a", "b"] * 10})
    with pytest.raises(errors.LabelMismatchError, match=r"covariate group: .* Rename the column"):
        covariates.design(table, ["group"])
