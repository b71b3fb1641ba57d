"""Simulation cut into tasks: the same bits however it is cut, and nothing lost in silence."""

import pathlib
from typing import Any, Never

import anndata
import numpy as np
import pytest
import scipy.sparse
import xarray as xr
from unit.simulate import references

from bluebatch import errors
from bluebatch.expression import markers
from bluebatch.run import partition, staged, verify
from bluebatch.simulate import fill, plan, pseudobulk, reference
from bluebatch.store import cells, digests, inspection, read

# Seven partitions of three blocks' rows at most.
N_SAMPLES, ROWS = 1700, 256
OPTIONS = pseudobulk.RunOptions(partition_rows=ROWS)
SETTINGS = references.settings(n_samples=N_SAMPLES)
KEEPING = references.settings(n_samples=N_SAMPLES, keep_cells=True)
FEW = references.settings(n_samples=20)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[pathlib.Path]:
    folder = tmp_path_factory.mktemp("references")
    return [
        references.make(folder / "one.h5ad", 0),
        references.make(folder / "other.h5ad", 1, lacks="NK"),
    ]


@pytest.fixture(scope="module")
def whole(
    files: list[pathlib.Path], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, np.ndarray[Any, Any]]:
    """Arrays of a store that one process made at once."""
    out = tmp_path_factory.mktemp("whole") / "s.zarr"
    pseudobulk.run(files, out, SETTINGS, pseudobulk.RunOptions())
    return contents(out)


def contents(path: pathlib.Path) -> dict[str, np.ndarray[Any, Any]]:
    store = read.open_store(path, "pseudobulk")
    return {spec.name: store.read(spec.name) for spec in store.spec.arrays}


def assert_same(path: pathlib.Path, whole: dict[str, np.ndarray[Any, Any]]) -> None:
    found = contents(path)
    assert set(found) == set(whole)
    for name, values in whole.items():
        np.testing.assert_array_equal(found[name], values, err_msg=name)


def flip(file: pathlib.Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def refuse(*_: Any, **__: Any) -> Never:
    raise AssertionError("was called")


def test_work__in_any_order_gives_the_bits_of_one_process(
    files: list[pathlib.Path],
    whole: dict[str, np.ndarray[Any, Any]],
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out = tmp_path / "s.zarr"
    told = pseudobulk.init(files, out, SETTINGS, OPTIONS)
    assert (told.done, told.n_partitions, told.n_tasks) == (True, 7, 7)
    # A task ranks no markers: they stand in the store.
    monkeypatch.setattr(markers, "rank_genes", refuse)
    for number in np.random.default_rng(0).permutation(7):
        done = pseudobulk.work(out, [int(number)])
        assert (done.done, done.skipped) == ([number], [])
        assert done.peak_memory_bytes > 0
    staged.finalise(out, "simulate")
    assert_same(out, whole)


def test_work__takes_the_partitions_of_its_task_and_skips_finished_ones(
    files: list[pathlib.Path],
    whole: dict[str, np.ndarray[Any, Any]],
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out = tmp_path / "s.zarr"
    assert pseudobulk.init(files, out, SETTINGS, OPTIONS, per_task=3).n_tasks == 3
    pseudobulk.work(out, [4])
    found = []
    for task in ("2", "1", "3"):
        monkeypatch.setenv(staged.TASK_ID, task)
        done = pseudobulk.work(out, one_based=True)
        found.append((done.done, done.skipped))
    assert found == [([3, 5], [4]), ([0, 1, 2], []), ([6], [])]
    staged.finalise(out, "simulate")
    assert_same(out, whole)


def test_run__goes_on_where_tasks_left_off_without_ranking_again(
    files: list[pathlib.Path],
    whole: dict[str, np.ndarray[Any, Any]],
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out = tmp_path / "s.zarr"
    pseudobulk.init(files, out, SETTINGS, OPTIONS)
    pseudobulk.work(out, [2, 5])
    monkeypatch.setattr(markers, "rank_genes", refuse)
    summary = pseudobulk.run(files, out, SETTINGS, OPTIONS)
    assert (summary.state, summary.n_skipped) == ("resumed", 2)
    assert_same(out, whole)


def test_run__draws_nothing_that_another_process_has_just_finished(
    files: list[pathlib.Path], tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "s.zarr"
    pseudobulk.init(files, out, FEW, OPTIONS)
    pseudobulk.work(out, [0])
    # As it looked before the other process was done.
    monkeypatch.setattr(partition.Job, "pending", partition.Job.partitions)
    monkeypatch.setattr(fill, "recall", refuse)
    pseudobulk.run(files, out, FEW, OPTIONS)
    assert read.open_store(out, "pseudobulk").attributes["status"] == "complete"


def test_run__reads_no_reference_where_the_store_is_complete(
    files: list[pathlib.Path], tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "s.zarr"
    first = pseudobulk.run(files, out, FEW, OPTIONS)
    monkeypatch.setattr(reference, "survey", refuse)
    again = pseudobulk.run(files, out, FEW, OPTIONS)
    assert again.state == "complete"
    assert again.facts == first.facts


def test_fill_partition__reads_the_references_once_for_a_worker(
    files: list[pathlib.Path],
    whole: dict[str, np.ndarray[Any, Any]],
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out = tmp_path / "s.zarr"
    pseudobulk.init(files, out, SETTINGS, OPTIONS)
    real, n_read = plan.recall, 0

    def counted(*arguments: Any) -> plan.Plan:
        nonlocal n_read
        n_read += 1
        return real(*arguments)

    monkeypatch.setattr(plan, "recall", counted)
    results = [fill.fill_partition(str(out), number) for number in (6, 0, 1, 2, 3, 4, 5, 0)]
    assert [result["written"] for result in results] == [True] * 7 + [False]
    assert n_read == 1
    staged.finalise(out, "simulate")
    assert_same(out, whole)


@pytest.mark.parametrize(("number", "one_based"), [(7, False), (-1, False), (0, True), (8, True)])
def test_work__refuses_a_partition_that_is_not_there(
    files: list[pathlib.Path], tmp_path: pathlib.Path, number: int, one_based: bool
) -> None:
    out = tmp_path / "s.zarr"
    pseudobulk.init(files, out, SETTINGS, OPTIONS)
    with pytest.raises(errors.ConfigError, match="out of range"):
        pseudobulk.work(out, [number], one_based=one_based)


def test_finalise__lists_what_no_task_has_written(
    files: list[pathlib.Path], tmp_path: pathlib.Path
) -> None:
    out = tmp_path / "s.zarr"
    pseudobulk.init(files, out, SETTINGS, OPTIONS)
    pseudobulk.work(out, [0, 1, 3, 6])
    with pytest.raises(errors.IncompleteError, match="--partition 2,4-5"):
        staged.finalise(out, "simulate")
    with pytest.raises(errors.IncompleteError):
        read.open_store(out)


@pytest.mark.parametrize("changed", [0, 1])
def test_work__refuses_a_reference_that_changed_since_init(
    tmp_path: pathlib.Path, changed: int
) -> None:
    paths = [references.make(tmp_path / f"{i}.h5ad", i) for i in range(2)]
    pseudobulk.init(paths, tmp_path / "s.zarr", FEW, OPTIONS)
    references.make(paths[changed], 7)
    with pytest.raises(errors.ChangedInputError, match=paths[changed].name):
        pseudobulk.work(tmp_path / "s.zarr", [0])
    with pytest.raises(errors.ChangedInputError, match="read another"):
        pseudobulk.run(paths, tmp_path / "s.zarr", FEW, OPTIONS)


def test_work__refuses_a_reference_that_is_gone(tmp_path: pathlib.Path) -> None:
    path = references.make(tmp_path / "one.h5ad", 0)
    pseudobulk.init([path], tmp_path / "s.zarr", FEW, OPTIONS)
    path.unlink()
    with pytest.raises(errors.MissingInputError, match=r"one\.h5ad"):
        pseudobulk.work(tmp_path / "s.zarr", [0])


def test_work__finds_references_that_were_given_by_relative_paths(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    references.make(tmp_path / "one.h5ad", 0)
    monkeypatch.chdir(tmp_path)
    pseudobulk.init([pathlib.Path("one.h5ad")], tmp_path / "s.zarr", FEW, OPTIONS)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert pseudobulk.work(tmp_path / "s.zarr", [0]).done == [0]


def test_work__needs_no_file_for_the_bundled_reference(tmp_path: pathlib.Path) -> None:
    chosen = pseudobulk.Settings(
        simulation=pseudobulk.SimulationSettings(n_samples=10, cells_per_sample=20)
    )
    pseudobulk.init([], tmp_path / "s.zarr", chosen, OPTIONS)
    pseudobulk.work(tmp_path / "s.zarr", [0])
    staged.finalise(tmp_path / "s.zarr", "simulate")
    pseudobulk.run([], tmp_path / "t.zarr", chosen, OPTIONS)
    assert_same(tmp_path / "s.zarr", contents(tmp_path / "t.zarr"))


def test_init__over_a_finished_store_of_the_same_run_changes_nothing(
    files: list[pathlib.Path], tmp_path: pathlib.Path
) -> None:
    out = tmp_path / "s.zarr"
    pseudobulk.run(files, out, FEW, OPTIONS)
    before = digests.of_store(out)
    told = pseudobulk.init(files, out, FEW, OPTIONS)
    assert "already complete" in told.as_text()
    assert digests.of_store(out) == before


def test_init__refuses_a_finished_store_of_another_run(
    files: list[pathlib.Path], tmp_path: pathlib.Path
) -> None:
    out = tmp_path / "s.zarr"
    pseudobulk.run(files, out, FEW, OPTIONS)
    before = digests.of_store(out)
    with pytest.raises(errors.OutputExistsError, match="--overwrite"):
        pseudobulk.init(files, out, references.settings(n_samples=21), OPTIONS)
    assert digests.of_store(out) == before


@pytest.mark.parametrize("name", ["expression/c/1/0", "profile/c/1/2/0", "n_cells/c/1/0"])
def test_work__mends_a_rotten_partition_of_a_complete_store(
    files: list[pathlib.Path],
    whole: dict[str, np.ndarray[Any, Any]],
    tmp_path: pathlib.Path,
    name: str,
) -> None:
    out = tmp_path / "s.zarr"
    pseudobulk.run(files, out, SETTINGS, OPTIONS)
    before = digests.of_store(out)
    flip(out / name)
    assert list(verify.run(out).faults) == [1]
    done = pseudobulk.work(out, range(7))
    assert (done.done, done.skipped) == ([1], [0, 2, 3, 4, 5, 6])
    assert done.complete
    assert digests.of_store(out) == before
    assert_same(out, whole)


def test_preview__leaves_nothing_and_foresees_what_is_written(
    files: list[pathlib.Path], tmp_path: pathlib.Path
) -> None:
    out = tmp_path / "s.zarr"
    told = pseudobulk.preview(files, out, KEEPING, OPTIONS)
    assert list(tmp_path.iterdir()) == []
    assert (told.done, told.n_partitions, told.n_blocks) == (False, 7, 7)
    assert (told.sizes["samples"], told.sizes["references"]) == (N_SAMPLES, 2)
    assert told.seconds is not None
    assert "simulate_array.sh" in told.as_text()
    pseudobulk.run(files, out, KEEPING, OPTIONS)
    written = [file.stat().st_size for file in out.rglob("*") if file.is_file()]
    assert told.n_files == len(written)
    # Text and metadata are not counted.
    assert told.n_bytes == pytest.approx(sum(written), rel=0.1)


def test_run__cells_kept_change_no_other_array(
    files: list[pathlib.Path], whole: dict[str, np.ndarray[Any, Any]], tmp_path: pathlib.Path
) -> None:
    out = tmp_path / "s.zarr"
    pseudobulk.init(files, out, KEEPING, OPTIONS)
    pseudobulk.work(out, range(7))
    staged.finalise(out, "simulate")
    assert_same(out, whole)
    assert xr.open_zarr(out).sizes["sample"] == N_SAMPLES
    assert inspection.inspect(out).kind == "pseudobulk"
    assert verify.run(out).exit_code == 0


def test_run__keeps_the_training_cells_that_samples_are_drawn_from(
    files: list[pathlib.Path], tmp_path: pathlib.Path
) -> None:
    out = tmp_path / "s.zarr"
    pseudobulk.run(files[:1], out, KEEPING, OPTIONS)
    store = read.open_store(out)
    found = cells.read(store)
    values = anndata.read_h5ad(files[0]).X
    # The gene of a cell's own tells which cell it is; training samples draw no other.
    own = found.counts[:, : references.N_CELLS].argmax(axis=1).A1
    np.testing.assert_array_equal(found.counts.toarray(), values[own])
    drawn = store.read("expression")[store.read("split") == "train"]
    assert set(own) == set(np.flatnonzero(drawn[:, : references.N_CELLS].any(axis=0)))
    assert found.bounds[:, 0].tolist() == [0, 32, 64]
    assert (own % 3 == np.repeat([0, 1, 2], 32)).all()
    assert scipy.sparse.issparse(found.counts)


def test_run__without_training_samples_there_are_no_cells_to_keep(
    files: list[pathlib.Path], tmp_path: pathlib.Path
) -> None:
    unseen = pseudobulk.Settings.model_validate(
        {**KEEPING.model_dump(), "split": {"fractions": (0, 0, 1)}}
    )
    pseudobulk.run(files, tmp_path / "s.zarr", unseen, OPTIONS)
    assert not cells.has(read.open_store(tmp_path / "s.zarr"))
