"""The scripts of examples/slurm, as they stand, on a real Slurm: two tasks at a time."""

import contextlib
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable

import psutil
import pytest
from integration import jobs, small

from bluebatch.engine import infer
from bluebatch.run import verify

SCRIPTS = pathlib.Path(__file__).parents[2] / "examples" / "slurm"
PATIENCE_SECONDS = 300
# 3 partitions of 1,024 samples, and one of 17.
N_SAMPLES = 3 * 1024 + 17
ACTIVE = {"PENDING", "RUNNING", "COMPLETING", "CONFIGURING", "REQUEUED"}
DONE = ("COMPLETED", "0:0")
SIMULATE = ["--n-samples", "1100", "--keep-types", "A,B", "--seed", "3"]

# bluebatch, but for its last partition, which is never done: however fast the machine, the task is
# not over when its signal comes.
HELD = f"""#!{sys.executable}
import signal
import time
from bluebatch.cli import main
from bluebatch.run import jobs

def mark(self, part, seconds, *, whole=jobs.Job.mark):
    while part.number == 3:
        time.sleep(0.01)
        if signal.getsignal(signal.SIGTERM) is signal.SIG_IGN:  # one has come
            raise KeyboardInterrupt
    whole(self, part, seconds)

jobs.Job.mark = mark
main.main(prog_name="bluebatch")
"""

pytestmark = pytest.mark.slurm


@pytest.fixture(scope="module", autouse=True)
def slurm() -> None:
    if not shutil.which("sbatch"):
        pytest.skip("no Slurm: sbatch is not installed")
    asked = ["sinfo", "-h", "-o", "%T"]
    try:
        found = subprocess.run(asked, capture_output=True, text=True, timeout=15)
    except subprocess.TimeoutExpired:
        pytest.skip("no Slurm: sinfo does not answer within 15 s")
    if not re.search("idle|mix|alloc", found.stdout):
        pytest.skip(f"no Slurm: sinfo says {(found.stdout + found.stderr).strip()[-200:]!r}")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """Inputs, and what one process makes of them."""
    folder = tmp_path_factory.mktemp("slurm")
    small.write_cohort(folder / "cohort.zarr", N_SAMPLES)
    # Wide enough for a task to last beyond its first partition.
    small.write_model(folder / "model", width=512)
    infer.run(
        folder / "cohort.zarr",
        folder / "model",
        folder / "whole.zarr",
        infer.InferenceSettings(precision="fp32"),
        infer.Options(device="cpu", threads=1),
    )
    return folder


def command(*words: object, cwd: pathlib.Path) -> str:
    """Run a command with this Python's bluebatch first on the path, which Slurm passes on."""
    path = f"{pathlib.Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "AT_ONCE": "2"}
    done = subprocess.run(
        [str(word) for word in words], cwd=cwd, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def job_facts(job: str) -> dict[str, str]:
    shown = subprocess.run(
        ["scontrol", "show", "job", job, "-o"], capture_output=True, text=True, check=True
    ).stdout
    return dict(re.findall(r"(\w+)=(\S*)", shown))


def wait(*jobs: str) -> list[tuple[str, str]]:
    """Wait for jobs to end; give the state and exit code of each."""
    until(lambda: all(job_facts(job)["JobState"] not in ACTIVE for job in jobs))
    return [(found["JobState"], found["ExitCode"]) for found in map(job_facts, jobs)]


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < deadline, "Slurm did not come that far"
        time.sleep(0.01)


def task_process(array: str, task: int) -> psutil.Process:
    """Wait for the process of a task, once bluebatch has taken the place of the script."""
    found: list[psutil.Process] = []
    wanted = {"SLURM_ARRAY_JOB_ID": array, "SLURM_ARRAY_TASK_ID": str(task)}

    def look() -> bool:
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                is_infer = "infer-partition" in process.cmdline()
                if is_infer and wanted.items() <= process.environ().items():
                    found.append(process)
        return bool(found)

    until(look)
    return found[0]


def submit(cwd: pathlib.Path, verb: str, *words: object) -> tuple[str, str]:
    """Run submit.sh; give the array's job and the one that completes the store."""
    said = command("bash", SCRIPTS / "submit.sh", verb, *words, cwd=cwd)
    array, finish = re.findall(r"array (\d+) .* job (\d+) ", said)[0]
    return array, finish


def sbatch(cwd: pathlib.Path, *words: object) -> str:
    return command("sbatch", "--parsable", *words, cwd=cwd).strip()


def infer_words(folder: pathlib.Path) -> list[object]:
    return [
        *(folder / "cohort.zarr", "--model", folder / "model", "--out", "out.zarr"),
        *("--precision", "fp32", "--device", "cpu"),
    ]


def test_infer__an_array_of_tasks_writes_what_one_process_writes(
    folder: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    array, finish = submit(tmp_path, "infer", *infer_words(folder))
    tasks = [f"{array}_{number}" for number in range(4)]
    assert wait(*tasks, finish) == [DONE] * 5
    jobs.assert_whole(tmp_path / "out.zarr", folder / "whole.zarr")
    log = (tmp_path / "logs" / f"infer-{array}_3.log").read_text()
    assert "1 of 4 partitions written" in log


def test_simulate__an_array_of_tasks_writes_what_one_process_writes(tmp_path: pathlib.Path) -> None:
    words = ["--reference", small.write_reference(tmp_path / "cells.h5ad"), *SIMULATE]
    array, finish = submit(tmp_path, "simulate", *words, "--out", "out.zarr")
    command("bluebatch", "simulate", *words, "--out", "whole.zarr", cwd=tmp_path)
    assert wait(f"{array}_0", f"{array}_1", finish) == [DONE] * 3
    jobs.assert_whole(tmp_path / "out.zarr", tmp_path / "whole.zarr")


def test_infer__a_killed_task_is_named_and_done_again_alone(
    folder: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    array, finish = submit(tmp_path, "infer", *infer_words(folder))
    task_process(array, 1).kill()
    assert wait(*(f"{array}_{number}" for number in (0, 2, 3))) == [DONE] * 3
    assert wait(f"{array}_1") == [("FAILED", "0:9")]
    # The dependent job ran all the same, named what is missing, and left with 3.
    assert wait(finish) == [("FAILED", "3:0")]
    log = (tmp_path / "logs" / f"finalise-{finish}.log").read_text()
    assert "1 of 4 partitions are missing or not whole (1: has no marker)" in log
    # Not `scontrol requeue`: Slurm keeps what is requeued waiting for two minutes.
    again = sbatch(tmp_path, "--array=1", SCRIPTS / "infer_array.sh", "out.zarr")
    finish = sbatch(
        tmp_path, f"--dependency=afterany:{again}", SCRIPTS / "finalise.sh", "infer", "out.zarr"
    )
    assert wait(f"{again}_1", finish) == [DONE, DONE]
    jobs.assert_whole(tmp_path / "out.zarr", folder / "whole.zarr")


def test_infer__a_task_warned_of_its_limit_stops_and_can_be_resumed(
    folder: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    out = tmp_path / "out.zarr"
    command("bluebatch", "infer-init", *infer_words(folder), "--per-task", "4", cwd=tmp_path)
    script = SCRIPTS / "infer_array.sh"
    held = tmp_path / "held" / "bluebatch"
    held.parent.mkdir()
    held.write_text(HELD)
    held.chmod(0o755)
    path = f"--export=ALL,PATH={held.parent}:{os.environ['PATH']}"
    array = sbatch(tmp_path, path, "--array=0-0", script, "out.zarr")
    until((out.with_name("out.zarr.run") / "p0.json").exists)
    # What --signal=B:TERM@120 sends two minutes before the limit.
    command("scancel", "--batch", "--signal=TERM", f"{array}_0", cwd=tmp_path)
    assert wait(f"{array}_0") == [("FAILED", "3:0")]
    log = (tmp_path / f"infer-{array}_0.log").read_text()
    assert "interrupted: run the same command again" in log
    assert "Traceback" not in log
    left = len(verify.run(out).faults)
    assert 1 <= left <= 3
    again = sbatch(tmp_path, "--array=0-0", script, "out.zarr")
    assert wait(f"{again}_0") == [DONE]
    said = (tmp_path / f"infer-{again}_0.log").read_text()
    assert f"{left} of 4 partitions written, {4 - left} skipped as finished before" in said
    command("bluebatch", "infer-finalise", "out.zarr", cwd=tmp_path)
    jobs.assert_whole(out, folder / "whole.zarr")
