"""Stores, models and markers at URLs, in the memory of the process: no disk, and no renaming."""

import json
import pathlib
import warnings

import numpy as np
import pytest
import upath
import xarray as xr
import zarr
from fsspec.implementations import memory

from bluebatch import errors
from bluebatch.store import (
    digests,
    ingest,
    inspection,
    model_folder,
    outputs,
    places,
    read,
    schema,
    write,
)

N_SAMPLES = 300
LABELS = {"sample": [f"s{at}" for at in range(N_SAMPLES)], "gene": ["ACTB", "GAPDH", "B2M"]}
VALUES = np.arange(N_SAMPLES * 3, dtype=np.float32).reshape(N_SAMPLES, 3)


def write_cohort(path: str | places.Place) -> zarr.Group:
    attributes = {"unit": "TPM", "origin": "bulk"}
    group = write.create(path, schema.COHORT, LABELS, attributes, leave_out=["patient"])
    for rows in (slice(0, 256), slice(256, 300)):
        write.write(group, "expression", rows, VALUES[rows])
    write.write_whole(group, "library_size", VALUES.sum(axis=1))
    write.complete(group)
    return group


def at(url: str) -> upath.UPath:
    found = places.place(url)
    assert isinstance(found, upath.UPath)
    return found


def test_open_store__reads_what_was_written(elsewhere: str) -> None:
    write_cohort(f"{elsewhere}/c.zarr")
    store = read.open_store(f"{elsewhere}/c.zarr", "cohort")
    assert store.path == "memory://shelf/c.zarr"
    assert store.labels == LABELS
    assert np.array_equal(store.read("expression", slice(250, 260)), VALUES[250:260])


def test_open_store__nothing_there(elsewhere: str) -> None:
    with pytest.raises(errors.MissingInputError, match=r"none\.zarr: nothing is there"):
        read.open_store(f"{elsewhere}/none.zarr")


def test_open_store__a_folder_of_other_files(elsewhere: str) -> None:
    at(f"{elsewhere}/x/notes.txt").write_text("x")
    with pytest.raises(errors.ForeignStoreError, match="not a Zarr group"):
        read.open_store(f"{elsewhere}/x")


def test_open_store__a_lost_chunk_is_told(elsewhere: str) -> None:
    write_cohort(f"{elsewhere}/c.zarr")
    at(f"{elsewhere}/c.zarr/expression/c/1/0").unlink()
    with pytest.raises(errors.ForeignStoreError, match="'expression' has 1 of its 2 chunks"):
        read.open_store(f"{elsewhere}/c.zarr")


def test_open_store__a_damaged_chunk_is_told(elsewhere: str) -> None:
    write_cohort(f"{elsewhere}/c.zarr")
    chunk = at(f"{elsewhere}/c.zarr/expression/c/0/0")
    content = bytearray(chunk.read_bytes())
    content[100] ^= 1
    chunk.write_bytes(bytes(content))
    store = read.open_store(f"{elsewhere}/c.zarr")
    with pytest.raises(errors.ForeignStoreError, match="damaged chunk"):
        store.read("expression")


def test_open_store__lists_the_place_once(elsewhere: str, monkeypatch: pytest.MonkeyPatch) -> None:
    write_cohort(f"{elsewhere}/c.zarr")
    listed = []
    find = memory.MemoryFileSystem.find

    def counted(self: memory.MemoryFileSystem, path: str, **options: object) -> object:
        listed.append(path)
        return find(self, path, **options)

    monkeypatch.setattr(memory.MemoryFileSystem, "find", counted)
    read.open_store(f"{elsewhere}/c.zarr")
    assert listed == ["/shelf/c.zarr/"]


def test_complete__opens_with_plain_xarray_without_a_warning(elsewhere: str) -> None:
    write_cohort(f"{elsewhere}/c.zarr")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = xr.open_zarr(f"{elsewhere}/c.zarr", storage_options={})
    # By hand: row 299 holds 897, 898, 899.
    assert float(found["expression"].sel(sample="s299", gene="B2M")) == 899


def test_clear__removes_store_and_run_folder_alone(elsewhere: str) -> None:
    write_cohort(f"{elsewhere}/c.zarr")
    at(f"{elsewhere}/c.zarr.run/plan.json").write_text("{}")
    at(f"{elsewhere}/c.zarr2/x").write_text("x")
    write.clear(f"{elsewhere}/c.zarr")
    write.clear(f"{elsewhere}/c.zarr")
    assert places.sizes(places.place(elsewhere)) == {"c.zarr2/x": 1}


def test_clear__what_is_left_of_a_killed_one_is_no_store(
    elsewhere: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_cohort(f"{elsewhere}/c.zarr")

    remove = places.remove

    def killed(path: places.Place) -> None:
        if path.name == "c.zarr":
            raise KeyboardInterrupt
        remove(path)

    monkeypatch.setattr(places, "remove", killed)
    with pytest.raises(KeyboardInterrupt):
        write.clear(f"{elsewhere}/c.zarr")
    assert at(f"{elsewhere}/c.zarr").exists()
    with pytest.raises(errors.ForeignStoreError, match="not a Zarr group"):
        read.open_store(f"{elsewhere}/c.zarr")


def test_whole_file__goes_in_one_piece_when_it_is_whole(elsewhere: str) -> None:
    file = at(f"{elsewhere}/c.zarr.run/p0.json")
    with outputs.whole_file(file) as temporary:
        assert temporary.read_bytes() == b""
        temporary.write_text("{}")
        assert not file.exists()
    assert file.read_text() == "{}"


def test_whole_file__nothing_is_left_of_one_that_was_not_finished(elsewhere: str) -> None:
    file = at(f"{elsewhere}/p0.json")
    with pytest.raises(ZeroDivisionError), outputs.whole_file(file) as temporary:
        temporary.write_text(str(1 / 0))
    assert not file.exists()


def test_whole_file__other_bytes_than_were_sent_are_told(
    elsewhere: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def torn(self: memory.MemoryFileSystem, local: str, path: str, **options: object) -> None:
        self.pipe_file(path, pathlib.Path(local).read_bytes()[:-1] + b"?")

    monkeypatch.setattr(memory.MemoryFileSystem, "put_file", torn)
    with (
        pytest.raises(errors.UnreachableError, match=r"p0\.json: is not as it was written"),
        outputs.whole_file(at(f"{elsewhere}/p0.json")) as temporary,
    ):
        temporary.write_text("{}")


def test_whole_file__a_bucket_that_is_not_there_is_told(
    elsewhere: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(*args: object, **options: object) -> None:
        raise FileNotFoundError("The specified bucket does not exist")

    monkeypatch.setattr(memory.MemoryFileSystem, "put_file", missing)
    with (
        pytest.raises(errors.UnreachableError, match=r"bucket does not exist\)\. Make the bucket"),
        outputs.whole_file(at(f"{elsewhere}/p0.json")) as temporary,
    ):
        temporary.write_text("{}")


def test_check__a_whole_bucket_is_refused() -> None:
    with pytest.raises(errors.OutputExistsError, match="is a whole bucket"):
        outputs.check("memory://", [], overwrite=True)


def test_check__inputs_are_compared_as_urls(elsewhere: str) -> None:
    write_cohort(f"{elsewhere}/c.zarr")
    for out in ("c.zarr", "c.zarr/", "c.zarr/within", ""):
        with pytest.raises(errors.OutputExistsError, match="is, holds or lies in the input"):
            outputs.check(f"{elsewhere}/{out}", [f"{elsewhere}/c.zarr"], overwrite=False)
    outputs.check(f"{elsewhere}/d.zarr", [f"{elsewhere}/c.zarr", "c.zarr"], overwrite=True)


def test_check__folders_of_other_files_are_not_replaced(elsewhere: str) -> None:
    at(f"{elsewhere}/x/thesis.tex").write_text("x")
    with pytest.raises(errors.OutputExistsError, match=r"thesis\.tex"):
        outputs.check(f"{elsewhere}/x", [], overwrite=True)
    write_cohort(f"{elsewhere}/c.zarr")
    outputs.check(f"{elsewhere}/c.zarr", [], overwrite=True)


def test_ingest__a_table_on_a_disk_becomes_the_same_store(
    tmp_path: pathlib.Path, elsewhere: str
) -> None:
    lines = ["gene,s1,s2", "ACTB,100,50", "GAPDH,7,3", "B2M,0,9"]
    (tmp_path / "t.csv").write_text("\n".join(lines) + "\n")
    summary = ingest.run(tmp_path / "t.csv", f"{elsewhere}/c.zarr")
    ingest.run(tmp_path / "t.csv", tmp_path / "c.zarr")
    assert summary.path == "memory://shelf/c.zarr"
    assert digests.of_store(f"{elsewhere}/c.zarr") == digests.of_store(tmp_path / "c.zarr")
    assert ingest.run(tmp_path / "t.csv", f"{elsewhere}/c.zarr").state == "complete"
    (tmp_path / "t.csv").write_text("\n".join(lines[:-1]) + "\n")
    with pytest.raises(errors.OutputExistsError, match="this run did not make"):
        ingest.run(tmp_path / "t.csv", f"{elsewhere}/c.zarr")
    again = ingest.run(
        tmp_path / "t.csv", f"{elsewhere}/c.zarr", ingest.IngestOptions(overwrite=True)
    )
    assert again.n_genes == 2
    assert list(places.sizes(places.place(elsewhere))) == [
        f"c.zarr/{name}" for name in sorted(places.sizes(places.place(f"{elsewhere}/c.zarr")))
    ]


def test_ingest__a_table_elsewhere_is_refused(elsewhere: str) -> None:
    at(f"{elsewhere}/t.csv").write_text("gene,s1\nACTB,1\n")
    with pytest.raises(errors.InputFileError, match="Copy the table to this machine first"):
        ingest.run(f"{elsewhere}/t.csv", f"{elsewhere}/c.zarr")


def test_write_card__gives_back_what_was_written(elsewhere: str) -> None:
    card = model_folder.Card(
        kind="unmix",
        labels={"gene": ["ACTB"]},
        units={},
        settings={},
        made_from={},
        facts={},
        scores={},
        members=[{"file": "member_0.safetensors"}],
    )
    folder = f"{elsewhere}/model"
    with pytest.raises(errors.MissingInputError, match="no finished model"):
        model_folder.read_card(folder)
    model_folder.write_card(folder, card, {"skill": np.array([0.5], np.float32)})
    assert model_folder.read_card(folder) == card
    assert model_folder.read_arrays(folder)["skill"].tolist() == [0.5]
    found = inspection.inspect(folder)
    assert found.kind == "model"
    assert found.attributes["missing_weights"] == ["member_0.safetensors"]
    at(f"{folder}/{model_folder.ARRAYS_FILE}").unlink()
    with pytest.raises(errors.ForeignStoreError, match="cannot be read"):
        model_folder.read_arrays(folder)


def test_inspect__a_store_and_its_missing_partitions(elsewhere: str) -> None:
    write_cohort(f"{elsewhere}/c.zarr")
    plan = {"run_id": "abc", "n_rows": 300, "partition_rows": 100}
    run = write.run_folder(f"{elsewhere}/c.zarr")
    (run / "plan.json").write_text(json.dumps(plan))
    (run / "p1.json").write_text(json.dumps({"run_id": "abc"}))
    found = inspection.inspect(f"{elsewhere}/c.zarr")
    assert (found.kind, found.n_partitions, found.missing_partitions) == ("cohort", 3, [0, 2])
    sizes = {array["name"]: array["bytes"] for array in found.arrays}
    # Two chunks, each of 256 x 3 float32 and a checksum of 4 bytes, and the metadata.
    metadata = len(at(f"{elsewhere}/c.zarr/expression/zarr.json").read_bytes())
    assert sizes["expression"] == 2 * (256 * 3 * 4 + 4) + metadata
    with pytest.raises(errors.MissingInputError, match="nothing is there"):
        inspection.inspect(f"{elsewhere}/none")
