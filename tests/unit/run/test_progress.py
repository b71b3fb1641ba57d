"""Bars on a terminal, log lines elsewhere, nothing when quiet."""

import io
import logging
import time

import pytest
import rich.console

from bluebatch.run import progress, ranks


@pytest.fixture(autouse=True)
def own_screen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "_screen", progress._Screen())


def terminal() -> io.StringIO:
    screen = io.StringIO()
    progress._screen.console = rich.console.Console(file=screen, force_terminal=True, width=120)
    return screen


def test_bar__without_a_terminal_logs_the_last_step(capsys: pytest.CaptureFixture[str]) -> None:
    progress.configure()
    with progress.bar("simulate", total=1000, unit="samples") as step:
        for _ in range(10):
            step(100)
    captured = capsys.readouterr()
    # Ten steps within two seconds are one line, and stdout is left to the summary.
    assert captured.err == "simulate: 1,000 of 1,000 samples, 0 s\n"
    assert captured.out == ""


def test_bar__logs_again_after_two_seconds(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter([0.0, 1.0, 2.5, 3.0, 5.0])
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    progress.configure()
    with progress.bar("train", total=10, unit="epochs") as step:
        for _ in range(4):
            step(1)
    lines = capsys.readouterr().err.splitlines()
    assert lines == ["train: 2 of 10 epochs, 2 s", "train: 4 of 10 epochs, 5 s"]


def test_bar__total_not_known(capsys: pytest.CaptureFixture[str]) -> None:
    progress.configure()
    with pytest.MonkeyPatch.context() as patch:
        clock = iter([0.0, 3.0])
        patch.setattr(time, "monotonic", lambda: next(clock))
        with progress.bar("ingest", total=None, unit="lines") as step:
            step(5000)
    assert capsys.readouterr().err == "ingest: 5,000 lines, 3 s\n"
    screen = terminal()
    with progress.bar("ingest", total=None, unit="lines") as step:
        step(5000)
    assert "5000/?" in screen.getvalue()


def test_bar__quiet_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    progress.configure(quiet=True)
    with progress.bar("simulate", total=1, unit="samples") as step:
        step(1)
    logging.getLogger("bluebatch.simulate").info("a note")
    assert capsys.readouterr().err == ""


def test_configure__quiet_still_warns(capsys: pytest.CaptureFixture[str]) -> None:
    progress.configure(quiet=True)
    logging.getLogger("bluebatch.simulate").warning("only %d cells", 3)
    assert capsys.readouterr().err == "only 3 cells\n"


def test_configure__verbose_names_level_and_place(capsys: pytest.CaptureFixture[str]) -> None:
    progress.configure(verbose=True)
    logging.getLogger("bluebatch.simulate").debug("drew [%d] cells", 500)
    assert "DEBUG bluebatch.simulate: drew [500] cells" in capsys.readouterr().err


def test_bar__terminal_draws_what_and_how_many() -> None:
    screen = terminal()
    with progress.bar("simulate", total=512, unit="samples") as step:
        step(512)
    drawn = screen.getvalue()
    assert "simulate" in drawn
    assert "512/512" in drawn
    assert "samples" in drawn


def test_bar__within_a_bar_shares_the_display() -> None:
    screen = terminal()
    with progress.bar("demo", total=2, unit="stages") as outer:
        with progress.bar("train", total=3, unit="epochs") as inner:
            inner(3)
        outer(2)
    drawn = screen.getvalue()
    assert "3/3" in drawn
    assert "2/2" in drawn
    assert progress._screen.live is None


def test_bar__an_error_passes_and_frees_the_display() -> None:
    terminal()
    with pytest.raises(KeyboardInterrupt), progress.bar("infer", total=2, unit="blocks"):
        raise KeyboardInterrupt
    assert progress._screen.live is None


def test_configure__only_the_first_of_several_processes_tells(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ranks, "is_first", lambda: False)
    progress.configure()
    logging.getLogger("bluebatch.engine").warning("told by the first as well")
    with progress.bar("train", total=1, unit="samples") as step:
        step(1)
    assert capsys.readouterr().err == ""
