"""Compositions, clinical columns, genes and states of groups as figures."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from matplotlib.patches import StepPatch
from unit.downstream import drawn

from bluebatch.downstream import gene_figures, patient_figures, state_figures, state_map

NAMES = ["good", "bad"]


def steps(figure: Figure) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """List heights, edges and feet of every stack."""
    found = []
    for patch in figure.axes[0].patches:
        if isinstance(patch, StepPatch):
            values, edges, baseline = patch.get_data()
            found.append((np.asarray(values), np.asarray(edges), np.asarray(baseline)))
    return found


def test_draw_composition__means_of_groups_are_stacked() -> None:
    proportion = np.array([[0.2, 0.8], [0.4, 0.6], [0.9, 0.1], [0.5, 0.5]])
    figure = patient_figures.draw_composition(
        proportion, ["B", "T"], np.array([0, 0, 1, -1]), NAMES, by_patient=False
    )
    # Means by hand: (.3, .7) of the first two; (.9, .1) of the third; the fourth is in no group.
    heights = [(float(top[0] - foot[0])) for top, _, foot in steps(figure)]
    assert heights == pytest.approx([0.3, 0.7, 0.9, 0.1])
    assert {"good\n(2)", "bad\n(1)", "B", "T"} <= set(drawn.words(figure))


def test_draw_composition__patients_are_sorted_by_the_most_abundant_type() -> None:
    proportion = np.array([[0.3, 0.7], [0.1, 0.9], [0.2, 0.8]])
    figure = patient_figures.draw_composition(proportion, ["B", "T"], np.zeros(3, int), ["all"])
    (b_top, edges, _), (t_top, _, t_foot) = steps(figure)
    assert edges == pytest.approx([0, 1, 2, 3])
    assert b_top == pytest.approx([0.1, 0.2, 0.3])
    assert t_top - t_foot == pytest.approx([0.9, 0.8, 0.7])


def test_draw_composition__many_patients_are_put_together_and_keep_their_mean() -> None:
    n_patients = 5 * patient_figures.MAX_BARS
    first = np.linspace(0, 1, n_patients)
    proportion = np.stack([first, 1 - first], axis=1)
    figure = patient_figures.draw_composition(
        proportion, ["B", "T"], np.zeros(n_patients, int), ["all"]
    )
    top, edges, _ = steps(figure)[0]
    assert len(top) == patient_figures.MAX_BARS
    assert edges[-1] == n_patients
    assert top.mean() == pytest.approx(0.5)


@pytest.mark.parametrize("n_groups", [2, 3, 7, 20])
def test_draw_composition__names_of_groups_stand_apart(n_groups: int) -> None:
    index = np.repeat(np.arange(n_groups), 10)
    proportion = np.full((len(index), 2), 0.5)
    names = [
        f"cluster {at}" if n_groups == 7 else f"most unfavourable {at}" for at in range(n_groups)
    ]
    figure = patient_figures.draw_composition(proportion, ["B", "T"], index, names)
    assert drawn.crowded(figure) == []
    slanted = {text.get_rotation() for text in figure.axes[0].get_xticklabels()} != {0.0}
    assert slanted == (n_groups == 20)


def clinical() -> tuple[pd.DataFrame, np.ndarray, pd.DataFrame]:
    table = pd.DataFrame(
        {
            "risk": ["low", "low", "high", "", "high", "high", "low", "NA"],
            "age": [str(20 + 5 * at) for at in range(7)] + [""],
            "fab": ["M1", "M2"] * 4,
        }
    )
    tests = pd.DataFrame(
        {"column": ["age", "risk", "fab"], "p": [0.5, 0.01, np.nan], "q": [0.5, 0.03, np.nan]}
    )
    return table, np.array([0, 0, 0, 0, 1, 1, 1, 1]), tests


def test_draw_clinical__bars_are_shares_of_those_who_are_known() -> None:
    table, index, tests = clinical()
    figure = patient_figures.draw_clinical(table, index, tests, NAMES, ["risk"])
    bars = {
        (round(bar.get_x() + bar.get_width() / 2), label): bar.get_height()
        for container in figure.axes[0].containers
        for label in [str(container.get_label())]
        for bar in container
    }
    # Group 0: low, low, high and a gap; group 1: high, high, low and a gap.
    wanted = {(0, "high"): 1 / 3, (0, "low"): 2 / 3, (1, "high"): 2 / 3, (1, "low"): 1 / 3}
    assert bars == pytest.approx(wanted)
    words = drawn.words(figure)
    assert {"risk\np 0.010, q 0.030", "good (3)", "bad (3)"} <= set(words)


def test_draw_clinical__smallest_p_first_and_numbers_are_boxes() -> None:
    table, index, tests = clinical()
    table = pd.concat([table] * 3, ignore_index=True)
    table["age"] = [str(at) for at in range(24)]
    figure = patient_figures.draw_clinical(table, np.tile(index, 3), tests, NAMES)
    titles = [axes.get_title(loc="left").split("\n")[0] for axes in figure.axes]
    assert titles == ["risk", "age", "fab"]
    assert len(figure.axes[1].containers) == 0
    assert drawn.crowded(figure) == []
    assert drawn.cut(figure) == []


def test_draw_clinical__rare_levels_are_put_together() -> None:
    levels = [f"level {at}" for at in range(12) for _ in range(12 - at)]
    table = pd.DataFrame({"site": levels})
    tests = pd.DataFrame({"column": ["site"], "p": [0.5], "q": [0.5]})
    figure = patient_figures.draw_clinical(table, np.zeros(len(levels), int), tests, ["all"])
    heights = {
        str(bars.get_label()): next(bar.get_height() for bar in bars)
        for bars in figure.axes[0].containers
    }
    assert len(heights) == patient_figures.MAX_LEVELS
    # Of 78 patients the five smallest levels have 5 + 4 + 3 + 2 + 1.
    assert heights[patient_figures.OTHERS] == pytest.approx(15 / 78)
    assert sum(heights.values()) == pytest.approx(1)


def genes(n_genes: int, cell_type: str) -> pd.DataFrame:
    rng = np.random.default_rng(n_genes)
    difference = rng.normal(0, 1, n_genes)
    p = np.exp(-10 * np.abs(difference))
    table = {"cell_type": cell_type, "gene": [f"GENE{at}" for at in range(n_genes)], "p": p}
    return pd.DataFrame({**table, "difference": difference, "q": np.minimum(1, 5 * p)})


def test_draw_volcanoes__counts_by_hand_and_names_that_do_not_collide() -> None:
    table = pd.concat([genes(400, "B"), genes(500, "a cell type")], ignore_index=True)
    figure = gene_figures.draw_volcanoes(table, title="descriptive")
    for axes, (_, part) in zip(figure.axes, table.groupby("cell_type", sort=False), strict=False):
        found = part["q"] < 0.05
        n_up, n_down = (
            int((found & (part["difference"] > 0)).sum()),
            int((found & (part["difference"] < 0)).sum()),
        )
        assert axes.get_title(loc="right") == f"{n_up:,} up, {n_down:,} down"
        named = {text.get_text() for text in axes.texts}
        assert len(named) >= 5
        assert named <= set(part.nsmallest(gene_figures.N_NAMED, "p")["gene"])
    assert drawn.crowded(figure) == []
    assert drawn.cut(figure) == []


def test_draw_volcanoes__of_genes_at_one_place_only_some_are_named() -> None:
    table = genes(30, "B").assign(difference=1.0, p=1e-5, q=1e-4)
    figure = gene_figures.draw_volcanoes(table, title="a heading of many words " * 5)
    assert drawn.cut(figure) == []
    assert 0 < len(figure.axes[0].texts) < gene_figures.N_NAMED + 1
    assert drawn.crowded(figure) == []


def test_draw_reciprocal__two_dots_a_gene() -> None:
    table = pd.DataFrame(
        {
            "cell_type": ["B", "B", "NK"],
            "gene": ["g1", "g2", "g3"],
            "difference_favourable": [1.0, -0.5, 2.0],
            "difference_unfavourable": [-1.5, 0.75, -2.0],
        }
    )
    figure = gene_figures.draw_reciprocal(table)
    good, bad = drawn.spots(figure.axes[0])
    assert good == [(1.0, 0.0), (-0.5, 1.0)]
    assert bad == [(-1.5, 0.0), (0.75, 1.0)]
    assert {"B (2)", "NK (1)", "g1", "g3"} <= set(drawn.words(figure))
    assert drawn.crowded(figure) == []
    assert "no gene goes both ways" in drawn.words(gene_figures.draw_reciprocal(table.head(0)))


def planted(n_patients: int) -> tuple[np.ndarray, np.ndarray]:
    state = (np.arange(n_patients) % 2).astype(np.int8)
    scores = np.random.default_rng(0).normal(0, 1, (n_patients, 5))
    scores[:, 0] += 12 * state
    scores[0], state[0] = np.nan, -1
    return scores, state


def test_embed__states_far_apart_stay_apart_and_absent_patients_are_left_out() -> None:
    scores, state = planted(41)
    found = state_map.embed(scores, state, "B", seed=3)
    assert found.method == "UMAP"
    assert found.rows.tolist() == list(range(1, 41))
    plane = np.stack([found.x, found.y], axis=1)
    distance = np.linalg.norm(plane[:, None] - plane[None], axis=2)
    np.fill_diagonal(distance, np.inf)
    assert (found.state[distance.argmin(axis=1)] == found.state).all()
    again = state_map.embed(scores, state, "B", seed=3)
    np.testing.assert_array_equal(np.stack([again.x, again.y], axis=1), plane)


def test_embed__few_patients_are_laid_out_by_pca() -> None:
    scores, state = planted(state_map.FEWEST)
    found = state_map.embed(scores[:, :2], state, "B")
    assert (found.method, found.n_present) == ("PCA", state_map.FEWEST - 1)
    # Two components of two columns: distances are as they were.
    plane, kept = np.stack([found.x, found.y], axis=1), scores[1:, :2]
    before = np.linalg.norm(kept[:, None] - kept[None], axis=2)
    after = np.linalg.norm(plane[:, None] - plane[None], axis=2)
    np.testing.assert_allclose(after, before, atol=1e-4)


@pytest.mark.parametrize("n_patients", [0, 1, 2])
def test_embed__hardly_any_patients_are_no_reason_to_stop(n_patients: int) -> None:
    found = state_map.embed(np.ones((n_patients, 3)), np.zeros(n_patients, np.int8), "B")
    assert len(found.x) == n_patients
    assert "B" in drawn.words(state_figures.draw_states([found]))


def test_embed__many_patients_are_thinned_evenly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state_map, "MAX_POINTS", 11)
    scores = np.arange(101.0)[:, None]
    found = state_map.embed(scores, np.zeros(101, np.int8), "B")
    assert found.rows.tolist() == list(range(0, 101, 10))
    assert found.n_present == 101


def test_draw_states__types_without_structure_are_said_to_be() -> None:
    scores, state = planted(12)
    maps = [
        state_map.embed(scores, state, name, structured=structured)
        for name, structured in (("B", True), ("NK", False))
    ]
    figure = state_figures.draw_states(maps)
    words = drawn.words(figure)
    # Of 12 patients the first, in state 0, has no profile.
    assert "5 in state 0, 6 in state 1" in words
    assert "no structure, 11 patients" in words
    assert len({tuple(c) for c in figure.axes[1].collections[0].get_facecolor()}) == 1  # type: ignore[arg-type]
    assert len({tuple(c) for c in figure.axes[0].collections[0].get_facecolor()}) == 2  # type: ignore[arg-type]
    assert drawn.crowded(figure) == []
    assert drawn.cut(figure) == []
