"""Real PBMC references: numbers of cells as their own README gives them."""

import os
import pathlib

import numpy as np
import pytest
import xarray as xr

from bluebatch.expression import mixture
from bluebatch.simulate import cell_types, pseudobulk, split

pytestmark = pytest.mark.real

REPOSITORY = pathlib.Path(__file__).parents[2]
DATA = pathlib.Path(os.environ.get("BLUEBATCH_TEST_DATA", REPOSITORY.parent / "shared" / "data"))
FIVE = ("B", "CD4T", "CD8T", "Mono", "NK")
OPTIONS = pseudobulk.RunOptions()


def reference(name: str) -> pathlib.Path:
    path = DATA / "sc" / name
    if not path.is_file():
        pytest.skip(f"{path} is not there: set BLUEBATCH_TEST_DATA")
    return path


def settings(**parts: object) -> pseudobulk.Settings:
    simulation = pseudobulk.SimulationSettings(n_samples=300)
    kept = cell_types.CellTypeSettings(keep=FIVE)
    return pseudobulk.Settings(simulation=simulation, cell_types=kept).model_copy(update=parts)


def test_run__two_pbmc_references(tmp_path: pathlib.Path) -> None:
    paths = [reference("pbmc3k_10x.h5ad"), reference("pbmc4k_10x.h5ad")]
    out = tmp_path / "pbmc.zarr"
    summary = pseudobulk.run(paths, out, settings(), OPTIONS)
    store = xr.open_zarr(out)
    first, second = summary.facts["references"]
    # 2,638 cells less DC and platelets; 2,170 less the 20 of unknown type, which have no DC.
    assert sum(first["n_cells"].values()) <= 2638 - 32
    assert sum(second["n_cells"].values()) <= 2170 - 20
    assert any("Unknown (20 cells)" in note for note in summary.facts["notes"])
    assert store["gene"].size <= 13713
    expression = store["expression"].values
    cpm = expression / store["library_size"].values[:, None] * 1e6
    genes = store["gene"].to_index().get_indexer(store["profile_gene"].values)
    mixed = mixture.mix_profiles(store["profile"].values, store["rna_fraction"].values)
    error = np.sqrt(((mixed - np.log2(1 + cpm[:, genes])) ** 2).mean())
    assert error < 0.1


def test_run__markers_are_the_known_ones(tmp_path: pathlib.Path) -> None:
    out = tmp_path / "pbmc.zarr"
    pseudobulk.run([reference("pbmc3k_10x.h5ad")], out, settings(), OPTIONS)
    store = xr.open_zarr(out)
    known = {"MS4A1": "B", "CD8A": "CD8T", "LYZ": "Mono", "GNLY": "NK"}
    for gene, name in known.items():
        assert gene in store["profile_gene"].values
        change = store["marker_log_fold_change"].sel(gene=gene).isel(reference=0)
        assert change["cell_type"].values[int(np.argmax(change.values))] == name


def test_run__eight_donors_are_split_whole(tmp_path: pathlib.Path) -> None:
    path = reference("pbmc_kang_ctrl_stim.h5ad")
    out = tmp_path / "kang.zarr"
    summary = pseudobulk.run([path], out, settings(), OPTIONS)
    (made_from,) = summary.facts["references"]
    assert made_from["split_by"] == "donor"


def test_run__an_unseen_study(tmp_path: pathlib.Path) -> None:
    path = reference("pbmc_kang_ctrl_stim.h5ad")
    unseen = settings(split=split.SplitSettings(fractions=(0, 0, 1)))
    pseudobulk.run([path], tmp_path / "kang.zarr", unseen, OPTIONS)
    store = xr.open_zarr(tmp_path / "kang.zarr")
    assert set(store["split"].values.tolist()) == {"test"}
    assert store["profile_gene"].size == store["gene"].size == 9015
