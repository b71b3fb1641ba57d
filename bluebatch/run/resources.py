"""What this process was granted: cores and memory, asking the queue before the machine."""

import os
import pathlib

import psutil

from bluebatch.run import ranks

CGROUP = pathlib.Path("/sys/fs/cgroup")
CGROUP_OF_PROCESS = pathlib.Path("/proc/self/cgroup")
SHARE_OF_FREE = 0.8


def cores() -> int:
    """Count the cores granted to this process.

    Returns
    -------
    int
        ``SLURM_CPUS_PER_TASK`` where it is set, else the cores of the affinity mask, cut to the
        control group's quota; an equal share for each process that ``torchrun`` started; at least
        1.
    """
    return max(1, _all_cores() // ranks.local_size())


def memory_bytes() -> int:
    """Measure the memory that this process may plan with.

    Returns
    -------
    int
        Bytes: ``SLURM_MEM_PER_NODE`` (or ``SLURM_MEM_PER_CPU`` times the cores) where it is set,
        else four fifths of what is free within the control group and the machine.
    """
    per_node = os.environ.get("SLURM_MEM_PER_NODE", "")
    per_core = os.environ.get("SLURM_MEM_PER_CPU", "")
    # Slurm gives MiB; 0 means all of the node.
    if per_node.isdecimal() and int(per_node) > 0:
        return int(per_node) * 2**20
    if per_core.isdecimal() and int(per_core) > 0:
        return int(per_core) * 2**20 * _all_cores()
    free = int(psutil.virtual_memory().available)
    group = _cgroup_free()
    return int(SHARE_OF_FREE * (free if group is None else min(free, group)))


def _all_cores() -> int:
    granted = os.environ.get("SLURM_CPUS_PER_TASK", "")
    if granted.isdecimal() and int(granted) > 0:
        return int(granted)
    if hasattr(os, "sched_getaffinity"):
        found = len(os.sched_getaffinity(0))
    else:
        found = os.cpu_count() or 1
    quota = _cgroup_cores()
    return found if quota is None else min(found, quota)


def _cgroup_folders() -> list[pathlib.Path]:
    """List the control group of this process and all above it, innermost first (version 2)."""
    try:
        lines = CGROUP_OF_PROCESS.read_text().splitlines()
    except OSError:
        return [CGROUP]
    own = next((line[3:] for line in lines if line.startswith("0::")), "/")
    relative = pathlib.PurePosixPath(own.lstrip("/"))
    return [CGROUP / part for part in (relative, *relative.parents)]


def _cgroup_cores() -> int | None:
    quotas = []
    for folder in _cgroup_folders():
        words = _words(folder / "cpu.max")
        if len(words) == 2 and words[0] != "max":
            # Rounded up: 1.5 cores keep two threads busier than one.
            quotas.append(-(-int(words[0]) // int(words[1])))
    return min(quotas, default=None)


def _cgroup_free() -> int | None:
    free = []
    for folder in _cgroup_folders():
        limit, used = _words(folder / "memory.max"), _words(folder / "memory.current")
        if limit and used and limit[0] != "max":
            free.append(max(0, int(limit[0]) - int(used[0])))
    return min(free, default=None)


def _words(file: pathlib.Path) -> list[str]:
    try:
        return file.read_text().split()
    except OSError:
        return []
