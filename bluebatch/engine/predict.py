"""Predictions of a model's members, with the same bits however its rows are grouped.

The networks only ever see micro-batches of one shape, aligned to the row index and padded at the
end: matrix kernels add up in an order that depends on the shape, so a batch of 12 and one of 128
differ in the last bits of nearly half of their values.
"""

import logging
import threading
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch

from bluebatch import errors
from bluebatch.engine import stream, task
from bluebatch.models import contract

MICRO_BATCH: Final = 64
SMALLEST_MICRO_BATCH: Final = 16
# Another process may have taken the device's memory for a moment.
WAIT_SECONDS = (1.0, 5.0, 20.0)

_log = logging.getLogger(__name__)


class Predictor:
    """The mean of a model's members, ready to be called, by several threads at a time.

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
        # Prepared before they move: the device never holds them in both precisions.
        self._members = [network.prepare(dtype).to(self.device) for network in networks]
        self._local = threading.local()

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

        Raises
        ------
        errors.IncompleteError
            If the device has no memory left, now and after some waiting.
        """
        if first_row % self.micro_batch:
            raise ValueError(f"row {first_row} is no multiple of {self.micro_batch}")
        n_rows = min(len(array) for array in arrays.values())
        predictions: task.Arrays = {}
        for start in range(0, n_rows, self.micro_batch):
            rows = slice(start, min(start + self.micro_batch, n_rows))
            part = {name: array[rows] for name, array in arrays.items()}
            found = self._patiently(part, (first_row + start) // self.micro_batch)
            if n_rows <= self.micro_batch:
                return found
            for name, values in found.items():
                if name not in predictions:
                    predictions[name] = np.empty((n_rows, *values.shape[1:]), np.float32)
                predictions[name][rows] = values
        return predictions

    def settle_micro_batch(self, arrays: task.Arrays) -> int:
        """Halve the micro-batch until one fits the device.

        Parameters
        ----------
        arrays : dict of str to np.ndarray
            A few rows to try with; they are repeated up to a micro-batch.

        Returns
        -------
        int
            The micro-batch from now on. It decides the last bits of all predictions.

        Raises
        ------
        errors.ResourceError
            If not even `SMALLEST_MICRO_BATCH` rows fit.
        """
        while not self._fits({name: array[: self.micro_batch] for name, array in arrays.items()}):
            if self.micro_batch <= SMALLEST_MICRO_BATCH:
                raise errors.ResourceError(
                    f"{self.device}: has no memory for {self.micro_batch} rows of this model. "
                    "End what else runs there, or give --device cpu."
                )
            self.micro_batch //= 2
            torch.cuda.empty_cache()
            _log.info("%s: too little memory, micro-batch %d", self.device, self.micro_batch)
        return self.micro_batch

    def _fits(self, arrays: task.Arrays) -> bool:
        try:
            self._predict(arrays, 0)
        except torch.cuda.OutOfMemoryError:
            return False
        return True

    def _patiently(self, arrays: task.Arrays, chunk: int) -> task.Arrays:
        for seconds in WAIT_SECONDS:
            try:
                return self._predict(arrays, chunk)
            except torch.cuda.OutOfMemoryError:
                _log.info("%s: out of memory, trying again in %.0f s", self.device, seconds)
            # Not in the handler: the traceback there keeps the tensors of the failed try.
            torch.cuda.empty_cache()
            time.sleep(seconds)
        try:
            return self._predict(arrays, chunk)
        except torch.cuda.OutOfMemoryError as error:
            raise errors.IncompleteError(
                f"{self.device}: has no memory left for {self.micro_batch} rows, which it had at "
                "the start. What is finished is kept: end what else runs there and run the same "
                "command again to go on."
            ) from error

    def _predict(self, arrays: task.Arrays, chunk: int) -> task.Arrays:
        n_rows = min(len(array) for array in arrays.values())
        with torch.inference_mode(), self._stream():
            batch = {name: self._send(values) for name, values in arrays.items()}
            means = self._mean(batch, chunk)
            if self.device.type == "cuda":
                means = {name: _fetch(values) for name, values in means.items()}
                torch.cuda.current_stream(self.device).synchronize()
        return {name: values[:n_rows].numpy() for name, values in means.items()}

    def _stream(self) -> AbstractContextManager[object]:
        """Give each thread a stream: one's copies run beside another's computing."""
        if self.device.type != "cuda":
            return nullcontext()
        if not hasattr(self._local, "stream"):
            self._local.stream = torch.cuda.Stream(self.device)  # type: ignore[no-untyped-call]
        return torch.cuda.stream(self._local.stream)

    def _send(self, values: npt.NDArray[Any]) -> torch.Tensor:
        padded = torch.tensor(_pad(values, self.micro_batch - len(values)))
        if self.device.type == "cuda":
            return padded.pin_memory().to(self.device, non_blocking=True)
        return padded

    def _mean(self, batch: contract.Batch, chunk: int) -> contract.Batch:
        total: contract.Batch = {}
        for member, network in enumerate(self._members):
            generator = keyed_generator(self.device, self.seed, member, chunk)
            outputs = network(network.transform(batch))
            outputs = {name: values.float() for name, values in outputs.items()}
            for name, values in network.conclude(outputs, generator).items():
                total[name] = total[name] + values if name in total else values
        if len(self._members) == 1:
            return total
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
        Seeded by `stream.keyed_seed`.
    """
    return torch.Generator(device).manual_seed(stream.keyed_seed(*key))


def _fetch(values: torch.Tensor) -> torch.Tensor:
    pinned = torch.empty(values.shape, dtype=values.dtype, pin_memory=True)
    return pinned.copy_(values, non_blocking=True)


def _pad(values: npt.NDArray[Any], n_missing: int) -> npt.NDArray[Any]:
    # In rows: torch keeps the layout it is given, and sums along columns add up in another order.
    values = np.ascontiguousarray(values)
    if not n_missing:
        return values
    # The last row again, rather than zeros: whatever a network does to real rows it can do to it.
    return np.concatenate([values, np.repeat(values[-1:], n_missing, axis=0)])
