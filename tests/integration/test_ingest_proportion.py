"""A table of proportions through the commands: taken in, inspected, exported, and told of."""

import json
import pathlib

import click.testing
import pytest

from bluebatch.cli import main

TABLE = """Mixture,cohort,B,NK,P-value
TARGET-20-PAAAAA-09A-01R,x,25,75,0
TARGET-20-PAAAAA-03A-01R,x,50,50,0
TCGA-AB-0001-03A,y,100,0,0
"""


def bluebatch(*arguments: object) -> click.testing.Result:
    return click.testing.CliRunner().invoke(main.main, [str(each) for each in arguments])


def told(*arguments: object) -> str:
    found = bluebatch(*arguments)
    assert found.exit_code == 1
    assert found.stderr.startswith("Error: ")
    assert found.stderr.count("\n") == 1
    return found.stderr


@pytest.fixture
def table(tmp_path: pathlib.Path) -> pathlib.Path:
    (tmp_path / "t.csv").write_text(TABLE)
    return tmp_path / "t.csv"


def test_ingest__proportions_go_in_and_come_out(
    tmp_path: pathlib.Path, table: pathlib.Path
) -> None:
    store = tmp_path / "c.zarr"
    taken = bluebatch("--json", "ingest", table, "--kind", "proportion", "--out", store)
    assert taken.exit_code == 0, taken.stderr
    summary = json.loads(taken.stdout)
    assert (summary["state"], summary["n_samples"], summary["n_cell_types"]) == ("new", 3, 2)
    assert "patients: 2; 1 samples are of a patient who has another" in summary["notes"]
    again = bluebatch("ingest", table, "--kind", "proportion", "--out", store)
    assert again.stdout.startswith(f"{store}: already complete, 3 samples x 2 cell types\n")
    seen = bluebatch("inspect", store)
    assert "c.zarr: composition, complete" in seen.stdout
    assert "proportion (sample, cell_type): 3 x 2 float32" in seen.stdout
    exported = bluebatch("export", store, "--what", "proportion", "--out", tmp_path / "p.csv")
    assert exported.exit_code == 0, exported.stderr
    lines = (tmp_path / "p.csv").read_text().splitlines()
    assert lines[1] == "TARGET-20-PAAAAA-09A-01R,0.25,0.75"
    whole = bluebatch("verify", store)
    assert whole.exit_code == 0, whole.stderr


def test_ingest__what_does_not_fit_is_told_in_a_line(
    tmp_path: pathlib.Path, table: pathlib.Path
) -> None:
    out = ("--out", tmp_path / "c.zarr")
    proportion = ("ingest", table, "--kind", "proportion", *out)
    assert "--unit: is of expression" in told(*proportion, "--unit", "TPM")
    assert "has no column 'id'" in told(*proportion, "--sample-column", "id")
    assert "--kind proportion" in told("ingest", table, *out, "--sample-column", "Mixture")
    table.write_text(TABLE.replace("75", "-75"))
    assert "row 'TARGET-20-PAAAAA-09A-01R', column 'NK' holds '-75'" in told(*proportion)
    assert [found.name for found in tmp_path.iterdir()] == ["t.csv"]
