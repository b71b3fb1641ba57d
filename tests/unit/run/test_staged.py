"""Which partitions a task takes, and what is refused."""

import pathlib

import pytest
from unit.run import copying

from bluebatch import errors
from bluebatch.run import partition, staged

N_PARTITIONS = 5


@pytest.fixture
def job(tmp_path: pathlib.Path) -> partition.Job:
    """Five partitions in three tasks: 0-1, 2-3, 4."""
    path, n_rows = tmp_path / "out.zarr", 4 * 1024 + 1
    plan = copying.plan(n_rows=n_rows).model_copy(update={"per_task": 2})
    return partition.open_job(path, plan, copying.creator(path, n_rows))


def chosen(job: partition.Job, *numbers: int, one_based: bool = False) -> list[int]:
    found = staged.choose(job, numbers or None, one_based=one_based)
    return [part.number for part in found]


@pytest.mark.parametrize(("task", "numbers"), [("0", [0, 1]), ("1", [2, 3]), ("2", [4])])
def test_choose__the_partitions_of_the_slurm_task(
    job: partition.Job, monkeypatch: pytest.MonkeyPatch, task: str, numbers: list[int]
) -> None:
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", task)
    assert chosen(job) == numbers
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", str(int(task) + 1))
    assert chosen(job, one_based=True) == numbers


@pytest.mark.parametrize(
    ("task", "one_based", "needed"),
    [("3", False, "needed: 0 to 2"), ("0", True, "needed: 1 to 3"), ("4", True, "1 to 3")],
)
def test_choose__a_task_out_of_range_is_told(
    job: partition.Job,
    monkeypatch: pytest.MonkeyPatch,
    task: str,
    one_based: bool,
    needed: str,
) -> None:
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", task)
    with pytest.raises(errors.ConfigError, match=needed) as told:
        chosen(job, one_based=one_based)
    assert f"SLURM_ARRAY_TASK_ID={task}: out of range" in str(told.value)


def test_choose__numbers_come_before_the_task(
    job: partition.Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "0")
    assert chosen(job, 4, 2, 4) == [4, 2]
    assert chosen(job, 5, 1, one_based=True) == [4, 0]


@pytest.mark.parametrize(("number", "one_based"), [(5, False), (0, True), (6, True)])
def test_choose__a_number_out_of_range_is_told(
    job: partition.Job, number: int, one_based: bool
) -> None:
    first = 1 if one_based else 0
    with pytest.raises(errors.ConfigError) as told:
        chosen(job, 1, number, one_based=one_based)
    needed = f"has 5 partitions, needed: {first} to {4 + first}"
    assert f"--partition {number}: out of range, {job.path} {needed}" in str(told.value)


@pytest.mark.parametrize("value", [None, "", "x"])
def test_choose__neither_numbers_nor_a_task(
    job: partition.Job, monkeypatch: pytest.MonkeyPatch, value: str | None
) -> None:
    monkeypatch.delenv("SLURM_ARRAY_TASK_ID", raising=False)
    if value is not None:
        monkeypatch.setenv("SLURM_ARRAY_TASK_ID", value)
    with pytest.raises(errors.ConfigError, match="SLURM_ARRAY_TASK_ID is not set"):
        chosen(job)


def test_n_tasks__the_last_may_have_fewer(job: partition.Job) -> None:
    assert len(job.partitions()) == N_PARTITIONS
    assert staged.n_tasks(job.plan) == 3


def test_load__the_run_of_another_command_is_told(job: partition.Job) -> None:
    with pytest.raises(errors.ForeignStoreError, match="Use `bluebatch infer-partition`"):
        staged.load(job.path, "simulate")


def test_finalise__completes_what_is_whole(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "out.zarr"
    job = copying.begin(path)
    with pytest.raises(errors.IncompleteError, match="2 of 2 partitions are missing"):
        staged.finalise(path, "infer")
    for part in job.partitions():
        copying.fill(job, part)
        job.mark(part, seconds=1)
    for _ in range(2):  # the second time there is nothing to do
        summary = staged.finalise(path, "infer")
        assert (summary.complete, summary.notes) == (True, ())
        assert summary.as_text() == f"{path}: complete, 2 partitions"


def test_summary__says_what_was_done_and_skipped() -> None:
    summary = staged.StageSummary("out.zarr", [3], [1, 2], 9, False, 2.04, notes=("a note",))
    assert summary.as_text() == (
        "out.zarr: 1 of 9 partitions written, 2 skipped as finished before, 2.0 s\na note"
    )
    assert summary.as_dict()["skipped"] == [1, 2]
