import pathlib
from typing import Any

import numpy as np
import pytest
from unit.downstream import discovered, planted, test_evidence

from bluebatch import errors
from bluebatch.downstream import patient_options

TYPES = ["A", "B"]


def open_twelve(
    folder: pathlib.Path, samples: list[str], text: str, **options: Any
) -> patient_options.Cohort:
    """Open samples whose proportion of A is their number in hundredths."""
    number = np.arange(len(samples)) / 100
    proportion = np.stack([number, 1 - number], axis=1)
    store = discovered.write_composition(folder / "c.zarr", samples, TYPES, proportion)
    (folder / "t.csv").write_text(text)
    made = patient_options.PatientOptions(clinical=folder / "t.csv", **options)
    return patient_options.open_cohort(store, made, 10)


def lines(n: int, levels: str) -> str:
    rows = [f"P{at:02d},{100 + at},{at % 2},{levels[at]}" for at in range(n)]
    return "\n".join(["patient,time,event,risk", *rows, ""])


def test_open_cohort__numbers_and_times_are_of_the_same_patient(tmp_path: pathlib.Path) -> None:
    # The table is in the other order of the samples.
    samples = [f"P{at:02d}" for at in reversed(range(12))]
    cohort = open_twelve(tmp_path, samples, lines(12, "h" * 12))
    assert cohort.patients.names == samples
    # P11 was first sampled (0), and followed 111 days.
    proportion = cohort.found.proportion(cohort.rows)
    assert proportion is not None
    np.testing.assert_array_equal(cohort.durations, 111 - 100 * proportion[:, 0].round(2))
    assert cohort.event_observed.tolist() == [True, False] * 6
    assert cohort.strata is None
    assert cohort.n_patients == 12


def test_open_cohort__unknown_levels_are_one_stratum_more(tmp_path: pathlib.Path) -> None:
    samples = [f"P{at:02d}" for at in range(12)]
    text = lines(12, "hhhhhlllll  ")
    cohort = open_twelve(tmp_path, samples, text, strata=("risk",))
    assert cohort.strata is not None
    assert cohort.strata.tolist() == [0] * 5 + [1] * 5 + [2] * 2
    assert "strata: unknown of 2 of 12 patients, who are compared among themselves" in cohort.notes


def test_open_cohort__patients_left_out_are_nowhere(tmp_path: pathlib.Path) -> None:
    samples = [f"P{at:02d}" for at in range(14)]
    text = lines(14, "abc" + "d" * 11)
    cohort = open_twelve(tmp_path, samples, text, leave_out={"risk": ("b", "c")})
    assert cohort.patients.names == ["P00", *samples[3:]]
    assert cohort.rows.tolist() == [0, *range(3, 14)]
    fates = cohort.patients.fates.set_index(["kind", "name"])["fate"]
    assert fates["patient", "P01"] == "left out: risk=b"
    assert fates["patient", "P02"] == "left out: risk=c"


def test_open_cohort__one_sample_stands_for_a_patient(tmp_path: pathlib.Path) -> None:
    samples = [f"P{at:02d}-{part}" for at in range(12) for part in "ba"]
    cohort = open_twelve(tmp_path, samples, lines(12, "h" * 12), patient_from_sample=r"(P\d+)-[ab]")
    assert cohort.patients.names == [f"P{at:02d}" for at in range(12)]
    # Of equals the first in the order of names, which here stands second.
    assert cohort.patients.samples == [f"P{at:02d}-a" for at in range(12)]
    assert cohort.rows.tolist() == list(range(1, 24, 2))
    assert cohort.durations.tolist() == list(range(100, 112))


def test_open_cohort__follow_up_is_read_as_asked(tmp_path: pathlib.Path) -> None:
    samples = [f"P{at:02d}" for at in range(12)]
    options = {"time_unit": "months", "censor_at": 105.0}
    cohort = open_twelve(tmp_path, samples, lines(12, "h" * 12), **options)
    # By hand: 100 to 111 months, none beyond 105; a month is 365.25 / 12 days.
    months = np.minimum(np.arange(100, 112), 105)
    np.testing.assert_allclose(cohort.durations, months * 365.25 / 12, rtol=1e-12)
    assert not cohort.event_observed[6:].any()
    assert cohort.event_observed[:6].tolist() == [False, True] * 3


def test_open_cohort__a_sample_without_bulk_is_told_before_any_work(
    tmp_path: pathlib.Path,
) -> None:
    samples = [f"P{at:02d}" for at in range(12)]
    bulk = test_evidence.write_cohort(tmp_path / "b.zarr", samples[1:], np.ones((11, 3)))
    with pytest.raises(errors.LabelMismatchError, match=r"lacks 1 of the 12 samples .*P00"):
        open_twelve(tmp_path, samples, lines(12, "h" * 12), cohort=bulk)


def test_variable_genes__are_those_of_the_patients_alone(tmp_path: pathlib.Path) -> None:
    # One gene varies in patients; another only in a sample whose patient is left out.
    drawn = planted.draw(planted.Plan(n_patients=40, n_genes=3), seed=0)
    bulk = np.full((40, 3), 1000.0)
    bulk[:20, 0], bulk[20:, 0] = 500, 1500
    bulk[:, 2] = 3000 - bulk[:, :2].sum(axis=1)
    path = test_evidence.write_cohort(tmp_path / "b.zarr", drawn.patients, bulk)
    cohort = discovered.open_results(tmp_path, path, drawn)
    assert cohort.variable_genes == ["g0", "g2"]
    assert cohort.variable_genes is cohort.variable_genes
