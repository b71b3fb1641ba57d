"""What every test gets."""

import logging
import signal
from collections.abc import Iterator

import hypothesis
import pytest

# No test is timed: on a busy machine an example may take any time.
hypothesis.settings.register_profile(
    "untimed", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("untimed")


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """Undo what a command run within the process has set: later tests read the log."""
    logger = logging.getLogger("bluebatch")
    before = logger.handlers, logger.level, logger.propagate
    yield
    logger.handlers, logger.propagate = before[0], before[2]
    logger.setLevel(before[1])


def pytest_configure() -> None:
    """Let Ctrl-C be tested where a shell started the tests in the background, which ignores it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
