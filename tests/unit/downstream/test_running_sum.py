import numpy as np
import pytest

from bluebatch.downstream import running_sum


@pytest.mark.parametrize("n_rows", [1, 2, 15, 16, 17, 24, 25, 26, 99, 100])
def test_add_up__is_the_cumulative_sum_of_each_stratum(n_rows: int) -> None:
    rows = np.random.default_rng(n_rows).integers(0, 9, size=(n_rows + 40, 3)).astype(float)
    strata = [slice(0, n_rows), slice(n_rows, n_rows + 40)]
    expected = np.concatenate([rows[stratum].cumsum(axis=0) for stratum in strata])
    running_sum.add_up(rows, strata)
    np.testing.assert_array_equal(rows, expected)


def test_add_up__three_by_hand() -> None:
    rows = np.array([[1.0, 2], [3, 4], [5, 6]])
    running_sum.add_up(rows, [slice(0, 2), slice(2, 3)])
    assert rows.tolist() == [[1, 2], [4, 6], [5, 6]]
