"""Simulation over Dask workers of this machine gives the bits of one process."""

import pathlib

import numpy as np
from unit.simulate import references

from bluebatch.simulate import pseudobulk
from bluebatch.store import read

SETTINGS = references.settings(n_samples=1100)


# Starting two workers that import bluebatch takes ten seconds; nothing else shows that a task
# finds its references on a worker, and that the store is the same in the end.
def test_run__over_two_workers_gives_the_bits_of_one_process(tmp_path: pathlib.Path) -> None:
    path = references.make(tmp_path / "one.h5ad", 0)
    spread = pseudobulk.RunOptions(partition_rows=256, cluster="local", workers=2)
    summary = pseudobulk.run([path], tmp_path / "spread.zarr", SETTINGS, spread)
    assert (summary.state, summary.n_skipped) == ("new", 0)
    pseudobulk.run([path], tmp_path / "one.zarr", SETTINGS, pseudobulk.RunOptions())
    stores = [read.open_store(tmp_path / name) for name in ("spread.zarr", "one.zarr")]
    for array in stores[0].spec.arrays:
        values = [store.read(array.name) for store in stores]
        np.testing.assert_array_equal(values[0], values[1], err_msg=array.name)
