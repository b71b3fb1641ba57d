"""One step of training: a batch cut into parts, each of which is normalised by itself.

Batch normalisation sees one part at a time, so a step comes to the same, but for rounding, whether
one process computes the parts one after another or several compute them at once.
"""

import itertools
import warnings
from contextlib import nullcontext
from typing import NamedTuple

import torch
from torch.nn.parallel import DistributedDataParallel

from bluebatch import errors
from bluebatch.engine import distributed, gradients, precision, stream, task
from bluebatch.models import contract


class Compute(NamedTuple):
    """Where and how a network is computed.

    Parameters
    ----------
    device : torch.device
        Processor or GPU.
    dtype : torch.dtype
        Of matrix products.
    """

    device: torch.device
    dtype: torch.dtype


class Part(NamedTuple):
    """What a part of a batch cost.

    Parameters
    ----------
    terms : contract.Batch
        ``loss`` and each of its terms, means over the part's rows.
    n_rows : int
        How many; 0 for what only keeps step with the other processes.
    """

    terms: contract.Batch
    n_rows: int


class Stepper:
    """Moves a network's weights, one batch after another.

    Parameters
    ----------
    network : contract.Model
        On its device.
    optimiser : torch.optim.Optimizer
        Of its weights.
    compute : Compute
        Where and how.
    n_parts : int
        Of each batch; every process takes an equal share of them.
    """

    def __init__(
        self,
        network: contract.Model,
        optimiser: torch.optim.Optimizer,
        compute: Compute,
        n_parts: int,
    ) -> None:
        self.network, self.optimiser = network, optimiser
        self.compute, self.n_parts = compute, n_parts
        share = n_parts // distributed.world_size()
        self._own = range(distributed.rank() * share, (distributed.rank() + 1) * share)
        self._statistics = _Statistics(
            network if n_parts > 1 else torch.nn.Module(), compute.device
        )
        self._gradients = gradients.Sums(network)
        self._together: DistributedDataParallel | None = None
        if distributed.is_spread():
            self._together = _together(network, compute.device)
            self._together.register_comm_hook(self._gradients, gradients.Sums.reduce)

    def begin(self, epoch: int, *key: int) -> None:
        """Begin an epoch: key all that is drawn in it.

        Parameters
        ----------
        epoch : int
            From 0.
        *key : int
            Seed and member.
        """
        self._epoch, self._index = epoch, 0
        # A part draws for itself, so that it does not matter which process computes it.
        self._keys = {
            part: (*key, epoch) if self.n_parts == 1 else (*key, epoch, part) for part in self._own
        }
        self._generators = {
            part: torch.Generator(self.compute.device).manual_seed(stream.keyed_seed(*own))
            for part, own in self._keys.items()
        }
        # Layers that draw for themselves, dropout say, take torch's own generator.
        torch.manual_seed(stream.keyed_seed(*key, epoch))

    def take(self, arrays: task.Arrays) -> list[Part]:
        """Take one step.

        Parameters
        ----------
        arrays : dict of str to np.ndarray
            The whole batch, the same in every process.

        Returns
        -------
        list of Part
            This process's parts.

        Raises
        ------
        errors.ResourceError
            If the device has too little memory.
        """
        self.optimiser.zero_grad(set_to_none=True)
        try:
            parts = self._compute(arrays)
            self.optimiser.step()
        except torch.OutOfMemoryError as error:
            n_rows = -(-stream.count(arrays) // self.n_parts)
            raise errors.ResourceError(
                f"{self.compute.device}: has too little memory for {n_rows} rows at once. "
                f"Raise [training] micro_batches (now {self.n_parts}), or lower batch."
            ) from error
        self._index += 1
        return parts

    def _compute(self, arrays: task.Arrays) -> list[Part]:
        shares, n_parts = self._shares(stream.count(arrays))
        begun = self._statistics.read()
        total = torch.zeros_like(begun)
        parts = []
        for share in shares:
            self._statistics.write(begun)
            waits = self._together is not None and share is not shares[-1]
            with self._together.no_sync() if self._together and waits else nullcontext():
                parts.append(self._part(arrays, share))
            if waits or (self._together is None and self.n_parts > 1):
                self._gradients.put_by()
            total += self._statistics.read() * share.is_counted
        self._gradients.give_back()
        self._statistics.write(distributed.add_up(total) / n_parts)
        return parts

    def _shares(self, n_rows: int) -> tuple[list["_Share"], int]:
        cuts = cut(n_rows, self.n_parts)
        shares = [_Share(part, cuts[part], n_rows) for part in self._own if part < len(cuts)]
        # Too few rows for all: a process without any still adds its gradient, of 0, to the others'.
        return shares or [_Share(self._own[0], cuts[0], n_rows, is_counted=False)], len(cuts)

    def _part(self, arrays: task.Arrays, share: "_Share") -> Part:
        if self.n_parts > 1:
            torch.manual_seed(stream.keyed_seed(*self._keys[share.part], self._index))
        taken = {name: array[share.rows] for name, array in arrays.items()}
        batch = stream.to_batch(taken, self.compute.device)
        batch = self.network.transform(batch, self._generators[share.part])
        terms = measure(self.network, batch, self._epoch, self.compute, self._together)
        n_rows = (share.rows.stop - share.rows.start) * share.is_counted
        (terms["loss"] * (n_rows / share.n_rows)).backward()
        return Part(terms, n_rows)


def measure(
    network: contract.Model,
    batch: contract.Batch,
    epoch: int,
    compute: Compute,
    forward: torch.nn.Module | None = None,
) -> contract.Batch:
    """Measure the loss of a network on rows.

    Parameters
    ----------
    network : contract.Model
        On its device.
    batch : contract.Batch
        Output of its ``transform``.
    epoch : int
        Whose weights of the terms are taken.
    compute : Compute
        Where and how.
    forward : torch.nn.Module, optional
        What is called in the network's place, e.g. what wraps it.

    Returns
    -------
    contract.Batch
        ``loss`` and each term, scalars.
    """
    with precision.autocast(compute.device, compute.dtype):
        outputs = (forward or network)(batch)
    terms = network.losses(outputs, batch)
    weights = network.loss_weights(epoch)
    loss = torch.stack([weights[name] * value for name, value in terms.items()]).sum()
    return {"loss": loss, **terms}


def cut(n_rows: int, n_parts: int) -> list[slice]:
    """Cut the rows of a batch into parts of equal size, or sizes that differ by one.

    Parameters
    ----------
    n_rows : int
        At least 1.
    n_parts : int
        At most so many parts.

    Returns
    -------
    list of slice
        Fewer where parts would hold a single row, which cannot be normalised by itself.
    """
    n_parts = max(1, min(n_parts, n_rows // 2))
    edges = [n_rows * part // n_parts for part in range(n_parts + 1)]
    return [slice(*pair) for pair in itertools.pairwise(edges)]


def _together(network: torch.nn.Module, device: torch.device) -> DistributedDataParallel:
    # A kernel of width 1 has two layouts that are one and the same.
    warnings.filterwarnings("ignore", message="Grad strides do not match bucket view")
    with warnings.catch_warnings():
        # What takes the place of this argument is not in every torch that we run on.
        warnings.filterwarnings("ignore", message="`broadcast_buffers` is deprecated")
        return DistributedDataParallel(
            network,
            device_ids=[device] if device.type == "cuda" else None,
            broadcast_buffers=False,
        )


class _Share(NamedTuple):
    """Rows that this process computes at once, of so many in the whole batch."""

    part: int
    rows: slice
    n_rows: int
    is_counted: bool = True


class _Statistics:
    """Means and variances that layers keep while training, as one row of numbers."""

    def __init__(self, network: torch.nn.Module, device: torch.device) -> None:
        weights = {name for name, _ in network.named_parameters()}
        # Buffers that belong to the weights' file; constants need no averaging.
        kept = network.state_dict().items()
        self._values = [value for name, value in kept if name not in weights]
        self._sizes = [value.numel() for value in self._values]
        self._empty = torch.zeros(0, dtype=torch.float64, device=device)

    def read(self) -> torch.Tensor:
        # Doubles, in which sums over parts hang on their order by less than floats can tell.
        return torch.cat([self._empty, *(value.flatten().double() for value in self._values)])

    def write(self, row: torch.Tensor) -> None:
        for value, part in zip(self._values, torch.split(row, self._sizes), strict=True):
            value.copy_(part.view_as(value))
