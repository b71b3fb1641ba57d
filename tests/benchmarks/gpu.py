"""Inference and training on a GPU: samples a second, share of its rate, memory, what limits.

    python tests/benchmarks/gpu.py [--samples 8192] [--genes 3000] [--types 6] [--folder DIR]

Needs a CUDA device and nothing but the package. The network is the paper's with random weights.
"Alone" is the network on rows that lie on the device, its output thrown away; "written" is all of
`bluebatch infer` beyond start-up; "writing" are blocks of the same bytes written by two threads and
nothing else. The slower of alone and writing is the limit. Shares are of the rate that one large
bf16 product of matrices reaches on the same device.
"""

import argparse
import concurrent.futures
import pathlib
import shutil
import sys
import tempfile
import time
from collections.abc import Callable

import cohort  # type: ignore[import-not-found] # beside this script
import numpy as np
import synthetic  # type: ignore[import-not-found]
import torch
from torch.utils import flop_counter

from bluebatch.engine import infer, kinds, precision
from bluebatch.models import contract
from bluebatch.models import unmix as unmixer
from bluebatch.run import memory, progress
from bluebatch.store import schema, write

GPU = torch.device("cuda")
SQUARE = 8192
BATCH = 64


def seconds(call: Callable[[], object], repeats: int) -> float:
    """Time a call on the device, on average, after one to warm up."""
    call()
    torch.cuda.synchronize()
    start = time.perf_counter()
    for _ in range(repeats):
        call()
    torch.cuda.synchronize()
    return (time.perf_counter() - start) / repeats


def matrix_rate() -> float:
    """Measure operations a second of a large bf16 product."""
    square = torch.randn(SQUARE, SQUARE, device=GPU, dtype=torch.bfloat16)
    return 2 * SQUARE**3 / seconds(lambda: square @ square, 20)


def alone(folder: pathlib.Path, n_genes: int, dtype: torch.dtype) -> tuple[float, float]:
    """Measure samples a second of the network alone, and the operations of a sample."""
    trained = kinds.load(folder / "model")
    network = kinds.load_networks(trained, folder / "model")[0].prepare(dtype).to(GPU)
    rows = {"log_cpm": torch.rand(BATCH, n_genes, device=GPU) * 10}

    def call() -> contract.Batch:
        return network.conclude(network(network.transform(rows)))

    with torch.inference_mode():
        with flop_counter.FlopCounterMode(display=False) as counted:
            call()
        return BATCH / seconds(call, 50), counted.get_total_flops() / BATCH


def writing(folder: pathlib.Path, given: argparse.Namespace) -> float:
    """Measure samples a second of writing alone, two blocks at a time."""
    labels = {
        "sample": [f"sample-{index}" for index in range(given.samples)],
        "cell_type": [f"type-{index}" for index in range(given.types)],
        "gene": [f"gene-{index}" for index in range(given.genes)],
    }
    group = write.create(folder / "w.zarr", schema.PROFILE, labels, {}, leave_out=("skill",))
    step = schema.ROWS_PER_CHUNK
    block = np.random.default_rng(0).random((step, given.types, given.genes), np.float32)

    def store(start: int) -> None:
        rows = slice(start, min(start + step, given.samples))
        write.write(group, "profile", rows, block[: rows.stop - start])

    start = time.perf_counter()
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        list(pool.map(store, range(0, given.samples, step)))
    taken = time.perf_counter() - start
    shutil.rmtree(folder / "w.zarr")
    return float(given.samples / taken)


def inference(folder: pathlib.Path, given: argparse.Namespace) -> list[str]:
    """Lines of the table of inference."""
    synthetic.write_cohort(folder / "cohort.zarr", given.samples, given.genes)
    synthetic.write_model(folder / "model", given.genes, given.types)
    fastest, to_disk = matrix_rate(), writing(folder, given)
    lines = [
        f"{torch.cuda.get_device_name()}, {fastest / 1e12:.0f} TFLOP/s in bf16; "
        f"{given.samples:,} samples x {given.genes:,} genes x {given.types} types; "
        f"writing alone {to_disk:.0f} samples/s",
        "",
        "| infer | alone | of the bf16 rate | written | device memory | limit |",
        "|---|---|---|---|---|---|",
    ]
    for name in ("fp32", "bf16", "fp16"):
        dtype = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[name]
        rate, operations = alone(folder, given.genes, dtype)
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        settings = infer.InferenceSettings.model_validate({"precision": name})
        options = infer.Options(device="cuda", overwrite=True)
        done = infer.run(
            folder / "cohort.zarr", folder / "model", folder / "out.zarr", settings, options
        )
        written = given.samples / (done.seconds - done.start_up_seconds)
        limit = "writing" if to_disk < rate else "computing"
        lines.append(
            f"| {name} | {rate:.0f} samples/s | {rate * operations / fastest:.0%} "
            f"| {written:.0f} samples/s | {memory.tell(torch.cuda.max_memory_allocated())} "
            f"| {limit} |"
        )
    return lines


def training(given: argparse.Namespace) -> list[str]:
    """Lines of the table of training steps."""
    lines = ["", "| training step, batch | samples/s | device memory |", "|---|---|---|"]
    sizes = unmixer.Sizes(given.genes, given.genes, given.types)
    for batch in (64, 256):
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        step = cohort.step_seconds(GPU, sizes, batch, 10)
        peak = memory.tell(torch.cuda.max_memory_allocated())
        lines.append(f"| {batch} | {batch / step:.0f} | {peak} |")
    return lines


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--samples", type=int, default=8192)
    parser.add_argument("--genes", type=int, default=3000)
    parser.add_argument("--types", type=int, default=6)
    parser.add_argument("--folder", type=pathlib.Path, help="For the stores; they are removed.")
    given = parser.parse_args()
    if not torch.cuda.is_available():
        raise SystemExit("There is no CUDA device.")
    progress.configure(quiet=True)
    precision.set_up(GPU)
    with tempfile.TemporaryDirectory(dir=given.folder) as name:
        lines = inference(pathlib.Path(name), given) + training(given)
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
