"""A batch cut into parts: gradients of the whole, statistics averaged, noise of each part's own."""

import pathlib
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from unit.engine import pseudobulks

from bluebatch import errors
from bluebatch.engine import fit, optimise, precision, steps, stream
from bluebatch.models import contract
from bluebatch.store import read

CPU = steps.Compute(torch.device("cpu"), torch.float32)


class Line(contract.Model):
    """A line through standardised numbers, or through the numbers as they are."""

    def __init__(self, *, normalised: bool = False) -> None:
        super().__init__()
        self.norm: nn.Module = nn.BatchNorm1d(1) if normalised else nn.Identity()
        self.line = nn.Linear(1, 1)
        self.draws: list[torch.Tensor] = []
        nn.init.ones_(self.line.weight)
        nn.init.zeros_(self.line.bias)

    def transform(
        self, batch: contract.Batch, generator: torch.Generator | None = None
    ) -> contract.Batch:
        self.draws.append(torch.rand(1, generator=generator))
        return batch

    def forward(self, batch: contract.Batch) -> contract.Batch:
        return {"y": self.line(self.norm(batch["x"]))}

    def losses(self, outputs: contract.Batch, batch: contract.Batch) -> contract.Batch:
        return {"error": (outputs["y"] - batch["y"]).square().mean()}

    def loss_weights(self, epoch: int) -> dict[str, float]:
        return {"error": 1.0}

    def price(self, dtype: torch.dtype = torch.float32) -> contract.Price:
        return contract.Price(0, 0, 0)


def stepper(network: contract.Model, n_parts: int) -> steps.Stepper:
    made = steps.Stepper(network, torch.optim.SGD(network.parameters(), 1.0), CPU, n_parts)
    made.begin(0, 7, 2)
    return made


def column(*values: float) -> Any:
    return np.array(values, dtype=np.float32)[:, None]


@pytest.mark.parametrize(
    ("n_rows", "n_parts", "sizes"),
    [
        (12, 1, [12]),
        (12, 3, [4, 4, 4]),
        (11, 3, [3, 4, 4]),
        (5, 4, [2, 3]),
        (3, 4, [3]),
        (1, 4, [1]),
    ],
)
def test_cut__gives_even_parts_and_none_of_a_single_row(
    n_rows: int, n_parts: int, sizes: list[int]
) -> None:
    found = steps.cut(n_rows, n_parts)
    assert [part.stop - part.start for part in found] == sizes
    rows = np.arange(n_rows)
    assert np.concatenate([rows[part] for part in found]).tolist() == rows.tolist()


@pytest.mark.parametrize("n_parts", [1, 2, 3, 5])
def test_take__moves_by_the_gradient_of_the_batchs_mean(n_parts: int) -> None:
    # By hand: y = x, targets 0, so the gradient by the slope is 2 x mean of squares = 22, and by
    # the shift twice the mean = 6; a step of rate 1 takes them off. Five rows: parts of 2 and 3.
    network = Line()
    parts = stepper(network, n_parts).take({"x": column(1, 2, 3, 4, 5), "y": column(0, 0, 0, 0, 0)})
    assert network.line.weight.item() == pytest.approx(1 - 22)
    assert network.line.bias.item() == pytest.approx(0 - 6)
    assert sum(part.n_rows for part in parts) == 5
    total = sum(part.terms["loss"].item() * part.n_rows for part in parts)
    assert total / 5 == pytest.approx(11)


def test_take__averages_the_statistics_of_parts_that_begin_alike() -> None:
    # By hand, from mean 0 and variance 1 at a momentum of .1: rows 0 and 2 (mean 1, variance 2)
    # give .1 and 1.1, rows 4 and 8 (mean 6, variance 8) give .6 and 1.7.
    network = Line(normalised=True).train()
    stepper(network, 2).take({"x": column(0, 2, 4, 8), "y": column(0, 0, 0, 0)})
    assert isinstance(network.norm, nn.BatchNorm1d)
    assert network.norm.running_mean is not None
    assert network.norm.running_var is not None
    assert network.norm.num_batches_tracked is not None
    assert network.norm.running_mean.item() == pytest.approx(0.35)
    assert network.norm.running_var.item() == pytest.approx(1.4)
    assert network.norm.num_batches_tracked.item() == 1


def test_take__normalises_each_part_by_itself() -> None:
    # By hand: (0, 2) and (4, 8) each become (-1, 1), so targets (-1, 1, -1, 1) are met but for
    # what keeps the division from 0. In one piece, of mean 3.5 and variance 8.75, 2 is far from 1.
    arrays = {"x": column(0, 2, 4, 8), "y": column(-1, 1, -1, 1)}
    losses = {
        n_parts: stepper(Line(normalised=True).train(), n_parts).take(arrays)[0].terms["loss"]
        for n_parts in (1, 2)
    }
    assert losses[1].item() > 0.5
    assert losses[2].item() < 1e-9


def test_begin__each_part_draws_from_a_generator_of_its_own() -> None:
    arrays = {"x": column(1, 2, 3, 4), "y": column(0, 0, 0, 0)}

    def draws(n_parts: int) -> list[float]:
        network = Line()
        made = stepper(network, n_parts)
        made.take(arrays)
        made.take(arrays)
        return [value.item() for value in network.draws]

    def drawn(*key: int) -> list[float]:
        generator = torch.Generator().manual_seed(stream.keyed_seed(*key))
        return [torch.rand(1, generator=generator).item() for _ in range(2)]

    assert draws(1) == drawn(7, 2, 0)
    first, second = drawn(7, 2, 0, 0), drawn(7, 2, 0, 1)
    assert draws(2) == [first[0], second[0], first[1], second[1]]


def test_take__one_part_moves_weights_bit_for_bit_as_a_plain_loop(tmp_path: pathlib.Path) -> None:
    store = read.open_store(pseudobulks.write_store(tmp_path / "s.zarr", 100))
    learner = pseudobulks.learn(tmp_path / "s.zarr")
    settings = pseudobulks.settings().training
    batches = [learner.examples(store, slice(start, start + 20)) for start in (0, 20, 40)]
    plain, ours = (fit.build(learner, 0, 0).train() for _ in range(2))
    optimiser = optimise.make_optimiser(plain, settings)
    generator = torch.Generator().manual_seed(stream.keyed_seed(0, 0, 0))
    for arrays in batches:
        batch = plain.transform(stream.to_batch(arrays, CPU.device), generator)
        terms = plain.losses(plain(batch), batch)
        weights = plain.loss_weights(0)
        optimiser.zero_grad()
        torch.stack([weights[name] * value for name, value in terms.items()]).sum().backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    made = steps.Stepper(ours, optimise.make_optimiser(ours, settings), CPU, 1)
    made.begin(0, 0, 0)
    for arrays in batches:
        made.take(arrays)
    for name, value in plain.state_dict().items():
        assert torch.equal(value, ours.state_dict()[name]), name


def test_take__a_device_without_room_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Line, batch: contract.Batch) -> contract.Batch:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(Line, "forward", full)
    arrays = {"x": column(*range(10)), "y": column(*range(10))}
    with pytest.raises(errors.ResourceError, match=r"5 rows at once.*micro_batches \(now 2\)"):
        stepper(Line(), 2).take(arrays)


def test_measure__weighs_the_terms() -> None:
    batch = {"x": torch.tensor([[1.0], [3.0]]), "y": torch.zeros(2, 1)}
    terms = steps.measure(Line(), batch, 0, CPU)
    assert terms["loss"].item() == terms["error"].item() == pytest.approx(5)
    assert precision.pick_device("cpu") == CPU.device
