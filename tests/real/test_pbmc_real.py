"""The main job with the shipped PBMC settings: two references, an unseen study, real bulk."""

import os
import pathlib
from typing import Any

import numpy as np
import pytest

from bluebatch import config
from bluebatch.downstream import evaluate
from bluebatch.engine import infer, train
from bluebatch.expression import metrics
from bluebatch.simulate import pseudobulk
from bluebatch.store import ingest, model_folder, read

pytestmark = pytest.mark.real

REPOSITORY = pathlib.Path(__file__).parents[2]
DATA = pathlib.Path(os.environ.get("BLUEBATCH_TEST_DATA", REPOSITORY.parent / "shared" / "data"))
REFERENCES = [DATA / "sc" / "pbmc3k_10x.h5ad", DATA / "sc" / "pbmc4k_10x.h5ad"]
KANG = DATA / "sc" / "pbmc_kang_ctrl_stim.h5ad"
MONACO = DATA / "bulk" / "pbmc_monaco_s13_tpm.h5ad"
TRUTH = DATA / "bulk" / "pbmc_monaco_s13_truth.csv"
FIVE = ["B", "CD4T", "CD8T", "Mono", "NK"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """Train with `--config pbmc`, and make the two cohorts."""
    absent = [str(path) for path in (*REFERENCES, KANG, MONACO, TRUTH) if not path.exists()]
    if absent:
        pytest.skip(f"real measurements are absent: {', '.join(absent)}")
    out = tmp_path_factory.mktemp("pbmc")
    settings = config.load("pbmc", {"cell_types": {"keep": FIVE}})
    chosen = settings.part(pseudobulk.Settings)
    pseudobulk.run(REFERENCES, out / "train.zarr", chosen, pseudobulk.RunOptions())
    train.run(out / "train.zarr", out / "model", settings.part(train.Settings), train.Options())
    unseen = {"split": {"fractions": [0, 0, 1]}, "simulation": {"n_samples": 300}}
    chosen = config.load("pbmc", {"cell_types": {"keep": FIVE}, **unseen}).part(pseudobulk.Settings)
    pseudobulk.run([KANG], out / "kang.zarr", chosen, pseudobulk.RunOptions(seed=1))
    ingest.run(MONACO, out / "monaco.zarr", ingest.IngestOptions())
    return out


def infer_cohort(folder: pathlib.Path, cohort: str, precision: str) -> read.Store:
    out = folder / f"{cohort}_{precision}.zarr"
    settings = config.load("pbmc", {"inference": {"precision": precision}}).inference
    infer.run(folder / f"{cohort}.zarr", folder / "model", out, settings, infer.Options())
    return read.open_store(out, "profile")


def score(results: read.Store, truth: pathlib.Path, **options: Any) -> dict[str, Any]:
    out = pathlib.Path(results.path + ".evaluation")
    chosen = evaluate.Options(cell_types=FIVE, **options)
    evaluation = evaluate.run(results.path, truth, out, chosen).as_dict()
    flattened: dict[str, Any] = evaluation["proportion"]["model"]["flattened"]
    return flattened


def test_monaco__real_bulk_is_good_enough_for_a_default(folder: pathlib.Path) -> None:
    results = infer_cohort(folder, "monaco", "fp32")
    scores = score(results, TRUTH, renormalise=True)
    # A constant, the reference's own composition, scores .66 and .065.
    assert scores["ccc"] >= 0.8
    assert scores["l1"] <= 0.055


def test_kang__an_unseen_study(folder: pathlib.Path) -> None:
    results = infer_cohort(folder, "kang", "fp32")
    assert score(results, folder / "kang.zarr", model=folder / "model")["ccc"] >= 0.9


def test_train__intervals_hold_what_they_say_within_the_study(folder: pathlib.Path) -> None:
    card = model_folder.read_card(folder / "model")
    mean = card.scores["test"]["mean"]
    # 750 test samples, of other cells than those that calibrated.
    assert mean["coverage at level 0.9, mean of types"] == pytest.approx(0.9, abs=0.03)
    assert mean["profile_coverage at level 0.9, mean of types"] == pytest.approx(0.9, abs=0.03)


@pytest.mark.parametrize("cohort", ["kang", "monaco"])
def test_infer__bf16_agrees_with_fp32(folder: pathlib.Path, cohort: str) -> None:
    exact, rounded = (infer_cohort(folder, cohort, name) for name in ("fp32", "bf16"))
    for name in ("proportion", "rna_fraction"):
        assert np.abs(exact.read(name) - rounded.read(name)).max() <= 2e-3
    first, second = exact.read("profile"), rounded.read("profile")
    for index, cell_type in enumerate(FIVE):
        kept = np.isfinite(first[:, index, 0]) & np.isfinite(second[:, index, 0])
        varies = first[kept, index].std(axis=0) > 1e-3
        r = metrics.pearson(second[kept, index], first[kept, index], axis=0)[varies]
        # Of 1,451 genes, a few that hardly vary over twelve samples fall below.
        assert np.nanquantile(r, 0.01) >= 0.999, cell_type
        assert np.nanmin(r) >= 0.98, cell_type
