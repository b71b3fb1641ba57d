"""The ``bluebatch`` command: a group whose commands are loaded when they are called."""

import contextlib
import errno
import importlib
import logging
import signal
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any

import click

from bluebatch import errors
from bluebatch.cli import output
from bluebatch.run import ranks

# Command -> (module, function, one line of help): `--help` lists them without importing torch.
COMMANDS = {
    "simulate": ("data", "simulate_command", "Draw pseudobulks from single cells."),
    "simulate-init": ("staged", "simulate_init_command", "Begin simulate as array tasks."),
    "simulate-partition": ("simulate_task", "simulate_partition_command", "Do one task of it."),
    "simulate-finalise": ("finish", "simulate_finalise_command", "Complete it after the tasks."),
    "ingest": ("data", "ingest_command", "Turn a bulk table into a cohort store."),
    "train": ("model", "train_command", "Train a model on pseudobulks."),
    "infer": ("model", "infer_command", "Stream a cohort through a model."),
    "infer-init": ("staged", "infer_init_command", "Begin infer as array tasks."),
    "infer-partition": ("infer_task", "infer_partition_command", "Do one task of it."),
    "infer-finalise": ("finish", "infer_finalise_command", "Complete it after the tasks."),
    "evaluate": ("evaluate", "evaluate_command", "Score results against a truth."),
    "calibrate": ("calibrate", "calibrate_command", "Rest intervals on known samples."),
    "subtype": ("subtype", "subtype_command", "Group patients by cell states and survival."),
    "transfer": ("transfer", "transfer_command", "Test frozen groups on a second cohort."),
    "report": ("report", "report_command", "Write a page about results to read and send."),
    "export": ("data", "export_command", "Write a part of a store as a table."),
    "verify": ("finish", "verify_command", "Read every checksum of a store again."),
    "inspect": ("data", "inspect_command", "Tell what a store or model holds."),
    "config": ("configuration", "config_group", "Show or check a configuration."),
    "demo": ("demo", "demo_command", "Run the whole job on real single cells."),
}
RESUME = "run the same command again to go on where it stopped"
DISK_FULL = {errno.ENOSPC, errno.EDQUOT}

_log = logging.getLogger(__name__)


class _Told(click.ClickException):
    """What the user is told in place of a traceback: one line on stderr and an exit code."""

    def __init__(self, message: str) -> None:
        # A line break in a path or in a library's message must not make two lines of one.
        super().__init__(" ".join(message.split()))

    def show(self, file: Any = None) -> None:
        """Print the message, once for all processes of the run."""
        if ranks.speaks():
            click.echo(f"Error: {self.message}", file=file, err=file is None)


class _ToldIncomplete(_Told):
    """The same for a run that stopped early and can be resumed."""

    exit_code = errors.IncompleteError.exit_code


class _Interrupted(_ToldIncomplete):
    """Ctrl-C and SIGTERM are no error."""

    def show(self, file: Any = None) -> None:
        """Print the message."""
        if ranks.speaks():
            click.echo(self.message, file=file, err=file is None)


class LazyGroup(click.Group):
    """A group that imports a command's module when the command is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """List the commands in the order of the work."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command."""
        if cmd_name not in COMMANDS:
            return None
        module, function, _ = COMMANDS[cmd_name]
        command = getattr(importlib.import_module(f"bluebatch.cli.{module}"), function)
        return command if isinstance(command, click.Command) else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands' help from the table above, importing none."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, _, text) in COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; what the user can act on becomes one line and an exit code."""
        with _one_line_errors(), _sigterm_as_interrupt():
            return super().invoke(ctx)


@contextlib.contextmanager
def _one_line_errors() -> Iterator[None]:
    try:
        yield
    except errors.BluebatchError as error:
        _log.debug("where it was raised", exc_info=True)
        raise _told_of(error) from error
    except KeyboardInterrupt as error:
        _log.debug("where it stopped", exc_info=True)
        raise _Interrupted(f"interrupted: {RESUME}") from error
    except OSError as error:
        told = _of_the_system(error)
        if told is None:
            raise
        _log.debug("where it was raised", exc_info=True)
        raise told from error


def _told_of(error: errors.BluebatchError) -> _Told:
    if isinstance(error, errors.InterruptedRunError):
        return _Interrupted(str(error))
    return (_ToldIncomplete if isinstance(error, errors.IncompleteError) else _Told)(str(error))


def _of_the_system(error: OSError) -> _Told | None:
    path = error.filename or "the output"
    if error.errno in DISK_FULL:
        return _ToldIncomplete(f"{path}: no space left on the disk. Make room, then {RESUME}.")
    if error.filename and error.strerror:
        return _Told(f"{path}: {error.strerror}. Give a path that can be read or written.")
    return None


@contextlib.contextmanager
def _sigterm_as_interrupt() -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield
    finally:
        # After a first signal the process ends with its own code, whatever comes in meanwhile:
        # queues send some signals twice.
        if signal.getsignal(signal.SIGTERM) is _interrupt:
            signal.signal(signal.SIGTERM, before)


def _interrupt(number: int, frame: FrameType | None) -> None:
    # Once is enough: a second signal must not cut the tidying short.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise KeyboardInterrupt


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="bluebatch", message="%(prog)s %(version)s")
@output.flags
def main() -> None:
    """Split bulk RNA-seq into cell-type proportions and expression profiles.

    The way is simulate, train, infer, evaluate; `bluebatch demo` shows it.

    Exit codes: 0 done, 1 an error that is told, 2 usage, 3 stopped early: run again to resume.
    """
