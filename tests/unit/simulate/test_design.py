"""The plan of a simulation."""

import numpy as np
import numpy.typing as npt
import pytest

from bluebatch.simulate import design, proportions

SETTINGS = proportions.ProportionSettings()


@pytest.fixture
def pool_sizes() -> npt.NDArray[np.int64]:
    """Two references of three types, the second without the third type; no validation cells."""
    sizes = np.full((3, 2, 3), 5)
    sizes[:, 1, 2] = 0
    sizes[1] = 0
    return sizes


def draw(pool_sizes: npt.NDArray[np.int64], *n_samples: int) -> design.Design:
    rng = np.random.default_rng(0)
    return design.draw_design(rng, pool_sizes, np.array(n_samples), (100, 0.25), SETTINGS)


def test_draw_design__never_draws_a_type_that_the_source_lacks(
    pool_sizes: npt.NDArray[np.int64],
) -> None:
    drawn = draw(pool_sizes, 500, 0, 100)
    assert (drawn.n_cells[drawn.source == 1, 2] == 0).all()
    assert (drawn.n_cells.sum(axis=1) == 100).all()


def test_draw_design__twins_share_source_and_cells(pool_sizes: npt.NDArray[np.int64]) -> None:
    drawn = draw(pool_sizes, 3, 0, 5)
    assert drawn.names.tolist()[3:5] == ["test-000000", "test-000001"]
    assert drawn.twin.tolist() == [
        *["", "", ""],
        *["test-000001", "test-000000", "test-000003", "test-000002", ""],
    ]
    np.testing.assert_array_equal(drawn.n_cells[3:7:2], drawn.n_cells[4:8:2])
    np.testing.assert_array_equal(drawn.source[3:7:2], drawn.source[4:8:2])


def test_draw_design__one_reference_is_never_mixed(pool_sizes: npt.NDArray[np.int64]) -> None:
    assert set(draw(pool_sizes[:, :1], 50, 0, 0).source.tolist()) == {0}
