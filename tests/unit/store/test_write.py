import errno
import os
import pathlib
import warnings

import numpy as np
import pytest
import xarray as xr
import zarr

from bluebatch import errors
from bluebatch.store import schema, write

N_SAMPLES = 300
GENES = ["ACTB", "GAPDH", "B2M"]
LABELS = {"sample": [f"s{at}" for at in range(N_SAMPLES)], "gene": GENES}


def empty(path: pathlib.Path) -> zarr.Group:
    return write.create(path, schema.COHORT, LABELS, {"unit": "TPM"}, leave_out=["patient"])


def test_complete__opens_with_plain_xarray_without_a_warning(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "cohort.zarr"
    group = empty(path)
    values = np.arange(N_SAMPLES * 3, dtype=np.float32).reshape(N_SAMPLES, 3)
    for rows in (slice(0, 256), slice(256, 300)):
        write.write(group, "expression", rows, values[rows])
    write.write_whole(group, "library_size", values.sum(axis=1))
    write.complete(group, {"note": "done"})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = xr.open_zarr(path)
    assert found.sizes == {"sample": 300, "gene": 3}
    assert found.attrs["status"] == "complete"
    assert found.attrs["note"] == "done"
    # By hand: row 299 holds 897, 898, 899.
    assert float(found["expression"].sel(sample="s299", gene="B2M")) == 899
    assert float(found["library_size"].sel(sample="s299")) == 897 + 898 + 899


def test_create__is_unfinished_and_empty(tmp_path: pathlib.Path) -> None:
    group = empty(tmp_path / "cohort.zarr")
    assert group.attrs["status"] == "writing"
    assert group.attrs["format_version"] == schema.FORMAT_VERSION
    assert "patient" not in group


@pytest.mark.parametrize("rows", [slice(0, 100), slice(1, 256), slice(100, 300)])
def test_write__unaligned_rows_are_refused(tmp_path: pathlib.Path, rows: slice) -> None:
    group = empty(tmp_path / "cohort.zarr")
    with pytest.raises(ValueError, match="share a chunk"):
        write.write(group, "expression", rows, np.zeros((rows.stop - rows.start, 3)))


def test_write__a_full_disk_is_told_and_keeps_what_is_there(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    group = empty(tmp_path / "cohort.zarr")
    write.write(group, "expression", slice(0, 256), np.ones((256, 3)))

    def full(*args: object, **kwargs: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(zarr.Array, "__setitem__", full)
    with pytest.raises(errors.DiskFullError, match="run the same command again"):
        write.write(group, "expression", slice(256, 300), np.ones((44, 3)))
    monkeypatch.undo()
    array = group["expression"]
    assert isinstance(array, zarr.Array)
    assert np.asarray(array[:256]).sum() == 768


def test_room_on_disk__other_errors_pass() -> None:
    with pytest.raises(PermissionError), write.room_on_disk("x"):
        raise PermissionError(errno.EACCES, "no")


def test_clear__removes_store_and_run_folder(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "cohort.zarr"
    empty(path)
    write.run_folder(path).mkdir()
    write.clear(path)
    assert list(tmp_path.iterdir()) == []
    write.clear(path)


def test_clear__removes_a_file(tmp_path: pathlib.Path) -> None:
    (tmp_path / "x").write_text("x")
    write.clear(tmp_path / "x")
    assert list(tmp_path.iterdir()) == []


def test_create__codec_zstd_round_trips(tmp_path: pathlib.Path) -> None:
    group = write.create(
        tmp_path / "c.zarr", schema.COHORT, LABELS, {}, leave_out=["patient"], codec="zstd"
    )
    write.write(group, "expression", slice(0, 256), np.full((256, 3), 7))
    array = zarr.open_group(str(tmp_path / "c.zarr"), mode="r")["expression"]
    assert isinstance(array, zarr.Array)
    assert np.asarray(array[255]).tolist() == [7, 7, 7]
