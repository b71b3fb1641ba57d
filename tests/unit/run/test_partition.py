import json
import pathlib
from collections.abc import Callable

import numpy as np
import pytest

from bluebatch import errors
from bluebatch.run import partition
from bluebatch.store import read, schema, write

N_ROWS = 1100


def plan(digest: str = "a", seed: int = 0) -> partition.Plan:
    return partition.Plan(
        command="copy", settings={"seed": seed}, inputs={"table": digest}, n_rows=N_ROWS
    )


def creator(path: pathlib.Path) -> Callable[[], object]:
    labels = {
        "sample": [f"sample-{index}" for index in range(N_ROWS)],
        "gene": ["CD3D", "CD19"],
    }
    return lambda: write.create(path, schema.COHORT, labels, {}, leave_out=("patient",))


def begin(path: pathlib.Path, *, overwrite: bool = False) -> partition.Job:
    return partition.open_job(path, plan(), creator(path), overwrite=overwrite)


def fill(job: partition.Job, part: partition.Partition) -> None:
    n_rows = part.rows.stop - part.rows.start
    write.write(job.group(), "expression", part.rows, np.ones((n_rows, 2), np.float32))
    write.write(job.group(), "library_size", part.rows, np.full(n_rows, 2.0))


def test_partitions__hold_at_most_1024_rows(tmp_path: pathlib.Path) -> None:
    job = begin(tmp_path / "out.zarr")
    assert [part.rows for part in job.partitions()] == [slice(0, 1024), slice(1024, 1100)]
    assert (job.state, job.n_skipped) == ("new", 0)


def test_open_job__resumes_at_the_partitions_without_marker(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "out.zarr"
    job = begin(path)
    first, last = job.partitions()
    fill(job, first)
    fill(job, last)
    job.mark(last, seconds=1)
    again = begin(path)
    # The chunks of the first partition are there, but nothing vouches for them.
    assert (again.state, again.n_skipped, again.pending()) == ("resumed", 1, [first])
    with pytest.raises(errors.IncompleteError, match="partitions 0 of 2 are missing"):
        again.finalise()
    again.mark(first, seconds=1)
    again.finalise()
    assert read.open_store(path).attributes["status"] == "complete"
    done = begin(path)
    assert (done.state, done.pending()) == ("complete", [])


def test_mark__names_each_chunk_with_its_checksum(tmp_path: pathlib.Path) -> None:
    job = begin(tmp_path / "out.zarr")
    last = job.partitions()[1]
    fill(job, last)
    job.mark(last, seconds=1.5)
    marker = json.loads((tmp_path / "out.zarr.run" / "p1.json").read_text())
    # 256 samples a chunk: rows 1024-1100 are the fifth; 2 genes of 4 bytes, 8 a library, crc 4.
    sizes = {name: size for name, (size, _) in marker["chunks"].items()}
    assert sizes == {"expression/c/4/0": 256 * 2 * 4 + 4, "library_size/c/4": 256 * 8 + 4}
    assert marker["rows"] == [1024, 1100]


def test_open_job__a_chunk_that_lost_bytes_is_done_again(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "out.zarr"
    job = begin(path)
    last = job.partitions()[1]
    fill(job, last)
    job.mark(last, seconds=1)
    (path / "library_size" / "c" / "4").write_bytes(b"torn")
    assert begin(path).n_skipped == 0


def test_open_job__refuses_what_another_plan_made(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "out.zarr"
    begin(path)
    with pytest.raises(errors.OutputExistsError, match="Choose another --out"):
        partition.open_job(path, plan(seed=1), creator(path))
    job = partition.open_job(path, plan(seed=1), creator(path), overwrite=True)
    assert job.state == "new"


def test_open_job__names_the_input_that_changed(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "out.zarr"
    job = begin(path)
    with pytest.raises(errors.ChangedInputError, match="read another table than is given now"):
        partition.open_job(path, plan(digest="b"), creator(path))
    for part in job.partitions():
        fill(job, part)
        job.mark(part, seconds=1)
    job.finalise()
    # A finished store is a result of its own, not half of this one.
    with pytest.raises(errors.OutputExistsError):
        partition.open_job(path, plan(digest="b"), creator(path))


@pytest.mark.parametrize("what", ["file", "folder"])
def test_open_job__keeps_what_is_not_ours(tmp_path: pathlib.Path, what: str) -> None:
    path = tmp_path / "out.zarr"
    if what == "file":
        path.write_text("mine")
    else:
        (path / "mine").mkdir(parents=True)
    with pytest.raises(errors.OutputExistsError):
        begin(path)
    assert path.exists()
    assert not (tmp_path / "out.zarr.run").exists()
    assert begin(path, overwrite=True).state == "new"


def test_open_job__starts_anew_where_creation_was_cut_short(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "out.zarr"

    def die_half_way() -> None:
        creator(path)()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        partition.open_job(path, plan(), die_half_way)
    assert path.exists()
    assert begin(path).state == "new"
