"""A run at its output path: which partitions are to be done, vouching for them, completing."""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any, Literal, TypeAlias

import zarr

from bluebatch import errors
from bluebatch.run import chunks, claims, marker, plans
from bluebatch.store import digests, places, read, write

State: TypeAlias = Literal["new", "resumed", "complete"]
_FIRST = 10


class Job:
    """A run at its output path.

    Parameters
    ----------
    path : pathlib.Path or upath.UPath
        The store being made.
    plan : plans.Plan
        What the run is.
    state : {"new", "resumed", "complete"}
        What was found at the path.
    """

    def __init__(self, path: places.Place, plan: plans.Plan, state: State) -> None:
        self.path = path
        self.plan = plan
        self.state = state
        self.n_skipped = 0
        self.ledger = marker.Ledger(path, plan.run_id, plan.n_rows)

    def partitions(self) -> list[marker.Partition]:
        """List every partition.

        Returns
        -------
        list of marker.Partition
            In order of their rows.
        """
        return self.plan.partitions()

    def pending(self) -> list[marker.Partition]:
        """List the partitions that no valid marker of this plan vouches for.

        Returns
        -------
        list of marker.Partition
            In order of their rows.
        """
        return self.unfinished(self.partitions())

    def unfinished(
        self, parts: Sequence[marker.Partition], *, deep: bool = False
    ) -> list[marker.Partition]:
        """Choose the partitions that are to be done, complete store or not.

        Parameters
        ----------
        parts : sequence of marker.Partition
            To choose from.
        deep : bool
            Whether finished ones are read and compared with their checksums.

        Returns
        -------
        list of marker.Partition
            In the order given.
        """
        faults = self.ledger.faults(list(parts), deep=deep)
        return [part for part in parts if part.number in faults]

    def group(self) -> zarr.Group:
        """Open the store for writing.

        Returns
        -------
        zarr.Group
            For `write.write`.
        """
        return zarr.open_group(places.zarr_store(self.path, read_only=False), mode="r+")

    def mark(self, part: marker.Partition, seconds: float) -> None:
        """Vouch for a partition: flush its chunks to the disk, then write its marker.

        Parameters
        ----------
        part : marker.Partition
            All of whose chunks are written.
        seconds : float
            Wall time it took.
        """
        self.ledger.write(part, seconds)

    def check_rows(self, role: str, store: read.Store, parts: Sequence[marker.Partition]) -> None:
        """Refuse an input whose rows are no longer those that the run began with.

        Parameters
        ----------
        role : str
            Of the input in the plan's ``chain``.
        store : read.Store
            The input.
        parts : sequence of marker.Partition
            Whose rows are compared.

        Raises
        ------
        errors.ChangedInputError
            If they differ.
        """
        expected = self.plan.chain.get(role, [])
        found = digests.of_rows(store, [part.rows for part in parts])
        for part, digest in zip(parts, found, strict=True):
            if part.number >= len(expected) or expected[part.number] != digest:
                raise errors.ChangedInputError(
                    f"{store.path}: the {role} is not what it was when the run at {self.path} "
                    f"began (partition {part.number}). Give the same {role} as then, or begin "
                    "again with --overwrite."
                )

    @contextlib.contextmanager
    def claim(
        self, parts: Sequence[marker.Partition], *, deep: bool = False
    ) -> Iterator[list[marker.Partition]]:
        """Hold partitions so that no other process writes them at the same time.

        Parameters
        ----------
        parts : sequence of marker.Partition
            To be written.
        deep : bool
            Whether finished ones are read and compared with their checksums.

        Yields
        ------
        list of marker.Partition
            Those that are to be done, in the order given: looked at under the claim, since
            another process may just have finished some. The claim ends with the process, however
            it ends.

        Raises
        ------
        errors.ClaimedError
            If another process holds one of them.
        """
        with claims.held(self.path, [part.number for part in parts]):
            for part in parts:
                self.ledger.tidy(part)
            yield self.unfinished(parts, deep=deep)

    def finalise(self, attributes: dict[str, Any] | None = None) -> list[str]:
        """Complete the store once every partition is marked.

        Parameters
        ----------
        attributes : dict, optional
            Root attributes known only now.

        Returns
        -------
        list of str
            What the user should know, e.g. that versions are mixed.

        Raises
        ------
        errors.IncompleteError
            If partitions are missing.
        """
        faults = self.ledger.faults(self.partitions())
        if faults:
            raise errors.IncompleteError(self._tell(faults))
        if self.state == "complete":
            return []
        write.complete(self.group(), attributes)
        chunks.flush(self.path, ["zarr.json"])
        self.state = "complete"
        mixed = self._mixed_versions()
        if not mixed:
            return []
        return [
            f"partitions were made by different versions ({', '.join(mixed)}): the last bits of "
            "their values may differ"
        ]

    def _mixed_versions(self) -> list[str]:
        found: dict[str, set[str]] = {}
        for part in self.partitions():
            content = self.ledger.contents(part.number) or {}
            for name, version in content.get("versions", {}).items():
                found.setdefault(name, set()).add(str(version))
        return [f"{name} {' and '.join(sorted(of))}" for name, of in found.items() if len(of) > 1]

    def _tell(self, faults: dict[int, str]) -> str:
        first = [f"{number}: {reason}" for number, reason in list(faults.items())[:_FIRST]]
        more = "; ..." if len(faults) > _FIRST else ""
        return (
            f"{self.path}: {len(faults)} of {len(self.partitions())} partitions are missing or "
            f"not whole ({'; '.join(first)}{more}). Do them with `bluebatch "
            f"{self.plan.command}-partition {self.path} --partition {ranges(list(faults))}`, or "
            "run the same command again."
        )


def ranges(numbers: Sequence[int]) -> str:
    """Write numbers as the command line takes them.

    Parameters
    ----------
    numbers : sequence of int
        In increasing order.

    Returns
    -------
    str
        E.g. ``"3,7-9"``.

    Examples
    --------
    >>> ranges([3, 7, 8, 9])
    '3,7-9'
    """
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ",".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else f"{run[0]}" for run in runs)
