"""A run that is asked to stop does so, goes on where it stopped, and ends in the same bits."""

import pathlib
import signal
import subprocess
import sys
import time

import pytest
from integration import small

from bluebatch.engine import infer, infer_summary
from bluebatch.store import read

SETTINGS = infer.InferenceSettings(precision="fp32")
N_SAMPLES = 5 * 1024 + 17
PATIENCE_SECONDS = 120


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    folder = tmp_path_factory.mktemp("interrupt")
    small.write_cohort(folder / "cohort.zarr", N_SAMPLES)
    # Wide enough for the run to last well beyond its first partition.
    small.write_model(folder / "model", width=512)
    run(folder, folder / "whole.zarr")
    return folder


def run(folder: pathlib.Path, out: pathlib.Path) -> infer_summary.Summary:
    options = infer.Options(device="cpu", threads=1)
    return infer.run(folder / "cohort.zarr", folder / "model", out, SETTINGS, options)


def start(folder: pathlib.Path, out: pathlib.Path) -> subprocess.Popen[str]:
    command = [
        *(sys.executable, "-m", "bluebatch", "infer", str(folder / "cohort.zarr")),
        *("--model", str(folder / "model"), "--out", str(out)),
        *("--precision", "fp32", "--device", "cpu", "--threads", "1"),
    ]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def stop_after_a_partition(
    process: subprocess.Popen[str], out: pathlib.Path, number: signal.Signals
) -> tuple[int, str]:
    """Send a signal once a partition is marked; give the exit code and what was said."""
    marks = out.with_name(f"{out.name}.run")
    try:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while process.poll() is None and not list(marks.glob("p[0-9]*.json")):
            assert time.monotonic() < deadline, "no partition was ever marked"
            time.sleep(0.002)
        process.send_signal(number)
        said, _ = process.communicate(timeout=PATIENCE_SECONDS)
    finally:
        process.kill()
        process.wait()
    return process.returncode, said


def contents(path: pathlib.Path) -> dict[str, bytes]:
    store = read.open_store(path)
    return {spec.name: store.read(spec.name).tobytes() for spec in store.spec.arrays}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=str)
def test_infer__resumes_to_the_same_bits(
    folder: pathlib.Path, tmp_path: pathlib.Path, number: signal.Signals
) -> None:
    out = tmp_path / "out.zarr"
    code, said = stop_after_a_partition(start(folder, out), out, number)
    assert code == 3, said
    assert "interrupted" in said
    assert "Traceback" not in said
    summary = run(folder, out)
    assert summary.state == "resumed"
    assert 1 <= summary.n_skipped < summary.n_partitions == 6
    assert contents(out) == contents(folder / "whole.zarr")
