"""Every checksum is read again, and what is wrong is named."""

import json
import pathlib

import pytest
import zarr
from unit.run import copying

from bluebatch import errors
from bluebatch.run import partition, verify
from bluebatch.store import places, write


@pytest.fixture
def path(tmp_path: pathlib.Path) -> pathlib.Path:
    copying.complete(tmp_path / "out.zarr")
    return tmp_path / "out.zarr"


def without_plan(path: pathlib.Path) -> pathlib.Path:
    """Make it a store as `ingest` leaves it, or a copy of one."""
    places.remove(write.run_folder(path))
    return path


def test_run__a_whole_store(path: pathlib.Path) -> None:
    verdict = verify.run(path)
    # 1,100 rows in chunks of 256, of two arrays, and the labels of two axes.
    assert (verdict.n_chunks, verdict.n_partitions, verdict.exit_code) == (12, 2, 0)
    assert verdict.n_bytes > 1100 * (2 * 4 + 8)
    assert verdict.as_text() == f"{path}: whole (12 chunks, 0.0 MB read)"


def test_run__a_rotten_chunk_names_its_partition_and_what_mends_it(path: pathlib.Path) -> None:
    copying.flip(path / "expression" / "c" / "4" / "0", at=9)
    verdict = verify.run(path)
    assert verdict.faults == {1: "expression/c/4/0 does not match its checksum"}
    assert (verdict.damaged, verdict.exit_code) == ([], 3)
    assert verdict.as_text().splitlines()[1:] == [
        "  partition 1: expression/c/4/0 does not match its checksum",
        f"  bluebatch infer-partition {path} --partition 1",
        f"  bluebatch infer-finalise {path}",
    ]
    job = partition.load_job(path)
    (part,) = job.unfinished(job.partitions(), deep=True)
    copying.fill(job, part)
    job.mark(part, seconds=1)
    assert verify.run(path).exit_code == 0


def test_run__an_unfinished_store_names_what_is_missing(tmp_path: pathlib.Path) -> None:
    job = copying.begin(tmp_path / "out.zarr")
    copying.fill(job, job.partitions()[0])
    job.mark(job.partitions()[0], seconds=1)
    verdict = verify.run(tmp_path / "out.zarr")
    assert (verdict.faults, verdict.exit_code) == ({1: "has no marker"}, 3)


@pytest.mark.parametrize("name", ["sample/c/0", "sample/zarr.json", "expression/zarr.json"])
@pytest.mark.parametrize("harm", ["gone", "flipped"])
@pytest.mark.parametrize("plan", [True, False])
def test_run__what_no_partition_writes_cannot_be_mended_by_one(
    path: pathlib.Path, name: str, harm: str, plan: bool
) -> None:
    if harm == "gone":
        (path / name).unlink()
    else:
        copying.flip(path / name, at=(path / name).stat().st_size // 2)
    verdict = verify.run(path if plan else without_plan(path))
    assert (verdict.damaged, verdict.faults, verdict.exit_code) == ([name], {}, 1)
    assert f"  {name} is missing or damaged" in verdict.as_text()
    assert "copy the store again, or make it again" in verdict.as_text()


@pytest.mark.parametrize("harm", ["gone", "flipped", "cut", "emptied"])
def test_run__a_store_without_a_plan_names_the_chunk(path: pathlib.Path, harm: str) -> None:
    chunk = without_plan(path) / "library_size" / "c" / "2"
    assert verify.run(path).exit_code == 0
    if harm == "gone":
        chunk.unlink()
    elif harm == "flipped":
        copying.flip(chunk, at=100)
    else:
        chunk.write_bytes(chunk.read_bytes()[:100] if harm == "cut" else b"")
    verdict = verify.run(path)
    assert (verdict.damaged, verdict.exit_code) == (["library_size/c/2"], 1)


def test_run__what_a_killed_task_left_half_written_is_no_fault(path: pathlib.Path) -> None:
    (path / "library_size" / "c" / f"2.{'0' * 32}.partial").write_bytes(b"half")
    assert verify.run(path).exit_code == 0
    assert verify.run(without_plan(path)).exit_code == 0


def test_run__a_torn_note_of_what_was_created_is_told(path: pathlib.Path) -> None:
    (write.run_folder(path) / "created.json").write_text("{")
    assert verify.run(path).damaged == ["created.json"]


def test_run__the_store_of_another_maker_is_refused(tmp_path: pathlib.Path) -> None:
    zarr.create_group(str(tmp_path / "other.zarr"))
    with pytest.raises(errors.ForeignStoreError, match="of another maker"):
        verify.run(tmp_path / "other.zarr")
    with pytest.raises(errors.MissingInputError, match="nothing is there"):
        verify.run(tmp_path / "no.zarr")


def test_run__metadata_that_cannot_be_read_is_told(tmp_path: pathlib.Path) -> None:
    # Before a store is complete, its arrays are described in their own files alone.
    copying.begin(tmp_path / "out.zarr")
    (tmp_path / "out.zarr" / "expression" / "zarr.json").write_text('{"shape": ')
    with pytest.raises(errors.ForeignStoreError, match="the metadata of an array is damaged"):
        verify.run(tmp_path / "out.zarr")


def test_verdict__as_json_values() -> None:
    verdict = verify.Verdict("o.zarr", "infer", 3, {2: "has no marker"}, [], 9, 10)
    assert json.loads(json.dumps(verdict.as_dict()))["exit_code"] == 3
