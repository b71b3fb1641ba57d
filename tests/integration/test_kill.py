"""Killed at the worst moments, each job goes on where it stopped and ends in the same bits.

Random moments are the matter of ``tests/benchmarks/kill.py``.
"""

import pathlib
import signal
from collections.abc import Sequence

import pytest
from integration import jobs, killer

from bluebatch import errors
from bluebatch.run import staged

NTH = {
    # The profile has several chunks in every 256 rows: these are of different partitions.
    "after a chunk": (1, 12, 23),
    "before fsync": (1, 9, 23),
    "before rename": (1, 2, 3),
    "after the marker": (1, 2, 3),
}
MOMENTS = [(point, nth) for point in killer.POINTS for nth in NTH[point]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    return jobs.write_inputs(tmp_path_factory.mktemp("kill"))


def kill_and_resume(
    verb: str, out: pathlib.Path, moment: tuple[str, int], again: Sequence[object]
) -> None:
    """Kill a command, see that its store cannot be completed, and say the command again."""
    point, nth = moment
    assert killer.run(point, nth, *again) == -signal.SIGKILL
    finished = killer.markers(out)
    n_expected = {"before rename": nth - 1, "after the marker": nth}.get(point, len(finished))
    assert len(finished) == n_expected < jobs.N_PARTITIONS
    with pytest.raises(errors.IncompleteError) as told:
        staged.finalise(out, verb)
    # Chunks may well lie there: what no marker vouches for is missing.
    for number in range(jobs.N_PARTITIONS):
        assert (f"{number}: has no marker" in str(told.value)) == (number not in finished)
    jobs.succeed(*again)
    # Skipped, not written a second time.
    assert {number: killer.markers(out)[number] for number in finished} == finished


@pytest.mark.parametrize("moment", MOMENTS, ids=str)
@pytest.mark.parametrize("verb", jobs.VERBS)
def test_run__killed_it_resumes_to_the_same_bits(
    folder: pathlib.Path, tmp_path: pathlib.Path, verb: str, moment: tuple[str, int]
) -> None:
    out = tmp_path / "out.zarr"
    kill_and_resume(verb, out, moment, jobs.words(verb, folder, out))
    jobs.assert_whole(out, folder / f"{verb}.zarr")


@pytest.mark.parametrize("moment", MOMENTS, ids=str)
def test_work__a_killed_task_resumes_to_the_same_bits(
    folder: pathlib.Path, tmp_path: pathlib.Path, moment: tuple[str, int]
) -> None:
    out = tmp_path / "out.zarr"
    jobs.succeed(*jobs.words("infer-init", folder, out))
    task = ("infer-partition", out, "--partition", "0-3", "--device", "cpu", "--threads", 1)
    kill_and_resume("infer", out, moment, task)
    jobs.succeed("infer-finalise", out)
    jobs.assert_whole(out, folder / "infer.zarr")


def test_run__killed_while_the_store_is_laid_out_it_begins_anew(
    folder: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    out = tmp_path / "out.zarr"
    again = jobs.words("infer", folder, out)
    assert killer.run("while creating", 3, *again) == -signal.SIGKILL
    with pytest.raises(errors.ForeignStoreError, match="was not begun whole"):
        staged.finalise(out, "infer")
    jobs.succeed(*again)
    jobs.assert_whole(out, folder / "infer.zarr")
