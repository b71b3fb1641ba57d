"""Time training steps against the same network in plain eager fp32 with default Adam.

Usage: python tests/benchmarks/train.py [--genes 3000] [--types 6] [--threads 1] [--steps 3]
The paper's sizes; samples a second of core time in whole steps (noise and input scaling, forward,
backward, update), the fastest of each batch; start-up is not counted. Ratios are to the plain
network at its best batch, with the same trunks. Prints a table in markdown.
"""

import argparse
import itertools
import sys
import time
from collections.abc import Callable
from typing import Literal

import torch
from torch import nn

from bluebatch.engine import optimise, precision
from bluebatch.models import contract, unmix

Trunk = Literal["separate", "shared"]

WIDTH, CHANNELS, HIDDEN = 4096, 16, (4096, 1024, 256, 64)


class PlainDouble(nn.Sequential):
    """Double convolution as one would write it first."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__(
            nn.Conv1d(n_in, n_out, 3, padding=1),
            nn.BatchNorm1d(n_out),
            nn.ReLU(),
            nn.Conv1d(n_out, n_out, 3, padding=1),
            nn.BatchNorm1d(n_out),
            nn.ReLU(),
        )


class Plain(nn.Module):
    """The same network in Conv1d, without layouts or precisions."""

    def __init__(self, n_genes: int, n_types: int, trunk: Trunk) -> None:
        super().__init__()
        n_trunks = 2 if trunk == "separate" else 1
        widths = [CHANNELS * 2**level for level in range(5)]
        self.trunks = nn.ModuleList(nn.Linear(n_genes, WIDTH) for _ in range(n_trunks))
        self.downs = nn.ModuleList(
            PlainDouble(a, b) for a, b in zip([1, *widths[:-1]], widths, strict=True)
        )
        self.raises = nn.ModuleList(
            nn.ConvTranspose1d(widths[k + 1], widths[k], 2, stride=2) for k in (3, 2, 1, 0)
        )
        self.ups = nn.ModuleList(
            PlainDouble(2 * widths[k], widths[k] if k else n_types) for k in (3, 2, 1, 0)
        )
        self.out = nn.Linear(WIDTH, n_genes)
        sizes = [WIDTH, *HIDDEN, n_types]
        layers: list[nn.Module] = []
        for a, b in itertools.pairwise(sizes):
            layers += [nn.Linear(a, b), nn.SiLU()]
        self.head = nn.Sequential(*layers[:-1], nn.Softmax(1))

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        signals = [trunk(x) for trunk in self.trunks]
        signal, skips = signals[0][:, None], []
        for level, down in enumerate(self.downs):
            signal = down(signal if level == 0 else nn.functional.max_pool1d(signal, 2))
            skips.append(signal)
        skips.pop()
        for lift, up in zip(self.raises, self.ups, strict=True):
            signal = up(torch.cat([skips.pop(), lift(signal)], 1))
        return self.out(signal).relu(), self.head(signals[-1])


def rate(step: Callable[[], None], batch: int, n_steps: int) -> float:
    """Samples a second of the fastest step after two to warm up: each asks for more memory."""
    step()
    step()
    times = []
    for _ in range(n_steps):
        # Core time: the clock also counts what others do on the same machine.
        start = time.process_time()
        step()
        times.append(time.process_time() - start)
    return batch / min(times)


def make_batch(batch: int, n_genes: int, n_types: int) -> contract.Batch:
    """Random samples and targets of the right shapes."""
    return {
        "log_cpm": torch.rand(batch, n_genes) * 10,
        "profile": torch.rand(batch, n_types, n_genes) * 10,
        "fraction": torch.softmax(torch.randn(batch, n_types), 1),
    }


def plain_rate(batch: int, sizes: unmix.Sizes, trunk: Trunk, n_steps: int) -> float:
    """Time the plain network."""
    network = Plain(sizes.n_inputs, sizes.n_parts, trunk).train()
    optimiser = torch.optim.Adam(network.parameters(), 1e-4)
    data = make_batch(batch, sizes.n_inputs, sizes.n_parts)

    def step() -> None:
        profile, fraction = network(data["log_cpm"])
        loss = ((profile - data["profile"]) ** 2).mean((0, 2)).sum()
        loss = loss + 100 * ((fraction - data["fraction"]) ** 2).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()

    return rate(step, batch, n_steps)


def our_rate(batch: int, sizes: unmix.Sizes, trunk: Trunk, n_steps: int) -> float:
    """Time a step of ours, input scaling and noise included."""
    settings = unmix.ModelSettings(width=WIDTH, channels=CHANNELS, hidden=HIDDEN, trunk=trunk)
    kind = precision.pick_dtype("auto", torch.device("cpu"))
    network = unmix.Network(settings, unmix.MemberSettings(), sizes).train()
    training = optimise.TrainingSettings(optimiser="adam", learning_rate=1e-4, weight_decay=0)
    optimiser = optimise.make_optimiser(network, training)
    data = make_batch(batch, sizes.n_inputs, sizes.n_parts)
    generator = torch.Generator()
    weights = network.loss_weights(0)

    def step() -> None:
        ready = network.transform(data, generator)
        with precision.autocast(torch.device("cpu"), kind):
            outputs = network(ready)
        terms = network.losses(outputs, ready)
        loss = torch.stack([weights[name] * value for name, value in terms.items()]).sum()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()

    return rate(step, batch, n_steps)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--genes", type=int, default=3000)
    parser.add_argument("--types", type=int, default=6)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--trunks", nargs="+", default=["separate", "shared"])
    parser.add_argument("--plain-batches", type=int, nargs="+", default=[16, 32, 64, 128])
    parser.add_argument("--batches", type=int, nargs="+", default=[32, 64, 128])
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    sizes = unmix.Sizes(given.genes, given.genes, given.types)
    # The allocator cannot be set back, so the plain networks come first.
    plain = {
        (trunk, batch): plain_rate(batch, sizes, trunk, given.steps)
        for trunk, batch in itertools.product(given.trunks, given.plain_batches)
    }
    precision.tune_allocator()
    ours = {
        (trunk, batch): our_rate(batch, sizes, trunk, given.steps)
        for trunk, batch in itertools.product(given.trunks, given.batches)
    }
    lines = [
        f"{given.genes} genes x {given.types} types, {given.threads} thread(s)",
        "",
        "| training step | trunk | batch | samples/s | ratio to the best plain |",
        "|---|---|---|---|---|",
    ]
    for name, rates in (("plain fp32 Conv1d, default Adam", plain), ("bluebatch", ours)):
        for (trunk, batch), found in rates.items():
            best = max(value for key, value in plain.items() if key[0] == trunk)
            lines.append(f"| {name} | {trunk} | {batch} | {found:.1f} | {found / best:.2f} |")
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
