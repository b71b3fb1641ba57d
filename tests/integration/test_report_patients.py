"""Reports on groups of patients of a table of proportions and of bulk alone, by the commands."""

import pathlib

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result
from integration import browser

from bluebatch.cli import main

N_PATIENTS = 60
QUICK = """extends = "default"
[search]
n_permutations = 99
[groups]
n_permutations = 39
[states]
n_nulls = 19
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


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """Hold patients of whom those with many B cells die ten times as late."""
    folder = tmp_path_factory.mktemp("patients")
    rng = np.random.default_rng(5)
    names = [f"P{at:03d}" for at in range(N_PATIENTS)]
    many = np.arange(N_PATIENTS) % 2 == 0
    b = np.where(many, 0.6, 0.2) + rng.uniform(-0.1, 0.1, N_PATIENTS)
    nk = (1 - b) * rng.uniform(0.3, 0.7, N_PATIENTS)
    table = pd.DataFrame({"sample": names, "B": b, "NK": nk, "T": 1 - b - nk})
    table.to_csv(folder / "proportions.csv", index=False)
    times = rng.exponential(np.where(many, 3000, 300)) + 1
    clinical = {"patient": names, "time": times.round(1), "event": (times < 4000).astype(int)}
    clinical["age"] = rng.integers(30, 80, N_PATIENTS)
    pd.DataFrame(clinical).to_csv(folder / "clinical.csv", index=False)
    (folder / "quick.toml").write_text(QUICK)
    composition = folder / "composition.zarr"
    command(
        "ingest", folder / "proportions.csv", "--kind", "proportion", "--sample-column", "sample",
        "--out", composition,
    )  # fmt: skip
    command(
        "subtype", composition, "--clinical", folder / "clinical.csv", "--covariates", "age",
        "--config", folder / "quick.toml", "--out", folder / "subtypes",
    )  # fmt: skip
    return folder


def test_report__of_a_composition_and_its_groups(
    folder: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    page = tmp_path / "report.html"
    told = command(
        "report", folder / "composition.zarr", "--subtypes", folder / "subtypes", "--out", page
    )
    # Chosen by survival in these patients: not sound, however clear it is.
    assert "Take care with: groups of patients." in told
    files = {file.name for file in (tmp_path / "report_files").iterdir()}
    assert {"proportions.png", "patients_survival.svg", "patients_hazards.csv"} <= files
    assert {"patients_definitions.csv", "patients_clinical.csv", "samples.csv"} <= files
    assert not {"skill.png", "flags.png", "coverage.png"} & files
    text = page.read_text()
    assert "there is no figure of states, and no genes were compared" in text
    assert "Figures that" not in text
    for title in ("Clinical columns by group", "Clusters of patients by their proportions"):
        assert f"<h3>{title}</h3>" in text
    if browser.FOUND is not None:
        document, console = browser.dump(page, tmp_path / "profile")
        assert console == []
        assert 'data-ready="yes"' in document


def test_report__of_a_transfer_to_a_composition(
    folder: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    command(
        "transfer", folder / "subtypes", folder / "composition.zarr", "--clinical",
        folder / "clinical.csv", "--out", tmp_path / "second",
    )  # fmt: skip
    page = tmp_path / "report.html"
    told = command(
        "report", folder / "composition.zarr", "--subtypes", tmp_path / "second", "--out", page
    )
    # The same patients again, so that the frozen groups hold.
    assert "Looks sound: groups of patients." in told
    assert "nothing was refitted" in " ".join(page.read_text().split())


def test_report__of_a_cohort_alone_says_what_to_give(
    folder: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    genes = np.random.default_rng(1).poisson(50, (120, N_PATIENTS))
    names = [f"P{at:03d}" for at in range(N_PATIENTS)]
    rows = pd.DataFrame(genes, columns=names, index=[f"GENE{at}" for at in range(120)])
    rows.rename_axis("gene").to_csv(tmp_path / "bulk.csv")
    command("ingest", tmp_path / "bulk.csv", "--unit", "counts", "--out", tmp_path / "bulk.zarr")
    told = run("report", tmp_path / "bulk.zarr", "--out", tmp_path / "report.html")
    assert told.exit_code == 1
    assert len(told.stderr.strip().splitlines()) == 1
    assert "with it --subtypes. Give the folder that `bluebatch subtype` wrote" in told.stderr
    # The groups are of proportions, but of the same patients.
    told_twice = command(
        "report", tmp_path / "bulk.zarr", "--subtypes", folder / "subtypes", "--out",
        tmp_path / "report.html",
    )  # fmt: skip
    assert "Cannot be judged here: samples." in told_twice
    assert not (tmp_path / "report_files" / "proportions.png").exists()
