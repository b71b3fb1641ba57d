"""From training to a result with error bars, and what is refused on the way, by the commands."""

import pathlib
from typing import Any

import numpy as np
import pytest
import xarray as xr
from click.testing import CliRunner, Result
from unit.engine import pseudobulks

from bluebatch.cli import main
from bluebatch.engine import infer, train
from bluebatch.store import ingest, model_folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    out = tmp_path_factory.mktemp("bars")
    store = pseudobulks.write_store(out / "s.zarr", n_samples=400, splits=(0.6, 0.8))
    train.run(store, out / "model", pseudobulks.settings(), train.Options(threads=1))
    ingest.run(store, out / "test.zarr", ingest.IngestOptions(split="test"))
    return out


def run_infer(folder: pathlib.Path, out: str, *flags: str) -> Result:
    cohort, model = str(folder / "test.zarr"), str(folder / "model")
    arguments = [cohort, "--model", model, "--out", str(folder / out), "--precision", "fp32"]
    return CliRunner().invoke(main.main, ["infer", *arguments, "--threads", "1", *flags])


def test_train__tells_coverage_and_keeps_what_calibrates(folder: pathlib.Path) -> None:
    card = model_folder.read_card(folder / "model")
    assert card.facts["calibration"] == {"on": "held-out pseudobulks", "n_samples": 80}
    coverage = card.scores["headline"]["coverage at level 0.9, mean of types"]
    # 73 of 81 in the long run; 80 samples of three types.
    assert 0.8 <= coverage <= 1


def test_infer__intervals_come_with_every_result(folder: pathlib.Path) -> None:
    told = run_infer(folder, "plain.zarr")
    assert told.exit_code == 0, told.output
    assert "intervals at level 0.9, calibrated on 80 held-out pseudobulks" in told.output
    results = xr.open_zarr(folder / "plain.zarr")
    truth = xr.open_zarr(folder / "s.zarr")["proportion"].sel(sample=results["sample"])
    within = (results["proportion_low"] <= truth) & (truth <= results["proportion_high"])
    assert 0.8 <= float(within.mean()) <= 1
    assert results.attrs["level"] == 0.9
    assert "profile_sd" not in results
    assert np.isfinite(results["spread"]).all()


def test_infer__a_lower_level_is_narrower(folder: pathlib.Path) -> None:
    assert run_infer(folder, "half.zarr", "--level", "0.5").exit_code == 0
    usual, half = (xr.open_zarr(folder / name) for name in ("plain.zarr", "half.zarr"))
    width = {
        level: results["proportion_high"] - results["proportion_low"]
        for level, results in (("0.9", usual), ("0.5", half))
    }
    assert (width["0.5"] <= width["0.9"]).all()
    assert float(width["0.5"].mean()) < 0.8 * float(width["0.9"].mean())
    xr.testing.assert_identical(usual["profile"], half["profile"])


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_infer__deviations_on_demand(folder: pathlib.Path, dtype: Any) -> None:
    settings = infer.InferenceSettings(precision="fp32", profile_sd=True, profile_dtype=dtype)
    out, cohort = folder / f"sd_{dtype}.zarr", folder / "test.zarr"
    infer.run(cohort, folder / "model", out, settings, infer.Options(threads=1))
    results = xr.open_zarr(out).load()
    assert results["profile_sd"].dtype == dtype
    np.testing.assert_array_equal(results["profile_sd"].isnull(), results["profile"].isnull())
    truth = xr.open_zarr(folder / "s.zarr").sel(sample=results["sample"])
    known = truth["profile"].rename(profile_gene="gene").sel(gene=results["gene"])
    error = np.abs(results["profile"] - known) / results["profile_sd"]
    enough = error.where(truth["n_cells"] >= 25)
    share = float((enough <= 1.645).where(enough.notnull()).mean())
    assert share == pytest.approx(0.9, abs=0.05)


@pytest.mark.parametrize(
    ("flags", "needed"),
    [
        (["--level", "0.999"], "takes at least 999 samples"),
        (["--level", "1.5"], "less than 1"),
    ],
)
def test_infer__a_level_that_cannot_be_had_is_told_in_one_line(
    folder: pathlib.Path, flags: list[str], needed: str
) -> None:
    told = run_infer(folder, "none.zarr", *flags)
    assert told.exit_code == 1
    assert told.output.startswith("Error: ")
    assert needed in told.output
    assert told.output.count("\n") == 1
    assert not (folder / "none.zarr").exists()
