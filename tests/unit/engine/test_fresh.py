"""Training rows drawn anew every epoch, from the training cells that a store keeps."""

import itertools
import pathlib
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
import scipy.sparse
from unit.engine import pseudobulks, toy

from bluebatch import errors
from bluebatch.engine import feed, provision, stream, task, train, unmix_draws
from bluebatch.store import cells, read, schema, write

ONE_THREAD = train.Options(threads=1)
N_ROWS = 480  # Of 600: a block of 256 rows and one of 224.


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    folder = tmp_path_factory.mktemp("fresh")
    return pseudobulks.write_store(folder / "s.zarr", 600, with_cells=True)


@pytest.fixture(scope="module")
def split(path: pathlib.Path) -> stream.Split:
    return stream.Split(pseudobulks.learn(path), read.open_store(path), "train", fresh=True)


def two_samples(path: pathlib.Path) -> read.Store:
    """Two samples of known design; each type has one cell in each reference, or none."""
    coordinates = {
        "sample": ["s0", "s1"],
        "gene": ["a", "b", "c"],
        "cell_type": ["B", "NK"],
        "profile_gene": ["a", "b"],
        "reference": ["one", "two"],
    }
    group = write.create(path, schema.PSEUDOBULK, coordinates, {})
    arrays: dict[str, Any] = {
        name: np.zeros(array.shape, array.dtype)
        for name, array in group.arrays()
        if name not in coordinates
    }
    arrays["n_cells"] = np.array([[3, 1], [2, 0]])
    arrays["source"] = np.array(["one", "two"], dtype=object)
    for name, values in arrays.items():
        write.write_whole(group, name, values)
    counts = scipy.sparse.csr_matrix(np.array([[1, 0, 3], [0, 2, 2], [5, 0, 0]], np.float32))
    # B has the first cell in the reference one and the second in two; NK the third, in one.
    labels = (np.array([0, 0, 1]), np.array([0, 1, 0]))
    cells.write_cells(group, counts, np.arange(3), labels)
    write.complete(group)
    return read.open_store(path)


def test_draw__a_tiny_example_worked_by_hand(tmp_path: pathlib.Path) -> None:
    store = two_samples(tmp_path / "s.zarr")
    # The model reads the genes c and a, and predicts b and a.
    draws = unmix_draws.Draws(store, np.array([2, 0]), np.array([1, 0]))
    drawn = draws.draw(slice(0, 2), np.random.default_rng(0))
    # s0: three times (1, 0, 3) and once (5, 0, 0). s1: twice (0, 2, 2).
    np.testing.assert_array_equal(drawn.expression, [[9, 8], [4, 0]])
    np.testing.assert_array_equal(drawn.library_size, [17, 8])
    np.testing.assert_allclose(drawn.fractions["proportion"], [[0.75, 0.25], [1.0, 0.0]])
    rna = np.array([[12 / 17, 5 / 17], [1, 0]])
    np.testing.assert_allclose(drawn.fractions["rna_fraction"], rna, rtol=1e-6)
    million = np.log2(1 + 1e6)
    half, quarter = np.log2(1 + 5e5), np.log2(1 + 2.5e5)
    expected = [[[0, quarter], [0, million]], [[half, 0], [np.nan, np.nan]]]
    np.testing.assert_allclose(drawn.profile, expected, rtol=1e-6)
    np.testing.assert_array_equal(drawn.n_cells, [[3, 1], [2, 0]])


def test_fresh__keeps_the_design_and_changes_the_cells(split: stream.Split) -> None:
    stored = split._store.read("n_cells")[:256]
    found = [split.read(0, (1, epoch)) for epoch in (0, 1)]
    assert found[0]["log_cpm"].shape == (256, 30)
    assert not np.array_equal(found[0]["log_cpm"], found[1]["log_cpm"])
    draws = split._learner._of(split._store)._draws  # type: ignore[attr-defined]
    for seed in (0, 1):
        drawn = draws.draw(slice(0, 256), np.random.default_rng(seed))
        np.testing.assert_array_equal(drawn.n_cells, stored)
        expected = stored / stored.sum(1, keepdims=True)
        np.testing.assert_allclose(drawn.fractions["proportion"], expected, rtol=1e-6)
    for arrays in found:
        # Targets of few cells are left out wherever the design says so.
        missing = np.isnan(arrays["profile"]).all(axis=2)
        np.testing.assert_array_equal(missing, stored < 25)


def test_fresh__comes_from_the_distribution_of_the_stored_rows(split: stream.Split) -> None:
    # The stored rows were made from the same rates: on average the same expression.
    stored = split._learner.examples(split._store, slice(0, 256))
    found = split.read(0, (1, 0))
    np.testing.assert_allclose(found["log_cpm"].mean(0), stored["log_cpm"].mean(0), atol=0.2)
    ours, theirs = (np.nanmean(each["profile"], axis=0) for each in (found, stored))
    np.testing.assert_allclose(ours, theirs, atol=0.25)


def test_read__depends_on_seed_epoch_and_block_alone(split: stream.Split) -> None:
    one = split.read(1, (7, 3))["log_cpm"]
    split.read(0, (7, 3))
    np.testing.assert_array_equal(one, split.read(1, (7, 3))["log_cpm"])
    others = [split.read(1, (8, 3)), split.read(1, (7, 4))]
    assert not any(np.array_equal(one, other["log_cpm"]) for other in others)


@pytest.mark.parametrize("window", [1, 64])
def test_batches__are_the_same_whatever_is_held(split: stream.Split, window: int) -> None:
    for epoch in (0, 1):
        found = [
            [batch["log_cpm"] for batch in feed.Feed(split, 64, window, how).batches(1, epoch)]
            for how in feed.HOLDINGS
        ]
        for one, two, three in zip(*found, strict=True):
            np.testing.assert_array_equal(one, two)
            np.testing.assert_array_equal(one, three)


def settings() -> train.Settings:
    return pseudobulks.settings(fresh=True, window=1, epochs=2)


def weights(folder: pathlib.Path) -> dict[str, Any]:
    file = folder / "member_1.safetensors"
    return dict(safetensors.numpy.load_file(file))


def test_run__resumed_draws_what_an_uninterrupted_run_draws(
    path: pathlib.Path, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train.run(path, tmp_path / "whole", settings(), ONE_THREAD)
    with monkeypatch.context() as patch:
        # Within the second epoch of the second member, with a window being drawn ahead.
        patch.setattr(provision, "_choices", lambda fresh: [("two windows", True)])
        whole, begun = feed.Feed.batches, itertools.count(1)

        def interrupted(self: feed.Feed, seed: int, epoch: int) -> Iterator[task.Arrays]:
            is_last = next(begun) == 4
            with closing(whole(self, seed, epoch)) as batches:
                for index, arrays in enumerate(batches):
                    if is_last and index == 3:
                        raise KeyboardInterrupt
                    yield arrays

        patch.setattr(feed.Feed, "batches", interrupted)
        with pytest.raises(errors.InterruptedRunError):
            train.run(path, tmp_path / "stopped", settings(), ONE_THREAD)
    with monkeypatch.context() as patch:
        patch.setattr(provision, "_choices", lambda fresh: [("one window", False)])
        resume = train.Options(threads=1, resume=True)
        assert train.run(path, tmp_path / "stopped", settings(), resume).state == "resumed"
    for name, value in weights(tmp_path / "whole").items():
        np.testing.assert_array_equal(value, weights(tmp_path / "stopped")[name], err_msg=name)


def test_run__a_store_without_cells_is_refused_before_any_work(tmp_path: pathlib.Path) -> None:
    path = pseudobulks.write_store(tmp_path / "s.zarr")
    with pytest.raises(errors.ForeignStoreError, match="--keep-cells"):
        train.run(path, tmp_path / "model", settings(), ONE_THREAD)
    assert not (tmp_path / "model").exists()


@pytest.mark.usefixtures("toy_kind")
def test_run__a_kind_that_cannot_draw_is_told(tmp_path: pathlib.Path) -> None:
    path = toy.write_cells(tmp_path / "cells.zarr", 256)
    model = settings().model.model_copy(update={"kind": "toy"})
    chosen = settings().model_copy(update={"model": model})
    with pytest.raises(errors.ConfigError, match=r"fresh.* kind toy.* Set fresh = false"):
        train.run(path, tmp_path / "model", chosen, ONE_THREAD)
