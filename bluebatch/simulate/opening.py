"""Opening single-cell references: where their counts, cell types, donors and gene names stand."""

import contextlib
import dataclasses
import logging
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pydantic

from bluebatch import errors
from bluebatch.simulate import bundled, counts, genes, h5ad

_log = logging.getLogger(__name__)


class ReferenceSettings(pydantic.BaseModel):
    """Where a reference keeps what is read.

    Parameters
    ----------
    cell_type_key : str
        Column of obs with the cell types.
    donor_key : str, optional
        Column of obs with the donors; by default ``donor`` where there is one.
    layer : str, optional
        ``"X"``, ``"raw"`` or a layer's name; by default the first of the layer ``counts``, raw
        and X that holds counts.
    gene_column : str, optional
        Column of var with the gene names; by default its index.
    max_cells : int
        Cells of a type and reference that are read, drawn at random where there are more; 0
        reads all.
    """

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid")

    cell_type_key: str = "cell_type"
    donor_key: str | None = None
    layer: str | None = None
    gene_column: str | None = None
    max_cells: int = pydantic.Field(default=10_000, ge=0)


@dataclasses.dataclass(frozen=True)
class Opened:
    """A reference before its counts are read.

    Parameters
    ----------
    name, path : str
        Label on the axis ``reference``, and where it came from.
    matrix : counts.Matrix
        Its counts.
    columns : list of str
        Gene of each column.
    labels : np.ndarray of str, shape (cell,)
        Label of each cell.
    donor : np.ndarray of str, shape (cell,), or None
        Donor of each cell.
    notes : list of str
        What was changed of its genes.
    """

    name: str
    path: str
    matrix: counts.Matrix
    columns: list[str]
    labels: npt.NDArray[np.object_]
    donor: npt.NDArray[np.object_] | None
    notes: list[str]


def name_references(paths: Sequence[str | pathlib.Path]) -> list[str]:
    """Name references after their files.

    Parameters
    ----------
    paths : sequence of str or pathlib.Path
        Files.

    Returns
    -------
    list of str
        Stems; a second file of the same stem becomes ``stem-2``.
    """
    if [str(path) for path in paths] == [bundled.PATH]:
        return [bundled.NAME]
    names: list[str] = []
    for path in paths:
        stem = pathlib.Path(path).stem
        n_before = sum(pathlib.Path(other).stem == stem for other in paths[: len(names)])
        names.append(f"{stem}-{n_before + 1}" if n_before else stem)
    return names


def digest(path: str) -> str:
    """Digest a reference.

    Parameters
    ----------
    path : str
        Of the file, or `bundled.PATH`.

    Returns
    -------
    str
        As `h5ad.digest` or `bundled.digest` give it.
    """
    return bundled.digest() if path == bundled.PATH else h5ad.digest(path)


def open_reference(
    path: str, name: str, settings: ReferenceSettings, stack: contextlib.ExitStack
) -> Opened:
    """Open a reference, find its counts, and read the labels of its cells and genes.

    Parameters
    ----------
    path : str
        A file in h5ad format, or `bundled.PATH`.
    name : str
        What it is called.
    settings : ReferenceSettings
        Where it keeps what is read.
    stack : contextlib.ExitStack
        Closes the file.

    Returns
    -------
    Opened
        Its counts are still to be read.

    Raises
    ------
    errors.InputFileError
        If it cannot be read.
    errors.LabelMismatchError
        If it lacks a column or matrix that is asked for.
    errors.ValuesError
        If it holds no counts.
    """
    if path == bundled.PATH:
        matrix, columns, labels = bundled.read()
        return Opened(name, path, matrix, columns, labels, None, [bundled.NOTE])
    file = stack.enter_context(h5ad.open_file(path))
    wanted = (settings.cell_type_key, settings.donor_key or "donor")
    obs, var = h5ad.frame(path, file, "obs", wanted), h5ad.frame(path, file, "var")
    labels = h5ad.column(path, obs, settings.cell_type_key, "--cell-type-key")
    donor_key = settings.donor_key
    if donor_key is None and "donor" in obs.columns:
        donor_key = "donor"
    donor = None if donor_key is None else h5ad.column(path, obs, donor_key, "--donor-key")
    names: Any = var.index
    if settings.gene_column is not None:
        names = h5ad.column(path, var, settings.gene_column, "--gene-column", table="var")
    columns, notes = genes.clean(names, name)
    stored = h5ad.find(path, file, settings.layer)
    if stored.shape != (len(obs), len(var)):
        raise errors.InputFileError(
            f"{path}: {stored.name} is {stored.shape[0]:,} x {stored.shape[1]:,}, needed: "
            f"{len(obs):,} cells x {len(var):,} genes as in obs and var. Give another --layer."
        )
    _log.info("%s: counts are read from %s", path, stored.name)
    return Opened(name, path, stored, columns, labels, donor, notes)
