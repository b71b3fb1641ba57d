import pathlib
import zlib

import numpy as np
import pytest
import upath
import zarr

from bluebatch.store import digests, places, read, schema, write

N_SAMPLES = 600
LABELS = {"sample": [f"s{at}" for at in range(N_SAMPLES)], "gene": ["ACTB", "GAPDH", "B2M"]}
RANGES = [slice(0, 256), slice(256, 600)]


def write_cohort(path: str | pathlib.Path) -> None:
    values = np.arange(N_SAMPLES * 3, dtype=np.float32).reshape(N_SAMPLES, 3)
    group = write.create(
        path, schema.COHORT, LABELS, {"unit": "TPM", "origin": "bulk"}, leave_out=["patient"]
    )
    write.write_whole(group, "expression", values)
    write.write_whole(group, "library_size", values.sum(axis=1))
    write.complete(group)


@pytest.fixture
def path(tmp_path: pathlib.Path) -> pathlib.Path:
    write_cohort(tmp_path / "c.zarr")
    return tmp_path / "c.zarr"


def flip(file: pathlib.Path) -> None:
    content = bytearray(file.read_bytes())
    content[0] ^= 1
    file.write_bytes(bytes(content))


def of_rows(path: str | pathlib.Path) -> list[str]:
    return digests.of_rows(read.open_store(path), RANGES)


@pytest.mark.parametrize("name", ["expression/c/0/0", "sample/c/0"])
def test_of_store__stays_for_the_same_and_changes_with_one_byte(
    path: pathlib.Path, name: str
) -> None:
    before = digests.of_store(path)
    assert digests.of_store(path) == before
    flip(path / name)
    assert digests.of_store(path) != before


def test_of_store__changes_with_an_attribute(path: pathlib.Path) -> None:
    before = digests.of_store(path)
    zarr.open_group(str(path), mode="r+").attrs["unit"] = "CPM"
    assert digests.of_store(path) != before


def test_of_rows__changes_with_a_chunk_of_these_rows_alone(path: pathlib.Path) -> None:
    before = of_rows(path)
    assert before[0] != before[1]
    flip(path / "expression/c/1/0")
    after = of_rows(path)
    assert after[0] == before[0]
    assert after[1] != before[1]


@pytest.mark.parametrize("name", ["gene/c/0", "sample/c/0"])
def test_of_rows__changes_with_the_labels(path: pathlib.Path, name: str) -> None:
    before = of_rows(path)
    store = read.open_store(path)
    flip(path / name)
    after = digests.of_rows(store, RANGES)
    assert after[0] != before[0]
    assert after[1] != before[1]


def test_of_store__is_the_same_on_a_disk_and_elsewhere(path: pathlib.Path, elsewhere: str) -> None:
    write_cohort(f"{elsewhere}/c.zarr")
    assert digests.of_store(f"{elsewhere}/c.zarr") == digests.of_store(path)
    assert of_rows(f"{elsewhere}/c.zarr") == of_rows(path)


def test_of_files__is_the_length_and_the_end_or_a_sum(
    tmp_path: pathlib.Path, elsewhere: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    contents = {
        "x/c/0": bytes(range(256)) * 257,  # 65,792 bytes: more than are summed
        "x/c/1": b"0123456789",
        "x/c/2": b"",
    }
    expected = {
        # By hand: the last bytes are 248 to 255.
        "x/c/0": "65792:f8f9fafbfcfdfeff",
        "x/c/1": f"10:{zlib.crc32(b'0123456789'):08x}",
        "x/c/2": "0:00000000",
    }
    there = places.place(elsewhere)
    assert isinstance(there, upath.UPath)
    (tmp_path / "x/c").mkdir(parents=True)
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
        there.fs.pipe_file((there / name).path, content)
    monkeypatch.setattr(digests, "_AT_ONCE", 2)
    for folder in (tmp_path, there):
        assert digests.of_files(folder, list(contents)) == expected
        sizes = places.sizes(folder)
        assert digests.of_files(folder, ["x/c/1"], sizes) == {"x/c/1": expected["x/c/1"]}
