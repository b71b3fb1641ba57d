import json
import pathlib
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
import zarr
from click.testing import CliRunner
from unit.downstream import stores

from bluebatch import errors
from bluebatch.cli import main
from bluebatch.downstream import calibrate
from bluebatch.engine import unmix_intervals
from bluebatch.expression import conformal
from bluebatch.store import model_folder, read

TYPES = stores.CELL_TYPES
FACTORS = {"B": 1.0, "Mono": 2.65, "NK": 0.98}
LEVEL = 0.8


def write_model(folder: pathlib.Path, known: stores.Known) -> pathlib.Path:
    """Write a model of one member that was calibrated on 40 samples."""
    stores.write_model(folder, known)
    card, arrays = model_folder.read_card(folder), model_folder.read_arrays(folder)
    changes: dict[str, Any] = {
        "members": [{"file": "member_0.safetensors"}],
        "made_from": {"run_id": "abc"},
    }
    scores = np.random.default_rng(0).exponential(1, (40, 3))
    arrays[conformal.SCORES] = conformal.calibrate(scores).scores
    model_folder.write_card(folder, card.model_copy(update=changes), arrays)
    (folder / "member_0.safetensors").write_bytes(b"weights")
    return folder


def predict(known: stores.Known, target: str) -> unmix_intervals.Composition:
    """Predict with two members that are a little wrong, each in its way."""
    rng = np.random.default_rng(1)
    right = known.proportion + 0.01
    members = right * np.exp(rng.normal(0, 0.3, (2, *right.shape)))
    members /= members.sum(axis=2, keepdims=True)
    members = members.astype(np.float32)
    given = {"fraction": members.mean(axis=0), "fraction_squared": (members**2).mean(axis=0)}
    return unmix_intervals.compose(given, np.array(list(FACTORS.values())), target)


def write_results(
    path: pathlib.Path, known: stores.Known, model: pathlib.Path, target: str = "rna_fraction"
) -> pathlib.Path:
    """Write what infer writes of these predictions, with intervals."""
    composition = predict(known, target)
    intervals = unmix_intervals.find(model_folder.read_arrays(model), LEVEL, TYPES)
    assert intervals is not None
    ends = intervals.around(composition)
    low, high = ends["proportion_low"], ends["proportion_high"]
    stores.write_results(path, known, proportion_low=low, proportion_high=high)
    group = zarr.open_group(path, mode="r+")
    for name in ("proportion", "rna_fraction"):
        group[name][:] = getattr(composition, name)  # type: ignore[index]
    group.attrs.update(
        {
            "target": target,
            "mrna_factors": FACTORS,
            "level": LEVEL,
            "model_digest": model_folder.digest(model),
        }
    )
    return path


def write_table(path: pathlib.Path, known: stores.Known, **changes: Any) -> pathlib.Path:
    table = pd.DataFrame(known.proportion, columns=TYPES).assign(**changes)
    table.insert(0, "sample", known.samples)
    table.to_csv(path, index=False)
    return path


@pytest.fixture
def known() -> stores.Known:
    return stores.draw(12, seed=5)


@pytest.fixture
def model(tmp_path: pathlib.Path, known: stores.Known) -> pathlib.Path:
    return write_model(tmp_path / "model", known)


def quantile(folder: pathlib.Path, level: float) -> npt.NDArray[Any]:
    return conformal.Calibration(model_folder.read_arrays(folder)[conformal.SCORES]).quantile(level)


@pytest.mark.parametrize("target", ["rna_fraction", "proportion"])
def test_score__is_what_the_members_would_score(
    tmp_path: pathlib.Path, known: stores.Known, model: pathlib.Path, target: str
) -> None:
    store = read.open_store(write_results(tmp_path / "r.zarr", known, model, target))
    rows = np.arange(12)
    found = calibrate.score(store, rows, known.proportion, quantile(model, LEVEL))
    expected = predict(known, target).score(known.proportion)
    np.testing.assert_allclose(found, expected, rtol=2e-3, atol=1e-4)


def test_run__the_intervals_then_hold_these_samples(
    tmp_path: pathlib.Path, known: stores.Known, model: pathlib.Path
) -> None:
    results = write_results(tmp_path / "r.zarr", known, model)
    table = write_table(tmp_path / "t.csv", known)
    found = calibrate.run(results, table, model, tmp_path / "own")
    assert found.n_samples == dict.fromkeys(TYPES, 12)
    scores = predict(known, "rna_fraction").score(known.proportion)
    # (12 + 1) x .8 = 10.4: the eleventh of the twelve.
    np.testing.assert_allclose(
        quantile(tmp_path / "own", LEVEL), np.sort(scores, axis=0)[10], rtol=2e-3
    )
    ratio = quantile(tmp_path / "own", LEVEL) / quantile(model, LEVEL)
    np.testing.assert_allclose(list(found.widths.values()), ratio, atol=1e-3)  # type: ignore[arg-type]
    assert "12 samples of t.csv" in found.as_text()
    assert json.loads(json.dumps(found.as_dict()))["level"] == LEVEL


def test_run__the_copy_is_a_model_of_its_own(
    tmp_path: pathlib.Path, known: stores.Known, model: pathlib.Path
) -> None:
    before = model_folder.digest(model)
    results = write_results(tmp_path / "r.zarr", known, model)
    calibrate.run(results, write_table(tmp_path / "t.csv", known), model, tmp_path / "own")
    assert model_folder.digest(model) == before
    card, old = model_folder.read_card(tmp_path / "own"), model_folder.read_card(model)
    assert card.facts["calibration"] == {"on": "samples of t.csv", "n_samples": 12}
    assert "run_id" not in card.made_from
    assert card.made_from["calibrated_from"]["truth"]["path"] == str(tmp_path / "t.csv")
    assert card.labels == old.labels
    assert (tmp_path / "own" / "member_0.safetensors").read_bytes() == b"weights"
    arrays, kept = model_folder.read_arrays(tmp_path / "own"), model_folder.read_arrays(model)
    assert arrays.keys() == kept.keys()
    for name in kept.keys() - {conformal.SCORES}:
        np.testing.assert_array_equal(arrays[name], kept[name])


def test_run__renormalises_a_truth_with_other_cells(
    tmp_path: pathlib.Path, known: stores.Known, model: pathlib.Path
) -> None:
    results = write_results(tmp_path / "r.zarr", known, model)
    calibrate.run(results, write_table(tmp_path / "t.csv", known), model, tmp_path / "whole")
    halved = {name: known.proportion[:, at] / 2 for at, name in enumerate(TYPES)}
    table = write_table(tmp_path / "half.csv", known, **halved, other=0.5)
    options = calibrate.Options(renormalise=True)
    found = calibrate.run(results, table, model, tmp_path / "half", options)
    np.testing.assert_allclose(
        quantile(tmp_path / "half", LEVEL), quantile(tmp_path / "whole", LEVEL), rtol=1e-5
    )
    assert any("other" in note for note in found.notes)


def test_run__a_type_that_is_not_known_loses_its_interval(
    tmp_path: pathlib.Path, known: stores.Known, model: pathlib.Path
) -> None:
    results = write_results(tmp_path / "r.zarr", known, model)
    table = write_table(tmp_path / "t.csv", known)
    pd.read_csv(table).drop(columns="NK").to_csv(table, index=False)
    found = calibrate.run(results, table, model, tmp_path / "own")
    assert found.n_samples == {"B": 12, "Mono": 12, "NK": 0}
    assert found.widths["NK"] is None
    assert "no intervals for NK: not in the truth" in found.notes
    assert np.isnan(quantile(tmp_path / "own", LEVEL)[2])
    options = calibrate.Options(renormalise=True)
    with pytest.raises(errors.LabelMismatchError, match="lacks the cell types NK"):
        calibrate.run(results, table, model, tmp_path / "other", options)


def test_run__too_few_samples_are_refused_with_their_number(
    tmp_path: pathlib.Path, known: stores.Known, model: pathlib.Path
) -> None:
    results = write_results(tmp_path / "r.zarr", known, model)
    mono = known.proportion[:, 1].copy()
    mono[3:] = np.nan
    table = write_table(tmp_path / "t.csv", known, Mono=mono)
    with pytest.raises(errors.ValuesError, match=r"Mono in 3 samples .* at level 0.8: 4") as raised:
        calibrate.run(results, table, model, tmp_path / "own")
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "own").exists()


def test_run__results_of_another_model_are_refused(
    tmp_path: pathlib.Path, known: stores.Known, model: pathlib.Path
) -> None:
    results = write_results(tmp_path / "r.zarr", known, model)
    other = write_model(tmp_path / "other", stores.draw(12, seed=9))
    table = write_table(tmp_path / "t.csv", known)
    with pytest.raises(errors.LabelMismatchError, match="was not made by"):
        calibrate.run(results, table, other, tmp_path / "own")
    plain = stores.write_results(tmp_path / "plain.zarr", known)
    with pytest.raises(errors.ValuesError, match="holds no intervals"):
        calibrate.run(plain, table, model, tmp_path / "own")


def test_run__nothing_is_written_over(
    tmp_path: pathlib.Path, known: stores.Known, model: pathlib.Path
) -> None:
    results = write_results(tmp_path / "r.zarr", known, model)
    table = write_table(tmp_path / "t.csv", known)
    with pytest.raises(errors.OutputExistsError, match="the input"):
        calibrate.run(results, table, model, model, calibrate.Options(overwrite=True))
    calibrate.run(results, table, model, tmp_path / "own")
    with pytest.raises(errors.OutputExistsError, match="--overwrite"):
        calibrate.run(results, table, model, tmp_path / "own")
    calibrate.run(results, table, model, tmp_path / "own", calibrate.Options(overwrite=True))


def test_command__calibrates_and_tells(
    tmp_path: pathlib.Path, known: stores.Known, model: pathlib.Path
) -> None:
    results = write_results(tmp_path / "r.zarr", known, model)
    table = write_table(tmp_path / "t.csv", known)
    arguments = [str(results), "--truth", str(table), "--model", str(model)]
    out = str(tmp_path / "own")
    told = CliRunner().invoke(main.main, ["calibrate", *arguments, "--out", out])
    assert told.exit_code == 0, told.output
    assert f"{out}: calibrated on 12 samples of t.csv" in told.output
    again = CliRunner().invoke(main.main, ["calibrate", *arguments, "--out", out])
    assert again.exit_code == 1
    assert again.output.startswith("Error: ")
    assert again.output.count("\n") == 1
