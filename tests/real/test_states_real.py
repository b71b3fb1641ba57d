"""The states of a real leukaemia cohort's expression."""

import os
import pathlib

import anndata
import numpy as np
import pytest

from bluebatch.downstream import states

HERE = pathlib.Path(__file__).resolve()
DATA = pathlib.Path(os.environ.get("BLUEBATCH_TEST_DATA", HERE.parents[2] / ".." / "shared/data"))

pytestmark = pytest.mark.real


@pytest.mark.parametrize("null", ["cloud", "gradient"])
def test_find__acute_promyelocytic_leukaemia_is_a_state_of_its_own(null: str) -> None:
    path = DATA / "bulk" / "tcga_laml_rsem_1195genes.h5ad"
    if not path.is_file():
        pytest.skip(f"{path} is absent: set BLUEBATCH_TEST_DATA")
    cohort = anndata.read_h5ad(path)
    linear = np.asarray(cohort.X, np.float64)
    matrix = np.log2(1 + 1e6 * linear / linear.sum(axis=1, keepdims=True)).astype(np.float32)
    settings = states.StateSettings.model_validate({"null": null})
    rng = np.random.default_rng(0)
    found = states.find(matrix, "bulk", list(cohort.var_names), settings, 10, rng)
    assert found.verdict == states.TWO_STATES
    # FAB M3 is a disease of its own: the fusion gene PML-RARA, and its own treatment.
    np.testing.assert_array_equal(found.index == 1, cohort.obs["fab"].astype(str) == "m3")
