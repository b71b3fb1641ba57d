"""Training in several processes at once: what they say to each other, and who goes first.

`torchrun` starts the processes and names them in the environment. Everything here does nothing, or
is the identity, where the process is alone.
"""

import ctypes
import datetime
import json
import logging
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import distributed

from bluebatch import errors
from bluebatch.engine import optimise, precision
from bluebatch.run import ranks

TIMEOUT = datetime.timedelta(minutes=30)

GRACE_SECONDS = 3

# From linux/prctl.h.
_PR_SET_PDEATHSIG = 1

rank = ranks.rank
world_size = ranks.world_size
is_first = ranks.is_first

_log = logging.getLogger(__name__)


def is_spread() -> bool:
    """Tell whether other processes train the same model.

    Returns
    -------
    bool
        True under ``torchrun`` with more than one process.
    """
    return world_size() > 1


def pick_device(name: str = "auto") -> torch.device:
    """Choose where this process's networks run: each process on a GPU of its own.

    Parameters
    ----------
    name : str
        As `precision.pick_device` takes it.

    Returns
    -------
    torch.device
        The device.

    Raises
    ------
    errors.ResourceError
        If it is not to be had, or has to be shared with another process.
    """
    device = precision.pick_device(name)
    if device.type != "cuda" or not is_spread():
        return device
    n_devices, needed = torch.cuda.device_count(), ranks.local_size()
    if ":" in name or needed > n_devices:
        raise errors.ResourceError(
            f"--device {name}: {needed} processes on {n_devices} CUDA devices, needed: one each. "
            f"Give --device cuda and torchrun --nproc-per-node {n_devices}."
        )
    device = torch.device("cuda", ranks.local_rank())
    torch.cuda.set_device(device)
    return device


def whole_parts(settings: optimise.TrainingSettings) -> optimise.TrainingSettings:
    """Cut each batch into as many parts as the processes can share evenly.

    Parameters
    ----------
    settings : optimise.TrainingSettings
        As configured.

    Returns
    -------
    optimise.TrainingSettings
        With one part a process in place of one; it changes what is learnt, so it belongs into the
        plan.

    Raises
    ------
    errors.ConfigError
        If the parts cannot be shared evenly, or hold fewer than two rows.
    """
    n_processes = world_size()
    n_parts = n_processes if settings.micro_batches == 1 else settings.micro_batches
    if n_parts % n_processes:
        raise errors.ConfigError(
            f"[training] micro_batches = {n_parts}: cannot be shared by {n_processes} processes, "
            f"needed: a multiple of their number. Set it to {n_processes}, or start another number."
        )
    if settings.batch < 2 * n_parts:
        raise errors.ConfigError(
            f"[training] batch = {settings.batch}: is too small for {n_parts} micro_batches, "
            f"needed: two rows for each. Set batch = {2 * n_parts} or more, or fewer micro_batches."
        )
    if n_parts != settings.micro_batches and is_first():
        message = "[training] micro_batches = %d: one part of each batch a process"
        _log.info(message, n_parts)
    return settings.model_copy(update={"micro_batches": n_parts})


@contextmanager
def group(device: str = "auto") -> Iterator[None]:
    """Meet the other processes, and part from them at the end.

    An error within is told by the process that meets it first. Whatever only the first process
    has to do at the end, scoring say, is best done outside, so that the others need not wait.

    Parameters
    ----------
    device : str
        As `pick_device` takes it: gloo on processors; on GPUs NCCL for what lies there.

    Yields
    ------
    None
        Nothing.

    Raises
    ------
    errors.IncompleteError
        If another process ended before its time, or does not answer within `TIMEOUT`.
    """
    if not is_spread():
        yield
        return
    _end_with_launcher()
    # torch's stubs do not export what its documentation names.
    met = distributed.rendezvous("env://", timeout=TIMEOUT)  # type: ignore[attr-defined]
    store, own, n_processes = next(iter(met))
    distributed.init_process_group(
        "cpu:gloo,cuda:nccl" if pick_device(device).type == "cuda" else "gloo",
        store=store,
        rank=own,
        world_size=n_processes,
        timeout=TIMEOUT,
    )
    try:
        yield
    except BaseException as error:
        _settle_who_tells(store)
        if _is_parting(error):
            raise _parted() from error
        # Not parted from the others: that may wait for them, and the end of the process does it.
        raise
    distributed.destroy_process_group()


def barrier() -> None:
    """Wait for the other processes, within `TIMEOUT`."""
    if is_spread():
        distributed.all_reduce(torch.zeros(1))


def from_first(value: Any) -> Any:
    """Give every process what the first one found.

    Parameters
    ----------
    value : JSON value
        What the others give is left aside.

    Returns
    -------
    JSON value
        The same everywhere.
    """
    if not is_spread():
        return value
    text = torch.frombuffer(bytearray(json.dumps(value).encode()), dtype=torch.uint8)
    length = torch.tensor(len(text))
    distributed.broadcast(length, 0)
    if not is_first():
        text = torch.empty(int(length), dtype=torch.uint8)
    distributed.broadcast(text, 0)
    return json.loads(text.numpy().tobytes())


def add_up(values: torch.Tensor) -> torch.Tensor:
    """Add up what all processes have.

    Parameters
    ----------
    values : torch.Tensor
        Of one shape in all; changed in place.

    Returns
    -------
    torch.Tensor
        The sum, with the same bits everywhere.
    """
    if is_spread():
        distributed.all_reduce(values)
    return values


def _end_with_launcher() -> None:
    # A launcher that is killed cannot end its processes, and those of the next one would write
    # what these still do.
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _settle_who_tells(store: Any) -> None:
    try:
        # The store is kept by torchrun and outlives each process: whoever comes first tells.
        ours = store.add("bluebatch/errors", 1) == 1
    except RuntimeError:
        # It ended with torchrun, which every process then meets alike.
        ours = is_first()
    ranks.give_voice(ours)
    if not ours:
        # torchrun ends all as soon as one has ended: let it be the one with something to tell.
        time.sleep(GRACE_SECONDS)


def _is_parting(error: BaseException) -> bool:
    if isinstance(error, errors.BluebatchError) or not isinstance(error, RuntimeError):
        return False
    # gloo's own errors have no class of theirs.
    return isinstance(error, distributed.DistError) or "gloo" in str(error).lower()


def _parted() -> errors.IncompleteError:
    minutes = TIMEOUT.total_seconds() / 60
    return errors.IncompleteError(
        f"process {rank()} of {world_size()}: another process of this run ended before its time, "
        f"or did not answer for {minutes:.0f} minutes. Every finished epoch is kept: give the same "
        "command with --resume."
    )
