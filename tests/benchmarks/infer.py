"""Speed of inference on one core: against plain PyTorch, and against the model alone.

    python tests/benchmarks/infer.py

The network is the paper's (3,000 genes, 6 cell types) with random weights. "Plain" is what one
would write first: Conv1d, BatchNorm and transposed convolutions in float32, eager, at its best
batch. "Streaming" is all of `bluebatch infer` beyond start-up: reading a cohort, the model, mixing
errors, writing and flushing a profile store; beside it, the model alone on the same rows with its
output thrown away.
"""

import argparse
import functools
import itertools
import logging
import pathlib
import sys
import tempfile
import time
from collections.abc import Callable
from typing import NamedTuple

import synthetic  # type: ignore[import-not-found] # beside this script
import torch
from torch import nn

from bluebatch.engine import infer, kinds, precision
from bluebatch.run import progress
from bluebatch.store import read

WIDTH, CHANNELS, DEPTH, HIDDEN = (
    synthetic.PAPER.width,
    synthetic.PAPER.channels,
    synthetic.PAPER.depth,
    synthetic.PAPER.hidden,
)


class Plain(nn.Module):
    """The paper's network as it is usually written."""

    def __init__(self, n_genes: int, n_types: int) -> None:
        super().__init__()
        widths = [CHANNELS * 2**level for level in range(DEPTH + 1)]
        self.profile_trunk, self.fraction_trunk = (nn.Linear(n_genes, WIDTH) for _ in range(2))
        self.downs = nn.ModuleList(
            double(n_in, n_out) for n_in, n_out in zip([1, *widths], widths, strict=False)
        )
        self.lifts = nn.ModuleList(
            nn.ConvTranspose1d(widths[level + 1], widths[level], 2, stride=2)
            for level in reversed(range(DEPTH))
        )
        self.ups = nn.ModuleList(
            double(2 * widths[level], widths[level] if level else n_types)
            for level in reversed(range(DEPTH))
        )
        self.pool = nn.MaxPool1d(2)
        self.profile_head = nn.Linear(WIDTH, n_genes)
        layers: list[nn.Module] = []
        sizes = [WIDTH, *HIDDEN, n_types]
        for n_in, n_out in itertools.pairwise(sizes):
            layers += [nn.Linear(n_in, n_out), nn.SiLU()]
        self.fraction_head = nn.Sequential(*layers[:-1], nn.Softmax(dim=1))

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        signal = self.profile_trunk(x)[:, None]
        skips = []
        for level, down in enumerate(self.downs):
            signal = down(self.pool(signal) if level else signal)
            skips.append(signal)
        skips.pop()
        for lift, up in zip(self.lifts, self.ups, strict=True):
            signal = up(torch.cat([skips.pop(), lift(signal)], dim=1))
        profile = torch.relu(self.profile_head(signal))
        return profile, self.fraction_head(self.fraction_trunk(x))


def double(n_in: int, n_out: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for n_from in (n_in, n_out):
        layers += [nn.Conv1d(n_from, n_out, 3, padding=1), nn.BatchNorm1d(n_out), nn.ReLU()]
    return nn.Sequential(*layers)


class Times(NamedTuple):
    """Seconds on the clock and on the core: only these count where others use the machine too."""

    wall: float
    core: float


def measure(call: Callable[[], object]) -> Times:
    wall, core = time.perf_counter(), time.thread_time()
    call()
    return Times(time.perf_counter() - wall, time.thread_time() - core)


def plain_rates(inputs: torch.Tensor, n_types: int, repeats: int) -> dict[int, float]:
    """Samples a second by batch."""
    network = Plain(inputs.shape[1], n_types).eval()
    rates = {}
    with torch.no_grad():
        for batch in (16, 32, 64, 128, 256):
            rows = inputs[:batch]
            network(rows)
            call = functools.partial(network, rows)
            rates[batch] = batch / min(measure(call).core for _ in range(repeats))
    return rates


def model_times(folder: pathlib.Path, inputs: torch.Tensor, dtype: torch.dtype) -> Times:
    """Times of the prepared network over all rows, its output thrown away."""
    trained = kinds.load(folder)
    network = kinds.load_networks(trained, folder)[0].prepare(dtype)

    def loop() -> None:
        for rows in torch.split(inputs, infer.InferenceSettings().micro_batch):
            network.conclude(network(network.transform({"log_cpm": rows})))

    with torch.inference_mode():
        network(network.transform({"log_cpm": inputs[:64]}))
        return measure(loop)


def stream_seconds(folder: pathlib.Path, name: str) -> float:
    settings = infer.InferenceSettings(precision=name)  # type: ignore[arg-type]
    options = infer.Options(device="cpu", threads=1, overwrite=True)
    summary = infer.run(folder / "cohort", folder / "model", folder / "out", settings, options)
    return summary.seconds - summary.start_up_seconds


def compare(folder: pathlib.Path, inputs: torch.Tensor, n_types: int, repeats: int) -> list[str]:
    # Before the allocator is tuned: plain PyTorch is what runs without us.
    torch.set_num_threads(1)
    plain = plain_rates(inputs, n_types, repeats)
    precision.set_up(torch.device("cpu"), threads=1)
    batch, best = max(plain.items(), key=lambda item: item[1])
    lines = [
        "| one core | samples/s | against |",
        "|---|---|---|",
        f"| plain fp32 Conv1d, its best batch ({batch}) | {best:.0f} | 1 |",
    ]
    for label, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
        alone, streamed = [], []
        for _ in range(repeats):
            alone.append(model_times(folder / "model", inputs, dtype))
            streamed.append(stream_seconds(folder, label))
        rate = len(inputs) / min(times.core for times in alone)
        lines.append(f"| model alone, {label} | {rate:.0f} | {rate / best:.2f} x plain |")
        rate, overhead = len(inputs) / min(streamed), min(streamed) / min(alone).wall
        lines.append(f"| `infer`, {label} | {rate:.0f} | {overhead:.3f} x the model's time |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=2048)
    parser.add_argument("--genes", type=int, default=3000)
    parser.add_argument("--types", type=int, default=6)
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    progress.configure(quiet=True)
    logging.getLogger("bluebatch").setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        synthetic.write_cohort(folder / "cohort", given.samples, given.genes)
        synthetic.write_model(folder / "model", given.genes, given.types)
        reader = kinds.load(folder / "model").bind(read.open_store(folder / "cohort"), {})
        inputs = torch.from_numpy(reader.inputs(slice(0, given.samples))["log_cpm"])
        lines = compare(folder, inputs, given.types, given.repeats)
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
