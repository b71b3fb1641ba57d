import pathlib
from typing import Any

import numpy as np
import pytest
import scipy.optimize
from unit.downstream import stores

from bluebatch.downstream import comparison, truth, yardsticks
from bluebatch.expression import baselines, metrics, normalise, profile_scores
from bluebatch.store import model_folder, read


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    folder = tmp_path_factory.mktemp("comparison")
    known = stores.draw(80, 2)
    stores.write_truth(folder / "truth.zarr", known)
    stores.write_results(folder / "results.zarr", known, error=0.5)
    stores.write_results(folder / "perfect.zarr", known)
    stores.write_model(folder / "model", stores.draw(200, 1, "train"))
    return folder


def pair_of(folder: pathlib.Path, results: str) -> comparison.Pair:
    store, known = read.open_store(folder / results), truth.read_truth(folder / "truth.zarr")
    matched, simple = truth.match(store, known), yardsticks.open_yardsticks(folder / "model")
    assert known.store is not None
    bulk = yardsticks.Bulk(known.store, simple.card, matched.samples)
    return comparison.Pair(store, known, matched, simple, bulk)


def all_scores(folder: pathlib.Path, results: str) -> dict[str, dict[str, dict[str, float]]]:
    return comparison.compare_profiles(pair_of(folder, results), 25, 0.1).tables["all"]


def test_compare_profiles__known_p_is_the_truths(folder: pathlib.Path) -> None:
    wrong, right = all_scores(folder, "results.zarr"), all_scores(folder, "perfect.zarr")
    for name in ("p-curve", "closed form"):
        # Whatever was predicted; and where it was right, both are the same.
        assert wrong[f"{name}, known p"] == right[f"{name}, known p"]
        for cell_type in stores.CELL_TYPES:
            known = right[f"{name}, known p"][cell_type]
            assert right[name][cell_type] == pytest.approx(known, rel=1e-4)
    assert wrong["closed form"]["B"]["skill"] < right["closed form"]["B"]["skill"] - 0.01


def test_compare_profiles__the_closed_form_is_that_of_the_true_fractions(
    folder: pathlib.Path,
) -> None:
    pair = pair_of(folder, "results.zarr")
    known = stores.draw(80, 2)
    assert pair.simple is not None
    assert pair.bulk is not None
    inputs, log_cpm = pair.bulk.read(slice(0, 80))
    shared = pair.simple.closed_form(
        yardsticks.Rows(known.proportion, known.proportion, inputs, log_cpm)
    )
    for index, cell_type in enumerate(stores.CELL_TYPES):
        rows = known.n_cells[:, index] >= 25
        scores = profile_scores.ProfileScores(pair.simple.fitted.mean[index])
        scores.add(shared[rows, index], known.profile[rows, index])
        found = comparison.compare_profiles(pair, 25, 0.1).tables["all"]["closed form, known p"]
        assert found[cell_type] == pytest.approx(scores.summary(), rel=1e-4)


def test_non_negative__weighs_genes_by_their_variance(folder: pathlib.Path) -> None:
    pair = pair_of(folder, "results.zarr")
    assert pair.simple is not None
    assert pair.bulk is not None
    found = yardsticks.non_negative(pair.simple, pair.bulk)
    assert list(found) == ["NNLS", "weighted NNLS"]
    fitted = pair.simple.fitted
    assert fitted.variance_cpm is not None
    root = 1 / np.sqrt(1 + fitted.variance_cpm.astype(float).mean(axis=0))
    cpm = normalise.counts_per_million(stores.draw(80, 2).expression)
    for row in (0, 41):
        solved, _ = scipy.optimize.nnls(
            fitted.mean_cpm.T.astype(float) * root[:, None], cpm[row] * root
        )
        np.testing.assert_allclose(found["weighted NNLS"][row], solved / solved.sum(), atol=1e-4)
    true = stores.draw(80, 2).proportion
    assert metrics.l1(found["weighted NNLS"], true) < metrics.l1(found["NNLS"], true)


def test_non_negative__an_older_model_has_no_weights(
    folder: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    arrays: dict[str, Any] = model_folder.read_arrays(folder / "model")
    del arrays[f"{baselines.PREFIX}variance_cpm"]
    model_folder.write_card(tmp_path, model_folder.read_card(folder / "model"), arrays)
    pair = pair_of(folder, "results.zarr")
    assert pair.bulk is not None
    assert list(yardsticks.non_negative(yardsticks.open_yardsticks(tmp_path), pair.bulk)) == [
        "NNLS"
    ]
