import numpy as np
import pytest
import scipy.stats
import torch

from bluebatch.models import inputs


def test_rank__equals_scipy_with_ties() -> None:
    rng = np.random.default_rng(0)
    values = rng.poisson(2, (5, 31)).astype(np.float32)
    ranks = scipy.stats.rankdata(values, axis=1)
    expected = ((ranks - 0.5) / 31 - 0.5) * 3.4
    found = inputs.apply("rank", torch.from_numpy(values))
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-6)


def test_rank__is_taken_over_measured_genes_only() -> None:
    # By hand: of 5, 1, 3 the ranks are 3, 1, 2 of n = 3: (2.5/3, .5/3, 1.5/3) - .5, x 3.4.
    values = torch.tensor([[5.0, 99.0, 1.0, 3.0]])
    measured = torch.tensor([[True, False, True, True]])
    found = inputs.rank(values, measured)
    third = 3.4 / 3
    np.testing.assert_allclose(found.numpy(), [[third, 0, -third, 0]], atol=1e-6)


def test_standardise__has_mean_0_and_deviation_1_over_measured_genes() -> None:
    rng = np.random.default_rng(1)
    values = rng.normal(3, 2, (4, 20)).astype(np.float32)
    measured = rng.random((4, 20)) < 0.7
    found = inputs.standardise(torch.from_numpy(values), torch.from_numpy(measured)).numpy()
    for row in range(4):
        kept = found[row, measured[row]]
        expected = scipy.stats.zscore(values[row, measured[row]])
        np.testing.assert_allclose(kept, expected, atol=1e-5)
        assert not found[row, ~measured[row]].any()


@pytest.mark.parametrize("kind", ["none", "zscore", "rank"])
def test_apply__a_sample_without_genes_is_neutral(kind: inputs.Input) -> None:
    values, measured = torch.zeros(2, 6), torch.zeros(2, 6, dtype=torch.bool)
    assert not inputs.apply(kind, values, measured).any()


def test_add_noise__keeps_zero_the_floor_and_is_drawn_from_the_generator() -> None:
    values = torch.full((50, 100), 3.0)
    first = inputs.add_noise(values, 0.5, torch.Generator().manual_seed(1))
    again = inputs.add_noise(values, 0.5, torch.Generator().manual_seed(1))
    assert torch.equal(first, again)
    assert float(first.std()) == pytest.approx(0.5, rel=0.05)
    low = inputs.add_noise(torch.zeros(50, 100), 0.5, torch.Generator().manual_seed(1))
    assert float(low.min()) == 0
    assert float((low == 0).float().mean()) == pytest.approx(0.5, abs=0.05)


def test_open_gaps__loses_half_the_largest_share_on_average() -> None:
    measured = torch.ones(400, 200, dtype=torch.bool)
    left = inputs.open_gaps(measured, 0.6, torch.Generator().manual_seed(0))
    assert float(left.float().mean()) == pytest.approx(0.7, abs=0.03)
    assert float(left.float().mean(1).min()) > 0.3
    none = inputs.open_gaps(measured, 0, torch.Generator())
    assert torch.equal(none, measured)
