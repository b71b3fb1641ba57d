"""The command group: lazy, and everything a user can act on is one line and an exit code."""

import errno
import json
import os
import pathlib
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import click
import click.testing
import pytest

from bluebatch import errors
from bluebatch.cli import main, options, output

Invoke = Callable[..., click.testing.Result]
HEAVY = {"torch", "scanpy", "zarr", "dask", "pandas", "xarray", "anndata", "matplotlib"}


@pytest.fixture
def invoke(monkeypatch: pytest.MonkeyPatch) -> Invoke:
    """Run a command that raises what it is given."""

    def run(raised: BaseException | None, *arguments: str) -> click.testing.Result:
        @click.command("simulate")
        @output.flags
        def command() -> None:
            if raised is not None:
                raise raised

        monkeypatch.setattr(main.LazyGroup, "get_command", lambda self, ctx, name: command)
        return click.testing.CliRunner().invoke(main.main, [*arguments, "simulate"])

    return run


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], ["--version"], []])
def test_main__help_and_version_import_nothing_heavy(arguments: list[str]) -> None:
    script = (
        "import sys\n"
        "from bluebatch.cli import main\n"
        f"try: main.main({arguments!r})\n"
        f"finally: print(sorted({HEAVY!r} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_main__help_lists_every_command() -> None:
    result = click.testing.CliRunner().invoke(main.main, ["--help"])
    assert result.exit_code == 0
    for name, (_, _, text) in main.COMMANDS.items():
        assert any(line.split() == [name, *text.split()] for line in result.output.splitlines())


@pytest.mark.parametrize("name", list(main.COMMANDS))
def test_main__every_listed_command_is_there_under_its_name(name: str) -> None:
    command = main.main.get_command(click.Context(main.main), name)
    assert command is not None
    assert command.name == name
    assert (command.help or "").strip()


def test_main__unknown_command_is_usage() -> None:
    result = click.testing.CliRunner().invoke(main.main, ["simulat"])
    assert result.exit_code == 2
    assert "No such command 'simulat'" in result.output


def test_main__missing_option_is_usage() -> None:
    result = click.testing.CliRunner().invoke(main.main, ["simulate"])
    assert result.exit_code == 2
    assert "Missing option '--out'" in result.output


def test_main__done_is_0(invoke: Invoke) -> None:
    assert invoke(None).exit_code == 0


def test_main__a_told_error_is_one_line_and_1(invoke: Invoke) -> None:
    result = invoke(errors.ValuesError("a.csv: holds\n a NaN. Remove it."))
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "Error: a.csv: holds a NaN. Remove it.\n"


def test_main__incomplete_is_3(invoke: Invoke) -> None:
    result = invoke(errors.DiskFullError("out.zarr: no space left. Make room."))
    assert (result.exit_code, result.stderr) == (3, "Error: out.zarr: no space left. Make room.\n")


def test_main__interrupt_says_how_to_resume_and_3(invoke: Invoke) -> None:
    result = invoke(KeyboardInterrupt())
    assert result.exit_code == 3
    assert result.stderr == ("interrupted: run the same command again to go on where it stopped\n")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_main__a_full_disk_of_any_library_is_3(invoke: Invoke, number: int) -> None:
    result = invoke(OSError(number, os.strerror(number), "out.zarr/c/0"))
    assert result.exit_code == 3
    assert result.stderr.startswith("Error: out.zarr/c/0: no space left on the disk. ")


@pytest.mark.parametrize("number", [errno.EACCES, errno.ENOTDIR, errno.EISDIR])
def test_main__a_path_that_cannot_be_used_is_1(invoke: Invoke, number: int) -> None:
    result = invoke(OSError(number, os.strerror(number), "/out"))
    assert result.exit_code == 1
    assert result.stderr == (
        f"Error: /out: {os.strerror(number)}. Give a path that can be read or written.\n"
    )


def test_main__a_bug_keeps_its_traceback(invoke: Invoke) -> None:
    result = invoke(ZeroDivisionError("by zero"))
    assert result.exit_code == 1
    assert isinstance(result.exception, ZeroDivisionError)


def test_main__a_closed_pipe_is_silent(invoke: Invoke) -> None:
    result = invoke(BrokenPipeError(errno.EPIPE, "Broken pipe"))
    assert result.stderr == ""


def test_main__verbose_adds_the_traceback(invoke: Invoke) -> None:
    raised = errors.ValuesError("a.csv: holds a NaN. Remove it.")
    assert "Traceback" not in invoke(raised).stderr
    assert "Traceback" in invoke(raised, "--verbose").stderr


@pytest.fixture
def terminated(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int], click.testing.Result]]:
    """Run a command that sends itself so many signals."""
    before = signal.getsignal(signal.SIGTERM)

    def run(n_signals: int) -> click.testing.Result:
        @click.command("simulate")
        def command() -> None:
            for _ in range(n_signals):
                os.kill(os.getpid(), signal.SIGTERM)
                signal.pause()

        monkeypatch.setattr(main.LazyGroup, "get_command", lambda self, ctx, name: command)
        return click.testing.CliRunner().invoke(main.main, ["simulate"])

    yield run
    signal.signal(signal.SIGTERM, before)


def test_main__sigterm_is_an_interrupt(terminated: Callable[[int], click.testing.Result]) -> None:
    result = terminated(1)
    assert result.exit_code == 3
    assert result.stderr.startswith("interrupted: ")


def test_main__a_second_sigterm_does_not_change_how_the_process_ends(
    terminated: Callable[[int], click.testing.Result],
) -> None:
    terminated(1)
    # The process has still to end, and a queue may send the signal once more.
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_IGN


def test_main__without_a_signal_the_handler_is_put_back(
    terminated: Callable[[int], click.testing.Result],
) -> None:
    before = signal.getsignal(signal.SIGTERM)
    assert terminated(0).exit_code == 0
    assert signal.getsignal(signal.SIGTERM) == before


class Summary:
    def as_text(self) -> str:
        return "two lines\nof text"

    def as_dict(self) -> dict[str, Any]:
        return {"path": pathlib.Path("a.zarr"), "n_samples": 3}


@pytest.mark.parametrize("arguments", [["--json", "simulate"], ["simulate", "--json"]])
def test_tell__json_before_or_after_the_command(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    @click.command("simulate")
    @output.flags
    def command() -> None:
        output.tell(Summary())

    monkeypatch.setattr(main.LazyGroup, "get_command", lambda self, ctx, name: command)
    runner = click.testing.CliRunner()
    told = json.loads(runner.invoke(main.main, arguments).stdout)
    assert told == {"path": "a.zarr", "n_samples": 3}
    assert runner.invoke(main.main, ["simulate"]).stdout == "two lines\nof text\n"


def test_names__repeated_comma_lists_are_one() -> None:
    assert options.names(("B, CD4T", "NK,,")) == ("B", "CD4T", "NK")
