"""What goes missing or rots is told by name, and mended by doing again what is named."""

import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator

import pytest
from integration import jobs, killer

PROFILE = "profile/c/5/1/0"  # rows 1280 to 1535: partition 1


def flip(file: pathlib.Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def cut(file: pathlib.Path) -> None:
    file.write_text(file.read_text()[:100])


def of_another_run(file: pathlib.Path) -> None:
    file.write_text(json.dumps(json.loads(file.read_text()) | {"run_id": "0" * 16}))


# What is done to which file, and what is said of it.
HARMS: dict[str, tuple[Callable[[pathlib.Path], object], str, str]] = {
    "a deleted chunk": (pathlib.Path.unlink, PROFILE, f"{PROFILE} is missing"),
    "a flipped byte": (flip, PROFILE, f"{PROFILE} does not match its checksum"),
    "a truncated marker": (cut, "../out.zarr.run/p1.json", "its marker is torn"),
    "a marker of another run": (
        of_another_run,
        "../out.zarr.run/p1.json",
        "its marker is of another run",
    ),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    return jobs.write_inputs(tmp_path_factory.mktemp("holes"))


@pytest.fixture
def begun(folder: pathlib.Path, tmp_path: pathlib.Path, verb: str) -> pathlib.Path:
    """Write a store all of whose partitions are done, and which is not completed."""
    out = tmp_path / "out.zarr"
    jobs.succeed(*jobs.words(f"{verb}-init", folder, out))
    jobs.succeed(f"{verb}-partition", out, "--partition", "0-3")
    return out


@pytest.mark.parametrize("harm", HARMS)
@pytest.mark.parametrize("verb", jobs.VERBS)
def test_finalise__and_verify_name_the_partition_and_doing_it_again_mends(
    folder: pathlib.Path, begun: pathlib.Path, verb: str, harm: str
) -> None:
    do, name, told = HARMS[harm]
    do(begun / name)
    code, said = jobs.command("verify", begun)
    assert code == 3
    assert f"partition 1: {told}" in said
    assert f"bluebatch {verb}-partition {begun} --partition 1\n" in said
    if harm == "a flipped byte":
        # Completing a store reads no values, so that it takes no hour.
        jobs.succeed(f"{verb}-finalise", begun)
    else:
        code, said = jobs.command(f"{verb}-finalise", begun)
        assert code == 3
        assert f"1 of 4 partitions are missing or not whole (1: {told})" in said
        assert f"`bluebatch {verb}-partition {begun} --partition 1`" in said
    said = jobs.succeed(f"{verb}-partition", begun, "--partition", "0-3", "--json")
    done = json.loads(said.splitlines()[-1])
    assert (done["done"], done["skipped"]) == ([1], [0, 2, 3])
    jobs.succeed(f"{verb}-finalise", begun)
    jobs.assert_whole(begun, folder / f"{verb}.zarr")


@pytest.mark.parametrize("verb", jobs.VERBS)
def test_run__a_finished_store_that_lost_a_chunk_is_mended_by_the_same_command(
    folder: pathlib.Path, tmp_path: pathlib.Path, verb: str
) -> None:
    out = tmp_path / "out.zarr"
    for suffix in ("", ".run"):
        shutil.copytree(folder / f"{verb}.zarr{suffix}", tmp_path / f"out.zarr{suffix}")
    (out / PROFILE).unlink()
    jobs.succeed(*jobs.words(verb, folder, out))
    jobs.assert_whole(out, folder / f"{verb}.zarr")


def test_work__two_tasks_on_one_partition_at_once(
    folder: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    out = tmp_path / "out.zarr"
    jobs.succeed(*jobs.words("infer-init", folder, out))
    task = ("infer-partition", out, "--partition", "1", "--device", "cpu", "--threads", 1)
    first = killer.start("after a chunk", 1, *task, by=signal.SIGSTOP)
    try:
        wait_for(lambda: (out / "profile" / "c").exists())
        code, said = jobs.command(*task)
        assert code == 3
        assert (
            f"partition 1 is being written by process {first.pid} on {os.uname().nodename}" in said
        )
        assert not killer.markers(out)
        jobs.succeed("infer-partition", out, "--partition", "0,2,3")
        # Stopped for good, it holds nothing any more, and the other may write.
        os.kill(first.pid or 0, signal.SIGKILL)
        first.join()
        jobs.succeed(*task)
    finally:
        first.kill()
    jobs.succeed("infer-finalise", out)
    jobs.assert_whole(out, folder / "infer.zarr")


def wait_for(holds: Callable[[], bool]) -> None:
    for _ in range(6000):
        if holds():
            return
        signal.sigtimedwait([], 0.01)
    raise AssertionError("it never came that far")


@contextlib.contextmanager
def small_disk(folder: pathlib.Path, megabytes: int) -> Iterator[Callable[[int], None]]:
    """Mount a disk of some MB; yield what gives it another size."""
    mount = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}M", "tmpfs", str(folder)]
    try:
        done = subprocess.run(mount, capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip("no small disk: there is no mount command")
    if done.returncode:
        pytest.skip(f"no small disk: mounting one is not permitted ({done.stderr.strip()})")

    def resize(to: int) -> None:
        subprocess.run(["mount", "-o", f"remount,size={to}M", str(folder)], check=True)

    try:
        yield resize
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.mark.parametrize("verb", jobs.VERBS)
def test_run__a_full_disk_is_told_and_with_more_room_it_goes_on(
    folder: pathlib.Path, tmp_path: pathlib.Path, verb: str
) -> None:
    n_bytes = sum(file.stat().st_size for file in (folder / f"{verb}.zarr").rglob("*/*"))
    with small_disk(tmp_path, megabytes=int(0.6 * n_bytes / 1e6)) as resize:
        out = tmp_path / "out.zarr"
        code, said = jobs.command(*jobs.words(verb, folder, out))
        assert code == 3
        assert re.search("out.zarr.*: no space left on the disk. What is finished is kept", said)
        finished = killer.markers(out)
        assert 1 <= len(finished) < jobs.N_PARTITIONS
        assert jobs.command(f"{verb}-finalise", out)[0] == 3
        resize(64)
        jobs.succeed(*jobs.words(verb, folder, out))
        assert {number: killer.markers(out)[number] for number in finished} == finished
        jobs.assert_whole(out, folder / f"{verb}.zarr")


@pytest.mark.parametrize("harm", ["deleted", "flipped"])
def test_infer__a_chunk_of_the_cohort_that_is_gone_or_rotten_is_named(
    folder: pathlib.Path, tmp_path: pathlib.Path, harm: str
) -> None:
    cohort = tmp_path / "cohort.zarr"
    shutil.copytree(folder / "cohort.zarr", cohort)
    shutil.copytree(folder / "model", tmp_path / "model")
    chunk = cohort / "expression" / "c" / "9" / "0"
    kept = chunk.read_bytes()
    out = tmp_path / "out.zarr"
    jobs.succeed(*jobs.words("infer-init", tmp_path, out))
    if harm == "deleted":
        chunk.unlink()
    else:
        flip(chunk)
    code, said = jobs.command("infer-partition", out, "--partition", "0-3")
    assert code == 1
    wanted = "12 of its 13 chunks" if harm == "deleted" else "'expression' holds a damaged chunk"
    assert f"{cohort}: " in said
    assert wanted in said
    code, said = jobs.command("verify", cohort)
    assert code == 1
    assert "  expression/c/9/0 is missing or damaged" in said
    assert jobs.command("infer-finalise", out)[0] == 3
    chunk.write_bytes(kept)
    jobs.succeed("infer-partition", out, "--partition", "0-3")
    jobs.succeed("infer-finalise", out)
    jobs.assert_whole(out, folder / "infer.zarr")
