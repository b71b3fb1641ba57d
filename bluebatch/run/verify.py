"""Reading every checksum of a store again: what is whole, and what has to be done again."""

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

import zarr

from bluebatch import errors
from bluebatch.run import chunks, jobs, marker, memory, partition, progress
from bluebatch.store import places, read, schema, write

_FIRST = 20


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What was found.

    Parameters
    ----------
    path : str
        The store.
    command : str
        That made it; empty where no plan stands beside it.
    n_partitions : int
        Of the run; 0 without a plan.
    faults : dict of int to str
        Reason by partition that has to be done again.
    damaged : list of str
        Files outside of every partition that are missing or damaged.
    n_chunks, n_bytes : int
        That were read.
    """

    path: str
    command: str
    n_partitions: int
    faults: dict[int, str]
    damaged: list[str]
    n_chunks: int
    n_bytes: int

    @property
    def exit_code(self) -> int:
        """Choose what the command exits with.

        Returns
        -------
        int
            0 whole, 3 where partitions can be done again, 1 where the store is lost.
        """
        if self.damaged:
            return errors.BluebatchError.exit_code
        return errors.IncompleteError.exit_code if self.faults else 0

    def as_text(self) -> str:
        """Say it in lines.

        Returns
        -------
        str
            A headline, a line a fault, and the command that mends them.
        """
        read_in = f"{self.n_chunks:,} chunks, {memory.tell(self.n_bytes)} read"
        if not self.faults and not self.damaged:
            return f"{self.path}: whole ({read_in})"
        lines = [f"{self.path}: {len(self.faults) + len(self.damaged)} faults ({read_in})"]
        lines += [f"  {name} is missing or damaged" for name in self.damaged[:_FIRST]]
        faults = sorted(self.faults.items())
        lines += [f"  partition {number}: {reason}" for number, reason in faults[:_FIRST]]
        if self.damaged:
            lines.append("  No partition holds these: copy the store again, or make it again.")
        elif self.command:
            numbers = jobs.ranges([number for number, _ in faults])
            lines.append(f"  bluebatch {self.command}-partition {self.path} --partition {numbers}")
            lines.append(f"  bluebatch {self.command}-finalise {self.path}")
        return "\n".join(lines)

    def as_dict(self) -> dict[str, Any]:
        """Give it as JSON values.

        Returns
        -------
        dict of str to Any
            By field.
        """
        return {**dataclasses.asdict(self), "exit_code": self.exit_code}


def run(path: str | places.Place) -> Verdict:
    """Read every chunk of a store and compare it with its checksum and marker.

    Parameters
    ----------
    path : str, pathlib.Path or upath.UPath
        Any store, finished or not.

    Returns
    -------
    Verdict
        What is whole and what is not.

    Raises
    ------
    errors.MissingInputError
        If nothing lies there.
    errors.ForeignStoreError
        If it is no store of ours.
    """
    root = places.place(path)
    arrays = _arrays(root)
    expected = [name for each in arrays.items() for name in chunks.names(*each)]
    found = places.sizes(root)
    n_bytes = sum(found.get(name, 0) for name in expected)
    stale = _stale_metadata(root)
    with progress.bar("verify", total=len(expected), unit="chunks") as step:
        if not (write.run_folder(root) / partition.PLAN_FILE).exists():
            damaged = stale
            for name in expected:
                if name not in found or chunks.damaged(arrays[name.partition("/c/")[0]], name):
                    damaged.append(name)
                step(1)
            return Verdict(str(path), "", 0, {}, damaged, len(expected), n_bytes)
        job = partition.load_job(root)
        parts = job.partitions()
        fixed = sorted({*stale, *_fixed_faults(job, found)})
        step(len(expected) - sum(len(job.ledger.chunks(part)) for part in parts))
        faults = job.ledger.faults(parts, deep=True, step=step)
    command = job.plan.command
    return Verdict(str(path), command, len(parts), faults, fixed, len(expected), n_bytes)


def _arrays(root: places.Place) -> marker.Arrays:
    group = read.open_group(root)
    if group.attrs.get("kind") not in schema.SPECS:
        raise errors.ForeignStoreError(
            f"{root}: is a Zarr store of another maker. Give a store made by bluebatch."
        )
    try:
        members = sorted(group.members(max_depth=None))
        return {name: array for name, array in members if isinstance(array, zarr.Array)}
    except (ValueError, KeyError, TypeError) as error:
        raise errors.ForeignStoreError(
            f"{root}: the metadata of an array is damaged ({' '.join(str(error).split())[:80]}). "
            "Copy the store or make it again."
        ) from error


def _stale_metadata(root: places.Place) -> list[str]:
    """List the arrays' descriptions that are not what the completed store says of them."""
    content = _read(root / "zarr.json") or {}
    told = (content.get("consolidated_metadata") or {}).get("metadata", {})
    # Of a group it also says what is in it.
    return [
        f"{name}/zarr.json"
        for name, metadata in sorted(told.items())
        if _read(root / name / "zarr.json")
        != {key: value for key, value in metadata.items() if key != "consolidated_metadata"}
    ]


def _read(file: places.Place) -> Any:
    try:
        return json.loads(file.read_text())
    except (OSError, ValueError):
        return None


def _fixed_faults(job: partition.Job, found: Mapping[str, int]) -> list[str]:
    """List the files that no partition writes, labels above all, that are not as created."""
    marks = job.ledger.created()
    if not marks:
        return [marker.CREATED_FILE]
    # The root's metadata is written anew when the store is completed.
    return [
        name
        for name, mark in marks.items()
        if name != "zarr.json" and (name not in found or chunks.whole_mark(job.path / name) != mark)
    ]
