"""What became of every sample and of every row of a clinical table, as a table and in words."""

import collections
from collections.abc import Mapping, Sequence

import pandas as pd

from bluebatch.downstream import owners
from bluebatch.store import barcodes

USED = "used"
NO_SAMPLE = "no sample"
NO_PATIENT = "no such patient in the table"
_BESIDE = "not used"


def collect(
    matched: owners.Matched,
    chosen: Mapping[str, int],
    known: Sequence[str],
    reasons: Mapping[str, str],
) -> pd.DataFrame:
    """List what became of every sample and row.

    Parameters
    ----------
    matched : owners.Matched
        Samples, their patients and rows.
    chosen : mapping of str to int
        Patients used, and positions of the samples that stand for them.
    known : sequence of str
        Names of all rows of the clinical table.
    reasons : mapping of str to str
        Rows that are not used, and why.

    Returns
    -------
    pd.DataFrame
        Columns ``kind`` (sample or patient), ``name``, ``patient`` and ``fate``.
    """
    lines = []
    of_row: dict[str, tuple[str, str]] = {}
    for at, (name, owner, row) in enumerate(
        zip(matched.samples, matched.owners, matched.rows, strict=True)
    ):
        if row is None:
            fate = NO_PATIENT
        elif row in reasons:
            fate = reasons[row]
        elif chosen[owner] == at:
            fate = USED
        else:
            fate = f"{_BESIDE}: {matched.samples[chosen[owner]]} stands for the patient"
        lines.append(("sample", name, owner, fate))
        if row is not None and of_row.get(row, ("", ""))[1] != USED:
            of_row[row] = owner, fate
    lines += [("patient", row, *of_row.get(row, (row, NO_SAMPLE))) for row in known]
    return pd.DataFrame(lines, columns=["kind", "name", "patient", "fate"])


def say(matched: owners.Matched, chosen: Mapping[str, int], fates: pd.DataFrame) -> list[str]:
    """Say what was matched and what was not.

    Parameters
    ----------
    matched : owners.Matched
        Samples and their patients.
    chosen : mapping of str to int
        Patients used, and positions of the samples that stand for them.
    fates : pd.DataFrame
        Of `collect`.

    Returns
    -------
    list of str
        Counts with the first names of each kind.
    """
    of_rows = [
        _BESIDE if fate.startswith(_BESIDE) else fate
        for fate in fates.loc[fates["kind"] == "patient", "fate"]
    ]
    counts = collections.Counter(of_rows)
    parts = [f"{n:,} {fate}" for fate, n in counts.most_common() if fate != USED]
    listed = f" ({', '.join(parts)})" if parts else ""
    of_samples = fates[fates["kind"] == "sample"]
    strangers = list(of_samples.loc[of_samples["fate"] == NO_PATIENT, "name"])
    notes = [f"patients: {counts[USED]:,} used of {len(of_rows):,} in the table{listed}"]
    if strangers:
        notes.append(
            f"samples: {len(strangers):,} of {len(of_samples):,} match no patient of the table "
            f"({owners.first(strangers)})"
        )
    beside = of_samples[of_samples["fate"].str.startswith(_BESIDE)]
    if len(beside):
        taken = [matched.samples[chosen[owner]] for owner in dict.fromkeys(beside["patient"])]
        notes.append(
            f"one sample a patient: {len(taken):,} patients have several; used: "
            f"{owners.first(taken)}; not used: {owners.first(list(beside['name']))} (primary bone "
            "marrow before blood before solid tumour before others, then by name)"
        )
    return [*notes, *_others([matched.samples[at] for at in chosen.values()])]


def _others(used: Sequence[str]) -> list[str]:
    codes = [barcodes.read_barcode(name) for name in used]
    types = [code.sample_type for code in codes if code is not None]
    others = collections.Counter(kind for kind in types if kind and kind not in owners.PREFERRED)
    if not others:
        return []
    listed = ", ".join(f"{n:,} of type {kind}" for kind, n in sorted(others.items()))
    return [f"warning: the only samples of some patients are no primary tumours: {listed}"]
