"""Samples matched to patients: one sample each, and what became of all others."""

import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest

from bluebatch import errors
from bluebatch.downstream import clinical, patients

MARROW, BLOOD, RELAPSE = "09A-01R", "03A-01R", "04A-01R"
PATIENTS = [f"TARGET-20-PAAAA{letter}" for letter in "ABCDEFGHIJKL"]


def read(folder: pathlib.Path, names: Sequence[str], **columns: Sequence[object]) -> Any:
    """Read a table of these names: time 100, 101, ... and event 0, 1, 0, ... where not given."""
    given: dict[str, Any] = {
        "name": names,
        "time": [100 + at for at in range(len(names))],
        "event": [at % 2 for at in range(len(names))],
        **columns,
    }
    pd.DataFrame(given).to_csv(folder / "t.csv", index=False)
    return clinical.read(folder / "t.csv")


def test_match__patients_of_barcodes_in_the_order_of_samples(tmp_path: pathlib.Path) -> None:
    table = read(tmp_path, PATIENTS, fab=list("abcdefghijkl"))
    samples = [f"{name}-{MARROW}" for name in reversed(PATIENTS)]
    found = patients.match("r.zarr", ["stranger", *samples], None, table)
    assert found.names == PATIENTS[::-1]
    assert found.samples == samples
    assert found.rows.tolist() == list(range(1, 13))
    assert found.rows.dtype == np.int64
    np.testing.assert_array_equal(found.durations, np.arange(111.0, 99.0, -1))
    assert found.event_observed.tolist() == [True, False] * 6
    assert found.table["fab"].tolist() == list("lkjihgfedcba")
    assert found.table.index.tolist() == found.names
    assert found.notes == [
        "patients of samples: in 12 TCGA or TARGET barcodes; 1 others are their own patients",
        "names of the table: taken for patients",
        "patients: 12 used of 12 in the table",
        "samples: 1 of 13 match no patient of the table (stranger)",
    ]


def test_match__one_sample_a_patient(tmp_path: pathlib.Path) -> None:
    first, second, third, fourth = PATIENTS[:4]
    samples = [
        f"{first}-{BLOOD}",
        f"{first}-{MARROW}",  # marrow before blood
        f"{second}-09A-02R",
        f"{second}-09A-01R",  # the first in order of names
        f"{third}-{RELAPSE}",
        f"{third}-{BLOOD}",  # primary before relapse
        f"{fourth}-{RELAPSE}",  # it has no other
        *(f"{name}-{MARROW}" for name in PATIENTS[4:]),
    ]
    found = patients.match("r.zarr", samples, None, read(tmp_path, PATIENTS))
    assert found.rows.tolist() == [1, 3, 5, *range(6, 15)]
    fate = found.fates[found.fates["kind"] == "sample"].set_index("name")["fate"]
    assert fate.index.tolist() == samples
    assert fate[samples[0]] == f"not used: {samples[1]} stands for the patient"
    assert fate[samples[2]] == f"not used: {samples[3]} stands for the patient"
    assert fate[samples[4]] == f"not used: {samples[5]} stands for the patient"
    assert (fate == "used").sum() == 12
    assert any("3 patients have several; used: " in note for note in found.notes)
    assert any("no primary tumours: 1 of type 04" in note for note in found.notes)


def test_match__the_choice_does_not_hang_on_the_order_of_samples(tmp_path: pathlib.Path) -> None:
    table = read(tmp_path, PATIENTS)
    kinds = (MARROW, BLOOD, "09A-02R")
    samples = [f"{name}-{kind}" for name in PATIENTS for kind in kinds]
    order = np.random.default_rng(0).permutation(len(samples))
    found = patients.match("r.zarr", [samples[at] for at in order], None, table)
    assert sorted(found.samples) == [f"{name}-{MARROW}" for name in PATIENTS]
    assert found.rows.tolist() == sorted(found.rows)


def test_match__the_fate_of_everybody_is_listed(tmp_path: pathlib.Path) -> None:
    names = [f"p{at}" for at in range(15)]
    columns: dict[str, Sequence[object]] = {
        "time": ["", *range(100, 114)],
        "event": [1, "", *([1] * 13)],
        "fab": ["", "", "m3", *(["m1"] * 12)],
    }
    table = read(tmp_path, names, **columns)
    # Nothing is known of p14's samples, and nobody of the sample x.
    found = patients.match("r.zarr", ["x", *names[:14]], None, table, None, {"fab": ["m3"]})
    assert found.names == names[3:14]
    assert found.fates.to_dict("list") == {
        "kind": ["sample"] * 15 + ["patient"] * 15,
        # Rows that were dropped come last.
        "name": ["x", *names[:14], *names[2:], "p0", "p1"],
        "patient": ["x", *names[:14], *names[2:], "p0", "p1"],
        "fate": [
            *("no such patient in the table", "no time", "no event", "left out: fab=m3"),
            *["used"] * 11,
            *("left out: fab=m3", *["used"] * 11, "no sample", "no time", "no event"),
        ],
    }
    assert found.notes[2] == (
        "patients: 11 used of 15 in the table (1 left out: fab=m3, 1 no sample, 1 no time, "
        "1 no event)"
    )


def test_match__names_of_samples_where_they_match_more(tmp_path: pathlib.Path) -> None:
    # Each sample has its own row; the patients' names are in the store alone.
    samples = [f"s{at}" for at in range(24)]
    stated = [f"p{at // 2}" for at in range(24)]
    times = ["", *range(1, 24)]
    found = patients.match("r.zarr", samples, stated, read(tmp_path, samples, time=times))
    # s0 has no time, so s1 stands for p0; of the others the first by name: s10 before s11.
    assert found.names == [f"p{at}" for at in range(12)]
    assert found.samples == ["s1", *(f"s{at}" for at in range(2, 24, 2))]
    assert found.durations.tolist() == [1, *range(2, 24, 2)]
    assert found.table.index.tolist() == found.names
    assert "names of the table: taken for samples" in found.notes


def test_match__barcodes_of_the_table(tmp_path: pathlib.Path) -> None:
    names = [f"TCGA-AB-{at:04}" for at in range(11)]
    # As UCSC Xena names them, with a normal of the same patient before the tumour.
    table = read(tmp_path, [f"{names[0]}-11", *(f"{name}-03" for name in names)])
    samples = [f"{name.replace('-', '.')}.03A.01R" for name in names]
    found = patients.match("r.zarr", samples, None, table)
    assert found.names == names
    assert found.durations.tolist() == list(range(101, 112))
    assert "names of the table: taken for the patients in its barcodes" in found.notes


def test_match__patients_by_an_expression_come_before_those_stated(tmp_path: pathlib.Path) -> None:
    names = [f"p{at}" for at in range(10)]
    samples = [f"{name}_rep{at}" for name in names for at in (1, 2)]
    stated = [f"wrong{at}" for at in range(20)]
    table = read(tmp_path, names)
    found = patients.match("r.zarr", samples, stated, table, "^(p[0-9]+)_")
    assert found.names == names
    assert found.samples == [f"{name}_rep1" for name in names]
    with pytest.raises(errors.ConfigError, match=r"has 0 groups, needed: 1"):
        patients.match("r.zarr", samples, stated, table, "^p")
    with pytest.raises(errors.LabelMismatchError, match=r"names like '\^\(q\)' .p0_rep1, "):
        patients.match("r.zarr", samples, stated, table, "^(q)")
    with pytest.raises(errors.LabelMismatchError, match="20 sample names are TARGET barcodes"):
        patients.match("r.zarr", samples, stated, table, "target")


@pytest.mark.parametrize(
    ("leave_out", "told"),
    [
        ({"age": ["1"]}, r"no column 'age' to leave patients out by; it has fab beside 'name'"),
        ({"fab": ["M3"]}, r"fab 'M3'; it has 'm1' \(10\), 'm3' \(2\)"),
        (
            {"fab": ["m1"]},
            r"12 samples match names .* 2 patients of theirs .* needed: at least 10\. Leave out",
        ),
    ],
)
def test_match__leaving_out_what_is_not_there_or_too_many(
    tmp_path: pathlib.Path, leave_out: dict[str, list[str]], told: str
) -> None:
    table = read(tmp_path, PATIENTS, fab=["m3"] * 2 + ["m1"] * 10)
    assert len(patients.match("r", PATIENTS, None, table, None, {"fab": ["m3"]}).names) == 10
    with pytest.raises(errors.LabelMismatchError, match=told) as raised:
        patients.match("r", PATIENTS, None, table, None, leave_out)
    assert "\n" not in str(raised.value)


def test_match__a_patient_may_be_left_out_by_name(tmp_path: pathlib.Path) -> None:
    table = read(tmp_path, PATIENTS)
    found = patients.match("r.zarr", PATIENTS, None, table, None, {"name": [PATIENTS[1]]})
    assert found.names == [PATIENTS[0], *PATIENTS[2:]]


def test_match__no_overlap_shows_both_sides(tmp_path: pathlib.Path) -> None:
    table = read(tmp_path, [f"q{at}" for at in range(12)])
    told = (
        r"r\.zarr: none of its 12 samples .*PAAAAA.* is among the 12 names of .*t\.csv "
        r"\(q0, q1, q2, q3, q4, \.\.\.\)\. Give --patient-from-sample or --patient-column\."
    )
    with pytest.raises(errors.LabelMismatchError, match=told):
        patients.match("r.zarr", PATIENTS, None, table)


def test_match__nobody_with_the_event(tmp_path: pathlib.Path) -> None:
    table = read(tmp_path, [*PATIENTS, "other"], event=[0] * 12 + [1])
    with pytest.raises(errors.ValuesError, match=r"none of the 12 patients .* has the event"):
        patients.match("r.zarr", PATIENTS, None, table)


def test_take__some_of_the_patients(tmp_path: pathlib.Path) -> None:
    found = patients.match("r.zarr", PATIENTS, None, read(tmp_path, PATIENTS))
    some = found.take([4, 2])
    assert some.names == some.samples == some.table.index.tolist() == [PATIENTS[4], PATIENTS[2]]
    assert some.rows.tolist() == [4, 2]
    assert some.durations.tolist() == [104, 102]
    assert not some.event_observed.any()
    assert some.fates is found.fates
    assert found.take(found.event_observed).names == PATIENTS[1::2]
