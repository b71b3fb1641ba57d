"""Writing a cohort store from a table that has been read and decided about."""

import dataclasses
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from bluebatch.store import barcodes, genes, lengths, places, read, schema, spill, tables, write

SingleArray = npt.NDArray[np.float32]


@dataclasses.dataclass(frozen=True)
class IngestSummary:
    """What was ingested.

    Parameters
    ----------
    path : str
        The cohort store.
    state : {"new", "complete"}
        Whether it was written now or stood there already.
    n_samples, n_genes : int
        Its size.
    attributes : dict of str to Any
        Its root attributes: unit, origin, source, genes, notes.
    """

    path: str
    state: Literal["new", "complete"]
    n_samples: int
    n_genes: int
    attributes: dict[str, Any]

    def as_text(self) -> str:
        """Write it for people.

        Returns
        -------
        str
            One line a fact.
        """
        done = "already complete" if self.state == "complete" else "written"
        unit, origin = self.attributes["unit"], self.attributes["origin"]
        head = (
            f"{self.path}: {done}, {self.n_samples:,} samples x {self.n_genes:,} genes, "
            f"{unit}, {origin}"
        )
        return "\n".join([head, *(f"  {note}" for note in self.attributes["notes"])])

    def as_dict(self) -> dict[str, Any]:
        """Write it for programs.

        Returns
        -------
        dict of str to Any
            JSON values.
        """
        named = ("unit", "origin", "source", "genes", "notes", "dropped_samples")
        return {
            "path": self.path,
            "state": self.state,
            "n_samples": self.n_samples,
            "n_genes": self.n_genes,
            **{name: self.attributes.get(name) for name in named},
        }


@dataclasses.dataclass(frozen=True)
class Cohort:
    """All that is decided about a table once it has been read.

    Parameters
    ----------
    lines_are : {"sample", "gene"}
        What a line of the table is.
    samples : list of str
        Every sample of the table.
    selection : barcodes.Selection
        Those kept.
    resolution : genes.Resolution
        Genes of the store.
    per_kilobase : np.ndarray or None
        Scale of each gene of the table, where counts become TPM.
    attributes : dict of str to Any
        Root attributes.
    """

    lines_are: tables.Axis
    samples: list[str]
    selection: barcodes.Selection
    resolution: genes.Resolution
    per_kilobase: tables.FloatArray | None
    attributes: dict[str, Any]


def write_store(
    out: places.Place, cohort: Cohort, scratch: spill.Spill, attributes: dict[str, Any]
) -> None:
    """Write the store from the scratch file, 256 samples at a time.

    Parameters
    ----------
    out : pathlib.Path or upath.UPath
        Cohort store; what stands there is removed.
    cohort : Cohort
        What is written.
    scratch : spill.Spill
        The source's numbers, linear.
    attributes : dict of str to Any
        Root attributes.
    """
    write.clear(out)
    kept, patients = cohort.selection.kept, cohort.selection.patients
    coordinates = {
        "sample": [cohort.samples[at] for at in kept],
        "gene": cohort.resolution.genes,
    }
    leave_out = () if patients is not None else ("patient",)
    group = write.create(out, schema.COHORT, coordinates, attributes, leave_out=leave_out)
    fetch = scratch.lines if cohort.lines_are == "sample" else scratch.columns
    for start in range(0, len(kept), schema.ROWS_PER_CHUNK):
        rows = slice(start, min(start + schema.ROWS_PER_CHUNK, len(kept)))
        measured = fetch(kept[rows])
        if cohort.per_kilobase is not None:
            measured = lengths.per_million(measured, cohort.per_kilobase)
        write.write(group, "expression", rows, _gather(measured, cohort.resolution))
        write.write(group, "library_size", rows, measured.sum(axis=1, dtype=np.float64))
        if patients is not None:
            write.write(group, "patient", rows, np.asarray(patients[rows], dtype=object))
    write.complete(group)


def _gather(measured: SingleArray, resolution: genes.Resolution) -> SingleArray:
    # Most genes are named once: take those, then add the copies.
    used = np.flatnonzero(resolution.index >= 0)
    targets, first = np.unique(resolution.index[used], return_index=True)
    out = np.empty((len(measured), len(resolution.genes)), dtype=np.float32)
    out[:, targets] = measured[:, used[first]]
    copies = np.setdiff1d(used, used[first])
    if len(copies):
        np.add.at(out.T, resolution.index[copies], measured[:, copies].T)
    return out


def summarise(out: places.Place, state: Literal["new", "complete"]) -> IngestSummary:
    """Read a summary off a finished store.

    Parameters
    ----------
    out : pathlib.Path or upath.UPath
        Cohort store.
    state : {"new", "complete"}
        Whether it was written now.

    Returns
    -------
    IngestSummary
        What stands there.
    """
    store = read.open_store(out, "cohort")
    return IngestSummary(str(out), state, store.n_rows, len(store.labels["gene"]), store.attributes)
