"""A cohort that fits no memory: time, memory and bytes of `bluebatch infer` under a budget.

    python tests/benchmarks/cohort.py                      # 17,500 samples x 16,000 genes x 6 types
    python tests/benchmarks/cohort.py --samples 1024 --genes 3000
    python tests/benchmarks/cohort.py --sweep              # cost of a sample by samples
    python tests/benchmarks/cohort.py --flat               # peak memory by samples and budget
    python tests/benchmarks/cohort.py --training           # one step, and what a model would take

The cohort is synthetic and the network, the paper's, untrained. Every run is the command itself in
a process of its own; "peak" is the largest sum of the resident memory of it and its children. "The
fastest loop" is the same network on as many rows, in any batch and on one or all cores at a time,
its output thrown away. `--sweep` and `--flat` use a small network: they measure what is around it.
"""

import argparse
import concurrent.futures
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
from typing import Any, NamedTuple

import resident  # type: ignore[import-not-found] # beside this script
import synthetic  # type: ignore[import-not-found]
import torch

from bluebatch.engine import kinds, optimise, precision
from bluebatch.models import contract
from bluebatch.models import unmix as unmixer
from bluebatch.run import memory, resources

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}
SWEEP = (1024, 4096, 16384, 65536)
FLAT = (2000, 40000)
BUDGETS = ("850MB", "1.5GB", "4GB")
# What the network of the paper is trained on there, and for how long.
TRAINING_SAMPLES, TRAINING_EPOCHS, TRAINING_BATCH = 20_400, 200, 64


class Measured(NamedTuple):
    """One run of the command."""

    wall: float
    start_up: float
    peak: int
    written: int
    summary: dict[str, Any]


def infer(folder: pathlib.Path, *flags: str) -> Measured:
    """Run the command on the cohort and model of a folder, and remove what it wrote."""
    out = folder / "out.zarr"
    command = [sys.executable, "-m", "bluebatch", "infer", str(folder / "cohort.zarr")]
    command += ["--model", str(folder / "model"), "--out", str(out), "--json", "--quiet", *flags]
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    with resident.sampled(process.pid) as peak:
        answer, _ = process.communicate()
    wall = time.perf_counter() - start
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    summary = json.loads(answer)
    # What the command cannot see: starting Python and importing.
    before = wall - summary["seconds"]
    written = sum(file.stat().st_size for file in out.rglob("*") if file.is_file())
    for path in (out, out.with_name("out.zarr.run")):
        shutil.rmtree(path)
    return Measured(wall, before + summary["start_up_seconds"], peak[0], written, summary)


def loop_rates(folder: pathlib.Path, n_genes: int, name: str, seconds: float) -> dict[str, float]:
    """Samples a second of the prepared network alone, by batch and use of the cores."""
    cores = resources.cores()
    precision.set_up(torch.device("cpu"))
    trained = kinds.load(folder / "model")
    network = kinds.load_networks(trained, folder / "model")[0].prepare(DTYPES[name])
    rates = {}
    for batch in (64, 128, 256):
        rows = {"log_cpm": torch.rand(batch, n_genes) * 10}
        for lanes in sorted({1, cores}):
            rate = lanes_rate(network, rows, (lanes, cores // lanes), seconds)
            rates[f"batches of {batch}, {lanes} at a time"] = rate
    return rates


def lanes_rate(
    network: contract.Model, rows: contract.Batch, cores: tuple[int, int], seconds: float
) -> float:
    """Samples a second of so many batches at a time, each on so many cores."""
    lanes, threads = cores
    torch.set_num_threads(threads)

    def loop(seconds: float) -> float:
        torch.set_num_threads(threads)
        n_batches, start = 0, time.perf_counter()
        with torch.inference_mode():
            while not n_batches or time.perf_counter() - start < seconds:
                network.conclude(network(network.transform(rows)))
                n_batches += 1
        return n_batches * len(rows["log_cpm"]) / (time.perf_counter() - start)

    with concurrent.futures.ThreadPoolExecutor(lanes) as pool:
        list(pool.map(loop, [0.0] * lanes))
        return sum(pool.map(loop, [seconds] * lanes))


def headline(folder: pathlib.Path, given: argparse.Namespace) -> list[str]:
    """Lines of the table of the headline."""
    synthetic.write_cohort(folder / "cohort.zarr", given.samples, given.genes)
    synthetic.write_model(folder / "model", given.genes, given.types)
    lines = [
        f"{given.samples:,} samples x {given.genes:,} genes x {given.types} types, "
        f"--max-memory {given.max_memory}, {resources.cores()} cores",
        "",
        "| precision | wall | start-up | samples/s | peak memory | written | against the loop |",
        "|---|---|---|---|---|---|---|",
    ]
    for name in given.precision:
        if name == "bf16" and not precision.has_bf16(torch.device("cpu")) and not given.emulated:
            lines.append(
                f"| {name} | this processor has no {name} (--emulated runs it) |" + " |" * 5
            )
            continue
        found = infer(folder, "--max-memory", given.max_memory, "--precision", name)
        rates = in_a_process(folder, given, name)
        how, best = max(rates.items(), key=lambda item: item[1])
        ratio = (found.wall - found.start_up) / (given.samples / best)
        lines.append(
            f"| {name} | {found.wall:.1f} s | {found.start_up:.1f} s "
            f"| {given.samples / found.wall:.1f} | {memory.tell(found.peak)} "
            f"| {memory.tell(found.written)} "
            f"| {found.wall / (given.samples / best):.3f} x whole, {ratio:.3f} x beyond start-up "
            f"({best:.1f} samples/s, {how}) |"
        )
    return lines


def in_a_process(folder: pathlib.Path, given: argparse.Namespace, name: str) -> dict[str, float]:
    """Time the loop where nothing else was done before."""
    command = [sys.executable, __file__, "--loop", str(folder), "--precision", name]
    command += ["--genes", str(given.genes), "--seconds", str(given.seconds)]
    answer = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    rates: dict[str, float] = json.loads(answer)
    return rates


def sweep(folder: pathlib.Path, given: argparse.Namespace) -> list[str]:
    """Cost of a sample by the number of samples."""
    lines = [
        "| samples | beyond start-up | a sample | each more than above | peak memory |",
        "|---|---|---|---|---|",
    ]
    before = 0, 0.0
    synthetic.write_model(folder / "model", given.genes, given.types, synthetic.SMALL)
    for n_samples in given.sizes or SWEEP:
        synthetic.write_cohort(folder / "cohort.zarr", n_samples, given.genes)
        runs = [infer(folder, "--max-memory", given.max_memory) for _ in range(given.repeats)]
        shutil.rmtree(folder / "cohort.zarr")
        best = min(run.wall - run.start_up for run in runs)
        peak = max(run.peak for run in runs)
        more = 1e3 * (best - before[1]) / (n_samples - before[0])
        before = n_samples, best
        lines.append(
            f"| {n_samples:,} | {best:.2f} s | {1e3 * best / n_samples:.3f} ms | {more:.3f} ms "
            f"| {memory.tell(peak)} |"
        )
    return lines


def flat(folder: pathlib.Path, given: argparse.Namespace) -> list[str]:
    """Peak memory by the number of samples and the budget."""
    lines = ["| budget | samples | peak memory |", "|---|---|---|"]
    synthetic.write_model(folder / "model", given.genes, given.types, synthetic.SMALL)
    for n_samples in given.sizes or FLAT:
        synthetic.write_cohort(folder / "cohort.zarr", n_samples, given.genes)
        for budget in BUDGETS:
            found = infer(folder, "--max-memory", budget)
            lines.append(f"| {budget} | {n_samples:,} | {memory.tell(found.peak)} |")
        shutil.rmtree(folder / "cohort.zarr")
    return lines


def step_seconds(device: torch.device, sizes: unmixer.Sizes, batch: int, repeats: int) -> float:
    """Time the fastest training step of the paper's network after two to warm up."""
    kind = precision.pick_dtype("auto", device)
    network = unmixer.Network(synthetic.PAPER, synthetic.PAPER.members[0], sizes).train()
    network.to(device)
    settings = optimise.TrainingSettings(optimiser="adam", learning_rate=1e-4, weight_decay=0)
    optimiser = optimise.make_optimiser(network, settings)
    data = {
        "log_cpm": torch.rand(batch, sizes.n_inputs, device=device) * 10,
        "profile": torch.rand(batch, sizes.n_parts, sizes.n_outputs, device=device) * 10,
        "fraction": torch.softmax(torch.randn(batch, sizes.n_parts, device=device), 1),
    }
    weights, times = network.loss_weights(0), []
    for _ in range(2 + repeats):
        start = time.perf_counter()
        ready = network.transform(data, torch.Generator(device))
        with precision.autocast(device, kind):
            outputs = network(ready)
        terms = network.losses(outputs, ready)
        loss = torch.stack([weights[name] * term for name, term in terms.items()]).sum()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        loss.item()  # a GPU is waited for
        times.append(time.perf_counter() - start)
    return min(times[2:])


def training(given: argparse.Namespace) -> list[str]:
    """Time a step, and what the training of the paper's network would take."""
    device = torch.device("cpu")
    precision.set_up(device)
    sizes = unmixer.Sizes(given.genes, given.genes, given.types)
    step = step_seconds(device, sizes, TRAINING_BATCH, given.repeats)
    steps = TRAINING_EPOCHS * -(-TRAINING_SAMPLES // TRAINING_BATCH)
    return [
        f"A training step of {TRAINING_BATCH} samples takes {step:.2f} s on {resources.cores()} "
        f"cores; {TRAINING_EPOCHS} epochs of {TRAINING_SAMPLES:,} samples are {steps:,} steps: "
        f"{steps * step / 86400:.1f} days.",
    ]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--samples", type=int, default=17_500)
    parser.add_argument("--genes", type=int)
    parser.add_argument("--types", type=int, default=6)
    parser.add_argument("--max-memory", default="4GB")
    parser.add_argument("--precision", nargs="+", choices=list(DTYPES), default=list(DTYPES))
    parser.add_argument("--emulated", action="store_true", help="bf16 where there is none.")
    parser.add_argument("--folder", type=pathlib.Path, help="For the stores; they are removed.")
    parser.add_argument("--sweep", action="store_true")
    parser.add_argument("--flat", action="store_true")
    parser.add_argument("--training", action="store_true")
    parser.add_argument("--sizes", type=int, nargs="+", help="Samples of --sweep and --flat.")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=10, help="Of each loop of the network.")
    parser.add_argument("--loop", type=pathlib.Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    given.genes = given.genes or (3000 if given.sweep or given.flat else 16_000)
    if given.loop:
        rates = loop_rates(given.loop, given.genes, given.precision[0], given.seconds)
        sys.stdout.write(json.dumps(rates))
        return
    with tempfile.TemporaryDirectory(dir=given.folder) as name:
        folder = pathlib.Path(name)
        if given.training:
            lines = training(given)
        else:
            measure = sweep if given.sweep else flat if given.flat else headline
            lines = measure(folder, given)
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
