import hypothesis.extra.numpy as hnp
import numpy as np
import numpy.typing as npt
from hypothesis import given
from hypothesis import strategies as st

from bluebatch.expression import metrics

Vector = npt.NDArray[np.float64]


def vectors(count: int) -> st.SearchStrategy[Vector]:
    values = st.floats(-20, 20).map(lambda value: round(value, 3))
    return hnp.arrays(np.float64, st.tuples(st.just(count), st.integers(2, 30)), elements=values)


@given(vectors(2))
def test_concordance__is_symmetric_and_no_larger_than_correlation(pair: Vector) -> None:
    ccc, r = metrics.concordance(pair[0], pair[1]), metrics.pearson(pair[0], pair[1])
    np.testing.assert_allclose(ccc, metrics.concordance(pair[1], pair[0]))
    assert not abs(ccc) > 1 + 1e-12
    assert not abs(ccc) > abs(r) + 1e-9


@given(vectors(2), st.permutations(range(5)))
def test_metrics__do_not_depend_on_the_order_of_samples(pair: Vector, order: list[int]) -> None:
    shuffle = np.argsort(np.resize(order, pair.shape[1]), kind="stable")
    for score in metrics.FRACTION_SCORES.values():
        np.testing.assert_allclose(
            score(*pair), score(*pair[:, shuffle]), rtol=1e-6, atol=1e-9, equal_nan=True
        )


@given(vectors(1))
def test_metrics__the_truth_itself_is_perfect(one: Vector) -> None:
    truth = one[0]
    assert metrics.l1(truth, truth) == 0
    assert metrics.rmse(truth, truth) == 0
    if truth.std() > 1e-6:
        for score in (metrics.concordance, metrics.pearson, metrics.spearman, metrics.r_squared):
            np.testing.assert_allclose(score(truth, truth), 1)
        assert metrics.skill(truth[:, None], truth[:, None], [truth.mean()]) == 1


@given(vectors(2))
def test_l1__is_no_larger_than_rmse(pair: Vector) -> None:
    assert metrics.l1(*pair) <= metrics.rmse(*pair) + 1e-12


@given(vectors(3))
def test_metrics__one_axis_equals_one_column_at_a_time(rows: Vector) -> None:
    predicted, truth = rows.T[:, :2], rows.T[:, 1:]
    for score in metrics.FRACTION_SCORES.values():
        together = score(predicted, truth, 0)
        apart = [float(score(predicted[:, i], truth[:, i])) for i in range(2)]
        np.testing.assert_allclose(together, apart, rtol=1e-7, atol=1e-9, equal_nan=True)
