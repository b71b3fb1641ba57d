"""Scaling to CPM, log2(1 + x), and back."""

import numpy as np
import pytest

from bluebatch.expression import normalise


def test_counts_per_million__divides_by_the_row_sum() -> None:
    # By hand: 1 of 4 and 3 of 4 counts.
    np.testing.assert_allclose(normalise.counts_per_million([[1, 3]]), [[250_000, 750_000]])


def test_counts_per_million__takes_the_library_size_given() -> None:
    # By hand: 2 of 1,000 counts are 2,000 in a million.
    np.testing.assert_allclose(normalise.counts_per_million([[2.0]], [1000]), [[2000]])


def test_counts_per_million__missing_genes_do_not_count() -> None:
    cpm = normalise.counts_per_million([[1.0, np.nan, 1.0]])
    np.testing.assert_allclose(cpm, [[5e5, np.nan, 5e5]])


def test_counts_per_million__an_empty_row_is_nan_without_a_warning() -> None:
    assert np.isnan(normalise.counts_per_million(np.zeros((1, 3)))).all()


def test_counts_per_million__keeps_single_precision() -> None:
    assert normalise.counts_per_million(np.ones((2, 2), np.float32)).dtype == np.float32


def test_log_transform__of_known_values() -> None:
    # By hand: log2(1), log2(2), log2(8).
    assert normalise.log_transform([0, 1, 7]).tolist() == pytest.approx([0, 1, 3])


def test_unlog_transform__undoes_the_log_and_clips_below_zero() -> None:
    assert normalise.unlog_transform([0, 1, 3, -1]).tolist() == pytest.approx([0, 1, 7, 0])


def test_select_log_cpm__by_hand_with_a_gene_that_is_not_measured() -> None:
    expression = np.array([[1.0, 3.0, 4.0]])
    found = normalise.select_log_cpm(expression, [2, -1, 0])
    # Over the two measured genes asked for: 4 of 5 and 1 of 5.
    np.testing.assert_allclose(found, [[np.log2(800_001), np.nan, np.log2(200_001)]])
    over_all = normalise.select_log_cpm(expression, [2, -1, 0], [8.0])
    np.testing.assert_allclose(over_all, [[np.log2(500_001), np.nan, np.log2(125_001)]])
