"""Measure what cutting an inference into array tasks costs beyond the start-up of their processes.

Usage: python tests/benchmarks/staging.py [--partitions 20] [--genes 3000] [--types 6] [--repeats 2]
One `infer`, then `infer-init`, one `infer-partition` for each partition and `infer-finalise`, each
in a process of its own, one after the other, on a synthetic cohort and the paper's network,
untrained. Start-up is all until the first row is read: Python, imports, checks, the model. What is
left is work; of each partition's work the fastest repeat counts. Prints a table in markdown; fails
above 5 %. Let nothing else run.
"""

import argparse
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
from typing import Any

import synthetic  # type: ignore[import-not-found]

LIMIT = 0.05
PARTITION_ROWS = 1024


def command(*words: object) -> dict[str, Any]:
    """Run a command in its own process; give its summary, and its wall time."""
    begun = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "bluebatch", *map(str, words), "--quiet", "--json"],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return {**told, "wall": time.monotonic() - begun}


def work(told: dict[str, Any]) -> float:
    """Give the seconds after the first row was asked for."""
    return float(told["seconds"] - told["start_up_seconds"])


def remove(out: pathlib.Path) -> None:
    """Remove a store and what stands beside it."""
    for path in (out, out.with_name(f"{out.name}.run")):
        shutil.rmtree(path, ignore_errors=True)


def measure(folder: pathlib.Path, given: argparse.Namespace) -> list[tuple[str, float, float]]:
    """Time both ways; give each stage's seconds in all, and of work."""
    out = folder / "out.zarr"
    resources = ("--device", "cpu", *(("--threads", given.threads) if given.threads else ()))
    inputs = (folder / "cohort.zarr", "--model", folder / "model", "--out", out, *resources)
    whole = command("infer", *inputs)
    remove(out)
    init = command("infer-init", *inputs)
    tasks = [
        command("infer-partition", out, "--partition", number, *resources)
        for number in range(given.partitions)
    ]
    end = command("infer-finalise", out)
    remove(out)
    return [
        ("one run", whole["wall"], work(whole)),
        ("init", init["wall"], 0.0),
        *((f"task {number}", each["wall"], work(each)) for number, each in enumerate(tasks)),
        ("finalise", end["wall"], float(end["seconds"])),
    ]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--partitions", type=int, default=20)
    parser.add_argument("--genes", type=int, default=3000)
    parser.add_argument("--types", type=int, default=6)
    parser.add_argument("--threads", type=int, help="default: the cores granted")
    parser.add_argument("--repeats", type=int, default=2)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        synthetic.write_cohort(
            folder / "cohort.zarr", given.partitions * PARTITION_ROWS, given.genes
        )
        synthetic.write_model(folder / "model", given.genes, given.types)
        repeats = [measure(folder, given) for _ in range(given.repeats)]
    wall = [min(stage[1] for stage in stages) for stages in zip(*repeats, strict=True)]
    worked = [min(stage[2] for stage in stages) for stages in zip(*repeats, strict=True)]
    overhead = sum(worked[1:]) / worked[0] - 1
    sys.stdout.write(
        "| | wall, s | of it work, s |\n|---|---|---|\n"
        f"| one run | {wall[0]:.1f} | {worked[0]:.2f} |\n"
        f"| {given.partitions} tasks | {sum(wall[2:-1]):.1f} | {sum(worked[2:-1]):.2f} |\n"
        f"| init | {wall[1]:.1f} | - |\n"
        f"| finalise | {wall[-1]:.1f} | {worked[-1]:.2f} |\n\n"
        f"staging beyond start-up: {100 * overhead:+.1f} %\n"
    )
    sys.exit(overhead > LIMIT)


if __name__ == "__main__":
    main()
