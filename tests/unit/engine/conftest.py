from collections.abc import Iterator

import pytest
import torch
from unit.engine import toy

from bluebatch.engine import kinds
from bluebatch.store import schema


@pytest.fixture
def toy_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    """Register the toy: one entry in the table of kinds, one a store in the schema."""
    monkeypatch.setitem(kinds.KINDS, "toy", toy.Task)
    for spec in (toy.CELLS, toy.DRAWS):
        monkeypatch.setitem(schema.SPECS, spec.kind, spec)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Small networks wait for their second thread longer than it works."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
