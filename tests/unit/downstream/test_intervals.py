import numpy as np
import pytest

from bluebatch.downstream import intervals

NAN = float("nan")


def test_measure__counts_by_hand() -> None:
    low = [[0.1, 0.4], [0.0, 0.2], [0.2, 0.5], [0.3, 0.1]]
    high = [[0.3, 0.6], [0.2, 0.4], [0.6, 0.9], [0.4, 0.5]]
    # Inside, on the end, below, above | inside, inside, inside, above.
    truth = [[0.2, 0.5], [0.2, 0.3], [0.1, 0.9], [0.5, 0.6]]
    found = intervals.measure(low, high, truth)
    np.testing.assert_allclose(found["per_type"]["coverage"], [2 / 4, 3 / 4])
    np.testing.assert_allclose(found["per_type"]["width"], [0.9 / 4, 1.2 / 4])
    assert found["per_type"]["n_samples"].tolist() == [4, 4]
    assert found["mean"]["coverage"] == pytest.approx(5 / 8)
    assert found["mean"]["width"] == pytest.approx(2.1 / 8)


def test_measure__what_is_not_known_is_not_counted() -> None:
    low = np.array([[0.1, NAN], [0.1, NAN], [NAN, NAN], [0.1, NAN]])
    high = low + 0.2
    truth = np.array([[0.2, 0.5], [NAN, 0.5], [0.2, 0.5], [0.9, 0.5]])
    found = intervals.measure(low, high, truth)
    # Two of four are left in the first type, one of them inside; none in the second.
    assert found["per_type"]["n_samples"].tolist() == [2, 0]
    np.testing.assert_allclose(found["per_type"]["coverage"], [0.5, NAN])
    np.testing.assert_allclose(found["per_type"]["width"], [0.2, NAN])
    assert found["mean"] == {"coverage": pytest.approx(0.5), "width": pytest.approx(0.2)}


def test_measure__an_end_in_float32_is_still_the_end() -> None:
    truth = np.array([[0.1], [0.7]])
    ends = truth.astype(np.float32)
    assert (ends[0] > truth[0]) != (ends[1] > truth[1])  # Rounding goes both ways.
    found = intervals.measure(ends, ends, truth)
    assert found["mean"] == {"coverage": 1.0, "width": 0.0}


def test_measure__no_interval_at_all_is_no_coverage() -> None:
    nothing = np.full((3, 2), NAN)
    found = intervals.measure(nothing, nothing, np.full((3, 2), 0.5))
    assert np.isnan(found["mean"]["coverage"])
    assert np.isnan(found["mean"]["width"])
