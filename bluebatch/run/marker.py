"""Completion markers: what a finished partition wrote, chunk by chunk, and whether it still stands.

A chunk's presence proves nothing; only the marker does, and it is written after its chunks have
reached the disk.
"""

import functools
import json
import os
import pathlib
import platform
import socket
from collections.abc import Callable, Mapping, Sequence
from importlib import metadata
from typing import Any, NamedTuple, TypeAlias

import zarr

from bluebatch import errors
from bluebatch.run import chunks
from bluebatch.store import digests, outputs, places, write

Arrays: TypeAlias = "dict[str, zarr.Array[Any]]"

CREATED_FILE = "created.json"
_SLURM_IDS = ("SLURM_JOB_ID", "SLURM_ARRAY_JOB_ID", "SLURM_ARRAY_TASK_ID", "SLURM_NODEID")


class Partition(NamedTuple):
    """A range of rows that is written, and marked, as one.

    Parameters
    ----------
    number : int
        From 0.
    rows : slice
        Of the store.
    """

    number: int
    rows: slice

    @property
    def n_rows(self) -> int:
        """Count the rows.

        Returns
        -------
        int
            Rows of the partition.
        """
        return int(self.rows.stop - self.rows.start)


class Ledger:
    """The markers of a run beside its store.

    Parameters
    ----------
    store : pathlib.Path or upath.UPath
        The store.
    run_id : str
        Digest of its plan.
    n_rows : int
        Rows of the store.
    """

    def __init__(self, store: places.Place, run_id: str, n_rows: int) -> None:
        self.store = store
        self.folder = write.run_folder(store)
        self.run_id = run_id
        self.n_rows = n_rows

    @functools.cached_property
    def arrays(self) -> Arrays:
        """Open the arrays that are written by partitions.

        Returns
        -------
        dict of str to zarr.Array
            By name: all that run along the rows, and were not written when the store was created.
        """
        group = zarr.open_group(places.zarr_store(self.store, read_only=True), mode="r")
        written = {name.partition("/c")[0] for name in self.created() if "/c/" in name}
        return {
            name: array
            for name, array in sorted(group.arrays())
            if name not in written and array.shape[:1] == (self.n_rows,)
        }

    def created(self) -> dict[str, str]:
        """Read what was written when the store was created: metadata, labels, tables.

        Returns
        -------
        dict of str to str
            What `chunks.whole_mark` gave, by the file's name; empty where that cannot be read.
        """
        content = self._read(self.folder / CREATED_FILE) or {}
        files = content.get("files")
        return files if isinstance(files, dict) else {}

    def write(self, part: Partition, seconds: float) -> None:
        """Vouch for a partition: flush its chunks to the disk, then write its marker.

        Parameters
        ----------
        part : Partition
            All of whose chunks are written.
        seconds : float
            Wall time it took.
        """
        names = self.chunks(part)
        chunks.flush(self.store, names)
        content = {
            "run_id": self.run_id,
            "rows": [part.rows.start, part.rows.stop],
            "chunks": digests.of_files(self.store, names),
            "host": socket.gethostname(),
            "slurm": {key: value for key, value in os.environ.items() if key in _SLURM_IDS},
            "seconds": round(seconds, 3),
            "versions": versions(),
        }
        write_json(self.file(part.number), content)

    def file(self, number: int) -> places.Place:
        """Name a partition's marker.

        Parameters
        ----------
        number : int
            Of the partition.

        Returns
        -------
        pathlib.Path or upath.UPath
            In the folder beside the store.
        """
        return self.folder / f"p{number}.json"

    def chunks(self, part: Partition) -> list[str]:
        """Name every chunk that a partition writes.

        Parameters
        ----------
        part : Partition
            Any.

        Returns
        -------
        list of str
            Relative to the store.
        """
        return [
            name for array in self.arrays.items() for name in chunks.names(*array, rows=part.rows)
        ]

    def tidy(self, part: Partition) -> None:
        """Remove what a killed task left half-written of a partition that nobody else writes.

        Parameters
        ----------
        part : Partition
            That is claimed.
        """
        if not isinstance(self.store, pathlib.Path):
            return
        whole = {self.store / name for name in self.chunks(part)}
        left = [
            file
            for folder in {file.parent for file in whole}
            for file in folder.glob("*.partial")
            # 7.<random>.partial is of the chunk 7.
            if file.with_name(file.name.split(".")[0]) in whole
        ]
        for file in [*left, *write.run_folder(self.store).glob(f".p{part.number}.json.*.tmp")]:
            places.remove(file)

    def faults(
        self,
        parts: Sequence[Partition],
        *,
        deep: bool = False,
        step: Callable[[int], None] | None = None,
    ) -> dict[int, str]:
        """Tell which partitions nothing vouches for, or no longer, and why.

        Parameters
        ----------
        parts : sequence of Partition
            To be looked at.
        deep : bool
            Whether every byte is read and compared with its checksum; else the sizes of chunks.
        step : callable, optional
            Told the number of chunks of each partition that was looked at.

        Returns
        -------
        dict of int to str
            Reason by number; whole partitions are not in it.
        """
        # On a disk a task asks for its own chunks alone; a bucket is listed in one go.
        listed = None if isinstance(self.store, pathlib.Path) else places.sizes(self.store)
        size_of = functools.partial(chunks.size, self.store) if listed is None else listed.get
        told = {}
        for part in parts:
            if fault := self._fault(part, size_of, deep=deep):
                told[part.number] = fault
            if step is not None:
                step(len(self.chunks(part)))
        return told

    def contents(self, number: int) -> dict[str, Any] | None:
        """Read a marker.

        Parameters
        ----------
        number : int
            Of the partition.

        Returns
        -------
        dict or None
            Empty where it cannot be read, None where there is none.
        """
        return self._read(self.file(number))

    def _read(self, file: places.Place) -> dict[str, Any] | None:
        try:
            with places.reached(self.store):
                content = json.loads(file.read_text())
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            if isinstance(error, errors.BluebatchError):
                raise
            return {}
        return content if isinstance(content, dict) else {}

    def _fault(self, part: Partition, size_of: Callable[[str], int | None], *, deep: bool) -> str:
        content = self.contents(part.number)
        if content is None:
            return "has no marker"
        marks = content.get("chunks")
        if not isinstance(marks, dict):
            return "its marker is torn"
        if content.get("run_id") != self.run_id:
            return "its marker is of another run"
        names = self.chunks(part)
        if content.get("rows") != [part.rows.start, part.rows.stop] or set(marks) != set(names):
            return "its marker is of other rows or chunks"
        for name in names:
            size, marked = size_of(name), str(marks[name]).split(":")[0]
            if size is None:
                return f"{name} is missing"
            if str(size) != marked:
                return f"{name} has {size:,} bytes, not {marked}"
        return self._rotten(names, marks) if deep else ""

    def _rotten(self, names: Sequence[str], marks: Mapping[str, str]) -> str:
        found = digests.of_files(self.store, names)
        for name in names:
            array = self.arrays[name.partition("/c/")[0]]
            if found[name] != marks[name] or chunks.damaged(array, name):
                return f"{name} does not match its checksum"
        return ""


def versions() -> dict[str, str]:
    """Name the versions on which the bits of a result depend.

    Returns
    -------
    dict of str to str
        Version by package, and the machine.
    """
    names = ("bluebatch", "torch", "numpy", "zarr")
    return {"machine": platform.machine(), **{name: metadata.version(name) for name in names}}


def write_json(file: places.Place, content: Mapping[str, Any]) -> None:
    """Write a small file whole, or not at all.

    Parameters
    ----------
    file : pathlib.Path or upath.UPath
        Replaced if it is there.
    content : mapping
        JSON values.
    """
    with outputs.whole_file(file) as temporary:
        temporary.write_text(json.dumps(content, indent=1))
