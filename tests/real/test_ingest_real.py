"""Real cohorts go in as h5ad and as csv.gz of genes x samples, and give one store."""

import os
import pathlib

import anndata
import numpy as np
import pytest

from bluebatch import errors
from bluebatch.store import ingest, read

HERE = pathlib.Path(__file__).resolve()
DATA = pathlib.Path(os.environ.get("BLUEBATCH_TEST_DATA", HERE.parents[2] / ".." / "shared/data"))

pytestmark = pytest.mark.real


def cohort(name: str) -> pathlib.Path:
    path = DATA / "bulk" / name
    if not path.is_file():
        pytest.skip(f"{path} is absent: set BLUEBATCH_TEST_DATA")
    return path


@pytest.mark.parametrize(
    ("name", "shape", "unit"),
    [
        ("pbmc_monaco_s13_tpm.h5ad", (12, 17469), "TPM"),
        ("islet_fadista_gse50244_counts.h5ad", (77, 32581), "counts"),
    ],
)
def test_run__h5ad_and_its_csv_give_one_store(
    tmp_path: pathlib.Path, name: str, shape: tuple[int, int], unit: str
) -> None:
    source = cohort(name)
    given = anndata.read_h5ad(source)
    given.to_df().T.to_csv(tmp_path / "turned.csv.gz", compression={"method": "gzip", "mtime": 1})
    for at, path in enumerate((source, tmp_path / "turned.csv.gz")):
        summary = ingest.run(path, tmp_path / f"{at}.zarr")
        assert (summary.n_samples, summary.n_genes) == shape
        store = read.open_store(tmp_path / f"{at}.zarr", "cohort")
        assert store.attributes["unit"] == unit
        assert store.labels["sample"] == list(given.obs_names)
        assert store.labels["gene"] == list(given.var_names)
        assert np.array_equal(store.read("expression"), np.asarray(given.X))
        expected = np.asarray(given.X, dtype=np.float64).sum(axis=1)
        np.testing.assert_allclose(store.read("library_size"), expected, rtol=1e-9)


def test_run__rsem_of_laml_must_be_named(tmp_path: pathlib.Path) -> None:
    source = cohort("tcga_laml_rsem_1195genes.h5ad")
    with pytest.raises(errors.ValuesError, match="--unit"):
        ingest.run(source, tmp_path / "c.zarr")
    summary = ingest.run(source, tmp_path / "c.zarr", ingest.IngestOptions(unit="RSEM"))
    assert (summary.n_samples, summary.n_genes) == (170, 1193)
    assert summary.attributes["unit"] == "RSEM"
