"""Simulation against a slow one: each cell carries a gene of its own, so draws can be read back."""

import pathlib
from typing import Any

import anndata
import numpy as np
import numpy.typing as npt
import pytest
import xarray as xr
from unit.simulate import references

from bluebatch import errors
from bluebatch.expression import mixture
from bluebatch.simulate import blocks, proportions, pseudobulk, split
from bluebatch.store import read, write

N_CELLS, N_SAMPLES, CELLS_PER_SAMPLE = (
    references.N_CELLS,
    references.N_SAMPLES,
    references.CELLS_PER_SAMPLE,
)
GENES = references.GENES
settings = references.settings


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    return references.make(tmp_path_factory.mktemp("one") / "one.h5ad", 0)


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    return references.make(tmp_path_factory.mktemp("other") / "other.h5ad", 1, lacks="NK")


def simulate(
    out: pathlib.Path,
    *paths: pathlib.Path,
    chosen: pseudobulk.Settings | None = None,
    **options: Any,
) -> xr.Dataset:
    pseudobulk.run(paths, out, chosen or settings(), pseudobulk.RunOptions(**options))
    opened: xr.Dataset = xr.open_zarr(out).load()
    return opened


@pytest.fixture(scope="module")
def store(one: pathlib.Path, tmp_path_factory: pytest.TempPathFactory) -> xr.Dataset:
    return simulate(tmp_path_factory.mktemp("store") / "s.zarr", one)


def assert_same(first: pathlib.Path, second: pathlib.Path) -> None:
    stores = [read.open_store(path, "pseudobulk") for path in (first, second)]
    for array in stores[0].spec.arrays:
        if stores[0].has(array.name):
            values = [store.read(array.name) for store in stores]
            np.testing.assert_array_equal(values[0], values[1], err_msg=array.name)


def test_run__agrees_with_a_slow_simulation(store: xr.Dataset, one: pathlib.Path) -> None:
    values = anndata.read_h5ad(one).X
    for sample in range(0, N_SAMPLES, 23):
        drawn = store["expression"].values[sample, :N_CELLS]
        sums: npt.NDArray[np.float64] = np.zeros((3, len(GENES)))
        for cell in range(N_CELLS):
            for _ in range(int(drawn[cell])):
                sums[cell % 3] += values[cell]
        total = sums.sum()
        assert store["n_cells"].values[sample].tolist() == sums[:, :N_CELLS].sum(axis=1).tolist()
        assert store["library_size"].values[sample] == total
        np.testing.assert_array_equal(store["expression"].values[sample], sums.sum(axis=0))
        np.testing.assert_allclose(
            store["rna_fraction"].values[sample], sums.sum(axis=1) / total, rtol=1e-6
        )
        for code in range(3):
            profile = store["profile"].values[sample, code]
            if not sums[code].any():
                assert np.isnan(profile).all()
                continue
            expected = np.log2(1 + sums[code] / sums[code].sum() * 1e6)
            np.testing.assert_allclose(profile, expected, rtol=1e-5)


def test_run__a_type_without_cells_has_exact_zeros_and_no_profile(store: xr.Dataset) -> None:
    absent = store["n_cells"].values == 0
    assert absent.any()
    assert (store["proportion"].values[absent] == 0).all()
    assert (store["rna_fraction"].values[absent] == 0).all()
    assert np.isnan(store["profile"].values[absent]).all()
    assert np.isfinite(store["profile"].values[~absent]).all()


def test_run__fractions_sum_to_one(store: xr.Dataset) -> None:
    assert (store["n_cells"].sum("cell_type") == CELLS_PER_SAMPLE).all()
    for name in ("proportion", "rna_fraction"):
        np.testing.assert_allclose(store[name].sum("cell_type"), 1, atol=1e-6)


def test_run__true_profiles_mix_back_into_the_sample(store: xr.Dataset) -> None:
    mixed = mixture.mix_profiles(store["profile"].values, store["rna_fraction"].values)
    cpm = store["expression"].values / store["library_size"].values[:, None] * 1e6
    error = np.sqrt(((mixed - np.log2(1 + cpm)) ** 2).mean(axis=1))
    assert error.max() < 1e-3


def test_run__splits_share_no_cell(store: xr.Dataset) -> None:
    drawn = store["expression"].values[:, :N_CELLS]
    used = [set(np.flatnonzero(drawn[store["split"] == name].any(axis=0))) for name in split.NAMES]
    assert [len(cells) for cells in used] == [96, 12, 12]
    assert len(set.union(*used)) == N_CELLS


def test_run__samples_are_named_and_cut_by_the_fractions(store: xr.Dataset) -> None:
    assert store["split"].values.tolist() == ["train"] * 560 + ["validation"] * 70 + ["test"] * 70
    assert str(store["sample"].values[0]) == "train-000000"
    assert str(store["sample"].values[-1]) == "test-000069"


def test_run__test_samples_are_twins_of_one_composition(store: xr.Dataset) -> None:
    test = store.isel(sample=slice(630, None))
    assert test["twin"].values[:2].tolist() == ["test-000001", "test-000000"]
    assert set(store["twin"].values[:630].tolist()) == {""}
    np.testing.assert_array_equal(test["n_cells"].values[::2], test["n_cells"].values[1::2])
    assert (test["expression"].values[::2] != test["expression"].values[1::2]).any(axis=1).all()


def test_run__cell_library_size_is_the_mean_of_training_cells(
    store: xr.Dataset, one: pathlib.Path
) -> None:
    values = anndata.read_h5ad(one).X
    trained = store["expression"].values[:560, :N_CELLS].any(axis=0)
    for code in range(3):
        cells = trained & (np.arange(N_CELLS) % 3 == code)
        expected = values[cells].sum(axis=1).mean()
        assert store["cell_library_size"].values[0, code] == pytest.approx(expected)


def test_run__another_seed_draws_other_cells(one: pathlib.Path, tmp_path: pathlib.Path) -> None:
    few = settings(n_samples=20)
    first = simulate(tmp_path / "a.zarr", one, chosen=few)
    again = simulate(tmp_path / "b.zarr", one, chosen=few)
    fresh = simulate(tmp_path / "c.zarr", one, chosen=few, seed=1)
    np.testing.assert_array_equal(first["expression"], again["expression"])
    assert (first["expression"] != fresh["expression"]).any()


def test_run__the_size_of_partitions_changes_no_bit(
    one: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    for rows in (256, 1024):
        simulate(tmp_path / f"{rows}.zarr", one, partition_rows=rows)
    assert_same(tmp_path / "256.zarr", tmp_path / "1024.zarr")


@pytest.mark.parametrize("stop", [KeyboardInterrupt, errors.DiskFullError])
def test_run__stopped_within_a_partition_it_resumes_to_the_same_bits(
    one: pathlib.Path,
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
    stop: type[BaseException],
) -> None:
    simulate(tmp_path / "whole.zarr", one, partition_rows=256)
    real_write, n_written = write.write, 0

    def failing(*arguments: Any) -> None:
        nonlocal n_written
        n_written += 1
        if n_written == 13:
            raise stop
        real_write(*arguments)

    monkeypatch.setattr(write, "write", failing)
    with pytest.raises(stop):
        simulate(tmp_path / "cut.zarr", one, partition_rows=256)
    monkeypatch.setattr(write, "write", real_write)
    with pytest.raises(errors.IncompleteError):
        read.open_store(tmp_path / "cut.zarr")
    options = pseudobulk.RunOptions(partition_rows=256)
    summary = pseudobulk.run([one], tmp_path / "cut.zarr", settings(), options)
    assert (summary.state, summary.n_skipped) == ("resumed", 1)
    assert "1 finished partitions skipped" in summary.as_text()
    assert_same(tmp_path / "whole.zarr", tmp_path / "cut.zarr")


def test_run__says_that_a_store_is_already_complete(
    one: pathlib.Path, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = settings(n_samples=20)
    simulate(tmp_path / "a.zarr", one, chosen=few)
    monkeypatch.setattr(blocks, "draw", None)
    summary = pseudobulk.run([one], tmp_path / "a.zarr", few, pseudobulk.RunOptions())
    assert "already complete" in summary.as_text()
    assert summary.as_dict()["n_samples"] == {"train": 16, "validation": 2, "test": 2}


def test_run__leaves_what_another_run_made(one: pathlib.Path, tmp_path: pathlib.Path) -> None:
    few = settings(n_samples=20)
    simulate(tmp_path / "a.zarr", one, chosen=few)
    with pytest.raises(errors.OutputExistsError, match="--overwrite"):
        simulate(tmp_path / "a.zarr", one, chosen=few, seed=1)
    simulate(tmp_path / "a.zarr", one, chosen=few, seed=1, overwrite=True)


def test_run__a_bad_reference_leaves_the_old_store(
    one: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    few = settings(n_samples=20)
    simulate(tmp_path / "a.zarr", one, chosen=few)
    with pytest.raises(errors.MissingInputError):
        simulate(tmp_path / "a.zarr", tmp_path / "absent.h5ad", chosen=few, overwrite=True)
    read.open_store(tmp_path / "a.zarr", "pseudobulk")


def test_run__interrupted_while_it_is_laid_out_it_leaves_nothing(
    one: pathlib.Path, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(write, "write_whole", failing)
    with pytest.raises(KeyboardInterrupt):
        simulate(tmp_path / "a.zarr", one)
    assert not list(tmp_path.iterdir())


def test_run__several_references_alone_and_mixed(
    one: pathlib.Path, other: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    store = simulate(tmp_path / "a.zarr", one, other, chosen=settings(n_samples=2000))
    share = store["source"].to_series().value_counts(normalize=True)
    assert set(share.index) == {"one", "other", "mixed"}
    # Four standard deviations of shares of a quarter and three eighths of 2,000.
    assert share["mixed"] == pytest.approx(0.25, abs=0.04)
    assert share["other"] == pytest.approx(0.375, abs=0.045)
    lacking = store["cell_type"].values.tolist().index("NK")
    assert (store["n_cells"][store["source"] == "other", lacking] == 0).all()
    assert (store["n_cells"][store["source"] == "mixed", lacking] > 0).any()
    assert np.isnan(store["marker_log_fold_change"].sel(reference="other", cell_type="NK")).all()
    assert np.isnan(store["cell_library_size"].sel(reference="other", cell_type="NK"))
    assert any("has no cell type NK" in note for note in store.attrs["notes"])


def test_run__profiles_hold_candidates_and_the_genes_asked_for(
    one: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    few = settings(n_samples=20, all_genes=False)
    plain = simulate(tmp_path / "plain.zarr", one, chosen=few)
    candidates = set(plain["profile_gene"].values.tolist())
    assert "cell0" not in candidates
    assert candidates
    listed = tmp_path / "genes.txt"
    listed.write_text("# of interest\ncell0\nABSENT\n\n")
    more = simulate(tmp_path / "more.zarr", one, chosen=few, genes=listed)
    assert set(more["profile_gene"].values.tolist()) == candidates | {"cell0"}
    assert any("1 of 2 genes are not in the references" in note for note in more.attrs["notes"])


@pytest.mark.parametrize(
    ("content", "error", "what"),
    [
        ("ENSG00000000001\n", errors.LabelMismatchError, "Ensembl ids"),
        ("\n", errors.InputFileError, "lists no gene"),
        (None, errors.MissingInputError, "no such file"),
    ],
)
def test_run__refuses_a_gene_list(
    one: pathlib.Path,
    tmp_path: pathlib.Path,
    content: str | None,
    error: type[errors.BluebatchError],
    what: str,
) -> None:
    listed = tmp_path / "genes.txt"
    if content is not None:
        listed.write_text(content)
    with pytest.raises(error, match=what):
        simulate(tmp_path / "a.zarr", one, genes=listed)
    assert not (tmp_path / "a.zarr").exists()


def test_run__an_unseen_study_is_all_test_without_markers(
    one: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    chosen = settings(n_samples=31, all_genes=False).model_copy(
        update={"split": split.SplitSettings(fractions=(0, 0, 1))}
    )
    store = simulate(tmp_path / "a.zarr", one, chosen=chosen)
    assert set(store["split"].values.tolist()) == {"test"}
    assert "marker_adjusted_p" not in store
    assert store["profile_gene"].size == len(GENES)
    assert store["twin"].values[-1] == ""
    drawn = store["expression"].values[:, :N_CELLS].any(axis=0)
    assert drawn.sum() > 0.95 * N_CELLS


def test_run__the_authors_ceiling_leaves_no_type_out(
    one: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    authors = proportions.ProportionSettings(absent_share=0, cell_numbers="ceiling")
    chosen = settings(n_samples=200).model_copy(update={"proportions": authors})
    store = simulate(tmp_path / "a.zarr", one, chosen=chosen)
    assert (store["n_cells"] > 0).all()
    assert (store["n_cells"].sum("cell_type") > CELLS_PER_SAMPLE).any()
    np.testing.assert_allclose(store["proportion"].sum("cell_type"), 1, atol=1e-6)


def test_run__tells_what_it_was_made_from(store: xr.Dataset) -> None:
    attributes = store.attrs
    assert (attributes["kind"], attributes["status"]) == ("pseudobulk", "complete")
    assert (attributes["origin"], attributes["unit"], attributes["seed"]) == (
        "pseudobulk",
        "counts",
        0,
    )
    (made_from,) = attributes["references"]
    assert made_from["file"] == "one.h5ad"
    assert made_from["digest"].startswith("sha256:")
    assert made_from["split_by"] == "cell"
    assert made_from["n_cells"] == {"B": 40, "Mono": 40, "NK": 40}
