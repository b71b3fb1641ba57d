"""A cohort cut into tasks ends as the store of one process, and each task checks what it reads."""

import hashlib
import json
import os
import pathlib
import re

import numpy as np
import pytest
import torch
import zarr
from click.testing import CliRunner
from integration import small

from bluebatch import errors
from bluebatch.cli import main
from bluebatch.engine import blocks, infer, precision
from bluebatch.run import partition, staged
from bluebatch.store import places, read, write

# Seven partitions of at most 1,024 samples; the last has 17, and 6161 = 96 x 64 + 17.
N_SAMPLES = 6 * 1024 + 17
N_PARTITIONS = 7
EXACT = infer.InferenceSettings(precision="fp32")
CPU = infer.Options(device="cpu", threads=1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    folder = tmp_path_factory.mktemp("staged")
    small.write_cohort(folder / "cohort.zarr", N_SAMPLES)
    small.write_model(folder / "model")
    infer.run(folder / "cohort.zarr", folder / "model", folder / "whole.zarr", EXACT, CPU)
    return folder


@pytest.fixture
def begun(folder: pathlib.Path, tmp_path: pathlib.Path) -> pathlib.Path:
    out = tmp_path / "out.zarr"
    infer.init(folder / "cohort.zarr", folder / "model", out, EXACT, CPU)
    return out


def digests(store: pathlib.Path) -> dict[str, str]:
    """Digest every file of a store: each array, each label, all metadata."""
    return {
        name: hashlib.sha256((store / name).read_bytes()).hexdigest()
        for name in places.sizes(store)
    }


def assert_same_store(found: pathlib.Path, expected: pathlib.Path) -> None:
    assert digests(found) == digests(expected)


def command(*words: object) -> tuple[int, str]:
    result = CliRunner().invoke(main.main, [str(word) for word in words])
    return result.exit_code, result.output


def test_work__partitions_in_any_order_give_the_store_of_one_process(
    folder: pathlib.Path, begun: pathlib.Path
) -> None:
    for number in np.random.default_rng(0).permutation(N_PARTITIONS):
        summary = infer.work(begun, [int(number)], CPU)
        assert (summary.done, summary.skipped) == ([number], [])
        assert not summary.complete
    assert staged.finalise(begun, "infer").complete
    assert_same_store(begun, folder / "whole.zarr")


@pytest.mark.parametrize("one_based", [False, True])
def test_work__tasks_of_two_partitions_and_other_blocks_give_the_same_store(
    folder: pathlib.Path,
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    one_based: bool,
) -> None:
    out = tmp_path / "out.zarr"
    inputs = (folder / "cohort.zarr", folder / "model")
    assert infer.init(*inputs, out, EXACT, CPU, per_task=2).n_tasks == 4
    done = []
    for task, block_rows in ((3, 512), (0, 256), (2, 1024), (1, 512)):
        monkeypatch.setenv(staged.TASK_ID, str(task + one_based))
        monkeypatch.setattr(blocks, "BLOCK_ROWS", block_rows)
        options = infer.Options(device="cpu", threads=1 + task % 2)
        done += infer.work(out, None, options, one_based=one_based).done
    assert done == [6, 0, 1, 4, 5, 2, 3]
    staged.finalise(out, "infer")
    assert_same_store(out, folder / "whole.zarr")


@pytest.mark.parametrize(
    ("n_samples", "chosen"), [(1, "fp32"), (1024 + 1, "bf16"), (1024 + 64 + 17, "bf16")]
)
def test_work__short_tails_have_the_bits_of_one_process(
    folder: pathlib.Path, tmp_path: pathlib.Path, n_samples: int, chosen: infer.Precision
) -> None:
    settings = infer.InferenceSettings(precision=chosen)
    cohort = small.write_cohort(tmp_path / "cohort.zarr", n_samples)
    infer.run(cohort, folder / "model", tmp_path / "whole.zarr", settings, CPU)
    told = infer.init(cohort, folder / "model", tmp_path / "out.zarr", settings, CPU)
    for number in reversed(range(told.n_partitions)):
        infer.work(tmp_path / "out.zarr", [number], CPU)
    staged.finalise(tmp_path / "out.zarr", "infer")
    assert_same_store(tmp_path / "out.zarr", tmp_path / "whole.zarr")


def test_run__tells_that_versions_are_mixed(folder: pathlib.Path, begun: pathlib.Path) -> None:
    infer.work(begun, [0], CPU)
    file = write.run_folder(begun) / "p0.json"
    content = json.loads(file.read_text())
    content["versions"]["torch"] = "0.1"
    file.write_text(json.dumps(content))
    summary = infer.run(folder / "cohort.zarr", folder / "model", begun, EXACT, CPU)
    assert summary.n_skipped == 1
    assert re.search(r"different versions \(.*torch 0\.1 and", summary.notes[-1])
    assert summary.notes[-1] in summary.as_text()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_work__partitions_on_a_gpu_give_the_store_of_one_process(
    folder: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    inputs = (folder / "cohort.zarr", folder / "model")
    infer.run(*inputs, tmp_path / "whole.zarr", options=infer.Options(device="cuda"))
    infer.init(*inputs, tmp_path / "out.zarr", options=infer.Options(device="cuda"))
    for number in (3, 6, 0, 5, 1, 4, 2):
        infer.work(tmp_path / "out.zarr", [number], infer.Options(device="auto"))
    staged.finalise(tmp_path / "out.zarr", "infer")
    assert_same_store(tmp_path / "out.zarr", tmp_path / "whole.zarr")


def test_run__goes_on_where_tasks_stopped(folder: pathlib.Path, begun: pathlib.Path) -> None:
    infer.work(begun, [5, 2], CPU)
    summary = infer.run(folder / "cohort.zarr", folder / "model", begun, EXACT, CPU)
    assert (summary.state, summary.n_skipped, summary.n_partitions) == ("resumed", 2, 7)
    assert_same_store(begun, folder / "whole.zarr")


@pytest.mark.parametrize("asked", ["fp32", "auto"])
def test_run__leaves_the_tasks_of_init_as_they_are(
    folder: pathlib.Path,
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
    asked: infer.Precision,
) -> None:
    monkeypatch.setattr(precision, "has_bf16", lambda device: False)
    cohort, out = small.write_cohort(tmp_path / "cohort.zarr", 20), tmp_path / "out.zarr"
    infer.init(cohort, folder / "model", out, EXACT, CPU, per_task=3)
    settings = infer.InferenceSettings(precision=asked)
    assert infer.run(cohort, folder / "model", out, settings, CPU).state == "resumed"
    assert partition.Plan.load(out).per_task == 3


def test_infer_partition__refuses_what_is_out_of_range(begun: pathlib.Path) -> None:
    code, said = command("infer-partition", begun, "--partition", "7")
    assert code == 1
    assert "--partition 7: out of range" in said
    assert "7 partitions, needed: 0 to 6" in said
    code, said = command("infer-partition", begun, "--partition", "0", "--one-based")
    assert code == 1
    assert "needed: 1 to 7" in said
    code, _ = command("infer-partition", begun, "--partition", "first")
    assert code == 2
    with pytest.raises(errors.ConfigError, match=f"{staged.TASK_ID} is not set"):
        infer.work(begun, None, CPU)


def test_infer_partition__takes_the_task_of_the_array(
    begun: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(staged.TASK_ID, "7")
    code, said = command("infer-partition", begun)
    assert code == 1
    assert f"{staged.TASK_ID}=7: out of range" in said
    code, said = command("infer-partition", begun, "--one-based", "--threads", "1")
    assert code == 0
    assert "1 of 7 partitions written" in said
    assert [part.number for part in partition.load_job(begun).pending()] == [*range(6)]


def test_infer_finalise__lists_the_holes(begun: pathlib.Path) -> None:
    infer.work(begun, [0, 2, 3, 5, 6], CPU)
    code, said = command("infer-finalise", begun)
    assert code == 3
    assert "Error" in said
    assert f"{begun}: 2 of 7 partitions are missing" in said
    assert "--partition 1,4" in said
    assert read.open_store(begun, complete=False).attributes["status"] == "writing"


def test_init__over_a_finished_store(folder: pathlib.Path, tmp_path: pathlib.Path) -> None:
    cohort = small.write_cohort(tmp_path / "cohort.zarr", 20)
    out = tmp_path / "out.zarr"
    infer.run(cohort, folder / "model", out, EXACT, CPU)
    before = digests(out)
    words = (cohort, "--model", folder / "model", "--out", out, "--device", "cpu")
    code, said = command("infer-init", *words, "--precision", "fp32")
    assert code == 0
    assert "already complete" in said
    code, said = command("infer-init", *words, "--precision", "bf16")
    assert code == 1
    assert "something that this run did not make" in said
    assert "--overwrite" in said
    assert digests(out) == before


def test_work__refuses_a_cohort_whose_rows_changed(
    folder: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    cohort = small.write_cohort(tmp_path / "cohort.zarr", 2048)
    out = tmp_path / "out.zarr"
    infer.init(cohort, folder / "model", out, EXACT, CPU)
    # One value of one chunk of 256 samples, in the second partition.
    array = zarr.open_group(str(cohort), mode="r+")["expression"]
    assert isinstance(array, zarr.Array)
    array[1500, 3] = 12345.0
    with pytest.raises(errors.ChangedInputError, match=r"cohort.*partition 1.*--overwrite"):
        infer.work(out, [1], CPU)
    assert infer.work(out, [0], CPU).done == [0]
    with pytest.raises(errors.ChangedInputError, match="another cohort"):
        infer.run(cohort, folder / "model", out, EXACT, CPU)


def test_work__refuses_a_cohort_with_a_flipped_bit(
    folder: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    cohort = small.write_cohort(tmp_path / "cohort.zarr", 300)
    out = tmp_path / "out.zarr"
    infer.init(cohort, folder / "model", out, EXACT, CPU)
    chunk = cohort / "expression" / "c" / "1" / "0"
    content = bytearray(chunk.read_bytes())
    content[100] ^= 1
    chunk.write_bytes(content)
    # Its checksum still stands at its end, so it is the same to whom compares checksums alone.
    code, said = command("infer-partition", out, "--partition", "0")
    assert code == 1
    assert f"{cohort}: 'expression' holds a damaged chunk" in said
    assert len(partition.load_job(out).pending()) == 1


def test_work__refuses_a_model_that_changed(folder: pathlib.Path, tmp_path: pathlib.Path) -> None:
    cohort = small.write_cohort(tmp_path / "cohort.zarr", 20)
    model = small.write_model(tmp_path / "model")
    infer.init(cohort, model, tmp_path / "out.zarr", EXACT, CPU)
    weights = model / "member_0.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(errors.ChangedInputError, match="the model is not what it was"):
        infer.work(tmp_path / "out.zarr", [0], CPU)


def test_work__mends_a_rotten_partition_of_a_finished_store(
    folder: pathlib.Path, begun: pathlib.Path
) -> None:
    infer.run(folder / "cohort.zarr", folder / "model", begun, EXACT, CPU)
    chunk = begun / "profile" / "c" / "13" / "2" / "0"  # samples 3328 to 3583: partition 3
    content = bytearray(chunk.read_bytes())
    content[1000] ^= 16
    chunk.write_bytes(content)
    code, said = command("verify", begun)
    assert code == 3
    assert f"infer-partition {begun} --partition 3" in said
    summary = infer.work(begun, [2, 3], CPU)
    assert (summary.done, summary.skipped, summary.complete) == ([3], [2], True)
    assert_same_store(begun, folder / "whole.zarr")
    assert command("verify", begun)[0] == 0


def test_preview__tells_what_there_would_be_and_leaves_nothing(
    folder: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    cohort = small.write_cohort(tmp_path / "cohort.zarr", 1100)
    before, out = sorted(tmp_path.rglob("*")), tmp_path / "out.zarr"
    told = infer.preview(cohort, folder / "model", out, EXACT, CPU)
    assert sorted(tmp_path.rglob("*")) == before
    assert not told.done
    assert told.sizes == {
        "samples": 1100,
        "cell types": 4,
        "genes read": 200,
        "genes written": 90,
    }
    assert (told.n_blocks, told.n_partitions, told.n_tasks) == (5, 2, 2)
    assert told.seconds is not None
    assert told.seconds > 0
    assert "sbatch --parsable --array=0-1 --mem=" in told.sbatch
    infer.run(cohort, folder / "model", out, EXACT, CPU)
    sizes = places.sizes(out)
    numbers = sum(size for name, size in sizes.items() if name.split("/")[0] not in LABELS)
    metadata = sum(size for name, size in sizes.items() if name.endswith("zarr.json"))
    labels_metadata = sum(sizes[f"{name}/zarr.json"] for name in LABELS)
    assert told.n_files == len(sizes)
    assert told.n_bytes == numbers - metadata + labels_metadata


LABELS = ("sample", "cell_type", "gene")


def test_infer__dry_run_tells_and_writes_nothing(
    folder: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    words = (folder / "cohort.zarr", "--model", folder / "model", "--out", tmp_path / "out.zarr")
    code, said = command("infer", *words, "--dry-run", "--threads", "1")
    assert code == 0
    assert "a dry run, nothing was written" in said
    assert "7 partitions in 7 tasks, 25 blocks" in said
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("verb", ["infer", "infer-init"])
def test_infer__refuses_a_budget_too_small_for_one_block(
    folder: pathlib.Path, tmp_path: pathlib.Path, verb: str
) -> None:
    words = (folder / "cohort.zarr", "--model", folder / "model", "--out", tmp_path / "out.zarr")
    code, said = command(verb, *words, "--max-memory", "1MB")
    assert code == 1
    assert "--max-memory 1.0 MB: this run needs" in said
    assert "Give at least --max-memory" in said
    assert not list(tmp_path.iterdir())


def test_infer_partition__refuses_a_budget_too_small_for_one_block(begun: pathlib.Path) -> None:
    code, said = command("infer-partition", begun, "--partition", "0", "--max-memory", "1MB")
    assert code == 1
    assert "Give at least --max-memory" in said
    assert len(partition.load_job(begun).pending()) == N_PARTITIONS


def test_work__is_told_that_another_process_writes_there(
    folder: pathlib.Path, begun: pathlib.Path
) -> None:
    job = partition.load_job(begun)
    with job.claim([job.partitions()[4]]):
        with pytest.raises(errors.ClaimedError, match="partition 4 is being written by process"):
            infer.work(begun, [3, 4], CPU)
        with pytest.raises(errors.ClaimedError, match=f"process {os.getpid()}"):
            infer.run(folder / "cohort.zarr", folder / "model", begun, EXACT, CPU)
        assert command("infer-partition", begun, "--partition", "4")[0] == 3
        assert infer.work(begun, [3], CPU).done == [3]
    assert infer.work(begun, [4], CPU).done == [4]


def test_work__needs_nothing_but_the_store(
    folder: pathlib.Path, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small.write_cohort(tmp_path / "cohort.zarr", 20)
    monkeypatch.chdir(tmp_path)
    infer.init("cohort.zarr", os.path.relpath(folder / "model"), "out.zarr", EXACT, CPU)
    monkeypatch.chdir("/")
    assert infer.work(tmp_path / "out.zarr", [0], CPU).done == [0]


def test_init__again_after_the_cohort_was_moved(
    folder: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    cohort = small.write_cohort(tmp_path / "cohort.zarr", 20)
    out = tmp_path / "out.zarr"
    infer.init(cohort, folder / "model", out, EXACT, CPU)
    moved = cohort.rename(tmp_path / "moved.zarr")
    with pytest.raises(errors.MissingInputError, match=r"cohort\.zarr: nothing is there"):
        infer.work(out, [0], CPU)
    infer.init(moved, folder / "model", out, EXACT, CPU)
    assert infer.work(out, [0], CPU).done == [0]


def test_infer__refuses_a_run_folder_of_another_command(
    begun: pathlib.Path,
) -> None:
    code, said = command("simulate-partition", begun, "--partition", "0")
    assert code == 1
    assert "is being made by `bluebatch infer`" in said
    write.clear(begun)
    code, said = command("infer-partition", begun, "--partition", "0")
    assert code == 1
    assert "no run was begun there" in said
