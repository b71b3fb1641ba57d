"""Kaplan-Meier and forest figures: heights and counts by hand, and words that do not collide."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest
from unit.downstream import drawn

from bluebatch import errors
from bluebatch.downstream import figures, forest_figures, survival_figures

YEAR = 365.25
VERDICTS = [
    survival_figures.Verdict(2.4e-7, survival_figures.DESCRIPTIVE),
    survival_figures.Verdict(0.0312, f"outer groups, {survival_figures.SEARCHED}"),
]


def cohort(n_groups: int, per_group: int = 30) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(n_groups)
    index = np.repeat(np.arange(n_groups), per_group)
    durations = rng.exponential(800 * (1 + index), index.size)
    return durations, rng.random(index.size) < 0.6, index


def test_draw_kaplan_meier__heights_are_those_worked_by_hand() -> None:
    # Four patients, events in years 1, 3 and 4, one censored in year 2:
    # 1, then 3/4, then 3/4 * 1/2, then 0.
    durations = np.array([1.0, 2, 3, 4]) * YEAR
    seen = np.array([True, False, True, True])
    figure = survival_figures.draw_kaplan_meier(durations, seen, np.zeros(4, int), ["all"])
    panel = figure.axes[0]
    curve = drawn.line(panel, "all: 4 patients, 3 events, median 3.0 years")
    assert curve.get_xdata() == pytest.approx([0, 1, 2, 3, 4])
    assert curve.get_ydata() == pytest.approx([1, 0.75, 0.75, 0.375, 0])
    censored = next(each for each in panel.lines if each.get_marker() == "|")
    assert censored.get_xdata() == pytest.approx([2])
    assert censored.get_ydata() == pytest.approx([0.75])


def test_draw_kaplan_meier__the_table_counts_patients_at_risk_and_events_before() -> None:
    durations = np.array([1.0, 2, 3, 4]) * YEAR
    seen = np.array([True, False, True, True])
    figure = survival_figures.draw_kaplan_meier(durations, seen, np.zeros(4, int), ["all"])
    counted = {
        round(float(text.get_position()[0])): text.get_text() for text in figure.axes[1].texts
    }
    assert [counted[year] for year in (0, 1, 2, 3, 4)] == [
        "4 (0)", "4 (0)", "3 (1)", "2 (1)", "1 (2)"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("longest", "unit", "days"),
    [(100, "days", 1), (700, "months", YEAR / 12), (3000, "years", YEAR)],
)
def test_choose_unit__is_that_of_the_range(longest: float, unit: str, days: float) -> None:
    chosen = survival_figures.choose_unit(longest)
    assert chosen[0] == unit
    assert chosen[1] == pytest.approx(days)
    durations, seen, index = cohort(2)
    durations = durations * longest / durations.max()
    figure = survival_figures.draw_kaplan_meier(durations, seen, index, ["a", "b"])
    assert figure.axes[0].get_xlabel() == f"time ({unit})"
    ends = [np.asarray(each.get_xdata(), float).max() for each in figure.axes[0].lines]
    assert max(ends) == pytest.approx(longest / days)


@pytest.mark.parametrize("n_groups", [2, 3, 6])
def test_draw_kaplan_meier__no_word_lies_over_another_or_leaves_the_figure(n_groups: int) -> None:
    names = [f"a group with a name as long as it gets {at}" for at in range(n_groups)]
    figure = survival_figures.draw_kaplan_meier(*cohort(n_groups), names, VERDICTS)
    assert drawn.crowded(figure) == []
    assert drawn.cut(figure) == []
    text = "\n".join(drawn.words(figure))
    assert "log-rank p 2.4e-7 (descriptive: the groups were chosen by survival)" in text
    assert "log-rank p 0.031 (outer groups, permutation of the whole procedure)" in text


def test_draw_kaplan_meier__a_group_without_events_stays_at_one() -> None:
    durations, seen, index = cohort(2)
    figure = survival_figures.draw_kaplan_meier(durations, seen & (index == 1), index, ["a", "b"])
    curve = drawn.line(figure.axes[0], "a: 30 patients, 0 events, median not reached")
    assert set(curve.get_ydata()) == {1.0}


def test_draw_kaplan_meier__empty_groups_and_patients_in_none_are_left_out() -> None:
    durations, seen, index = cohort(3)
    index = np.where(index == 1, -1, index)
    figure = survival_figures.draw_kaplan_meier(durations, seen, index)
    shown = [text for text in drawn.words(figure) if "patients" in text]
    assert [text.split(":")[0] for text in shown] == ["most favourable", "most unfavourable"]
    with pytest.raises(errors.ValuesError, match="none of 90 patients is in a group"):
        survival_figures.draw_kaplan_meier(durations, seen, np.full(90, -1))


@pytest.mark.parametrize("form", ["png", "svg", "pdf"])
def test_render__a_figure_has_the_same_bytes_every_time(form: figures.Form) -> None:
    def draw() -> bytes:
        figure = survival_figures.draw_kaplan_meier(*cohort(3), verdicts=VERDICTS)
        return figures.render(figure, form, 60)

    assert draw() == draw()


def hazards(rows: Sequence[tuple[object, ...]]) -> pd.DataFrame:
    columns = ["model", "term", "hazard_ratio", "low", "high", "p", "n", "events"]
    return pd.DataFrame(rows, columns=columns)


def test_draw_forest__marks_stand_at_their_ratios_and_wide_intervals_end_in_arrows() -> None:
    table = hazards(
        [
            ("univariable", "group=worst", 2.0, 1.25, 3.2, 0.004, 120, 60),
            ("univariable", "age", 0.5, 0.0001, 4000.0, 0.8, 120, 60),
            ("adjusted", "group=worst", 1.6, 1.0, 2.56, 0.05, 110, 55),
        ]
    )
    figure = forest_figures.draw_forest(table)
    panel = figure.axes[0]
    left, right = panel.get_xlim()
    height = {x: y for _, x, y in drawn.marks(panel, "os")}
    assert sorted(height) == pytest.approx([0.5, 1.6, 2.0])
    arrows = {kind: x for kind, x, _ in drawn.marks(panel, "<>")}
    assert arrows == pytest.approx({"<": left, ">": right})
    assert panel.get_xscale() == "log"
    words = drawn.words(figure)
    assert "2.00 (1.25 to 3.20)" in words
    assert {"120 / 60", "110 / 55", "0.0040", "univariable", "adjusted"} <= set(words)
    # Models of one term stand together: the two of the group, then age.
    assert height[2.0] < height[1.6] < height[0.5]


def test_draw_forest__what_has_no_estimate_is_said() -> None:
    gap = float("nan")
    table = hazards([("adjusted", "age", gap, gap, gap, gap, 40, 3)])
    figure = forest_figures.draw_forest(table.assign(reference="one more"))
    assert "not estimable" in drawn.words(figure)
    assert drawn.marks(figure.axes[0], "o") == []


def test_draw_forest__terms_that_no_model_estimates_are_named_below() -> None:
    gap = float("nan")
    rows = [
        ("univariable", "age", 1.1, 1.0, 1.2, 0.01, 40, 20),
        ("univariable", "risk=high", gap, gap, gap, gap, gap, gap),
        ("adjusted", "age", gap, gap, gap, gap, 40, 20),
    ]
    figure = forest_figures.draw_forest(hazards(rows))
    assert figure.axes[0].get_xlabel().endswith("more events)\nnot estimable: risk=high")
    # The age that one model estimates keeps the row of the other.
    assert drawn.words(figure).count("not estimable") == 1
    assert len(figure.axes[0].get_yticks()) == 1
    assert drawn.cut(figure) == []


@pytest.mark.parametrize(("n_groups", "n_bands"), [(4, 4), (5, 0)])
def test_draw_kaplan_meier__bands_of_many_groups_are_left_out(n_groups: int, n_bands: int) -> None:
    times, event, index = cohort(n_groups)
    names = [f"cluster {at}" for at in range(n_groups)]
    figure = survival_figures.draw_kaplan_meier(times, event, index, names)
    assert len(figure.axes[0].collections) == n_bands


def test_draw_forest__levels_are_told_with_what_they_are_compared_with() -> None:
    row = ("m", "fab=m3", 0.4, 0.2, 0.8, 0.01, 40, 20)
    figure = forest_figures.draw_forest(hazards([row]).assign(reference="m2"))
    assert "fab: m3\nagainst m2" in drawn.words(figure)


def test_draw_forest__groups_that_survival_chose_are_descriptive() -> None:
    rows = [("m", "group=worst", 2.0, 1.2, 3.3, 0.01, 40, 20), ("m", "age", 1, 0.9, 1.1, 1, 40, 20)]
    plain = hazards(rows).assign(reference=["best", "one more"])
    for covariates, said in ((["group", "age"], True), (["fab", "age"], False)):
        figure = forest_figures.draw_forest(plain.assign(covariate=covariates))
        words = drawn.words(figure)
        assert any(forest_figures.CHOSEN in each for each in words) == said
        assert "age, per unit" in words
        assert drawn.crowded(figure) == []
        assert drawn.cut(figure) == []


@pytest.mark.parametrize("n_terms", [1, 12])
def test_draw_forest__no_word_lies_over_another(n_terms: int) -> None:
    rows = [
        (model, f"a clinical column of a long name: level {at}", 1 + at, 0.5, 20.0, 1e-9, 1500, 900)
        for at in range(n_terms)
        for model in ("univariable", "adjusted for age, sex and cytogenetic risk")
    ]
    figure = forest_figures.draw_forest(hazards(rows), "Hazard ratios")
    assert drawn.crowded(figure) == []
    assert drawn.cut(figure) == []
