import pathlib
from typing import Any

import numpy as np
import pytest
import zarr
from unit.downstream import stores

from bluebatch import errors
from bluebatch.downstream import evaluate, flagged, intervals, proportions, truth
from bluebatch.store import read


def known_of(path: pathlib.Path, samples: list[str], cell_types: list[str]) -> truth.Truth:
    values = np.full((len(samples), len(cell_types)), 1 / len(cell_types))
    return truth.Truth(str(path), samples, cell_types, values, "")


@pytest.fixture
def results(tmp_path: pathlib.Path) -> read.Store:
    path = stores.write_results(tmp_path / "results.zarr", stores.draw(6, 2, "s"))
    return read.open_store(path, "profile")


def test_match__says_what_is_compared_and_what_is_not(
    results: read.Store, tmp_path: pathlib.Path
) -> None:
    samples = ["s-000004", "extra", "s-000001"]
    known = known_of(tmp_path / "truth.csv", samples, ["NK", "T", "B"])
    found = truth.match(results, known)
    assert found.samples == ["s-000004", "s-000001"]
    assert found.cell_types == ["B", "NK"]
    np.testing.assert_array_equal(found.result_rows, [4, 1])
    np.testing.assert_array_equal(found.truth_types, [2, 0])
    assert found.notes == [
        "1 sample of truth.csv not in results.zarr: extra",
        "4 samples of results.zarr not in truth.csv: s-000000, s-000002, s-000003, s-000005",
        "1 cell type of results.zarr not in truth.csv: Mono",
        "1 cell type of truth.csv not in results.zarr: T",
    ]


def test_match__many_are_counted_and_some_named(
    results: read.Store, tmp_path: pathlib.Path
) -> None:
    samples = ["s-000000", *(f"x{index}" for index in range(1200))]
    found = truth.match(results, known_of(tmp_path / "truth.csv", samples, stores.CELL_TYPES))
    assert "1,200 samples of truth.csv not in results.zarr: x0, x1, x2, x3, x4, ..." in found.notes


def test_match__types_not_asked_for_are_told(results: read.Store, tmp_path: pathlib.Path) -> None:
    known = known_of(tmp_path / "truth.csv", results.labels["sample"], stores.CELL_TYPES)
    found = truth.match(results, known, ["NK"])
    assert found.cell_types == ["NK"]
    assert found.notes == ["not asked for with --cell-types: B, Mono"]


def test_match__other_splits_are_compared_where_the_one_asked_for_is_not_there(
    tmp_path: pathlib.Path,
) -> None:
    known = stores.draw(6, 2)
    path = stores.write_truth(tmp_path / "truth.zarr", known, ["validation"] * 6)
    store = read.open_store(stores.write_results(tmp_path / "results.zarr", known))
    found = truth.match(store, truth.read_truth(path))
    assert len(found.samples) == 6
    assert found.notes == [
        "none of the results' samples is of the test split: all in common are compared"
    ]


def test_match__refuses_samples_and_types_that_share_nothing(
    results: read.Store, tmp_path: pathlib.Path
) -> None:
    path = tmp_path / "truth.csv"
    with pytest.raises(errors.LabelMismatchError, match="none of its 1 samples") as told:
        truth.match(results, known_of(path, ["other"], stores.CELL_TYPES))
    assert "\n" not in str(told.value)
    with pytest.raises(errors.LabelMismatchError, match=r"\(alpha\) share none with"):
        truth.match(results, known_of(path, ["s-000001"], ["alpha"]))


def test_note_sums__says_where_a_part_is_compared_with_a_whole() -> None:
    true, predicted = np.array([[0.3, 0.3], [0.2, 0.4]]), np.array([[0.5, 0.5], [0.9, 0.1]])
    notes = proportions.note_sums({"truth": true, "model": predicted})
    assert len(notes) == 1
    assert notes[0].startswith(
        "the compared types sum to 0.60 of the truth and 1.00 of the results"
    )
    assert not proportions.note_sums({"truth": predicted, "model": predicted})


def test_compare__intervals_are_counted_by_type(tmp_path: pathlib.Path) -> None:
    known = stores.draw(4, 2)
    true = known.proportion
    low, high = true - 0.1, true + 0.1
    low[0, 1] = true[0, 1] + 0.05
    more: Any = {"proportion_low": low, "proportion_high": high}
    path = stores.write_results(tmp_path / "results.zarr", known, **more)
    zarr.open_group(path, mode="r+").attrs["level"] = 0.9
    table = known_of(tmp_path / "truth.csv", known.samples, stores.CELL_TYPES)
    store = read.open_store(path)
    found = intervals.compare(store, truth.match(store, table), true, renormalise=False)
    assert found is not None
    content = found.as_dict()
    assert content["level"] == 0.9
    assert content["per_type"]["Mono"]["coverage"] == pytest.approx(3 / 4)
    assert content["per_type"]["B"]["coverage"] == 1
    assert content["per_type"]["B"]["width"] == pytest.approx(0.2, abs=1e-6)
    # By hand: three types of 1, 3/4 and 1.
    assert content["mean_of_types"]["coverage"] == pytest.approx(11 / 12)
    assert found.as_lines()[0] == "intervals of the proportions, meant to hold 0.9 of the truth"


def test_compare__intervals_are_renormalised_with_the_prediction(tmp_path: pathlib.Path) -> None:
    known = stores.draw(4, 2)
    table = known_of(tmp_path / "truth.csv", known.samples, ["B", "Mono"])
    part = known.proportion[:, :2]
    true = part / part.sum(axis=1, keepdims=True)
    # Without it only the first sample fits, which has no cells of the third type.
    for renormalise, expected in ((True, 1.0), (False, 0.25)):
        wide: Any = {
            "proportion_low": known.proportion - 1e-3,
            "proportion_high": known.proportion + 1e-3,
        }
        path = tmp_path / f"{renormalise}.zarr"
        store = read.open_store(stores.write_results(path, known, **wide))
        both = truth.match(store, table)
        found = intervals.compare(store, both, true, renormalise=renormalise)
        assert found is not None
        assert found.as_dict()["mean_of_types"]["coverage"] == expected


def test_run__flags_are_counted_and_scores_given_without_them(tmp_path: pathlib.Path) -> None:
    known = stores.draw(8, 2)
    wrong = known.proportion.copy()
    wrong[:3] = wrong[:3, ::-1]
    swapped = stores.Known(known.samples, wrong, known.profile, known.expression, known.n_cells)
    distance = np.array([2.0, 1.5, 3.0, 0.5, 0.5, 0.5, 0.5, 1.0])
    path = stores.write_results(tmp_path / "results.zarr", swapped, domain_distance=distance)
    limit: Any = {"limit": 1.0, "calibrated_on": "test", "expected": 0.01}
    zarr.open_group(path, mode="r+").attrs["flag_limits"] = {"domain_distance": limit}
    truth_path = stores.write_truth(tmp_path / "truth.zarr", known)
    found = evaluate.run(path, truth_path, tmp_path / "out")
    section = found.sections["flags"]
    assert isinstance(section, flagged.Flagged)
    assert section.flagged == known.samples[:3]
    content = found.as_dict()["flags"]
    assert content["n_compared"] == 8
    assert content["mean_of_types"]["not flagged"]["l1"] == pytest.approx(0, abs=1e-6)
    expected = np.abs(wrong - known.proportion)[:3].mean()
    assert content["mean_of_types"]["flagged"]["l1"] == pytest.approx(expected, abs=1e-6)
    assert "flags: 3 of 8 samples" in found.as_text()


def test_run__results_without_intervals_and_flags_say_nothing_of_them(
    tmp_path: pathlib.Path,
) -> None:
    known = stores.draw(8, 2)
    path = stores.write_results(tmp_path / "results.zarr", known)
    truth_path = stores.write_truth(tmp_path / "truth.zarr", known)
    found = evaluate.run(path, truth_path, tmp_path / "out")
    assert set(found.sections) == {"mean_profile"}


def test_read_truth__a_table_that_lacks_values_is_refused(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "truth.csv"
    path.write_text("sample\ns1\ns2\n")
    with pytest.raises(errors.InputFileError, match="has 1 columns, needed: samples and one"):
        truth.read_truth(path)
    path.write_text("sample,B\n")
    with pytest.raises(errors.InputFileError, match=r"has no rows, needed: one row a sample"):
        truth.read_truth(path)
    # A line that ends early may be a file that was cut off: unlike an empty field it is no gap.
    path.write_text("sample,B,NK\ns1,,1\ns2,0.5\n")
    with pytest.raises(errors.ValuesError, match="for NK in s2 is no fraction"):
        truth.read_truth(path)
