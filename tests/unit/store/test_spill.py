import pathlib

import numpy as np
import pytest

from bluebatch.store import spill


@pytest.mark.parametrize("n_columns", [1, 256, 600])
@pytest.mark.parametrize("heights", [[1], [7, 7, 2], [300]])
def test_spill__gives_lines_and_columns_back(
    tmp_path: pathlib.Path, n_columns: int, heights: list[int]
) -> None:
    rng = np.random.default_rng(0)
    values = rng.random((sum(heights), n_columns), dtype=np.float32)
    lines = np.arange(0, len(values), 2)
    columns = np.arange(n_columns - 1, -1, -3)[::-1]
    with spill.Spill(tmp_path / "scratch", n_columns) as scratch:
        for part in np.split(values, np.cumsum(heights)[:-1]):
            scratch.append(part)
        assert scratch.n_lines == len(values)
        assert np.array_equal(scratch.lines(lines), values[lines])
        assert np.array_equal(scratch.columns(columns), values[:, columns].T)
    assert list(tmp_path.iterdir()) == []


def test_spill__is_removed_after_an_error(tmp_path: pathlib.Path) -> None:
    with pytest.raises(KeyboardInterrupt), spill.Spill(tmp_path / "scratch", 2):
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []
