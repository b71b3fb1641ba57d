import json
import pathlib

import numpy as np
import pytest
import zarr

from bluebatch import errors
from bluebatch.store import inspection, model_folder, schema, write

LABELS = {"sample": [f"s{at}" for at in range(300)], "gene": ["ACTB", "B2M"]}


@pytest.fixture
def path(tmp_path: pathlib.Path) -> pathlib.Path:
    store = tmp_path / "c.zarr"
    attributes = {"unit": "TPM", "origin": "bulk"}
    group = write.create(store, schema.COHORT, LABELS, attributes, leave_out=["patient"])
    write.write(group, "expression", slice(0, 256), np.ones((256, 2)))
    return store


def test_inspect__an_unfinished_store_and_its_missing_partitions(path: pathlib.Path) -> None:
    run = write.run_folder(path)
    run.mkdir()
    plan = {"run_id": "abc", "n_rows": 300, "partition_rows": 100}
    (run / "plan.json").write_text(json.dumps(plan))
    (run / "p0.json").write_text(json.dumps({"run_id": "abc"}))
    (run / "p1.json").write_text(json.dumps({"run_id": "of another plan"}))
    found = inspection.inspect(path)
    assert found.kind == "cohort"
    assert found.status == "writing"
    assert found.n_partitions == 3
    assert found.missing_partitions == [1, 2]
    assert "partitions: 3, missing 2: 1, 2" in found.as_text()


def test_inspect__sizes_chunks_and_bytes(path: pathlib.Path) -> None:
    write.complete(zarr.open_group(str(path), mode="r+"))
    found = inspection.inspect(path)
    assert found.status == "complete"
    assert found.sizes == {"sample": 300, "gene": 2}
    assert found.n_partitions is None
    array = next(array for array in found.arrays if array["name"] == "expression")
    assert array["shape"] == [300, 2]
    assert array["chunks"] == [256, 2]
    assert array["dtype"] == "float32"
    # One chunk of 256 x 2 float32 and its 4 bytes of crc32c, beside the metadata.
    metadata = (path / "expression" / "zarr.json").stat().st_size
    assert array["bytes"] == 256 * 2 * 4 + 4 + metadata
    total = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    assert found.bytes_on_disk == total
    assert found.attributes["unit"] == "TPM"
    assert json.loads(json.dumps(found.as_dict()))["kind"] == "cohort"
    assert "expression (sample, gene): 300 x 2 float32, chunks 256 x 2" in found.as_text()


def test_inspect__a_model_folder(tmp_path: pathlib.Path) -> None:
    card = model_folder.Card(
        kind="unmix",
        labels={"gene": ["ACTB"], "cell_type": ["B", "NK"]},
        units={"profile": "log2(1 + CPM)"},
        settings={},
        made_from={"store": "abc"},
        facts={},
        scores={"ccc": 0.9},
        members=[{"file": "member_0.safetensors"}],
    )
    model_folder.write_card(tmp_path, card, {"skill": np.zeros((2, 1), dtype=np.float32)})
    found = inspection.inspect(tmp_path)
    assert found.status == "lacks weights"
    (tmp_path / "member_0.safetensors").write_bytes(b"x")
    found = inspection.inspect(tmp_path)
    assert found.kind == "model"
    assert found.status == "complete"
    assert found.sizes == {"gene": 1, "cell_type": 2}
    assert found.arrays[0] == {"name": "skill", "shape": [2, 1], "dtype": "float32", "bytes": 8}
    assert 'scores: {"ccc": 0.9}' in found.as_text()


def test_inspect__nothing_or_something_foreign(tmp_path: pathlib.Path) -> None:
    with pytest.raises(errors.MissingInputError):
        inspection.inspect(tmp_path / "none")
    with pytest.raises(errors.ForeignStoreError, match="neither"):
        inspection.inspect(tmp_path)
    (tmp_path / "a.csv").write_text("x")
    with pytest.raises(errors.ForeignStoreError, match="neither"):
        inspection.inspect(tmp_path / "a.csv")
    zarr.create_group(str(tmp_path / "x.zarr"))
    with pytest.raises(errors.ForeignStoreError, match="kind 'unknown'"):
        inspection.inspect(tmp_path / "x.zarr")


def test_inspect__a_folder_of_subtypes_by_its_store(path: pathlib.Path) -> None:
    folder = path.parent / "subtypes"
    folder.mkdir()
    path.rename(folder / "subtypes.zarr")
    assert inspection.inspect(folder).path == str(folder / "subtypes.zarr")
