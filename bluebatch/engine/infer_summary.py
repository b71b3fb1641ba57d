"""What a run of inference did, as the user is told."""

import dataclasses
from typing import Any

from bluebatch.run import partition


@dataclasses.dataclass(frozen=True)
class Summary:
    """What a run did.

    Parameters
    ----------
    path : str
        The result store.
    state : {"new", "resumed", "complete"}
        What was found there.
    row : str
        Name of the row axis.
    n_rows, n_partitions, n_skipped : int
        Rows of the store, its partitions, and those that an earlier run had finished.
    precision, device : str
        Of the networks.
    seconds, start_up_seconds : float
        Wall time, and the part of it before the first row.
    peak_memory_bytes : int
        Largest resident memory of a process so far.
    notes : tuple of str
        What else the user should know.
    """

    path: str
    state: str
    row: str
    n_rows: int
    n_partitions: int
    n_skipped: int
    precision: str
    device: str
    seconds: float = 0.0
    start_up_seconds: float = 0.0
    peak_memory_bytes: int = 0
    notes: tuple[str, ...] = ()

    def as_text(self) -> str:
        """Say it in lines.

        Returns
        -------
        str
            A headline, then a line a note.
        """
        head = f"{self.path}: {self.n_rows:,} {self.row}s"
        if self.state == "complete":
            return f"{head}, already complete: nothing was done"
        parts = f"{self.n_partitions} partition{'s' * (self.n_partitions != 1)}"
        skipped = f", {self.n_skipped} skipped as finished before" if self.n_skipped else ""
        how = f"{self.precision} on {self.device}, {self.seconds:.1f} s"
        return "\n".join([f"{head}, {parts}{skipped}, {how}", *self.notes])

    def as_dict(self) -> dict[str, Any]:
        """Give it as JSON values.

        Returns
        -------
        dict of str to Any
            By field.
        """
        return dataclasses.asdict(self)


def begin(job: partition.Job, row: str) -> Summary:
    """Sum up what is known of a run before its first row.

    Parameters
    ----------
    job : partition.Job
        Begun.
    row : str
        Name of the row axis.

    Returns
    -------
    Summary
        Without times.
    """
    return Summary(
        path=str(job.path),
        state=job.state,
        row=row,
        n_rows=job.plan.n_rows,
        n_partitions=len(job.partitions()),
        n_skipped=job.n_skipped,
        precision=job.plan.settings["precision"],
        device=job.plan.settings["device"],
    )
