import pathlib

import numpy as np
import pandas as pd
import xarray as xr
from unit.downstream import discovered, planted

from bluebatch.downstream import search, subtype_store, subtype_tables

DROP = discovered.SETTINGS.model_copy(
    update={"search": search.SearchSettings(n_permutations=9, absent="drop")}
)


def test_write_store__says_what_the_tables_say(
    case: discovered.Case, tmp_path: pathlib.Path
) -> None:
    found, patients = case.found, case.cohort.patients
    subtype_store.write_store(tmp_path / "s.zarr", found, patients, {"seed": 0})
    tables = subtype_tables.build(found, case.cohort)
    with xr.open_zarr(tmp_path / "s.zarr") as store:
        assert store["patient"].values.tolist() == tables["states"]["patient"].tolist()
        assert store["sample"].values.tolist() == tables["states"]["sample"].tolist()
        np.testing.assert_array_equal(store["duration"], tables["states"]["duration_days"])
        np.testing.assert_array_equal(store["event_observed"], tables["states"]["event"])
        for name in store["cell_type"].values:
            words = tables["states"][name].replace({"absent": "-1"}).astype(int)
            np.testing.assert_array_equal(store["state"].sel(cell_type=name), words)
        definitions = tables["definitions"]
        assert store["definition"].values.tolist() == definitions["definition"].tolist()
        for name in ("p", "q", "p_max_t", "z"):
            np.testing.assert_allclose(store[name], definitions[name], rtol=1e-6)
        n_in = (store["member"] == 1).sum("patient")
        np.testing.assert_array_equal(n_in, definitions["n_in"])
        names = np.array(found.groups.names if found.groups is not None else [])
        groups = pd.Series(names[store["group"].values])
        assert groups.tolist() == tables["groups"]["group"].tolist()
        np.testing.assert_array_equal(store["group_margin"], tables["groups"]["margin"])


def test_write_store__patients_not_considered_are_neither_inside_nor_outside(
    tmp_path: pathlib.Path,
) -> None:
    drawn = planted.draw(planted.Plan(n_patients=100, two_state=("T", "Mono")), seed=5)
    gone = np.arange(100) < 7
    cohort = discovered.open_drawn(tmp_path, drawn, bulk=False)
    branch = discovered.known_branch(drawn)
    branch.index[gone, drawn.cell_types.index("Mono")] = -1
    found = discovered.search_of(branch, cohort, DROP)
    subtype_store.write_store(tmp_path / "s.zarr", found, cohort.patients, {})
    with xr.open_zarr(tmp_path / "s.zarr") as store:
        member = store["member"].sel(definition="T=1&Mono=1").values
    assert (member[gone] == -1).all()
    expected = drawn.state["T"] & drawn.state["Mono"]
    np.testing.assert_array_equal(member[~gone], expected[~gone].astype(int))
