"""A cohort is learnt from by a stand-in for the networks that is fitted in no time."""

import pathlib
import tracemalloc

import numpy as np
import numpy.typing as npt
import pytest
from integration import small
from sklearn import linear_model
from unit.engine import toy

from bluebatch import errors
from bluebatch.engine import (
    as_cohort,
    blocks,
    cohort_learning,
    infer,
    kinds,
    pipeline,
    predict,
    task,
    unmixing,
)
from bluebatch.expression import metrics
from bluebatch.store import model_folder, read, schema, write

Array = npt.NDArray[np.float64]

N_TYPES, N_GENES = len(small.CELL_TYPES), len(small.GENES)
MEANS = np.random.default_rng(7).gamma(0.5, 1, (N_TYPES, N_GENES)) + 0.05
MEANS *= 1e6 / MEANS.sum(axis=1, keepdims=True)
# As `small.write_model` has them.
INPUTS, OUTPUTS = slice(0, 120), slice(20, 110)


class Ridge(as_cohort.Predictor):
    """Reads fractions off z-scores by ridge regression, and answers the mean profiles."""

    def __init__(self) -> None:
        super().__init__([])
        rng = np.random.default_rng(0)
        fraction = rng.dirichlet(np.ones(N_TYPES), 2000)
        log_cpm = np.log2(1 + fraction @ MEANS)[:, INPUTS]
        noise = rng.normal(0, 0.5, log_cpm.shape)
        self._ridge = linear_model.Ridge(30).fit(scale(log_cpm + noise), fraction)

    def _predict(self, arrays: task.Arrays, chunk: int) -> task.Arrays:
        fraction = np.clip(self._ridge.predict(scale(arrays["log_cpm"])), 1e-4, 1)
        fraction /= fraction.sum(axis=1, keepdims=True)
        profile = np.log2(1 + MEANS[:, OUTPUTS])
        predictions = {
            "fraction": fraction,
            "fraction_squared": fraction**2,
            "profile": np.tile(profile, (len(fraction), 1, 1)),
        }
        return {name: values.astype(np.float32) for name, values in predictions.items()}


def scale(log_cpm: npt.NDArray[np.floating]) -> Array:
    values = np.nan_to_num(log_cpm[:, OUTPUTS].astype(np.float64))
    values -= values.mean(axis=1, keepdims=True)
    return np.asarray(values / values.std(axis=1, keepdims=True))


class Study:
    """A cohort of known fractions, seen by another platform, whose profiles are shifted."""

    def __init__(self, folder: pathlib.Path, n_samples: int, platform: float, own: float) -> None:
        rng = np.random.default_rng(3)
        self.fraction: Array = rng.dirichlet(np.ones(N_TYPES), n_samples)
        shift = rng.normal(0, platform, N_GENES) + rng.normal(0, own, (N_TYPES, N_GENES))
        cpm = MEANS * 2**shift
        cpm *= 1e6 / cpm.sum(axis=1, keepdims=True)
        self.profile = np.log2(1 + cpm)
        expression = self.fraction @ cpm
        expression *= rng.lognormal(0, 0.1, expression.shape)
        write_cohort(folder / "study.zarr", expression)
        self.store = read.open_store(folder / "study.zarr")
        self.trained = write_task(folder)
        reader = self.trained.bind(self.store, {"presence": 0.0})
        assert isinstance(reader, unmixing.Reader)
        self.reader = reader

    def learn(self, n_lanes: int = 1) -> tuple[Ridge, as_cohort.Shift]:
        predictor = Ridge()
        shift = cohort_learning.learn(self.trained, self.reader, self.store, predictor, n_lanes)
        return predictor, shift

    def finish(self, predictor: Ridge, options: task.Arrays) -> task.Arrays:
        reader = self.trained.bind(self.store, {"presence": 0.0, **options})
        inputs = reader.inputs(slice(0, self.store.n_rows))
        return reader.finish(predictor(inputs), inputs)

    def agreement(self, finished: task.Arrays) -> float:
        return float(metrics.score_fractions(finished["rna_fraction"], self.fraction)[2]["ccc"])

    def error(self, finished: task.Arrays) -> float:
        return float(np.square(finished["profile"] - self.profile[:, OUTPUTS]).mean())


def write_cohort(path: pathlib.Path, expression: Array) -> None:
    labels = {"sample": [f"s{i}" for i in range(len(expression))], "gene": small.GENES}
    attributes = {"unit": "TPM", "origin": "bulk"}
    group = write.create(path, schema.COHORT, labels, attributes, leave_out=("patient",))
    write.write_whole(group, "expression", expression.astype(np.float32))
    write.write_whole(group, "library_size", expression.sum(axis=1))
    write.complete(group)


def write_task(folder: pathlib.Path, *left_out: str) -> task.Task:
    """Write the small model with the means by which a cohort is compared."""
    model = small.write_model(folder / "model")
    arrays = {**model_folder.read_arrays(model), as_cohort.MEANS: MEANS[:, OUTPUTS]}
    kept = {name: each.astype(np.float32) for name, each in arrays.items() if name not in left_out}
    model_folder.write_card(model, model_folder.read_card(model), kept)
    return kinds.load(model)


def test_learn__a_platform_is_undone(tmp_path: pathlib.Path) -> None:
    study = Study(tmp_path, 60, platform=2.0, own=0.0)
    before = study.agreement(study.finish(Ridge(), {}))
    predictor, shift = study.learn()
    after = study.agreement(study.finish(predictor, shift.arrays))
    assert before < 0.8
    assert after > 0.9


def test_learn__shifted_profiles_are_found(tmp_path: pathlib.Path) -> None:
    study = Study(tmp_path, 200, platform=1.0, own=0.5)
    predictor, shift = study.learn()
    aligned = study.error(study.finish(predictor, {}))
    assert study.error(study.finish(predictor, shift.arrays)) < 0.5 * aligned


def test_learn__without_a_difference_little_is_found(tmp_path: pathlib.Path) -> None:
    _, shift = Study(tmp_path, 60, platform=0.0, own=0.0).learn()
    assert shift.profile_shift is not None
    assert np.abs(shift.alignment).max() < 0.1
    assert np.abs(shift.profile_shift).mean() < 0.1
    assert shift.facts["learnt"] == ["alignment", "profile_shift"]


def test_learn__genes_without_a_mean_profile_stay_as_they_are(tmp_path: pathlib.Path) -> None:
    _, shift = Study(tmp_path, 20, platform=1.0, own=0.0).learn()
    assert shift.alignment.shape == (120,)
    np.testing.assert_array_equal(shift.alignment[:20], np.zeros(20))
    np.testing.assert_array_equal(shift.alignment[110:], np.zeros(10))
    assert (shift.alignment[OUTPUTS] != 0).all()


def test_learn__blocks_and_lanes_do_not_matter(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = Study(tmp_path, 150, platform=1.0, own=0.3)
    _, expected = study.learn()
    monkeypatch.setattr(blocks, "BLOCK_ROWS", 64)
    _, found = study.learn(n_lanes=3)
    assert found.digest == expected.digest
    assert len({expected.digest, expected._replace(alignment=-expected.alignment).digest}) == 2


def test_learn__large_cohorts_are_learnt_from_runs_spread_over_them(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = Study(tmp_path, 99, platform=1.0, own=0.3)
    monkeypatch.setattr(cohort_learning, "MOST_SAMPLES", 32)
    asked: list[slice] = []
    inputs = study.reader.inputs

    def recorded(rows: slice) -> task.Arrays:
        asked.append(rows)
        return inputs(rows)

    monkeypatch.setattr(study.reader, "inputs", recorded)
    _, shift = study.learn()
    # Four runs of eight of 99 samples: at 0, 91 / 3, 182 / 3 and 91.
    assert asked == [slice(0, 8), slice(30, 38), slice(60, 68), slice(91, 99)]
    assert shift.n_samples == 32


def test_held_bytes__covers_what_is_held(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cohort_learning, "MOST_SAMPLES", 300)
    study, predictor = Study(tmp_path, 300, platform=1.0, own=0.3), Ridge()
    priced = cohort_learning.held_bytes(study.trained, predictor.micro_batch)
    # One block is read, and one micro-batch predicted, at a time.
    others = study.reader.price().reading * blocks.BLOCK_ROWS
    others += 64 * 4 * (120 + 3 * N_TYPES * 90 + 4 * 90)
    tracemalloc.start()
    cohort_learning.learn(study.trained, study.reader, study.store, predictor)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert priced / 4 < peak < priced + others


@pytest.mark.parametrize(("n_samples", "is_shifted"), [(19, False), (20, True)])
def test_learn__few_samples_give_an_alignment_alone(
    tmp_path: pathlib.Path, n_samples: int, *, is_shifted: bool
) -> None:
    _, shift = Study(tmp_path, n_samples, platform=1.0, own=0.0).learn()
    assert (shift.profile_shift is not None) == is_shifted
    assert ("alignment alone" in shift.note) != is_shifted
    assert f"from {n_samples} samples" in shift.note


def test_learn__samples_without_a_measured_gene_do_not_count(tmp_path: pathlib.Path) -> None:
    study = Study(tmp_path, 6, platform=1.0, own=0.0)
    expression = study.store.read("expression")
    expression[1:3] = np.nan
    write_cohort(tmp_path / "gaps.zarr", expression)
    store = read.open_store(tmp_path / "gaps.zarr")
    reader = study.trained.bind(store, {})
    assert isinstance(reader, unmixing.Reader)
    with pytest.raises(errors.ConfigError, match=r"has 4 to learn from, needed: 5\. "):
        cohort_learning.learn(study.trained, reader, store, Ridge())


def test_learn__a_model_that_shares_no_surprise_has_an_alignment_alone(
    tmp_path: pathlib.Path,
) -> None:
    study = Study(tmp_path, 30, platform=1.0, own=0.0)
    study.trained = write_task(tmp_path, "surprise_variance")
    _, shift = study.learn()
    assert shift.profile_shift is None
    assert "shares no surprise out" in shift.note


def test_check__needs_mean_profiles(tmp_path: pathlib.Path) -> None:
    study = Study(tmp_path, 30, platform=0.0, own=0.0)
    trained = write_task(tmp_path, as_cohort.MEANS)
    with pytest.raises(errors.ForeignStoreError, match=r"holds no baseline_mean_cpm.*Train"):
        as_cohort.check(trained, study.reader, study.store)


@pytest.mark.usefixtures("toy_kind")
def test_run__a_kind_of_model_that_knows_no_cohorts_is_refused(tmp_path: pathlib.Path) -> None:
    cells, model = toy.write_cells(tmp_path / "cells.zarr", 70), toy.write_model(tmp_path / "model")
    settings = infer.InferenceSettings(precision="fp32", as_cohort=True)
    with pytest.raises(errors.ConfigError, match="kind 'toy' knows no cohorts"):
        infer.run(cells, model, tmp_path / "out.zarr", settings)
    assert not (tmp_path / "out.zarr").exists()


def test_call__without_an_alignment_is_that_of_any_predictor(tmp_path: pathlib.Path) -> None:
    model = small.write_model(tmp_path / "model")
    networks = kinds.load_networks(kinds.load(model), model)
    inputs = {"log_cpm": np.random.default_rng(0).gamma(2, 2, (70, 120)).astype(np.float32)}
    one, other = predict.Predictor(networks), as_cohort.Predictor(networks)
    with pipeline.open_lanes(1):
        expected = one(inputs)
        np.testing.assert_array_equal(other(inputs)["fraction"], expected["fraction"])
        other.alignment = np.linspace(-2, 2, 120, dtype=np.float32)
        assert np.abs(other(inputs)["fraction"] - expected["fraction"]).max() > 1e-4
