"""Which of several processes this one is, as torchrun tells it."""

import pytest

from bluebatch.run import ranks

STARTED = {
    "RANK": "5",
    "WORLD_SIZE": "8",
    "LOCAL_RANK": "1",
    "LOCAL_WORLD_SIZE": "4",
    "MASTER_ADDR": "node-1",
    "MASTER_PORT": "29500",
}


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in STARTED:
        monkeypatch.delenv(name, raising=False)


def told() -> tuple[int, int, int, int, bool]:
    place = ranks.rank(), ranks.world_size(), ranks.local_rank(), ranks.local_size()
    return *place, ranks.is_first()


def test_rank__is_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert told() == (0, 1, 0, 1, True)
    for name, value in STARTED.items():
        monkeypatch.setenv(name, value)
    assert told() == (5, 8, 1, 4, False)


@pytest.mark.parametrize("lacking", ["LOCAL_RANK", "MASTER_ADDR"])
def test_rank__a_part_of_the_names_is_somebody_elses(
    monkeypatch: pytest.MonkeyPatch, lacking: str
) -> None:
    for name, value in STARTED.items():
        if name != lacking:
            monkeypatch.setenv(name, value)
    assert told() == (0, 1, 0, 1, True)


def test_speaks__the_first_process_or_whoever_met_the_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ranks, "_voice", ranks._Voice())
    assert ranks.speaks()
    for name, value in STARTED.items():
        monkeypatch.setenv(name, value)
    assert not ranks.speaks()
    ranks.give_voice(True)
    assert ranks.speaks()
    monkeypatch.setenv("RANK", "0")
    ranks.give_voice(False)
    assert not ranks.speaks()
