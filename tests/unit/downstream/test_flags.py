import json
import pathlib
from typing import Any

import numpy as np
import pytest
import zarr
from unit.downstream import stores

from bluebatch.downstream import flags
from bluebatch.store import read

DISTANCES = np.array([0.5, 1.0, 3.0, np.nan, 2.0], np.float32)
MISSING = np.array([0.1, 0.2, 0.3, np.nan, 1.5], np.float32)
LIMITS: dict[str, Any] = {
    "domain_distance": {"limit": 1.0, "calibrated_on": "9 samples", "expected": 0.01},
    "missing_type": {"limit": 1.0, "calibrated_on": "9 samples", "expected": 0.01},
}


def result(path: pathlib.Path, **limits: Any) -> read.Store:
    known = stores.draw(5, seed=1)
    stores.write_results(path, known, domain_distance=DISTANCES, missing_type=MISSING)
    zarr.open_group(path, mode="r+").attrs["flag_limits"] = limits
    return read.open_store(path, "profile")


def test_summarise__above_the_limit_is_flagged_largest_first(tmp_path: pathlib.Path) -> None:
    found = flags.summarise(result(tmp_path / "r.zarr", **LIMITS))
    distance, missing = found.flags
    # By hand: 3 and 2 are above 1; 1 is at the limit; NaN is not judged.
    assert distance.samples == ["test-000002", "test-000004"]
    assert distance.n_judged == 4
    assert distance.share == pytest.approx(2 / 4)
    assert distance.median == pytest.approx((1 + 2) / 2)
    assert missing.samples == ["test-000004"]
    assert found.flagged == ["test-000002", "test-000004"]
    assert found.n_samples == 5


def test_summarise__a_limit_on_the_reconstruction_error_is_used(tmp_path: pathlib.Path) -> None:
    # The errors of this store are all 0.
    found = flags.summarise(result(tmp_path / "r.zarr", reconstruction_error={"limit": -1.0}))
    assert [flag.name for flag in found.flags] == ["reconstruction_error"]
    assert len(found.flagged) == 5
    assert np.isnan(found.flags[0].expected)


def test_summarise__without_limits_nothing_is_judged(tmp_path: pathlib.Path) -> None:
    found = flags.summarise(result(tmp_path / "r.zarr"))
    assert found.flags == ()
    assert "none" in found.as_text()


def test_summarise__an_array_that_is_not_there_is_left_out(tmp_path: pathlib.Path) -> None:
    path = stores.write_results(tmp_path / "r.zarr", stores.draw(5, seed=1))
    zarr.open_group(path, mode="r+").attrs["flag_limits"] = LIMITS
    assert flags.summarise(read.open_store(path)).flags == ()


def test_summary__text_and_json_say_the_same(tmp_path: pathlib.Path) -> None:
    found = flags.summarise(result(tmp_path / "r.zarr", **LIMITS))
    lines = found.as_text().splitlines()
    assert lines[0] == "flags: 2 of 5 samples"
    assert lines[1].startswith("  domain_distance: 2 of 4 above 1, unlike the training samples")
    content = json.loads(json.dumps(found.as_dict(), allow_nan=False))
    assert content["flags"]["missing_type"]["samples"] == ["test-000004"]
    assert content["flags"]["missing_type"]["share"] == pytest.approx(1 / 4)


def test_summary__a_missing_type_on_another_platform_is_doubted(tmp_path: pathlib.Path) -> None:
    # Only the last sample is above both limits: 2.0 and 1.5.
    found = flags.summarise(result(tmp_path / "both.zarr", **LIMITS))
    assert found.n_doubtful == 1
    assert found.as_text().endswith("are unlike the training samples too: there it says little")
    alone = flags.summarise(result(tmp_path / "one.zarr", missing_type=LIMITS["missing_type"]))
    assert alone.n_doubtful == 0
    assert "too" not in alone.as_text()
