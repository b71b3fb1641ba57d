"""Claims: one process a partition, told by name, and freed however the process ends."""

import errno
import fcntl
import os
import pathlib
import signal
import subprocess
import sys

import pytest
from unit.run import copying

from bluebatch import errors
from bluebatch.run import claims, partition
from bluebatch.store import places

HOLD = """
import pathlib, sys, time
from bluebatch.run import claims
with claims.held(pathlib.Path(sys.argv[1]), [1]):
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def job(tmp_path: pathlib.Path) -> partition.Job:
    return copying.begin(tmp_path / "out.zarr")


def test_held__a_second_claimant_is_told_by_name_until_the_first_is_killed(
    job: partition.Job,
) -> None:
    slurm = {"SLURM_JOB_ID": "78", "SLURM_ARRAY_JOB_ID": "77", "SLURM_ARRAY_TASK_ID": "1"}
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(job.path)],
        env={**os.environ, **slurm},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        with job.claim(job.partitions()[:1]):
            pass  # another partition is free
        with pytest.raises(errors.ClaimedError) as told, job.claim(job.partitions()):
            pass
        host = os.uname().nodename
        holder = f"process {process.pid} on {host}, Slurm job 77_1. Wait for it, or stop it"
        assert f"{job.path}: partition 1 is being written by {holder}" in str(told.value)
        assert told.value.exit_code == 3
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    with job.claim(job.partitions()):
        pass


def test_held__within_one_process_as_well(job: partition.Job) -> None:
    with job.claim(job.partitions()):
        with pytest.raises(errors.ClaimedError, match=f"process {os.getpid()} on "):
            job.claim(job.partitions()[1:]).__enter__()
        # Whoever was refused takes nothing along that the holder has.
        with pytest.raises(errors.ClaimedError):
            job.claim(job.partitions()[1:]).__enter__()
    with job.claim(job.partitions()):
        pass


def test_held__a_claim_that_is_refused_lets_go_of_what_it_had(job: partition.Job) -> None:
    first, last = job.partitions()
    with job.claim([last]):
        with pytest.raises(errors.ClaimedError, match="partition 1"), job.claim([first, last]):
            pass
        with job.claim([first]):
            pass


def test_held__thousands_of_partitions_hold_one_file_open(tmp_path: pathlib.Path) -> None:
    store = tmp_path / "out.zarr"
    (tmp_path / "out.zarr.run").mkdir()
    before = len(os.listdir("/proc/self/fd"))
    with claims.held(store, range(3000)):
        assert len(os.listdir("/proc/self/fd")) == before + 1


def test_held__a_file_system_without_locks_is_gone_on_with(
    job: partition.Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "fcntl", refuse)
    with job.claim(job.partitions()), job.claim(job.partitions()):
        pass


def test_held__at_a_url_there_are_no_locks() -> None:
    with claims.held(places.place("memory://claims/out.zarr"), [0]):
        pass


def test_refuse_held__nothing_is_held_where_nothing_lies(tmp_path: pathlib.Path) -> None:
    claims.refuse_held(tmp_path / "out.zarr")
    assert not (tmp_path / "out.zarr.run").exists()


def test_claim__gives_what_nobody_has_finished_meanwhile(job: partition.Job) -> None:
    first, last = pending = job.pending()
    copying.fill(job, first)
    job.mark(first, seconds=1)
    with job.claim(pending) as missing:
        assert missing == [last]
    chunk = job.path / "expression" / "c" / "0" / "0"
    copying.flip(chunk, at=0)
    with job.claim(pending) as missing:
        assert missing == [last]
    with job.claim(pending, deep=True) as missing:
        assert missing == [first, last]
