import pathlib

import pytest
from unit.engine import pseudobulks

from bluebatch import errors
from bluebatch.engine import kinds, train

ONE_THREAD = train.Options(threads=1)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    return pseudobulks.write_store(tmp_path_factory.mktemp("rehearsal") / "s.zarr")


def test_preview__counts_what_a_run_does_and_writes_nothing(
    store: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    out = tmp_path / "model"
    told = train.preview(store, out, pseudobulks.settings(epochs=3), ONE_THREAD)
    assert list(tmp_path.iterdir()) == []
    sizes = dict(told.sizes)
    # 240 rows are four batches of 64, for three epochs of two members.
    assert sizes["steps"] == 4 * 3 * 2
    assert [sizes[f"samples ({name})"] for name in ("train", "validation", "test")] == [240, 30, 30]
    assert (sizes["input genes"], sizes["genes"], sizes["cell types"]) == (30, 30, 3)
    learner = pseudobulks.learn(store)
    networks = [kinds.blank_network(learner, member) for member in (0, 1)]
    assert sizes["parameters"] == sum(
        weight.numel() for network in networks for weight in network.parameters()
    )
    assert sizes["members"] == 2
    assert told.seconds is not None
    assert told.seconds > 0
    assert told.peak_memory_bytes <= told.budget_bytes
    text = told.as_text()
    assert f"bluebatch train {store} --out {out} --resume" in text
    assert "torchrun --nproc-per-node" in text
    assert "a dry run, nothing was written" in text


def test_preview__tells_files_and_bytes_that_a_run_then_writes(
    store: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    settings = pseudobulks.settings(epochs=1)
    told = train.preview(store, tmp_path / "model", settings, ONE_THREAD)
    train.run(store, tmp_path / "model", settings, ONE_THREAD)
    assert told.n_files == len(list((tmp_path / "model").iterdir()))
    again = train.preview(store, tmp_path / "model", settings, ONE_THREAD)
    assert again.seconds is None
    assert "already complete" in again.as_text()
    with pytest.raises(errors.OutputExistsError):
        train.preview(store, tmp_path / "model", pseudobulks.settings(epochs=2), ONE_THREAD)


def test_preview__refuses_what_a_run_would_refuse(
    store: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    small = train.Options(threads=1, max_memory=10**6)
    for verb in (train.preview, train.run):
        with pytest.raises(errors.ResourceError, match="--max-memory"):
            verb(store, tmp_path / "model", pseudobulks.settings(), small)
    assert list(tmp_path.iterdir()) == []
