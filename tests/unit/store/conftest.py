"""A place that is on no disk."""

from collections.abc import Iterator

import pytest
from fsspec.implementations import memory


@pytest.fixture
def elsewhere() -> Iterator[str]:
    """Give a URL below which nothing lies; what is written there is gone after the test."""
    before = dict(memory.MemoryFileSystem.store), list(memory.MemoryFileSystem.pseudo_dirs)
    memory.MemoryFileSystem.store.clear()
    yield "memory://shelf"
    memory.MemoryFileSystem.store.clear()
    memory.MemoryFileSystem.store.update(before[0])
    memory.MemoryFileSystem.pseudo_dirs[:] = before[1]
