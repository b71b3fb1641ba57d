"""Bad input at the command line: one line, an exit code, nothing half-written as if whole."""

import pathlib
import signal
import subprocess
import sys
import time

import anndata
import click.testing
import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import zarr

from bluebatch.cli import main
from bluebatch.store import read


def run(*arguments: object) -> click.testing.Result:
    return click.testing.CliRunner().invoke(main.main, [*map(str, arguments), "--quiet"])


def refused(*arguments: object, code: int = 1) -> str:
    done = run(*arguments)
    assert done.exit_code == code, done.stderr
    assert done.stdout == ""
    lines = [line for line in done.stderr.splitlines() if line.startswith("Error: ")]
    assert len(lines) == 1
    assert "Traceback" not in done.stderr
    return lines[0]


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    rng = np.random.default_rng(0)
    counts = rng.poisson(2.0, size=(120, 60)).astype(np.float32)
    counts[:60, :10] += 5
    obs = pd.DataFrame({"cell_type": ["A"] * 60 + ["B"] * 60}, index=[f"c{i}" for i in range(120)])
    var = pd.DataFrame(index=[f"G{i}" for i in range(60)])
    path = tmp_path_factory.mktemp("reference") / "cells.h5ad"
    anndata.AnnData(scipy.sparse.csr_matrix(counts), obs=obs, var=var).write_h5ad(path)
    return path


def test_simulate__a_good_reference(reference: pathlib.Path, tmp_path: pathlib.Path) -> None:
    out = tmp_path / "out.zarr"
    done = run("simulate", "--reference", reference, "--n-samples", 20, "--out", out)
    assert done.exit_code == 0, done.stderr
    assert read.open_store(out, "pseudobulk").n_rows == 20


def test_simulate__key_that_is_not_there_lists_those_that_are(
    reference: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    out = tmp_path / "out.zarr"
    message = refused(
        "simulate", "--reference", reference, "--cell-type-key", "label", "--out", out
    )
    assert "cell_type" in message
    assert not out.exists()


def test_simulate__reference_that_is_not_there(tmp_path: pathlib.Path) -> None:
    message = refused("simulate", "--reference", tmp_path / "no.h5ad", "--out", tmp_path / "o.zarr")
    assert "no.h5ad" in message


def test_simulate__flag_out_of_range_is_named(tmp_path: pathlib.Path) -> None:
    message = refused("simulate", "--n-samples", 0, "--out", tmp_path / "o.zarr")
    assert "the command line: [simulation] n_samples: found 0" in message


def test_simulate__something_else_at_the_output(
    reference: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    out = tmp_path / "out.zarr"
    zarr.create_group(str(out))
    arguments = ("simulate", "--reference", reference, "--n-samples", 20, "--out", out)
    assert "--overwrite" in refused(*arguments)
    assert run(*arguments, "--overwrite").exit_code == 0


def test_ingest__a_table_with_text(tmp_path: pathlib.Path) -> None:
    table = tmp_path / "bulk.csv"
    table.write_text("gene,S1,S2\nCD19,1,2\nCD3E,many,4\n")
    out = tmp_path / "cohort.zarr"
    assert "bulk.csv" in refused("ingest", table, "--out", out)
    assert not out.exists()
    table.write_text("gene,S1,S2\nCD19,10,20\nCD3E,300,4\n")
    assert run("ingest", table, "--out", out, "--unit", "counts").exit_code == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ("train", "no.zarr", "--out", "model"),
        ("infer", "no.zarr", "--model", "model", "--out", "results.zarr"),
        ("evaluate", "no.zarr", "--truth", "no.csv"),
        ("export", "no.zarr", "--out", "part.csv"),
        ("inspect", "no.zarr"),
        ("config", "check", "no.toml"),
    ],
    ids=lambda arguments: arguments[0],
)
def test_commands__input_that_is_not_there(arguments: tuple[str, ...]) -> None:
    assert refused(*arguments)


def test_commands__missing_option_is_usage() -> None:
    assert run("train", "store.zarr").exit_code == 2


def test_simulate__sigterm_stops_with_3_and_the_same_command_goes_on(
    tmp_path: pathlib.Path,
) -> None:
    out = tmp_path / "out.zarr"
    arguments = ["simulate", "--n-samples", "40000", "--out", str(out)]
    command = [sys.executable, "-m", "bluebatch", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    markers = out.with_name("out.zarr.run")
    try:
        until = time.monotonic() + 300
        while not list(markers.glob("p*.json")) or not (markers / "p0.json").exists():
            assert time.monotonic() < until
            assert process.poll() is None, process.communicate()
            time.sleep(0.02)
        process.send_signal(signal.SIGTERM)
        _, told = process.communicate(timeout=300)
    finally:
        process.kill()
    assert process.returncode == 3, told
    assert told.splitlines()[-1].startswith("interrupted: run the same command again")
    assert "Traceback" not in told
    assert zarr.open_group(str(out), mode="r").attrs["status"] == "writing"
    again = run(*arguments)
    assert again.exit_code == 0, again.stderr
    assert "skipped" in again.stdout
    assert zarr.open_group(str(out), mode="r").attrs["status"] == "complete"
