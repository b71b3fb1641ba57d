"""Gradients of the parts of a batch, added up so that their order makes no difference.

The last bit of a gradient may turn a unit on or off, from which weights soon part ways. So parts
are added up in doubles: the sum has the same bits in whatever order, and by however many processes,
it is taken.
"""

from typing import Any, cast

import torch


class Sums:
    """Sums of a network's gradients.

    Parameters
    ----------
    network : torch.nn.Module
        Whose.
    """

    def __init__(self, network: torch.nn.Module) -> None:
        self._parameters = list(network.parameters())
        self._sums: dict[torch.Tensor, torch.Tensor] = {}

    def put_by(self) -> None:
        """Add the gradients to the sums, and clear them."""
        for parameter in self._parameters:
            if parameter.grad is None:
                continue
            if parameter in self._sums:
                self._sums[parameter] += parameter.grad
            else:
                self._sums[parameter] = parameter.grad.double()
            parameter.grad = None

    def give_back(self) -> None:
        """Make the sums, if there are any, the gradients."""
        for parameter, total in self._sums.items():
            parameter.grad = total.to(parameter.dtype)
        self._sums.clear()

    def reduce(
        self,
        bucket: torch.distributed.GradBucket,  # type: ignore[name-defined]
    ) -> torch.futures.Future[torch.Tensor]:
        """Add a bucket of gradients up over all processes, with what was put by of them.

        Parameters
        ----------
        bucket : torch.distributed.GradBucket
            As `torch.nn.parallel.DistributedDataParallel.register_comm_hook` hands it over.

        Returns
        -------
        torch.futures.Future
            The bucket's buffer with the sums.
        """
        buffer = bucket.buffer()
        total = buffer.double()
        for parameter, found in zip(bucket.parameters(), bucket.gradients(), strict=True):
            if parameter in self._sums:
                place = found.storage_offset() - buffer.storage_offset()
                # In the bucket each gradient is laid out as its parameter, whatever `found` says.
                twin = total.as_strided(parameter.size(), parameter.stride(), place)
                twin += self._sums.pop(parameter)

        def rounded(done: Any) -> Any:
            return buffer.copy_(done.value()[0])

        future = torch.distributed.all_reduce(total, async_op=True).get_future()
        return cast(torch.futures.Future[torch.Tensor], future.then(rounded))
