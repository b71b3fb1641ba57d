"""A table comes back from the store as it went in, whatever file it came in."""

import pathlib
import tempfile
from collections.abc import Callable
from typing import Any

import anndata
import hypothesis
import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from bluebatch.store import ingest, read, spill, values

SHAPES = st.tuples(st.integers(1, 6), st.integers(1, 7))
# Half a dozen magnitudes of expression, and exact zeros.
NUMBERS = st.one_of(
    st.just(0.0), st.floats(0.015625, 262144, width=32, allow_nan=False, allow_infinity=False)
)
TABLES = SHAPES.flatmap(lambda shape: hnp.arrays(np.float32, shape, elements=NUMBERS))
LOGGED: list[values.Logged] = ["log2(x+1)", "log2(x+0.001)", "log1p"]
SETTINGS = hypothesis.settings(max_examples=15)


def labelled(table: npt.NDArray[np.float32], dtype: str = "float32") -> pd.DataFrame:
    n_samples, n_genes = table.shape
    samples, genes = ([f"s{at}" for at in range(n_samples)], [f"G{at}" for at in range(n_genes)])
    return pd.DataFrame(table.astype(dtype), index=samples, columns=genes)


def save(frame: pd.DataFrame, path: pathlib.Path) -> None:
    if path.suffix == ".h5ad":
        obs, var = pd.DataFrame(index=frame.index), pd.DataFrame(index=frame.columns)
        anndata.AnnData(frame.to_numpy(), obs=obs, var=var).write_h5ad(path)
    elif path.suffix == ".parquet":
        frame.to_parquet(path)
    else:
        frame.to_csv(path)


def through_store(
    frame: pd.DataFrame, name: str, *, turned: bool, logged: values.Logged | None = None
) -> tuple[npt.NDArray[np.float32], dict[str, list[str]]]:
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder)
        save(frame.T if turned else frame, path / name)
        options = ingest.IngestOptions(
            unit="RSEM",
            logged=logged,
            orientation="genes-by-samples" if turned else "samples-by-genes",
        )
        ingest.run(path / name, path / "c.zarr", options)
        store = read.open_store(path / "c.zarr", "cohort")
        return store.read("expression"), store.labels


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz", "a.parquet", "a.h5ad"])
@pytest.mark.parametrize("turned", [False, True])
@SETTINGS
@hypothesis.given(table=TABLES)
def test_ingest__gives_back_the_bits(
    name: str, turned: bool, table: npt.NDArray[np.float32]
) -> None:
    # A small table of fractions alone looks logged: a large value keeps it linear.
    table[0, 0] = 1000.5
    frame = labelled(table)
    found, labels = through_store(frame, name, turned=turned)
    assert np.array_equal(found, table)
    assert labels == {"sample": list(frame.index), "gene": list(frame.columns)}


@pytest.mark.parametrize("logged", LOGGED)
@SETTINGS
@hypothesis.given(table=TABLES)
def test_ingest__undoes_each_logarithm(
    logged: values.Logged, table: npt.NDArray[np.float32]
) -> None:
    frame = labelled(table, "float64")
    forward: dict[str, Callable[..., Any]] = {
        "log2(x+1)": lambda x: np.log2(x + 1),
        "log2(x+0.001)": lambda x: np.log2(x + 0.001),
        "log1p": np.log1p,
    }
    found, _ = through_store(frame.map(forward[logged]), "a.csv", turned=True, logged=logged)
    np.testing.assert_allclose(found, table, rtol=1e-5, atol=1e-9)


@hypothesis.settings(max_examples=50)
@hypothesis.given(data=st.data())
def test_spill__any_cut_gives_the_same_columns(data: st.DataObject) -> None:
    n_lines, n_columns = data.draw(st.integers(1, 40)), data.draw(st.integers(1, 600))
    cuts = sorted(data.draw(st.lists(st.integers(1, n_lines), max_size=4)))
    wanted = sorted(data.draw(st.sets(st.integers(0, n_columns - 1), min_size=1, max_size=300)))
    table = np.arange(n_lines * n_columns, dtype=np.float32).reshape(n_lines, n_columns)
    with (
        tempfile.TemporaryDirectory() as folder,
        spill.Spill(pathlib.Path(folder) / "s", n_columns) as scratch,
    ):
        for part in np.split(table, cuts):
            scratch.append(part)
        assert np.array_equal(scratch.columns(np.asarray(wanted)), table[:, wanted].T)
        assert np.array_equal(scratch.lines(np.arange(n_lines)), table)
