"""Clinical tables: rows named, times in days, events, what is dropped and what is warned of."""

import gzip
import pathlib
from typing import Any

import numpy as np
import pytest

from bluebatch import errors
from bluebatch.downstream import clinical

TEXT = """patient,time,event,fab
p1,1000,1,m1
p2,0,0,NA
p3,,1,m3
p4,300,,m3
p5,,,m2
"""


def write(folder: pathlib.Path, text: str) -> pathlib.Path:
    path = folder / "t.csv"
    path.write_text(text)
    return path


def read(folder: pathlib.Path, text: str, **settings: Any) -> clinical.Clinical:
    return clinical.read(write(folder, text), clinical.EndpointSettings(**settings))


def follow_up(*times: float, column: str = "time") -> str:
    lines = [f"p{at},{time},{at % 2}" for at, time in enumerate(times)]
    return "\n".join([f"patient,{column},event", *lines, ""])


def test_read__rows_without_time_or_event_are_dropped_and_listed(tmp_path: pathlib.Path) -> None:
    found = read(tmp_path, TEXT)
    assert found.table.index.tolist() == ["p1", "p2"]
    assert found.table.columns.tolist() == ["fab"]
    # Text as it stands: NA may be a value.
    assert found.table["fab"].tolist() == ["m1", "NA"]
    np.testing.assert_array_equal(found.durations, [1000.0, 0.0])
    assert found.event_observed.tolist() == [True, False]
    assert found.durations.dtype == np.float64
    assert found.event_observed.dtype == bool
    assert found.dropped.to_dict("list") == {
        "name": ["p3", "p4", "p5"],
        "reason": ["no time", "no event", "no time and no event"],
    }
    assert found.notes == [
        "time: time",
        "time unit: days, by default",
        "event: event, 1 = 1 (2), 0 = 0 (1)",
        "dropped: 3 of 5 rows, without time or event",
    ]


def test_read__tables_of_cbioportal(tmp_path: pathlib.Path) -> None:
    text = (
        "#Patient Identifier\tOverall Survival (Months)\tOverall Survival Status\n"
        "#Identifier\tMonths\tStatus\n#STRING\tNUMBER\tSTRING\n#1\t1\t1\n"
        "PATIENT_ID\tOS_MONTHS\tOS_STATUS\nTCGA-AB-2802\t12\t1:DECEASED\nTCGA-AB-2803\t30\t0:LIVING\n"
    )
    (tmp_path / "data.txt.gz").write_bytes(gzip.compress(text.encode()))
    found = clinical.read(tmp_path / "data.txt.gz")
    assert found.table.index.tolist() == ["TCGA-AB-2802", "TCGA-AB-2803"]
    assert found.table.index.name == "PATIENT_ID"
    # A month is a twelfth of 365.25 days, 30.4375: 12 are 365.25, 30 are 913.125.
    assert found.durations.tolist() == [365.25, 913.125]
    assert "time unit: months, by the column's name" in found.notes


@pytest.mark.parametrize(
    ("column", "unit", "days"),
    [
        ("time", None, 800.0),
        ("time", "months", 24350.0),
        ("time", "years", 292200.0),
        ("time_in_months", None, 24350.0),
        ("time_in_months", "days", 800.0),
    ],
)
def test_read__units(tmp_path: pathlib.Path, column: str, unit: str | None, days: float) -> None:
    found = read(tmp_path, follow_up(800, 800, column=column), time_unit=unit)
    assert found.durations.tolist() == [days, days]
    contradicted = (column, unit) == ("time_in_months", "days")
    assert any("column's name says months" in note for note in found.notes) == contradicted


@pytest.mark.parametrize(
    ("times", "unit", "told"),
    [
        # Medians 13, 59, 60 and 40; 400 days are more than three years in months, but no rarity.
        ([1, 13, 100], None, "median follow-up of 13 days and 100 at most look like months"),
        ([1, 59, 399], None, "look like months"),
        ([1, 60, 399], None, None),
        ([1, 40, 400], None, None),
        ([1, 400, 40_001], None, "nobody is followed for 40001 days"),
        ([1, 400, 40_000], None, None),
        ([1, 400, 481], "months", "nobody is followed for 481 months"),
        ([1, 400, 480], "months", None),
        ([1, 30, 61], "years", "nobody is followed for 61 years"),
        ([1, 30, 60], "years", None),
    ],
)
def test_read__implausible_follow_up_is_warned_of(
    tmp_path: pathlib.Path, times: list[float], unit: str | None, told: str | None
) -> None:
    notes = read(tmp_path, follow_up(*times), time_unit=unit).notes
    warnings = [note for note in notes if note.startswith("warning")]
    assert len(warnings) == (told is not None)
    assert told is None or told in warnings[0]


def test_read__administrative_censoring_is_in_the_unit_of_the_table(tmp_path: pathlib.Path) -> None:
    # Events of p1 and p3; 24 months are 730.5 days, and an event on that very day counts.
    found = read(tmp_path, follow_up(30, 24, 10, 40), time_unit="months", censor_at=24)
    assert found.durations.tolist() == [730.5, 730.5, 304.375, 730.5]
    assert found.event_observed.tolist() == [False, True, False, False]
    assert (
        "censored at 24 months: 2 were followed for longer, 1 of them with an event"
        in (found.notes[-1])
    )


@pytest.mark.parametrize("value", [0, -1, float("inf"), float("nan")])
def test_read__censoring_is_after_the_start(tmp_path: pathlib.Path, value: float) -> None:
    with pytest.raises(errors.ConfigError, match=r"--censor-at: is .* needed: days above 0"):
        read(tmp_path, TEXT, censor_at=value)


@pytest.mark.parametrize(
    ("header", "asked", "key"),
    [
        ("sample,patient", None, "patient"),
        ("x,sample", None, "sample"),
        ("x,bcr_patient_barcode", None, "bcr_patient_barcode"),
        ("sample,Patient ID", None, "Patient ID"),
        ("x,y", None, "x"),
        ("x,y", "y", "y"),
    ],
)
def test_read__the_column_that_names_rows(
    tmp_path: pathlib.Path, header: str, asked: str | None, key: str
) -> None:
    found = read(tmp_path, f"{header},time,event\na,b,1,1\nc,d,2,0\n", patient_column=asked)
    assert found.table.index.name == key
    assert found.table.columns.tolist() == [name for name in header.split(",") if name != key]


BAD = {
    "patient,time,event\na,1,1\na,2,0\n": r"1 names stand in several rows of 'patient' \(a\)",
    "patient,id,time,event\na,x,1,1\na,y,2,0\n": r"--patient-column \(id would do\)",
    "patient,time,event\na,1,1\n,2,0\n": r"1 rows have no name in 'patient'",
    "patient,time,event\na,-1,1\nb,2,0\n": r"below 0 for 1 patients \(a: '-1'\)",
    "patient,time,event\na,1,\nb,,0\n": r"none of its 2 rows has both time and event",
    "patient,time,event\na,1,x\nb,2,0\n": r"cannot tell events in 'event'",
    "patient,time,event\n": r"has a header and no rows",
    "patient,time,event\n,,\n": r"has a header and no rows",
    "patient,when,event\na,1,1\nb,2,0\n": r"--time",
}


@pytest.mark.parametrize("text", BAD)
def test_read__a_bad_table_is_told_in_a_line(tmp_path: pathlib.Path, text: str) -> None:
    with pytest.raises(errors.BluebatchError, match=rf"t\.csv: .*{BAD[text]}") as raised:
        read(tmp_path, text)
    assert "\n" not in str(raised.value)


def test_read__columns_asked_for(tmp_path: pathlib.Path) -> None:
    with pytest.raises(errors.LabelMismatchError, match=r"no column 'id'; it has patient, time"):
        read(tmp_path, TEXT, patient_column="id")
    with pytest.raises(errors.LabelMismatchError, match="'time' is given as time and as event"):
        read(tmp_path, TEXT, event="time", time="time")


def test_read__spaces_and_empty_lines_are_passed_over(tmp_path: pathlib.Path) -> None:
    found = read(tmp_path, "patient, time ,event\n p1 , 5 , Dead \n,,\np2,7,Alive\n")
    assert found.table.index.tolist() == ["p1", "p2"]
    assert found.durations.tolist() == [5.0, 7.0]
