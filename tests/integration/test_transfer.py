"""Frozen subtypes of one planted cohort, tested in another by way of stores and files."""

import dataclasses
import json
import pathlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
import zarr
from fsspec.implementations import memory
from unit.downstream import freezing, planted

from bluebatch import errors
from bluebatch.downstream import frozen, patterns, transfer, transfer_summary
from bluebatch.store import output_folders, places, schema, write

Array = npt.NDArray[Any]
PLAN = planted.Plan(n_patients=150, n_genes=40)


@dataclasses.dataclass(frozen=True)
class Paths:
    """One cohort on the disk."""

    results: pathlib.Path
    cohort: pathlib.Path
    clinical: pathlib.Path


def put(folder: pathlib.Path, cohort: planted.Planted) -> Paths:
    folder.mkdir()
    return Paths(
        planted.write_results(folder / "results.zarr", cohort),
        planted.write_cohort(folder / "cohort.zarr", cohort),
        planted.write_clinical(folder / "clinical.csv", cohort),
    )


@pytest.fixture(scope="module")
def discovery() -> freezing.Discovery:
    return freezing.discover(planted.draw(PLAN, seed=1))


@pytest.fixture(scope="module")
def subtypes(
    tmp_path_factory: pytest.TempPathFactory, discovery: freezing.Discovery
) -> pathlib.Path:
    folder = tmp_path_factory.mktemp("subtypes")
    frozen.write(folder / "model", discovery.model)
    return folder


@pytest.fixture(scope="module")
def second(tmp_path_factory: pytest.TempPathFactory) -> Paths:
    return put(tmp_path_factory.mktemp("second") / "cohort", planted.draw(PLAN, seed=2))


def run(
    subtypes: pathlib.Path, paths: Paths, out: pathlib.Path | str, **options: Any
) -> transfer_summary.Summary:
    given = {"clinical": paths.clinical, "cohort": paths.cohort, "n_permutations": 50, **options}
    return transfer.run(subtypes, paths.results, out, transfer.Options(**given))


def row_of(summary: transfer_summary.Summary, comparison: str) -> dict[Any, Any]:
    return next(row for row in summary.comparisons if row["comparison"] == comparison)


@pytest.fixture
def elsewhere() -> Iterator[str]:
    """A place that is no disk."""
    yield "memory://transfer"
    memory.MemoryFileSystem.store.clear()
    memory.MemoryFileSystem.pseudo_dirs[:] = [""]


def p_of(out: pathlib.Path, definition: str) -> float:
    table = pd.read_csv(out / "definitions.csv")
    return float(table["p_one_sided"][table["definition"] == definition].item())


BEST = "most favourable against the rest"
SIGNED = "favourable by signature against the rest"


def test_run__discovery_onto_itself_gives_its_own_states_groups_and_labels(
    tmp_path: pathlib.Path, subtypes: pathlib.Path, discovery: freezing.Discovery
) -> None:
    own = planted.draw(PLAN, seed=1)
    run(subtypes, put(tmp_path / "own", own), tmp_path / "out")
    states = pd.read_csv(tmp_path / "out" / "states.csv")
    assert states["patient"].tolist() == own.patients
    np.testing.assert_array_equal(states[discovery.model.cell_types], discovery.states)
    groups = pd.read_csv(tmp_path / "out" / "groups.csv")
    names = [patterns.NAMES[code] for code in discovery.groups.index]
    assert groups["group"].tolist() == names
    signature = pd.read_csv(tmp_path / "out" / "signature.csv")
    for name, each in discovery.model.signatures.items():
        expected = each.score(discovery.bulk, own.genes)
        np.testing.assert_allclose(signature[f"{name}_score"], expected.score, atol=1e-3)
        assert (signature[f"{name}_inside"] == expected.inside).mean() > 0.98
    # The z of the discovery comes again, so that p is one half of its p.
    table = pd.read_csv(tmp_path / "out" / "definitions.csv")
    tested = table["tested"]
    np.testing.assert_allclose(table["z"][tested], table["discovery_z"][tested], rtol=1e-4)
    np.testing.assert_allclose(
        table["p_one_sided"][tested], table["discovery_p"][tested] / 2, rtol=1e-3
    )


def test_run__planted_groups_replicate(
    tmp_path: pathlib.Path, subtypes: pathlib.Path, second: Paths
) -> None:
    summary = run(subtypes, second, tmp_path / "out")
    truth = planted.draw(PLAN, seed=2)
    states = pd.read_csv(tmp_path / "out" / "states.csv")
    for name, state in truth.state.items():
        assert (states[name] == state).mean() > 0.95
    assert p_of(tmp_path / "out", "Mono=1&T=1") < 1e-4
    assert summary.replication["n_replicated"] > 2 * summary.replication["expected"]
    assert summary.replication["p_count"] < 0.05
    assert row_of(summary, BEST)["p_one_sided"] < 1e-3
    assert row_of(summary, BEST)["high"] < 1
    assert row_of(summary, SIGNED)["p_one_sided"] < 0.05
    files = {file.name for file in (tmp_path / "out").iterdir()}
    written = ("patients", "states", "state_quality", "definitions", "groups", "signature")
    more = ("clusters", "tests", "survival", "comparisons", "components")
    tables = {f"{name}.csv" for name in (*written, *more)}
    assert files == {*tables, "transfer.json", "figures"}
    listed = pd.read_csv(tmp_path / "out" / "tests.csv")
    table = pd.read_csv(tmp_path / "out" / "definitions.csv")
    of_definitions = listed[listed["family"] == "definitions"]
    assert len(of_definitions) == table["p_one_sided"].notna().sum()
    compared = pd.read_csv(tmp_path / "out" / "comparisons.csv")
    others = compared["comparison"][compared[["p_one_sided", "p"]].notna().any(axis=1)]
    assert listed["comparison"][listed["family"] != "definitions"].tolist() == others.tolist()
    assert {BEST, SIGNED, "all clusters"} <= set(others)
    assert listed[["p_one_sided", "p"]].notna().sum(axis=1).eq(1).all()
    facts = json.loads((tmp_path / "out" / "transfer.json").read_text())
    assert facts["n_patients"] == PLAN.n_patients
    assert facts["replication"]["n_replicated"] == summary.replication["n_replicated"]
    text = summary.as_text()
    assert f"{PLAN.n_patients} patients" in text
    assert "expected by chance" in text


def test_run__reversed_effect_has_p_near_1(tmp_path: pathlib.Path, subtypes: pathlib.Path) -> None:
    harmful = dataclasses.replace(PLAN, hazard_ratio=4.0)
    paths = put(tmp_path / "turned", planted.draw(harmful, seed=2))
    summary = run(subtypes, paths, tmp_path / "out")
    assert p_of(tmp_path / "out", "Mono=1&T=1") > 0.999
    assert row_of(summary, BEST)["p_one_sided"] > 0.99
    assert row_of(summary, SIGNED)["p_one_sided"] > 0.95


def test_run__same_seed_same_files_and_order_of_genes_changes_nothing(
    tmp_path: pathlib.Path, subtypes: pathlib.Path, second: Paths
) -> None:
    run(subtypes, second, tmp_path / "one")
    drawn = planted.draw(PLAN, seed=2)
    order = np.random.default_rng(0).permutation(PLAN.n_genes)
    shuffled = dataclasses.replace(
        drawn,
        genes=[drawn.genes[at] for at in order],
        profile=drawn.profile[:, :, order],
        bulk=drawn.bulk[:, order],
    )
    run(subtypes, put(tmp_path / "shuffled", shuffled), tmp_path / "two")
    names = [file.name for file in (tmp_path / "one").iterdir() if file.suffix == ".csv"]
    assert len(names) == 11
    for name in names:
        assert (tmp_path / "two" / name).read_text() == (tmp_path / "one" / name).read_text()


def without(paths: Paths, folder: pathlib.Path, n_kept: int) -> Paths:
    """The cohort with profiles of its first genes alone."""
    folder.mkdir()
    drawn = planted.draw(PLAN, seed=2)
    fewer = dataclasses.replace(
        drawn, genes=drawn.genes[:n_kept], profile=drawn.profile[:, :, :n_kept]
    )
    return dataclasses.replace(paths, results=planted.write_results(folder / "r.zarr", fewer))


def test_run__lacking_genes_are_told_and_too_many_refused(
    tmp_path: pathlib.Path, subtypes: pathlib.Path, second: Paths
) -> None:
    summary = run(subtypes, without(second, tmp_path / "some", 28), tmp_path / "out")
    assert any("Mono: 28 of 40 frozen genes" in note for note in summary.notes)
    quality = pd.read_csv(tmp_path / "out" / "state_quality.csv")
    assert quality["coverage"].tolist() == [0.7, 0.7]
    assert row_of(summary, BEST)["p_one_sided"] < 0.01
    with pytest.raises(errors.LabelMismatchError, match="12 of the 40 frozen genes of Mono"):
        run(subtypes, without(second, tmp_path / "few", 12), tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_run__without_bulk_or_with_strata(
    tmp_path: pathlib.Path, subtypes: pathlib.Path, second: Paths
) -> None:
    summary = run(
        subtypes,
        second,
        tmp_path / "out",
        cohort=None,
        strata=("sex",),
        patient_from_sample="(.*)-s",
    )
    assert any("--cohort gives" in note for note in summary.notes)
    assert not (tmp_path / "out" / "signature.csv").exists()
    assert summary.stratified is not None
    assert summary.stratified["n_replicated"] > 0
    assert row_of(summary, BEST)["p_one_sided_stratified"] < 1e-3
    assert "within strata" in summary.as_text()


def test_run__covariates_stand_beside_what_replicates(
    tmp_path: pathlib.Path, subtypes: pathlib.Path, second: Paths
) -> None:
    summary = run(subtypes, second, tmp_path / "out", covariates=("age", "sex"))
    best = row_of(summary, BEST)
    # They say nothing of survival, so that the ratio stays about as it is.
    assert best["hazard_ratio_adjusted"] == pytest.approx(best["hazard_ratio"], rel=0.2)
    assert best["p_one_sided_adjusted"] < 1e-3
    table = pd.read_csv(tmp_path / "out" / "definitions.csv")
    again = table["replicated"]
    assert table["p_one_sided_adjusted"][again].notna().all()
    assert table["p_one_sided_adjusted"][~again].isna().all()
    gain = pd.read_csv(tmp_path / "out" / "concordance.csv")
    assert set(gain["cohort"]) == {"second cohort"}
    assert gain["c_index"][gain["model"] == "gain of groups"].item() > 0.02


def test_run__writes_to_a_url(elsewhere: str, subtypes: pathlib.Path, second: Paths) -> None:
    out = f"{elsewhere}/out"
    run(subtypes, second, out)
    with pytest.raises(errors.OutputExistsError, match="something stands there"):
        run(subtypes, second, out)
    run(subtypes, second, out, overwrite=True)
    facts = json.loads((places.place(out) / output_folders.TRANSFER_FILE).read_text())
    assert facts["n_patients"] == PLAN.n_patients
    frozen.write(f"{elsewhere}/model", frozen.read(subtypes))
    assert frozen.read(f"{elsewhere}/model").cell_types == ["Mono", "T"]


def test_run__left_out_patients_are_told(
    tmp_path: pathlib.Path, subtypes: pathlib.Path, second: Paths
) -> None:
    sex = pd.read_csv(second.clinical)["sex"]
    summary = run(subtypes, second, tmp_path / "out", leave_out={"sex": ("male",)})
    assert summary.n_patients == (sex == "female").sum()
    fates = pd.read_csv(tmp_path / "out" / "patients.csv")
    assert fates["fate"].str.contains("sex").sum() >= (sex == "male").sum()


def test_run__output_of_others_stays(
    tmp_path: pathlib.Path, subtypes: pathlib.Path, second: Paths
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "thesis.txt").write_text("mine")
    for overwrite, said in ((False, "something stands there"), (True, "removes no such folder")):
        with pytest.raises(errors.OutputExistsError, match=said):
            run(subtypes, second, out, overwrite=overwrite)
    assert (out / "thesis.txt").read_text() == "mine"
    (out / "thesis.txt").rename(out / output_folders.TRANSFER_FILE)
    run(subtypes, second, out, overwrite=True)
    assert json.loads((out / output_folders.TRANSFER_FILE).read_text())["n_patients"] == 150
    assert [file.name for file in tmp_path.iterdir()] == ["out"]


def test_whole_folder__what_fails_leaves_what_stood_there(tmp_path: pathlib.Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "old").write_text("old")

    def fail() -> None:
        with output_folders.whole_folder(out) as folder:
            (folder / "new").write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert [file.name for file in tmp_path.rglob("*")] == ["out", "old"]


def test_run__results_of_another_kind_or_type_are_refused(
    tmp_path: pathlib.Path, subtypes: pathlib.Path, second: Paths
) -> None:
    as_results = dataclasses.replace(second, results=second.cohort)
    with pytest.raises(errors.LabelMismatchError, match="is a cohort store, needed: a profile"):
        run(subtypes, as_results, tmp_path / "out", cohort=None)
    (tmp_path / "other").mkdir()
    drawn = planted.draw(PLAN, seed=2)
    renamed = dataclasses.replace(drawn, cell_types=["Mono", "B", "X", "NK"])
    other = planted.write_results(tmp_path / "other" / "r.zarr", renamed)
    with pytest.raises(errors.LabelMismatchError, match=r"lacks 1 of the 2 .* \(T\)"):
        run(subtypes, dataclasses.replace(second, results=other), tmp_path / "out")


def test_run__cuts_of_fractions_in_a_composition_store(tmp_path: pathlib.Path) -> None:
    first, drawn = planted.draw(PLAN, seed=1), planted.draw(PLAN, seed=2)
    types = ["Mono", "T", "B"]
    model = freezing.discover_fractions(first, types)
    frozen.write(tmp_path / "model", model)
    paths = put(tmp_path / "cohort", drawn)
    store = tmp_path / "composition.zarr"
    samples = [f"{name}-s" for name in drawn.patients]
    labels = {"sample": samples, "cell_type": drawn.cell_types}
    group: zarr.Group = write.create(
        store, schema.COMPOSITION, labels, {"origin": "proportion"}, leave_out=["patient"]
    )
    write.write_whole(group, "proportion", drawn.proportion)
    write.complete(group)
    # The patients are stated by the cohort store.
    found = run(tmp_path / "model", dataclasses.replace(paths, results=store), tmp_path / "out")
    assert found.replication["n_significant"] == 0
    assert "none to test again (0 were significant)" in found.as_text()
    assert any("the discovery has none" in note for note in found.notes)
    states = pd.read_csv(tmp_path / "out" / "states.csv")
    chosen = drawn.proportion.astype(np.float32).astype(float)[:, :3]
    chosen = chosen[:, [drawn.cell_types.index(name) for name in types]]
    shares = chosen / chosen.sum(axis=1, keepdims=True)
    np.testing.assert_array_equal(states[types], shares > np.array(list(model.cuts.values())))
