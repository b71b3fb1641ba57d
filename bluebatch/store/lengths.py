"""Gene lengths: counts of full-length protocols to TPM."""

import pathlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from bluebatch import errors
from bluebatch.store import genes, tables

_BASES_PER_KILOBASE = 1000.0


def apply(
    path: object,
    names: Sequence[str],
    resolution: genes.Resolution,
    unit: str,
    file: pathlib.Path | None,
) -> tuple[genes.Resolution, tables.FloatArray | None, list[str]]:
    """Look the length of every gene up; genes without one are left out.

    Parameters
    ----------
    path : object
        The table, for messages.
    names : sequence of str
        Gene names of the source.
    resolution : genes.Resolution
        The genes that they become.
    unit : str
        Of the table.
    file : pathlib.Path or None
        Two columns: gene (as in the source, or as it is renamed) and length in bases.

    Returns
    -------
    resolution : genes.Resolution
        Without genes that have no length.
    per_kilobase : np.ndarray, shape (source gene,), or None
        1 / length in kilobases, 0 for genes left out; None where no file is given.
    notes : list of str
        What was done, in words.

    Raises
    ------
    errors.ValuesError
        If the table holds no counts, or a length is no positive number.
    errors.LabelMismatchError
        If fewer than half of the genes have a length.
    """
    if file is None:
        return resolution, None, []
    if unit != "counts":
        raise errors.ValuesError(
            f"{path}: is {unit}, needed for --gene-lengths: counts. Leave --gene-lengths out."
        )
    found = genes.read_pairs(file)
    scale = np.zeros(len(names))
    for at, name in enumerate(names):
        target = resolution.index[at]
        if target >= 0:
            text = found.get(genes.strip_version(name), found.get(resolution.genes[target]))
            scale[at] = 0.0 if text is None else _BASES_PER_KILOBASE / _length(file, name, text)
    n_named = int((resolution.index >= 0).sum())
    n_measured = int((scale > 0).sum())
    if n_measured * 2 < n_named or not n_measured:
        raise errors.LabelMismatchError(
            f"{file}: has a length for {n_measured:,} of {n_named:,} genes, needed: half at least. "
            "Give lengths under the table's own gene names."
        )
    lost = n_named - n_measured
    notes = ["unit: counts divided by gene lengths and scaled to TPM"]
    if lost:
        notes.append(f"warning: {lost:,} genes without a length are left out")
    return _keep(resolution, scale > 0), scale, notes


def per_million(
    counts: npt.NDArray[np.float32], per_kilobase: tables.FloatArray
) -> npt.NDArray[np.float32]:
    """Turn counts into transcripts per million.

    Parameters
    ----------
    counts : np.ndarray of float32, shape (sample, source gene)
        Read counts.
    per_kilobase : np.ndarray, shape (source gene,)
        1 / length in kilobases.

    Returns
    -------
    np.ndarray of float32, shape (sample, source gene)
        TPM; a sample without reads stays 0.
    """
    rate = counts * per_kilobase
    total = rate.sum(axis=1, keepdims=True)
    scale = np.divide(1e6, total, out=np.zeros_like(total), where=total > 0)
    return np.asarray(rate * scale, dtype=np.float32)


def _length(file: pathlib.Path, name: str, text: str) -> float:
    try:
        length = float(text)
    except ValueError:
        length = 0.0
    if not 0 < length < np.inf:
        raise errors.ValuesError(
            f"{file}: the length of {name!r} is {text!r}, needed: bases above 0. Mend the file."
        )
    return length


def _keep(resolution: genes.Resolution, wanted: npt.NDArray[np.bool_]) -> genes.Resolution:
    index = np.where(wanted, resolution.index, -1)
    left = np.unique(index[index >= 0])
    renumbered = np.full(len(resolution.genes), -1, dtype=np.int64)
    renumbered[left] = np.arange(len(left))
    return genes.Resolution(
        [resolution.genes[at] for at in left],
        np.where(index >= 0, renumbered[index], -1),
        {**resolution.report, "n_genes": len(left)},
        resolution.notes,
    )
