"""The parts of ``tests/benchmarks/accuracy.py`` that need no model: its tables and its split."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from benchmarks import accuracy_cells, accuracy_tables


def fraction_scores(first: float, second: float) -> dict[str, Any]:
    return {
        "per_type": {"ccc": {"B": first, "NK": second}},
        "mean_of_types": {"ccc": (first + second) / 2},
        "flattened": {"ccc": 0.75, "l1": 0.05},
    }


def record(row: str, seed: int, ccc: float, mode: str = "single", **more: Any) -> dict[str, Any]:
    """One model on one test: B is scored as given, NK as .5."""
    by_type = {"B": {"skill": 0.25, "median_r": 0.5}, "NK": {"skill": None, "median_r": 0.25}}
    ridge = {"B": {"skill": -10.5, "median_r": None}, "NK": {"skill": 0.125, "median_r": 0.125}}
    scores = {
        "n_samples": 300,
        "proportion": {"model": fraction_scores(ccc, 0.5), "NNLS": fraction_scores(0.25, 0.0)},
        "profile": {
            "all": {"model": by_type, "ridge": ridge},
            "p > 0.1": {"model": by_type},
            "p > 0.01, any cells": {"model": by_type},
        },
        **more,
    }
    return {"row": row, "seed": seed, "test": "kang", "mode": mode, "scores": scores}


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def line_of(lines: list[str], row: str, start: int = 0) -> list[str]:
    return next(cells(line) for line in lines[start:] if line.startswith(f"| {row} |"))


def test_markdown__means_over_seeds_with_their_range() -> None:
    records = [record("ours", 0, 0.5), record("ours", 1, 1.0), record("theirs", 0, 0.25)]
    lines = accuracy_tables.markdown(records)
    assert lines[1] == "**Unseen study: Kang, control and stimulated** (300 samples): proportions"
    header = cells(lines[3])
    assert header[1:3] == ["CCC B", "CCC NK"]
    assert header[3:] == ["mean of per-type CCC", "flattened CCC", "mean absolute error"]
    # Of the seeds .5 and 1: .75; with NK at .5 the means of types are .5 and .75.
    assert line_of(lines, "ours")[1:4] == [".750", ".500", ".625 (.500 to .750)"]
    assert line_of(lines, "theirs")[3] == ".375"
    # The simple predictors are those of the first row's models, so the second adds none.
    assert line_of(lines, "NNLS on mean profiles")[1:4] == [".250", ".000", ".125 (.125 to .125)"]


def test_markdown__profiles_name_what_does_not_exist() -> None:
    lines = accuracy_tables.markdown([record("ours", 0, 0.5)])
    start = next(n for n, line in enumerate(lines) if "profiles, skill / median r" in line)
    assert line_of(lines, "ours", start)[1:4] == [".250 / .500", "- / .250", ".250 / .375"]
    assert line_of(lines, "ridge on the bulk", start)[1] == "-10.500 / -"
    # Not scored at p > .1.
    assert line_of(lines, "ridge on the bulk", start)[4] == "- / -"
    assert line_of(lines, "mean training profile", start)[3] == ".000 / -"


def test_markdown__the_limit_is_derived_from_the_ceiling() -> None:
    # Two draws e + n of variance B + v around the mean profile: skill of one for the other
    # 1 - 2 v / (B + v), of e itself 1 - v / (B + v); r B / (B + v) and its root.
    noise, signal = 3.0, 1.0
    skill, r = 1 - 2 * noise / (signal + noise), signal / (signal + noise)
    made = record("ours", 0, 0.5)
    made["scores"]["profile"]["all"]["ceiling"] = {
        "B": {"skill": skill, "median_r": r},
        "NK": {"skill": None, "median_r": -0.25},
    }
    lines = accuracy_tables.markdown([made])
    start = next(n for n, line in enumerate(lines) if "profiles, skill / median r" in line)
    assert line_of(lines, "ceiling: another draw of the same cells", start)[1] == "-.500 / .250"
    limit = line_of(lines, "limit: the expectation of such draws", start)
    assert limit[1:4] == [".250 / .500", "- / .000", ".250 / .250"]


def test_markdown__a_cohort_is_a_row_of_its_own_and_brings_no_baselines() -> None:
    records = [record("ours", 0, 0.5), record("ours", 0, 1.0, mode="cohort")]
    table = accuracy_tables.fractions(records, "kang")
    assert list(table) == ["ours", "ours, as a cohort", "NNLS on mean profiles"]
    assert table["ours, as a cohort"]["CCC B"] == [1.0]
    assert table["NNLS on mean profiles"]["CCC B"] == [0.25]


def test_markdown__intervals_stand_beside_the_means() -> None:
    ends = {"mean_of_types": {"ccc": [0.25, 0.75]}, "flattened": {"ccc": [0.5, None], "l1": [0, 1]}}
    bootstrap = {"proportion": {"model": ends}}
    lines = accuracy_tables.markdown([record("ours", 0, 0.5, bootstrap=bootstrap)])
    assert line_of(lines, "ours")[3:] == [".500 [.250, .750]", ".750", ".050 [.000, 1.000]"]


def test_text__columns_in_place_of_pipes() -> None:
    records = [record("ours", 0, 0.5), record("theirs", 0, 0.25)]
    lines = accuracy_tables.text(records)
    assert not any("|" in line for line in lines)
    start = next(n for n, line in enumerate(lines) if line.endswith("proportions")) + 2
    assert len({len(line) for line in lines[start : start + 4]}) == 1
    assert lines[start + 1].split()[:4] == ["ours", ".500", ".500", ".500"]
    assert sum(line.startswith("ours") for line in lines) == 2


@pytest.mark.parametrize(("n_cells", "expected"), [(1000, 200), (300, 60), (150, 50), (70, 35)])
def test_hold_out__a_fifth_and_at_least_fifty_but_no_more_than_half(
    n_cells: int, expected: int
) -> None:
    labels = pd.Series(["NK"] * n_cells + ["Platelet"] * 40).sample(frac=1, random_state=0)
    chosen = accuracy_cells.hold_out(labels, np.random.default_rng(0))
    assert chosen.sum() == expected
    assert set(labels[chosen]) == {"NK"}
    again = accuracy_cells.hold_out(labels, np.random.default_rng(0))
    np.testing.assert_array_equal(chosen, again)
    other = accuracy_cells.hold_out(labels, np.random.default_rng(1))
    assert (chosen != other).any()
