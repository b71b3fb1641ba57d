"""Which of several processes this one is, where `torchrun` started it with others like it.

Read from the environment alone, so that what only prints or counts cores loads no torch.
"""

import os

# All of them: other launchers set one or two of these names for purposes of their own.
_NAMES = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


class _Voice:
    """Whether this process tells the user of its errors; None where nothing happened yet."""

    is_ours: bool | None = None


_voice = _Voice()


def world_size() -> int:
    """Count the processes that do this run together.

    Returns
    -------
    int
        1 where the process was not started by ``torchrun`` or its like.
    """
    return _number("WORLD_SIZE", alone=1)


def rank() -> int:
    """Tell this process's number among all of the run.

    Returns
    -------
    int
        From 0.
    """
    return _number("RANK", alone=0)


def local_rank() -> int:
    """Tell this process's number among those of the run on this machine.

    Returns
    -------
    int
        From 0.
    """
    return _number("LOCAL_RANK", alone=0)


def local_size() -> int:
    """Count the processes of the run on this machine, which share its cores and memory.

    Returns
    -------
    int
        At least 1.
    """
    return max(1, _number("LOCAL_WORLD_SIZE", alone=1))


def is_first() -> bool:
    """Tell whether this is the process that writes and prints for all.

    Returns
    -------
    bool
        True where it is alone.
    """
    return rank() == 0


def speaks() -> bool:
    """Tell whether this process tells the user of its errors, so that each is told once.

    Returns
    -------
    bool
        By default the first process does.
    """
    return is_first() if _voice.is_ours is None else _voice.is_ours


def give_voice(is_ours: bool) -> None:
    """Settle who tells of an error that ended the run.

    Parameters
    ----------
    is_ours : bool
        Whether this process met it first.
    """
    _voice.is_ours = is_ours


def _number(name: str, *, alone: int) -> int:
    is_started = all(os.environ.get(each) for each in _NAMES)
    return int(os.environ[name]) if is_started and os.environ[name].isdecimal() else alone
