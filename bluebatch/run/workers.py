"""Dask workers of this machine, or of a scheduler that is running already."""

import contextlib
import logging
import os
import signal
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence

import dask.config
import distributed

from bluebatch import errors
from bluebatch.run import progress, resources

CONNECT_SECONDS = 10
# Dask lets a worker rest at .8 of its limit.
SHARE_OF_LIMIT = 0.7
# Dask has glibc give memory back at once, which costs more than the arithmetic of large arrays.
UNSET = ("MALLOC_TRIM_THRESHOLD_",)
# Dask gives up a worker that is not back by then, and has no other in its place.
LOST_AFTER = {"distributed.deploy.lost-worker-timeout": "60s"}
REPLACE_SECONDS = 30.0
# Beyond CRITICAL, with which Dask tells of a client that has left before its cluster.
SILENT = logging.CRITICAL + 1


def threads(cores: int) -> dict[str, str]:
    """Tell numerical libraries how many threads they have, as environment variables.

    Parameters
    ----------
    cores : int
        Of the process.

    Returns
    -------
    dict of str to str
        Value by variable; Dask sets each to 1 where it is not set.
    """
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    return dict.fromkeys(names, str(cores))


@contextlib.contextmanager
def connect(address: str) -> Iterator[distributed.Client]:
    """Connect to a running scheduler, whose workers stay when this process leaves.

    Parameters
    ----------
    address : str
        E.g. ``"tcp://10.0.0.1:8786"``.

    Yields
    ------
    distributed.Client
        Of that scheduler.

    Raises
    ------
    errors.ResourceError
        If it does not answer in time.
    """
    try:
        client = distributed.Client(  # type: ignore[no-untyped-call]
            address, timeout=CONNECT_SECONDS, set_as_default=False
        )
    except (OSError, ValueError) as error:
        raise errors.ResourceError(
            f"--scheduler {address}: no Dask scheduler answered within {CONNECT_SECONDS} s. "
            "Start one there with `dask scheduler`, or give the address that it printed."
        ) from error
    with client:
        yield client


def client_of(cluster: distributed.SpecCluster) -> distributed.Client:
    """Connect to a cluster that this process has started.

    Parameters
    ----------
    cluster : distributed.SpecCluster
        Running.

    Returns
    -------
    distributed.Client
        Not Dask's default one: graphs within this process keep their own scheduler.
    """
    return distributed.Client(cluster, set_as_default=False)  # type: ignore[no-untyped-call]


@contextlib.contextmanager
def start(n_workers: int | None, *, gpu: bool) -> Iterator[distributed.Client]:
    """Start workers as processes of this machine, and stop them on leaving.

    Parameters
    ----------
    n_workers : int or None
        One a GPU where ``gpu``, else one a core, by default.
    gpu : bool
        Whether each worker is to see one GPU, in turn.

    Yields
    ------
    distributed.Client
        Of their scheduler, which runs in this process.
    """
    devices, count = gpus() if gpu else [], how_many(n_workers, gpu=gpu)
    share = max(1, resources.cores() // count)
    grant = _grant(share, resources.memory_bytes() // count)
    with (
        tempfile.TemporaryDirectory(prefix="bluebatch-", ignore_cleanup_errors=True) as folder,
        _environment(threads(share)),
        dask.config.set({"temporary-directory": folder, **LOST_AFTER}),
        dask.config.set({f"distributed.nanny.pre-spawn-environ.{name}": None for name in UNSET}),
        _cluster([grant | _device(devices, number) for number in range(count)]) as cluster,
        kept_at(cluster, count),
        client_of(cluster) as client,
    ):
        yield client


@contextlib.contextmanager
def kept_at(
    cluster: distributed.SpecCluster, n_workers: int, look: Callable[[], None] | None = None
) -> Iterator[None]:
    """Replace workers that are lost for good, e.g. jobs that reached their time limit.

    Parameters
    ----------
    cluster : distributed.SpecCluster
        Running.
    n_workers : int
        How many it is to have.
    look : callable, optional
        What else is to be done now and then.

    Yields
    ------
    None
        Nothing.
    """
    left = threading.Event()

    def keep() -> None:
        while not left.wait(REPLACE_SECONDS):
            cluster.scale(n_workers)  # type: ignore[no-untyped-call]
            if look is not None:
                look()

    keeper = threading.Thread(target=keep, daemon=True)
    keeper.start()
    try:
        yield
    finally:
        left.set()
        keeper.join()


def how_many(n_workers: int | None, *, gpu: bool) -> int:
    """Settle the number of workers on this machine.

    Parameters
    ----------
    n_workers : int or None
        As given.
    gpu : bool
        Whether they work on GPUs where there are any.

    Returns
    -------
    int
        As given, else one a GPU, else one a core that was granted.
    """
    return n_workers or len(gpus() if gpu else []) or resources.cores()


def gpus() -> list[str]:
    """List the GPUs that this process may use.

    Returns
    -------
    list of str
        As ``CUDA_VISIBLE_DEVICES`` names them; none where there is no driver.
    """
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return [name for name in visible.split(",") if name.strip() not in ("", "-1", "NoDevFiles")]
    try:
        listed = subprocess.run(
            ["nvidia-smi", "--list-gpus"], capture_output=True, text=True, check=False
        )
    except OSError:
        return []
    found = [line for line in listed.stdout.splitlines() if line.startswith("GPU ")]
    return [str(number) for number in range(len(found))]


@contextlib.contextmanager
def granted(worker: distributed.Worker) -> Iterator[None]:
    """Have `resources` find what a worker may use: what the queue says, else what Dask says.

    Parameters
    ----------
    worker : distributed.Worker
        Of this process.

    Yields
    ------
    None
        Nothing.
    """
    limit = worker.memory_manager.memory_limit
    memory_bytes = int(SHARE_OF_LIMIT * limit) if limit else resources.memory_bytes()
    with _environment({**_grant(worker.state.nthreads, memory_bytes), **os.environ}):
        yield


def dask_setup(worker: distributed.Worker) -> None:
    """Have a worker process of this machine leave the terminal to the process that started it.

    Parameters
    ----------
    worker : distributed.Worker
        Starting; Dask calls this by its name.
    """
    # Ctrl-C reaches every process of the terminal: the first one stops the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    progress.configure(quiet=True)


def _cluster(environments: Sequence[Mapping[str, str]]) -> distributed.SpecCluster:
    options = {
        "host": "127.0.0.1",
        "nthreads": 1,
        # The run is priced to fit; Dask would pause workers at four fifths of what they may use.
        "memory_limit": 0,
        "dashboard": False,
        "preload": [__name__],
        "silence_logs": SILENT,
    }
    scheduler = {"host": "127.0.0.1", "dashboard": False, "dashboard_address": ":0"}
    return distributed.SpecCluster(  # type: ignore[no-untyped-call]
        {
            number: {"cls": distributed.Nanny, "options": {**options, "env": environment}}
            for number, environment in enumerate(environments)
        },
        {"cls": distributed.Scheduler, "options": scheduler},
        silence_logs=SILENT,
    )


def _grant(cores: int, memory_bytes: int) -> dict[str, str]:
    """Grant a worker its share of this process's, as a queue does: `resources` reads the same."""
    return {
        "SLURM_CPUS_PER_TASK": str(cores),
        "SLURM_MEM_PER_NODE": str(max(1, memory_bytes // 2**20)),
    }


def _device(devices: list[str], number: int) -> dict[str, str]:
    return {"CUDA_VISIBLE_DEVICES": devices[number % len(devices)]} if devices else {}


@contextlib.contextmanager
def _environment(variables: dict[str, str]) -> Iterator[None]:
    """Set variables for the processes that are started within; Dask sets some more."""
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        for name in set(os.environ) - set(before):
            del os.environ[name]
        os.environ.update(before)
