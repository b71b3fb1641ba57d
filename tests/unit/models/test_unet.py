import pytest
import torch
from torch import nn

from bluebatch.models import unet


def test_forward__keeps_the_length_and_gives_the_channels_asked_for() -> None:
    network = unet.UNet(channels=4, depth=3, n_out=5)
    assert network(torch.randn(2, 32)).shape == (2, 5, 32)


@pytest.mark.parametrize("depth", [1, 4])
def test_fold__changes_nothing_in_evaluation(depth: int) -> None:
    torch.manual_seed(0)
    network = unet.UNet(channels=4, depth=depth, n_out=3)
    network.lay_out()
    signal = torch.randn(6, 32)
    network(signal)  # Running means and variances that are not 0 and 1.
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.uniform_(layer.weight, 0.5, 1.5)
            nn.init.uniform_(layer.bias, -0.5, 0.5)
    network.eval()
    with torch.no_grad():
        before = network(signal)
        network.fold()
        after = network(signal)
    assert not any(isinstance(layer, nn.BatchNorm2d) for layer in network.modules())
    torch.testing.assert_close(after, before, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("n_in", [1, 2])
def test_forward__equals_plain_one_dimensional_convolutions(n_in: int) -> None:
    torch.manual_seed(0)
    block = unet.DoubleConvolution(n_in, 3).eval()
    signal = torch.randn(4, n_in, 1, 16)
    first, norm, _, second, second_norm, _ = block.layers
    assert isinstance(first, nn.Conv2d)
    assert isinstance(second, nn.Conv2d)
    plain = signal[:, :, 0]
    for convolution, normalise in ((first, norm), (second, second_norm)):
        weight = convolution.weight[:, :, 0]
        plain = nn.functional.conv1d(plain, weight, convolution.bias, padding=1)
        plain = torch.relu(normalise(plain[:, :, None])[:, :, 0])
    torch.testing.assert_close(block(signal)[:, :, 0], plain)


def test_lift__equals_a_transposed_convolution() -> None:
    torch.manual_seed(0)
    lift = unet.Lift(4, 3)
    signal = torch.randn(2, 4, 1, 5)
    # Kernel position k of channel c stands in row 3 k + c.
    kernel = lift.weight.view(2, 3, 4).permute(2, 1, 0)
    plain = nn.functional.conv_transpose1d(signal[:, :, 0], kernel, lift.shift, stride=2)
    torch.testing.assert_close(lift(signal)[:, :, 0], plain)


def test_lift__starts_with_weights_as_large_as_a_transposed_convolution() -> None:
    torch.manual_seed(0)
    lift, plain = unet.Lift(64, 32), nn.ConvTranspose1d(64, 32, 2, stride=2)
    assert plain.bias is not None
    for found, expected in ((lift.weight, plain.weight), (lift.shift, plain.bias)):
        assert found.numel() == expected.numel()
        limit = float(expected.detach().abs().max())
        assert float(found.detach().abs().max()) == pytest.approx(limit, rel=0.1)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_halve__equals_max_pooling_with_its_gradient(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    # Whole numbers, so that many neighbours are equal.
    signal = torch.randint(-2, 3, (3, 2, 1, 16)).to(dtype).requires_grad_()
    upstream = torch.randn(3, 2, 1, 8).to(dtype)
    plain = nn.functional.max_pool2d(signal, (1, 2))
    (expected,) = torch.autograd.grad(plain, signal, upstream)
    halved = unet.Halve.apply(signal)  # type: ignore[no-untyped-call]
    (found,) = torch.autograd.grad(halved, signal, upstream)
    assert torch.equal(halved, plain)
    assert torch.equal(found, expected)


def test_backward__every_gradient_between_levels_is_channels_last() -> None:
    network = unet.UNet(channels=4, depth=2, n_out=3).train()
    network.lay_out()
    layouts: list[bool] = []

    def watch(module: nn.Module, inputs: object, output: torch.Tensor) -> None:
        del module, inputs
        layout = torch.channels_last
        output.register_hook(  # type: ignore[no-untyped-call]
            lambda gradient: layouts.append(gradient.is_contiguous(memory_format=layout))
        )

    for layer in network.modules():
        if isinstance(layer, nn.Conv2d) and not isinstance(layer, unet.Lift):
            layer.register_forward_hook(watch)
    network(torch.randn(2, 32)).sum().backward()
    assert len(layouts) == 10
    assert all(layouts)
