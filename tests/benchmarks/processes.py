"""Time training in several processes of one thread each against one process.

Usage: python tests/benchmarks/processes.py [--processes 1 2] [--genes 1000] [--types 6]
The default network on random samples, the same batches cut into as many parts in both; samples a
second by the clock over the steps after two to warm up, so let nothing else run. Prints a table in
markdown. On a machine with GPUs give --device cuda.
"""

import argparse
import json
import subprocess
import sys
import time

import numpy as np
import torch

from bluebatch.engine import distributed, optimise, precision, steps
from bluebatch.models import unmix


def measure(given: argparse.Namespace) -> None:
    """Time steps; the first process prints samples a second."""
    sizes = unmix.Sizes(given.genes, given.genes, given.types)
    rng = np.random.default_rng(0)
    shapes = {
        "log_cpm": (given.batch, given.genes),
        "profile": (given.batch, given.types, given.genes),
        "fraction": (given.batch, given.types),
    }
    arrays = {name: rng.random(shape, dtype=np.float32) for name, shape in shapes.items()}
    with distributed.group(given.device):
        device = distributed.pick_device(given.device)
        precision.set_up(device, 1)
        torch.manual_seed(0)
        network = unmix.Network(unmix.ModelSettings(), unmix.MemberSettings(), sizes).to(device)
        network.train()
        settings = optimise.TrainingSettings(batch=given.batch)
        compute = steps.Compute(device, precision.pick_dtype(given.precision, device))
        optimiser = optimise.make_optimiser(network, settings)
        stepper = steps.Stepper(network, optimiser, compute, given.parts)
        stepper.begin(0, 0)
        for step in range(2 + given.steps):
            if step == 2:
                distributed.barrier()
                start = time.perf_counter()
            parts = stepper.take(arrays)
        parts[-1].terms["loss"].item()  # Waits for the device.
        distributed.barrier()
        rate = given.batch * given.steps / (time.perf_counter() - start)
    if distributed.is_first():
        sys.stdout.write(json.dumps({"rate": rate, "dtype": str(compute.dtype)}) + "\n")


def main() -> None:
    """Start the processes, and print what they measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--genes", type=int, default=1000)
    parser.add_argument("--types", type=int, default=6)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--parts", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.parts:
        measure(given)
        return
    n_parts = int(np.lcm.reduce(given.processes))
    lines = [
        f"{given.genes} genes x {given.types} types, batch {given.batch} in {n_parts} parts",
        "",
        "| processes of one thread | samples/s | ratio |",
        "|---|---|---|",
    ]
    first = None
    for n_processes in given.processes:
        launch = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={n_processes}"]
        command = [sys.executable, *launch, *sys.argv, "--parts", str(n_parts)]
        out = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
        rate = json.loads(out.splitlines()[-1])["rate"]
        first = first or rate
        lines.append(f"| {n_processes} | {rate:.1f} | {rate / first:.2f} |")
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
