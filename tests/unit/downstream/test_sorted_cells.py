import pathlib
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.stats
import zarr
from unit.downstream import stores

from bluebatch import errors
from bluebatch.downstream import evaluate, group_means, mean_profiles, profile_figures, sorted_cells


def table(values: Any, lines: list[str], columns: list[str]) -> pd.DataFrame:
    return pd.DataFrame(values, index=lines, columns=columns)


def test_read_profiles__either_orientation_is_told_by_the_types(tmp_path: pathlib.Path) -> None:
    frame = table([[0, 3, 127], [1, 7, 31]], ["NK", "B"], ["g0", "g1", "g2"])
    frame.to_csv(tmp_path / "types.csv")
    frame.T.to_csv(tmp_path / "genes.tsv", sep="\t")
    for name in ("types.csv", "genes.tsv"):
        found = sorted_cells.read_profiles(tmp_path / name, ["B", "Mono", "NK"])
        assert list(found.index) == ["B", "NK"]
        assert list(found.columns) == ["g0", "g1", "g2"]
        # By hand: log2(1 + x).
        np.testing.assert_allclose(found.to_numpy(), [[1, 3, 5], [0, 2, 7]])
        assert found.attrs["notes"] == ["profiles: 1 cell types of the results alone: Mono"]


def test_read_profiles__populations_of_one_type_are_averaged_in_log2(
    tmp_path: pathlib.Path,
) -> None:
    frame = table([[1, 63], [7, 255], [3, 3], [9, 99]], ["B", "B", "NK", "Baso"], ["g0", "g1"])
    frame.to_csv(tmp_path / "sorted.csv")
    found = sorted_cells.read_profiles(tmp_path / "sorted.csv", ["B", "NK"])
    # By hand: log2 2, 64 and 8, 256 -> means 2 and 7.
    np.testing.assert_allclose(found.loc["B"], [2, 7])
    assert found.attrs["notes"] == ["profiles: 1 cell types of sorted.csv alone: Baso"]


@pytest.mark.parametrize(
    ("content", "error", "told"),
    [
        (",g0,g1\nT,1,99\nX,2,99\n", errors.LabelMismatchError, r"neither its lines \(first: T, X"),
        (",g0,g0\nB,1,99\nNK,2,99\n", errors.LabelMismatchError, "names the gene g0 twice"),
        (",g0,g1\nB,1,-99\nNK,2,99\n", errors.ValuesError, "'-99' for g1 in B is no linear"),
        (",g0,g1\nB,1,NA\nNK,2,99\n", errors.ValuesError, "'NA' for g1 in B"),
        (",g0,g1\nB,1,14.5\nNK,2,9\n", errors.ValuesError, r"largest value is 14\.5.*looks logged"),
        ("B\n", errors.InputFileError, "needed: labels"),
        ("", errors.InputFileError, "sorted.csv"),
    ],
)
def test_read_profiles__refuses_what_is_no_table_of_profiles(
    tmp_path: pathlib.Path, content: str, error: type[Exception], told: str
) -> None:
    (tmp_path / "sorted.csv").write_text(content)
    with pytest.raises(error, match=told) as raised:
        sorted_cells.read_profiles(tmp_path / "sorted.csv", ["B", "NK"])
    assert "\n" not in str(raised.value)


def test_read_profiles__names_a_missing_file(tmp_path: pathlib.Path) -> None:
    with pytest.raises(errors.MissingInputError, match="no such file"):
        sorted_cells.read_profiles(tmp_path / "sorted.csv", ["B"])


def test_run__sorted_cells_stand_beside_the_mean_prediction(tmp_path: pathlib.Path) -> None:
    known = stores.draw(40, 2)
    results = stores.write_results(tmp_path / "results.zarr", known)
    model = stores.write_model(tmp_path / "model", stores.draw(100, 1, "train"))
    frame = pd.DataFrame(known.proportion, index=known.samples, columns=stores.CELL_TYPES)
    frame.to_csv(tmp_path / "truth.csv", index_label="sample")
    kept = [*stores.GENES[5:30], "other"]
    measured = np.random.default_rng(0).gamma(1, 300, size=(2, 26))
    table(measured, ["NK", "B"], kept).to_csv(tmp_path / "sorted.csv")
    options = evaluate.Options(model=model, profiles=tmp_path / "sorted.csv")
    out = tmp_path / "out"
    found = evaluate.run(results, tmp_path / "truth.csv", out, options)
    section = found.sections["sorted_cells"]
    assert isinstance(section, mean_profiles.MeanProfiles)
    assert section.genes == stores.GENES[5:30]
    stored: Any = zarr.open_group(results, mode="r")
    predicted = np.nanmean(stored["profile"][:].astype(float), axis=0)[[0, 2], 5:30]
    np.testing.assert_allclose(section.predictors["model"], predicted, atol=1e-5)
    truth = np.log2(1 + measured[::-1, :25])
    np.testing.assert_allclose(section.truth, truth)
    scores = found.as_dict()["sorted_cells"]["scores"]
    assert scores["model"]["B"]["r"] == pytest.approx(
        scipy.stats.pearsonr(predicted[0], truth[0]).statistic, abs=1e-5
    )
    # Of two types, what is beyond their mean is half of their difference.
    expected = scipy.stats.pearsonr(predicted[0] - predicted[1], truth[0] - truth[1]).statistic
    for cell_type in ("B", "NK"):
        assert scores["model"][cell_type]["specific_r"] == pytest.approx(expected, abs=1e-5)
    assert list(scores) == ["model", "training mean"]
    assert "profiles: 1 cell types of the results alone: Mono" in found.notes
    written = pd.read_csv(out / "evaluation_sorted_cells.csv")
    assert list(written.columns) == ["cell_type", "gene", "true", "model", "training mean"]
    assert (out / "evaluation_sorted_cells.png").read_bytes().startswith(b"\x89PNG")
    assert "mean profiles against sorted.csv: 25 genes, across genes" in found.as_text()


def test_run__refuses_sorted_cells_of_other_genes(tmp_path: pathlib.Path) -> None:
    known = stores.draw(10, 2)
    results = stores.write_results(tmp_path / "results.zarr", known)
    truth = stores.write_truth(tmp_path / "truth.zarr", known)
    table([[1, 99], [2, 99]], ["NK", "B"], ["g0", "other"]).to_csv(tmp_path / "sorted.csv")
    options = evaluate.Options(profiles=tmp_path / "sorted.csv")
    with pytest.raises(errors.LabelMismatchError, match=r"shares 1 genes .* needed: 10"):
        evaluate.run(results, truth, tmp_path / "out", options)


def test_marker_order__by_type_highest_above_the_mean_first() -> None:
    profiles = np.array([[9.0, 1.0, 5.0, 2.0], [1.0, 7.0, 1.0, 2.0]])
    # Beyond the mean: the first type +4, -3, +2, 0; the second the opposite.
    np.testing.assert_array_equal(mean_profiles.marker_order(profiles, 4), [0, 2, 1])
    np.testing.assert_array_equal(mean_profiles.marker_order(profiles, 2), [0, 1])


def test_specific__a_type_without_a_profile_is_left_out_of_the_mean() -> None:
    profiles = np.array([[1.0, 4.0], [np.nan, np.nan], [3.0, 0.0]])
    found = mean_profiles.specific(profiles)
    np.testing.assert_allclose(found, np.array([[-1, 2], [np.nan, np.nan], [1, -2]]))


def test_pooled__each_sample_has_one_weight() -> None:
    means = group_means.GroupMeans(
        ["B", "NK"],
        ["g0"],
        np.array([[3, 0], [1, 2]]),
        {"truth": np.array([[[2.0], [np.nan]], [[6.0], [5.0]]])},
    )
    pooled = means.pooled()
    # By hand: (3 x 2 + 1 x 6) / 4, and 5 from the second group alone.
    np.testing.assert_allclose(pooled.means["truth"], [[[3.0], [5.0]]])
    np.testing.assert_array_equal(pooled.n_samples, [[4, 2]])


def test_of_truth__types_without_samples_are_told() -> None:
    profiles = np.array([[[1.0, 2.0], [np.nan, np.nan]]])
    means = group_means.GroupMeans(
        ["B", "NK"], ["g0", "g1"], np.array([[3, 0]]), {"truth": profiles, "model": profiles}
    )
    found = mean_profiles.of_truth(means, None)
    assert found is not None
    assert found.cell_types == ["B"]
    assert found.notes == ["no mean profile of NK: no sample has enough cells"]


def test_draw__as_many_panels_as_sides_and_types() -> None:
    rng = np.random.default_rng(0)
    names = [f"T{index}" for index in range(7)]
    compared = mean_profiles.MeanProfiles(
        "sorted cells",
        names,
        [f"g{index}" for index in range(400)],
        rng.normal(size=(7, 400)),
        {"model": rng.normal(size=(7, 400)), "training mean": rng.normal(size=(7, 400))},
    )
    figure = profile_figures.draw(compared)
    shown = [axes for axes in figure.axes if axes.get_visible()]
    images = [axes for axes in shown if axes.get_images()]
    drawn: Any = images[0].get_images()[0].get_array()
    assert [axes.get_title(loc="left") for axes in images] == ["true", "model", "training mean"]
    # 300 genes at most, all types.
    assert drawn.shape == (7, 300)
    scatters = [
        axes.get_title(loc="left") for axes in shown if axes.collections and not axes.images
    ]
    assert [name for name in scatters if name] == names
