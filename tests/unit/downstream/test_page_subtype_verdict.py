"""What a report says groups of patients are worth, and which figures of theirs it lacks."""

import json
import pathlib
from typing import Any

import pandas as pd
import pytest
from unit.downstream import subtypes_folder

from bluebatch.downstream import page_content, page_subtype_images, page_subtype_verdict
from bluebatch.downstream.subtypes_found import Found, read

PNG = b"\x89PNG stands for a picture"


def found(folder: pathlib.Path) -> Found:
    made = read(folder)
    assert made is not None
    return made


def change(folder: pathlib.Path, name: str, **columns: Any) -> None:
    table = pd.read_csv(folder / f"{name}.csv")
    for column, values in columns.items():
        table[column] = values
    table.to_csv(folder / f"{name}.csv", index=False)


def judged(folder: pathlib.Path) -> page_content.Statement:
    return page_subtype_verdict.judge(found(folder))


def test_judge__groups_of_a_search_are_never_sound(tmp_path: pathlib.Path) -> None:
    said = judged(subtypes_folder.write_folder(tmp_path / "sub"))
    assert said.level == "careful"
    assert "chosen by survival in these same patients" in said.text
    assert (
        "outer groups: p 0.046; so many significant definitions: permutation p 0.030" in said.text
    )
    assert "C-index 0.61 (0.52 to 0.70)" in said.text


@pytest.mark.parametrize(
    ("name", "column", "value"), [("tests", "p_permutation", 0.2), ("branches", "c_index", 0.5)]
)
def test_judge__groups_that_chance_explains_are_poor(
    name: str, column: str, value: float, tmp_path: pathlib.Path
) -> None:
    folder = subtypes_folder.write_folder(tmp_path / "sub")
    change(folder, name, **{column: value})
    assert judged(folder).level == "poor"


def test_judge__no_groups_is_said(tmp_path: pathlib.Path) -> None:
    said = judged(subtypes_folder.write_folder(tmp_path / "sub", leave_out=["group"]))
    assert said.level == "poor"
    assert said.text.startswith("None: no definition was significant")


@pytest.mark.parametrize(
    ("p", "adjusted", "level"),
    [(0.01, None, "good"), (0.01, 0.02, "good"), (0.01, 0.3, "careful"), (0.2, 0.01, "poor")],
)
def test_judge__a_transfer_is_as_good_as_its_test(
    p: float, adjusted: float | None, level: str, tmp_path: pathlib.Path
) -> None:
    folder = subtypes_folder.write_transfer(tmp_path / "second")
    counted = {"n_tested": 39, "n_replicated": 11, "alpha": 0.05, "p_count": 0.041}
    (folder / "transfer.json").write_text(json.dumps({"replication": counted}))
    change(folder, "tests", p_one_sided=p, p_one_sided_adjusted=adjusted)
    said = judged(folder)
    assert said.level == level
    assert ("beside the covariates" in said.text) == (adjusted is not None)
    assert "Of 39 significant definitions that could be tested again, 11 replicate" in said.text


def test_judge__where_one_outer_group_is_empty_the_other_is_tested_against_the_rest(
    tmp_path: pathlib.Path,
) -> None:
    folder = subtypes_folder.write_transfer(tmp_path / "second")
    # The fixture's p of the most favourable against the rest is .9.
    change(folder, "tests", p_one_sided=[0.9, None])
    said = judged(folder)
    assert said.level == "poor"
    assert "Most favourable against the rest: one-sided p 0.90" in said.text


def test_judge__outer_groups_that_were_not_tested_are_not_known(tmp_path: pathlib.Path) -> None:
    folder = subtypes_folder.write_transfer(tmp_path / "second")
    (folder / "tests.csv").unlink()
    assert judged(folder).level == "unknown"


def test_notes__figures_that_should_be_there_are_missed(tmp_path: pathlib.Path) -> None:
    folder = subtypes_folder.write_folder(tmp_path / "sub")
    (folder / "differential").mkdir()
    said = page_subtype_images.notes(found(folder))
    assert len(said) == 1
    for name in ("states.png", "clinical.png", "reciprocal.png", "differential_....png"):
        assert f"(figures/{name})" in said[0]
    (folder / "figures").mkdir()
    for name in ("states", "clinical", "reciprocal", "differential_favourable"):
        (folder / "figures" / f"{name}.png").write_bytes(PNG)
    assert page_subtype_images.notes(found(folder)) == []
    titles = [title for title, _ in page_subtype_images.images(found(folder))]
    assert titles[0] == "States of each cell type"
    assert titles[-1] == "Genes of the favourable group"


def test_notes__of_proportions_no_figure_of_states_is_expected(tmp_path: pathlib.Path) -> None:
    lacking = ("state_quality", "reciprocal", "gene_sets", "clinical")
    folder = subtypes_folder.write_folder(tmp_path / "sub", leave_out=lacking)
    (folder / "summary.json").write_text(json.dumps({"branch": "proportions"}))
    made = found(folder)
    assert made.missing == ["clinical"]
    said = page_subtype_images.notes(made)
    assert said[0].startswith("The states are proportions, low (0) or high (1)")
    assert said[1].endswith("lacks: the clusters of proportions (figures/clusters.png).")


def test_images__of_a_transfer_are_those_that_the_page_does_not_draw(
    tmp_path: pathlib.Path,
) -> None:
    folder = subtypes_folder.write_transfer(tmp_path / "second")
    (folder / "figures").mkdir()
    for name in ("survival", "replication", "clusters_of_proportions"):
        (folder / "figures" / f"{name}.png").write_bytes(PNG)
    assert page_subtype_images.images(found(folder)) == [
        ("Survival by clusters of proportions, frozen beforehand", PNG)
    ]
    assert page_subtype_images.notes(found(folder)) == []
