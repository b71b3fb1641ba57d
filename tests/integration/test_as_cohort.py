"""What is learnt of a cohort is learnt once: however the rest is cut and spread, the bits agree."""

import pathlib
import re
import signal
from collections.abc import Iterator

import numpy as np
import pytest
import torch
import xarray as xr
import zarr
from click.testing import CliRunner
from integration import chores, killer, small

from bluebatch import config, errors
from bluebatch.cli import main
from bluebatch.engine import as_cohort, blocks, cohort_learning, filling, infer
from bluebatch.run import partition, staged
from bluebatch.store import model_folder, places, read, write

# A partition of 1,024 samples, and one of 17; so many of them are learnt from.
N_SAMPLES, N_PARTITIONS = 1024 + 17, 2
N_LEARNT = 128
SETTINGS = infer.InferenceSettings(precision="fp32", as_cohort=True)
ALONE = infer.InferenceSettings(precision="fp32")
CPU = infer.Options(device="cpu", threads=1)


@pytest.fixture(scope="module", autouse=True)
def fewer() -> Iterator[None]:
    """Learn from fewer samples, to be quick."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cohort_learning, "MOST_SAMPLES", N_LEARNT)
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """Inputs, and what one process makes of them."""
    folder = tmp_path_factory.mktemp("as_cohort")
    small.write_cohort(folder / "cohort.zarr", N_SAMPLES)
    small.write_cohort(folder / "small.zarr", 70)
    write_model(folder / "model")
    infer.run(folder / "cohort.zarr", folder / "model", folder / "whole.zarr", SETTINGS, CPU)
    return folder


@pytest.fixture
def begun(folder: pathlib.Path, tmp_path: pathlib.Path) -> pathlib.Path:
    out = tmp_path / "out.zarr"
    infer.init(folder / "cohort.zarr", folder / "model", out, SETTINGS, CPU)
    return out


def write_model(path: pathlib.Path) -> pathlib.Path:
    """Write the small model with the means by which a cohort is compared."""
    small.write_model(path)
    means = np.random.default_rng(5).gamma(0.5, 10_000, (len(small.CELL_TYPES), 90))
    arrays = {**model_folder.read_arrays(path), as_cohort.MEANS: means.astype(np.float32)}
    model_folder.write_card(path, model_folder.read_card(path), arrays)
    return path


def words(folder: pathlib.Path, out: pathlib.Path, cohort: str = "cohort.zarr") -> list[object]:
    return [
        *("infer", folder / cohort, "--model", folder / "model", "--out", out),
        *("--as-cohort", "--precision", "fp32", "--device", "cpu", "--threads", 1),
    ]


def command(*given: object) -> tuple[int, str]:
    result = CliRunner().invoke(main.main, [str(word) for word in given])
    return result.exit_code, result.output


def never(*given: object) -> None:
    raise AssertionError("learnt a second time")


def test_infer__what_was_learnt_changes_the_answers_and_stands_beside_them(
    folder: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    infer.run(folder / "cohort.zarr", folder / "model", tmp_path / "alone.zarr", ALONE, CPU)
    found, alone = (
        xr.open_zarr(str(folder / "whole.zarr")),
        read.open_store(tmp_path / "alone.zarr"),
    )
    for name in ("rna_fraction", "profile"):
        difference = np.abs(found[name].to_numpy() - alone.read(name))
        assert np.nanmax(difference) > 1e-3, name
    assert not {"alignment", "profile_shift"} & set(alone.group)
    assert "cohort_shift" not in alone.attributes
    assert not alone.attributes["inference"]["as_cohort"]
    assert found.attrs["inference"]["as_cohort"]
    assert found.attrs["cohort_shift"]["n_samples"] == N_LEARNT
    assert found["alignment"].dims == ("input_gene",)
    assert found["alignment"].sel(input_gene="GENE50") != 0
    assert found["profile_shift"].sel(cell_type="B", gene="GENE50") != 0
    plan = partition.Plan.load(folder / "whole.zarr")
    assert found.attrs["cohort_shift_digest"] == plan.inputs[as_cohort.ROLE]


def test_work__partitions_in_any_order_and_other_blocks_give_the_store_of_one_process(
    folder: pathlib.Path, begun: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cohort_learning, "learn", never)
    for number, block_rows in ((1, 512), (0, 1024)):
        monkeypatch.setattr(blocks, "BLOCK_ROWS", block_rows)
        infer.work(begun, [number], infer.Options(device="cpu", threads=1 + number))
    staged.finalise(begun, "infer")
    assert chores.contents(begun) == chores.contents(folder / "whole.zarr")


def test_init__learns_the_same_by_other_blocks_and_threads(
    folder: pathlib.Path, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocks, "BLOCK_ROWS", 512)
    inputs = folder / "cohort.zarr", folder / "model"
    infer.init(*inputs, tmp_path / "out.zarr", SETTINGS, infer.Options(device="cpu", threads=3))
    plan = partition.Plan.load(tmp_path / "out.zarr")
    assert plan.inputs == partition.Plan.load(folder / "whole.zarr").inputs


def test_init__for_gpus_where_there_is_none_learns_on_the_processor(
    folder: pathlib.Path, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    cohort, out = folder / "small.zarr", tmp_path / "out.zarr"
    gpu, on_cpu = infer.Options(device="cuda"), tmp_path / "on_cpu.zarr"
    told = infer.init(cohort, folder / "model", out, SETTINGS, gpu)
    assert (told.done, told.seconds) == (True, None)
    infer.init(cohort, folder / "model", on_cpu, SETTINGS, CPU)
    begun, expected = partition.Plan.load(out), partition.Plan.load(on_cpu)
    assert begun.settings["device"] == "cuda"
    assert begun.inputs == expected.inputs
    again = infer.init(cohort, folder / "model", out, SETTINGS, gpu)
    assert again.notes[-1].startswith("an unfinished run")


def test_fill_partition__a_worker_takes_what_was_learnt_from_the_store(
    folder: pathlib.Path, begun: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cohort_learning, "learn", never)
    means = filling.Resources(device="cpu", threads=1)
    for number in range(N_PARTITIONS):
        assert filling.fill_partition(str(begun), number, means)["written"]
    staged.finalise(begun, "infer")
    assert chores.contents(begun) == chores.contents(folder / "whole.zarr")


def test_run__goes_on_without_learning_again(
    folder: pathlib.Path, begun: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cohort_learning, "learn", never)
    infer.work(begun, [1], CPU)
    summary = infer.run(folder / "cohort.zarr", folder / "model", begun, SETTINGS, CPU)
    assert (summary.state, summary.n_skipped) == ("resumed", 1)
    assert any(note.startswith("as a cohort: ") for note in summary.notes)
    assert chores.contents(begun) == chores.contents(folder / "whole.zarr")
    again = infer.run(folder / "cohort.zarr", folder / "model", begun, SETTINGS, CPU)
    assert again.state == "complete"


@pytest.mark.parametrize("moment", [("while creating", 3), ("after a chunk", 2)], ids=str)
def test_run__killed_it_ends_in_the_same_bits(
    folder: pathlib.Path, tmp_path: pathlib.Path, moment: tuple[str, int]
) -> None:
    out, undisturbed = tmp_path / "out.zarr", tmp_path / "undisturbed.zarr"
    assert killer.run(*moment, *words(folder, out, "small.zarr")) == -signal.SIGKILL
    for each in (out, undisturbed):
        code, said = command(*words(folder, each, "small.zarr"))
        assert code == 0, said
    assert chores.contents(out) == chores.contents(undisturbed)


def test_work__refuses_what_is_not_what_was_learnt(begun: pathlib.Path) -> None:
    group = zarr.open_group(places.zarr_store(begun, read_only=False), mode="r+")
    write.write_whole(group, "alignment", np.zeros(120, np.float32))
    with pytest.raises(errors.ChangedInputError, match=r"holds not what was learnt.*--overwrite"):
        infer.work(begun, [0], CPU)


def test_preview__tells_what_is_learnt_and_writes_nothing(
    folder: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    code, said = command(*words(folder, tmp_path / "out.zarr"), "--dry-run")
    assert code == 0, said
    assert "as a cohort: alignment and profile shift from 128 samples" in said
    assert "120 input genes" in said
    assert re.search(r"peak memory .*learning [0-9]", said)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("n_samples", [5, 19])
def test_infer__few_samples_are_aligned_alone(
    folder: pathlib.Path, tmp_path: pathlib.Path, n_samples: int
) -> None:
    cohort, out = small.write_cohort(tmp_path / "few.zarr", n_samples), tmp_path / "out.zarr"
    summary = infer.run(cohort, folder / "model", out, SETTINGS, CPU)
    expected = f"as a cohort: alignment alone from {n_samples} samples; a profile shift needs 20"
    assert expected in summary.notes
    store = read.open_store(out, "profile")
    assert store.has("alignment")
    assert not store.has("profile_shift")


def test_infer__four_samples_are_no_cohort(folder: pathlib.Path, tmp_path: pathlib.Path) -> None:
    cohort, out = small.write_cohort(tmp_path / "four.zarr", 4), tmp_path / "out.zarr"
    code, said = command(
        *("infer", cohort, "--model", folder / "model", "--out", out, "--as-cohort"),
        *("--precision", "fp32", "--device", "cpu"),
    )
    assert code == 1
    assert "has 4 to learn from, needed: 5. " in said
    assert len(said.strip().splitlines()) == 1
    assert not out.exists()


def test_settings__samples_are_answered_one_at_a_time_by_default() -> None:
    assert not config.load("default").inference.as_cohort
    assert not infer.InferenceSettings().as_cohort
