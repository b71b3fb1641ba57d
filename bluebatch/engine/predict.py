"""Predictions of a model's members, with the same bits however its rows are grouped.

The networks only ever see micro-batches of one shape, aligned to the row index and padded at the
end: matrix kernels add up in an order that depends on the shape, so a batch of 12 and one of 128
differ in the last bits of nearly half of their values.
"""

import hashlib
import threading
from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch

from bluebatch.engine import task
from bluebatch.models import contract

MICRO_BATCH: Final = 64


class Predictor:
    """The mean of a model's members, ready to be called by one thread at a time.

    Parameters
    ----------
    networks : sequence of contract.Model
        The members; they are prepared here, and left as they are.
    dtype : torch.dtype
        Precision of the weights: torch.float32, torch.bfloat16 or, on a GPU, torch.float16.
    device : torch.device or str
        Where they run.
    micro_batch : int
        Rows that the networks see at once.
    seed : int
        Of what a model draws at inference.
    """

    def __init__(
        self,
        networks: Sequence[contract.Model],
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
        micro_batch: int = MICRO_BATCH,
        seed: int = 0,
    ) -> None:
        self.device = torch.device(device)
        self.micro_batch = micro_batch
        self.seed = seed
        self._members = [network.to(self.device).prepare(dtype) for network in networks]
        self._lock = threading.Lock()
        self._threads = torch.get_num_threads()

    def __call__(self, arrays: task.Arrays, first_row: int = 0) -> task.Arrays:
        """Predict a block of rows.

        Parameters
        ----------
        arrays : dict of str to np.ndarray
            What the networks' ``transform`` takes, rows first.
        first_row : int
            Index of the block's first row in its store, a multiple of the micro-batch.

        Returns
        -------
        dict of str to np.ndarray
            Float32 mean over the members, rows first, by name of output.
        """
        if first_row % self.micro_batch:
            raise ValueError(f"row {first_row} is no multiple of {self.micro_batch}")
        n_rows = min(len(array) for array in arrays.values())
        predictions: task.Arrays = {}
        with self._lock, torch.inference_mode():
            # A thread new to torch starts from its own default, not from what was set elsewhere.
            torch.set_num_threads(self._threads)
            for rows, batch in self._micro_batches(arrays, n_rows):
                chunk = (first_row + rows.start) // self.micro_batch
                for name, mean in self._mean(batch, chunk).items():
                    if name not in predictions:
                        predictions[name] = np.empty((n_rows, *mean.shape[1:]), np.float32)
                    kept = mean[: rows.stop - rows.start]
                    torch.from_numpy(predictions[name][rows]).copy_(kept)
        return predictions

    def _micro_batches(
        self, arrays: task.Arrays, n_rows: int
    ) -> Iterator[tuple[slice, contract.Batch]]:
        for start in range(0, n_rows, self.micro_batch):
            rows = slice(start, min(start + self.micro_batch, n_rows))
            n_missing = self.micro_batch - (rows.stop - rows.start)
            yield (
                rows,
                {
                    name: torch.tensor(_pad(array[rows], n_missing), device=self.device)
                    for name, array in arrays.items()
                },
            )

    def _mean(self, batch: contract.Batch, chunk: int) -> contract.Batch:
        total: contract.Batch = {}
        for member, network in enumerate(self._members):
            generator = keyed_generator(self.device, self.seed, member, chunk)
            outputs = network(network.transform(batch))
            outputs = {name: values.float() for name, values in outputs.items()}
            for name, values in network.conclude(outputs, generator).items():
                total[name] = total[name] + values if name in total else values
        return {name: values / len(self._members) for name, values in total.items()}


def keyed_generator(device: torch.device | str, *key: int) -> torch.Generator:
    """Make a generator whose draws depend on its key alone.

    Parameters
    ----------
    device : torch.device or str
        Where it draws.
    *key : int
        E.g. seed, member and chunk.

    Returns
    -------
    torch.Generator
        Seeded by a digest of the key.
    """
    digest = hashlib.sha256(repr(key).encode()).digest()
    return torch.Generator(device).manual_seed(int.from_bytes(digest[:8], "little") >> 1)


def _pad(values: npt.NDArray[Any], n_missing: int) -> npt.NDArray[Any]:
    # In rows: torch keeps the layout it is given, and sums along columns add up in another order.
    values = np.ascontiguousarray(values)
    if not n_missing:
        return values
    # The last row again, rather than zeros: whatever a network does to real rows it can do to it.
    return np.concatenate([values, np.repeat(values[-1:], n_missing, axis=0)])
