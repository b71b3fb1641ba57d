"""Commands that are killed, as by ``kill -9``, at a named point of their work."""

import multiprocessing
import os
import pathlib
import re
import signal
from collections.abc import Callable
from typing import Any

import zarr

from bluebatch.cli import main

# In the order of a partition's life.
POINTS = ("after a chunk", "before fsync", "before rename", "after the marker")

_CHUNK = re.compile(r"profile/c/\d+/\d+/\d+$")
_MARKER = re.compile(r"\.run/p\d+\.json$")
PATIENCE_SECONDS = 300


def start(
    point: str, nth: int, *words: object, by: signal.Signals = signal.SIGKILL
) -> multiprocessing.process.BaseProcess:
    """Start a command in a process of its own that sends itself a signal at a point.

    Processes are forked from one that has imported everything, which saves the seconds of start-up.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["bluebatch.cli.staged"])
    process = context.Process(target=_die_at, args=(point, nth, [str(word) for word in words], by))
    process.start()
    return process


def run(point: str, nth: int, *words: object) -> int | None:
    """Run a command that is killed at a point; give the exit code."""
    process = start(point, nth, *words)
    process.join(PATIENCE_SECONDS)
    if process.is_alive():
        process.terminate()
    return process.exitcode


def _die_at(point: str, nth: int, words: list[str], by: signal.Signals) -> None:
    left = [nth]

    def count() -> None:
        left[0] -= 1
        if not left[0]:
            os.kill(os.getpid(), by)

    {
        "while creating": _while_creating,
        "after a chunk": _after_a_chunk,
        "before fsync": _before_fsync,
        "before rename": _before_rename,
        "after the marker": _after_the_marker,
    }[point](count)
    main.main([*words, "--quiet"])


def _while_creating(count: Callable[[], None]) -> None:
    create = zarr.Group.create_array

    def counted(self: zarr.Group, *args: Any, **kwargs: Any) -> Any:
        count()
        return create(self, *args, **kwargs)

    zarr.Group.create_array = counted  # type: ignore[method-assign]


def _after_a_chunk(count: Callable[[], None]) -> None:
    write = zarr.storage.LocalStore.set

    async def counted(self: zarr.storage.LocalStore, key: str, value: Any) -> None:
        await write(self, key, value)
        if _CHUNK.search(key):
            count()

    zarr.storage.LocalStore.set = counted  # type: ignore[method-assign]


def _before_fsync(count: Callable[[], None]) -> None:
    flush = os.fsync

    def counted(descriptor: int) -> None:
        if _CHUNK.search(os.readlink(f"/proc/self/fd/{descriptor}")):
            count()
        flush(descriptor)

    os.fsync = counted  # type: ignore[assignment]


def _before_rename(count: Callable[[], None]) -> None:
    rename = os.replace

    def counted(source: Any, target: Any) -> None:
        if _MARKER.search(os.fspath(target)):
            count()
        rename(source, target)

    os.replace = counted  # type: ignore[assignment]


def _after_the_marker(count: Callable[[], None]) -> None:
    rename = os.replace

    def counted(source: Any, target: Any) -> None:
        rename(source, target)
        if _MARKER.search(os.fspath(target)):
            count()

    os.replace = counted  # type: ignore[assignment]


def markers(store: pathlib.Path) -> dict[int, tuple[int, int]]:
    """Find the finished partitions; each marker's file and time tell whether it was rewritten."""
    return {
        int(file.stem[1:]): (file.stat().st_ino, file.stat().st_mtime_ns)
        for file in store.with_name(f"{store.name}.run").glob("p[0-9]*.json")
    }
