"""Training cells in a pseudobulk store: written, read back whole or in part, found by range."""

import pathlib
import warnings

import numpy as np
import numpy.typing as npt
import pytest
import scipy.sparse
import xarray as xr

from bluebatch import errors
from bluebatch.expression import mixture
from bluebatch.store import cells, read, schema, write

TYPES, REFERENCES, GENES = ["B", "NK"], ["one", "two"], [f"G{i}" for i in range(7)]
# Type and reference of each cell of the store, in its order: NK is not in the reference two.
KINDS = np.array([0, 0, 0, 0, 1, 1, 1])
SOURCES = np.array([0, 0, 1, 1, 0, 0, 0])
ROWS = np.array([8, 0, 3, 2, 9, 5, 1])


def counts() -> scipy.sparse.csr_matrix:
    drawn = np.random.default_rng(0).poisson(0.6, (10, len(GENES)))
    drawn[8] = drawn[3] = drawn[1] = 0
    drawn[2, 4] = 300
    return scipy.sparse.csr_matrix(drawn.astype(np.float32))


def make(path: pathlib.Path, *, codec: write.Codec = "none", kept: bool = True) -> read.Store:
    labels = {
        "sample": ["s"],
        "gene": GENES,
        "cell_type": TYPES,
        "profile_gene": GENES,
        "reference": REFERENCES,
    }
    group = write.create(path, schema.PSEUDOBULK, labels, {})
    for name, array in group.arrays():
        if name not in labels:
            write.write_whole(group, name, np.zeros(array.shape, array.dtype))
    if kept:
        cells.write_cells(group, counts(), ROWS, (KINDS, SOURCES), codec)
    write.complete(group)
    return read.open_store(path)


@pytest.fixture(params=[1 << 22, 3], ids=["one chunk", "many chunks"])
def chunk_values(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    values: int = request.param
    monkeypatch.setattr(cells, "CHUNK_VALUES", values)
    for name in ("DATA", "INDICES"):
        spec = getattr(cells, name)
        declared = schema.ArraySpec(**{**spec.__dict__, "chunks": (values,)})
        monkeypatch.setattr(cells, name, declared)
    return values


@pytest.mark.parametrize("codec", ["none", "zstd"])
def test_read__gives_back_what_was_written(
    tmp_path: pathlib.Path, chunk_values: int, codec: write.Codec
) -> None:
    store = make(tmp_path / "s.zarr", codec=codec)
    expected = counts().toarray()[ROWS]
    found = cells.read(store)
    np.testing.assert_array_equal(found.counts.toarray(), expected)
    np.testing.assert_array_equal(found.library_size, expected.sum(axis=1))
    assert found.counts.dtype == np.float32
    assert cells.size(store) == (len(ROWS), int(np.count_nonzero(expected)))
    n_chunks = -(-np.count_nonzero(expected) // chunk_values)
    assert len(list((tmp_path / "s.zarr/cells/data/c").iterdir())) == n_chunks


def test_read__keeps_the_genes_asked_for_in_their_order(
    tmp_path: pathlib.Path, chunk_values: int
) -> None:
    del chunk_values
    found = cells.read(make(tmp_path / "s.zarr"), genes=[5, 0, 4])
    expected = counts().toarray()[ROWS]
    np.testing.assert_array_equal(found.counts.toarray(), expected[:, [5, 0, 4]])
    np.testing.assert_array_equal(found.library_size, expected.sum(axis=1))


def test_write_cells__takes_the_smallest_type_that_is_exact(tmp_path: pathlib.Path) -> None:
    # The largest count is 300.
    assert make(tmp_path / "s.zarr").group["cells/data"].dtype == np.uint16  # type: ignore[union-attr]


def test_ranges__samples_draw_from_their_own_reference_or_from_all(tmp_path: pathlib.Path) -> None:
    found = cells.read(make(tmp_path / "s.zarr"))
    assert found.bounds.tolist() == [[0, 2, 4], [4, 7, 7]]
    source = np.array(["two", "mixed", "one"], dtype=object)
    first, last = found.ranges(0, source)
    assert (first.tolist(), last.tolist()) == ([2, 0, 0], [4, 4, 2])
    first, last = found.ranges(1, source)
    assert (first.tolist(), last.tolist()) == ([3, 0, 0], [3, 3, 3])


def test_of_type__drawn_cells_sum_to_the_counts_of_that_type(tmp_path: pathlib.Path) -> None:
    found = cells.read(make(tmp_path / "s.zarr"))
    pool, library_size = found.of_type(1)
    assert np.shares_memory(pool.data, found.counts.data)
    first, last = found.ranges(1, np.array(["one", "mixed"], dtype=object))
    drawn, bounds = mixture.draw_cells(np.random.default_rng(0), [4, 3], first, last)
    summed = mixture.sum_cells(pool, drawn, bounds)
    expected: npt.NDArray[np.float32] = np.zeros((2, len(GENES)), dtype=np.float32)
    for place, cell in enumerate(drawn):
        expected[int(place >= 4)] += counts().toarray()[ROWS[4 + cell]]
    np.testing.assert_array_equal(summed, expected)
    np.testing.assert_array_equal(library_size, counts().toarray()[ROWS[4:]].sum(axis=1))


def test_read__refuses_a_store_without_cells(tmp_path: pathlib.Path) -> None:
    store = make(tmp_path / "s.zarr", kept=False)
    assert not cells.has(store)
    with pytest.raises(errors.ForeignStoreError, match="--keep-cells"):
        cells.read(store)


def test_read__tells_a_damaged_chunk(tmp_path: pathlib.Path) -> None:
    store = make(tmp_path / "s.zarr")
    chunk = tmp_path / "s.zarr/cells/data/c/0"
    content = bytearray(chunk.read_bytes())
    content[0] ^= 1
    chunk.write_bytes(content)
    with pytest.raises(errors.ForeignStoreError, match="damaged"):
        cells.read(store)


def test_open_store__refuses_a_store_that_lost_a_chunk_of_its_cells(tmp_path: pathlib.Path) -> None:
    make(tmp_path / "s.zarr")
    (tmp_path / "s.zarr/cells/indices/c/0").unlink()
    with pytest.raises(errors.ForeignStoreError, match="cells/indices"):
        read.open_store(tmp_path / "s.zarr")


def test_write_cells__plain_xarray_still_opens_the_store(tmp_path: pathlib.Path) -> None:
    make(tmp_path / "s.zarr")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        opened = xr.open_zarr(tmp_path / "s.zarr").load()
    assert "data" not in opened
    assert opened.sizes["gene"] == len(GENES)
