"""The whole job from one command, on the reference that scanpy bundles."""

import json
import pathlib
import subprocess
import sys
import warnings

import pytest
import xarray as xr

TYPES = ["B", "CD4T", "CD8T", "DC", "Mono", "NK"]
LEFT = ["pseudobulk.zarr", "cohort.zarr", "model", "results.zarr", "evaluation.json"]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bluebatch", "demo", *arguments]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> tuple[pathlib.Path, str]:
    out = tmp_path_factory.mktemp("demo") / "out"
    done = run("--out", str(out))
    assert done.returncode == 0, done.stderr
    return out, done.stdout


def test_demo__leaves_every_stage(first: tuple[pathlib.Path, str]) -> None:
    out, _ = first
    for name in [*LEFT, "evaluation.png"]:
        assert (out / name).exists(), name
    assert (out / "evaluation.png").read_bytes().startswith(b"\x89PNG")


def test_demo__proportions_agree(first: tuple[pathlib.Path, str]) -> None:
    out, _ = first
    content = json.loads((out / "evaluation.json").read_text())
    assert sorted(content["cell_types"]) == TYPES
    assert content["proportion"]["model"]["flattened"]["ccc"] >= 0.8


def test_demo__ends_with_the_table_and_three_lines_that_work(
    first: tuple[pathlib.Path, str],
) -> None:
    _, told = first
    table, _, code = told.partition("Open the result in Python:\n")
    assert "CCC model" in table
    assert "ridge" in table
    lines = code.strip().splitlines()
    assert len(lines) == 3
    script = "\n".join([*lines[:2], f"print(len({lines[2]}))"])
    opened = subprocess.run(
        [sys.executable, "-W", "error", "-c", script], capture_output=True, text=True
    )
    assert opened.returncode == 0, opened.stderr
    assert int(opened.stdout) > 0


def test_demo__the_result_opens_without_a_warning(first: tuple[pathlib.Path, str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        results = xr.open_zarr(first[0] / "results.zarr")
    total = results["proportion"].sum("cell_type")
    assert float(abs(total - 1).max()) < 1e-5


def test_demo__again_finds_everything_complete(first: tuple[pathlib.Path, str]) -> None:
    out, told = first
    weights = (out / "model" / "arrays.safetensors").stat().st_mtime_ns
    again = run("--out", str(out), "--json")
    assert again.returncode == 0, again.stderr
    assert again.stderr.count("already complete") >= 4
    assert (out / "model" / "arrays.safetensors").stat().st_mtime_ns == weights
    assert json.loads(again.stdout)["cell_types"]
    assert told
