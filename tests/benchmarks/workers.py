"""Two Dask workers of one thread against one, on the same partitions of `bluebatch infer`.

    python tests/benchmarks/workers.py
    python tests/benchmarks/workers.py --samples 2048 --genes 300 --rounds 1     # a quick look

The cohort is synthetic and the network, the paper's, untrained. Workers are started, and have done
the same once, before the clock: what is timed is giving out the partitions, loading the model anew
and filling them. The two take turns; the best round of each counts.
"""

import argparse
import functools
import os
import pathlib
import sys
import tempfile
import time

import synthetic  # type: ignore[import-not-found] # beside this script

from bluebatch.engine import filling, infer
from bluebatch.run import cluster, partition, workers
from bluebatch.store import read

TARGET = 1.7
# Each worker may use no more, also where it has the machine to itself.
ONE_THREAD = filling.Resources(device="cpu", threads=1)


def begin(folder: pathlib.Path, out: pathlib.Path, precision: str) -> partition.Job:
    """Write the empty result store."""
    settings = infer.InferenceSettings(precision=precision)  # type: ignore[arg-type]
    options = infer.Options(device="cpu", threads=1, overwrite=True)
    infer.init(folder / "cohort.zarr", folder / "model", out, settings, options)
    return partition.load_job(out)


def seconds(folder: pathlib.Path, n_workers: int, scheduler: str, precision: str) -> float:
    """Time the spreading of every partition of a new run."""
    job = begin(folder, folder / f"out-{n_workers}.zarr", precision)
    fill = functools.partial(filling.fill_partition, str(job.path), means=ONE_THREAD)
    options = cluster.ClusterOptions(scheduler=scheduler)
    start = time.perf_counter()
    cluster.spread(job, fill, options, "samples")
    taken = time.perf_counter() - start
    job.finalise()
    return taken


def measure(folder: pathlib.Path, rounds: int, precision: str) -> dict[int, list[float]]:
    """Time one worker and two in turn; both clusters wait meanwhile, which costs nothing."""
    times: dict[int, list[float]] = {1: [], 2: []}
    with workers.start(1, gpu=False) as one, workers.start(2, gpu=False) as two:
        addresses = {1: one.scheduler_info()["address"], 2: two.scheduler_info()["address"]}
        for each in range(rounds + 1):
            for n_workers, address in addresses.items():
                taken = seconds(folder, n_workers, address, precision)
                # The first round imports what the later ones find loaded.
                if each:
                    times[n_workers].append(taken)
                sys.stderr.write(f"round {each}, {n_workers} worker(s): {taken:.2f} s\n")
    return times


def same_bits(folder: pathlib.Path) -> bool:
    """Compare what one worker wrote with what two did."""
    one, two = (read.open_store(folder / f"out-{n_workers}.zarr") for n_workers in (1, 2))
    names = [spec.name for spec in one.spec.arrays if spec.name in one.group]
    return all(one.read(name).tobytes() == two.read(name).tobytes() for name in names)


def main() -> None:
    """Print a table, and fail below the target."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=4096)
    parser.add_argument("--genes", type=int, default=3000)
    parser.add_argument("--types", type=int, default=6)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--precision", choices=["fp32", "bf16"], default="fp32")
    given = parser.parse_args()
    # Each worker is granted one core, however many there are.
    os.environ["SLURM_CPUS_PER_TASK"] = "1"
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        synthetic.write_cohort(folder / "cohort.zarr", given.samples, given.genes)
        synthetic.write_model(folder / "model", given.genes, given.types)
        times = measure(folder, given.rounds, given.precision)
        same = same_bits(folder)
    best = {n_workers: min(each) for n_workers, each in times.items()}
    ratio = best[1] / best[2]
    sys.stdout.write(
        f"{given.samples:,} samples x {given.genes:,} genes x {given.types} types, "
        f"{given.precision}, best of {given.rounds}\n\n| workers | seconds | samples/s |\n|-|-|-|\n"
    )
    for n_workers, taken in best.items():
        sys.stdout.write(f"| {n_workers} | {taken:.2f} | {given.samples / taken:.0f} |\n")
    sys.stdout.write(f"\ntwo against one: {ratio:.2f}x (needed: {TARGET}), same bits: {same}\n")
    sys.exit(0 if same and ratio >= TARGET else 1)


if __name__ == "__main__":
    main()
