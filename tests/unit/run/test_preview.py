"""What a run would do, in words and in the line for the queue."""

import dataclasses
import pathlib

import pytest

from bluebatch.run import preview
from bluebatch.store import places, schema, write

PREVIEW = preview.Preview(
    command="infer",
    path="my results.zarr",
    sizes={"samples": 17_500, "genes": 16_000},
    n_blocks=69,
    n_partitions=18,
    n_tasks=18,
    n_files=1200,
    n_bytes=6_700_000_000,
    memory_items={"weights": 500_000_000, "blocks": 1_000_000_000},
    budget_bytes=4_000_000_000,
    seconds=230.0,
    notes=("a note",),
)


def test_as_text__each_matter_on_its_line() -> None:
    assert PREVIEW.as_text().splitlines() == [
        "my results.zarr: infer, a dry run, nothing was written",
        "  17,500 samples, 16,000 genes",
        "  18 partitions in 18 tasks, 69 blocks",
        "  1,200 files, 6.70 GB on disk",
        "  peak memory 1.50 GB of 4.00 GB (blocks 1.00 GB, weights 0.50 GB)",
        "  about 4 min here, from a short probe",
        "  a note",
        f"  {PREVIEW.sbatch}",
    ]


def test_as_text__one_of_a_kind_is_told_in_the_singular() -> None:
    sizes = {"references": 1, "samples (test)": 1, "genes": 2}
    one = dataclasses.replace(PREVIEW, sizes=sizes, n_blocks=1, n_partitions=1, n_tasks=1)
    assert one.as_text().splitlines()[1:3] == [
        "  1 reference, 1 samples (test), 2 genes",
        "  1 partition in 1 task, 1 block",
    ]


def test_sbatch__the_array_and_the_job_that_waits_for_it() -> None:
    # 1.5 GB and a quarter are 1.75 of Slurm's G, rounded up to 2.
    assert PREVIEW.sbatch == (
        "job=$(sbatch --parsable --array=0-17%8 --mem=2G "
        "examples/slurm/infer_array.sh 'my results.zarr') && "
        "sbatch --dependency=afterany:$job examples/slurm/finalise.sh infer 'my results.zarr'"
    )


def test_sbatch__few_tasks_run_at_once_and_nothing_priced_asks_for_nothing() -> None:
    few = dataclasses.replace(PREVIEW, n_tasks=8, memory_items={}, path="o.zarr")
    assert "--array=0-7 examples/slurm/infer_array.sh o.zarr)" in few.sbatch


def test_sbatch__none_without_tasks() -> None:
    train = dataclasses.replace(PREVIEW, command="train", n_tasks=0, n_partitions=0)
    assert train.sbatch == ""
    assert "sbatch" not in train.as_text()
    assert "partitions" not in train.as_text()


def test_sbatch__its_scripts_are_there() -> None:
    scripts = pathlib.Path(__file__).parents[3] / preview.SCRIPTS
    for command in ("infer", "simulate"):
        assert (scripts / f"{command}_array.sh").exists()
    assert (scripts / "finalise.sh").exists()


def test_as_text__an_array_that_is_too_long_names_the_flag() -> None:
    # 2,500 partitions in arrays of at most 1,000 tasks: three a task.
    long = dataclasses.replace(PREVIEW, n_partitions=2500, n_tasks=2500)
    assert "give --per-task 3" in long.as_text()
    assert "--per-task" not in PREVIEW.as_text()


@pytest.mark.parametrize(
    ("seconds", "told"), [(99.4, "99 s"), (100.0, "2 min"), (5999.0, "100 min"), (7200.0, "2.0 h")]
)
def test_as_text__time_in_a_fitting_unit(seconds: float, told: str) -> None:
    assert f"about {told} here" in dataclasses.replace(PREVIEW, seconds=seconds).as_text()


def test_as_dict__holds_what_is_derived() -> None:
    found = PREVIEW.as_dict()
    assert found["peak_memory_bytes"] == 1_500_000_000
    assert found["sbatch"] == PREVIEW.sbatch


def test_on_disk__as_many_files_and_bytes_as_are_written(tmp_path: pathlib.Path) -> None:
    labels = {"sample": [f"s{index}" for index in range(300)], "gene": ["a", "b", "c"]}
    path = tmp_path / "out.zarr"
    group = write.create(path, schema.COHORT, labels, {}, leave_out=("patient",))
    write.write_whole(group, "expression", [[1.0] * 3] * 300)
    write.write_whole(group, "library_size", [3.0] * 300)
    found = places.sizes(path)
    chunks = {name: size for name, size in found.items() if name.split("/")[0] not in labels}
    n_bytes = sum(size for name, size in chunks.items() if not name.endswith("zarr.json"))
    assert preview.on_disk(schema.COHORT, labels, ("patient",)) == (len(found), n_bytes)
