"""Parts of a report: tables, flags, profiles read by blocks, and what it says can be trusted."""

import csv
import pathlib

import matplotlib as mpl
import numpy as np
import pytest
from unit.downstream import reported

from bluebatch.downstream import (
    figures,
    page_content,
    page_facts,
    page_figures,
    page_flags,
    page_groups,
    page_heatmaps,
    page_profiles,
    page_render,
    page_verdict,
)
from bluebatch.store import read


def facts(path: pathlib.Path, n_samples: int = 6, **how: object) -> page_facts.Facts:
    reported.write_results(path, n_samples, **how)  # type: ignore[arg-type]
    return page_facts.collect(path)


def levels(found: page_facts.Facts) -> dict[str, str]:
    statements = page_verdict.judge(found, page_flags.find(found), {})
    return {each.subject: each.level for each in statements}


def test_cells__gaps_numbers_and_words_are_told_apart() -> None:
    columns = ["word", "share (%)", "part", "number", "gap", "nan"]
    row: page_content.Row = ["<b>", 12.6, 0.12345, 20000, None, float("nan")]
    table = page_content.Table("t", "T", columns, [row])
    cells = table.cells()[0]
    assert [cell.text for cell in cells] == ["<b>", "13", "0.123", "20,000", "-", "-"]
    assert [cell.key for cell in cells] == ["<b>", "12.6", "0.12345", "20000", "", ""]
    assert [cell.is_number for cell in cells] == [False, True, True, True, True, True]


def test_write_csv__comes_back(tmp_path: pathlib.Path) -> None:
    rows = [('a,"b"\n', 0.1, None), ("µ", float("nan"), True)]
    page_content.write_csv(tmp_path / "t.csv", ["x", "y", "z"], rows)
    with (tmp_path / "t.csv").open(newline="", encoding="utf-8") as file:
        assert list(csv.reader(file)) == [
            ["x", "y", "z"], ['a,"b"\n', "0.1", ""], ["µ", "", "yes"],
        ]  # fmt: skip


def test_set_code__a_user_cannot_close_a_tag() -> None:
    assert page_render.set_code("`<i>` & `") == "`&lt;i&gt;` &amp; `"
    assert page_render.set_code("`</code><b>`") == "<code>&lt;/code&gt;&lt;b&gt;</code>"


def test_set_parts__a_definition_breaks_between_its_states() -> None:
    made = page_render.set_parts("B-like=0&<T>=1")
    assert made.split("<wbr>") == [
        '<span class="part">B-like=0&amp;</span>', '<span class="part">&lt;T&gt;=1</span>',
    ]  # fmt: skip
    long = "a text & more than a line of words that may break anywhere"
    assert page_render.set_parts(long) == long.replace("&", "&amp;")


def test_write__a_picture_made_for_print_is_shown_as_large_as_the_others(
    tmp_path: pathlib.Path,
) -> None:
    with mpl.rc_context(figures.STYLE):
        drawn = figures.new_figure(5, 2)
        drawn.subplots()
    section = page_content.Section("s", "S", images=[("I", figures.render(drawn, "png", 300))])
    page = page_render.Page("t", "s", "v", "", "f", [], [], [section])
    page_render.write(page, tmp_path / "p.html", tmp_path / "p")
    # Five inches of 108 dots each.
    assert 'width="540" height="216"' in (tmp_path / "p.html").read_text()


def test_find__a_limit_itself_is_not_beyond(tmp_path: pathlib.Path) -> None:
    changed = {
        "domain_distance": np.array([0.5, 1.0, 1.5, np.nan]),
        "reconstruction_error": np.array([0.4, 0.6, 0.7, 0.5]),
    }
    flags = page_flags.find(facts(tmp_path / "r.zarr", 4, changed=changed))
    assert flags.any(4).tolist() == [False, True, True, False]
    assert flags.of_sample(2) == "domain distance, reconstruction error"
    assert flags.of_sample(1) == "reconstruction error"
    assert flags.absent == []


@pytest.mark.parametrize(
    ("expected", "level"), [(0.01, "careful"), (0.05, "good"), (float("nan"), "careful")]
)
def test_judge__flags_that_chance_explains_are_no_worry(
    tmp_path: pathlib.Path, expected: float, level: str
) -> None:
    # One of twenty is flagged: .05, of which so much is expected.
    distance = np.where(np.arange(20) == 7, 1.5, 0.5)
    stated = {"domain_distance": {"limit": 1.0, "expected": expected}}
    if np.isnan(expected):
        del stated["domain_distance"]["expected"]
    attributes = {**reported.ATTRIBUTES, "flag_limits": stated}
    changed = {"domain_distance": distance}
    found = facts(tmp_path / "r.zarr", 20, changed=changed, attributes=attributes)
    assert levels(found)["samples"] == level
    statements = page_verdict.judge(found, page_flags.find(found), {})
    assert "1 of 20" in statements[1].text
    assert ("by chance" in statements[1].text) == (not np.isnan(expected))


def test_find__without_limits_nothing_is_flagged(tmp_path: pathlib.Path) -> None:
    flags = page_flags.find(facts(tmp_path / "r.zarr", attributes={}))
    assert not flags.beyond
    assert flags.absent == ["domain_distance", "missing_type", "reconstruction_error"]


def test_bars__sort_within_groups_and_keep_every_sample() -> None:
    proportion = np.array([[0.1, 0.9], [0.8, 0.2], [0.3, 0.7], [0.6, 0.4]])
    groups = page_groups.Groups("g", ["x", "y"], np.array([0, 1, 0, 1]), [], [])
    bars = page_figures._bars(proportion, groups, 0)
    assert [(group, rows.tolist()) for group, rows in bars] == [
        (0, [2]),
        (0, [0]),
        (1, [1]),
        (1, [3]),
    ]
    many = np.linspace(0, 1, 20_000)[:, None]
    bars = page_figures._bars(many, page_groups.one_group(20_000), 0)
    assert len(bars) == page_figures.MAX_BARS
    assert {len(rows) for _, rows in bars} == {50}
    joined = np.concatenate([rows for _, rows in bars])
    assert joined.tolist() == list(range(20_000))[::-1]


def test_collect__reads_markers_of_the_rows_it_names(tmp_path: pathlib.Path) -> None:
    found = facts(tmp_path / "r.zarr", 700)
    profiles = page_profiles.collect(found, page_groups.one_group(700))
    # No model names markers: those of each type are the four genes that stand above the rest.
    assert {name: sorted(genes) for name, genes in profiles.markers.items()} == {
        "B": ["g0", "g1", "g2", "g3"],
        "Mono": ["g4", "g5", "g6", "g7"],
        "NK": ["g10", "g11", "g8", "g9"],
    }
    # The mean of 7 + i / 100 over 0 to 699, and of 1 + i / 100 for the others.
    assert profiles.mean[1, [4, 0]] == pytest.approx([10.495, 4.495], rel=1e-6)
    for shown in profiles.types:
        assert len(shown.rows) == page_profiles.MAX_SAMPLES
        expected = 7 + 0.01 * shown.rows[:, None] + np.zeros(4)
        np.testing.assert_allclose(shown.values, expected, rtol=1e-6)
        at = found.cell_types.index(shown.cell_type)
        assert (np.diff(found.proportion[shown.rows, at]) >= 0).all()


def test_collect__a_large_store_is_read_in_part(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = facts(tmp_path / "r.zarr", 256 * 20)
    sizes = []

    def counting(facts: page_facts.Facts, rows: slice, index: int) -> page_profiles.Array:
        sizes.append((rows.start, rows.stop - rows.start))
        return np.zeros((rows.stop - rows.start, len(facts.genes)), np.float32)

    monkeypatch.setattr(page_profiles, "_read", counting)
    profiles = page_profiles.collect(found, page_groups.one_group(256 * 20))
    assert profiles.n_read == 8 * 256
    assert max(size for _, size in sizes) == 256
    assert len({start for start, _ in sizes}) == 8


def test_specific__is_the_lead_over_the_best_other_type() -> None:
    mean = np.array([[5.0, 1.0], [3.0, np.nan], [4.0, 2.0]])
    expected = [[1.0, -1.0], [-2.0, np.nan], [-1.0, 1.0]]
    np.testing.assert_array_equal(page_profiles.specific(mean), expected)
    assert np.isnan(page_profiles.specific(mean[:1])).all()


def test_shares__count_gaps_as_not_predictable() -> None:
    skill = np.array([[0.5, 0.2, np.nan, -1.0], [np.nan] * 4])
    np.testing.assert_array_equal(page_heatmaps.shares(skill, 0.1), [0.5, np.nan])


def test_judge__each_statement_follows_its_numbers(tmp_path: pathlib.Path) -> None:
    found = facts(tmp_path / "r.zarr")
    statements = {s.subject: s for s in page_verdict.judge(found, page_flags.find(found), {})}
    assert "80%" in statements["genes"].text
    assert "4 of 20" in statements["genes"].text
    text = statements["samples"].text
    assert "1 of 6 samples are flagged: 1 unlike the training samples, 0 may hold" in text
    # Intervals are .1 wide for B and .3 for NK; where the fraction is .2 nothing is cut off.
    assert "0.100 for B and 0.300 for NK" in statements["proportions"].text
    assert "90% interval" in statements["proportions"].text
    # Skill is .1 higher in Mono (7 of 12 genes above .1) and .5 lower in NK (none).
    assert "58% of the genes in Mono and for 0% in NK" in statements["profiles"].text
    assert "Hardly any gene can be compared in NK." in statements["profiles"].text
    assert {subject: each.level for subject, each in statements.items()} == {
        "genes": "careful", "samples": "poor", "proportions": "poor", "profiles": "poor",
    }  # fmt: skip
    summary = page_verdict.sum_up(list(statements.values()))
    assert summary == "Do not rely on: samples, proportions, profiles. Take care with: genes."


def test_judge__good_numbers_are_called_good(tmp_path: pathlib.Path) -> None:
    proportion = reported.values(6)["proportion"]
    changed = {
        "gene_coverage": np.full(6, 0.95),
        "domain_distance": np.full(6, 0.5),
        "proportion_high": proportion + 0.02,
        "proportion_low": proportion - 0.02,
        "skill": np.full((3, 12), 0.5),
    }
    assert levels(facts(tmp_path / "r.zarr", changed=changed)) == dict.fromkeys(
        ("genes", "samples", "proportions", "profiles"), "good"
    )


def test_judge__skill_is_doubted_where_most_samples_are_unlike_the_training(
    tmp_path: pathlib.Path,
) -> None:
    skill = np.full((3, 12), 0.5)
    for n_beyond, level in ((3, "good"), (4, "careful")):
        distance = np.where(np.arange(6) < n_beyond, 1.5, 0.5)
        changed = {"skill": skill, "domain_distance": distance}
        assert levels(facts(tmp_path / f"{n_beyond}.zarr", changed=changed))["profiles"] == level


def test_judge__what_is_not_there_cannot_be_judged(tmp_path: pathlib.Path) -> None:
    found = facts(tmp_path / "r.zarr", leave_out=reported.EVERY, attributes={})
    assert levels(found) == {
        "genes": "careful", "samples": "unknown", "proportions": "unknown", "profiles": "unknown",
    }  # fmt: skip


def test_judge__rare_types_and_poor_agreement_are_told(tmp_path: pathlib.Path) -> None:
    proportion = np.tile([0.5, 0.497, 0.003], (6, 1))
    found = facts(tmp_path / "r.zarr", changed={"proportion": proportion})
    scores = {
        "n_samples": 12,
        "proportion": {
            "model": {"mean_of_types": {"ccc": 0.3}, "flattened": {"ccc": 0.7}},
            "constant": {"flattened": {"ccc": 0.66}},
        },
        "intervals": {"level": 0.9, "mean_of_types": {"coverage": 0.8, "width": 0.1}},
    }
    statements = {s.subject: s for s in page_verdict.judge(found, page_flags.find(found), scores)}
    assert "NK (0%)" in statements["rare types"].text
    truth = statements["agreement with the truth"]
    assert truth.level == "poor"
    held = statements["intervals against the truth"]
    assert held.level == "careful"
    assert "90% intervals hold the truth given in 80% of cases" in held.text
    assert all(number in truth.text for number in ("12 samples", "0.30", "0.70", "0.66"))


def test_collect__another_cohort_than_the_results_were_made_from_is_noticed(
    tmp_path: pathlib.Path,
) -> None:
    cohort = reported.write_cohort(tmp_path / "cohort.zarr")
    attributes = {**reported.ATTRIBUTES, "cohort_digest": "of another"}
    reported.write_results(tmp_path / "r.zarr", attributes=attributes)
    found = page_facts.collect(tmp_path / "r.zarr", cohort=cohort)
    assert found.notes == ["cohort.zarr is not, or no longer, what the results were made from"]
    assert levels(found)["inputs"] == "careful"


def test_marker_coverage__what_the_store_says_comes_first(tmp_path: pathlib.Path) -> None:
    cohort = read.open_store(reported.write_cohort(tmp_path / "cohort.zarr"))
    model = reported.write_model(tmp_path / "model")
    stored = {"marker_coverage": {"B": 0.25, "Mono": 1.0, "NK": 1.0}}
    reported.write_results(tmp_path / "r.zarr", attributes=stored)
    found = page_facts.collect(tmp_path / "r.zarr", model, cohort.path)
    assert found.marker_coverage() == stored["marker_coverage"]
