"""Tables of samples in the formats of other programs, written in blocks of rows."""

import contextlib
import gzip
import io
import pathlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

import anndata
import h5py
import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

Array = npt.NDArray[Any]
WriteBlock = Callable[[slice, Array], None]


class Table(NamedTuple):
    """A table to be written.

    Parameters
    ----------
    samples, columns : list of str
        Labels.
    provenance : dict of str to str
        Where it comes from; kept where the format has room for it.
    name : str
        What it holds.
    """

    samples: list[str]
    columns: list[str]
    provenance: dict[str, str]
    name: str


Begin = Callable[[pathlib.Path, Table], AbstractContextManager[WriteBlock]]


@contextlib.contextmanager
def write_h5ad(path: pathlib.Path, table: Table) -> Iterator[WriteBlock]:
    """Write AnnData: samples as observations, ``uns["provenance"]``.

    Parameters
    ----------
    path : pathlib.Path
        New file.
    table : Table
        Labels.

    Yields
    ------
    callable
        Takes rows and their values, shape (row, column).
    """
    frame = anndata.AnnData(
        obs=pd.DataFrame(index=pd.Index(table.samples, name="sample")),
        var=pd.DataFrame(index=pd.Index(table.columns)),
        uns={"provenance": table.provenance},
    )
    frame.write_h5ad(path)
    shape = (len(table.samples), len(table.columns))
    with h5py.File(path, "r+") as file:
        file.pop("X", None)
        chunks = (min(256, max(1, shape[0])), max(1, shape[1])) if all(shape) else None
        matrix = file.create_dataset("X", shape, dtype=np.float32, chunks=chunks)
        matrix.attrs.update({"encoding-type": "array", "encoding-version": "0.2.0"})

        def write_block(rows: slice, values: Array) -> None:
            matrix[rows] = values

        yield write_block


@contextlib.contextmanager
def write_parquet(path: pathlib.Path, table: Table) -> Iterator[WriteBlock]:
    """Write parquet: a column ``sample``, then one a label; provenance in the file's metadata.

    Parameters
    ----------
    path : pathlib.Path
        New file.
    table : Table
        Labels.

    Yields
    ------
    callable
        Takes rows and their values, shape (row, column).
    """
    fields = [("sample", pa.string()), *((name, pa.float32()) for name in table.columns)]
    layout = pa.schema(fields).with_metadata(table.provenance)
    with pq.ParquetWriter(path, layout) as writer:

        def write_block(rows: slice, values: Array) -> None:
            columns = [pa.array(table.samples[rows]), *map(pa.array, np.asarray(values).T)]
            writer.write_table(pa.Table.from_arrays(columns, schema=layout))

        yield write_block


@contextlib.contextmanager
def write_csv(path: pathlib.Path, table: Table) -> Iterator[WriteBlock]:
    """Write comma-separated text: a column ``sample``, then one a label; gaps are empty.

    Parameters
    ----------
    path : pathlib.Path
        New file.
    table : Table
        Labels.

    Yields
    ------
    callable
        Takes rows and their values, shape (row, column).
    """
    with path.open("w", newline="", encoding="utf-8") as handle:
        yield _csv_blocks(handle, table)


@contextlib.contextmanager
def write_csv_gz(path: pathlib.Path, table: Table) -> Iterator[WriteBlock]:
    """Write gzipped comma-separated text, as `write_csv`.

    Parameters
    ----------
    path : pathlib.Path
        New file.
    table : Table
        Labels.

    Yields
    ------
    callable
        Takes rows and their values, shape (row, column).
    """
    with gzip.open(path, "wt", newline="", encoding="utf-8", compresslevel=6) as handle:
        yield _csv_blocks(handle, table)


BY_EXTENSION: dict[str, Begin] = {
    ".h5ad": write_h5ad,
    ".parquet": write_parquet,
    ".csv": write_csv,
    ".csv.gz": write_csv_gz,
}


def _csv_blocks(handle: io.TextIOBase | Any, table: Table) -> WriteBlock:
    # Nine digits give every float32 back.
    pd.DataFrame(columns=["sample", *table.columns]).to_csv(handle, index=False)

    def write_block(rows: slice, values: Array) -> None:
        frame = pd.DataFrame(values, index=table.samples[rows], columns=table.columns)
        frame.to_csv(handle, header=False, float_format="%.9g")

    return write_block
