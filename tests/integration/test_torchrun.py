"""Training under torchrun: several processes learn what one does, and end together."""

import os
import pathlib
import signal
import subprocess
import sys
import time

import psutil
import pytest
import safetensors.torch
import torch
from unit.engine import pseudobulks

from bluebatch.engine import checkpoint, train
from bluebatch.store import model_folder

# 195 training rows: four batches of 48 and one of 3, too few for three processes.
N_SAMPLES, SPLITS = 260, (0.75, 0.9)
N_STEPS = 20
PATIENCE_SECONDS = 300
CONFIG = """
[model]
width = 32
channels = 2
depth = 2
hidden = [16, 8]
share_surprise = false

[[model.members]]
input = "zscore"

[anchor]
n_components = 8

[training]
epochs = 4
batch = 48
precision = "fp32"
"""
TROUBLE = """
import sys, time
from bluebatch import errors
from bluebatch.cli import main
from bluebatch.engine import distributed, steps

trouble = sys.argv.pop(1)

def begin(self, epoch, *key, whole=steps.Stepper.begin):
    if epoch == 2 and trouble == "wait":
        time.sleep(600)
    if epoch == 2 and trouble == "fail" and distributed.rank() == 1:
        raise errors.ValuesError("the second process is ill")
    return whole(self, epoch, *key)

steps.Stepper.begin = begin
main.main(prog_name="bluebatch")
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    folder = tmp_path_factory.mktemp("torchrun")
    pseudobulks.write_store(folder / "s.zarr", N_SAMPLES, SPLITS)
    for out in ("model", "stopped", "failed"):
        (folder / f"{out}.toml").write_text(CONFIG)
    (folder / "killed.toml").write_text(f"{CONFIG}micro_batches = 4\n")
    (folder / "trouble.py").write_text(TROUBLE)
    return folder


def start(
    folder: pathlib.Path, out: str, n_processes: int, *arguments: str, trouble: str = ""
) -> subprocess.Popen[str]:
    program = [str(folder / "trouble.py"), trouble] if trouble else ["-m", "bluebatch"]
    command = [
        *(sys.executable, "-m", "torch.distributed.run", "--standalone"),
        *("--nproc-per-node", str(n_processes), *program),
        *("train", str(folder / "s.zarr"), "--out", str(folder / out)),
        *("--config", str(folder / f"{out}.toml"), "--device", "cpu", "--threads", "1"),
        *arguments,
    ]
    pipe = subprocess.PIPE
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=environment)


def finish(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    """Give the exit code, and what was said on stdout and on stderr."""
    try:
        said, told = process.communicate(timeout=PATIENCE_SECONDS)
    finally:
        process.kill()
        process.wait()
    return process.returncode, said, told


def weights(folder: pathlib.Path) -> dict[str, torch.Tensor]:
    (file,) = folder.glob("member_*.safetensors")
    return safetensors.torch.load_file(file)


def one_process(folder: pathlib.Path, n_parts: int) -> pathlib.Path:
    out = folder / f"one-{n_parts}"
    settings = pseudobulks.settings(epochs=4, batch=48, micro_batches=n_parts)
    members = settings.model.members[:1]
    settings = settings.model_copy(
        update={"model": settings.model.model_copy(update={"members": members})}
    )
    train.run(folder / "s.zarr", out, settings, train.Options(device="cpu", threads=1))
    return out


def until_epoch(out: pathlib.Path, process: subprocess.Popen[str], n_epochs: int) -> None:
    """Wait for a checkpoint of so many finished epochs."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    file = out / checkpoint.FOLDER / checkpoint.FILE
    while process.poll() is None and time.monotonic() < deadline:
        if file.exists():
            with safetensors.safe_open(file, framework="pt") as handle:
                if f'"epoch": {n_epochs}' in handle.metadata()["state"]:
                    return
        time.sleep(0.02)
    process.kill()
    raise AssertionError(process.communicate())


def test_train__several_processes_agree_with_one(folder: pathlib.Path) -> None:
    # Two would add up to the same in either order; three tell whether rounding grows.
    code, said, told = finish(start(folder, "model", 3))
    assert code == 0, told
    ours, theirs = folder / "model", one_process(folder, 3)
    found = weights(ours)
    for name, value in weights(theirs).items():
        difference = (found.pop(name).double() - value.double()).abs().max().item()
        assert difference <= 1e-6, name
        if name.endswith("num_batches_tracked"):
            assert value.item() == N_STEPS
    assert not found
    # One model, made of the same plan, and one voice.
    assert {file.name for file in ours.iterdir()} == {file.name for file in theirs.iterdir()}
    cards = [model_folder.read_card(path) for path in (ours, theirs)]
    assert cards[0].made_from["run_id"] == cards[1].made_from["run_id"]
    assert cards[0].settings == cards[1].settings
    assert said.count("1 networks in") == 1
    assert told.count("micro_batches = 3") == 1
    assert told.count("member 1: validation loss") == 1
    assert "Warning" not in told


def test_train__a_killed_torchrun_resumes_to_the_same_bits(folder: pathlib.Path) -> None:
    process = start(folder, "killed", 2, trouble="wait")
    until_epoch(folder / "killed", process, 2)
    ours = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    _, _, told = finish(process)
    # Left to themselves its processes would go on, and write what those of the next one write.
    _, alive = psutil.wait_procs(ours, timeout=PATIENCE_SECONDS)
    assert not alive
    assert told.count("interrupted") == 1, told
    code, said, told = finish(start(folder, "killed", 2, "--resume"))
    assert code == 0, told
    assert "(resumed)" in said
    # Each process took two parts of the four.
    expected = weights(one_process(folder, 4))
    for name, value in weights(folder / "killed").items():
        assert torch.equal(value, expected[name]), name


def test_train__sigterm_is_told_once(folder: pathlib.Path) -> None:
    process = start(folder, "stopped", 2, trouble="wait")
    until_epoch(folder / "stopped", process, 2)
    process.send_signal(signal.SIGTERM)
    code, said, told = finish(process)
    assert code != 0
    assert not said
    assert told.count("add --resume to the same command") == 1, told


def test_train__a_process_that_fails_ends_all_with_one_line(folder: pathlib.Path) -> None:
    code, said, told = finish(start(folder, "failed", 2, trouble="fail"))
    assert code == 1
    assert not said
    lines = [line for line in told.splitlines() if line.startswith(("Error", "interrupted"))]
    assert lines == ["Error: the second process is ill"], told
