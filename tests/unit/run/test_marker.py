"""Markers: what they vouch for, and every way in which they may no longer."""

import json
import pathlib
from collections.abc import Callable

import pytest
from unit.run import copying

from bluebatch.run import chunks, marker, partition


def test_mark__names_each_chunk_with_its_checksum(tmp_path: pathlib.Path) -> None:
    job = copying.begin(tmp_path / "out.zarr")
    last = job.partitions()[1]
    copying.fill(job, last)
    job.mark(last, seconds=1.5)
    content = json.loads(job.ledger.file(1).read_text())
    # 256 samples a chunk: rows 1024-1100 are the fifth; 2 genes of 4 bytes, 8 a library, crc 4.
    sizes = {name: int(mark.split(":")[0]) for name, mark in content["chunks"].items()}
    assert sizes == {"expression/c/4/0": 256 * 2 * 4 + 4, "library_size/c/4": 256 * 8 + 4}
    assert content["rows"] == [1024, 1100]


@pytest.fixture
def job(tmp_path: pathlib.Path) -> partition.Job:
    return copying.complete(tmp_path / "out.zarr")


def rewrite(job: partition.Job, **changes: object) -> None:
    file = job.ledger.file(1)
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


CHUNK = "library_size/c/4"
SHALLOW: dict[str, tuple[Callable[[partition.Job], object], str]] = {
    "no marker": (lambda job: job.ledger.file(1).unlink(), "has no marker"),
    "cut short": (lambda job: job.ledger.file(1).write_text('{"run_id": "'), "its marker is torn"),
    "empty": (lambda job: job.ledger.file(1).write_text(""), "its marker is torn"),
    "no object": (lambda job: job.ledger.file(1).write_text("[]"), "its marker is torn"),
    "another run": (lambda job: rewrite(job, run_id="x"), "its marker is of another run"),
    "other rows": (lambda job: rewrite(job, rows=[0, 1]), "its marker is of other rows or chunks"),
    "other chunks": (lambda job: rewrite(job, chunks={}), "its marker is of other rows or chunks"),
    "chunk gone": (lambda job: (job.path / CHUNK).unlink(), f"{CHUNK} is missing"),
    "chunk cut": (
        lambda job: (job.path / CHUNK).write_bytes(b"torn"),
        f"{CHUNK} has 4 bytes, not 2052",
    ),
}


@pytest.mark.parametrize("name", SHALLOW)
def test_faults__each_is_told_by_name(job: partition.Job, name: str) -> None:
    harm, told = SHALLOW[name]
    harm(job)
    assert job.ledger.faults(job.partitions()) == {1: told}


def test_faults__a_rotten_byte_is_found_by_reading_deep(job: partition.Job) -> None:
    # In the middle: the chunk's length and last bytes stay.
    copying.flip(job.path / "expression" / "c" / "1" / "0", at=700)
    assert job.ledger.faults(job.partitions()) == {}
    told = {0: "expression/c/1/0 does not match its checksum"}
    assert job.ledger.faults(job.partitions(), deep=True) == told
    assert [part.number for part in job.unfinished(job.partitions(), deep=True)] == [0]


def test_faults__a_whole_chunk_of_other_values_is_found_by_reading_deep(
    job: partition.Job,
) -> None:
    # Its own checksum is right; the marker's is another.
    copying.fill(job, job.partitions()[1], value=3)
    assert set(job.ledger.faults(job.partitions(), deep=True)) == {1}


def test_faults__steps_by_the_chunks_that_were_read(job: partition.Job) -> None:
    steps: list[int] = []
    job.ledger.faults(job.partitions(), deep=True, step=steps.append)
    # 1,024 rows in chunks of 256, of two arrays.
    assert steps == [8, 2]


def test_ledger__tables_as_long_as_the_rows_are_no_partitions(tmp_path: pathlib.Path) -> None:
    # Two samples and two genes: the labels of the genes have the samples' length.
    path = tmp_path / "out.zarr"
    job = partition.open_job(path, copying.plan(n_rows=2), copying.creator(path, n_rows=2))
    assert job.ledger.chunks(job.partitions()[0]) == ["expression/c/0/0", "library_size/c/0"]


def test_tidy__removes_what_was_half_written_of_its_own_partition(job: partition.Job) -> None:
    own = job.path / "library_size" / "c" / f"4.{'0' * 32}.partial"
    other = own.with_name(f"1.{'0' * 32}.partial")
    left = job.ledger.folder / ".p1.json.77.tmp"
    for file in (own, other, left):
        file.write_bytes(b"half")
    job.ledger.tidy(job.partitions()[1])
    assert (own.exists(), other.exists(), left.exists()) == (False, True, False)
    assert job.ledger.faults(job.partitions(), deep=True) == {}


def test_names__every_chunk_of_some_rows(job: partition.Job) -> None:
    array = job.ledger.arrays["expression"]
    assert chunks.names("expression", array, slice(256, 513)) == [
        "expression/c/1/0",
        "expression/c/2/0",
    ]
    assert len(chunks.names("expression", array)) == 5


def test_write_json__leaves_the_old_file_where_the_disk_is_full(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "p0.json"
    marker.write_json(file, {"old": 1})

    def full(self: pathlib.Path, *args: object) -> int:
        raise OSError(28, "No space left on device", str(self))

    monkeypatch.setattr(pathlib.Path, "write_text", full)
    with pytest.raises(OSError, match="no space left on the disk"):
        marker.write_json(file, {"new": 1})
    assert json.loads(file.read_text()) == {"old": 1}
    assert list(tmp_path.iterdir()) == [file]
