import json
import pathlib

import numpy as np
import pytest
from unit.downstream import stores

from bluebatch.downstream import bootstrap, evaluate
from bluebatch.expression import metrics


def test_headline__is_that_of_the_scores() -> None:
    rng = np.random.default_rng(0)
    truth, predicted = rng.dirichlet([1] * 4, 9), rng.dirichlet([1] * 4, 9)
    _, mean, flattened = metrics.score_fractions(predicted, truth)
    found = bootstrap.headline(predicted, truth)
    assert found["mean_of_types", "ccc"] == mean["ccc"]
    assert found["flattened", "ccc"] == flattened["ccc"]
    assert found["flattened", "l1"] == flattened["l1"]


def test_resample__two_samples_by_hand() -> None:
    # Errors .1 and .3: a draw of two has a mean error of .1 (a quarter), .2 (half) or .3.
    truth = np.array([[0.2, 0.8], [0.6, 0.4]])
    fractions = {"truth": truth, "model": truth + np.array([[0.1, -0.1], [0.3, -0.3]])}
    found = bootstrap.resample(fractions, 1000).intervals["model"]
    assert found["flattened"]["l1"] == pytest.approx((0.1, 0.3))
    middle = bootstrap.resample(fractions, 1000, level=0.4).intervals["model"]
    assert middle["flattened"]["l1"] == pytest.approx((0.2, 0.2))


def test_resample__spreads_as_the_mean_of_the_errors_does() -> None:
    # The standard error of a mean is known: an interval of 95 % is 1.96 of it to either side.
    rng = np.random.default_rng(1)
    truth = rng.uniform(0.2, 0.8, size=(200, 1))
    errors = rng.uniform(0, 0.2, size=(200, 1))
    found = bootstrap.resample({"truth": truth, "model": truth + errors}, 2000).intervals["model"]
    low, high = found["flattened"]["l1"]
    half = 1.96 * errors.std() / np.sqrt(200)
    assert low == pytest.approx(errors.mean() - half, rel=0.02)
    assert high == pytest.approx(errors.mean() + half, rel=0.02)


def test_resample__the_truth_itself_is_certain_and_a_constant_scores_nothing() -> None:
    truth = np.random.default_rng(2).dirichlet([2] * 3, 12)
    constant = np.tile([0.5, 0.3, 0.2], (12, 1))
    found = bootstrap.resample({"truth": truth, "model": truth, "constant": constant}, 50)
    assert found.intervals["model"]["mean_of_types"]["ccc"] == pytest.approx((1, 1))
    assert found.intervals["constant"]["mean_of_types"]["ccc"] == pytest.approx((0, 0))
    flattened = np.array(found.intervals["constant"]["flattened"]["ccc"])
    assert np.isfinite(flattened).all()
    assert flattened[0] < flattened[1]


def test_resample__what_does_not_exist_is_empty() -> None:
    truth = np.full((4, 2), 0.5)
    found = bootstrap.resample({"truth": truth, "model": truth}, 20)
    # Equal constants neither agree nor disagree.
    assert found.as_dict()["proportion"]["model"]["flattened"] == {
        "ccc": [None, None],
        "l1": [0, 0],
    }
    assert found.as_lines()[0].endswith("over 4 samples (20 bootstrap resamples)")
    assert found.as_lines()[2].split()[-3:] == ["-", "to", "-"]


def test_resample__is_the_same_again() -> None:
    rng = np.random.default_rng(3)
    fractions = {"truth": rng.dirichlet([1] * 3, 8), "model": rng.dirichlet([1] * 3, 8)}
    first = bootstrap.resample(fractions, 30).as_dict()
    assert first == bootstrap.resample(fractions, 30).as_dict()
    assert list(first["proportion"]) == ["model"]


def test_evaluate__writes_and_prints_the_intervals_when_asked(tmp_path: pathlib.Path) -> None:
    known = stores.draw(40, 2)
    truth = stores.write_truth(tmp_path / "truth.zarr", known)
    results = stores.write_results(tmp_path / "results.zarr", known, error=0.3)
    options = evaluate.Options(bootstrap=25, proportions_only=True)
    found = evaluate.run(results, truth, tmp_path, options)
    content = json.loads((tmp_path / "evaluation.json").read_text())
    low, high = content["bootstrap"]["proportion"]["model"]["mean_of_types"]["ccc"]
    assert low < content["proportion"]["model"]["mean_of_types"]["ccc"] < high
    assert content["bootstrap"]["n_resamples"] == 25
    assert "95% intervals over 40 samples (25 bootstrap resamples)" in found.as_text()
    plain = evaluate.Options(proportions_only=True, overwrite=True)
    assert "bootstrap" not in evaluate.run(results, truth, tmp_path, plain).as_dict()
