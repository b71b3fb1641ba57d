"""Inference holds no more than it was granted, however many samples there are."""

import json
import pathlib
import re
import subprocess
import sys
from typing import NamedTuple

import pytest
from benchmarks import resident, synthetic

pytestmark = pytest.mark.memory

# Profiles of 2,000 samples are 144 MB, of 8,000 samples 576 MB: as much as all else.
N_GENES, N_TYPES = 3000, 6


class Ended(NamedTuple):
    code: int
    answer: str
    complaint: str
    peak_bytes: int


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A small network, and cohorts for it."""
    folder = tmp_path_factory.mktemp("memory")
    synthetic.write_model(folder / "model", N_GENES, N_TYPES, synthetic.SMALL)
    for n_samples in (2000, 8000):
        synthetic.write_cohort(folder / f"{n_samples}.zarr", n_samples, N_GENES)
    return folder


def infer(folder: pathlib.Path, n_samples: int, out: pathlib.Path, budget: str) -> Ended:
    """Run the command as users do, and watch it."""
    command = [sys.executable, "-m", "bluebatch", "infer", str(folder / f"{n_samples}.zarr")]
    command += ["--model", str(folder / "model"), "--out", str(out), "--max-memory", budget]
    command += ["--json", "--quiet", "--threads", "2", "--precision", "fp32"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = subprocess.Popen(command, text=True, **pipes)  # type: ignore[call-overload]
    with resident.sampled(process.pid) as peak:
        answer, complaint = process.communicate()
    return Ended(process.returncode, answer, complaint, peak[0])


def test_infer__peak_is_flat_in_samples_and_below_the_budget(
    folder: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    few = infer(folder, 2000, tmp_path / "few.zarr", "1GB")
    many = infer(folder, 8000, tmp_path / "many.zarr", "1GB")
    assert few.code == many.code == 0
    assert json.loads(many.answer)["n_rows"] == 8000
    assert many.peak_bytes < 1.1 * few.peak_bytes
    assert few.peak_bytes < 1e9
    assert many.peak_bytes < 1e9
    # What the command says of itself is what is seen from outside.
    assert json.loads(many.answer)["peak_memory_bytes"] == pytest.approx(many.peak_bytes, rel=0.1)


def test_infer__a_budget_below_one_block_is_refused_and_the_number_given_will_do(
    folder: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    refused = infer(folder, 2000, tmp_path / "out.zarr", "300MB")
    assert refused.code == 1
    assert list(tmp_path.iterdir()) == []
    found = re.search(r"Give at least --max-memory ([0-9.]+)GB", refused.complaint)
    assert found is not None, refused.complaint
    assert refused.complaint.strip().count("\n") == 0
    # The imports of another process may differ by a megabyte.
    enough = float(found[1]) + 0.02
    done = infer(folder, 2000, tmp_path / "out.zarr", f"{enough:.2f}GB")
    assert done.code == 0, done.complaint
    assert done.peak_bytes < 1e9 * enough
