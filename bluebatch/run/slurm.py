"""Dask workers as jobs of a Slurm queue, through dask-jobqueue: settings, and starting them."""

import contextlib
import difflib
import functools
import importlib
import logging
import pathlib
import shlex
import subprocess
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import dask.config
import distributed
import pydantic

from bluebatch import errors
from bluebatch.run import conf_files, memory, workers

SHIPPED = "slurm"

_log = logging.getLogger(__name__)


class SlurmSettings(pydantic.BaseModel):
    """``conf/slurm.toml``: what each worker's job asks the queue for.

    Parameters
    ----------
    workers : int
        Jobs, one worker each.
    cores : int
        Of a job.
    memory : str
        Of a job, e.g. ``"8GB"``.
    walltime : str
        Of a job, as Slurm writes it.
    queue, account : str or None
        Slurm's partition, and who pays; the site's defaults by default.
    prologue : tuple of str
        Lines for the job's shell before the worker starts.
    directives : tuple of str
        Further ``#SBATCH`` directives, e.g. ``"--gres=gpu:1"``.
    log_folder : str
        Of the jobs' own output.
    scratch_folder : str or None
        On the nodes; the system's temporary folder by default.
    interface : str or None
        Network on which workers and this process meet.
    """

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid")

    workers: int = pydantic.Field(default=4, ge=1)
    cores: int = pydantic.Field(default=4, ge=1)
    memory: str = "8GB"
    walltime: str = "04:00:00"
    queue: str | None = None
    account: str | None = None
    prologue: tuple[str, ...] = ()
    directives: tuple[str, ...] = ()
    log_folder: str = "slurm-logs"
    scratch_folder: str | None = None
    interface: str | None = None

    @pydantic.field_validator("memory")
    @classmethod
    def _is_a_size(cls, value: str) -> str:
        try:
            memory.parse(value)
        except errors.ConfigError as error:
            raise ValueError("needed: a number and a unit, e.g. 8GB") from error
        return value


def load(name: str) -> SlurmSettings:
    """Read the settings of a queue.

    Parameters
    ----------
    name : str
        ``"slurm"`` for those that ship with bluebatch, or path of a file.

    Returns
    -------
    SlurmSettings
        Checked.

    Raises
    ------
    errors.MissingInputError
        If there is no such file.
    errors.ConfigError
        If it is not TOML, or a setting is unknown or out of range.
    """
    path = conf_files.find(name, [SHIPPED])
    try:
        return SlurmSettings.model_validate(conf_files.parse(path))
    except pydantic.ValidationError as error:
        raise errors.ConfigError(f"{path}: {_explain(error)}") from error


@contextlib.contextmanager
def start(settings: SlurmSettings, n_workers: int | None) -> Iterator[distributed.Client]:
    """Submit one job a worker, and cancel them all on leaving.

    Parameters
    ----------
    settings : SlurmSettings
        Of the queue.
    n_workers : int or None
        Jobs; as configured by default.

    Yields
    ------
    distributed.Client
        Of the scheduler, which runs in this process; workers join as the queue starts them.

    Raises
    ------
    errors.ResourceError
        If dask-jobqueue or ``sbatch`` is missing, or the queue refuses such a job.
    """
    jobqueue = _jobqueue()
    count = n_workers or settings.workers
    with (
        dask.config.set(workers.LOST_AFTER),
        jobqueue.SLURMCluster(**_arguments(settings)) as cluster,
    ):
        _check_job(cluster.job_script())
        cluster.scale(jobs=count)
        _log.info("%d Slurm jobs of %d cores are submitted", count, settings.cores)
        look = functools.partial(_look, cluster, settings.log_folder)
        with workers.kept_at(cluster, count, look), workers.client_of(cluster) as client:
            yield client


def _arguments(settings: SlurmSettings) -> dict[str, Any]:
    # The worker's one Dask thread may use all cores of its job: Dask's own `cores` are threads.
    return {
        "cores": 1,
        "processes": 1,
        "job_cpu": settings.cores,
        "memory": f"{memory.parse(settings.memory)}B",
        # The run is priced to fit; Dask would pause workers at four fifths of what they may use.
        "worker_extra_args": ["--memory-limit", "0", "--no-dashboard"],
        "job_name": "bluebatch",
        "queue": settings.queue,
        "account": settings.account,
        "walltime": settings.walltime,
        "job_script_prologue": [*settings.prologue, *_exports(settings.cores)],
        "job_extra_directives": list(settings.directives),
        "log_directory": str(pathlib.Path(settings.log_folder).absolute()),
        "local_directory": settings.scratch_folder,
        "interface": settings.interface,
        "scheduler_options": {"dashboard": False, "dashboard_address": ":0"},
        "silence_logs": workers.SILENT,
    }


def _exports(cores: int) -> list[str]:
    lines = [f"export {name}={value}" for name, value in workers.threads(cores).items()]
    unset = shlex.quote(repr(dict.fromkeys(workers.UNSET)))
    return [*lines, f"export DASK_DISTRIBUTED__NANNY__PRE_SPAWN_ENVIRON={unset}"]


def _jobqueue() -> ModuleType:
    try:
        return importlib.import_module("dask_jobqueue")
    except ImportError as error:
        raise errors.ResourceError(
            "--cluster slurm: dask-jobqueue is not installed. "
            "Install it with pip install 'bluebatch[slurm]'."
        ) from error


def _check_job(script: str) -> None:
    """Ask the queue whether it would take such a job: later it would refuse in silence."""
    try:
        answer = subprocess.run(
            ["sbatch", "--test-only"], input=script, capture_output=True, text=True, check=False
        )
    except OSError as error:
        raise errors.ResourceError(
            "--cluster slurm: there is no `sbatch` here. Run this where jobs are submitted, or "
            "give --cluster local."
        ) from error
    if answer.returncode != 0:
        said = " ".join(answer.stderr.split()).removeprefix("sbatch: error: ")
        raise errors.ResourceError(
            f"--cluster slurm: the queue refuses the workers' job ({said[:200]}). "
            "Change --cluster-config to what it grants."
        )


def _look(cluster: distributed.SpecCluster, log_folder: str) -> None:
    """Warn where every job has ended and nobody is left to do the work."""
    numbers = [str(job.job_id) for job in [*cluster.workers.values()] if job.job_id]
    if cluster.scheduler_info["workers"] or not numbers:
        return
    queued = subprocess.run(
        ["squeue", "--noheader", f"--jobs={','.join(numbers)}"],
        capture_output=True,
        text=True,
        check=False,
    )
    # Of jobs that ended a while ago Slurm knows nothing any more.
    known = queued.returncode == 0 or "Invalid job id" in queued.stderr
    if known and not queued.stdout.strip():
        _log.warning(
            "no worker is there, and none of the jobs %s is in the queue: see what they wrote to "
            "%s, stop this and run it again",
            ", ".join(numbers),
            log_folder,
        )


def _explain(error: pydantic.ValidationError) -> str:
    details = error.errors()
    first = next((item for item in details if item["type"] == "extra_forbidden"), details[0])
    key = str(first["loc"][0])
    if first["type"] == "extra_forbidden":
        near = difflib.get_close_matches(key, SlurmSettings.model_fields, n=1)
        known = ", ".join(SlurmSettings.model_fields)
        hint = f"Did you mean {near[0]!r}?" if near else f"Known here: {known}."
        return f"{key}: there is no such setting. {hint}"
    needed = first["msg"].removeprefix("Value error, ").replace("Input should be", "needed:")
    return f"{key}: found {first['input']!r}, {needed}. Change it there."
