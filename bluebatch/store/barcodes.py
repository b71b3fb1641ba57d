"""Sample names: TCGA barcodes read, normals set aside, patients told, duplicates refused."""

import collections
import dataclasses
import re
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from bluebatch import errors

# Project, site, participant; then two digits of sample type, a vial, and more. R writes dots.
_TCGA = re.compile(r"^(TCGA[-.][A-Z0-9]{2}[-.][A-Z0-9]{4})(?:[-.](\d{2})[A-Z]?(?:[-.].*)?)?$")
# Disease, patient; then perhaps words on the sample, two digits of its type, and more.
_TARGET = re.compile(
    r"^(TARGET[-.]\d{2}[-.][A-Z0-9]{6})"
    r"(?:[-.](?:[A-Za-z0-9]+[-.])*?(\d{2})[A-Z]?(?:[-.].*)?)?$"
)
_PROJECTS = {"tcga": _TCGA, "target": _TARGET}
KEPT_TYPES = ("01", "03", "09")  # primary solid, primary blood, primary bone marrow
_FIRST = 10


class Barcode(NamedTuple):
    """What a TCGA or TARGET barcode says of a sample.

    Parameters
    ----------
    project : {"tcga", "target"}
        Whose barcode it is.
    patient : str
        With hyphens.
    sample_type : str
        Two digits; empty where the barcode ends before them.
    """

    project: str
    patient: str
    sample_type: str


@dataclasses.dataclass(frozen=True)
class Selection:
    """Which samples are kept, and whose they are.

    Parameters
    ----------
    kept : np.ndarray of int64
        Positions of the samples kept, in order.
    patients : list of str or None
        Patient of each sample kept; None where nothing tells.
    dropped : list of str
        Samples set aside.
    notes : list of str
        What was done, in words.
    """

    kept: npt.NDArray[np.int64]
    patients: list[str] | None
    dropped: list[str]
    notes: list[str]


def read_barcode(name: str) -> Barcode | None:
    """Read a TCGA or TARGET barcode.

    Parameters
    ----------
    name : str
        Of a sample or a patient; dots, as R writes them, will do.

    Returns
    -------
    Barcode or None
        None for any other name.
    """
    for project, pattern in _PROJECTS.items():
        hit = pattern.match(name)
        if hit:
            return Barcode(project, hit.group(1).replace(".", "-"), hit.group(2) or "")
    return None


def barcode_share(samples: Sequence[str]) -> float:
    """Measure how many names are TCGA or TARGET barcodes.

    Parameters
    ----------
    samples : sequence of str
        Sample names.

    Returns
    -------
    float
        0 to 1; 0 for no names.
    """
    return sum(read_barcode(name) is not None for name in samples) / max(1, len(samples))


def select(
    path: object,
    samples: Sequence[str],
    patient_from_sample: str | None,
    *,
    keep_normals: bool,
    known_patients: Mapping[str, str],
    known_normals: Collection[str],
) -> Selection:
    """Tell patients from sample names and set samples of other types than primary tumour aside.

    Parameters
    ----------
    path : object
        For messages.
    samples : sequence of str
        Sample names.
    patient_from_sample : str or None
        ``"tcga"`` or ``"target"``, a regular expression with one group, or None: barcodes of both
        are recognised.
    keep_normals : bool
        Whether every sample type is kept.
    known_patients : mapping of str to str
        Patients that the source names itself.
    known_normals : collection of str
        Samples that the source calls normal.

    Returns
    -------
    Selection
        The samples kept.

    Raises
    ------
    errors.LabelMismatchError
        If names occur twice, the expression matches no name, or no sample is left.
    errors.ConfigError
        If the expression is no regular expression with one group.
    """
    refuse_duplicates(path, samples)
    barcoded = patient_from_sample in _PROJECTS or (
        patient_from_sample is None and barcode_share(samples) > 0.5
    )
    if barcoded:
        patients, types = _read_barcodes(path, samples, patient_from_sample)
    else:
        patients, types = _by_pattern(path, samples, patient_from_sample), [""] * len(samples)
    if known_patients and patient_from_sample is None:
        patients = [known_patients.get(name, name) for name in samples]
    drop = [
        not keep_normals and (name in known_normals or (kind != "" and kind not in KEPT_TYPES))
        for name, kind in zip(samples, types, strict=True)
    ]
    kept = np.flatnonzero(~np.asarray(drop, dtype=bool))
    if not len(kept):
        raise errors.LabelMismatchError(
            f"{path}: none of its {len(samples):,} samples is a primary tumour (sample type "
            f"{', '.join(KEPT_TYPES)}). Keep every sample type with --keep-normals."
        )
    dropped = [name for name, out in zip(samples, drop, strict=True) if out]
    ours = None if patients is None else [patients[at] for at in kept]
    return Selection(kept.astype(np.int64), ours, dropped, _words(samples, types, dropped, ours))


def refuse_duplicates(path: object, samples: Sequence[str]) -> None:
    """Refuse sample names that occur more than once.

    Parameters
    ----------
    path : object
        For the message.
    samples : sequence of str
        Sample names.

    Raises
    ------
    errors.LabelMismatchError
        If one occurs twice; it lists them.
    """
    repeated = [name for name, n in collections.Counter(samples).items() if n > 1]
    if repeated:
        raise errors.LabelMismatchError(
            f"{path}: {len(repeated):,} sample names occur more than once "
            f"({', '.join(repeated[:_FIRST])}), needed: each once. "
            "Rename or remove the copies, then ingest again."
        )


def compile_pattern(pattern: str) -> re.Pattern[str]:
    """Compile what ``--patient-from-sample`` was given.

    Parameters
    ----------
    pattern : str
        Regular expression.

    Returns
    -------
    re.Pattern of str
        With one group.

    Raises
    ------
    errors.ConfigError
        If it is no regular expression, or has not one group.
    """
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise errors.ConfigError(
            f"--patient-from-sample {pattern!r}: is no regular expression ({error}). "
            "Give one with one group, e.g. '^(.{7})'."
        ) from error
    if compiled.groups != 1:
        raise errors.ConfigError(
            f"--patient-from-sample {pattern!r}: has {compiled.groups} groups, needed: 1. "
            "Put brackets around the patient's part, e.g. '^(.{7})'."
        )
    return compiled


def _read_barcodes(
    path: object, samples: Sequence[str], project: str | None
) -> tuple[list[str] | None, list[str]]:
    found = [read_barcode(name) for name in samples]
    if not any(code is not None and project in (None, code.project) for code in found):
        raise errors.LabelMismatchError(
            f"{path}: no sample name is a {(project or 'tcga').upper()} barcode "
            f"(first: {', '.join(samples[:3])}). "
            "Give --patient-from-sample a regular expression with one group."
        )
    patients = [code.patient if code else name for code, name in zip(found, samples, strict=True)]
    return patients, [code.sample_type if code else "" for code in found]


def _by_pattern(path: object, samples: Sequence[str], pattern: str | None) -> list[str] | None:
    if pattern is None:
        return None
    compiled = compile_pattern(pattern)
    found = [compiled.search(name) for name in samples]
    wrong = [name for name, hit in zip(samples, found, strict=True) if not hit or not hit.group(1)]
    if wrong:
        raise errors.LabelMismatchError(
            f"{path}: {len(wrong):,} sample names do not match {pattern!r} "
            f"(first: {', '.join(wrong[:3])}). Change --patient-from-sample."
        )
    return [hit.group(1) for hit in found if hit]


def _words(
    samples: Sequence[str],
    types: Sequence[str],
    dropped: Sequence[str],
    patients: Sequence[str] | None,
) -> list[str]:
    notes = []
    if any(types):
        counts = collections.Counter(kind or "none" for kind in types)
        listed = ", ".join(f"{n:,} of type {kind}" for kind, n in sorted(counts.items()))
        projects = {code.project.upper() for code in map(read_barcode, samples) if code}
        notes.append(f"samples: {' and '.join(sorted(projects))} barcodes ({listed})")
    if dropped:
        listed = ", ".join(dropped[:_FIRST]) + (", ..." if len(dropped) > _FIRST else "")
        notes.append(
            f"samples: {len(dropped):,} of {len(samples):,} are no primary tumours and are left "
            f"out ({listed}); --keep-normals keeps them"
        )
    if patients is not None:
        again = len(patients) - len(set(patients))
        extra = f"; {again:,} samples are of a patient who has another" if again else ""
        notes.append(f"patients: {len(set(patients)):,}{extra}")
    return notes
