"""Drawing cells and mixing profiles."""

import numpy as np
import numpy.typing as npt
import pytest
import scipy.sparse

from bluebatch.expression import mixture

POOL = np.array([[1, 0, 2], [0, 5, 0], [3, 3, 3]], dtype=np.float32)


def pool() -> scipy.sparse.csr_matrix:
    return scipy.sparse.csr_matrix(POOL)


def test_draw_cells__gives_each_sample_its_number_from_its_own_range() -> None:
    rng = np.random.default_rng(0)
    cells, bounds = mixture.draw_cells(rng, [3, 0, 500], [0, 5, 10], [1, 6, 14])
    assert bounds.tolist() == [0, 3, 3, 503]
    assert cells[:3].tolist() == [0, 0, 0]
    assert set(cells[3:].tolist()) == {10, 11, 12, 13}


def test_draw_cells__is_even_over_the_range() -> None:
    cells, _ = mixture.draw_cells(np.random.default_rng(1), [80_000], [0], [8])
    # 10,000 expected each, standard deviation 94: five of them.
    assert np.abs(np.bincount(cells, minlength=8) - 10_000).max() < 470


@pytest.mark.parametrize("dense_below", [0.0, 1e9], ids=["sparse", "dense"])
def test_sum_cells__counts_a_cell_as_often_as_it_was_drawn(
    monkeypatch: pytest.MonkeyPatch, dense_below: float
) -> None:
    monkeypatch.setattr(mixture, "DENSE_BELOW", dense_below)
    # By hand: twice cell 0 and cell 1; nothing; cell 2.
    summed = mixture.sum_cells(pool(), [0, 1, 0, 2], [0, 3, 3, 4])
    assert summed.tolist() == [[2, 5, 4], [0, 0, 0], [3, 3, 3]]
    assert summed.dtype == np.float32


def test_sum_cells__both_ways_give_the_same_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    cells = scipy.sparse.csr_matrix(rng.poisson(0.3, (40, 30)).astype(np.float32))
    chosen, bounds = mixture.draw_cells(rng, [50] * 7, [0] * 7, [40] * 7)
    results: list[npt.NDArray[np.float32]] = []
    for dense_below in (0.0, 1e9):
        monkeypatch.setattr(mixture, "DENSE_BELOW", dense_below)
        results.append(mixture.sum_cells(cells, chosen, bounds))
    np.testing.assert_array_equal(results[0], results[1])


def test_mix_profiles__weighs_linear_expression_by_rna() -> None:
    # By hand: CPM 3 and 15, half each: 9 -> log2(10).
    mixed = mixture.mix_profiles([[2.0], [4.0]], [0.5, 0.5])
    assert mixed.tolist() == pytest.approx([np.log2(10)])


def test_mix_profiles__an_absent_type_adds_nothing() -> None:
    mixed = mixture.mix_profiles([[[2.0], [np.nan]]], [[1.0, 0.0]])
    assert mixed.tolist() == [pytest.approx([2.0])]


def test_mix_profiles__leaves_its_input_alone() -> None:
    profile = np.array([[2.0], [np.nan]])
    mixture.mix_profiles(profile, [1.0, 0.0])
    assert np.isnan(profile[1, 0])


def test_proportion_from_rna__divides_by_rna_per_cell() -> None:
    # By hand: q = (1/2, 1/2), f = (1, 3): p = (1/2, 1/6) / (2/3) = (3/4, 1/4).
    assert mixture.proportion_from_rna([0.5, 0.5], [1, 3]).tolist() == pytest.approx([0.75, 0.25])


def test_rna_from_proportion__multiplies_by_rna_per_cell() -> None:
    assert mixture.rna_from_proportion([0.75, 0.25], [1, 3]).tolist() == pytest.approx([0.5, 0.5])


def test_proportion_from_rna__a_row_of_zeros_is_nan() -> None:
    assert np.isnan(mixture.proportion_from_rna([0.0, 0.0], [1.0, 1.0])).all()
