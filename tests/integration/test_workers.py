"""Dask workers write the bits of one process, also where one of them is lost."""

import functools
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import psutil
import pytest
from integration import chores, small

from bluebatch import errors
from bluebatch.engine import infer
from bluebatch.run import cluster, partition, workers
from bluebatch.store import places

SETTINGS = infer.InferenceSettings(precision="fp32")
# Five partitions of 1,024 samples, and one of 17.
N_SAMPLES = 5 * 1024 + 17
PATIENCE_SECONDS = 300
# The command, whose last partition waits for a file beside the store: however fast the machine,
# the run is not over when a test does something to it. Workers run this file as well.
HELD = """
import time
from bluebatch.cli import main
from bluebatch.run import jobs

def claim(self, parts, *, whole=jobs.Job.claim, **options):
    while parts[-1].number == 5 and not self.path.with_name("go").exists():
        time.sleep(0.01)
    return whole(self, parts, **options)

jobs.Job.claim = claim
if __name__ == "__main__":
    main.main(prog_name="bluebatch")
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """Inputs, and what one process makes of them."""
    folder = tmp_path_factory.mktemp("workers")
    small.write_cohort(folder / "cohort.zarr", N_SAMPLES)
    small.write_model(folder / "model", width=128)
    options = infer.Options(device="cpu", threads=1)
    infer.run(folder / "cohort.zarr", folder / "model", folder / "whole.zarr", SETTINGS, options)
    (folder / "held.py").write_text(HELD)
    return folder


@pytest.fixture(scope="module")
def scheduler() -> Iterator[str]:
    """Address of a scheduler with two workers, processes of their own that stay."""
    with workers.start(2, gpu=False) as client:
        yield client.scheduler_info()["address"]


def fill(
    job: partition.Job, function: Callable[[str, int], dict[str, Any]], scheduler: str
) -> None:
    work = functools.partial(function, str(job.path))
    cluster.spread(job, work, cluster.ClusterOptions(scheduler=scheduler), "samples")


def test_infer__workers_write_the_bits_of_one_process(
    folder: pathlib.Path,
    scheduler: str,
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # The workers have another working directory.
    monkeypatch.chdir(tmp_path)
    options = infer.Options(device="cpu", scheduler=scheduler)
    summary = infer.run(folder / "cohort.zarr", folder / "model", "out.zarr", SETTINGS, options)
    assert (summary.state, summary.n_partitions, summary.n_skipped) == ("new", 6, 0)
    assert chores.contents(tmp_path / "out.zarr") == chores.contents(folder / "whole.zarr")


def start(folder: pathlib.Path, out: pathlib.Path) -> subprocess.Popen[str]:
    command = [
        *(sys.executable, "-W", "error", str(folder / "held.py")),
        *("infer", str(folder / "cohort.zarr")),
        *("--model", str(folder / "model"), "--out", str(out), "--precision", "fp32"),
        *("--device", "cpu", "--cluster", "local", "--workers", "2"),
    ]
    # A session of its own, as in a terminal: Ctrl-C reaches the workers too.
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def wait_for_a_mark(process: subprocess.Popen[str], out: pathlib.Path) -> list[psutil.Process]:
    """Wait until a partition is marked; give the workers."""
    marks = out.with_name(f"{out.name}.run")
    deadline = time.monotonic() + PATIENCE_SECONDS
    while process.poll() is None and not list(marks.glob("p[0-9]*.json")):
        assert time.monotonic() < deadline, "no partition was ever marked"
        time.sleep(0.002)
    children = psutil.Process(process.pid).children(recursive=True)
    return [child for child in children if "spawn_main" in " ".join(child.cmdline())]


def end(process: subprocess.Popen[str]) -> str:
    try:
        said, _ = process.communicate(timeout=PATIENCE_SECONDS)
    finally:
        process.kill()
        process.wait()
    return said


def test_infer__a_killed_worker_of_this_machine_costs_no_bit(
    folder: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    out = tmp_path / "out.zarr"
    process = start(folder, out)
    found = wait_for_a_mark(process, out)
    assert len(found) == 2
    found[0].kill()
    (tmp_path / "go").touch()
    said = end(process)
    assert process.returncode == 0, said
    assert "Traceback" not in said
    assert chores.contents(out) == chores.contents(folder / "whole.zarr")


def test_infer__an_interrupt_ends_the_workers_and_can_be_resumed(
    folder: pathlib.Path, tmp_path: pathlib.Path, scheduler: str
) -> None:
    out = tmp_path / "out.zarr"
    process = start(folder, out)
    found = wait_for_a_mark(process, out)
    for each in (psutil.Process(process.pid), *found):
        each.send_signal(signal.SIGINT)
    said = end(process)
    assert process.returncode == 3, said
    assert said.endswith("interrupted: run the same command again to go on where it stopped\n")
    assert "Traceback" not in said
    psutil.wait_procs(found, timeout=PATIENCE_SECONDS)
    assert not any(each.is_running() for each in found)
    options = infer.Options(device="cpu", scheduler=scheduler)
    summary = infer.run(folder / "cohort.zarr", folder / "model", out, SETTINGS, options)
    assert summary.state == "resumed"
    assert 1 <= summary.n_skipped < summary.n_partitions == 6
    assert chores.contents(out) == chores.contents(folder / "whole.zarr")


def test_spread__the_partition_of_a_lost_worker_is_done_by_another(
    scheduler: str, tmp_path: pathlib.Path
) -> None:
    whole, lost = (chores.begin(tmp_path / name) for name in ("whole.zarr", "lost.zarr"))
    for part in whole.pending():
        chores.fill(str(whole.path), part.number)
    fill(lost, chores.fill_or_die, scheduler)
    assert (tmp_path / "lost.zarr.killed").exists()
    for job in (whole, lost):
        job.finalise()
    assert chores.contents(lost.path) == chores.contents(whole.path)


def test_spread__refuses_workers_that_do_not_see_the_store(scheduler: str) -> None:
    # What lies in the memory of this process is nothing to another.
    job = chores.begin(places.place("memory://workers/store.zarr"))
    with pytest.raises(errors.ResourceError) as caught:
        fill(job, chores.fill, scheduler)
    pattern = (
        r"tcp://127\.0\.0\.1:\d+: this worker does not see memory://workers/store\.zarr "
        r"\((\d) of \1 workers\)\. Put the store where every worker sees it by the same path\."
    )
    assert re.fullmatch(pattern, str(caught.value)), caught.value


def test_spread__a_class_of_error_comes_through_other_processes(
    scheduler: str, tmp_path: pathlib.Path
) -> None:
    job = chores.begin(tmp_path / "store.zarr")
    with pytest.raises(errors.DiskFullError, match=r"partitions 1,3 failed .* no space is left"):
        fill(job, chores.fill_even, scheduler)
    assert [part.number for part in job.pending()] == [1, 3]


@pytest.mark.slurm
def test_infer__jobs_of_a_queue_write_the_bits_of_one_process(
    folder: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    if not shutil.which("sbatch"):
        pytest.skip("no Slurm: sbatch is not installed")
    queue = tmp_path / "queue.toml"
    queue.write_text(f'cores = 1\nmemory = "1GB"\nlog_folder = "{tmp_path}/logs"\n')
    out = tmp_path / "out.zarr"
    command = [
        *(sys.executable, "-m", "bluebatch", "infer", str(folder / "cohort.zarr")),
        *("--model", str(folder / "model"), "--out", str(out), "--precision", "fp32"),
        *("--device", "cpu", "--cluster", "slurm", "--workers", "2"),
        *("--cluster-config", str(queue)),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_SECONDS)
    assert done.returncode == 0, done.stderr
    assert "2 Slurm jobs of 1 cores are submitted" in done.stderr
    assert chores.contents(out) == chores.contents(folder / "whole.zarr")
    # A job has left its output where it was told to; one may have done all before the other began.
    assert 1 <= len(list((tmp_path / "logs").glob("bluebatch-*.err"))) <= 2
    assert wait_for_an_empty_queue() == ""


def wait_for_an_empty_queue() -> str:
    """Give what is left in the queue: cancelled jobs take a moment to end."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        asked = subprocess.run(
            ["squeue", "-h", "-n", "bluebatch"], capture_output=True, text=True, check=True
        )
        if not asked.stdout or time.monotonic() > deadline:
            return asked.stdout
        time.sleep(0.5)
