import json
import pathlib
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.stats
import zarr
from unit.downstream import stores

from bluebatch import errors
from bluebatch.downstream import evaluate
from bluebatch.expression import metrics

PNG = b"\x89PNG"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    folder = tmp_path_factory.mktemp("evaluate")
    known = stores.draw(300, 2)
    stores.write_truth(folder / "truth.zarr", known)
    stores.write_results(folder / "results.zarr", known, error=0.3)
    stores.write_model(folder / "model", stores.draw(400, 1, "train"))
    return folder


@pytest.fixture
def table(tmp_path: pathlib.Path) -> pathlib.Path:
    """A table that says of the first 50 samples what the store says, in another order."""
    known = stores.draw(300, 2)
    frame = pd.DataFrame(known.proportion, index=known.samples, columns=stores.CELL_TYPES)
    frame = frame.iloc[:50].sample(frac=1, random_state=0)[["NK", "Mono", "B"]]
    frame.rename_axis("sample").to_csv(tmp_path / "truth.csv")
    return tmp_path / "truth.csv"


def rewrite(table: pathlib.Path, **columns: Any) -> pathlib.Path:
    pd.read_csv(table).assign(**columns).to_csv(table, index=False)
    return table


def test_run__scores_are_those_of_the_arrays(folder: pathlib.Path, tmp_path: pathlib.Path) -> None:
    options = evaluate.Options(model=folder / "model")
    found = evaluate.run(folder / "results.zarr", folder / "truth.zarr", tmp_path, options)
    results: Any = zarr.open_group(folder / "results.zarr", mode="r")
    truth: Any = zarr.open_group(folder / "truth.zarr", mode="r")
    predicted, true = results["proportion"][:], truth["proportion"][:]
    scores = found.fractions["model"]
    expected = [scipy.stats.pearsonr(predicted[:, i], true[:, i]).statistic for i in range(3)]
    np.testing.assert_allclose(scores["per_type"]["r"], expected, rtol=1e-5)
    assert scores["mean"]["r"] == pytest.approx(np.mean(expected))
    assert scores["flattened"]["l1"] == pytest.approx(np.abs(predicted - true).mean(), rel=1e-5)
    rows = truth["n_cells"][:, 1] >= 25
    profile, known = results["profile"][:][rows, 1], truth["profile"][:][rows, 1]
    by_gene = metrics.pearson(profile, known, 0)
    mono = found.profiles["all"]["model"]["Mono"]
    assert mono["median_r"] == pytest.approx(float(np.median(by_gene)), rel=1e-5)
    assert mono["n_samples"] == rows.sum()


def test_run__every_predictor_stands_beside_the_model(
    folder: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    options = evaluate.Options(model=folder / "model")
    found = evaluate.run(folder / "results.zarr", folder / "truth.zarr", tmp_path, options)
    assert list(found.fractions) == ["model", "constant", "NNLS", "weighted NNLS"]
    everyone = ["model", "p-curve", "ridge", "bulk", "closed form", "ceiling"]
    assert list(found.profiles) == ["all", "p > 0.1"]
    assert all(set(everyone) <= set(table) for table in found.profiles.values())
    np.testing.assert_allclose(found.fractions["constant"]["per_type"]["ccc"], 0, atol=1e-12)
    assert found.fractions["NNLS"]["mean"]["ccc"] > 0.9
    skill = {name: scores["Mono"]["skill"] for name, scores in found.profiles["all"].items()}
    assert skill["bulk"] < 0 < skill["ridge"] < 1
    assert 0 < skill["closed form"] < 1
    fewer = found.profiles["p > 0.1"]["model"]["NK"]["n_samples"]
    assert fewer < found.profiles["all"]["model"]["NK"]["n_samples"]


def test_run__the_ceiling_is_the_twin(folder: pathlib.Path, tmp_path: pathlib.Path) -> None:
    options = evaluate.Options(model=folder / "model")
    found = evaluate.run(folder / "results.zarr", folder / "truth.zarr", tmp_path, options)
    truth: Any = zarr.open_group(folder / "truth.zarr", mode="r")
    rows = np.flatnonzero(truth["n_cells"][:, 0] >= 25)
    profile = truth["profile"][:, 0]
    by_gene = metrics.pearson(profile[rows ^ 1], profile[rows], 0)
    both = np.isfinite(profile[rows ^ 1]).all(axis=1)
    assert both.all()
    assert found.profiles["all"]["ceiling"]["B"]["median_r"] == pytest.approx(
        float(np.median(by_gene)), rel=1e-5
    )


def test_run__a_perfect_result_scores_one(folder: pathlib.Path, tmp_path: pathlib.Path) -> None:
    results = stores.write_results(tmp_path / "results.zarr", stores.draw(300, 2))
    found = evaluate.run(results, folder / "truth.zarr")
    assert found.fractions["model"]["mean"]["ccc"] == pytest.approx(1, abs=1e-6)
    assert found.profiles["all"]["model"]["B"]["skill"] == pytest.approx(1)
    assert found.profiles["all"]["model"]["B"]["median_r"] == pytest.approx(1)
    assert any("mean profile of the truth itself" in note for note in found.notes)
    assert any("--model" in note for note in found.notes)
    assert (tmp_path / "evaluation.json").is_file()


def test_run__writes_numbers_and_a_picture(folder: pathlib.Path, tmp_path: pathlib.Path) -> None:
    out = tmp_path / "new" / "folder"
    options = evaluate.Options(model=folder / "model")
    found = evaluate.run(folder / "results.zarr", folder / "truth.zarr", out, options)
    content = json.loads((out / "evaluation.json").read_text())
    assert content == found.as_dict()
    assert content["proportion"]["constant"]["per_type"]["r"]["B"] is None
    assert content["made_from"]["truth"]["digest"]
    assert content["settings"]["min_cells"] == 25
    assert (out / "evaluation.png").read_bytes().startswith(PNG)
    assert sorted(path.name for path in out.iterdir()) == [
        "evaluation.json",
        "evaluation.png",
        "evaluation_mean_profile.csv",
        "evaluation_mean_profile.png",
    ]


def test_run__the_table_is_in_columns(folder: pathlib.Path, tmp_path: pathlib.Path) -> None:
    options = evaluate.Options(model=folder / "model")
    found = evaluate.run(folder / "results.zarr", folder / "truth.zarr", tmp_path, options)
    lines = found.as_text().splitlines()
    assert lines[0] == "proportions: 300 samples, 3 cell types"
    header = lines[1].split("  ")
    assert header[0] == "cell type"
    assert len({len(line) for line in lines[1:7]}) == 1
    assert "flattened" in lines[6]
    assert any(">= 25 true cells" in line for line in lines)


def test_run__only_the_test_split_is_compared(tmp_path: pathlib.Path) -> None:
    known = stores.draw(60, 2)
    splits = ["train"] * 30 + ["validation"] * 10 + ["test"] * 20
    truth = stores.write_truth(tmp_path / "truth.zarr", known, splits)
    results = stores.write_results(tmp_path / "results.zarr", known)
    found = evaluate.run(results, truth)
    assert found.n_samples == 20
    assert "40 samples outside the test split are left out" in found.notes


def test_run__a_table_is_matched_by_names(
    folder: pathlib.Path, table: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    found = evaluate.run(folder / "results.zarr", table, tmp_path)
    assert found.n_samples == 50
    assert found.cell_types == stores.CELL_TYPES
    assert found.fractions["model"]["mean"]["ccc"] > 0.9
    assert not found.profiles
    assert any("250 samples of results.zarr not in truth.csv" in note for note in found.notes)
    assert (tmp_path / "evaluation.png").read_bytes().startswith(PNG)


def test_run__a_table_with_a_cohort_has_nnls(
    folder: pathlib.Path, table: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    options = evaluate.Options(model=folder / "model", cohort=folder / "truth.zarr")
    found = evaluate.run(folder / "results.zarr", table, tmp_path, options)
    assert found.fractions["NNLS"]["mean"]["ccc"] > 0.9
    without = evaluate.Options(model=folder / "model", overwrite=True)
    found = evaluate.run(folder / "results.zarr", table, tmp_path, without)
    assert list(found.fractions) == ["model", "constant"]
    assert any("--cohort" in note for note in found.notes)


def test_run__renormalises_both_sides_over_the_types_in_common(
    folder: pathlib.Path, table: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    frame = pd.read_csv(table)
    rewrite(table, B=frame["B"] / 2, Mono=frame["Mono"] / 2, NK=frame["NK"] / 2, unmeasured=0.5)
    plain = evaluate.run(folder / "results.zarr", table, tmp_path)
    options = evaluate.Options(renormalise=True, overwrite=True)
    found = evaluate.run(folder / "results.zarr", table, tmp_path, options)
    assert "1 cell type of truth.csv not in results.zarr: unmeasured" in found.notes
    assert plain.fractions["model"]["mean"]["l1"] > 0.1
    assert found.fractions["model"]["mean"]["l1"] < 0.06


def test_run__only_the_types_asked_for(folder: pathlib.Path, tmp_path: pathlib.Path) -> None:
    options = evaluate.Options(cell_types=["NK", "B"], proportions_only=True)
    found = evaluate.run(folder / "results.zarr", folder / "truth.zarr", tmp_path, options)
    assert found.cell_types == ["B", "NK"]
    assert not found.profiles


def test_run__an_absent_prediction_counts_as_the_mean(tmp_path: pathlib.Path) -> None:
    known = stores.draw(40, 2)
    truth = stores.write_truth(tmp_path / "truth.zarr", known)
    blank = stores.Known(
        known.samples,
        known.proportion,
        np.full_like(known.profile, np.nan),
        known.expression,
        known.n_cells,
    )
    found = evaluate.run(stores.write_results(tmp_path / "results.zarr", blank), truth)
    assert found.profiles["all"]["model"]["Mono"]["skill"] == 0


def test_run__refuses_types_that_are_not_there(
    folder: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    options = evaluate.Options(cell_types=["B", "T"])
    with pytest.raises(errors.LabelMismatchError, match=r"lacks the cell types T; it has B, Mono"):
        evaluate.run(folder / "results.zarr", folder / "truth.zarr", tmp_path, options)
    assert not list(tmp_path.iterdir())


def test_run__refuses_other_samples(folder: pathlib.Path, table: pathlib.Path) -> None:
    rewrite(table, sample=[f"other-{i}" for i in range(50)])
    with pytest.raises(errors.LabelMismatchError, match="none of its 50 samples"):
        evaluate.run(folder / "results.zarr", table, table.parent)


def test_run__refuses_other_types(folder: pathlib.Path, table: pathlib.Path) -> None:
    frame = pd.read_csv(table).rename(columns={"B": "beta", "Mono": "alpha", "NK": "delta"})
    frame.to_csv(table, index=False)
    with pytest.raises(errors.LabelMismatchError, match="share none"):
        evaluate.run(folder / "results.zarr", table, table.parent)


@pytest.mark.parametrize("value", ["many", -0.1, 37.5, "inf"])
def test_run__refuses_values_that_are_no_fractions(
    folder: pathlib.Path, table: pathlib.Path, value: object
) -> None:
    rewrite(table, NK=[0.1] * 49 + [value])
    with pytest.raises(errors.ValuesError, match=r"for NK in .* is no fraction") as told:
        evaluate.run(folder / "results.zarr", table, table.parent)
    assert "\n" not in str(told.value)


def test_run__refuses_a_sample_named_twice(folder: pathlib.Path, table: pathlib.Path) -> None:
    rewrite(table, sample=["test-000001"] * 50)
    with pytest.raises(errors.LabelMismatchError, match="test-000001 twice"):
        evaluate.run(folder / "results.zarr", table, table.parent)


def test_run__an_unknown_value_is_left_out(folder: pathlib.Path, table: pathlib.Path) -> None:
    rewrite(table, NK=["NA"] + [0.1] * 49)
    found = evaluate.run(folder / "results.zarr", table, table.parent)
    assert np.isfinite(found.fractions["model"]["per_type"]["l1"]).all()


@pytest.mark.parametrize("content", [b"", b"sample\n", b"\xff\xfe\x00\x01\x02", b"sample,B\n"])
def test_run__refuses_what_is_no_table(
    folder: pathlib.Path, tmp_path: pathlib.Path, content: bytes
) -> None:
    (tmp_path / "truth.csv").write_bytes(content)
    with pytest.raises(errors.InputFileError) as told:
        evaluate.run(folder / "results.zarr", tmp_path / "truth.csv", tmp_path)
    assert str(told.value).startswith(str(tmp_path / "truth.csv"))


def test_run__refuses_unfinished_and_foreign_results(
    folder: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    known = stores.draw(10, 2)
    results = stores.write_results(tmp_path / "results.zarr", known, complete=False)
    with pytest.raises(errors.IncompleteError, match="unfinished"):
        evaluate.run(results, folder / "truth.zarr")
    with pytest.raises(errors.ForeignStoreError, match="needed: profile"):
        evaluate.run(folder / "truth.zarr", folder / "truth.zarr")
    with pytest.raises(errors.MissingInputError):
        evaluate.run(tmp_path / "nothing.zarr", folder / "truth.zarr")


def test_run__refuses_to_replace_another_evaluation(
    folder: pathlib.Path, table: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    out = tmp_path / "out"
    evaluate.run(folder / "results.zarr", folder / "truth.zarr", out)
    evaluate.run(folder / "results.zarr", folder / "truth.zarr", out)
    with pytest.raises(errors.OutputExistsError, match="--overwrite"):
        evaluate.run(folder / "results.zarr", table, out)
    evaluate.run(folder / "results.zarr", table, out, evaluate.Options(overwrite=True))


def test_run__refuses_a_model_without_baselines(
    folder: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    model = stores.write_model(tmp_path / "model", stores.draw(40, 1))
    (model / "arrays.safetensors").write_bytes(b"")
    options = evaluate.Options(model=model)
    with pytest.raises(errors.ForeignStoreError, match="train the model again"):
        evaluate.run(folder / "results.zarr", folder / "truth.zarr", tmp_path, options)


def test_run__refuses_a_cohort_of_other_samples(
    folder: pathlib.Path, table: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    cohort = stores.write_truth(tmp_path / "cohort.zarr", stores.draw(20, 2, "other"))
    options = evaluate.Options(model=folder / "model", cohort=cohort)
    with pytest.raises(errors.LabelMismatchError, match="lacks 50 of the 50 samples"):
        evaluate.run(folder / "results.zarr", table, tmp_path, options)
