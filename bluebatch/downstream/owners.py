"""Whose a sample is, and which row of a clinical table speaks of it."""

import collections
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from bluebatch import errors
from bluebatch.store import barcodes

N_NAMED = 5
# Of several samples of a patient the first of these types: bone marrow, blood, solid tumour.
PREFERRED = ("09", "03", "01")
_PROJECTS = ("tcga", "target")


class Matched(NamedTuple):
    """Samples, their patients and their rows of the clinical table.

    Parameters
    ----------
    samples, owners : list of str
        Each sample, and its patient.
    rows : list of str or None
        Name of its row of the clinical table; None where it has none.
    notes : list of str
        How that was told, in words.
    """

    samples: list[str]
    owners: list[str]
    rows: list[str | None]
    notes: list[str]


def find(
    where: object,
    samples: Sequence[str],
    stated: Sequence[str] | None,
    patient_from_sample: str | None,
    known: Sequence[str],
) -> Matched:
    """Tell the patient of each sample, and the row of the table that is named for either.

    Parameters
    ----------
    where : object
        Where the samples are from, for messages.
    samples : sequence of str
        Names of the samples.
    stated : sequence of str or None
        Patient of each sample, where their store says so.
    patient_from_sample : str or None
        ``"tcga"``, ``"target"`` or a regular expression with one group, before what is stated.
        By default barcodes are recognised, and any other sample is its own patient.
    known : sequence of str
        Names of the table's rows.

    Returns
    -------
    Matched
        Rows by whichever names match for most samples: those of patients, of samples, or the
        patients in the table's own barcodes.

    Raises
    ------
    errors.LabelMismatchError
        If no sample is named as ``patient_from_sample`` says.
    errors.ConfigError
        If that is no regular expression with one group.
    """
    owners, note = _owners(where, samples, stated, patient_from_sample)
    same = {name: name for name in known}
    by_barcode = _by_barcode(known)
    ways = [
        ("patients", [same.get(owner) for owner in owners]),
        ("samples", [same.get(name) for name in samples]),
        ("the patients in its barcodes", [by_barcode.get(owner) for owner in owners]),
    ]
    # Of equals max() keeps the first.
    how, rows = max(ways, key=lambda way: sum(row is not None for row in way[1]))
    return Matched(list(samples), owners, rows, [note, f"names of the table: taken for {how}"])


def rank(sample: str) -> int:
    """Rank a sample among those of its patient.

    Parameters
    ----------
    sample : str
        Its name.

    Returns
    -------
    int
        0 for the barcode of primary bone marrow, then primary blood, primary solid tumour, others.
    """
    code = barcodes.read_barcode(sample)
    kind = "" if code is None else code.sample_type
    return PREFERRED.index(kind) if kind in PREFERRED else len(PREFERRED)


def choose(matched: Matched, reasons: Mapping[str, str]) -> dict[str, int]:
    """Choose the sample that stands for each patient.

    Parameters
    ----------
    matched : Matched
        Samples and their rows.
    reasons : mapping of str to str
        Rows that are not used, and why.

    Returns
    -------
    dict of str to int
        Patient and position of the sample: the first by `rank`, of equals by name.
    """
    chosen: dict[str, int] = {}
    names = matched.samples
    for at in sorted(range(len(names)), key=lambda at: (rank(names[at]), names[at], at)):
        row = matched.rows[at]
        if row is not None and row not in reasons:
            chosen.setdefault(matched.owners[at], at)
    return chosen


def first(names: Sequence[str]) -> str:
    """List the first names for a message.

    Parameters
    ----------
    names : sequence of str
        All of them.

    Returns
    -------
    str
        Five, and dots where there are more.
    """
    return ", ".join(names[:N_NAMED]) + (", ..." if len(names) > N_NAMED else "")


def _owners(
    where: object, samples: Sequence[str], stated: Sequence[str] | None, asked: str | None
) -> tuple[list[str], str]:
    if asked is None and stated is not None:
        owners = [each or name for each, name in zip(stated, samples, strict=True)]
        return owners, "patients of samples: as their store states"
    if asked is None or asked in _PROJECTS:
        codes = [barcodes.read_barcode(name) for name in samples]
        found = [code.patient if code else None for code in codes]
        what = f"{asked.upper()} barcodes" if asked else "TCGA or TARGET barcodes"
        n_found = sum(code is not None and asked in (None, code.project) for code in codes)
    else:
        pattern = barcodes.compile_pattern(asked)
        hits = [pattern.search(name) for name in samples]
        found = [hit.group(1) or None if hit else None for hit in hits]
        what = f"names like {asked!r}"
        n_found = sum(name is not None for name in found)
    if asked is not None and not n_found:
        raise errors.LabelMismatchError(
            f"{where}: none of its {len(samples):,} sample names are {what} ({first(samples)}). "
            "Change --patient-from-sample."
        )
    owners = [each or name for each, name in zip(found, samples, strict=True)]
    if not n_found:
        return owners, "patients of samples: each sample is its own"
    n_other = len(samples) - n_found
    others = f"; {n_other:,} others are their own patients" if n_other else ""
    return owners, f"patients of samples: in {n_found:,} {what}{others}"


def _by_barcode(known: Sequence[str]) -> dict[str, str]:
    rows = collections.defaultdict(list)
    for name in known:
        code = barcodes.read_barcode(name)
        if code is not None:
            rows[code.patient].append((rank(name), name))
    return {patient: min(named)[1] for patient, named in rows.items()}
