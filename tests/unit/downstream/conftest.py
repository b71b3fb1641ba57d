import pytest
from unit.downstream import discovered, planted

from bluebatch.downstream import discovery


@pytest.fixture(scope="session")
def case(tmp_path_factory: pytest.TempPathFactory) -> discovered.Case:
    """Discover everything in one planted cohort, once."""
    drawn = planted.draw(discovered.PLAN, seed=3)
    cohort = discovered.open_drawn(tmp_path_factory.mktemp("case"), drawn)
    found = discovery.discover(cohort, drawn.cell_types, discovered.SETTINGS, seed=0)
    return discovered.Case(drawn, cohort, found)
