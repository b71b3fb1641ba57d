"""Stores and models in a bucket of an S3 server: a process of its own, spoken to over HTTP."""

import contextlib
import json
import os
import pathlib
import socket
import subprocess
import sys
import time
import urllib.request
import warnings
from collections.abc import Iterator
from typing import Any

import anndata
import click.testing
import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import xarray as xr
from integration import small

from bluebatch.cli import main
from bluebatch.run import partition
from bluebatch.store import digests, inspection, places, read

s3fs = pytest.importorskip("s3fs", reason="s3fs is not installed: pip install 'bluebatch[cloud]'")
pytest.importorskip("moto", reason="moto is not installed: pip install 'bluebatch[test]'")

KEYS = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_DEFAULT_REGION": "us-east-1",
    # Of the account of whoever runs the tests, nothing is read.
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
    # A refused connection is refused again: no need to wait for a second try.
    "AWS_MAX_ATTEMPTS": "1",
}
PATIENCE_SECONDS = 300
ROWS = 256
N_SAMPLES = 300  # two partitions of so many rows
CONFIG = """
extends = "demo"
[model]
width = 32
channels = 2
depth = 2
hidden = [16, 8]
[anchor]
n_components = 8
[training]
epochs = 2
"""


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


@contextlib.contextmanager
def serve() -> Iterator[str]:
    url = f"http://127.0.0.1:{free_port()}"
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", url.split(":")[-1]]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            wait_for(url, server)
            yield url
        finally:
            server.terminate()


def wait_for(url: str, server: "subprocess.Popen[bytes]") -> None:
    until = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < until:
        assert server.poll() is None, "the S3 server ended"
        with (
            contextlib.suppress(OSError),
            urllib.request.urlopen(f"{url}/moto-api/data.json", timeout=5),
        ):
            return
        time.sleep(0.1)
    pytest.fail(f"the S3 server did not answer within {PATIENCE_SECONDS} seconds")


DROPPED: list[object] = []


def forget_connections() -> None:
    """Let the next file system read the environment again."""
    # They are kept alive: s3fs leaves a session of another thread's loop, such as zarr's, open,
    # and aiohttp warns of each that is collected so.
    DROPPED.extend(s3fs.S3FileSystem._cache.values())
    s3fs.S3FileSystem.clear_instance_cache()


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch, serve() as url:
        for name, value in {**KEYS, "AWS_ENDPOINT_URL": url}.items():
            patch.setenv(name, value)
        forget_connections()
        yield url
    forget_connections()


@pytest.fixture(scope="module")
def bucket(server: str) -> str:
    s3fs.S3FileSystem().mkdir("cohorts")
    return "s3://cohorts"


@pytest.fixture(scope="module", autouse=True)
def small_partitions() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(partition, "PARTITION_ROWS", ROWS)
        yield


def run(*arguments: object, code: int = 0) -> dict[str, Any]:
    given = [*map(str, arguments), "--quiet", "--json"]
    done = click.testing.CliRunner().invoke(main.main, given)
    assert done.exit_code == code, done.stderr or done.exception
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def refused(*arguments: object, code: int = 1) -> str:
    done = click.testing.CliRunner().invoke(main.main, [*map(str, arguments), "--quiet"])
    assert done.exit_code == code, done.stderr or done.exception
    assert done.stdout == ""
    lines = [line for line in done.stderr.splitlines() if line.startswith("Error: ")]
    assert len(lines) == 1
    return lines[0]


def send(folder: pathlib.Path, url: str) -> str:
    """Copy a folder as a user would, with another program."""
    s3fs.S3FileSystem(use_listings_cache=False).put(f"{folder}/", f"{url}/", recursive=True)
    return url


@pytest.fixture(scope="module")
def at_home(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """Fill a folder with a cohort, a model and its results, for comparison."""
    folder = tmp_path_factory.mktemp("home")
    small.write_cohort(folder / "cohort.zarr", N_SAMPLES)
    small.write_model(folder / "model")
    run(
        *("infer", folder / "cohort.zarr", "--model", folder / "model"),
        *("--out", folder / "results.zarr", "--threads", 1),
    )
    return folder


@pytest.fixture(scope="module")
def away(bucket: str, at_home: pathlib.Path) -> str:
    """Send cohort and model to the bucket."""
    for name in ("cohort.zarr", "model"):
        send(at_home / name, f"{bucket}/study/{name}")
    return f"{bucket}/study"


def array_digests(path: str | pathlib.Path) -> dict[str, str]:
    root = places.place(path)
    return digests.of_files(root, [name for name in places.sizes(root) if "/c/" in name])


def do_all(reference: pathlib.Path, config: pathlib.Path, folder: str) -> dict[str, Any]:
    """Go from single cells to scores, every store and the model within one folder or prefix."""
    pseudobulk, model = f"{folder}/pseudobulk.zarr", f"{folder}/model"
    cohort, results = f"{folder}/cohort.zarr", f"{folder}/results.zarr"
    simulated = ("--reference", reference, "--n-samples", 60, "--config", config)
    run("simulate", *simulated, "--out", pseudobulk)
    run("train", pseudobulk, "--config", config, "--threads", 1, "--out", model)
    run("ingest", pseudobulk, "--split", "test", "--model", model, "--out", cohort)
    run("infer", cohort, "--model", model, "--config", config, "--threads", 1, "--out", results)
    return run("evaluate", results, "--truth", pseudobulk, "--model", model)


def test_commands__the_whole_job_gives_the_bits_of_the_one_on_a_disk(
    bucket: str, tmp_path: pathlib.Path
) -> None:
    counts = np.random.default_rng(0).poisson(2.0, size=(120, 60)).astype(np.float32)
    counts[:60, :10] += 5
    counts[60:, 10:20] += 5
    cells = anndata.AnnData(
        scipy.sparse.csr_matrix(counts),
        obs=pd.DataFrame({"cell_type": ["A"] * 60 + ["B"] * 60}, index=list(map(str, range(120)))),
        var=pd.DataFrame(index=[f"G{gene}" for gene in range(60)]),
    )
    cells.write_h5ad(tmp_path / "cells.h5ad")
    (tmp_path / "tiny.toml").write_text(CONFIG)
    given = tmp_path / "cells.h5ad", tmp_path / "tiny.toml"
    found, expected = (do_all(*given, folder) for folder in (f"{bucket}/job", str(tmp_path)))
    assert found["proportion"] == expected["proportion"]
    assert found["profile"] == expected["profile"]
    for name in ("pseudobulk.zarr", "cohort.zarr"):
        assert digests.of_store(f"{bucket}/job/{name}") == digests.of_store(tmp_path / name), name
    assert array_digests(f"{bucket}/job/results.zarr") == array_digests(tmp_path / "results.zarr")
    folder = places.place(f"{bucket}/job/model")
    weights = {file.name: file.read_bytes() for file in folder.glob("*.safetensors")}
    at_home = {f.name: f.read_bytes() for f in (tmp_path / "model").glob("*.safetensors")}
    assert weights == at_home
    assert sorted(places.sizes(folder)) == sorted(places.sizes(tmp_path / "model"))


@pytest.fixture(scope="module")
def staged(away: str) -> str:
    """Infer in stages: the second partition by another process."""
    out = f"{away}/results.zarr"
    begun = run(
        *("infer-init", f"{away}/cohort.zarr", "--model", f"{away}/model"),
        *("--out", out, "--threads", 1),
    )
    assert begun["done"]
    first = run("infer-partition", out, "--partition", 0, "--threads", 1)
    assert (first["done"], first["skipped"]) == ([0], [])
    assert inspection.inspect(out).missing_partitions == [1]
    assert "1" in refused("infer-finalise", out, code=3)
    command = [sys.executable, "-m", "bluebatch", "infer-partition", out, "--partition", "1"]
    other = subprocess.run([*command, "--threads", "1", "--quiet"], capture_output=True, text=True)
    assert (other.returncode, other.stderr) == (0, "")
    # What the other process wrote is seen at once, and not done again.
    again = run("infer-partition", out, "--partition", "0-1", "--threads", 1)
    assert (again["done"], again["skipped"]) == ([], [0, 1])
    assert run("infer-finalise", out)["complete"]
    return out


def test_infer__in_stages_gives_the_bits_of_one_run_on_a_disk(
    staged: str, at_home: pathlib.Path
) -> None:
    found = array_digests(staged)
    assert found == array_digests(at_home / "results.zarr")
    assert any(name.startswith("profile/") for name in found)


def test_infer__plain_xarray_opens_the_result_without_a_warning(
    staged: str, at_home: pathlib.Path, server: str
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = xr.open_zarr(staged, storage_options={"endpoint_url": server})
        values = found["proportion"].load()
    expected = read.open_store(at_home / "results.zarr").read("proportion")
    assert np.array_equal(values.to_numpy(), expected)
    assert found.attrs["status"] == "complete"


def test_infer__a_complete_store_is_left_alone(staged: str, away: str) -> None:
    before = array_digests(staged)
    again = run(
        *("infer", f"{away}/cohort.zarr", "--model", f"{away}/model"),
        *("--out", staged, "--threads", 1),
    )
    assert again["state"] == "complete"
    assert array_digests(staged) == before


def test_verify__a_lost_and_a_flipped_object_are_named_and_mended(staged: str) -> None:
    assert run("verify", staged)["faults"] == {}
    before = array_digests(staged)
    folder = places.place(staged)
    (folder / "proportion/c/1/0").unlink()
    flipped = bytearray((folder / "profile/c/0/2/0").read_bytes())
    flipped[1000] ^= 1
    (folder / "profile/c/0/2/0").write_bytes(bytes(flipped))
    found = run("verify", staged, code=3)
    assert found["faults"] == {
        "0": "profile/c/0/2/0 does not match its checksum",
        "1": "proportion/c/1/0 is missing",
    }
    mended = run("infer-partition", staged, "--partition", "0-1", "--threads", 1)
    assert mended["done"] == [0, 1]
    assert run("verify", staged)["faults"] == {}
    assert array_digests(staged) == before


def test_inspect__a_store_and_a_model(staged: str, away: str) -> None:
    found = run("inspect", staged)
    assert (found["kind"], found["status"], found["sizes"]["sample"]) == (
        "profile",
        "complete",
        N_SAMPLES,
    )
    assert found["missing_partitions"] == []
    assert run("inspect", f"{away}/model")["kind"] == "model"


def test_export__a_table_of_a_store_elsewhere(staged: str, tmp_path: pathlib.Path) -> None:
    for out in (tmp_path / "p.csv", f"{staged.rsplit('/', 1)[0]}/p.csv"):
        done = run("export", staged, "--what", "proportion", "--out", out)
        assert done["n_samples"] == N_SAMPLES
    assert places.place(out).read_bytes() == (tmp_path / "p.csv").read_bytes()


def test_ingest__a_table_becomes_the_same_store_as_on_a_disk(
    bucket: str, tmp_path: pathlib.Path
) -> None:
    table = tmp_path / "t.csv"
    table.write_text("gene,s1,s2\nACTB,100,50\nGAPDH,7,3\nB2M,0,9\n")
    out = f"{bucket}/ingested/cohort.zarr"
    assert run("ingest", table, "--out", out)["state"] == "new"
    run("ingest", table, "--out", tmp_path / "cohort.zarr")
    assert digests.of_store(out) == digests.of_store(tmp_path / "cohort.zarr")
    assert run("ingest", table, "--out", out)["state"] == "complete"
    # A folder as a web console makes it: an object of no bytes.
    s3fs.S3FileSystem().call_s3("put_object", Bucket="cohorts", Key="ingested/cohort.zarr/")
    assert digests.of_store(out) == digests.of_store(tmp_path / "cohort.zarr")
    # A second store beside it outlives an overwriting.
    send(tmp_path / "cohort.zarr", f"{bucket}/ingested/cohort.zarr2")
    assert run("ingest", table, "--out", out, "--overwrite")["state"] == "new"
    assert digests.of_store(f"{out}2") == digests.of_store(out)
    assert "whole bucket" in refused("ingest", table, "--out", bucket, "--overwrite")


def test_commands__a_scheme_that_is_not_known_is_told() -> None:
    assert "nowhere:// is not known" in refused("inspect", "nowhere://bucket/c.zarr")


def test_open_store__nothing_there(bucket: str) -> None:
    assert "nothing is there" in refused("inspect", f"{bucket}/none.zarr")
    assert "nothing is there" in refused("verify", "s3://no-such-bucket/none.zarr")
    assert "no run was begun" in refused("infer-finalise", f"{bucket}/none.zarr")


def test_ingest__a_bucket_that_cannot_be_written(bucket: str, tmp_path: pathlib.Path) -> None:
    table = tmp_path / "t.csv"
    table.write_text("gene,s1,s2\nACTB,100,50\nGAPDH,7,3\n")
    told = refused("ingest", table, "--out", "s3://no-such-bucket/c.zarr")
    assert "bucket does not exist" in told
    files = s3fs.S3FileSystem()
    files.mkdir("locked")
    denied = {"Effect": "Deny", "Principal": "*", "Action": ["s3:PutObject"]}
    policy = {
        "Version": "2012-10-17",
        "Statement": [{**denied, "Resource": "arn:aws:s3:::locked/*"}],
    }
    files.call_s3("put_bucket_policy", Bucket="locked", Policy=json.dumps(policy))
    told = refused("ingest", table, "--out", "s3://locked/c.zarr")
    assert told.startswith("Error: s3://locked/c.zarr: permission denied")


def test_infer__a_bucket_that_cannot_be_written(bucket: str, away: str) -> None:
    inputs = (f"{away}/cohort.zarr", "--model", f"{away}/model")
    for verb in ("infer", "infer-init"):
        told = refused(verb, *inputs, "--out", "s3://no-such-bucket/r.zarr")
        assert "bucket does not exist" in told


@pytest.mark.parametrize(
    "arguments",
    [
        ("inspect", "s3://cohorts/c.zarr"),
        ("verify", "s3://cohorts/c.zarr"),
        ("infer-partition", "s3://cohorts/r.zarr", "--partition", "0"),
        ("infer", "s3://cohorts/c.zarr", "--model", "s3://cohorts/model", "--out", "r.zarr"),
        ("infer", "c.zarr", "--model", "s3://cohorts/model", "--out", "r.zarr"),
        ("export", "s3://cohorts/c.zarr", "--out", "t.csv"),
        ("ingest", "t.csv", "--out", "s3://cohorts/c.zarr"),
    ],
    ids=lambda arguments: " ".join(arguments[:2]),
)
def test_commands__a_server_that_does_not_answer_is_told(
    arguments: tuple[str, ...],
    at_home: pathlib.Path,
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in {**KEYS, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{free_port()}"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "t.csv").write_text("gene,s1\nACTB,1\n")
    (tmp_path / "c.zarr").symlink_to(at_home / "cohort.zarr")
    forget_connections()
    assert "does not answer" in refused(*arguments)
    forget_connections()


def test_commands__missing_credentials_are_told(
    server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    forget_connections()
    assert "Set AWS_ACCESS_KEY_ID" in refused("inspect", "s3://cohorts/c.zarr")
    forget_connections()
