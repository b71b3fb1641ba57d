"""Claims on partitions: while one process writes a partition, no other does."""

import contextlib
import errno
import fcntl
import os
import pathlib
import socket
import struct
from collections.abc import Iterator, Sequence

from bluebatch import errors
from bluebatch.store import places, write

# One file holds a record of this size a partition; what is locked is the record's range of bytes,
# so that a run of thousands of partitions holds one file open.
CLAIMS_FILE = "claims"
RECORD_BYTES = 128
_HELD = (errno.EAGAIN, errno.EACCES)


@contextlib.contextmanager
def held(store: places.Place, numbers: Sequence[int]) -> Iterator[None]:
    """Hold partitions so that no other process writes them at the same time.

    Parameters
    ----------
    store : pathlib.Path or upath.UPath
        The store; at a URL there are no locks, and two processes would write the same bits.
    numbers : sequence of int
        Of the partitions.

    Yields
    ------
    None
        Nothing. The claim ends with the process, however it ends.

    Raises
    ------
    errors.ClaimedError
        If another process holds one of them.
    """
    if not isinstance(store, pathlib.Path):
        yield
        return
    with write.room_on_disk(store), _opened(store) as descriptor:
        taken: list[int] = []
        try:
            for number in numbers:
                _take(descriptor, store, number)
                taken.append(number)
                os.pwrite(descriptor, _record(_own_name()), number * RECORD_BYTES)
            yield
        finally:
            for number in taken:
                os.pwrite(descriptor, _record(""), number * RECORD_BYTES)


def refuse_held(store: places.Place) -> None:
    """Refuse to touch a store while another process writes one of its partitions.

    Parameters
    ----------
    store : pathlib.Path or upath.UPath
        Any path.

    Raises
    ------
    errors.ClaimedError
        If one is being written.
    """
    if not isinstance(store, pathlib.Path) or not (write.run_folder(store) / CLAIMS_FILE).exists():
        return
    with _opened(store) as descriptor:
        for number in range(os.fstat(descriptor).st_size // RECORD_BYTES):
            _take(descriptor, store, number)


@contextlib.contextmanager
def _opened(store: places.Place) -> Iterator[int]:
    file = write.run_folder(store) / CLAIMS_FILE
    descriptor = os.open(str(file), os.O_RDWR | os.O_CREAT, 0o666)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _take(descriptor: int, store: places.Place, number: int) -> None:
    try:
        _lock(descriptor, number * RECORD_BYTES)
    except OSError as error:
        # Any other error: a file system without locks, where two tasks write the same bits anyway.
        if error.errno in _HELD:
            found = os.pread(descriptor, RECORD_BYTES, number * RECORD_BYTES)
            holder = found.decode(errors="replace").strip() or "another process"
            raise errors.ClaimedError(
                f"{store}: partition {number} is being written by {holder}. "
                "Wait for it, or stop it, then run the same command again."
            ) from error


def _lock(descriptor: int, start: int) -> None:
    if not hasattr(fcntl, "F_OFD_SETLK"):
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, RECORD_BYTES, start)
        return
    # A lock of the open file, not of the process: two claims in one process exclude each other
    # as well. The fields of struct flock: type, whence, start, length, process.
    lock = struct.pack("hhqqi0q", fcntl.F_WRLCK, os.SEEK_SET, start, RECORD_BYTES, 0)
    fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, lock)


def _own_name() -> str:
    array, task = os.environ.get("SLURM_ARRAY_JOB_ID"), os.environ.get("SLURM_ARRAY_TASK_ID")
    slurm = f"{array}_{task}" if array and task else os.environ.get("SLURM_JOB_ID")
    job = f", Slurm job {slurm}" if slurm else ""
    return f"process {os.getpid()} on {socket.gethostname()}{job}"


def _record(text: str) -> bytes:
    return text.encode()[: RECORD_BYTES - 1].ljust(RECORD_BYTES - 1) + b"\n"
