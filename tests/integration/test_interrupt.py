"""A run that is asked to stop does so, goes on where it stopped, and ends in the same bits."""

import pathlib
import signal
import subprocess
import sys

import pytest
from integration import chores, small

from bluebatch.engine import infer, infer_summary

SETTINGS = infer.InferenceSettings(precision="fp32")
N_SAMPLES = 5 * 1024 + 17
PATIENCE_SECONDS = 300
# The command, which sends itself a signal when its first partition is marked.
STRUCK = """
import os, sys
from bluebatch.cli import main
from bluebatch.run import jobs

left = [int(sys.argv.pop(1))]

def mark(self, part, seconds, whole=jobs.Job.mark):
    whole(self, part, seconds)
    while left:
        os.kill(os.getpid(), left.pop())

jobs.Job.mark = mark
main.main(prog_name="bluebatch")
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    folder = tmp_path_factory.mktemp("interrupt")
    small.write_cohort(folder / "cohort.zarr", N_SAMPLES)
    small.write_model(folder / "model", width=128)
    (folder / "struck.py").write_text(STRUCK)
    run(folder, folder / "whole.zarr")
    return folder


def run(folder: pathlib.Path, out: pathlib.Path) -> infer_summary.Summary:
    options = infer.Options(device="cpu", threads=1)
    return infer.run(folder / "cohort.zarr", folder / "model", out, SETTINGS, options)


def strike(folder: pathlib.Path, out: pathlib.Path, number: signal.Signals) -> tuple[int, str]:
    """Stop a run by a signal after a partition; give the exit code and what was said."""
    command = [
        *(sys.executable, str(folder / "struck.py"), str(int(number))),
        *("infer", str(folder / "cohort.zarr"), "--model", str(folder / "model")),
        *("--out", str(out), "--precision", "fp32", "--device", "cpu", "--threads", "1"),
    ]
    pipe, both = subprocess.PIPE, subprocess.STDOUT
    done = subprocess.run(command, stdout=pipe, stderr=both, text=True, timeout=PATIENCE_SECONDS)
    return done.returncode, done.stdout


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=str)
def test_infer__resumes_to_the_same_bits(
    folder: pathlib.Path, tmp_path: pathlib.Path, number: signal.Signals
) -> None:
    out = tmp_path / "out.zarr"
    code, said = strike(folder, out, number)
    assert code == 3, said
    assert "interrupted" in said
    assert "Traceback" not in said
    summary = run(folder, out)
    assert summary.state == "resumed"
    assert 1 <= summary.n_skipped < summary.n_partitions == 6
    assert chores.contents(out) == chores.contents(folder / "whole.zarr")
