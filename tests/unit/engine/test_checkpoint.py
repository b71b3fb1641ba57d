import pathlib
import uuid

import pytest
import torch
from torch import nn

from bluebatch import errors
from bluebatch.engine import checkpoint
from bluebatch.store import places


def make(seed: int = 0) -> tuple[nn.Module, torch.optim.Optimizer]:
    torch.manual_seed(seed)
    network = nn.Sequential(nn.Conv2d(4, 4, (1, 3)), nn.BatchNorm2d(4), nn.ReLU())
    for parameter in network.parameters():
        if parameter.dim() == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
    return network, torch.optim.AdamW(network.parameters(), 1e-2, fused=True)


def step(network: nn.Module, optimiser: torch.optim.Optimizer, seed: int) -> None:
    signal = torch.randn(8, 4, 1, 9, generator=torch.Generator().manual_seed(seed))
    optimiser.zero_grad()
    network(signal).square().mean().backward()
    optimiser.step()


@pytest.mark.parametrize("scheme", ["a path", "memory"])
def test_load__goes_on_with_the_same_bits(tmp_path: pathlib.Path, scheme: str) -> None:
    url = f"memory://{uuid.uuid4().hex}/model"
    folder = places.place(url) if scheme == "memory" else tmp_path
    network, optimiser = make()
    for seed in range(3):
        step(network, optimiser, seed)
    state = checkpoint.State(0, epoch=3, best_epoch=1, best_loss=0.5)
    state.best, state.rows = checkpoint.clone(network), [{"epoch": 1, "loss": 0.25}]
    checkpoint.save(folder, state, network, optimiser)
    other, other_optimiser = make(seed=9)
    found = checkpoint.load(folder, other, other_optimiser, 0)
    assert (found.epoch, found.best_epoch, found.best_loss) == (3, 1, 0.5)
    assert found.rows == state.rows
    for seed in (3, 4):
        step(network, optimiser, seed)
        step(other, other_optimiser, seed)
    for name, value in network.state_dict().items():
        assert torch.equal(value, other.state_dict()[name]), name
    for name, value in found.best.items():
        assert torch.equal(value, state.best[name])


def test_load__another_member_starts_afresh_but_keeps_the_curve(tmp_path: pathlib.Path) -> None:
    network, optimiser = make()
    assert checkpoint.load(tmp_path, network, optimiser, 0) == checkpoint.State(0)
    step(network, optimiser, 0)
    state = checkpoint.State(0, epoch=1, rows=[{"member": 1}])
    checkpoint.save(tmp_path, state, network, optimiser)
    found = checkpoint.load(tmp_path, *make(seed=1), 1)
    assert found == checkpoint.State(1, rows=[{"member": 1}])


def test_load__a_broken_file_is_told(tmp_path: pathlib.Path) -> None:
    network, optimiser = make()
    step(network, optimiser, 0)
    checkpoint.save(tmp_path, checkpoint.State(0, epoch=1), network, optimiser)
    file = tmp_path / checkpoint.FILE
    file.write_bytes(file.read_bytes()[:200])
    with pytest.raises(errors.ForeignStoreError, match="cannot be read"):
        checkpoint.load(tmp_path, network, optimiser, 0)


def test_save_tensors__leaves_nothing_else_and_readable_by_all_that_may(
    tmp_path: pathlib.Path,
) -> None:
    file = tmp_path / "model" / "member_0.safetensors"
    checkpoint.save_tensors(file, {"a": torch.ones(2, 3).t()})
    checkpoint.save_tensors(file, {"a": torch.zeros(2, 3).t()})
    assert [found.name for found in file.parent.iterdir()] == [file.name]
    plain = tmp_path / "plain"
    plain.touch()
    assert file.stat().st_mode == plain.stat().st_mode
