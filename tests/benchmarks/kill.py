"""Kill jobs at random moments, say the same command again, and compare the ends bit for bit.

Usage: python tests/benchmarks/kill.py [--kills 25] [--training-kills 5] [--seed 0] [--at-once 2]
Each kill is `kill -9` at a moment drawn between the first chunk (the first checkpoint, of training)
and the end of an undisturbed run; a run that ended first is drawn again. Prints a table in
markdown: kills; those after which something was already marked; those after which the store could
not be completed (all but those that fell between the last marker and the end); partitions that the
second run skipped, of all those marked; second runs that ended in the bits of an undisturbed one.
"""

import argparse
import dataclasses
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent import futures

import numpy as np

# What the tests share lies beside this folder, not in it.
sys.path[0] = str(pathlib.Path(__file__).parents[1])

from integration import jobs, killer, small  # noqa: E402

from bluebatch import errors  # noqa: E402
from bluebatch.run import staged  # noqa: E402

N_PARTITIONS = 8
N_ROWS = (N_PARTITIONS - 1) * 1024 + 17
PATIENCE_SECONDS = 300
TRAINING = """
extends = "demo"
[model]
width = 64
hidden = [32]
[anchor]
kind = "none"
[training]
epochs = 8
"""


@dataclasses.dataclass(frozen=True)
class Job:
    """A command that is killed, and what is known of it."""

    name: str
    words: Callable[[pathlib.Path], Sequence[object]]  # of an output path
    begun: Callable[[pathlib.Path], bool]  # whether work at an output path is on its way
    verb: str = ""  # that completes the store; none of a model
    template: pathlib.Path | None = None  # a store that is begun already


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What became of one kill."""

    n_marked: int
    refused: bool
    n_skipped: int
    identical: bool


def start(job: Job, out: pathlib.Path) -> subprocess.Popen[str]:
    """Start the command, with its summary in JSON."""
    words = [sys.executable, "-m", "bluebatch", *map(str, job.words(out)), "--quiet", "--json"]
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def prepare(job: Job, out: pathlib.Path) -> None:
    """Put down what is begun before the command."""
    if job.template is not None:
        for suffix in ("", ".run"):
            shutil.copytree(f"{job.template}{suffix}", f"{out}{suffix}")


def remove(out: pathlib.Path) -> None:
    """Remove a store and what stands beside it."""
    for suffix in ("", ".run"):
        shutil.rmtree(f"{out}{suffix}", ignore_errors=True)


def wait_until_begun(job: Job, out: pathlib.Path, process: subprocess.Popen[str]) -> None:
    """Wait until the work is on its way, or the process ended."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not job.begun(out) and process.poll() is None:
        if time.monotonic() > deadline:
            process.kill()
            raise TimeoutError(f"{job.name}: never began")
        time.sleep(0.002)


def run_whole(job: Job, out: pathlib.Path) -> float:
    """Run undisturbed; give the seconds from the first chunk to the end."""
    prepare(job, out)
    process = start(job, out)
    wait_until_begun(job, out, process)
    begun = time.monotonic()
    said, _ = process.communicate()
    seconds = time.monotonic() - begun
    if process.returncode:
        raise RuntimeError(f"{job.name}: {said}")
    complete(job, out)
    return seconds


def complete(job: Job, out: pathlib.Path) -> None:
    """Complete a store of array tasks; any other is whole by now."""
    if job.template is not None:
        staged.finalise(out, job.verb)


def refuses(job: Job, out: pathlib.Path) -> bool:
    """Tell whether the store of a killed run cannot be completed."""
    try:
        staged.finalise(out, job.verb)
    except errors.IncompleteError:
        return True
    return False


def kill(job: Job, out: pathlib.Path, seconds: float, rng: np.random.Generator) -> None:
    """Kill the command at a random moment between its first chunk and its end."""
    while True:
        prepare(job, out)
        process = start(job, out)
        wait_until_begun(job, out, process)
        time.sleep(rng.uniform(0, seconds))
        process.kill()
        process.communicate()
        if process.returncode != 0:
            return
        remove(out)  # it ended first


def disturb(
    job: Job, out: pathlib.Path, whole: pathlib.Path, seconds: float, rng: np.random.Generator
) -> Outcome:
    """Kill once, resume, compare."""
    kill(job, out, seconds, rng)
    marked = killer.markers(out)
    # Completing it would change what is killed: asked of those alone that lack a partition.
    refused = bool(job.verb) and len(marked) < N_PARTITIONS and refuses(job, out)
    process = start(job, out)
    said, _ = process.communicate()
    if process.returncode:
        raise RuntimeError(f"{job.name}: {said}")
    told = json.loads(said.splitlines()[-1])
    skipped = told.get("n_skipped", len(told.get("skipped", [])))
    kept = killer.markers(out)
    if any(kept[number] != marked[number] for number in marked):
        raise RuntimeError(f"{job.name}: a marked partition was written again")
    complete(job, out)
    identical = contents(out) == contents(whole)
    remove(out)
    return Outcome(len(marked), refused, int(skipped), identical)


def contents(out: pathlib.Path) -> dict[str, bytes]:
    """Read what must be the same: of a model, its weights."""
    found = jobs.files(out)
    weights = {name: value for name, value in found.items() if name.endswith(".safetensors")}
    return weights or found


def make_jobs(folder: pathlib.Path) -> list[Job]:
    """Write the inputs, and name the commands."""
    small.write_cohort(folder / "cohort.zarr", N_ROWS)
    small.write_model(folder / "model", width=256)
    small.write_reference(folder / "cells.h5ad")
    (folder / "training.toml").write_text(TRAINING)
    infer = ("--precision", "fp32", "--device", "cpu", "--threads", 1)
    inputs = (folder / "cohort.zarr", "--model", folder / "model")
    cells = ("--reference", folder / "cells.h5ad", "--keep-types", "A,B")
    jobs.succeed("infer-init", *inputs, *infer, "--out", folder / "begun.zarr")
    jobs.succeed("simulate", *cells, "--n-samples", 1100, "--out", folder / "bulks.zarr")
    training = (folder / "bulks.zarr", "--config", folder / "training.toml", "--resume")
    task = ("--partition", f"0-{N_PARTITIONS - 1}", "--device", "cpu", "--threads", 1)

    def has_chunk(out: pathlib.Path) -> bool:
        return (out / "profile" / "c").exists()

    def has_checkpoint(out: pathlib.Path) -> bool:
        return any(file.name != "plan.json" for file in (out / "checkpoint").glob("[!.]*"))

    return [
        Job("infer", lambda out: ["infer", *inputs, *infer, "--out", out], has_chunk, "infer"),
        Job(
            "infer-partition",
            lambda out: ["infer-partition", out, *task],
            has_chunk,
            "infer",
            folder / "begun.zarr",
        ),
        Job(
            "simulate",
            lambda out: ["simulate", *cells, "--n-samples", N_ROWS, "--out", out],
            has_chunk,
            "simulate",
        ),
        Job(
            "train",
            lambda out: ["train", *training, "--device", "cpu", "--threads", 1, "--out", out],
            has_checkpoint,
        ),
    ]


def campaign(
    job: Job, n_kills: int, seed: int, folder: pathlib.Path, pool: futures.Executor
) -> list[Outcome]:
    """Kill a job many times."""
    whole = folder / f"{job.name}-whole"
    seconds = run_whole(job, whole)
    rngs = [np.random.default_rng([seed, index]) for index in range(n_kills)]
    tasks = [
        pool.submit(disturb, job, folder / f"{job.name}-{index}", whole, seconds, rng)
        for index, rng in enumerate(rngs)
    ]
    return [task.result() for task in tasks]


def row(job: Job, outcomes: Sequence[Outcome]) -> str:
    """Write a line of the table."""
    n_marked = sum(each.n_marked for each in outcomes)
    cells = [
        job.name,
        len(outcomes),
        sum(each.n_marked > 0 for each in outcomes) if job.verb else "-",
        sum(each.refused for each in outcomes) if job.verb else "-",
        f"{sum(each.n_skipped for each in outcomes)} of {n_marked}" if job.verb else "-",
        sum(each.identical for each in outcomes),
    ]
    return f"| {' | '.join(map(str, cells))} |\n"


def main() -> None:
    """Print the table; fail where an end was another."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=25, help="of each of the other jobs")
    parser.add_argument("--training-kills", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--at-once", type=int, default=2)
    given = parser.parse_args()
    sys.stdout.write("| job | kills | after a marker | refused | skipped | identical |\n")
    sys.stdout.write("|---|---|---|---|---|---|\n")
    failed = False
    with tempfile.TemporaryDirectory() as name, futures.ThreadPoolExecutor(given.at_once) as pool:
        folder = pathlib.Path(name)
        for job in make_jobs(folder):
            n_kills = given.kills if job.verb else given.training_kills
            outcomes = campaign(job, n_kills, given.seed, folder, pool)
            sys.stdout.write(row(job, outcomes))
            sys.stdout.flush()
            failed |= not all(each.identical for each in outcomes)
    sys.exit(failed)


if __name__ == "__main__":
    main()
