import pytest
from unit.engine import toy

from bluebatch.engine import kinds
from bluebatch.store import schema


@pytest.fixture
def toy_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    """Register the toy: one entry in the table of kinds, one a store in the schema."""
    monkeypatch.setitem(kinds.KINDS, "toy", toy.Task)
    for spec in (toy.CELLS, toy.DRAWS):
        monkeypatch.setitem(schema.SPECS, spec.kind, spec)
