import pathlib
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
import scipy.stats
import zarr
from unit.downstream import stores

from bluebatch import errors
from bluebatch.downstream import contrast, contrast_figure, evaluate, groups, truth
from bluebatch.store import read

Array = npt.NDArray[Any]
N_SAMPLES = 60
# Three genes rise in the cells of each type, one of them in monocytes alone.
RISE = np.zeros((3, stores.N_GENES))
RISE[:, 0], RISE[:, 1], RISE[1, 2] = 2.0, 1.0, 3.0


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """Odd pairs of samples are treated; the results predict half of every difference."""
    folder = tmp_path_factory.mktemp("contrast")
    known = stores.draw(N_SAMPLES, 2)
    treated = is_treated()
    true, predicted = known.profile.copy(), known.profile.copy()
    true[treated] += RISE
    predicted[treated] += RISE / 2
    shifted = stores.Known(known.samples, known.proportion, true, known.expression, known.n_cells)
    stores.write_truth(folder / "truth.zarr", shifted)
    half = stores.Known(known.samples, known.proportion, predicted, known.expression, known.n_cells)
    stores.write_results(folder / "results.zarr", half)
    frame = pd.DataFrame({"sample": known.samples, "drug": np.where(treated, "yes", "no")})
    frame["batch"] = ["a", "b", "c"] * (N_SAMPLES // 3)
    frame.sample(frac=1, random_state=0).to_csv(folder / "samples.csv", index=False)
    return folder


def is_treated() -> Array:
    return np.asarray(np.arange(N_SAMPLES) // 2 % 2 == 1)


def run(folder: pathlib.Path, out: pathlib.Path, **how: Any) -> Any:
    how = {"contrast": "drug", "samples": folder / "samples.csv", **how}
    results, known = folder / "results.zarr", folder / "truth.zarr"
    return evaluate.run(results, known, out, evaluate.Options(**how))


def test_run__differences_are_those_of_the_group_means(
    folder: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    section = run(folder, tmp_path).sections["contrast"]
    store: Any = zarr.open_group(folder / "truth.zarr", mode="r")
    results: Any = zarr.open_group(folder / "results.zarr", mode="r")
    enough = store["n_cells"][:, 1] >= 25
    for array, found in ((store, section.truth), (results, section.predictors["model"])):
        profile = array["profile"][:, 1].astype(float)
        expected = profile[enough & is_treated()].mean(0) - profile[enough & ~is_treated()].mean(0)
        np.testing.assert_allclose(found[1], expected, atol=1e-5)
    assert section.names == ("no", "yes")
    np.testing.assert_array_equal(
        section.n_samples[:, 1],
        [(enough & ~is_treated()).sum(), (enough & is_treated()).sum()],
    )


def test_run__bulk_and_shared_are_baselines(folder: pathlib.Path, tmp_path: pathlib.Path) -> None:
    section = run(folder, tmp_path).sections["contrast"]
    model = section.predictors["model"]
    for index in range(3):
        np.testing.assert_allclose(section.predictors["shared"][index], model.mean(axis=0))
    store: Any = zarr.open_group(folder / "truth.zarr", mode="r")
    cpm = store["expression"][:] / store["expression"][:].sum(axis=1, keepdims=True) * 1e6
    enough = store["n_cells"][:, 0] >= 25
    bulk = np.log2(1 + cpm)
    expected = bulk[enough & is_treated()].mean(axis=0) - bulk[enough & ~is_treated()].mean(axis=0)
    np.testing.assert_allclose(section.predictors["bulk"][0], expected, atol=1e-4)


def test_run__the_closed_form_comes_with_the_model(
    folder: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    model = stores.write_model(tmp_path / "model", stores.draw(200, 1, "train"))
    section = run(folder, tmp_path / "out", model=model).sections["contrast"]
    assert list(section.predictors) == ["model", "shared", "bulk", "closed form"]
    assert section.predictors["closed form"].shape == section.truth.shape
    assert np.isfinite(section.predictors["closed form"]).all()


def test_run__writes_scores_genes_and_figure(folder: pathlib.Path, tmp_path: pathlib.Path) -> None:
    found = run(folder, tmp_path)
    content = found.as_dict()["contrast"]
    assert (content["base"], content["against"], content["column"]) == ("no", "yes", "drug")
    table = pd.read_csv(tmp_path / "evaluation_contrast.csv")
    assert list(table.columns) == ["cell_type", "gene", "true", "model", "shared", "bulk"]
    assert len(table) == 3 * stores.N_GENES
    for cell_type, part in table.groupby("cell_type"):
        expected = scipy.stats.pearsonr(part["model"], part["true"]).statistic
        assert content["scores"]["model"][cell_type]["r"] == pytest.approx(expected, abs=1e-4)
        assert part["model"].abs().is_monotonic_decreasing
    assert (tmp_path / "evaluation_contrast.png").read_bytes().startswith(b"\x89PNG")
    assert "contrast by drug: yes minus no, 40 genes" in found.as_text()


def test_run__an_array_of_the_store_divides_as_well(
    folder: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    known = stores.draw(40, 2)
    truth_path = stores.write_truth(tmp_path / "truth.zarr", known)
    group: Any = zarr.open_group(truth_path, mode="r+")
    group["source"][:] = np.array(["control"] * 20 + ["mixed"] * 8 + ["stimulated"] * 12, object)
    results = stores.write_results(tmp_path / "results.zarr", known)
    wanted = ["stimulated", "control"]
    options = evaluate.Options(contrast="source", groups=wanted)
    found = evaluate.run(results, truth_path, tmp_path / "out", options)
    section: Any = found.sections["contrast"]
    assert section.names == ("stimulated", "control")
    assert "contrast: 8 samples are in neither group (mixed)" in found.notes


def test_score__by_hand() -> None:
    # 60 genes: the truth falls from 60 to 1; the prediction has the first ten upside down.
    true = np.arange(60, 0, -1.0)
    predicted = true.copy()
    predicted[:10] *= -1
    scores = contrast.score(predicted, true)
    assert scores["sign"] == pytest.approx(40 / 50)
    # The same 20 and 50 genes are largest on both sides; ten of them have the wrong sign.
    assert scores["precision_20"] == pytest.approx(10 / 20)
    assert scores["precision_50"] == pytest.approx(40 / 50)
    assert scores["r"] == pytest.approx(scipy.stats.pearsonr(predicted, true).statistic)
    assert scores["spearman"] == pytest.approx(scipy.stats.spearmanr(predicted, true).statistic)


def test_score__other_genes_on_top_are_no_hits() -> None:
    true, predicted = np.zeros(100), np.zeros(100)
    true[:20], predicted[10:30] = 1.0, 1.0
    scores = contrast.score(predicted, true)
    assert scores["precision_20"] == pytest.approx(10 / 20)
    # Only 20 genes differ at all, and half of them are predicted to.
    assert scores["sign"] == pytest.approx(10 / 20)


def test_scores__beyond_the_mean_of_types_a_shared_shift_is_nothing() -> None:
    rng = np.random.default_rng(0)
    own = rng.normal(size=(2, 50))
    shift = 10 * rng.normal(size=50)
    section = contrast.Contrast(
        "drug",
        ("no", "yes"),
        ["B", "NK"],
        [f"g{i}" for i in range(50)],
        np.full((2, 2), 9),
        own + shift,
        {"model": np.tile(shift, (2, 1)), "right": own},
    )
    scores = section.scores()
    assert scores["model"]["B"]["r"] > 0.9
    assert np.isnan(scores["model"]["B"]["specific_r"])
    assert scores["right"]["B"]["specific_r"] == pytest.approx(1)


def test_choose_genes__largest_of_any_type_and_rising_first() -> None:
    true = np.array([[0.0, 5.0, -9.0, 1.0], [4.0, 5.0, -1.0, 0.0]])
    # Largest of any type: 4, 5, 9, 1; means: 2, 5, -5.
    np.testing.assert_array_equal(contrast_figure.choose_genes(true, 3), [1, 0, 2])


def matched(folder: pathlib.Path) -> tuple[truth.Truth, truth.Match]:
    known = truth.read_truth(folder / "truth.zarr")
    return known, truth.match(read.open_store(folder / "results.zarr"), known)


def test_read_groups__members_by_name_not_by_order(folder: pathlib.Path) -> None:
    known, both = matched(folder)
    found = groups.read_groups("drug", known, both, folder / "samples.csv")
    np.testing.assert_array_equal(found.member, is_treated().astype(int))
    assert not found.notes


def test_read_groups__samples_without_a_value_are_told(
    folder: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    known, both = matched(folder)
    frame = pd.read_csv(folder / "samples.csv").iloc[:50]
    frame.loc[frame.index[:3], "drug"] = None
    frame.to_csv(tmp_path / "samples.csv", index=False)
    found = groups.read_groups("drug", known, both, tmp_path / "samples.csv")
    assert (found.member == 2).sum() == 13
    assert found.notes == ["contrast: 13 samples are in neither group"]


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ({"contrast": "batch"}, r"batch has 3 values .*, needed: 2\. Pick two with --groups A,B"),
        ({"contrast": "age"}, r"no column 'age'; it has drug, batch beside 'sample'"),
        ({"contrast": "batch", "groups": ["a", "z"]}, r"no sample has 'z'.* a \(20\)"),
        ({"contrast": "batch", "groups": ["a"]}, r"1 groups, needed: two values"),
        ({"contrast": None}, r"--groups and --samples divide .* Name the column"),
        ({"proportions_only": True}, r"needs true profiles .* profiles are left out"),
        ({"samples": None}, r"no column 'drug' of samples; it has split, source, twin"),
    ],
)
def test_run__refuses_groups_that_are_none(
    folder: pathlib.Path, tmp_path: pathlib.Path, how: dict[str, Any], told: str
) -> None:
    with pytest.raises(errors.BluebatchError, match=told) as raised:
        run(folder, tmp_path, **how)
    assert "\n" not in str(raised.value)
    assert not list(tmp_path.iterdir())


def test_run__refuses_a_contrast_without_true_profiles(
    folder: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    known = stores.draw(N_SAMPLES, 2)
    frame = pd.DataFrame(known.proportion, index=known.samples, columns=stores.CELL_TYPES)
    frame.to_csv(tmp_path / "truth.csv", index_label="sample")
    options = evaluate.Options(contrast="drug", samples=folder / "samples.csv")
    with pytest.raises(errors.ConfigError, match="the truth is a table"):
        evaluate.run(folder / "results.zarr", tmp_path / "truth.csv", tmp_path / "out", options)


def test_read_groups__refuses_tables_that_do_not_fit(
    folder: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    known, both = matched(folder)
    frame = pd.read_csv(folder / "samples.csv")
    path = tmp_path / "samples.csv"
    with pytest.raises(errors.MissingInputError, match="no such file"):
        groups.read_groups("drug", known, both, path)
    frame.assign(sample="one").to_csv(path, index=False)
    with pytest.raises(errors.LabelMismatchError, match="names the sample one twice"):
        groups.read_groups("drug", known, both, path)
    frame.assign(sample=[f"other-{i}" for i in range(N_SAMPLES)]).to_csv(path, index=False)
    with pytest.raises(errors.LabelMismatchError, match="none of the 60 compared samples"):
        groups.read_groups("drug", known, both, path)
    frame.assign(drug=["yes"] + ["no"] * 59).to_csv(path, index=False)
    with pytest.raises(
        errors.LabelMismatchError, match=r"1 of the 60 compared samples .* needed: 2"
    ):
        groups.read_groups("drug", known, both, path)
    path.write_bytes(b"")
    with pytest.raises(errors.InputFileError, match=r"samples\.csv"):
        groups.read_groups("drug", known, both, path)
    # A letter that stands in the header is no separator.
    path.write_text("sample\n" + "".join(f"{name}\n" for name in both.samples))
    with pytest.raises(errors.InputFileError, match=r"samples\.csv: has 1 columns, needed"):
        groups.read_groups("drug", known, both, path)


def test_between__types_with_too_few_samples_are_left_out(
    folder: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    # The largest proportion of 500 cells is no more than 500 cells: no type has so many.
    with pytest.raises(errors.LabelMismatchError, match="no cell type has 2 samples"):
        run(folder, tmp_path, min_cells=501)
