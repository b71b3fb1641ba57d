"""Subtypes of patients whose planted states drive survival, from the command to xarray."""

import json
import pathlib
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from click.testing import CliRunner, Result
from sklearn.metrics import adjusted_rand_score
from unit.downstream import planted

from bluebatch.cli import main
from bluebatch.downstream import frozen
from bluebatch.store import schema, write

PLAN = planted.Plan(n_patients=180, hazard_ratio=0.2)
# Enough permutations for a p of .01, and few enough to be quick.
QUICK = """extends = "default"
[search]
n_permutations = 199
[groups]
n_permutations = 99
[states]
n_nulls = 99
n_resamples = 5
[out_of_fold]
n_repeats = 1
"""


def run(*words: object) -> Result:
    return CliRunner().invoke(main.main, [*map(str, words), "--quiet"])


def command(*words: object) -> str:
    told = run(*words)
    assert told.exit_code == 0, told.output
    return told.stdout


def refused(*words: object) -> str:
    told = run(*words)
    assert told.exit_code == 1, told.output
    lines = told.stderr.strip().splitlines()
    assert len(lines) == 1, told.stderr
    return lines[0]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    folder = tmp_path_factory.mktemp("patients")
    drawn = planted.draw(PLAN, seed=3)
    planted.write_results(folder / "results.zarr", drawn)
    planted.write_cohort(folder / "cohort.zarr", drawn)
    planted.write_clinical(folder / "clinical.csv", drawn)
    labels = {"sample": drawn.patients, "cell_type": drawn.cell_types}
    composition = write.create(
        folder / "composition.zarr", schema.COMPOSITION, labels, {}, leave_out=("patient",)
    )
    write.write_whole(composition, "proportion", drawn.proportion)
    write.complete(composition)
    (folder / "quick.toml").write_text(QUICK)
    sets = [f"SET{at}\tnone\t" + "\t".join(drawn.genes[at * 12 : at * 12 + 12]) for at in range(5)]
    (folder / "sets.gmt").write_text("\n".join(sets) + "\n")
    return folder


def subtype(folder: pathlib.Path, results: str, out: str, *words: object) -> str:
    flags = ["--clinical", folder / "clinical.csv", "--config", folder / "quick.toml"]
    return command("subtype", folder / results, "--out", folder / out, *flags, *words)


@pytest.fixture(scope="module")
def done(folder: pathlib.Path) -> pathlib.Path:
    flags = ["--covariates", "age,sex", "--gene-sets", folder / "sets.gmt"]
    subtype(folder, "results.zarr", "subtypes", "--cohort", folder / "cohort.zarr", *flags)
    return folder / "subtypes"


# Any: what is in a table is the test's own to know.
def table(done: pathlib.Path, name: str) -> Any:
    return pd.read_csv(done / f"{name}.csv")


def test_subtype__finds_the_planted_states_and_no_others(done: pathlib.Path) -> None:
    quality = table(done, "state_quality")
    plain = quality[quality["branch"] == "profiles"].set_index("cell_type")["verdict"]
    assert plain.to_dict() == {
        "Mono": "two states",
        "T": "two states",
        "B": "no structure",
        "NK": "no structure",
    }
    drawn = planted.draw(PLAN, seed=3)
    found = table(done, "states")
    for name, truth in drawn.state.items():
        assert adjusted_rand_score(truth, found[name]) >= 0.9


def test_subtype__the_planted_definition_leads_with_its_hazard_ratio(done: pathlib.Path) -> None:
    drawn, states = planted.draw(PLAN, seed=3), table(done, "states")
    label = "&".join(
        f"{name}={states[name][truth].mode().item()}" for name, truth in drawn.state.items()
    )
    best = table(done, "definitions").sort_values("p").iloc[0]
    assert best["definition"] == label
    assert best["hazard_low"] < PLAN.hazard_ratio < best["hazard_high"]
    assert best["p"] < best["q"] < 1e-4
    # The smallest p that 199 permutations can give.
    assert best["p_max_t"] == 1 / 200


def test_subtype__three_groups_follow_the_planted_one(done: pathlib.Path) -> None:
    groups = table(done, "groups")
    inside = planted.draw(PLAN, seed=3).inside
    favourable = groups["group"] == "most favourable"
    assert (favourable == inside).mean() > 0.95
    hazards = table(done, "hazards")
    assert set(hazards["model"]) == {"univariable", "adjusted"}
    assert {"age", "sex=male"} <= set(hazards["term"]) | {"sex=female", "sex=male"}
    clinical = table(done, "clinical").set_index("column")
    # The stage was drawn from a state that makes the group; age and sex were not.
    assert clinical.loc["stage", "q"] < 0.001 < clinical.loc["sex", "q"]


def test_subtype__profiles_stand_beside_simpler_ways(done: pathlib.Path) -> None:
    branches = table(done, "branches").set_index("branch")
    assert list(branches.index) == [
        "profiles",
        "profiles beyond proportions",
        "profiles at like proportions",
        "proportions",
        "bulk",
        "clusters of proportions",
    ]
    # Proportions were drawn apart from survival.
    assert branches.loc["profiles", "p_count"] == 1 / 200
    assert branches.loc["proportions", "p_count"] > 0.01
    assert branches.loc["profiles", "c_low"] > 0.5


def test_subtype__opens_with_plain_xarray(done: pathlib.Path) -> None:
    found = xr.open_zarr(done / "subtypes.zarr")
    definitions = table(done, "definitions").set_index("definition")
    label = definitions["p"].idxmin()
    inside = found["member"].sel(definition=label).to_pandas()
    assert (inside == 1).sum() == definitions.loc[label, "n_in"]
    np.testing.assert_allclose(found["p"], definitions["p"])
    states = table(done, "states").set_index("patient")["NK"]
    lacking = found["state"].sel(cell_type="NK").to_pandas() == -1
    assert lacking.sum() == (states == "absent").sum() > 0
    group = found["group"].to_pandas().map(dict(enumerate(("best", "between", "worst"))))
    assert (group == "best").sum() == (table(done, "groups")["group"] == "most favourable").sum()


def test_subtype__lists_every_test_and_what_it_is_worth(done: pathlib.Path) -> None:
    tests = table(done, "tests")
    assert tests["worth"].notna().all()
    searched = tests[tests["family"] == "search: profiles"]
    assert len(searched) == table(done, "definitions")["tested"].sum()
    assert searched["p_permutation"].notna().all()
    groups = tests[tests["family"] == "groups"]
    assert "permutation of the whole procedure" in set(groups["worth"])


def test_subtype__compares_expression_and_calls_it_descriptive(done: pathlib.Path) -> None:
    for name in ("Mono", "T", "B", "NK"):
        genes = pd.read_csv(done / "differential" / f"{name}.csv")
        assert set(genes["kind"]) == {"descriptive"}
    reciprocal = table(done, "reciprocal")
    assert set(reciprocal["cell_type"]) <= {"Mono", "T"}
    assert set(table(done, "gene_sets")["set"]) <= {f"SET{at}" for at in range(5)}


def test_subtype__draws_every_figure_in_three_forms(done: pathlib.Path) -> None:
    names = {file.stem for file in (done / "figures").iterdir()}
    assert names >= {"survival", "hazards", "definitions", "search", "branches", "states"}
    for name in names:
        forms = {file.suffix for file in (done / "figures").glob(f"{name}.*")}
        assert forms == {".png", ".svg", ".pdf"}


def test_subtype__freezes_what_a_second_cohort_needs_and_names_nobody(done: pathlib.Path) -> None:
    model = frozen.read(done)
    assert model.cell_types == ["Mono", "T"]
    assert set(model.signatures) <= {"favourable", "unfavourable"}
    assert "favourable" in model.signatures
    for file in (done / "model").iterdir():
        assert b"P0001" not in file.read_bytes()


def test_subtype__same_seed_same_files(folder: pathlib.Path, done: pathlib.Path) -> None:
    flags = ["--covariates", "age,sex", "--gene-sets", folder / "sets.gmt"]
    subtype(folder, "results.zarr", "again", "--cohort", folder / "cohort.zarr", *flags)
    for file in [*done.glob("*.csv"), *done.glob("model/*"), *done.glob("figures/*")]:
        again = folder / "again" / file.relative_to(done)
        assert again.read_bytes() == file.read_bytes(), file.name


def test_subtype__a_cohort_store_is_its_own_profile(folder: pathlib.Path) -> None:
    said = subtype(folder, "cohort.zarr", "bulk", "--json")
    found = json.loads(said)
    assert found["branch"] == "bulk"
    assert [row["branch"] for row in found["branches"]] == ["bulk"]
    assert found["n_definitions"] == 1


def test_subtype__a_composition_store_has_proportions_alone(folder: pathlib.Path) -> None:
    found = json.loads(subtype(folder, "composition.zarr", "parts", "--json"))
    assert found["branch"] == "proportions"
    names = [row["branch"] for row in found["branches"]]
    assert names == ["proportions", "clusters of proportions"]
    # Four types: 3^4 - 1 - 4 logical definitions.
    assert found["n_definitions"] == 76
    assert not (folder / "parts" / "differential").exists()


def test_subtype__chosen_types_alone_are_searched(folder: pathlib.Path) -> None:
    words = ["--cell-types", "T,Mono", "--json"]
    found = json.loads(subtype(folder, "composition.zarr", "two", *words))
    assert found["cell_types"] == ["T", "Mono"]
    # Two fractions of a sum of 1 are each other's complement, and their cuts too.
    assert found["n_definitions"] == 3**2 - 1 - 2


def test_subtype__what_stands_there_is_kept(folder: pathlib.Path, done: pathlib.Path) -> None:
    before = (done / "summary.json").read_bytes()
    words = ["--clinical", folder / "clinical.csv", "--out", done]
    assert "Choose another --out" in refused("subtype", folder / "results.zarr", *words)
    other = folder / "mine"
    other.mkdir()
    (other / "thesis.txt").write_text("years of work")
    words[-1] = other
    refused("subtype", folder / "results.zarr", *words, "--overwrite")
    assert (other / "thesis.txt").exists()
    assert (done / "summary.json").read_bytes() == before


def test_subtype__wrong_words_are_told_in_one_line(folder: pathlib.Path) -> None:
    results, out = folder / "results.zarr", folder / "never"
    cohort = ["--cohort", folder / "cohort.zarr", "--out", out]
    words = ["subtype", results, "--clinical", folder / "clinical.csv", *cohort]
    assert "has no cell type 'Tcell'" in refused(*words, "--cell-types", "Tcell")
    assert "grade" in refused(*words, "--covariates", "grade")
    assert "grade" in refused(*words, "--strata", "grade")
    assert "stage" in refused(*words, "--leave-out", "stage=nowhere")
    missing = ["subtype", results, "--clinical", folder / "none.csv", *cohort]
    assert "no such file" in refused(*missing)
    assert not out.exists()


def test_subtype__no_type_with_two_states_is_told(folder: pathlib.Path) -> None:
    words = ["subtype", folder / "results.zarr", "--clinical", folder / "clinical.csv"]
    words += ["--cohort", folder / "cohort.zarr"]
    words += ["--out", folder / "never", "--cell-types", "B,NK", "--config", folder / "quick.toml"]
    message = refused(*words)
    assert "no cell type has two states" in message
    assert "no structure" in message
    assert not (folder / "never").exists()
