"""How weights are moved: the optimiser, its rate, and the settings of both."""

import math
from typing import Literal

import pydantic
import torch


class TrainingSettings(pydantic.BaseModel):
    """How networks are fitted.

    Parameters
    ----------
    epochs : int
        At most so many passes over the training rows.
    batch : int
        Rows of a step.
    micro_batches : int
        Parts of a batch that are normalised each by themselves and computed one after another, or
        each by a process of its own under ``torchrun``; 1 becomes the number of processes there.
    learning_rate : float
        At the start.
    optimiser : {"adam", "adamw"}
        Fused where the device has it.
    weight_decay : float
        Decoupled with ``"adamw"``.
    schedule : {"constant", "cosine", "step"}
        Cosine falls to 0 over all steps; step multiplies by ``step_factor`` every ``step_epochs``.
    step_epochs : int
        Epochs between two steps of the schedule.
    step_factor : float
        What a step multiplies the rate by.
    patience : int
        Epochs without a better validation loss after which a member stops; 0 never stops.
    keep : {"best", "last"}
        Which weights: those of lowest loss over the whole validation set, or the last ones.
    precision : {"auto", "fp32", "bf16"}
        Of matrix products; ``"auto"`` takes bf16 where the device has it.
    window : int
        Blocks of 256 rows within which rows are shuffled.
    fresh : bool
        Whether training rows are drawn anew every epoch, where the kind of model and its store
        allow it: the rows' design stays, and each member draws for itself.
    """

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid")

    epochs: int = pydantic.Field(default=10, gt=0)
    batch: int = pydantic.Field(default=64, ge=2)
    micro_batches: int = pydantic.Field(default=1, gt=0)
    learning_rate: float = pydantic.Field(default=1e-3, gt=0)
    optimiser: Literal["adam", "adamw"] = "adamw"
    weight_decay: float = pydantic.Field(default=0.01, ge=0)
    schedule: Literal["constant", "cosine", "step"] = "cosine"
    step_epochs: int = pydantic.Field(default=100, gt=0)
    step_factor: float = pydantic.Field(default=0.1, gt=0, le=1)
    patience: int = pydantic.Field(default=0, ge=0)
    keep: Literal["best", "last"] = "last"
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    window: int = pydantic.Field(default=64, gt=0)
    fresh: bool = False


def make_optimiser(network: torch.nn.Module, settings: TrainingSettings) -> torch.optim.Optimizer:
    """Make the optimiser of a network.

    Parameters
    ----------
    network : torch.nn.Module
        Whose weights it moves.
    settings : TrainingSettings
        Which and how fast.

    Returns
    -------
    torch.optim.Optimizer
        Fused: one pass over weights, gradients and moments in place of a dozen.
    """
    kind = torch.optim.Adam if settings.optimiser == "adam" else torch.optim.AdamW
    return kind(
        network.parameters(),
        lr=settings.learning_rate,
        weight_decay=settings.weight_decay,
        fused=True,
    )


def learning_rate(settings: TrainingSettings, step: int, steps_per_epoch: int) -> float:
    """Follow the schedule.

    Parameters
    ----------
    settings : TrainingSettings
        Which schedule.
    step : int
        From 0, over all epochs.
    steps_per_epoch : int
        Steps of an epoch.

    Returns
    -------
    float
        Learning rate of that step.
    """
    if settings.schedule == "cosine":
        share = step / (settings.epochs * steps_per_epoch)
        return settings.learning_rate * 0.5 * (1 + math.cos(math.pi * share))
    if settings.schedule == "step":
        steps = step // steps_per_epoch // settings.step_epochs
        return settings.learning_rate * settings.step_factor**steps
    return settings.learning_rate
