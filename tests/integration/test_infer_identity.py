"""One sample has one result, bit for bit, whatever stands around it and however it is run."""

import pathlib
import warnings

import numpy as np
import pytest
import xarray as xr
from integration import small

from bluebatch import errors
from bluebatch.engine import blocks, infer
from bluebatch.store import read

Result = dict[str, np.ndarray]

PRECISIONS = pytest.mark.parametrize("precision", ["fp32", "bf16"])
PER_SAMPLE = ("rna_fraction", "proportion", "profile", "reconstruction_error", "gene_coverage")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    return small.write_model(tmp_path_factory.mktemp("small") / "model")


def apply(
    cohort: pathlib.Path,
    model: pathlib.Path,
    precision: infer.Precision,
    name: str = "out",
    threads: int = 1,
) -> Result:
    out = cohort.with_name(f"{cohort.name}-{name}.zarr")
    settings = infer.InferenceSettings(precision=precision)
    infer.run(cohort, model, out, settings, infer.Options(device="cpu", threads=threads))
    store = read.open_store(out, "profile")
    return {array: store.read(array) for array in PER_SAMPLE}


def assert_same_bits(found: Result, expected: Result) -> None:
    for name, values in expected.items():
        assert found[name].tobytes() == values.tobytes(), name


@PRECISIONS
@pytest.mark.parametrize("n_samples", [1, 17, 64 + 1, 256 + 17])
def test_infer__tails_have_the_bits_of_the_whole_cohort(
    tmp_path: pathlib.Path, model: pathlib.Path, n_samples: int, precision: infer.Precision
) -> None:
    whole = apply(small.write_cohort(tmp_path / "whole", 320), model, precision)
    part = apply(small.write_cohort(tmp_path / "part", n_samples), model, precision)
    assert_same_bits(part, {name: values[:n_samples] for name, values in whole.items()})


@PRECISIONS
def test_infer__a_sample_alone_has_the_bits_it_has_in_a_cohort(
    tmp_path: pathlib.Path, model: pathlib.Path, precision: infer.Precision
) -> None:
    whole = apply(small.write_cohort(tmp_path / "whole", 81), model, precision)
    for row in (0, 37, 80):
        cohort = small.write_cohort(tmp_path / f"alone-{row}", 1, first=row)
        alone = apply(cohort, model, precision)
        assert_same_bits(alone, {name: values[row : row + 1] for name, values in whole.items()})


@PRECISIONS
def test_infer__blocks_and_threads_do_not_matter(
    tmp_path: pathlib.Path,
    model: pathlib.Path,
    precision: infer.Precision,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cohort = small.write_cohort(tmp_path / "cohort", 1100)
    expected = apply(cohort, model, precision)
    assert_same_bits(apply(cohort, model, precision, "two threads", threads=2), expected)
    monkeypatch.setattr(blocks, "BLOCK_ROWS", 512)
    assert_same_bits(apply(cohort, model, precision, "larger blocks"), expected)


def test_infer__opens_in_plain_xarray_by_labels(
    tmp_path: pathlib.Path, model: pathlib.Path
) -> None:
    expected = apply(small.write_cohort(tmp_path / "cohort", 5), model, "fp32")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        dataset = xr.open_zarr(str(tmp_path / "cohort-out.zarr"))
        profile = dataset["profile"].sel(sample="sample-3", cell_type="Mono").to_numpy()
    np.testing.assert_array_equal(profile, expected["profile"][3, 3])
    assert dataset["skill"].sel(cell_type="B", gene="GENE30").to_numpy() == 0.5
    np.testing.assert_allclose(dataset["proportion"].sum("cell_type"), 1, rtol=1e-6)
    assert (dataset["gene_coverage"] == 1).all()


def test_infer__counts_missing_genes_and_refuses_too_many(
    tmp_path: pathlib.Path, model: pathlib.Path
) -> None:
    # 90 of the model's 120 input genes, which are the cohort's first, are measured: .75.
    most = apply(small.write_cohort(tmp_path / "most", 3, genes=90), model, "fp32")
    np.testing.assert_array_equal(most["gene_coverage"], np.full(3, 0.75, np.float32))
    assert np.isfinite(most["proportion"]).all()
    few = small.write_cohort(tmp_path / "few", 3, genes=30)
    with pytest.raises(errors.LabelMismatchError, match=r"30 of the model's 120 .*needed: 50%"):
        apply(few, model, "fp32")
    assert not (tmp_path / "few-out.zarr").exists()


def test_infer__half_precision_profiles_are_close(
    tmp_path: pathlib.Path, model: pathlib.Path
) -> None:
    cohort = small.write_cohort(tmp_path / "cohort", 20)
    expected = apply(cohort, model, "fp32")["profile"]
    settings = infer.InferenceSettings(precision="fp32", profile_dtype="float16", codec="zstd")
    infer.run(cohort, model, tmp_path / "half.zarr", settings)
    found = read.open_store(tmp_path / "half.zarr", "profile").read("profile")
    assert found.dtype == np.float16
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-6)
