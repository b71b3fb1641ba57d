"""The folder of a run of `subtype`: a store, tables, figures and the frozen model."""

import dataclasses
import json
import pathlib
import re
from importlib import metadata
from typing import Any

import pandas as pd

from bluebatch.downstream import (
    frozen,
    report,
    subtype_figures,
    subtype_freeze,
    subtype_store,
)
from bluebatch.downstream.discovery import Discovery
from bluebatch.downstream.patient_options import Cohort
from bluebatch.downstream.subtype_expression import Expression
from bluebatch.downstream.subtype_summary import Summary
from bluebatch.store import digests, files, output_folders, places, schema


@dataclasses.dataclass(frozen=True, eq=False)
class Work:
    """What was found, not yet written.

    Parameters
    ----------
    cohort : Cohort
        The patients.
    found : Discovery
        States, search, groups.
    tables : dict of str to pd.DataFrame
        By file name.
    expression : Expression or None
        Comparisons of the groups; None without groups.
    notes : list of str
        What a reader should know.
    """

    cohort: Cohort
    found: Discovery
    tables: dict[str, pd.DataFrame]
    expression: Expression | None
    notes: list[str]


def write(
    out: str | places.Place, work: Work, settings: dict[str, Any], clinical: Any, seed: int
) -> Summary:
    """Write a folder, whole or not at all.

    Parameters
    ----------
    out : str, pathlib.Path or upath.UPath
        Folder, which was checked; what stands there is replaced.
    work : Work
        What is written.
    settings : dict of str to Any
        JSON values.
    clinical : str, pathlib.Path or upath.UPath
        Table that survival was read from.
    seed : int
        Of the run.

    Returns
    -------
    Summary
        What was found.
    """
    cohort, found, tables, expression = work.cohort, work.found, work.tables, work.expression
    made_from = _made_from(cohort, clinical)
    attributes = {
        "branch": found.main.name,
        "settings": settings,
        "made_from": made_from,
        "seed": seed,
        "notes": work.notes,
    }
    with output_folders.whole_folder(out) as folder:
        subtype_store.write_store(
            folder / schema.SUBTYPES_STORE, found, cohort.patients, attributes
        )
        for name, table in tables.items():
            table.to_csv(folder / f"{name}.csv", index=False)
        if expression is not None:
            _write_expression(folder, expression)
        frozen.write(
            folder / frozen.FOLDER,
            subtype_freeze.freeze(found, cohort, expression, settings, made_from),
        )
        n_figures = subtype_figures.draw_all(
            folder / "figures", found, cohort, tables, expression, seed
        )
        alpha = settings["search"]["alpha"]
        summary = Summary(str(out), cohort, found, tables, n_figures, alpha, work.notes)
        content = {**summary.as_dict(), **attributes, "bluebatch": metadata.version("bluebatch")}
        text = json.dumps(report.plain(content), indent=1, allow_nan=False)
        (folder / output_folders.SUBTYPES_FILE).write_text(text + "\n")
    return summary


def _write_expression(folder: pathlib.Path, expression: Expression) -> None:
    used: set[str] = set()
    for name, table in expression.tests.items():
        # Names that differ in signs alone must not share a file.
        stem = file_name(name)
        while stem in used:
            stem += "_"
        used.add(stem)
        file = folder / "differential" / f"{stem}.csv"
        file.parent.mkdir(exist_ok=True)
        table.to_csv(file, index=False)
    for name, table in (("reciprocal", expression.reciprocal), ("gene_sets", expression.sets)):
        if len(table):
            table.to_csv(folder / f"{name}.csv", index=False)


def file_name(cell_type: str) -> str:
    """Name the file of a cell type, whatever its own name holds.

    Parameters
    ----------
    cell_type : str
        Name.

    Returns
    -------
    str
        The same with all but letters, digits, ``+``, ``.`` and ``-`` turned into ``_``.
    """
    return re.sub(r"[^\w+.-]", "_", cell_type).lstrip(".") or "_"


def _made_from(cohort: Cohort, clinical: Any) -> dict[str, Any]:
    stores = {"results": cohort.found.results.path}
    if cohort.found.cohort is not None:
        stores["cohort"] = cohort.found.cohort.path
    digest = {name: digests.of_store(path) for name, path in stores.items()}
    digest["clinical"] = files.file_digest(places.place(clinical))
    return digest
