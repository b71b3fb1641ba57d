"""The marker table against scipy, scanpy and hand-worked values."""

import anndata
import numpy as np
import numpy.typing as npt
import pandas as pd
import pydantic
import pytest
import scanpy
import scipy.sparse
import scipy.stats

from bluebatch.expression import markers

N_CELLS, N_GENES, N_TYPES = 60, 25, 3


@pytest.fixture
def counts() -> npt.NDArray[np.float64]:
    rng = np.random.default_rng(0)
    rate = rng.gamma(0.5, 2, (N_TYPES, N_GENES))
    values = rng.poisson(rate[np.arange(N_CELLS) % N_TYPES]).astype(np.float64)
    values[:, 3] = 0
    return values


@pytest.fixture
def cell_type() -> npt.NDArray[np.int64]:
    return np.arange(N_CELLS) % N_TYPES


def logged(counts: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.asarray(np.log1p(counts / counts.sum(axis=1, keepdims=True) * 1e4))


def test_rank_genes__p_corrected_for_ties_is_that_of_scipy(
    counts: npt.NDArray[np.float64], cell_type: npt.NDArray[np.int64]
) -> None:
    sparse = scipy.sparse.csr_matrix(counts)
    found = markers.rank_genes(sparse, cell_type, N_TYPES, correct_ties=True)
    values = logged(counts)
    for code in range(N_TYPES):
        inside, outside = values[cell_type == code], values[cell_type != code]
        p = scipy.stats.mannwhitneyu(
            inside, outside, method="asymptotic", use_continuity=False
        ).pvalue
        expected = scipy.stats.false_discovery_control(np.nan_to_num(p, nan=1))
        np.testing.assert_allclose(found.adjusted_p[code], expected, rtol=1e-6)


# scanpy itself builds its frames gene by gene, and says so.
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("correct_ties", [False, True])
def test_rank_genes__fold_change_and_p_are_those_of_scanpy(
    counts: npt.NDArray[np.float64], cell_type: npt.NDArray[np.int64], correct_ties: bool
) -> None:
    sparse = scipy.sparse.csr_matrix(counts)
    found = markers.rank_genes(sparse, cell_type, N_TYPES, correct_ties=correct_ties)
    obs = pd.DataFrame({"kind": pd.Categorical(cell_type.astype(str))}).set_index(
        pd.Index([f"c{i}" for i in range(N_CELLS)])
    )
    cells = anndata.AnnData(logged(counts), obs=obs)
    cells.var_names = [str(gene) for gene in range(N_GENES)]
    scanpy.tl.rank_genes_groups(cells, "kind", method="wilcoxon", tie_correct=correct_ties)
    for code in range(N_TYPES):
        table = scanpy.get.rank_genes_groups_df(cells, str(code)).set_index("names")
        table = table.loc[list(cells.var_names)]
        np.testing.assert_allclose(found.log_fold_change[code], table.logfoldchanges, atol=1e-4)
        np.testing.assert_allclose(found.adjusted_p[code], table.pvals_adj.fillna(1), rtol=1e-5)


def test_rank_genes__a_type_that_is_not_there_is_nan(
    counts: npt.NDArray[np.float64], cell_type: npt.NDArray[np.int64]
) -> None:
    found = markers.rank_genes(scipy.sparse.csr_matrix(counts), cell_type, N_TYPES + 1)
    assert np.isnan(found.log_fold_change[-1]).all()
    assert np.isnan(found.adjusted_p[-1]).all()
    assert np.isfinite(found.adjusted_p[:-1]).all()


def test_rank_genes__one_type_alone_has_nothing_to_compare_with() -> None:
    found = markers.rank_genes(scipy.sparse.csr_matrix(np.ones((4, 2))), np.zeros(4, int), 1)
    assert np.isnan(found.adjusted_p).all()


def test_adjust_p__by_hand() -> None:
    # Sorted .01 .02 .03 .5 of four: .04 .04 .04 .5, given back in the order asked.
    assert markers.adjust_p([0.03, 0.5, 0.01, 0.02]).tolist() == pytest.approx(
        [0.04, 0.5, 0.04, 0.04]
    )


def test_candidate_genes__takes_the_largest_fold_changes_of_each_type() -> None:
    fold = [[[3.0, 2.0, 1.0, -4.0], [0.0, 0.5, 5.0, 9.0]]]
    p = [[[0.01, 0.01, 0.01, 0.01], [0.01, 0.01, 0.01, 0.2]]]
    settings = markers.MarkerSettings(n_candidates=1)
    # Type 0: gene 0. Type 1: gene 3 is not significant, gene 2 is.
    assert markers.candidate_genes(fold, p, settings).tolist() == [0, 2]


def test_candidate_genes__a_lacking_type_offers_none() -> None:
    lacking = np.full((1, 1, 3), np.nan)
    assert not len(markers.candidate_genes(lacking, lacking, markers.MarkerSettings()))


def test_marker_settings__refuses_an_unknown_key() -> None:
    with pytest.raises(pydantic.ValidationError, match="n_candidate"):
        markers.MarkerSettings.model_validate({"n_candidate": 3})
