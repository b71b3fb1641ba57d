"""Round trips and identities of mixing, for any values."""

import hypothesis
import numpy as np
import numpy.typing as npt
from hypothesis import strategies
from hypothesis.extra import numpy as arrays

from bluebatch.expression import mixture, normalise

SHAPES = strategies.tuples(strategies.integers(1, 5), strategies.integers(2, 6))


@hypothesis.given(
    strategies.integers(1, 8).flatmap(
        lambda n: strategies.tuples(
            arrays.arrays(np.float64, n, elements=strategies.floats(0.01, 1)),
            arrays.arrays(np.float64, n, elements=strategies.floats(0.01, 100)),
        )
    )
)
def test_proportion_and_rna__are_inverse(
    pair: tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]],
) -> None:
    shares, factor = pair
    proportion = shares / shares.sum()
    rna = mixture.rna_from_proportion(proportion, factor)
    np.testing.assert_allclose(rna.sum(), 1)
    np.testing.assert_allclose(mixture.proportion_from_rna(rna, factor), proportion, rtol=1e-9)


@hypothesis.given(SHAPES, strategies.integers(0, 2**32 - 1))
def test_mix_profiles__sums_of_cells_mix_back_into_their_sample(
    shape: tuple[int, int], seed: int
) -> None:
    rng = np.random.default_rng(seed)
    sums = rng.poisson(3, shape).astype(np.float64)
    sums[:, 0] += 1
    present = rng.random(shape[0]) < 0.7
    present[0] = True
    sums[~present] = 0
    total = sums.sum(axis=1)
    profile = normalise.log_transform(normalise.counts_per_million(sums))
    mixed = mixture.mix_profiles(profile, total / total.sum())
    sample = normalise.log_transform(normalise.counts_per_million(sums.sum(axis=0)))
    np.testing.assert_allclose(mixed, sample, atol=1e-9)
