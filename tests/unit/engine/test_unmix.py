import pathlib
from typing import Any

import numpy as np
import numpy.typing as npt
import pydantic
import pytest
import torch
from unit.engine import pseudobulks

from bluebatch import errors
from bluebatch.engine import task, train, unmix, unmix_facts
from bluebatch.expression import baselines, mixture, mrna, normalise, panel
from bluebatch.models import unmix as unmixer
from bluebatch.store import read, schema, write

TYPES = pseudobulks.CELL_TYPES


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    return pseudobulks.write_store(tmp_path_factory.mktemp("unmix") / "s.zarr")


@pytest.fixture(scope="module")
def learner(path: pathlib.Path) -> unmix.Task:
    return pseudobulks.learn(path)


def write_cohort(
    path: pathlib.Path, counts: npt.NDArray[Any], genes: list[str], origin: str = "bulk"
) -> read.Store:
    samples = [f"t{index}" for index in range(len(counts))]
    attributes = {"unit": "TPM", "origin": origin}
    group = write.create(
        path,
        schema.COHORT,
        {"sample": samples, "gene": genes},
        attributes,
        leave_out=("patient",),
    )
    write.write_whole(group, "expression", counts)
    write.write_whole(group, "library_size", counts.sum(1))
    write.complete(group)
    return read.open_store(path, "cohort")


def changed(**sections: Any) -> train.Settings:
    return train.Settings(**{**dict(pseudobulks.settings()), **sections})


def test_outline__panel_and_labels(learner: unmix.Task) -> None:
    labels = learner.card.labels
    # Thirty of the forty genes mark a type.
    assert labels["input_gene"] == labels["gene"] == [f"G{index}" for index in range(30)]
    assert labels["cell_type"] == TYPES
    assert len(labels["library_gene"]) == 40
    # Counts of a cell: 10 x 60 + 30 x 6 of the two lymphocytes, twice as many of a monocyte.
    assert learner.card.facts["cell_library_size"] == {"B": 780, "CD4T": 780, "Mono": 1560}
    assert learner.card.facts["markers"]["B"] == [f"G{index}" for index in range(0, 30, 3)]


def test_outline__the_cohort_and_genes_of_interest_shape_the_panel(
    path: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    genes = [f"G{index}" for index in range(9, 40)]
    write_cohort(tmp_path / "c.zarr", np.ones((2, 31)), genes)
    wanted = tmp_path / "wanted.txt"
    wanted.write_text("G35\n")
    options = train.Options(threads=1, cohort=tmp_path / "c.zarr", genes=wanted)
    store = read.open_store(path)
    labels = unmix.Task.outline(store, pseudobulks.settings(), options).card.labels
    assert labels["input_gene"] == [f"G{index}" for index in [*range(9, 30), 35]]
    wanted.write_text("G39\n")  # Its profile is not kept.
    with pytest.raises(errors.LabelMismatchError, match="--all-genes"):
        unmix.Task.outline(store, pseudobulks.settings(), options)


def test_examples__a_profile_of_few_cells_is_no_target(path: pathlib.Path) -> None:
    store = read.open_store(path)
    rows = slice(0, 256)
    n_cells = store.read("n_cells", rows)
    few = (n_cells > 0) & (n_cells < 25)
    assert few.any()
    model = pseudobulks.settings().model
    chosen = {n: changed(model=model.model_copy(update={"min_cells": n})) for n in (0, 25)}
    kept = {
        least: pseudobulks.learn(path, settings).examples(store, rows)["profile"]
        for least, settings in chosen.items()
    }
    assert np.isnan(kept[25][few]).all()
    assert np.isfinite(kept[0][few]).all()
    assert np.array_equal(kept[25][n_cells >= 25], kept[0][n_cells >= 25])


def test_outline__a_store_without_markers_is_refused(tmp_path: pathlib.Path) -> None:
    store = read.open_store(pseudobulks.write_store(tmp_path / "s.zarr", marked=False))
    with pytest.raises(errors.ForeignStoreError, match="no marker table"):
        unmix.Task.outline(store, pseudobulks.settings(), train.Options(threads=1))


def test_examples__are_normalised_over_the_library_or_the_panel(
    path: pathlib.Path, learner: unmix.Task
) -> None:
    store = read.open_store(path)
    counts = store.read("expression", slice(0, 3)).astype(np.float64)
    found = learner.examples(store, slice(0, 3))
    expected = np.log2(1 + counts[:, :30] / counts.sum(1, keepdims=True) * 1e6)
    np.testing.assert_allclose(found["log_cpm"], expected, rtol=1e-5)
    np.testing.assert_allclose(found["fraction"], store.read("rna_fraction", slice(0, 3)))
    assert np.isnan(found["profile"][0, 2]).all()  # Mono is absent from every tenth sample.
    settings = changed(
        panel=panel.PanelSettings(cpm_over="panel"),
        mrna=mrna.MrnaSettings(target="proportion"),
        model=pseudobulks.settings().model.model_copy(update={"absent": "zeros"}),
    )
    papers = pseudobulks.learn(path, settings).examples(store, slice(0, 3))
    over_panel = counts[:, :30] / counts[:, :30].sum(1, keepdims=True) * 1e6
    np.testing.assert_allclose(papers["log_cpm"], np.log2(1 + over_panel), rtol=1e-5)
    np.testing.assert_allclose(papers["fraction"], store.read("proportion", slice(0, 3)))
    assert not papers["profile"][0, 2].any()
    sums = normalise.unlog_transform(papers["profile"][1]).sum(1)
    np.testing.assert_allclose(sums[sums > 0], 1e6, rtol=1e-3)
    assert (sums > 0).sum() >= 2


def test_network__starts_from_the_ridge_that_was_fitted(
    path: pathlib.Path, learner: unmix.Task
) -> None:
    store = read.open_store(path)
    batch = {"log_cpm": torch.from_numpy(learner.examples(store, slice(0, 8))["log_cpm"])}
    network = learner.network(1).eval()
    found = network(network.transform(batch))["profile"].detach().numpy()
    fitted = baselines.Baselines.from_arrays(learner.arrays).ridge
    expected = fitted.predict(baselines.standard_input(batch["log_cpm"].numpy()))
    np.testing.assert_allclose(found, expected, atol=2e-3)


@pytest.mark.parametrize("kind", ["none", "mean"])
def test_network__takes_the_anchor_of_its_settings(path: pathlib.Path, kind: Any) -> None:
    learner = pseudobulks.learn(path, changed(anchor=baselines.AnchorSettings(kind=kind)))
    network = learner.network(0).eval()
    batch = {"log_cpm": torch.rand(4, 30) * 10}
    found = network(network.transform(batch))["profile"].detach().numpy()
    mean = baselines.Baselines.from_arrays(learner.arrays).mean
    assert np.allclose(found, mean, atol=1e-4) is (kind == "mean")


def test_settings__relu_on_an_anchor_is_refused() -> None:
    relu = unmixer.ModelSettings(output="relu")
    none = baselines.AnchorSettings(kind="none")
    assert unmix.Settings(model=relu, anchor=none).model.output == "relu"
    with pytest.raises(pydantic.ValidationError, match="never learns on an anchor"):
        unmix.Settings(model=relu)


def exactly(learner: unmix.Task, store: read.Store) -> task.Predict:
    """Predict the truth of the block asked about."""
    everything = learner.examples(store, slice(0, store.n_rows))

    def predict(arrays: task.Arrays) -> task.Arrays:
        rows = [
            int(np.flatnonzero((everything["log_cpm"] == row).all(1))[0])
            for row in arrays["log_cpm"]
        ]
        return {
            "fraction": everything["fraction"][rows],
            "profile": np.nan_to_num(everything["profile"][rows]),
        }

    return predict


def test_judge__the_truth_scores_1(path: pathlib.Path, learner: unmix.Task) -> None:
    store = read.open_store(path)
    judged = learner.judge(store, exactly(learner, store))
    assert judged.card.scores["test"]["n_samples"] == 30
    scores = judged.card.scores["test"]["by_type"]["Mono"]
    assert scores["ccc"] == pytest.approx(1, abs=1e-6)
    assert scores["l1"] == pytest.approx(0, abs=1e-6)
    assert scores["skill"] == pytest.approx(1, abs=1e-6)
    np.testing.assert_allclose(judged.arrays["skill"], 1, atol=1e-6)


def test_judge__the_training_mean_has_no_skill(path: pathlib.Path, learner: unmix.Task) -> None:
    store = read.open_store(path)
    fitted = baselines.Baselines.from_arrays(learner.arrays)

    def predict(arrays: task.Arrays) -> task.Arrays:
        n = len(arrays["log_cpm"])
        return {
            "fraction": np.repeat(fitted.composition[None], n, 0).astype(np.float32),
            "profile": np.repeat(fitted.mean[None], n, 0).astype(np.float32),
        }

    judged = learner.judge(store, predict)
    np.testing.assert_allclose(judged.arrays["skill"], 0, atol=1e-5)
    assert judged.card.scores["headline"]["skill of profiles, mean of types"] == pytest.approx(
        0, abs=1e-4
    )


def test_accepts__small_shifts_only(learner: unmix.Task) -> None:
    rng = np.random.default_rng(0)
    exact = {
        "fraction": rng.dirichlet(np.ones(3), 50),
        "profile": rng.normal(5, 1, (50, 3, 30)),
    }
    close = {name: values + 1e-4 for name, values in exact.items()}
    assert learner.accepts(exact, close)
    assert not learner.accepts(exact, {**close, "fraction": exact["fraction"] + 3e-3})
    noisy = exact["profile"] + rng.normal(0, 0.2, (50, 3, 30))
    assert not learner.accepts(exact, {**close, "profile": noisy})


def test_bind__reads_what_a_cohort_measures(learner: unmix.Task, tmp_path: pathlib.Path) -> None:
    rng = np.random.default_rng(1)
    # Genes in another order, five panel genes missing, one that training never saw.
    genes = ["other", *(f"G{index}" for index in range(39, 4, -1))]
    counts = rng.gamma(2, 50, (3, 36)).astype(np.float32)
    reader = learner.bind(write_cohort(tmp_path / "c.zarr", counts, genes), {})
    found = reader.inputs(slice(0, 3))["log_cpm"]
    assert np.isnan(found[:, :5]).all()
    library = counts[:, 1:].sum(1, dtype=np.float64)
    column = genes.index("G7")
    np.testing.assert_allclose(found[:, 7], np.log2(1 + counts[:, column] / library * 1e6), 1e-5)
    result = reader.result()
    assert result.attributes["n_missing_genes"] == 5
    assert result.attributes["n_panel_genes"] == 30
    assert result.attributes["reference_digests"] == {}
    assert result.attributes["library_gene_share"] == pytest.approx(35 / 40)
    finished = reader.finish(
        {"fraction": np.full((3, 3), 1 / 3), "profile": np.ones((3, 3, 30), np.float32)},
        {"log_cpm": found},
    )
    np.testing.assert_allclose(finished["gene_coverage"], 25 / 30)


def test_bind__too_few_genes_are_refused(learner: unmix.Task, tmp_path: pathlib.Path) -> None:
    half = [f"G{index}" for index in range(15)]
    store = write_cohort(tmp_path / "half.zarr", np.ones((2, 15)), half)
    learner.bind(store, {"min_coverage": 0.5})
    with pytest.raises(errors.LabelMismatchError, match=r"15 of the model's 30 .*50%.*60%"):
        learner.bind(store, {"min_coverage": 0.6})
    ids = [f"ENSG{index:011d}" for index in range(30)]
    foreign = write_cohort(tmp_path / "ids.zarr", np.ones((2, 30)), ids)
    with pytest.raises(errors.LabelMismatchError, match=r"Ensembl ids.*--gene-map"):
        learner.bind(foreign, {"min_coverage": 0})


@pytest.mark.parametrize("origin", ["bulk", "pseudobulk"])
def test_finish__proportions_follow_the_mrna_content(
    learner: unmix.Task, tmp_path: pathlib.Path, origin: str
) -> None:
    genes = [f"G{index}" for index in range(40)]
    store = write_cohort(tmp_path / "c.zarr", np.ones((1, 40)), genes, origin)
    reader = learner.bind(store, {"presence": 0.01})
    fraction = np.array([[0.5, 0.495, 0.005]])
    found = reader.finish(
        {"fraction": fraction, "profile": np.ones((1, 3, 30), np.float32)},
        reader.inputs(slice(0, 1)),
    )
    # Bulk: the published B 1, CD4T .978, Mono 2.652; pseudobulk: Mono has twice the others' counts.
    factor = np.array([1, 0.97838, 2.6521]) if origin == "bulk" else np.array([1.0, 1.0, 2.0])
    expected = fraction / factor / (fraction / factor).sum()
    np.testing.assert_allclose(found["proportion"], expected, rtol=1e-4)
    np.testing.assert_allclose(found["rna_fraction"], fraction, rtol=1e-5)
    assert np.isnan(found["profile"][0, 2]).all()
    assert np.isfinite(found["profile"][0, :2]).all()
    source = reader.result().attributes["mrna_content"]
    assert ("EPIC" in source) is (origin == "bulk")


def test_finish__the_users_factors_come_before_the_published(
    path: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    file = tmp_path / "own.csv"
    file.write_text("cell_type,factor\nB,1\nCD4T,1\nMono,4\n")
    options = train.Options(threads=1, mrna_content=file)
    store = read.open_store(path)
    own = unmix.Task.outline(store, pseudobulks.settings(), options).learn(store)
    genes = [f"G{index}" for index in range(40)]
    reader = own.bind(write_cohort(tmp_path / "c.zarr", np.ones((1, 40)), genes), {})
    attributes = reader.result().attributes
    assert attributes["mrna_factors"] == {"B": 1.0, "CD4T": 1.0, "Mono": 4.0}


def test_finish__a_model_of_proportions_is_converted_the_other_way(
    path: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    settings = changed(mrna=mrna.MrnaSettings(target="proportion"))
    genes = [f"G{index}" for index in range(40)]
    store = write_cohort(tmp_path / "c.zarr", np.ones((1, 40)), genes, "pseudobulk")
    reader = pseudobulks.learn(path, settings).bind(store, {})
    found = reader.finish(
        {"fraction": np.array([[0.2, 0.3, 0.5]]), "profile": np.ones((1, 3, 30), np.float32)},
        reader.inputs(slice(0, 1)),
    )
    np.testing.assert_allclose(found["proportion"], [[0.2, 0.3, 0.5]], rtol=1e-6)
    np.testing.assert_allclose(found["rna_fraction"], np.array([[0.2, 0.3, 1.0]]) / 1.5, rtol=1e-6)


def test_finish__the_true_parts_recombine_into_the_sample(
    path: pathlib.Path,
) -> None:
    model = pseudobulks.settings().model.model_copy(update={"min_cells": 0})
    learner = pseudobulks.learn(path, changed(model=model))
    store = read.open_store(path)
    reader = learner.bind(store, {"presence": 0})
    rows = slice(0, 40)
    truth, inputs = learner.examples(store, rows), reader.inputs(rows)
    np.testing.assert_allclose(inputs["log_cpm"], truth["log_cpm"])
    found = reader.finish({"fraction": truth["fraction"], "profile": truth["profile"]}, inputs)
    assert float(found["reconstruction_error"].max()) < 1e-3
    # By hand for a wrong composition: the same identity, root of the mean square.
    wrong = np.roll(truth["fraction"], 1, axis=1)
    found = reader.finish({"fraction": wrong, "profile": truth["profile"]}, inputs)
    mixed = mixture.mix_profiles(truth["profile"], wrong)
    expected = np.sqrt(((mixed - inputs["log_cpm"]) ** 2).mean(1))
    np.testing.assert_allclose(found["reconstruction_error"], expected, rtol=1e-4)


def test_finish__a_silent_sample_has_no_composition(
    learner: unmix.Task, tmp_path: pathlib.Path
) -> None:
    counts = np.ones((2, 40))
    counts[1] = 0
    genes = [f"G{index}" for index in range(40)]
    reader = learner.bind(write_cohort(tmp_path / "c.zarr", counts, genes), {})
    found = reader.finish(
        {"fraction": np.full((2, 3), 1 / 3), "profile": np.ones((2, 3, 30), np.float32)},
        reader.inputs(slice(0, 2)),
    )
    assert np.isfinite(found["proportion"][0]).all()
    for name in ("proportion", "rna_fraction", "profile", "reconstruction_error"):
        assert np.isnan(found[name][1]).all(), name
    assert found["gene_coverage"].tolist() == [1.0, 0.0]


def test_finish__a_sample_without_surprise_keeps_its_profiles(path: pathlib.Path) -> None:
    model = pseudobulks.settings().model.model_copy(update={"min_cells": 0, "share_surprise": True})
    learner = pseudobulks.learn(path, changed(model=model))
    store = read.open_store(path)
    reader = learner.bind(store, {"presence": 0})
    rows = slice(0, 40)
    truth, inputs = learner.examples(store, rows), reader.inputs(rows)
    whole = np.isfinite(truth["profile"]).all(axis=(1, 2))
    found = reader.finish({"fraction": truth["fraction"], "profile": truth["profile"]}, inputs)
    np.testing.assert_allclose(found["profile"][whole], truth["profile"][whole], atol=1e-4)
    # Profiles that are all too low by one doubling are raised towards the truth, none beyond it.
    low = np.maximum(truth["profile"] - 1, 0)
    raised = reader.finish({"fraction": truth["fraction"], "profile": low}, inputs)["profile"]
    assert (raised[whole] > low[whole]).all()
    assert (raised[whole] < truth["profile"][whole] + 1e-3).all()


def test_learn__the_constant_is_the_references_own_composition(path: pathlib.Path) -> None:
    store = read.open_store(path)
    fitted = baselines.Baselines.from_arrays(pseudobulks.learn(path).arrays)
    # This store names no reference: the mean over training samples.
    train_rows = np.flatnonzero(store.read("split") == "train")
    expected = store.read("proportion")[train_rows].mean(axis=0)
    np.testing.assert_allclose(fitted.composition, expected, rtol=1e-5)
    references = [{"n_cells": {"B": 30, "Mono": 10}}, {"n_cells": {"B": 20, "CD4T": 40}}]
    composition = unmix_facts.composition(references, store.labels["cell_type"])
    np.testing.assert_allclose(composition, [0.5, 0.4, 0.1])


def noisily(learner: unmix.Task, store: read.Store, deviation: float) -> task.Predict:
    """Predict the truth with planted errors, other in each sample."""
    exact, rng = exactly(learner, store), np.random.default_rng(6)

    def predict(arrays: task.Arrays) -> task.Arrays:
        found = exact(arrays)
        fraction = found["fraction"] * np.exp(rng.normal(0, deviation, found["fraction"].shape))
        fraction /= fraction.sum(axis=1, keepdims=True)
        profile = found["profile"] + rng.normal(0, 0.5, found["profile"].shape)
        return {"fraction": fraction.astype(np.float32), "profile": profile.astype(np.float32)}

    return predict


def test_judge__the_spread_is_that_of_the_errors(path: pathlib.Path, learner: unmix.Task) -> None:
    store = read.open_store(path)
    judged = learner.judge(store, exactly(learner, store))
    np.testing.assert_allclose(judged.arrays["spread"], 0, atol=1e-5)
    truth = learner.examples(store, slice(0, store.n_rows))["profile"].astype(np.float64)
    kept = (store.read("split") == "test")[:, None] & (store.read("n_cells") >= 25)
    mean = baselines.Baselines.from_arrays(learner.arrays).mean

    def predict_mean(arrays: task.Arrays) -> task.Arrays:
        n = len(arrays["log_cpm"])
        return {
            "fraction": np.full((n, 3), 1 / 3, np.float32),
            "profile": np.repeat(mean[None], n, 0).astype(np.float32),
        }

    spread = learner.judge(store, predict_mean).arrays["spread"]
    for index in range(3):
        errors_of_type = truth[kept[:, index], index] - mean[index]
        expected = np.sqrt((errors_of_type**2).mean(axis=0))
        np.testing.assert_allclose(spread[index], expected, rtol=1e-4)


def test_judge__validation_calibrates_and_test_proves(
    path: pathlib.Path, learner: unmix.Task
) -> None:
    store = read.open_store(path)
    judged = learner.judge(store, noisily(learner, store, 0.3))
    assert judged.card.facts["calibration"] == {"on": "held-out pseudobulks", "n_samples": 30}
    scores = judged.arrays["calibration_score"]
    assert scores.shape == (3, 30)
    assert (np.diff(scores, axis=1) >= 0).all()
    tested, of_validation = (judged.card.scores[name] for name in ("test", "validation"))
    assert "coverage" not in of_validation["by_type"]["B"]
    coverage = [tested["by_type"][name]["coverage"] for name in TYPES]
    # 28 of 31 are expected; 30 samples of three types by 30 others: an error of some .06.
    assert tested["mean"]["coverage at level 0.9, mean of types"] == pytest.approx(
        np.mean(coverage), abs=1e-4
    )
    assert 0.75 <= np.mean(coverage) <= 1
    # Planted errors of .5 that no anchor explains are what the deviations foresee.
    np.testing.assert_allclose(np.sqrt(judged.arrays["calibration_variance"]), 0.5, rtol=0.15)
    within = [tested["by_type"][name]["profile_coverage"] for name in TYPES]
    np.testing.assert_allclose(within, 0.9, atol=0.05)


def test_judge__with_few_validation_samples_there_are_no_intervals(tmp_path: pathlib.Path) -> None:
    # 8 of 200 samples: one less than .9 takes.
    few = pseudobulks.write_store(tmp_path / "few.zarr", n_samples=200, splits=(0.9, 0.94))
    store, learner = read.open_store(few), pseudobulks.learn(few)
    judged = learner.judge(store, noisily(learner, store, 0.3))
    assert judged.card.facts["calibration"]["n_samples"] == 8
    result = judged.bind(store, {}).result()
    assert {"proportion_low", "proportion_high", "profile_sd"} <= set(result.leave_out)
    assert "spread" not in result.leave_out
    assert "no intervals: calibrated on 8 held-out pseudobulks, needed: 9" in result.note
    assert "level" not in result.attributes
    with pytest.raises(errors.ConfigError, match="takes at least 19"):
        judged.bind(store, {"level": 0.95})
    half = judged.bind(store, {"level": 0.5}).result()
    assert half.attributes["level"] == 0.5
    assert "proportion_low" not in half.leave_out


def test_judge__without_validation_samples_nothing_is_calibrated(tmp_path: pathlib.Path) -> None:
    none = pseudobulks.write_store(tmp_path / "none.zarr", n_samples=100, splits=(0.8, 0.8))
    store, learner = read.open_store(none), pseudobulks.learn(none)
    judged = learner.judge(store, noisily(learner, store, 0.3))
    assert np.isfinite(judged.arrays["spread"]).all()
    assert "calibration_score" not in judged.arrays
    assert "no intervals" in judged.bind(store, {}).result().note
    with pytest.raises(errors.ConfigError, match="profile_sd: the model knows no deviations"):
        judged.bind(store, {"profile_sd": True})


def test_finish__intervals_hold_the_truth_in_cells(path: pathlib.Path, learner: unmix.Task) -> None:
    store, rows = read.open_store(path), slice(240, 300)
    judged = learner.judge(store, noisily(learner, store, 0.3))
    reader = judged.bind(store, {"level": 0.8, "presence": 0})
    assert reader.result().attributes["level"] == 0.8
    assert reader.result().attributes["calibrated_on"] == "30 held-out pseudobulks"
    inputs = reader.inputs(rows)
    found = reader.finish(noisily(judged, store, 0.3)(inputs), inputs)
    truth = store.read("proportion", rows)
    within = (found["proportion_low"] <= truth) & (truth <= found["proportion_high"])
    # 25 of 31 in the long run.
    assert 0.65 <= within.mean() <= 0.95
    assert (found["proportion_low"] <= found["proportion"]).all()
    assert (found["proportion"] <= found["proportion_high"]).all()


def test_finish__deviations_are_nan_where_profiles_are(
    path: pathlib.Path, learner: unmix.Task, tmp_path: pathlib.Path
) -> None:
    store = read.open_store(path)
    judged = learner.judge(store, noisily(learner, store, 0.3))
    counts = np.ones((2, 40))
    counts[1] = 0
    cohort = write_cohort(tmp_path / "c.zarr", counts, [f"G{index}" for index in range(40)])
    reader = judged.bind(cohort, {"profile_sd": True})
    assert "profile_sd" not in reader.result().leave_out
    given = {
        "fraction": np.array([[0.5, 0.499, 0.001]] * 2),
        "profile": np.ones((2, 3, 30), np.float32),
    }
    found = reader.finish(given, reader.inputs(slice(0, 2)))
    np.testing.assert_array_equal(np.isnan(found["profile"]), np.isnan(found["profile_sd"]))
    assert np.isfinite(found["profile_sd"][0, :2]).all()
    for name in ("proportion_low", "proportion_high", "profile_sd"):
        assert np.isnan(found[name][1]).all(), name
    plain = judged.bind(cohort, {})
    assert reader.price().finishing == plain.price().finishing + 2 * 4 * 3 * 30
