"""Partitions on Dask workers: what is gathered, what is refused, and what is told."""

import functools
import os
import pathlib
import threading
import types
from collections.abc import Iterator
from importlib import metadata
from typing import Any

import distributed
import pytest
from integration import chores

from bluebatch import errors
from bluebatch.run import cluster, memory, partition, workers

SCHEDULER = {"host": "127.0.0.1", "dashboard": False, "dashboard_address": ":0"}


@pytest.fixture
def dask_cluster() -> Iterator[distributed.SpecCluster]:
    """A scheduler and no worker yet; those that `scale` starts are threads of this process."""
    worker = {"cls": distributed.Worker, "options": {"nthreads": 3, "dashboard": False}}
    scheduler = {"cls": distributed.Scheduler, "options": SCHEDULER}
    with distributed.SpecCluster({}, scheduler, worker) as started:  # type: ignore[no-untyped-call]
        yield started


@pytest.fixture
def options(dask_cluster: distributed.SpecCluster) -> cluster.ClusterOptions:
    """Where one worker waits."""
    dask_cluster.scale(1)  # type: ignore[no-untyped-call]
    return cluster.ClusterOptions(scheduler=dask_cluster.scheduler_address)


@pytest.fixture
def job(tmp_path: pathlib.Path) -> partition.Job:
    return chores.begin(tmp_path / "store.zarr")


def do(job: partition.Job, fill: Any, options: cluster.ClusterOptions) -> list[dict[str, Any]]:
    return list(cluster.spread(job, functools.partial(fill, str(job.path)), options, "samples"))


def refusal(
    job: partition.Job, fill: Any, options: cluster.ClusterOptions
) -> errors.BluebatchError:
    with pytest.raises(errors.BluebatchError) as caught:
        do(job, fill, options)
    assert "\n" not in str(caught.value)
    return caught.value


def test_options__one_place_at_a_time() -> None:
    with pytest.raises(errors.ConfigError, match=r"--scheduler tcp://a:1 and --cluster local"):
        cluster.ClusterOptions(scheduler="tcp://a:1", cluster="local")
    with pytest.raises(errors.ConfigError, match=r"--workers 3: .* Give --cluster local or"):
        cluster.ClusterOptions(workers=3)
    assert not cluster.ClusterOptions().is_used


def test_share__workers_of_this_machine_share_what_this_process_leaves(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(memory, "resident_bytes", lambda: 400_000_000)
    here = cluster.ClusterOptions(cluster="local", workers=4)
    assert here.share(4_000_000_000) == 900_000_000
    assert here.share(300_000_000) == 1  # and not what is free
    assert here.share(None) is None
    # Workers elsewhere have memory of their own, and without workers all is for this process.
    for other in (cluster.ClusterOptions(cluster="slurm", workers=4), cluster.ClusterOptions()):
        assert other.share(4_000_000_000) == 4_000_000_000


def test_spread__every_pending_partition_is_done_once(
    job: partition.Job, options: cluster.ClusterOptions
) -> None:
    chores.fill(str(job.path), 3)
    results = do(job, chores.fill, options)
    assert [result["number"] for result in results] == [0, 1, 2, 4]
    assert job.pending() == []
    assert do(job, chores.fill, options) == []


def test_spread__a_worker_has_the_cores_that_dask_gave_it(
    job: partition.Job, options: cluster.ClusterOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SLURM_CPUS_PER_TASK", raising=False)
    assert {result["cores"] for result in do(job, chores.fill, options)} == {"3"}
    assert "SLURM_CPUS_PER_TASK" not in os.environ


def test_spread__waits_for_workers_that_come_late(
    job: partition.Job, dask_cluster: distributed.SpecCluster
) -> None:
    timer = threading.Timer(0.3, dask_cluster.scale, [1])
    timer.start()
    options = cluster.ClusterOptions(scheduler=dask_cluster.scheduler_address)
    assert len(do(job, chores.fill, options)) == 5
    timer.join()


def test_spread__a_failure_stops_no_other_and_keeps_its_class(
    job: partition.Job, options: cluster.ClusterOptions
) -> None:
    told = refusal(job, chores.fill_even, options)
    assert type(told) is errors.DiskFullError
    assert str(told) == (
        f"{job.path}: of 5 partitions 1,3 failed on the workers and the others are kept. "
        f"Partition 1: {job.path}: no space is left. Make room. "
        "Then run the same command again to do what is missing."
    )
    assert [part.number for part in job.pending()] == [1, 3]


def test_spread__an_unforeseen_failure_leaves_the_run_to_be_resumed(
    job: partition.Job, options: cluster.ClusterOptions
) -> None:
    told = refusal(job, chores.fill_even_or_break, options)
    assert type(told) is errors.IncompleteError
    assert "Partition 1: ZeroDivisionError: 1 of nothing. " in str(told)
    assert [part.number for part in job.pending()] == [1, 3]


def test_spread__a_failure_is_forgotten_where_the_partition_is_marked(
    job: partition.Job, options: cluster.ClusterOptions
) -> None:
    assert do(job, chores.fill_then_be_lost, options) == [{}] * 5
    assert job.pending() == []


def test_spread__a_partition_that_kills_its_workers_is_told(
    job: partition.Job, options: cluster.ClusterOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker: Any = types.SimpleNamespace(address="tcp://10.0.0.7:41")
    killed = distributed.KilledWorker("key", worker, 3)
    monkeypatch.setattr(distributed.Future, "exception", lambda future: killed)
    told = refusal(job, chores.fill_even_or_break, options)
    assert type(told) is errors.IncompleteError
    assert "Partition 1: 4 workers died " in str(told)
    assert "tcp://10.0.0.7:41" in str(told)


@pytest.mark.parametrize(
    ("found", "words"),
    [("0.0.7", "0.0.7"), (metadata.PackageNotFoundError("bluebatch"), "no")],
    ids=["another", "none"],
)
def test_spread__refuses_workers_of_another_version(
    job: partition.Job,
    options: cluster.ClusterOptions,
    monkeypatch: pytest.MonkeyPatch,
    found: object,
    words: str,
) -> None:
    own = metadata.version("bluebatch")
    answers = {"tcp://a:1": own, "tcp://b:2": found, "tcp://c:3": OSError("closed")}
    monkeypatch.setattr(distributed.Client, "run", lambda client, *given, **how: answers)
    told = refusal(job, chores.fill, options)
    assert type(told) is errors.ResourceError
    assert str(told) == (
        f"tcp://b:2: this worker has bluebatch {words}, needed: {own} as here (1 of 3 workers "
        "differ). Install the same version for every worker."
    )
    assert len(job.pending()) == 5


def test_spread__refuses_workers_that_see_another_store(
    job: partition.Job, options: cluster.ClusterOptions
) -> None:
    # As if the worker had its own folder of the same name.
    chores.begin(job.path.with_name("other.zarr"), n_partitions=2)
    other = job.path.with_name("other.zarr.run") / "plan.json"
    (job.path.with_name("store.zarr.run") / "plan.json").write_text(other.read_text())
    told = refusal(job, chores.fill, options)
    assert type(told) is errors.ResourceError
    assert f"this worker sees another store at {job.path} (1 of 1 workers)" in str(told)


def test_spread__a_late_worker_of_another_version_does_nothing(
    job: partition.Job, dask_cluster: distributed.SpecCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = metadata.version
    here = threading.main_thread()
    monkeypatch.setattr(distributed.Client, "run", lambda client, *given, **how: {})

    def version(name: str) -> str:
        return own(name) if threading.current_thread() is here else "0.0.7"

    monkeypatch.setattr(metadata, "version", version)
    timer = threading.Timer(0.3, dask_cluster.scale, [1])
    timer.start()
    told = refusal(job, chores.fill, cluster.ClusterOptions(dask_cluster.scheduler_address))
    timer.join()
    assert type(told) is errors.ResourceError
    assert "this worker has bluebatch 0.0.7, needed: " in str(told)
    assert len(job.pending()) == 5


def test_spread__a_scheduler_that_goes_away(
    job: partition.Job, dask_cluster: distributed.SpecCluster
) -> None:
    options = cluster.ClusterOptions(scheduler=dask_cluster.scheduler_address)
    timer = threading.Timer(0.5, dask_cluster.close)
    timer.start()
    told = refusal(job, chores.fill, options)
    timer.join()
    assert type(told) is errors.IncompleteError
    assert "The Dask scheduler went away. " in str(told)


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:1", "nonsense", "ftp://127.0.0.1:1"])
def test_spread__a_scheduler_that_does_not_answer(
    job: partition.Job, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setattr(workers, "CONNECT_SECONDS", 0.3)
    told = refusal(job, chores.fill, cluster.ClusterOptions(scheduler=address))
    assert type(told) is errors.ResourceError
    assert str(told).startswith(f"--scheduler {address}: no Dask scheduler answered within 0.3 s. ")
    assert len(job.pending()) == 5


def test_connect__waits_ten_seconds() -> None:
    assert workers.CONNECT_SECONDS == 10
