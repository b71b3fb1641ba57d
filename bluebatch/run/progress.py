"""How far a long job has come: a bar on a terminal, log lines anywhere else, nothing when quiet."""

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator

import rich.console
import rich.progress

from bluebatch.run import ranks

LOG_EVERY_SECONDS = 2.0

Step = Callable[[int], None]

_log = logging.getLogger(__name__)


class _Screen:
    """What is shown and where; one for the process, because there is one terminal."""

    def __init__(self) -> None:
        self.quiet = False
        self.live: rich.progress.Progress | None = None
        # The console looks up sys.stderr at every line, so it follows redirection.
        self.console = rich.console.Console(stderr=True)


_screen = _Screen()


class _ConsoleHandler(logging.Handler):
    """Log lines through the console that draws the bars, so that neither tears the other."""

    def emit(self, record: logging.LogRecord) -> None:
        text = self.format(record)
        _screen.console.print(text, markup=False, highlight=False, soft_wrap=True)


def configure(*, quiet: bool = False, verbose: bool = False) -> None:
    """Choose what the process tells on stderr; of several that do one run, the first tells.

    Parameters
    ----------
    quiet : bool
        Show no progress, and log warnings only.
    verbose : bool
        Log every detail, with its time and place.
    """
    _screen.quiet = quiet or not ranks.is_first()
    _screen.console = rich.console.Console(stderr=True)
    handler = _ConsoleHandler()
    form = "%(asctime)s %(levelname)s %(name)s: %(message)s" if verbose else "%(message)s"
    handler.setFormatter(logging.Formatter(form))
    logger = logging.getLogger("bluebatch")
    logger.handlers = [handler]
    logger.propagate = False
    level = logging.DEBUG if verbose else logging.INFO
    level = logging.WARNING if quiet else level
    logger.setLevel(level if ranks.is_first() else logging.ERROR)


@contextlib.contextmanager
def bar(what: str, total: int | None, unit: str) -> Iterator[Step]:
    """Show the progress of one stretch of work.

    Parameters
    ----------
    what : str
        The work, e.g. ``"simulate"``.
    total : int or None
        How many units there are in all; None where that is not known.
    unit : str
        Name of a unit in the plural, e.g. ``"samples"``.

    Yields
    ------
    callable
        ``step(n)`` says that ``n`` more units are done; it may be called from any thread.

    Examples
    --------
    >>> with bar("count", total=3, unit="things") as step:
    ...     step(3)
    """
    if _screen.quiet:
        yield lambda n: None
    elif _screen.console.is_terminal:
        with _drawn(what, total, unit) as step:
            yield step
    else:
        yield _Lines(what, total, unit).step


class _Lines:
    """Log lines in place of a bar: at most one in two seconds, and the last."""

    def __init__(self, what: str, total: int | None, unit: str) -> None:
        self.what, self.total, self.unit = what, total, unit
        self.done = 0
        self.start = self.told = time.monotonic()
        self.lock = threading.Lock()

    def step(self, n: int) -> None:
        with self.lock:
            self.done += n
            now = time.monotonic()
            if now - self.told < LOG_EVERY_SECONDS and self.done != self.total:
                return
            self.told = now
            done = f"{self.done:,}" if self.total is None else f"{self.done:,} of {self.total:,}"
            _log.info("%s: %s %s, %.0f s", self.what, done, self.unit, now - self.start)


@contextlib.contextmanager
def _drawn(what: str, total: int | None, unit: str) -> Iterator[Step]:
    outer = _screen.live
    live = outer or rich.progress.Progress(
        rich.progress.TextColumn("{task.description}"),
        rich.progress.BarColumn(),
        rich.progress.MofNCompleteColumn(),
        rich.progress.TextColumn("{task.fields[unit]}"),
        rich.progress.TimeElapsedColumn(),
        rich.progress.TimeRemainingColumn(),
        console=_screen.console,
    )
    task = live.add_task(what, total=total, unit=unit)
    # A bar within a bar is a second line of the same display.
    with contextlib.nullcontext() if outer else live:
        _screen.live = live
        try:
            yield lambda n: live.advance(task, n)
        finally:
            _screen.live = outer
            if outer is not None:
                live.refresh()
                live.remove_task(task)
