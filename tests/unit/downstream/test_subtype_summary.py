import dataclasses
import json
import pathlib

import pytest
from unit.downstream import discovered, planted

from bluebatch.downstream import search, subtype_summary, subtype_tables


def summarise(case: discovered.Case, alpha: float = 0.05) -> subtype_summary.Summary:
    tables = subtype_tables.build(case.found, case.cohort)
    return subtype_summary.Summary(
        "out", case.cohort, case.found, tables, 7, alpha, ["something to be known"]
    )


def test_as_dict__is_json_without_gaps_that_json_lacks(case: discovered.Case) -> None:
    content = summarise(case).as_dict()
    again = json.loads(json.dumps(content, allow_nan=False))
    assert again == content
    assert content["n_patients"] == 150
    assert content["n_events"] == case.drawn.event.sum()
    assert sum(content["groups"].values()) == 150
    assert content["two_states"] == case.found.main.two_state
    assert content["n_tested"] == case.found.search.table["p"].notna().sum()
    assert [row["branch"] for row in content["branches"]][-1] == "clusters of proportions"
    # What was not measured is null, not NaN.
    assert content["branches"][-1]["c_index"] is None
    assert content["alpha"] == 0.05


def test_as_text__tells_states_search_branches_and_groups(case: discovered.Case) -> None:
    text = summarise(case).as_text()
    lines = text.splitlines()
    searched = case.found.search
    assert lines[0] == f"out: 150 patients, {case.drawn.event.sum()} events, 7 figures"
    assert f"{searched.n_tested} of {len(searched.definitions)} definitions tested" in text
    best = searched.table.sort_values("p")["definition"].iloc[0]
    assert any(line.lstrip().startswith(best) for line in lines)
    assert sum("two states" in line for line in lines) >= 2
    assert "most favourable" in text
    assert lines[-1] == "note: something to be known"


def test_as_text__the_level_is_the_one_that_was_asked_for(case: discovered.Case) -> None:
    text = summarise(case, alpha=0.2).as_text()
    assert "with q below .2," in text
    assert "q < .2 " in text
    assert "below .05" not in text
    assert "< .05" not in text


def test_as_text__without_groups_it_says_so(tmp_path: pathlib.Path) -> None:
    drawn = planted.draw(dataclasses.replace(discovered.PLAN, n_patients=60), 4)
    cohort = discovered.open_fractions(tmp_path, drawn)
    settings = discovered.SETTINGS.model_copy(
        update={"search": search.SearchSettings(n_permutations=0, min_group=31)}
    )
    found = discovered.search_of(discovered.known_branch(drawn), cohort, settings)
    summary = summarise(discovered.Case(drawn, cohort, found))
    assert "0 of 6 definitions tested (at least 31 patients on both sides)" in summary.as_text()
    assert "no groups: no definition is significant" in summary.as_text()
    content = summary.as_dict()
    json.dumps(content, allow_nan=False)
    assert content["groups"] is None
    assert content["p_count"] is None


@pytest.mark.parametrize(
    ("value", "words"), [(None, "-"), (float("nan"), "-"), (0.0312, "0.031"), (1e-5, "1e-05")]
)
def test_p__is_short(value: float | None, words: str) -> None:
    assert subtype_summary._p(value) == words
