"""A cell type that the reference lacks, from simulation to the flags of a result."""

import pathlib

import anndata
import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from click.testing import CliRunner

from bluebatch.cli import main
from bluebatch.downstream import flags
from bluebatch.engine import kinds, unmix_novelty
from bluebatch.expression import novelty
from bluebatch.store import model_folder, read

N_GENES, N_MARKERS, N_CELLS = 600, 12, 100
TYPES = ["A", "B", "C", "D"]
# As many samples of each; the last two differ in the platform instead.
SHARES = [0.0, 0.05, 0.15, 0.3]
N_SAMPLES = 30
SETTINGS = """extends = "default"
[split]
fractions = [0.5, 0.5, 0]
by = "cell"
[simulation]
n_samples = 600
[panel]
top_n = 30
[training]
epochs = 1
precision = "fp32"
[model]
width = 32
channels = 2
depth = 2
hidden = [16]
[[model.members]]
input = "zscore"
"""


def rates() -> np.ndarray:
    """Expect counts of a cell: genes at levels of their own, and a few markers a type."""
    rng = np.random.default_rng(0)
    rates = np.tile(rng.gamma(1, 2, N_GENES), (4, 1))
    for code in range(4):
        rates[code, code * N_MARKERS : (code + 1) * N_MARKERS] = 30
    return rates


def draw_cells(code: int, n_cells: int, rng: np.random.Generator) -> np.ndarray:
    state = rng.lognormal(0, 0.3, (n_cells, N_GENES))
    return np.asarray(rng.poisson(rates()[code] * state), np.float32)


def command(*words: object) -> str:
    told = CliRunner().invoke(main.main, [*map(str, words), "--quiet"])
    assert told.exit_code == 0, told.output
    return told.output


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    out = tmp_path_factory.mktemp("flags")
    rng = np.random.default_rng(1)
    names = [f"G{index}" for index in range(N_GENES)]
    cells = np.concatenate([draw_cells(code, N_CELLS, rng) for code in range(4)])
    obs = pd.DataFrame(
        {"cell_type": np.repeat(TYPES, N_CELLS)}, index=[f"c{index}" for index in range(len(cells))]
    )
    atlas = anndata.AnnData(scipy.sparse.csr_matrix(cells), obs, pd.DataFrame(index=names))
    atlas.write_h5ad(out / "cells.h5ad")
    (out / "s.toml").write_text(SETTINGS)
    config = ("--config", out / "s.toml")
    files = ("--reference", out / "cells.h5ad", "--keep-types", "A,B,C")
    command("simulate", *files, "--out", out / "s.zarr", *config)
    command("train", out / "s.zarr", "--out", out / "model", "--threads", 1, *config)
    samples = []
    for share in SHARES:
        for _ in range(N_SAMPLES):
            numbers = rng.multinomial(500, [*(rng.dirichlet(np.ones(3)) * (1 - share)), share])
            samples.append(
                sum(draw_cells(code, n, rng).sum(axis=0) for code, n in enumerate(numbers))
            )
    platform = rng.lognormal(0, 1, N_GENES)
    samples += [np.rint(sample * platform) for sample in samples[:N_SAMPLES]]
    bulk = anndata.AnnData(np.array(samples, np.float32), var=pd.DataFrame(index=names))
    bulk.obs_names = [f"s{index}" for index in range(len(samples))]
    bulk.write_h5ad(out / "bulk.h5ad")
    command("ingest", out / "bulk.h5ad", "--out", out / "cohort.zarr")
    command("infer", out / "cohort.zarr", "--model", out / "model", "--out", out / "r.zarr")
    return out


def test_infer__flags_rise_with_the_share_of_an_unknown_type(folder: pathlib.Path) -> None:
    results = read.open_store(folder / "r.zarr", "profile")
    missing = results.read("missing_type").reshape(len(SHARES) + 1, N_SAMPLES)
    medians = np.median(missing, axis=1)
    assert (np.diff(medians[: len(SHARES)]) > 0).all()
    # Limits flag 1 % of held-out samples; these are of new cells, and in other proportions.
    assert (missing[0] > 1).mean() <= 0.25


def test_infer__a_foreign_platform_is_far_from_training(folder: pathlib.Path) -> None:
    results = read.open_store(folder / "r.zarr", "profile")
    distance = results.read("domain_distance").reshape(len(SHARES) + 1, N_SAMPLES)
    assert (distance[-1] > 1).all()
    assert (distance[0] > 1).mean() <= 0.1
    # A type whose markers are alike in all known types is far from training as well.
    assert (distance[3] > 1).all()
    assert np.median(distance[-1]) > 2 * np.median(distance[3])
    missing = results.read("missing_type").reshape(len(SHARES) + 1, N_SAMPLES)
    assert np.median(missing[-1]) < np.median(missing[3])


def test_infer__limits_are_named_and_summed_up(folder: pathlib.Path) -> None:
    results = read.open_store(folder / "r.zarr", "profile")
    limits = results.attributes["flag_limits"]
    assert set(limits) == set(flags.REASONS)
    assert limits["missing_type"]["limit"] == limits["domain_distance"]["limit"] == 1
    card = model_folder.read_card(folder / "model")
    known = card.facts["flags"]
    assert known["n_samples"] == 300
    assert limits["reconstruction_error"]["limit"] == known["reconstruction_error"] > 0
    assert limits["missing_type"]["calibrated_on"] == "300 held-out pseudobulks"
    found = flags.summarise(results)
    assert {flag.name for flag in found.flags} == set(limits)
    assert {f"s{index}" for index in range(3 * N_SAMPLES, 5 * N_SAMPLES)} <= set(found.flagged)


def test_inputs__flags_hang_on_no_other_block(folder: pathlib.Path) -> None:
    trained = kinds.load(folder / "model")
    reader = trained.bind(read.open_store(folder / "cohort.zarr"), {})
    whole = reader.inputs(slice(0, 150))
    for start in range(0, 150, 64):
        part = reader.inputs(slice(start, min(start + 64, 150)))
        for name in novelty.NAMES:
            np.testing.assert_array_equal(part[name], whole[name][start : start + 64])
    results = read.open_store(folder / "r.zarr", "profile")
    np.testing.assert_array_equal(results.read("missing_type"), whole["missing_type"])


def test_bind__a_model_without_limits_leaves_the_flags_out(folder: pathlib.Path) -> None:
    trained = kinds.load(folder / "model")
    arrays = {
        name: array for name, array in trained.arrays.items() if not name.startswith("novelty_")
    }
    facts = {name: fact for name, fact in trained.card.facts.items() if name != "flags"}
    older = type(trained)(trained.card.model_copy(update={"facts": facts}), arrays)
    reader = older.bind(read.open_store(folder / "cohort.zarr"), {})
    assert set(novelty.NAMES) <= set(reader.result().leave_out)
    assert "flag_limits" not in reader.result().attributes
    assert set(reader.inputs(slice(0, 2))) == {"log_cpm"}
    newer = trained.bind(read.open_store(folder / "cohort.zarr"), {})
    assert newer.price().reading > reader.price().reading


def test_calibrate__the_limit_is_the_99th_percentile() -> None:
    # By hand: 0 to 100 in steps of 1, so that 1 % of the way from the top is 99; NaN is left out.
    errors = np.append(np.arange(101.0), np.nan)
    assert unmix_novelty.calibrate(errors)["flags"] == {
        "reconstruction_error": 99.0,
        "n_samples": 101,
    }
    assert unmix_novelty.calibrate(errors[:99]) == {}
