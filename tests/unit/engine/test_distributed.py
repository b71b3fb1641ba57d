"""Several processes of one run, as far as one process can tell; the rest is under integration."""

import pytest
import torch

from bluebatch import errors
from bluebatch.engine import distributed, optimise

CPU = torch.device("cpu")


@pytest.fixture
def four(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand in the place of the second of four processes on one machine."""
    places = {"RANK": "1", "WORLD_SIZE": "4", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "4"}
    for name, value in {**places, "MASTER_ADDR": "localhost", "MASTER_PORT": "1"}.items():
        monkeypatch.setenv(name, value)


def settings(n_parts: int) -> optimise.TrainingSettings:
    return optimise.TrainingSettings(micro_batches=n_parts)


def gpus(monkeypatch: pytest.MonkeyPatch, n_devices: int) -> list[torch.device]:
    chosen: list[torch.device] = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: n_devices)
    monkeypatch.setattr(torch.cuda, "set_device", chosen.append)
    return chosen


def test_alone__nothing_is_waited_for() -> None:
    with distributed.group("cpu"):
        assert not torch.distributed.is_initialized()
        distributed.barrier()
        assert distributed.from_first({"a": [1]}) == {"a": [1]}
        assert distributed.add_up(torch.ones(2)).tolist() == [1, 1]
    assert not distributed.is_spread()
    assert distributed.is_first()


def test_whole_parts__alone_any_number_goes() -> None:
    assert distributed.whole_parts(settings(1)).micro_batches == 1
    assert distributed.whole_parts(settings(3)).micro_batches == 3
    assert distributed.whole_parts(settings(32)).micro_batches == 32


def test_whole_parts__a_part_of_one_row_is_refused() -> None:
    # The default batch of 64 gives 33 parts fewer than two rows each.
    with pytest.raises(errors.ConfigError, match=r"batch = 64: .* 33 micro_batches.*batch = 66"):
        distributed.whole_parts(settings(33))


@pytest.mark.usefixtures("four")
def test_whole_parts__is_a_multiple_of_the_processes() -> None:
    assert distributed.whole_parts(settings(1)) == settings(4)
    assert distributed.whole_parts(settings(8)) == settings(8)
    with pytest.raises(errors.ConfigError, match=r"micro_batches = 6: .* by 4 processes"):
        distributed.whole_parts(settings(6))


@pytest.mark.usefixtures("four")
def test_pick_device__each_process_has_a_gpu_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = gpus(monkeypatch, 4)
    assert distributed.pick_device("auto") == torch.device("cuda", 1)
    assert chosen == [torch.device("cuda", 1)]
    assert distributed.pick_device("cpu") == CPU


@pytest.mark.usefixtures("four")
@pytest.mark.parametrize(("name", "n_devices"), [("auto", 2), ("cuda:0", 4)])
def test_pick_device__a_gpu_for_several_processes_is_refused(
    monkeypatch: pytest.MonkeyPatch, name: str, n_devices: int
) -> None:
    gpus(monkeypatch, n_devices)
    with pytest.raises(errors.ResourceError, match=f"4 processes on {n_devices} CUDA devices"):
        distributed.pick_device(name)


def test_pick_device__alone_as_it_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = gpus(monkeypatch, 2)
    assert distributed.pick_device("cuda:1") == torch.device("cuda:1")
    assert chosen == []
