import json
import pathlib

import pytest
from fsspec.implementations import memory
from unit.run import copying

from bluebatch import errors
from bluebatch.run import partition
from bluebatch.store import digests, read


def test_partitions__hold_at_most_1024_rows(tmp_path: pathlib.Path) -> None:
    job = copying.begin(tmp_path / "out.zarr")
    assert [part.rows for part in job.partitions()] == [slice(0, 1024), slice(1024, 1100)]
    assert (job.state, job.n_skipped) == ("new", 0)


def test_open_job__resumes_at_the_partitions_without_marker(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "out.zarr"
    job = copying.begin(path)
    first, last = job.partitions()
    copying.fill(job, first)
    copying.fill(job, last)
    job.mark(last, seconds=1)
    again = copying.begin(path)
    # The chunks of the first partition are there, but nothing vouches for them.
    assert (again.state, again.n_skipped, again.pending()) == ("resumed", 1, [first])
    with pytest.raises(
        errors.IncompleteError,
        match=r"1 of 2 partitions .* whole \(0: has no marker\)",
    ):
        again.finalise()
    again.mark(first, seconds=1)
    again.finalise()
    assert read.open_store(path).attributes["status"] == "complete"
    done = copying.begin(path)
    assert (done.state, done.pending()) == ("complete", [])


def test_open_job__a_chunk_that_lost_bytes_is_done_again(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "out.zarr"
    job = copying.begin(path)
    last = job.partitions()[1]
    copying.fill(job, last)
    job.mark(last, seconds=1)
    (path / "library_size" / "c" / "4").write_bytes(b"torn")
    assert copying.begin(path).n_skipped == 0


def test_open_job__refuses_what_another_plan_made(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "out.zarr"
    copying.begin(path)
    with pytest.raises(errors.OutputExistsError, match="Choose another --out"):
        partition.open_job(path, copying.plan(seed=1), copying.creator(path))
    job = partition.open_job(path, copying.plan(seed=1), copying.creator(path), overwrite=True)
    assert job.state == "new"


def test_open_job__names_the_input_that_changed(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "out.zarr"
    job = copying.begin(path)
    with pytest.raises(errors.ChangedInputError, match="read another table than is given now"):
        partition.open_job(path, copying.plan(digest="b"), copying.creator(path))
    for part in job.partitions():
        copying.fill(job, part)
        job.mark(part, seconds=1)
    job.finalise()
    # A finished store is a result of its own, not half of this one.
    with pytest.raises(errors.OutputExistsError):
        partition.open_job(path, copying.plan(digest="b"), copying.creator(path))


@pytest.mark.parametrize("what", ["file", "folder"])
def test_open_job__keeps_what_is_not_ours(tmp_path: pathlib.Path, what: str) -> None:
    path = tmp_path / "out.zarr"
    if what == "file":
        path.write_text("mine")
    else:
        (path / "mine").mkdir(parents=True)
    with pytest.raises(errors.OutputExistsError):
        copying.begin(path)
    assert path.exists()
    assert not (tmp_path / "out.zarr.run").exists()
    assert copying.begin(path, overwrite=True).state == "new"


def test_open_job__starts_anew_where_creation_was_cut_short(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "out.zarr"

    def die_half_way() -> None:
        copying.creator(path)()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        partition.open_job(path, copying.plan(), die_half_way)
    assert path.exists()
    assert copying.begin(path).state == "new"


def test_open_job__a_finished_store_that_lost_a_chunk_is_gone_on_with(
    tmp_path: pathlib.Path,
) -> None:
    path = tmp_path / "out.zarr"
    copying.complete(path)
    (path / "expression" / "c" / "4" / "0").unlink()
    assert partition.look(path, copying.plan()) == "resumed"
    job = copying.begin(path)
    assert (job.state, job.n_skipped) == ("resumed", 1)
    assert [part.number for part in job.pending()] == [1]


def test_open_job__a_plan_that_moved_its_inputs_is_brought_up_to_date(
    tmp_path: pathlib.Path,
) -> None:
    path = tmp_path / "out.zarr"
    copying.begin(path)
    moved = copying.plan().model_copy(update={"sources": {"table": "/elsewhere"}, "per_task": 2})
    assert partition.open_job(path, moved, copying.creator(path)).state == "resumed"
    assert partition.Plan.load(path) == moved


def test_open_job__does_not_clear_away_what_another_process_writes(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "out.zarr"
    job = copying.begin(path)
    with job.claim(job.partitions()[1:]), pytest.raises(errors.ClaimedError, match="partition 1"):
        copying.begin(path, overwrite=True)
    assert copying.begin(path, overwrite=True).state == "new"


def test_load_job__needs_a_run_that_was_begun_whole(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "out.zarr"
    with pytest.raises(errors.MissingInputError, match="no run was begun there"):
        partition.load_job(path)
    copying.begin(path)
    assert partition.load_job(path).state == "resumed"
    (tmp_path / "out.zarr.run" / "created.json").unlink()
    with pytest.raises(errors.ForeignStoreError, match="was not begun whole"):
        partition.load_job(path)


@pytest.mark.parametrize("what", ["_open", "cat_file"], ids=["plan", "store"])
def test_look__a_place_that_refuses_is_not_taken_for_another_run(
    monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    path = f"memory://refusing-{what}/out.zarr"
    copying.begin(path)

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError("Forbidden")

    monkeypatch.setattr(memory.MemoryFileSystem, what, refuse)
    with pytest.raises(errors.UnreachableError, match=r"out\.zarr: permission denied"):
        partition.look(path, copying.plan())


def test_plan__a_torn_file_is_named(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "out.zarr"
    copying.begin(path)
    file = tmp_path / "out.zarr.run" / "plan.json"
    file.write_text(file.read_text()[:50])
    with pytest.raises(errors.ForeignStoreError, match=r"plan\.json: is no plan of a run"):
        partition.Plan.load(path)


def test_plan__only_what_changes_the_result_is_in_its_name() -> None:
    plan = copying.plan()
    moved = plan.model_copy(update={"sources": {"table": "/x"}, "per_task": 3})
    assert moved.run_id == plan.run_id
    for change in ({"seed": 1}, {"digest": "b"}, {"n_rows": 1101}):
        assert copying.plan(**change).run_id != plan.run_id


def test_finalise__names_what_is_missing_and_the_command_that_does_it(
    tmp_path: pathlib.Path,
) -> None:
    path = tmp_path / "out.zarr"
    plan = copying.plan(n_rows=14 * 1024)
    job = partition.open_job(path, plan, copying.creator(path, 14 * 1024))
    copying.fill(job, job.partitions()[2])
    job.mark(job.partitions()[2], seconds=1)
    with pytest.raises(errors.IncompleteError) as told:
        job.finalise()
    message = str(told.value)
    assert "13 of 14 partitions are missing or not whole (0: has no marker; 1: has" in message
    # Ten reasons, then the rest in the command alone.
    assert message.count("has no marker") == 10
    assert f"`bluebatch infer-partition {path} --partition 0-1,3-13`" in message
    assert read.open_group(path).attrs["status"] == "writing"


def test_finalise__tells_of_partitions_by_different_versions(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "out.zarr"
    job = copying.begin(path)
    for part in job.partitions():
        copying.fill(job, part)
        job.mark(part, seconds=1)
    file = job.ledger.file(1)
    marker = json.loads(file.read_text())
    numpy = marker["versions"]["numpy"]
    marker["versions"]["numpy"] = "1.0"
    file.write_text(json.dumps(marker))
    (note,) = job.finalise()
    assert f"made by different versions (numpy {' and '.join(sorted(['1.0', numpy]))})" in note
    # Told once, when the store is completed.
    assert partition.load_job(path).finalise() == []


def test_check_rows__names_the_partition_whose_rows_changed(tmp_path: pathlib.Path) -> None:
    copying.complete(tmp_path / "in.zarr")
    source = read.open_store(tmp_path / "in.zarr")
    parts = copying.plan().partitions()
    chain = {"table": digests.of_rows(source, [part.rows for part in parts])}
    path = tmp_path / "out.zarr"
    plan = copying.plan().model_copy(update={"chain": chain})
    job = partition.open_job(path, plan, copying.creator(path))
    job.check_rows("table", source, parts)
    # The second partition's chunk of the input ends in other bytes now.
    copying.flip(tmp_path / "in.zarr" / "library_size" / "c" / "4", at=-1)
    job.check_rows("table", source, parts[:1])
    with pytest.raises(errors.ChangedInputError, match=r"the table is not what .* \(partition 1\)"):
        job.check_rows("table", source, parts)
