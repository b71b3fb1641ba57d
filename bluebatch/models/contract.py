"""What the engine asks of any network.

A model is one file in this room. It turns a batch of named tensors into named outputs, names its
loss terms and their weights, and knows how it is best laid out for inference. The engine drives it
without knowing what the names mean; `bluebatch.engine.task` binds the names to stores.
"""

import abc
import copy
from typing import NamedTuple, TypeVar

import torch

Batch = dict[str, torch.Tensor]
ModelT = TypeVar("ModelT", bound="Model")


class Price(NamedTuple):
    """What a model costs in memory.

    Parameters
    ----------
    weight_bytes : int
        Of all weights and anchors, at the precision in which `Model.prepare` holds them.
    row_bytes : int
        Peak of the activations for one row at inference.
    training_row_bytes : int
        Peak of what is held for one row from the forward to the end of the backward pass, in fp32.
    """

    weight_bytes: int
    row_bytes: int
    training_row_bytes: int


class Model(torch.nn.Module, abc.ABC):
    """A network that the engine can train and apply.

    Every tensor of a batch has the rows of the batch as its first axis.
    """

    def transform(self, batch: Batch, generator: torch.Generator | None = None) -> Batch:
        """Turn what was read into what the network sees; nothing by default.

        Parameters
        ----------
        batch : Batch
            As the task reads it.
        generator : torch.Generator, optional
            Given while training: noise, gaps and other augmentation are drawn from it. Without
            one the transform is deterministic.

        Returns
        -------
        Batch
            With every tensor that `forward` takes.
        """
        del generator
        return batch

    @abc.abstractmethod
    def forward(self, batch: Batch) -> Batch:
        """Predict from a transformed batch.

        Parameters
        ----------
        batch : Batch
            Output of `transform`.

        Returns
        -------
        Batch
            Outputs by name, as `losses` compares them.
        """

    @abc.abstractmethod
    def losses(self, outputs: Batch, batch: Batch) -> Batch:
        """Measure every loss term, unweighted.

        Parameters
        ----------
        outputs : Batch
            Output of `forward`.
        batch : Batch
            With the targets.

        Returns
        -------
        Batch
            One scalar a term.
        """

    @abc.abstractmethod
    def loss_weights(self, epoch: int) -> dict[str, float]:
        """Weigh the loss terms at an epoch.

        Parameters
        ----------
        epoch : int
            From 0.

        Returns
        -------
        dict of str to float
            Weight by term.
        """

    def conclude(self, outputs: Batch, generator: torch.Generator | None = None) -> Batch:
        """Turn outputs into predictions: clip, draw; nothing by default.

        Parameters
        ----------
        outputs : Batch
            Output of `forward`.
        generator : torch.Generator, optional
            Keyed by seed and block, for models that draw at inference.

        Returns
        -------
        Batch
            Predictions by name.
        """
        del generator
        return outputs

    def prepare(self, dtype: torch.dtype) -> "Model":
        """Lay a copy of the network out for inference: folded, in the given precision.

        Parameters
        ----------
        dtype : torch.dtype
            One of torch.float32 and torch.bfloat16.

        Returns
        -------
        Model
            In evaluation mode, on the same device; takes float32 batches all the same. This one
            stays as it is, but may share weights with it.
        """
        return shared_copy(self).eval().to(dtype)

    @abc.abstractmethod
    def price(self, dtype: torch.dtype = torch.float32) -> Price:
        """Price the model's memory from its shapes alone.

        Parameters
        ----------
        dtype : torch.dtype
            For which `prepare` is asked.

        Returns
        -------
        Price
            Bytes of weights and of one row.
        """


def shared_copy(network: ModelT) -> ModelT:
    """Copy a network, but not its weights: what is then converted or folded is the copy's alone.

    Parameters
    ----------
    network : Model
        Left as it is, as long as nothing is written into the weights in place.

    Returns
    -------
    Model
        Of the same kind, with parameters that are not trained.
    """
    shared: dict[int, object] = {id(buffer): buffer for buffer in network.buffers()}
    for parameter in network.parameters():
        shared[id(parameter)] = torch.nn.Parameter(parameter.detach(), requires_grad=False)
    return copy.deepcopy(network, shared)
