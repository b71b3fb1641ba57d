"""Cutting a long job into partitions that are marked when done, so that a killed run resumes.

Beside ``store.zarr`` stands ``store.zarr.run/`` with ``plan.json`` (what the run is) and one
``p{i}.json`` a finished partition (its chunks with their checksums). A chunk's presence proves
nothing; only the marker does, and it is written after its chunks have reached the disk.
"""

import hashlib
import json
import os
import pathlib
import platform
import socket
import time
from collections.abc import Callable, Iterator
from importlib import metadata
from typing import Any, Literal, NamedTuple

import pydantic
import zarr

from bluebatch import errors
from bluebatch.store import outputs, write

PARTITION_ROWS = 1024
PLAN_FILE = "plan.json"
CREATED_FILE = "created.json"


class Plan(pydantic.BaseModel):
    """What a run is: two runs of one plan write the same store, bit for bit.

    Parameters
    ----------
    command : str
        Verb, e.g. ``"infer"``.
    settings : dict
        All that changes the result, as JSON values.
    inputs : dict of str to str
        Digest of every input by its role.
    n_rows : int
        Rows of the store.
    partition_rows : int
        Rows of a partition, a multiple of the chunk's.
    """

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid")

    command: str
    settings: dict[str, Any]
    inputs: dict[str, str]
    n_rows: int
    partition_rows: int = PARTITION_ROWS

    @property
    def run_id(self) -> str:
        """Digest the plan.

        Returns
        -------
        str
            Sixteen hexadecimal digits.
        """
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:16]


class Partition(NamedTuple):
    """A range of rows that is written, and marked, as one."""

    number: int
    rows: slice


class Job:
    """A run at its output path.

    Parameters
    ----------
    path : pathlib.Path
        The store being made.
    plan : Plan
        What the run is.
    state : {"new", "resumed", "complete"}
        What was found at the path.
    """

    def __init__(
        self, path: pathlib.Path, plan: Plan, state: Literal["new", "resumed", "complete"]
    ) -> None:
        self.path = path
        self.plan = plan
        self.state = state
        self.folder = write.run_folder(path)
        self.n_skipped = len(self.partitions()) - len(self.pending())

    def partitions(self) -> list[Partition]:
        """List every partition.

        Returns
        -------
        list of Partition
            In order of their rows.
        """
        step = self.plan.partition_rows
        starts = range(0, self.plan.n_rows, step)
        return [
            Partition(index, slice(start, min(start + step, self.plan.n_rows)))
            for index, start in enumerate(starts)
        ]

    def pending(self) -> list[Partition]:
        """List the partitions that no valid marker of this plan vouches for.

        Returns
        -------
        list of Partition
            In order of their rows; none where the store is complete.
        """
        if self.state == "complete":
            return []
        return [partition for partition in self.partitions() if not self._is_marked(partition)]

    def group(self) -> zarr.Group:
        """Open the store for writing.

        Returns
        -------
        zarr.Group
            For `write.write`.
        """
        return zarr.open_group(str(self.path), mode="r+")

    def mark(self, partition: Partition, seconds: float) -> None:
        """Vouch for a partition: flush its chunks to the disk, then write its marker.

        Parameters
        ----------
        partition : Partition
            All of whose chunks are written.
        seconds : float
            Wall time it took.
        """
        with write.room_on_disk(self.path):
            chunks = self._flush_chunks(partition)
        marker = {
            "run_id": self.plan.run_id,
            "rows": [partition.rows.start, partition.rows.stop],
            "chunks": chunks,
            "host": socket.gethostname(),
            "slurm": {key: value for key, value in os.environ.items() if key in _SLURM_IDS},
            "seconds": round(seconds, 3),
            "versions": versions(),
        }
        _write_json(self.folder / f"p{partition.number}.json", marker)

    def finalise(self, attributes: dict[str, Any] | None = None) -> None:
        """Complete the store once every partition is marked.

        Parameters
        ----------
        attributes : dict, optional
            Root attributes known only now.

        Raises
        ------
        errors.IncompleteError
            If partitions are missing.
        """
        missing = [str(partition.number) for partition in self.pending()]
        if missing:
            raise errors.IncompleteError(
                f"{self.path}: partitions {', '.join(missing[:20])} of "
                f"{len(self.partitions())} are missing. Run the same command again."
            )
        if self.state != "complete":
            write.complete(self.group(), attributes)
            self.state = "complete"

    def _is_marked(self, partition: Partition) -> bool:
        try:
            marker = json.loads((self.folder / f"p{partition.number}.json").read_text())
            files = marker["chunks"].items()
            whole = all((self.path / name).stat().st_size == size for name, (size, _) in files)
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return False
        rows = [partition.rows.start, partition.rows.stop]
        return bool(whole and marker.get("run_id") == self.plan.run_id and marker["rows"] == rows)

    def _flush_chunks(self, partition: Partition) -> dict[str, list[int | str]]:
        """List a partition's chunks with their bytes and checksums, flushed to the disk."""
        chunks: dict[str, list[int | str]] = {}
        folders = set()
        for file in self._chunks(partition):
            outputs.flush(file)
            folders.add(file.parent)
            size = file.stat().st_size
            with file.open("rb") as handle:
                handle.seek(-min(4, size), os.SEEK_END)
                chunks[file.relative_to(self.path).as_posix()] = [size, handle.read().hex()]
        for folder in folders:
            outputs.flush(folder)
        return chunks

    def _chunks(self, partition: Partition) -> Iterator[pathlib.Path]:
        for name, array in self.group().arrays():
            is_label = name in (getattr(array.metadata, "dimension_names", None) or ())
            if is_label or array.shape[:1] != (self.plan.n_rows,):
                continue
            step = array.chunks[0]
            for index in range(partition.rows.start // step, -(-partition.rows.stop // step)):
                start = self.path / name / "c" / str(index)
                if start.is_file():
                    yield start
                yield from sorted(found for found in start.rglob("*") if found.is_file())


def open_job(
    path: str | pathlib.Path, plan: Plan, create: Callable[[], object], *, overwrite: bool = False
) -> Job:
    """Begin a run at its output path, or take up where an earlier run of the same plan stopped.

    Parameters
    ----------
    path : str or pathlib.Path
        Output store.
    plan : Plan
        What the run is.
    create : callable
        Makes the empty full-size store at ``path``.
    overwrite : bool
        Whether something else at the path is removed.

    Returns
    -------
    Job
        With ``state`` new, resumed or complete.

    Raises
    ------
    errors.OutputExistsError
        If something that this plan did not make stands there and ``overwrite`` is False.
    errors.ChangedInputError
        If an unfinished run of the same settings stands there whose inputs were others.
    """
    path = pathlib.Path(path)
    folder = write.run_folder(path)
    if (path.exists() or folder.exists()) and not overwrite:
        state = _found(path, plan, folder)
        if state in ("resumed", "complete"):
            return Job(path, plan, state)
        if state == "changed":
            _refuse_changed(path, plan, folder)
        if path.exists() and state == "foreign":
            raise errors.OutputExistsError(
                f"{path}: something that this run did not make stands there. "
                "Choose another --out, or give --overwrite to replace it."
            )
    write.clear(path)
    with write.room_on_disk(path):
        folder.mkdir(parents=True)
        # The plan comes first and the note that all was created last: a run that is killed in
        # between leaves what the next one knows for its own.
        content = {"run_id": plan.run_id, **plan.model_dump(mode="json")}
        _write_json(folder / PLAN_FILE, content)
        create()
        _write_json(folder / CREATED_FILE, {"run_id": plan.run_id})
    return Job(path, plan, "new")


def versions() -> dict[str, str]:
    """Name the versions on which the bits of a result depend.

    Returns
    -------
    dict of str to str
        Version by package, and the machine.
    """
    names = ("bluebatch", "torch", "numpy", "zarr")
    return {"machine": platform.machine(), **{name: metadata.version(name) for name in names}}


def timer() -> Callable[[], float]:
    """Start a stopwatch.

    Returns
    -------
    callable
        Gives the seconds since.
    """
    start = time.monotonic()
    return lambda: time.monotonic() - start


_SLURM_IDS = ("SLURM_JOB_ID", "SLURM_ARRAY_JOB_ID", "SLURM_ARRAY_TASK_ID", "SLURM_NODEID")


def _found(
    path: pathlib.Path, plan: Plan, folder: pathlib.Path
) -> Literal["resumed", "complete", "changed", "empty", "foreign"]:
    try:
        found = json.loads((folder / PLAN_FILE).read_text())
        if not (folder / CREATED_FILE).exists():
            return "empty"
        status = zarr.open_group(str(path), mode="r").attrs.get("status")
        same_but_inputs = [found["command"], found["settings"]] == [plan.command, plan.settings]
    except (OSError, ValueError, KeyError, TypeError):
        return "foreign"
    if found.get("run_id") == plan.run_id:
        return "complete" if status == "complete" else "resumed"
    return "changed" if same_but_inputs and status == "writing" else "foreign"


def _refuse_changed(path: pathlib.Path, plan: Plan, folder: pathlib.Path) -> None:
    found = json.loads((folder / PLAN_FILE).read_text())
    before: dict[str, str] = found.get("inputs", {})
    changed = [role for role in plan.inputs if plan.inputs[role] != before.get(role)]
    raise errors.ChangedInputError(
        f"{path}: the unfinished run there read another {' and another '.join(changed) or 'input'} "
        "than is given now. Give the same as then to go on, or --overwrite to start anew."
    )


def _write_json(file: pathlib.Path, content: dict[str, Any]) -> None:
    with outputs.whole_file(file) as temporary:
        temporary.write_text(json.dumps(content, indent=1))
