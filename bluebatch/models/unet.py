"""A U-Net along a one-dimensional signal.

Convolutions are two-dimensional with kernels one high: on processors, channels-last ``Conv2d``
runs several times faster than ``Conv1d`` on the same numbers.
"""

from typing import cast

import torch
from torch import nn
from torch.nn.utils import fusion


class DoubleConvolution(nn.Module):
    """Twice: convolution of width 3, batch normalisation, ReLU.

    Parameters
    ----------
    n_in, n_out : int
        Channels.
    """

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(*_convolution(n_in, n_out), *_convolution(n_out, n_out))

    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        """Convolve.

        Parameters
        ----------
        signal : torch.Tensor, shape (batch, n_in, 1, length)
            Channels-last.

        Returns
        -------
        torch.Tensor, shape (batch, n_out, 1, length)
            Not negative.
        """
        return cast(torch.Tensor, self.layers(signal))

    def fold(self) -> None:
        """Fold batch normalisation, in evaluation mode, into the convolutions before it."""
        if len(self.layers) == 4:
            return
        first, first_norm, _, second, second_norm, _ = self.layers.eval()
        fused = (
            fusion.fuse_conv_bn_eval(cast(nn.Conv2d, first), cast(nn.BatchNorm2d, first_norm)),
            fusion.fuse_conv_bn_eval(cast(nn.Conv2d, second), cast(nn.BatchNorm2d, second_norm)),
        )
        self.layers = nn.Sequential(fused[0], nn.ReLU(True), fused[1], nn.ReLU(True))


class UNet(nn.Module):
    """Downwards by max-pooling, upwards by transposed convolution, with skips between.

    Parameters
    ----------
    channels : int
        Of the first level; each further level has twice as many.
    depth : int
        How many times the signal is halved.
    n_out : int
        Channels that come out.
    """

    def __init__(self, channels: int, depth: int, n_out: int) -> None:
        super().__init__()
        widths = [channels * 2**level for level in range(depth + 1)]
        outputs = [n_out, *widths[1:]]
        self.downs = nn.ModuleList(
            DoubleConvolution(n_in, n_out)
            for n_in, n_out in zip([1, *widths[:-1]], widths, strict=True)
        )
        upwards = range(depth - 1, -1, -1)
        self.raises = nn.ModuleList(
            nn.ConvTranspose2d(widths[level + 1], widths[level], (1, 2), stride=(1, 2))
            for level in upwards
        )
        # The level below hands up its own widths; only the last one ends in n_out channels.
        self.ups = nn.ModuleList(
            DoubleConvolution(2 * widths[level], outputs[level]) for level in upwards
        )
        self.pool = nn.MaxPool2d((1, 2))

    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        """Transform signals.

        Parameters
        ----------
        signal : torch.Tensor, shape (batch, length)
            The length is a multiple of 2 to the power of the depth.

        Returns
        -------
        torch.Tensor, shape (batch, n_out, length)
            Not negative.
        """
        x = signal[:, None, None, :].contiguous(memory_format=torch.channels_last)
        skips = []
        for level, down in enumerate(self.downs):
            x = down(x if level == 0 else self._halve(x))
            skips.append(x)
        skips.pop()
        for lift, up in zip(self.raises, self.ups, strict=True):
            x = up(torch.cat([skips.pop(), lift(x)], 1))
        # In one piece, or the linear layer that follows copies its weights once for each sample.
        return x[:, :, 0, :].contiguous()

    def _halve(self, x: torch.Tensor) -> torch.Tensor:
        if self.training:
            return cast(torch.Tensor, self.pool(x))
        # The same numbers, several times faster; its gradient would differ where both are equal.
        return torch.maximum(x[..., ::2], x[..., 1::2])

    def lay_out(self) -> None:
        """Lay the kernels out channels-last, as the signals are."""
        for parameter in self.parameters():
            if parameter.dim() == 4:
                parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)

    def fold(self) -> None:
        """Fold every batch normalisation into its convolution."""
        for block in [*self.downs, *self.ups]:
            cast(DoubleConvolution, block).fold()


def _convolution(n_in: int, n_out: int) -> list[nn.Module]:
    return [
        nn.Conv2d(n_in, n_out, (1, 3), padding=(0, 1)),
        nn.BatchNorm2d(n_out),
        nn.ReLU(inplace=True),
    ]
