"""Columns of times and events, found by their names, and times as numbers."""

import numpy as np
import pandas as pd
import pytest

from bluebatch import errors
from bluebatch.downstream import endpoints


@pytest.mark.parametrize(
    ("columns", "times", "event", "unit"),
    [
        (["age", "time", "event"], ["time"], "event", None),
        # Both of cBioPortal; its other endpoints are not taken for overall survival.
        (
            ["OS_STATUS", "OS_MONTHS", "DFS_STATUS", "DFS_MONTHS"],
            ["OS_MONTHS"],
            "OS_STATUS",
            "months",
        ),
        # Of UCSC Xena, where OS is the event.
        (["OS", "OS.time", "DSS", "DSS.time"], ["OS.time"], "OS", None),
        (["Overall Survival (Years)", "Status"], ["Overall Survival (Years)"], "Status", "years"),
        (["time_days", "vital_status", "efs_time"], ["time_days"], "vital_status", "days"),
        # The plainer name is preferred.
        (["OS_MONTHS", "time", "vital_status", "event"], ["time"], "event", None),
        # The GDC keeps the times of the living in another column; newer files name the table too.
        (
            [
                "demographic.days_to_death",
                "diagnoses.days_to_last_follow_up",
                "demographic.vital_status",
            ],
            ["demographic.days_to_death", "diagnoses.days_to_last_follow_up"],
            "demographic.vital_status",
            "days",
        ),
        (
            ["days_to_death", "days_to_last_follow_up", "vital_status"],
            ["days_to_death", "days_to_last_follow_up"],
            "vital_status",
            "days",
        ),
    ],
)
def test_find__common_names(
    columns: list[str], times: list[str], event: str, unit: str | None
) -> None:
    assert endpoints.find("t.csv", columns, None, None) == (times, event, unit)


def test_find__what_is_asked_for() -> None:
    columns = ["time", "event", "efs_months", "efs"]
    assert endpoints.find("t.csv", columns, "efs_months", "efs") == (
        ["efs_months"],
        "efs",
        "months",
    )


@pytest.mark.parametrize(
    ("columns", "time", "event", "told"),
    [
        (["age", "event"], None, None, r"no column is recognised .* --time; it has age, event"),
        # Of the living there is no time: this alone would leave none of them.
        (["days_to_death", "event"], None, None, r"no column is recognised as that of --time"),
        (["time", "sex"], None, None, r"no column is recognised .* --event; it has sex"),
        (
            ["os_days", "OS_MONTHS", "event"],
            None,
            None,
            r"2 columns .* --time \(os_days, OS_MONTHS",
        ),
        (["time", "status", "dead"], None, None, r"2 columns .* --event \(status, dead\)"),
        (["time", "event"], "t", None, r"no column 't', needed: that of --time"),
        (["time", "event"], None, "e", r"no column 'e', needed: that of --event"),
        (["os_weeks", "event"], "os_weeks", None, r"'os_weeks' is by its name in weeks"),
    ],
)
def test_find__none_or_several(
    columns: list[str], time: str | None, event: str | None, told: str
) -> None:
    with pytest.raises(errors.BluebatchError, match=rf"t\.csv: .*{told}") as raised:
        endpoints.find("t.csv", columns, time, event)
    assert "\n" not in str(raised.value)


def test_read_times__of_two_columns_and_gaps() -> None:
    table = pd.DataFrame(
        {"death": ["10", "'--", "", "0"], "follow": ["99", "2.5", "NA", "7"]}, index=list("abcd")
    )
    found = endpoints.read_times("t.csv", table, ["death", "follow"])
    np.testing.assert_array_equal(found.values, [10, 2.5, np.nan, 0])
    assert found.notes == ["time: death, and follow where it is missing"]


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("-1", r"is below 0 for 1 patients \(b: '-1'\).*empty these cells"),
        ("12 months", r"is no number for 1 patients \(b: '12 months'\)"),
        ("inf", r"is no number for 1 patients \(b: 'inf'\)"),
        ("1,5", r"is no number"),
    ],
)
def test_read_times__what_is_no_time_is_named(value: str, told: str) -> None:
    table = pd.DataFrame({"t": ["1", value]}, index=["a", "b"])
    with pytest.raises(errors.ValuesError, match=rf"t\.csv: the time in 't' {told}"):
        endpoints.read_times("t.csv", table, ["t"])
