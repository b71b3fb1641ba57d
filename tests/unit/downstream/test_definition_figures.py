"""Definitions, their likeness, the search and a second cohort as figures."""

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from matplotlib.patches import Rectangle
from unit.downstream import drawn, subtypes_folder

from bluebatch.downstream import (
    definition_figures,
    definition_marks,
    figures,
    search_figures,
    transfer_figures,
)


def test_draw_definitions__rows_are_sorted_by_p_and_marks_are_the_states_asked_for() -> None:
    table, picks = subtypes_folder.definitions(), subtypes_folder.picks()
    figure = definition_figures.draw_definitions(table, picks, subtypes_folder.CELL_TYPES)
    _, full, empty = drawn.spots(figure.axes[0])
    order = table["p"].sort_values(kind="stable").dropna().index
    # By hand: of each row the columns whose state is 1, and those whose state is 0.
    for row, at in enumerate(order):
        for column, state in enumerate(picks[at]):
            assert ((column, row) in full) == (state == 1)
            assert ((column, row) in empty) == (state == 0)
    assert len(order) == 7  # the eighth is not tested
    z = [float(bar.get_width()) for bar in figure.axes[1].patches if isinstance(bar, Rectangle)]
    assert z == pytest.approx(table["z"][order].tolist())


def test_draw_definitions__numbers_stand_beside_and_those_below_the_level_are_bold() -> None:
    table, picks = subtypes_folder.definitions(), subtypes_folder.picks()
    figure = definition_figures.draw_definitions(table, picks, subtypes_folder.CELL_TYPES)
    bold = [text.get_text() for text in figure.axes[2].texts if text.get_fontweight() == "bold"]
    # q of .0000000098 and .007, p max-T of .0123 and .02, and the four headings.
    assert sorted(bold) == sorted(["n", "p", "q", "p max-T", "9.8e-9", "0.0070", "0.012", "0.020"])


def test_draw_definitions__shows_no_more_rows_than_asked_for() -> None:
    table, picks = subtypes_folder.definitions(), subtypes_folder.picks()
    figure = definition_figures.draw_definitions(
        table, picks, subtypes_folder.CELL_TYPES, n_shown=3
    )
    assert len(figure.axes[1].patches) == 3


def test_component_colours__components_of_several_have_one_and_single_definitions_none() -> None:
    component = np.array([4, 1, 1, -1, 2, 2, 2])
    colours = definition_figures.component_colours(component)
    assert list(colours) == [2, 1]
    assert len({colours[2], colours[1], figures.GREY}) == 3
    assert not {definition_figures.FAVOURABLE, definition_figures.UNFAVOURABLE} & {
        *colours.values()
    }


def test_component_colours__more_components_than_colours_are_grey() -> None:
    component = np.repeat(np.arange(9), 2)
    colours = definition_figures.component_colours(component)
    assert len(colours) == 9
    assert [colours[at] == figures.GREY for at in range(9)] == [False] * 6 + [True] * 3
    figure = definition_figures.draw_similarity(np.eye(18), list("abcdefghijklmnopqr"), component)
    assert figure.axes[0].get_xlabel().endswith("components of two or more (9)")


def test_draw_similarity__definitions_of_a_component_stand_together_and_are_outlined() -> None:
    # Two pairs, given alternately, and one alone.
    component = np.array([0, 1, 0, 1, -1])
    values = np.where(component[:, None] == component, 0.9, 0.2)
    np.fill_diagonal(values, 1)
    figure = definition_figures.draw_similarity(values, list("abcde"), component)
    axes = figure.axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a", "c", "b", "d", "e"]
    shown = np.asarray(axes.images[0].get_array(), float)
    assert shown[:2, :2].min() == 0.9
    assert shown[2:4, 2:4].min() == 0.9
    assert shown[:2, 2:].max() == 0.2
    corners = [patch.get_xy() for patch in axes.patches if isinstance(patch, Rectangle)]
    assert corners == [(-0.5, -0.5), (1.5, 1.5)]
    assert axes.get_xlabel() == "5 definitions; outlined: components of two or more (2)"


def test_draw_similarity__states_in_the_names_become_marks() -> None:
    component = np.array([-1, 0, 0])
    figure = definition_figures.draw_similarity(np.eye(3), ["B=0", "B=1&T=0", "T=1"], component)
    marks, squares = figure.axes[:2]
    # In the order of the squares: the two of a component, then the one alone.
    _, full, empty = drawn.spots(marks)
    assert sorted(full) == [(0, 0), (1, 1)]
    assert sorted(empty) == [(0, 2), (1, 0)]
    assert [text.get_text() for text in marks.get_xticklabels()] == ["B", "T"]
    assert squares.images
    assert drawn.crowded(figure) == []
    assert drawn.cut(figure) == []


@pytest.mark.parametrize("names", [["B=0", "B=2"], ["B=0&", "T=1"], ["whole"], ["=1"]])
def test_read_states__other_names_stay_names(names: list[str]) -> None:
    assert definition_marks.read_states(names) is None


@pytest.mark.parametrize("n", [2, 40, 120])
def test_figures_of_definitions__no_word_lies_over_another(n: int) -> None:
    rng = np.random.default_rng(n)
    names = [f"T cell={at % 2}&Monocyte=1&a long one={at}" for at in range(n)]
    table = pd.DataFrame({"definition": names, "n_in": 1234, "z": rng.normal(0, 3, n)})
    table["p"] = table["q"] = table["p_max_t"] = rng.uniform(1e-9, 1e-8, n)
    picks = rng.integers(-1, 2, (n, 15)).astype(np.int8)
    types = [f"a cell type with a long name {at}" for at in range(15)]
    component = rng.integers(-1, 3, n)
    for figure in (
        definition_figures.draw_definitions(table, picks, types, component),
        definition_figures.draw_similarity(rng.random((n, n)), names, component, 0.8),
        search_figures.draw_search(table, p_count=0.5),
    ):
        assert drawn.crowded(figure) == []
        assert drawn.cut(figure) == []


def test_draw_search__blue_are_those_that_benjamini_and_hochberg_find() -> None:
    rng = np.random.default_rng(3)
    p = np.concatenate([rng.random(80), rng.uniform(0, 0.002, 12), [np.nan, np.nan]])
    q = np.full(len(p), np.nan)
    q[:92] = scipy.stats.false_discovery_control(p[:92])
    z = scipy.stats.norm.isf(p / 2)
    table = pd.DataFrame({"z": z, "p": p, "q": q, "p_max_t": np.minimum(1, 92 * p)})
    figure = search_figures.draw_search(table, p_count=0.031)
    n_found = int((q < 0.05).sum())
    assert n_found >= 10
    grey, blue = drawn.spots(figure.axes[0])[-2:]
    assert (len(grey), len(blue)) == (92 - n_found, n_found)
    assert sorted(y for _, y in blue) == pytest.approx(sorted(-np.log10(np.sort(p[:92])[:n_found])))
    text = f"{n_found} of 92 tested have q < 0.05\n(as many by chance: p 0.031)"
    assert text in drawn.words(figure)
    # Right: a mark at every |z|, as high as its p max-T; blue below .05.
    _, beyond = drawn.spots(figure.axes[1])
    assert len(beyond) == int((92 * p[:92] < 0.05).sum())


def test_draw_search__a_band_of_permutations_takes_their_quantiles() -> None:
    table = pd.DataFrame({"z": [1.0, 2.0], "p": [0.3, 0.04], "q": [0.3, 0.08], "p_max_t": 0.5})
    null = np.tile([0.1, 0.01], (5, 1))
    figure = search_figures.draw_search(table, null_p=null)
    band = figure.axes[0].collections[0]
    corners = np.asarray(band.get_paths()[0].vertices, float)
    heights = {round(float(y), 9) for y in corners[:, 1]}
    # All permutations alike: the sorted p of .01 and .1 are both ends.
    assert heights == {1.0, 2.0}
    assert "95 % of permutations" in drawn.words(figure)


def test_draw_search__nothing_tested_is_said() -> None:
    table = pd.DataFrame({"z": [np.nan], "p": [np.nan], "q": [np.nan], "p_max_t": [np.nan]})
    assert search_figures.NOTHING in drawn.words(search_figures.draw_search(table))


def test_draw_branches__every_branch_tells_what_it_has() -> None:
    figure = search_figures.draw_branches(subtypes_folder.tables()["branches"])
    words = drawn.words(figure)
    assert words.count("2 of 7") == 2
    assert "1 tested" in words
    marks = drawn.spots(figure.axes[1])
    # best p and p max-T of two branches, p of the count of three.
    assert [len(each) for each in marks] == [2, 2, 3]
    assert marks[2] == [(0.03, 0), (0.03, 1), (0.2, 2)]
    held_out = drawn.spots(figure.axes[2])[0]
    assert held_out[0] == pytest.approx((0.61, 0))
    assert drawn.crowded(figure) == []
    assert drawn.cut(figure) == []


def test_draw_branches__without_concordance_there_is_no_such_panel() -> None:
    table = subtypes_folder.tables()["branches"].drop(columns="c_index")
    assert len(search_figures.draw_branches(table).axes) == 2


def test_draw_replication__counts_and_colours_follow_direction_and_p() -> None:
    table = pd.DataFrame(
        {
            "discovery_z": [-3.0, 3.0, 3.0, -4.0, 2.0],
            "z": [-2.0, 2.5, 0.5, 1.0, np.nan],
            "p_one_sided": [0.023, 0.006, 0.31, 0.84, np.nan],
        }
    )
    figure = transfer_figures.draw_replication(table, "TCGA", "TARGET")
    agreed, same, other = drawn.spots(figure.axes[0])
    assert agreed == [(-3.0, -2.0), (3.0, 2.5)]
    assert (same, other) == ([(3.0, 0.5)], [(-4.0, 1.0)])
    text = "2 of 4 replicate (one-sided p < 0.05)\n1 could not be tested again"
    assert text in drawn.words(figure)
    assert drawn.crowded(figure) == []
    assert drawn.cut(figure) == []
