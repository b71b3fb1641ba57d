"""The states of a real leukaemia cohort's expression."""

import os
import pathlib

import anndata
import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

from bluebatch.downstream import states

HERE = pathlib.Path(__file__).resolve()
DATA = pathlib.Path(os.environ.get("BLUEBATCH_TEST_DATA", HERE.parents[2] / ".." / "shared/data"))

pytestmark = pytest.mark.real


def read() -> tuple[npt.NDArray[np.float32], pd.DataFrame, list[str]]:
    path = DATA / "bulk" / "tcga_laml_rsem_1195genes.h5ad"
    if not path.is_file():
        pytest.skip(f"{path} is absent: set BLUEBATCH_TEST_DATA")
    cohort = anndata.read_h5ad(path)
    linear = np.asarray(cohort.X, np.float64)
    matrix = np.log2(1 + 1e6 * linear / linear.sum(axis=1, keepdims=True)).astype(np.float32)
    return matrix, cohort.obs.astype({"fab": str, "risk_cyto": str}), list(cohort.var_names)


@pytest.mark.parametrize("null", ["cloud", "gradient"])
def test_find__acute_promyelocytic_leukaemia_is_a_state_of_its_own(null: str) -> None:
    matrix, table, genes = read()
    settings = states.StateSettings.model_validate({"null": null})
    found = states.find(matrix, "bulk", genes, settings, 10, np.random.default_rng(0))
    assert found.verdict == states.TWO_STATES
    # FAB M3 is a disease of its own: the fusion gene PML-RARA, and its own treatment.
    np.testing.assert_array_equal(found.index == 1, table["fab"] == "m3")


def test_find__without_it_the_states_part_core_binding_factor_from_monocytic_leukaemia() -> None:
    matrix, table, genes = read()
    others = (table["fab"] != "m3").to_numpy()
    settings = states.StateSettings()
    found = states.find(matrix[others], "bulk", genes, settings, 10, np.random.default_rng(0))
    assert found.verdict == states.TWO_STATES
    # Good cytogenetic risk but for M3 is a core-binding factor's, M5 the monoblastic leukaemias:
    # opposite ends of every published expression map of the disease.
    good = found.index[(table["risk_cyto"] == "Good").to_numpy()[others]]
    monocytic = found.index[(table["fab"] == "m5").to_numpy()[others]]
    assert (len(good), len(monocytic)) == (15, 18)
    assert abs(good.mean() - monocytic.mean()) >= 0.9
