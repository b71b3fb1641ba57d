"""What a process and its children hold in memory, watched from outside."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import psutil

EVERY_SECONDS = 0.02


@contextmanager
def sampled(pid: int) -> Iterator[list[int]]:
    """Watch the resident memory of a process and its children; the largest sum is left."""
    peak, ended = [0], threading.Event()

    def watch() -> None:
        root = psutil.Process(pid)
        while not ended.wait(EVERY_SECONDS):
            total = 0
            try:
                for process in (root, *root.children(recursive=True)):
                    total += process.memory_info().rss
            except psutil.Error:
                continue
            peak[0] = max(peak[0], total)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield peak
    finally:
        ended.set()
        thread.join()
