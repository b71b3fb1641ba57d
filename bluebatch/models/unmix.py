"""The network that splits a bulk sample into fractions and one profile per part.

One linear trunk widens the sample to a signal. A U-Net along that signal, and a linear layer that
all its channels share, give the profiles; a stack of linear layers gives the fractions.
"""

import itertools
from collections.abc import Mapping
from typing import Literal, NamedTuple, Self, cast

import pydantic
import torch
from torch import nn

from bluebatch.models import contract, inputs, losses, unet

ANCHOR_PARTS = ("mean", "center", "basis", "coefficient")


class MemberSettings(pydantic.BaseModel):
    """One of the networks whose predictions are averaged.

    Parameters
    ----------
    input : {"none", "zscore", "rank"}
        How it sees a sample.
    noise : float
        Standard deviation, in log2 units, of what is added to each gene while training.
    gaps : float
        Largest share of genes that a training sample pretends to lack.
    seed : int
        Added to the seed of the run.
    """

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid")

    input: inputs.Input = "rank"
    noise: float = pydantic.Field(default=0.5, ge=0)
    gaps: float = pydantic.Field(default=0.1, ge=0, lt=1)
    seed: int = 0


class ModelSettings(pydantic.BaseModel):
    """Shape, members and loss of the network.

    Parameters
    ----------
    kind : {"unmix"}
        Kind of model.
    width : int
        Length of the trunk's signal, a multiple of 2 to the power of ``depth``.
    channels : int
        Channels at the U-Net's first level.
    depth : int
        How many times the U-Net halves the signal.
    hidden : tuple of int
        Widths of the layers between the trunk and the fractions.
    trunk : {"shared", "separate"}
        Whether profiles and fractions start from one trunk or from one each.
    output : {"linear", "relu"}
        What ends the profile branch; with an anchor it must be ``"linear"``.
    members : tuple of MemberSettings
        The networks, averaged.
    absent : {"masked", "zeros"}
        What the loss makes of the profile of a type that is absent from a sample.
    min_cells : int
        A profile of fewer drawn cells is no target where absent ones are masked: log2(1 + CPM) of
        a few cells is biased low. At most 25, from which profiles are scored.
    profile_weight, proportion_weight : float
        Weights of the two loss terms.
    share_surprise : bool
        Whether what a sample shows beyond its recombined profiles is shared out among them.
    fp32_heads : bool
        Whether the last layers stay in fp32 when the rest is laid out in bf16.
    """

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid")

    kind: Literal["unmix"] = "unmix"
    width: int = pydantic.Field(default=512, gt=0)
    channels: int = pydantic.Field(default=8, gt=0)
    depth: int = pydantic.Field(default=4, ge=1, le=8)
    hidden: tuple[pydantic.PositiveInt, ...] = (512, 256, 64)
    trunk: Literal["shared", "separate"] = "shared"
    output: Literal["linear", "relu"] = "linear"
    members: tuple[MemberSettings, ...] = pydantic.Field(
        default=(
            MemberSettings(),
            MemberSettings(seed=1),
            MemberSettings(seed=2),
            MemberSettings(noise=1.0, seed=3),
        ),
        min_length=1,
    )
    absent: Literal["masked", "zeros"] = "masked"
    min_cells: int = pydantic.Field(default=25, ge=0, le=25)
    profile_weight: float = pydantic.Field(default=1.0, ge=0)
    proportion_weight: float = pydantic.Field(default=100.0, ge=0)
    share_surprise: bool = True
    fp32_heads: bool = True

    @pydantic.model_validator(mode="after")
    def _check_width(self) -> Self:
        step = 2**self.depth
        if self.width % step or self.width < 2 * step:
            raise ValueError(
                f"width {self.width} does not halve {self.depth} times, "
                f"needed: a multiple of {step} of at least {2 * step}"
            )
        return self


class Sizes(NamedTuple):
    """Lengths of the axes.

    Parameters
    ----------
    n_inputs : int
        Genes read.
    n_outputs : int
        Genes of a profile.
    n_parts : int
        Profiles, and fractions, of a sample.
    """

    n_inputs: int
    n_outputs: int
    n_parts: int


class Network(contract.Model):
    """One member.

    A batch has ``log_cpm`` (n, n_inputs), log2(1 + CPM) with NaN for what is not measured, and to
    train from ``profile`` (n, n_parts, n_outputs) with NaN where there is none, and ``fraction``
    (n, n_parts).

    Parameters
    ----------
    settings : ModelSettings
        Shape and loss.
    member : MemberSettings
        Input and augmentation.
    sizes : Sizes
        Lengths of the axes.
    anchors : mapping of str to torch.Tensor
        Empty, or ``mean`` (n_parts, n_outputs), or that and ``center`` (n_inputs), ``basis``
        (n_inputs, k) and ``coefficient`` (k, n_parts, n_outputs): what the profiles are known to
        be before anything is learnt.
    """

    def __init__(
        self,
        settings: ModelSettings,
        member: MemberSettings,
        sizes: Sizes,
        anchors: Mapping[str, torch.Tensor] | None = None,
    ) -> None:
        super().__init__()
        self.settings = settings
        self.member = member
        width = settings.width
        self.trunk = nn.Linear(sizes.n_inputs, width)
        self.fraction_trunk = (
            nn.Linear(sizes.n_inputs, width) if settings.trunk == "separate" else None
        )
        self.unet = unet.UNet(settings.channels, settings.depth, sizes.n_parts)
        self.profile_head = nn.Linear(width, sizes.n_outputs)
        self.fraction_head = _perceptron([width, *settings.hidden, sizes.n_parts])
        # Anchors are kept once for all members, beside the card, not in each member's weights.
        for name in ANCHOR_PARTS:
            value = None if not anchors else anchors.get(name)
            self.register_buffer(f"anchor_{name}", value, persistent=False)
        if anchors:
            nn.init.zeros_(self.profile_head.weight)
            nn.init.zeros_(self.profile_head.bias)
        self.unet.lay_out()

    def transform(
        self, batch: contract.Batch, generator: torch.Generator | None = None
    ) -> contract.Batch:
        """Scale each sample over its measured genes; see `contract.Model`.

        Parameters
        ----------
        batch : contract.Batch
            With ``log_cpm``.
        generator : torch.Generator, optional
            While training: noise and gaps are drawn from it.

        Returns
        -------
        contract.Batch
            Also ``input`` and, for the anchor, ``anchor_input``.
        """
        measured = ~torch.isnan(batch["log_cpm"])
        expression = torch.where(measured, batch["log_cpm"], 0.0)
        disturbed = expression
        if generator is not None:
            measured = inputs.open_gaps(measured, self.member.gaps, generator)
            disturbed = inputs.add_noise(expression, self.member.noise, generator)
        ready = {**batch, "input": inputs.apply(self.member.input, disturbed, measured)}
        if self.anchor_basis is not None:
            # The anchor is fitted on undisturbed samples, so it is applied to them.
            ready["anchor_input"] = inputs.standardise(expression, measured)
        return ready

    def forward(self, batch: contract.Batch) -> contract.Batch:
        """Predict profiles, unclipped, and fractions.

        Parameters
        ----------
        batch : contract.Batch
            Output of `transform`.

        Returns
        -------
        contract.Batch
            ``profile`` (n, n_parts, n_outputs), log2(1 + CPM), and ``fraction`` (n, n_parts),
            rows summing to 1.
        """
        x = batch["input"].to(self.trunk.weight.dtype)
        signal = self.trunk(x)
        profile = self.profile_head(self.unet(signal).to(self.profile_head.weight.dtype)).float()
        if self.settings.output == "relu":
            profile = torch.relu(profile)
        if self.fraction_trunk is not None:
            signal = self.fraction_trunk(x)
        first = cast(nn.Linear, self.fraction_head[0])
        logits = self.fraction_head(signal.to(first.weight.dtype))
        return {
            "profile": self._anchor(batch, profile),
            "fraction": torch.softmax(logits.float(), dim=1),
        }

    def losses(self, outputs: contract.Batch, batch: contract.Batch) -> contract.Batch:
        """Measure the two squared errors.

        Parameters
        ----------
        outputs : contract.Batch
            Output of `forward`.
        batch : contract.Batch
            With ``profile`` and ``fraction``.

        Returns
        -------
        contract.Batch
            ``profile``, summed over parts, and ``fraction``.
        """
        return {
            "profile": losses.masked_squared_error(outputs["profile"], batch["profile"]),
            "fraction": losses.squared_error(outputs["fraction"], batch["fraction"]),
        }

    def loss_weights(self, epoch: int) -> dict[str, float]:
        """Weigh the terms as the settings say, at every epoch alike.

        Parameters
        ----------
        epoch : int
            From 0.

        Returns
        -------
        dict of str to float
            Weight by term.
        """
        del epoch
        return {
            "profile": self.settings.profile_weight,
            "fraction": self.settings.proportion_weight,
        }

    def conclude(
        self, outputs: contract.Batch, generator: torch.Generator | None = None
    ) -> contract.Batch:
        """Raise negative profile values to 0, and square the fractions.

        Parameters
        ----------
        outputs : contract.Batch
            Output of `forward`.
        generator : torch.Generator, optional
            Unused.

        Returns
        -------
        contract.Batch
            ``profile``, ``fraction`` and ``fraction_squared``, whose mean over members tells how
            far they lie apart.
        """
        del generator
        profile, squared = outputs["profile"].clamp_min(0), outputs["fraction"].square()
        return {**outputs, "profile": profile, "fraction_squared": squared}

    def prepare(self, dtype: torch.dtype) -> "Network":
        """Fold batch normalisation and cast the weights; the anchor stays in fp32.

        Parameters
        ----------
        dtype : torch.dtype
            Of the weights.

        Returns
        -------
        Network
            In evaluation mode; it shares what it does not convert.
        """
        ready = contract.shared_copy(self).eval()
        ready.unet.fold()
        heads = torch.float32 if self.settings.fp32_heads else dtype
        ready.trunk.to(dtype)
        ready.unet.to(dtype).lay_out()
        ready.profile_head.to(heads)
        ready.fraction_head.to(heads)
        if ready.fraction_trunk is not None:
            ready.fraction_trunk.to(dtype)
        return ready

    def price(self, dtype: torch.dtype = torch.float32) -> contract.Price:
        """Price the weights and one sample.

        Parameters
        ----------
        dtype : torch.dtype
            Of the weights at inference.

        Returns
        -------
        contract.Price
            The row's peak lies in the U-Net, in the profiles and their anchor, or in its ranks,
            whichever is largest. While training, each level holds the outputs of its
            convolutions, normalisations and poolings, and their gradients on the way back.
        """
        settings = self.settings
        heads = torch.float32 if settings.fp32_heads else dtype
        weight_bytes = sum(4 * buffer.numel() for buffer in self.buffers())
        for name, weight in self.named_parameters():
            is_head = name.startswith(("profile_head", "fraction_head"))
            weight_bytes += weight.numel() * (heads if is_head else dtype).itemsize
        n_outputs, n_inputs = self.profile_head.out_features, self.trunk.in_features
        n_parts = cast(nn.Linear, self.fraction_head[-1]).out_features
        # Measured: all skips and four signals more; 2 profiles, 6 on an anchor, and those of the
        # members before; 14 inputs where they are ranked, else 3.
        signals = dtype.itemsize * settings.width * settings.channels * (settings.depth + 4.4)
        n_profiles = 4 if self.anchor_mean is None else 7
        ranks = 44 * n_inputs * (self.member.input == "rank")
        row_bytes = int(max(signals, 4 * n_profiles * n_parts * n_outputs, ranks)) + 12 * n_inputs
        # Measured: at width 512 x 8 channels 1.6-1.9 MB a row, at 4096 x 16 20-23 MB.
        levels = settings.width * settings.channels * (22 * settings.depth + 4)
        dense = 4 * (settings.width + sum(settings.hidden)) + 10 * n_inputs
        training_row_bytes = 4 * (levels + dense + 12 * n_parts * n_outputs)
        return contract.Price(weight_bytes, row_bytes, training_row_bytes)

    def _anchor(self, batch: contract.Batch, residual: torch.Tensor) -> torch.Tensor:
        mean, center, basis, coefficient = (
            cast(torch.Tensor | None, getattr(self, f"anchor_{name}")) for name in ANCHOR_PARTS
        )
        if mean is None:
            return residual
        if center is None or basis is None or coefficient is None:
            return residual + mean
        # Rounding to bf16 here would cost more than the residual is worth.
        with torch.autocast(residual.device.type, enabled=False):
            scores = (batch["anchor_input"] - center) @ basis
            linear = scores @ coefficient.flatten(1)
            return residual + mean + linear.view_as(residual)


def _perceptron(widths: list[int]) -> nn.Sequential:
    layers: list[nn.Module] = []
    for n_in, n_out in itertools.pairwise(widths):
        layers += [nn.Linear(n_in, n_out), nn.SiLU()]
    return nn.Sequential(*layers[:-1])
