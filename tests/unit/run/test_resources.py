"""What was granted: Slurm first, then the affinity mask and the control group."""

import os
import pathlib

import psutil
import pytest

from bluebatch.run import resources


@pytest.fixture(autouse=True)
def no_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SLURM_CPUS_PER_TASK", "SLURM_MEM_PER_NODE", "SLURM_MEM_PER_CPU"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def cgroup(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    inner = tmp_path / "job" / "step"
    inner.mkdir(parents=True)
    membership = tmp_path / "membership"
    membership.write_text("0::/job/step\n")
    monkeypatch.setattr(resources, "CGROUP", tmp_path)
    monkeypatch.setattr(resources, "CGROUP_OF_PROCESS", membership)
    return inner


def affinity(monkeypatch: pytest.MonkeyPatch, n: int) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(n)), raising=False)


def test_cores__slurm_comes_first(cgroup: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    affinity(monkeypatch, 64)
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "12")
    assert resources.cores() == 12


def test_cores__affinity_without_a_queue(
    cgroup: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    affinity(monkeypatch, 6)
    assert resources.cores() == 6


def test_cores__the_groups_quota_cuts_the_mask(
    cgroup: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    affinity(monkeypatch, 64)
    (cgroup / "cpu.max").write_text("max 100000\n")
    assert resources.cores() == 64
    # 150 ms in every 100 ms is one core and a half; the quota stands on the outer group.
    (cgroup.parent / "cpu.max").write_text("150000 100000\n")
    assert resources.cores() == 2


def test_memory_bytes__slurm_gives_mebibytes(
    cgroup: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLURM_MEM_PER_NODE", "2048")
    assert resources.memory_bytes() == 2 * 1024**3


def test_memory_bytes__slurm_per_core_times_cores(
    cgroup: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLURM_MEM_PER_NODE", "0")
    monkeypatch.setenv("SLURM_MEM_PER_CPU", "1024")
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "3")
    assert resources.memory_bytes() == 3 * 1024**3


def test_memory_bytes__the_groups_limit_less_what_is_used(cgroup: pathlib.Path) -> None:
    (cgroup / "memory.max").write_text("20000000\n")
    (cgroup / "memory.current").write_text("5000000\n")
    assert resources.memory_bytes() == int(0.8 * 15_000_000)


def test_memory_bytes__else_what_is_free(cgroup: pathlib.Path) -> None:
    assert 0 < resources.memory_bytes() <= psutil.virtual_memory().total


def test_cores__are_shared_by_the_processes_of_torchrun(
    cgroup: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "12")
    started = {"RANK": 5, "WORLD_SIZE": 10, "LOCAL_RANK": 0, "LOCAL_WORLD_SIZE": 5}
    for name, value in {**started, "MASTER_ADDR": "localhost", "MASTER_PORT": 1}.items():
        monkeypatch.setenv(name, str(value))
    assert resources.cores() == 2
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "24")
    assert resources.cores() == 1
