"""Spreading partitions over Dask workers: a running scheduler, this machine, or a Slurm queue."""

import contextlib
import dataclasses
import logging
import threading
import uuid
from collections.abc import Callable, Mapping, Sequence
from importlib import metadata
from typing import Any, Literal, NoReturn

import distributed

from bluebatch import errors
from bluebatch.run import jobs, memory, partition, progress, slurm, workers

Work = Callable[[int], dict[str, Any]]

# A hiccup of a shared disk is worth another try; what fails twice would fail again.
RETRIES = 1

_log = logging.getLogger(__name__)

# A worker with several threads still holds one model and works on one partition at a time.
_one_at_a_time = threading.Lock()


@dataclasses.dataclass(frozen=True)
class ClusterOptions:
    """Where partitions are worked on.

    Parameters
    ----------
    scheduler : str or None
        Address of a running Dask scheduler.
    cluster : {"local", "slurm"} or None
        What to start workers on; in this process where both are None.
    workers : int or None
        How many; one a GPU, or a core, by default, and on Slurm as configured.
    cluster_config : str
        Name or file of the settings of ``"slurm"``.

    Raises
    ------
    errors.ConfigError
        If they exclude each other.
    """

    scheduler: str | None = None
    cluster: Literal["local", "slurm"] | None = None
    workers: int | None = None
    cluster_config: str = slurm.SHIPPED

    def __post_init__(self) -> None:
        if self.scheduler and self.cluster:
            raise errors.ConfigError(
                f"--scheduler {self.scheduler} and --cluster {self.cluster}: exclude each other. "
                "Give the one whose workers are to do the work."
            )
        if self.workers and not self.cluster:
            raise errors.ConfigError(
                f"--workers {self.workers}: starts nothing by itself. Give --cluster local or "
                "--cluster slurm with it."
            )

    @property
    def is_used(self) -> bool:
        """Tell whether workers are asked for.

        Returns
        -------
        bool
            False where this process does the work.
        """
        return bool(self.scheduler or self.cluster)

    def share(self, n_bytes: int | None, *, gpu: bool = False) -> int | None:
        """Divide memory among the workers of this machine.

        Parameters
        ----------
        n_bytes : int or None
            What the run may hold; what was granted, which workers share by themselves, by default.
        gpu : bool
            Whether the work is done on GPUs where there are any.

        Returns
        -------
        int or None
            Bytes of one process: all of them for this one, and for workers elsewhere.
        """
        if n_bytes is None or self.cluster != "local":
            return n_bytes
        # This process waits beside them, and keeps what it holds by now.
        left = n_bytes - memory.resident_bytes()
        return max(1, left // workers.how_many(self.workers, gpu=gpu))


def spread(
    job: partition.Job, work: Work, options: ClusterOptions, unit: str
) -> Sequence[dict[str, Any]]:
    """Work on every pending partition of a job, each as one task of a Dask cluster.

    Parameters
    ----------
    job : partition.Job
        Begun.
    work : callable
        Writes and marks the partition of a number; pickled by name, so it is a function of a
        module or a `functools.partial` of one. Gives JSON values.
    options : ClusterOptions
        Where.
    unit : str
        Name of a row in the plural, for the progress bar.

    Returns
    -------
    sequence of dict
        What ``work`` gave, by partition.

    Raises
    ------
    errors.ResourceError
        If no scheduler answers, or its workers have another version or do not see the store.
    errors.BluebatchError
        What the first partition failed with, once every other is done.
    errors.IncompleteError
        If that was no error that a user is told, or its workers died.
    """
    parts = job.pending()
    if not parts:
        return []
    # Workers have working directories of their own.
    needs = _Needs(metadata.version("bluebatch"), str(job.path.absolute()), job.plan.run_id)
    with _client(options, job) as client:
        _check(client, needs)
        task = _Task(work, needs, topic=f"bluebatch-{uuid.uuid4().hex}")
        return _gather(client, task, job, parts, unit)


@dataclasses.dataclass(frozen=True)
class _Needs:
    """What a worker must have and see."""

    version: str
    path: str
    run_id: str

    def unseen(self) -> str:
        """Say, on a worker, why the store there is not the one here; empty where it is."""
        try:
            found = partition.Plan.load(self.path).run_id
        except errors.MissingInputError:
            return f"does not see {self.path}"
        except (errors.BluebatchError, OSError) as error:
            return f"cannot read {self.path}, {error}"
        return "" if found == self.run_id else f"sees another store at {self.path}"


@dataclasses.dataclass(frozen=True)
class _Task:
    """What a worker does with a number.

    What came of it is sent as an event, which goes by way of the scheduler: a result would stay
    with its worker, and fetching it from one that has just died takes half a minute or more.
    """

    work: Work
    needs: _Needs
    topic: str

    def __call__(self, number: int) -> None:
        worker = distributed.get_worker()
        try:
            with _one_at_a_time, workers.granted(worker):
                # Workers may have come after all others were checked.
                version = metadata.version("bluebatch")
                if version != self.needs.version:
                    _refuse_version({worker.address: version}, self.needs)
                if fault := self.needs.unseen():
                    _refuse_path({worker.address: fault})
                event = {"number": number, "result": self.work(number)}
        except errors.BluebatchError as error:
            # Dask cannot send an exception that has two builtin bases.
            event = {"number": number, "kind": type(error).__name__, "message": str(error)}
        worker.log_event(self.topic, event)


class _Outcome:
    """What came of each partition, as it becomes known."""

    def __init__(self) -> None:
        self.results: dict[int, dict[str, Any]] = {}
        self.failures: dict[int, errors.BluebatchError] = {}

    def take(self, event: tuple[float, Mapping[str, Any]]) -> None:
        """Take up what a worker has sent."""
        _, content = event
        number = content["number"]
        if "result" in content:
            self.results[number] = dict(content["result"])
        else:
            self.failures[number] = getattr(errors, content["kind"])(content["message"])


def _check(client: distributed.Client, needs: _Needs) -> None:
    """Refuse workers that would do something else; a worker that is leaving answers nothing."""
    # By a function that any worker has: an older bluebatch may lack those of this file.
    versions = client.run(metadata.version, "bluebatch", on_error="return")
    others = {
        address: "no" if isinstance(found, metadata.PackageNotFoundError) else str(found)
        for address, found in versions.items()
        if isinstance(found, str | metadata.PackageNotFoundError) and found != needs.version
    }
    if others:
        _refuse_version(others, needs, len(versions))
    faults = client.run(needs.unseen, on_error="return")
    blind = {name: fault for name, fault in faults.items() if isinstance(fault, str) and fault}
    if blind:
        _refuse_path(blind, len(faults))
    _log.info("%s", f"{len(versions)} Dask workers" if versions else "waiting for Dask workers")


def _refuse_version(others: Mapping[str, str], needs: _Needs, n_workers: int = 1) -> NoReturn:
    address, found = next(iter(others.items()))
    raise errors.ResourceError(
        f"{address}: this worker has bluebatch {found}, needed: {needs.version} as here "
        f"({len(others)} of {n_workers} workers differ). Install the same version for every worker."
    )


def _refuse_path(faults: Mapping[str, str], n_workers: int = 1) -> NoReturn:
    address, fault = next(iter(faults.items()))
    raise errors.ResourceError(
        f"{address}: this worker {fault} ({len(faults)} of {n_workers} workers). Put the store "
        "where every worker sees it by the same path."
    )


def _client(
    options: ClusterOptions, job: partition.Job
) -> contextlib.AbstractContextManager[distributed.Client]:
    if options.scheduler:
        return workers.connect(options.scheduler)
    if options.cluster == "slurm":
        return slurm.start(slurm.load(options.cluster_config), options.workers)
    return workers.start(options.workers, gpu=job.plan.settings.get("device") == "cuda")


def _gather(
    client: distributed.Client,
    task: _Task,
    job: partition.Job,
    parts: Sequence[partition.Partition],
    unit: str,
) -> list[dict[str, Any]]:
    """Wait for every partition; what fails stops no other, and is told at the end."""
    outcome = _Outcome()
    client.subscribe_topic(task.topic, outcome.take)  # type: ignore[no-untyped-call]
    futures = {
        client.submit(task, part.number, pure=False, retries=RETRIES): part for part in parts
    }
    with progress.bar(job.plan.command, sum(part.n_rows for part in parts), unit) as step:
        for future in distributed.as_completed(futures, loop=client.loop):  # type: ignore[no-untyped-call]
            part = futures[future]
            if future.status != "finished":
                outcome.failures[part.number] = _reason(future)
            elif part.number not in outcome.failures:
                step(part.n_rows)
            # Else Dask would do it again when the worker that did it is lost.
            future.release()
    # A worker that was taken for lost may have marked its partition all the same.
    left = {part.number for part in job.unfinished(parts)} & outcome.failures.keys()
    if left:
        _tell(job, {number: outcome.failures[number] for number in sorted(left)})
    return [outcome.results.get(part.number, {}) for part in parts]


def _reason(future: distributed.Future[Any]) -> errors.IncompleteError:
    """Put into words what nobody has foreseen."""
    if future.status != "error":
        return errors.IncompleteError("The Dask scheduler went away.")
    error = future.exception()  # type: ignore[no-untyped-call]
    if isinstance(error, distributed.KilledWorker):
        message = (
            f"{error.allowed_failures + 1} workers died while they did it, the last was "
            f"{error.last_worker.address}. Look there for what ended them, often memory."
        )
    else:
        message = f"{type(error).__name__}: {error}."
    return errors.IncompleteError(message)


def _tell(job: partition.Job, failures: Mapping[int, errors.BluebatchError]) -> NoReturn:
    number, first = next(iter(failures.items()))
    failed = f"of {len(job.partitions())} partitions {jobs.ranges([*failures])} failed"
    raise type(first)(
        f"{job.path}: {failed} on the workers and the others are kept. Partition {number}: {first} "
        "Then run the same command again to do what is missing."
    ) from first
