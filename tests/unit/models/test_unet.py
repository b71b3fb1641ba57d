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


def test_forward__equals_plain_one_dimensional_convolutions() -> None:
    torch.manual_seed(0)
    block = unet.DoubleConvolution(2, 3).eval()
    signal = torch.randn(4, 2, 1, 16)
    first, norm, _, second, second_norm, _ = block.layers
    assert isinstance(first, nn.Conv2d)
    assert isinstance(second, nn.Conv2d)
    plain = signal[:, :, 0]
    for convolution, normalise in ((first, norm), (second, second_norm)):
        weight = convolution.weight[:, :, 0]
        plain = nn.functional.conv1d(plain, weight, convolution.bias, padding=1)
        plain = torch.relu(normalise(plain[:, :, None])[:, :, 0])
    torch.testing.assert_close(block(signal)[:, :, 0], plain)
