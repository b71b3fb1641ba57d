import pathlib
import platform
import sys

import pytest
import torch

from bluebatch import errors
from bluebatch.engine import precision
from bluebatch.run import memory

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("line", "known"),
    [
        ("flags\t\t: fpu avx2 avx512f avx512_bf16", True),
        ("flags\t\t: fpu avx2 amx_bf16 amx_tile", True),
        ("Features\t: fp asimd bf16 i8mm", True),
        ("flags\t\t: fpu avx2 avx512f", False),
    ],
)
def test_has_bf16__reads_the_processors_flags(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, line: str, known: bool
) -> None:
    file = tmp_path / "cpuinfo"
    file.write_text(f"processor : 0\n{line}\n")
    monkeypatch.setattr(precision, "CPU_INFO", file)
    assert precision.has_bf16(CPU) is known
    expected = torch.bfloat16 if known else torch.float32
    assert precision.pick_dtype("auto", CPU) == expected


def test_has_bf16__is_not_assumed_where_nothing_tells(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(precision, "CPU_INFO", tmp_path / "absent")
    assert not precision.has_bf16(CPU)


def test_pick_dtype__fp16_on_a_processor_is_refused() -> None:
    assert precision.pick_dtype("fp32", CPU) == torch.float32
    assert precision.pick_dtype("bf16", CPU) == torch.bfloat16
    with pytest.raises(errors.ResourceError, match="twenty times slower"):
        precision.pick_dtype("fp16", CPU)


def test_pick_device__a_gpu_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert precision.pick_device() == CPU
    with pytest.raises(errors.ResourceError, match="no CUDA device"):
        precision.pick_device("cuda")
    with pytest.raises(errors.ResourceError, match="is not known"):
        precision.pick_device("abacus")


def test_autocast__rounds_products_only_where_asked() -> None:
    a, b = torch.randn(4, 4), torch.randn(4, 4)
    with precision.autocast(CPU, torch.float32):
        assert (a @ b).dtype == torch.float32
    with precision.autocast(CPU, torch.bfloat16):
        assert (a @ b).dtype == torch.bfloat16


def test_set_threads__takes_the_queues_grant(monkeypatch: pytest.MonkeyPatch) -> None:
    before = torch.get_num_threads()
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "3")
    try:
        assert precision.set_threads() == 3
        assert precision.set_threads(1) == torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)


@pytest.mark.skipif(sys.platform != "linux", reason="glibc is found on Linux only")
def test_tune_allocator__is_taken_by_glibc_and_left_alone_elsewhere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = platform.libc_ver()[0] == "glibc"
    assert precision.tune_allocator() is found
    monkeypatch.setattr(platform, "libc_ver", lambda: ("", ""))
    assert precision.tune_allocator() is False


def test_pick_dtype__tells_once_of_bf16_that_is_slow(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(precision, "has_bf16", lambda device: False)
    precision._tell_of_emulation.cache_clear()
    for _ in range(2):
        assert precision.pick_dtype("bf16", CPU) == torch.bfloat16
    assert [record.message for record in caplog.records] == [
        "--precision bf16: cpu is not known to multiply it natively, fp32 may be several times "
        "faster"
    ]


@pytest.mark.skipif(sys.platform != "linux", reason="glibc is found on Linux only")
def test_trim_allocator__hands_gaps_back(monkeypatch: pytest.MonkeyPatch) -> None:
    held = [torch.ones(100_000) for _ in range(400)]
    del held[1::2]
    before = memory.resident_bytes()
    if platform.libc_ver()[0] == "glibc":
        assert precision.trim_allocator()
        # Two hundred gaps of .4 MB.
        assert memory.resident_bytes() < before - 40e6
    monkeypatch.setattr(platform, "libc_ver", lambda: ("", ""))
    assert not precision.trim_allocator()
