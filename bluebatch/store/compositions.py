"""A table of proportions to a composition store."""

import dataclasses
import hashlib
import json
from collections.abc import Callable
from typing import Any, Literal

import numpy as np

from bluebatch import errors
from bluebatch.store import (
    barcodes,
    composition_table,
    files,
    ingest,
    outputs,
    places,
    read,
    schema,
    write,
)

# Options of `ingest` that mean something here, and by which flag the others are given.
_USED = frozenset(
    ("orientation", "sample_column", "patient_from_sample", "keep_normals", "overwrite")
)
_FLAG_OF = dict.fromkeys(("panel", "markers", "known"), "--model")


@dataclasses.dataclass(frozen=True)
class Summary:
    """What was taken in.

    Parameters
    ----------
    path : str
        The composition store.
    state : {"new", "complete"}
        Whether it was written now or stood there already.
    n_samples, n_cell_types : int
        Its size.
    attributes : dict of str to Any
        Its root attributes: source, notes, dropped samples.
    """

    path: str
    state: Literal["new", "complete"]
    n_samples: int
    n_cell_types: int
    attributes: dict[str, Any]

    def as_text(self) -> str:
        """Write it for people.

        Returns
        -------
        str
            One line a fact.
        """
        done = "already complete" if self.state == "complete" else "written"
        head = f"{self.path}: {done}, {self.n_samples:,} samples x {self.n_cell_types:,} cell types"
        return "\n".join([head, *(f"  {note}" for note in self.attributes["notes"])])

    def as_dict(self) -> dict[str, Any]:
        """Write it for programs.

        Returns
        -------
        dict of str to Any
            JSON values.
        """
        named = ("source", "notes", "dropped_samples")
        return {
            "path": self.path,
            "state": self.state,
            "n_samples": self.n_samples,
            "n_cell_types": self.n_cell_types,
            **{name: self.attributes.get(name) for name in named},
        }


def run(
    source: str | places.Place,
    out: str | places.Place,
    options: ingest.IngestOptions | None = None,
    on_lines: Callable[[int], None] | None = None,
) -> Summary:
    """Turn a table of proportions into a composition store.

    Parameters
    ----------
    source : str, pathlib.Path or upath.UPath
        A csv or tsv (also .gz) or parquet file of samples and cell types, in either orientation.
    out : str, pathlib.Path or upath.UPath
        Composition store to write. An unfinished one of the same source is begun again.
    options : ingest.IngestOptions, optional
        Of these ``orientation``, ``sample_column``, ``patient_from_sample``, ``keep_normals`` and
        ``overwrite``.
    on_lines : callable, optional
        Told the number of samples read.

    Returns
    -------
    Summary
        What was done.

    Raises
    ------
    errors.ConfigError
        If another option is given.
    errors.OutputExistsError
        If something else stands at ``out``.
    errors.InputFileError, errors.ValuesError, errors.LabelMismatchError
        If the source is no usable table of proportions.
    errors.DiskFullError
        If the disk is full.
    errors.UnreachableError
        If a place elsewhere refuses or does not answer.
    """
    source, out, options = (
        places.place(source),
        places.place(out),
        options or ingest.IngestOptions(),
    )
    _refuse_unused(options)
    outputs.check(out, [source], overwrite=options.overwrite)
    table = composition_table.read(source, options.sample_column, options.orientation)
    if on_lines is not None:
        on_lines(len(table.samples))
    with places.local_copy(source) as file:
        digest = files.file_digest(file)
    plan = _plan_digest(digest, options)
    if outputs.stands_complete(out, plan, overwrite=options.overwrite):
        return _summarise(out, "complete")
    selection = barcodes.select(
        source,
        table.samples,
        options.patient_from_sample or _project(table.samples),
        keep_normals=options.keep_normals,
        known_patients={},
        known_normals=(),
    )
    attributes = {
        "origin": "table",
        "source": {"name": source.name, "digest": digest},
        "plan": plan,
        "notes": [*table.notes, *selection.notes],
        "dropped_samples": selection.dropped,
    }
    _write(out, table, selection, attributes)
    return _summarise(out, "new")


def _refuse_unused(options: ingest.IngestOptions) -> None:
    given = options.model_dump(exclude_defaults=True)
    unused = [name for name, value in given.items() if name not in _USED and value is not None]
    if unused:
        flag = _FLAG_OF.get(unused[0], "--" + unused[0].replace("_", "-"))
        raise errors.ConfigError(
            f"{flag}: is of expression, and proportions have no use for it. Leave it out, or "
            "leave --kind proportion out."
        )


def _plan_digest(source_digest: str, options: ingest.IngestOptions) -> str:
    content = options.model_dump(mode="json", include=set(_USED - {"overwrite"}))
    text = json.dumps(["proportion", source_digest, content], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _project(samples: list[str]) -> str | None:
    """Name a project where any sample has its barcode: the others are their own patients."""
    return next((code.project for code in map(barcodes.read_barcode, samples) if code), None)


def _write(
    out: places.Place,
    table: composition_table.Composition,
    selection: barcodes.Selection,
    attributes: dict[str, Any],
) -> None:
    write.clear(out)
    kept, patients = selection.kept, selection.patients
    coordinates = {"sample": [table.samples[at] for at in kept], "cell_type": table.cell_types}
    leave_out = () if patients is not None else ("patient",)
    group = write.create(out, schema.COMPOSITION, coordinates, attributes, leave_out=leave_out)
    write.write_whole(group, "proportion", table.values[kept].astype(np.float32))
    if patients is not None:
        write.write_whole(group, "patient", np.asarray(patients, dtype=object))
    write.complete(group)


def _summarise(out: places.Place, state: Literal["new", "complete"]) -> Summary:
    store = read.open_store(out, "composition")
    return Summary(str(out), state, store.n_rows, len(store.labels["cell_type"]), store.attributes)
