"""Workers of this machine: how many, and what each one is granted."""

import os
import pathlib
import time

import dask.config
import distributed
import pytest
from integration import chores

from bluebatch.run import resources, workers


@pytest.fixture
def no_gpu(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> pathlib.Path:
    """A folder of commands that takes the place of all others."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    ("visible", "found"),
    [("0,3", ["0", "3"]), ("", []), ("-1", []), ("GPU-8f,MIG-2a", ["GPU-8f", "MIG-2a"])],
)
def test_gpus__are_those_that_are_visible(
    monkeypatch: pytest.MonkeyPatch, visible: str, found: list[str]
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert workers.gpus() == found


def test_gpus__none_without_a_driver(no_gpu: pathlib.Path) -> None:
    assert workers.gpus() == []


def test_gpus__are_counted_by_the_driver(no_gpu: pathlib.Path) -> None:
    command = no_gpu / "nvidia-smi"
    command.write_text("#!/bin/sh\necho 'GPU 0: A (UUID: a)'\necho 'GPU 1: A (UUID: b)'\n")
    command.chmod(0o755)
    assert workers.gpus() == ["0", "1"]


def test_how_many__as_given_else_one_a_gpu_else_one_a_core(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "6")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1,2")
    assert workers.how_many(5, gpu=True) == 5
    assert workers.how_many(None, gpu=True) == 3
    assert workers.how_many(None, gpu=False) == 6
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert workers.how_many(None, gpu=True) == 6


def test_start__each_worker_has_its_share_and_nothing_is_left(
    monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "6")
    monkeypatch.setenv("SLURM_MEM_PER_NODE", "3000")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,7")
    monkeypatch.setenv("OMP_NUM_THREADS", "6")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    before = dict(os.environ)
    with workers.start(None, gpu=True) as client:
        told = client.run(chores.environment)
        granted = set(client.run(resources.cores).values())
        quiet = set(client.run(chores.is_quiet).values())
    assert sorted(each["CUDA_VISIBLE_DEVICES"] for each in told.values()) == ["4", "7"]
    for each in told.values():
        assert each["OMP_NUM_THREADS"] == each["OPENBLAS_NUM_THREADS"] == "3"
        assert each["SLURM_MEM_PER_NODE"] == "1500"
        assert "MALLOC_TRIM_THRESHOLD_" not in each
    assert (granted, quiet) == ({3}, {True})
    assert dict(os.environ) == before
    assert list(tmp_path.iterdir()) == []


def test_kept_at__a_lost_worker_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "REPLACE_SECONDS", 0.1)
    worker = {"cls": distributed.Worker, "options": {"nthreads": 1, "dashboard": False}}
    options = {"host": "127.0.0.1", "dashboard": False, "dashboard_address": ":0"}
    scheduler = {"cls": distributed.Scheduler, "options": options}
    with (
        dask.config.set({"distributed.deploy.lost-worker-timeout": "0.1s"}),
        distributed.SpecCluster({0: worker}, scheduler, worker) as cluster,  # type: ignore[no-untyped-call]
        workers.kept_at(cluster, 1),
        workers.client_of(cluster) as client,
    ):
        first = set(client.scheduler_info()["workers"])
        # It goes as a job does that has reached its time limit: nobody here has asked for it.
        client.run(lambda dask_worker: dask_worker.loop.add_callback(dask_worker.close))
        deadline = time.monotonic() + 120
        while not (found := set(cluster.scheduler.workers)) or found == first:
            assert time.monotonic() < deadline, "no other worker has come"
            time.sleep(0.02)
    assert found.isdisjoint(first)
