"""Device, precision, threads and memory allocator: what decides how fast the same numbers come."""

import ctypes
import functools
import logging
import pathlib
import platform
import sys
from contextlib import AbstractContextManager
from typing import Literal

import torch

from bluebatch import errors
from bluebatch.run import resources

Precision = Literal["auto", "fp32", "bf16", "fp16"]

_log = logging.getLogger(__name__)

CPU_INFO = pathlib.Path("/proc/cpuinfo")
# amx and avx512 on x86; "bf16" among the features of an Arm core.
_BF16_FLAGS = {"avx512_bf16", "amx_bf16", "bf16"}

# From malloc.h of glibc: parameters of mallopt.
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -2, -3, -8
_KEEP_BYTES = 2**31 - 1
_NEVER = -1
_TOP_PAD_BYTES = 2**26


def tune_allocator() -> bool:
    """Keep freed memory in the process, where glibc would hand large tensors back at once.

    Returns
    -------
    bool
        True where the settings took; they only exist on Linux with glibc.

    Notes
    -----
    Each tensor over 32 MB is otherwise mapped, zeroed page by page, and unmapped again at every
    operation, which costs more than the arithmetic.
    """
    library = _glibc()
    if library is None:
        return False
    settings = {
        _M_MMAP_THRESHOLD: _KEEP_BYTES,
        _M_TRIM_THRESHOLD: _NEVER,
        _M_TOP_PAD: _TOP_PAD_BYTES,
        # Threads would get heaps of 64 MB each, to which the other settings do not apply.
        _M_ARENA_MAX: 1,
    }
    taken = [library.mallopt(name, value) for name, value in settings.items()]
    return all(taken)


def trim_allocator() -> bool:
    """Hand the gaps between what is in use back to the system.

    Returns
    -------
    bool
        True where there was something to hand back; False beyond Linux with glibc.
    """
    library = _glibc()
    return library is not None and bool(library.malloc_trim(0))


def _glibc() -> ctypes.CDLL | None:
    if not sys.platform.startswith("linux") or platform.libc_ver()[0] != "glibc":
        return None
    return ctypes.CDLL(None)


def pick_device(name: str = "auto") -> torch.device:
    """Choose where networks run.

    Parameters
    ----------
    name : str
        ``"auto"`` (a GPU where there is one), ``"cpu"``, ``"cuda"`` or ``"cuda:1"``.

    Returns
    -------
    torch.device
        The device.

    Raises
    ------
    errors.ResourceError
        If a GPU is asked for and there is none.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise errors.ResourceError(
            f"--device {name}: is not known, needed: auto, cpu or cuda. Give one of these."
        ) from error
    if device.type == "cuda" and not torch.cuda.is_available():
        raise errors.ResourceError(
            f"--device {name}: this machine shows no CUDA device. Give --device cpu."
        )
    return device


def pick_dtype(precision: Precision, device: torch.device) -> torch.dtype:
    """Choose the precision of matrix products.

    Parameters
    ----------
    precision : {"auto", "fp32", "bf16", "fp16"}
        ``"auto"`` takes bf16 where the device multiplies it natively, else fp32.
    device : torch.device
        Where networks run.

    Returns
    -------
    torch.dtype
        One of torch.float32, torch.bfloat16 and torch.float16.

    Raises
    ------
    errors.ResourceError
        If fp16 is asked for on a processor.
    """
    if precision == "fp16" and device.type == "cpu":
        raise errors.ResourceError(
            "--precision fp16: is twenty times slower than fp32 on a processor, needed: a GPU. "
            "Give --precision bf16 or fp32."
        )
    if precision == "auto":
        precision = "bf16" if has_bf16(device) else "fp32"
    if precision == "bf16" and not has_bf16(device):
        _tell_of_emulation(device)
    return {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[precision]


@functools.cache
def _tell_of_emulation(device: torch.device) -> None:
    _log.warning(
        "--precision bf16: %s is not known to multiply it natively, fp32 may be several times "
        "faster",
        device,
    )


def has_bf16(device: torch.device) -> bool:
    """Tell whether a device multiplies bf16 natively.

    Parameters
    ----------
    device : torch.device
        A processor or GPU.

    Returns
    -------
    bool
        False where it is not known.
    """
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    try:
        lines = CPU_INFO.read_text().splitlines()
    except OSError:
        return False
    flags = next((line for line in lines if line.startswith(("flags", "Features"))), "")
    return bool(_BF16_FLAGS & set(flags.split()))


def autocast(device: torch.device, dtype: torch.dtype) -> AbstractContextManager[object]:
    """Compute matrix products in a lower precision where it does no harm.

    Parameters
    ----------
    device : torch.device
        Where networks run.
    dtype : torch.dtype
        With torch.float32 nothing changes.

    Returns
    -------
    context manager
        For the forward pass.
    """
    enabled = dtype != torch.float32
    return torch.autocast(device.type, dtype=dtype if enabled else None, enabled=enabled)


def set_threads(threads: int | None = None) -> int:
    """Set the threads of one operation.

    Parameters
    ----------
    threads : int, optional
        The cores granted to this process by default.

    Returns
    -------
    int
        How many they are.
    """
    chosen = threads or resources.cores()
    torch.set_num_threads(chosen)
    return chosen


def set_up(device: torch.device, threads: int | None = None) -> int:
    """Prepare the process for heavy work; harmless when repeated.

    Parameters
    ----------
    device : torch.device
        Where networks run.
    threads : int, optional
        Of the processor.

    Returns
    -------
    int
        Threads set.
    """
    tuned = tune_allocator()
    if device.type == "cuda":
        # Tensor cores for what autocast leaves in fp32; on processors this would change bits of
        # a run that asks for fp32.
        torch.set_float32_matmul_precision("high")
    chosen = set_threads(threads)
    _log.debug("%s, %d threads, allocator %s", device, chosen, "tuned" if tuned else "as it is")
    return chosen
