import json
import pathlib

import numpy as np
import pytest
import zarr

from bluebatch import errors
from bluebatch.store import read, schema, write

LABELS = {"sample": ["s1", "s2", "s3"], "gene": ["ACTB", "GAPDH"]}
VALUES = np.array([[1, 2], [3, 4], [5, 6]], dtype=np.float32)


@pytest.fixture
def path(tmp_path: pathlib.Path) -> pathlib.Path:
    store = tmp_path / "cohort.zarr"
    group = write.create(store, schema.COHORT, LABELS, {"unit": "TPM", "origin": "bulk"})
    write.write(group, "expression", slice(0, 3), VALUES)
    write.write(group, "library_size", slice(0, 3), VALUES.sum(axis=1))
    write.write(group, "patient", slice(0, 3), np.array(["p1", "p1", "p2"], dtype=object))
    write.complete(group)
    return store


def test_open_store__reads_labels_rows_and_text(path: pathlib.Path) -> None:
    store = read.open_store(path, "cohort", "pseudobulk")
    assert store.labels == LABELS
    assert store.n_rows == 3
    assert store.attributes["unit"] == "TPM"
    assert np.array_equal(store.read("expression"), VALUES)
    assert np.array_equal(store.read("expression", slice(1, 2)), VALUES[1:2])
    assert np.array_equal(store.read("expression", np.array([0, 2])), VALUES[[0, 2]])
    assert store.read("patient").tolist() == ["p1", "p1", "p2"]
    assert store.has("patient")
    assert not store.has("profile")


def test_open_store__nothing_there(tmp_path: pathlib.Path) -> None:
    with pytest.raises(errors.MissingInputError, match="nothing is there"):
        read.open_store(tmp_path / "none.zarr")


def test_open_store__a_file_is_no_store(tmp_path: pathlib.Path) -> None:
    (tmp_path / "x.zarr").write_text("x")
    with pytest.raises(errors.ForeignStoreError, match="not a Zarr group"):
        read.open_store(tmp_path / "x.zarr")


def test_open_store__another_kind_is_named(path: pathlib.Path) -> None:
    with pytest.raises(errors.ForeignStoreError, match=r"cohort store, needed: profile"):
        read.open_store(path, "profile")


def test_open_store__a_foreign_zarr_has_no_kind(tmp_path: pathlib.Path) -> None:
    zarr.create_group(str(tmp_path / "x.zarr"))
    with pytest.raises(errors.ForeignStoreError, match="without a kind"):
        read.open_store(tmp_path / "x.zarr")


def test_open_store__another_format_version(path: pathlib.Path) -> None:
    zarr.open_group(str(path), mode="r+", use_consolidated=False).attrs["format_version"] = 99
    with pytest.raises(errors.ForeignStoreError, match="format version 99, needed: 1"):
        read.open_store(path)


def test_open_store__an_unfinished_one_on_request_only(path: pathlib.Path) -> None:
    zarr.open_group(str(path), mode="r+", use_consolidated=False).attrs["status"] = "writing"
    with pytest.raises(errors.IncompleteError, match="unfinished"):
        read.open_store(path)
    assert read.open_store(path, complete=False).n_rows == 3


def test_open_store__other_axes_are_refused(path: pathlib.Path) -> None:
    file = path / "expression" / "zarr.json"
    content = json.loads(file.read_text())
    content["dimension_names"] = ["gene", "sample"]
    file.write_text(json.dumps(content))
    root = json.loads((path / "zarr.json").read_text())
    del root["consolidated_metadata"]
    (path / "zarr.json").write_text(json.dumps(root))
    with pytest.raises(errors.ForeignStoreError, match="axes"):
        read.open_store(path)


def test_read__a_flipped_byte_does_not_pass_the_checksum(path: pathlib.Path) -> None:
    chunk = path / "expression" / "c" / "0" / "0"
    content = bytearray(chunk.read_bytes())
    content[0] ^= 1
    chunk.write_bytes(bytes(content))
    with pytest.raises(ValueError, match="checksum"):
        read.open_store(path).read("expression")
