"""Words and codes of events."""

import numpy as np
import pandas as pd
import pytest

from bluebatch import errors
from bluebatch.downstream import events


@pytest.mark.parametrize(
    ("values", "meaning", "note"),
    [
        (["0", "1", "1"], [0, 1, 1], "1 = 1 (2), 0 = 0 (1)"),
        (["0.0", "1.0"], [0, 1], "1.0 = 1 (1), 0.0 = 0 (1)"),
        (["True", "False"], [1, 0], "True = 1 (1), False = 0 (1)"),
        (["Dead", "Alive", "Dead", ""], [1, 0, 1, None], "Dead = 1 (2), Alive = 0 (1)"),
        (["Deceased", "LIVING", "Not Reported"], [1, 0, None], "Deceased = 1 (1), LIVING = 0 (1)"),
        (["1:DECEASED", "0:LIVING"], [1, 0], "1:DECEASED = 1 (1), 0:LIVING = 0 (1)"),
        (["1:Recurred/Progressed", "0:DiseaseFree"], [1, 0], "1:Recurred/Progressed = 1 (1)"),
        (["Recurred/Progressed", "DiseaseFree"], [1, 0], "DiseaseFree = 0 (1)"),
        (["yes", "no", "'--"], [1, 0, None], "yes = 1 (1), no = 0 (1)"),
        (["1", "2", "2"], [0, 1, 1], "2 = 1 (2), 1 = 0 (1) (as in R: 1 is censored, 2 the event)"),
    ],
)
def test_read__codes_are_recognised_and_said(
    values: list[str], meaning: list[int | None], note: str
) -> None:
    found = events.read("t.csv", pd.Series(values, name="status"))
    np.testing.assert_array_equal(found.values, np.array(meaning, dtype=float))
    assert found.notes[0].startswith("event: status, ")
    assert note in found.notes[0]
    assert len(found.notes) == 1


def test_read__words_may_be_given() -> None:
    column = pd.Series(["Relapse", "Censored", "Death", "Unknown"], name="first_event")
    found = events.read("t.csv", column, ["Relapse", "Death"])
    np.testing.assert_array_equal(found.values, [1, 0, 1, np.nan])
    assert found.notes == ["event: first_event, Death = 1 (1), Relapse = 1 (1), Censored = 0 (1)"]
    with pytest.raises(errors.LabelMismatchError, match=r"nobody has 'relapse' .*Relapse \(1\)"):
        events.read("t.csv", column, ["relapse"])


@pytest.mark.parametrize(
    ("values", "told"),
    [
        (["Relapse", "Censored", "Induction Failure"], r"Induction Failure \(1\).*--event-values"),
        (["0", "1", "2"], r"has 0 \(1\), 1 \(1\), 2 \(1\); needed: 0 and 1"),
        (["2", "2"], r"has 2 \(2\)"),
        (["0.5", "1"], r"has 0.5 \(1\)"),
    ],
)
def test_read__other_values_are_listed(values: list[str], told: str) -> None:
    with pytest.raises(errors.ValuesError, match=rf"t\.csv: cannot tell events in 'e'.*{told}"):
        events.read("t.csv", pd.Series(values, name="e"))


def test_read__a_column_that_says_nothing_is_told() -> None:
    told = r"t\.csv: 'e' says nothing in any row, needed: 0 and 1.*--event"
    with pytest.raises(errors.ValuesError, match=told):
        events.read("t.csv", pd.Series(["", "NA"], name="e"))


def test_read__nobody_censored_and_names_of_censoring_are_warned_of() -> None:
    notes = events.read("t.csv", pd.Series(["1", "1"], name="e")).notes
    assert "warning: by e nobody is censored" in notes[1]
    notes = events.read("t.csv", pd.Series(["1", "0"], name="OS.censored")).notes
    assert "give --event-values 0" in notes[1]
    notes = events.read("t.csv", pd.Series(["1", "0"], name="censored"), ["0"]).notes
    assert notes == ["event: censored, 0 = 1 (1), 1 = 0 (1)"]
