"""A U-Net along a one-dimensional signal.

Convolutions are two-dimensional with kernels one high: on processors, channels-last ``Conv2d``
runs several times faster than ``Conv1d`` on the same numbers.
"""

from collections.abc import Callable
from typing import Any, cast

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


class Lift(nn.Conv2d):
    """Transposed convolution that doubles the length.

    Its kernel is as wide as its stride, so each position becomes two by itself: a convolution of
    width 1 to twice the channels, several times faster backwards than the operator of that name.

    Parameters
    ----------
    n_in, n_out : int
        Channels.
    """

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__(n_in, 2 * n_out, 1, bias=False)
        limit = n_in**-0.5
        self.shift = nn.Parameter(torch.empty(n_out).uniform_(-limit, limit))

    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        """Double the length.

        Parameters
        ----------
        signal : torch.Tensor, shape (batch, n_in, 1, length)
            Channels-last.

        Returns
        -------
        torch.Tensor, shape (batch, n_out, 1, 2 * length)
            Channels-last.
        """
        pairs = nn.functional.conv2d(signal, self.weight, self.shift.repeat(2))
        # Squeezed and not indexed: the gradient of an index has another layout.
        rows = pairs.squeeze(2).transpose(1, 2)
        return rows.reshape(len(rows), 2 * rows.shape[1], -1).transpose(1, 2).unsqueeze(2)


class Halve(torch.autograd.Function):
    """Max-pooling of width 2, whose gradient goes to the first of equal values."""

    @staticmethod
    def forward(ctx: Any, signal: torch.Tensor) -> torch.Tensor:
        """Take the larger of each two neighbours.

        Parameters
        ----------
        ctx : torch.autograd.function.FunctionCtx
            It keeps the signal.
        signal : torch.Tensor, shape (batch, channel, 1, length)
            Channels-last.

        Returns
        -------
        torch.Tensor, shape (batch, channel, 1, length / 2)
            Channels-last.
        """
        ctx.save_for_backward(signal)
        return torch.maximum(signal[..., ::2], signal[..., 1::2])

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> torch.Tensor:
        """Hand the gradient to the larger one.

        Parameters
        ----------
        ctx : torch.autograd.function.FunctionCtx
            It kept the signal.
        gradient : torch.Tensor, shape (batch, channel, 1, length / 2)
            Of the output.

        Returns
        -------
        torch.Tensor, shape (batch, channel, 1, length)
            Channels-last.
        """
        (signal,) = ctx.saved_tensors
        second_is_larger = signal[..., 1::2] - signal[..., ::2]
        # A product with a mask or a choice by one is many times slower in bf16.
        second = torch.ops.aten.threshold_backward(gradient, second_is_larger, 0)
        halves = [half.squeeze(2).transpose(1, 2) for half in (gradient - second, second)]
        return torch.stack(halves, 2).flatten(1, 2).transpose(1, 2).unsqueeze(2)


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
        self.raises = nn.ModuleList(Lift(widths[level + 1], widths[level]) for level in upwards)
        # The level below hands up its own widths; only the last one ends in n_out channels.
        self.ups = nn.ModuleList(
            DoubleConvolution(2 * widths[level], outputs[level]) for level in upwards
        )

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
        x = signal[:, None, None]
        skips = []
        halve = cast(Callable[[torch.Tensor], torch.Tensor], Halve.apply)
        for level, down in enumerate(self.downs):
            x = down(x if level == 0 else halve(x))
            skips.append(x)
        skips.pop()
        for lift, up in zip(self.raises, self.ups, strict=True):
            x = up(torch.cat([skips.pop(), lift(x)], 1))
        # In one piece, or the linear layer that follows copies its weights once for each sample.
        return x.squeeze(2).contiguous()

    def lay_out(self) -> None:
        """Lay the kernels out channels-last, as the signals are."""
        for parameter in self.parameters():
            if parameter.dim() == 4:
                parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)

    def fold(self) -> None:
        """Fold every batch normalisation into its convolution."""
        for block in [*self.downs, *self.ups]:
            cast(DoubleConvolution, block).fold()


class _FromOne(nn.Conv2d):
    """Convolution of one channel, which has no layout: beside an empty one it is channels-last."""

    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        both = nn.functional.pad(signal.movedim(1, 3), (0, 1)).movedim(3, 1)
        weight = nn.functional.pad(self.weight.movedim(1, 3), (0, 1)).movedim(3, 1)
        return nn.functional.conv2d(both, weight, self.bias, padding=self.padding)


def _convolution(n_in: int, n_out: int) -> list[nn.Module]:
    kind = _FromOne if n_in == 1 else nn.Conv2d
    return [
        kind(n_in, n_out, (1, 3), padding=(0, 1)),
        nn.BatchNorm2d(n_out),
        nn.ReLU(inplace=True),
    ]
