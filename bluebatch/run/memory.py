"""Pricing a run's memory before it starts, and measuring what it took."""

import pathlib
import resource
import sys
from collections.abc import Sequence
from typing import NamedTuple

import psutil

from bluebatch import errors
from bluebatch.run import resources

STATUS_OF_PROCESS = pathlib.Path("/proc/self/status")
UNITS = {"kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12, "KiB": 2**10, "MiB": 2**20} | {
    "GiB": 2**30,
    "TiB": 2**40,
    "B": 1,
}

# The next process of the same command may hold so much more than this one before it begins.
ANOTHER_PROCESS_BYTES = 16 * 2**20


class Item(NamedTuple):
    """One thing that a run holds in memory.

    Parameters
    ----------
    name : str
        As the user is told of it, e.g. ``"weights"``.
    n_bytes : int
        At its largest.
    """

    name: str
    n_bytes: int


def parse(text: str) -> int:
    """Read a size such as ``4GB`` or ``512MiB``.

    Parameters
    ----------
    text : str
        A number and a unit: B, kB, MB, GB, TB (powers of 1000) or KiB, MiB, GiB, TiB; as Slurm
        does, K, M, G and T alone mean powers of 1024.

    Returns
    -------
    int
        Bytes.

    Raises
    ------
    errors.ConfigError
        If it is no size.
    """
    lower = {unit.lower(): factor for unit, factor in UNITS.items()}
    lower |= {unit[0].lower(): factor for unit, factor in UNITS.items() if unit.endswith("iB")}
    stripped = text.strip().lower()
    digits = stripped.rstrip("abcdefghijklmnopqrstuvwxyz ")
    try:
        n_bytes = float(digits) * lower[stripped[len(digits) :].strip() or "b"]
    except (ValueError, KeyError):
        n_bytes = 0
    if not n_bytes >= 1:
        raise errors.ConfigError(
            f"--max-memory {text}: is no size, needed: a number and a unit. Give e.g. 4GB."
        )
    return int(n_bytes)


def tell(n_bytes: float) -> str:
    """Write a size for people.

    Parameters
    ----------
    n_bytes : float
        Bytes.

    Returns
    -------
    str
        E.g. ``"3.2 GB"``.
    """
    return f"{n_bytes / 1e9:.2f} GB" if n_bytes >= 1e8 else f"{n_bytes / 1e6:.1f} MB"


def budget(max_memory: int | None) -> int:
    """Settle what may be planned with.

    Parameters
    ----------
    max_memory : int or None
        ``--max-memory`` in bytes; what the queue granted, or most of what is free, by default.

    Returns
    -------
    int
        Bytes.
    """
    return max_memory or resources.memory_bytes()


def require(items: Sequence[Item], n_bytes: int, remedy: str) -> None:
    """Refuse a run that cannot fit, before it starts.

    Parameters
    ----------
    items : sequence of Item
        All that the run holds at its peak, at its smallest sizes.
    n_bytes : int
        What may be planned with.
    remedy : str
        What to change beside the budget.

    Raises
    ------
    errors.ResourceError
        If the sum is larger; the message names the largest items.
    """
    total = sum(item.n_bytes for item in items)
    if total <= n_bytes:
        return
    largest = sorted(items, key=lambda item: -item.n_bytes)[:3]
    parts = ", ".join(f"{item.name} {tell(item.n_bytes)}" for item in largest)
    enough = total + ANOTHER_PROCESS_BYTES
    raise errors.ResourceError(
        f"--max-memory {tell(n_bytes)}: this run needs {tell(total)} ({parts}). "
        f"Give at least --max-memory {-(-enough // 10**7) / 100:.2f}GB, or {remedy}."
    )


def resident_bytes() -> int:
    """Measure the resident memory of this process.

    Returns
    -------
    int
        Bytes now.
    """
    return int(psutil.Process().memory_info().rss)


def peak_bytes() -> int:
    """Measure the largest resident memory of this process so far.

    Returns
    -------
    int
        Bytes.
    """
    # getrusage begins with the peak of whatever process started this one.
    lines = STATUS_OF_PROCESS.read_text().splitlines() if STATUS_OF_PROCESS.exists() else []
    for line in lines:
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(peak if sys.platform == "darwin" else peak * 1024)
