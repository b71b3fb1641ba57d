"""Genes and gene sets of promyelocytic leukaemia in TCGA-LAML, and null groups on real profiles."""

import os
import pathlib
from typing import Any

import anndata
import numpy as np
import numpy.typing as npt
import pytest

from bluebatch.downstream import differential, enrichment, gene_sets

pytestmark = pytest.mark.real

REPOSITORY = pathlib.Path(__file__).parents[2]
DATA = pathlib.Path(os.environ.get("BLUEBATCH_TEST_DATA", REPOSITORY.parent / "shared" / "data"))
LAML = DATA / "bulk" / "tcga_laml_rsem_1195genes.h5ad"
SETTINGS = differential.DifferentialSettings()
Array = npt.NDArray[Any]


@pytest.fixture(scope="module")
def laml() -> anndata.AnnData:
    if not LAML.exists():
        pytest.skip(f"real measurements are absent: {LAML}")
    return anndata.read_h5ad(LAML)


def log_expression(laml: anndata.AnnData) -> Array:
    return np.asarray(np.log2(1 + np.asarray(laml.X, dtype=np.float64)), dtype=np.float32)


def lay(sets: dict[str, list[str]], genes: list[str], how: Any) -> gene_sets.GeneSets:
    members = {name: tuple(found) for name, found in sets.items()}
    file = gene_sets.GeneSetFile("sets", members, dict.fromkeys(members, ""), [])
    return gene_sets.within(file, genes, gene_sets.GeneSetSettings(min_size=5, correlation=how))


def test_promyelocytic_leukaemia__is_low_in_homeobox_genes(laml: anndata.AnnData) -> None:
    # Known of t(15;17): the homeobox genes and MEIS1 are silent, as is CD34, while STAB1 is high.
    genes = list(laml.var_names)
    matrix, inside = log_expression(laml), (laml.obs["fab"] == "m3").to_numpy()
    tests = differential.compare(matrix, inside, genes, SETTINGS)
    difference = dict(zip(genes, tests["difference"], strict=True))
    q = dict(zip(genes, tests["q"], strict=True))
    for gene in ("HOXA9", "HOXA5", "MEIS1", "CD34"):
        assert difference[gene] < -1, gene
        assert q[gene] < 0.01, gene
    assert difference["STAB1"] > 1
    assert q["STAB1"] < 0.01
    homeobox = [gene for gene in genes if gene.startswith("HOX")]
    found = enrichment.of_tests(
        tests, matrix, inside, lay({"homeobox": homeobox}, genes, "contrast")
    )
    assert found["direction"][0] == "down"
    assert found["p"][0] < 0.05
    assert found["p_down"][0] < 0.001
    assert found["correlation"][0] > 0.3


def test_null_groups__reject_at_the_level_on_sets_of_genes_that_go_together(
    laml: anndata.AnnData,
) -> None:
    # Sets of the genes that go best with one gene; groups that are drawn.
    matrix = log_expression(laml)
    genes = list(laml.var_names)
    rng = np.random.default_rng(1)
    r = np.nan_to_num(np.corrcoef(matrix.T))
    sets = {
        f"with {genes[at]}": [genes[int(other)] for other in np.argsort(-r[at])[: 10 + at % 40]]
        for at in rng.choice(len(genes), 60, replace=False)
    }
    rejected = {}
    for how in ("contrast", 0.0):
        laid, p = lay(sets, genes, how), []
        for seed in range(40):
            inside = np.random.default_rng(seed).permutation(len(matrix)) < 50
            tests = differential.compare(matrix, inside, genes, SETTINGS)
            p.append(enrichment.competitive(tests, matrix, inside, laid)["p"].to_numpy())
        rejected[how] = float((np.concatenate(p) < 0.05).mean())
    assert rejected["contrast"] <= 0.07
    assert rejected[0.0] > 0.3
