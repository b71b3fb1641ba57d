import numpy as np
import pytest

from bluebatch.expression import cohort_shift, mixture

N_TYPES, N_GENES, N_SAMPLES = 3, 7, 30
PRIOR = np.ones((N_TYPES, N_TYPES)) + 0.25 * np.eye(N_TYPES)


class Cohort:
    """Samples mixed from profiles of their own, all of them beyond what is expected by a shift."""

    def __init__(self, n_samples: int = N_SAMPLES, noise: float = 0.1) -> None:
        rng = np.random.default_rng(n_samples)
        self.anchors = rng.uniform(2, 9, (n_samples, N_TYPES, N_GENES))
        self.variances = rng.uniform(0.05, 1, (N_TYPES, N_GENES))
        self.fraction = rng.dirichlet(np.ones(N_TYPES), n_samples)
        self.shift = rng.normal(0, 0.8, N_GENES) + rng.normal(0, 0.4, (N_TYPES, N_GENES))
        mixed = mixture.mix_profiles(self.anchors + self.shift, self.fraction)
        self.log_cpm = mixed + noise * rng.normal(size=mixed.shape)

    def sums(self, shift: np.ndarray, rows: slice = slice(None)) -> cohort_shift.Sums:
        sums = cohort_shift.Sums(N_TYPES, N_GENES)
        parts = self.anchors[rows], self.variances, self.fraction[rows], self.log_cpm[rows]
        sums.add(*parts, shift)
        return sums

    def solve(self, passes: int = 2) -> np.ndarray:
        shift = np.zeros((N_TYPES, N_GENES))
        for _ in range(passes):
            shift = self.sums(shift).solve()
        return shift


def posterior_mean(cohort: Cohort, gene: int, shift: np.ndarray) -> np.ndarray:
    """Condition a normal shift on all samples at once: P S' (S P S' + R)^-1 (r + S d)."""
    shares, target, error = [], [], []
    for sample in range(len(cohort.anchors)):
        parts = [
            cohort.fraction[sample, k] * (2 ** (cohort.anchors[sample, k, gene] + shift[k]) - 1)
            for k in range(N_TYPES)
        ]
        share = np.array(parts) / sum(parts)
        shares.append(share)
        target.append(cohort.log_cpm[sample, gene] - np.log2(sum(parts) + 1) + share @ shift)
        error.append(0.16 + 0.09 + np.sum(share**2 * cohort.variances[:, gene]))
    design = np.array(shares)
    gain = PRIOR @ design.T @ np.linalg.inv(design @ PRIOR @ design.T + np.diag(error))
    return np.asarray(gain @ np.array(target))


def test_solve__one_type_and_sample_worked_by_hand() -> None:
    # L = 2^3 - 1 = 7, surprise 4 - log2 8 = 1, error .25 + .5; the prior's variance is 1.25.
    sums = cohort_shift.Sums(1, 1)
    sums.add(
        np.array([[[3.0]]]), np.array([[0.5]]), np.ones((1, 1)), np.array([[4.0]]), np.zeros((1, 1))
    )
    np.testing.assert_allclose(sums.solve(), [[1.25 / (1.25 + 0.75)]])


@pytest.mark.parametrize("size", [0.0, 0.7])
def test_solve__is_the_posterior_mean_over_all_samples(size: float) -> None:
    cohort = Cohort()
    shift = size * np.random.default_rng(1).normal(size=(N_TYPES, N_GENES))
    found = cohort.sums(shift).solve()
    for gene in range(N_GENES):
        expected = posterior_mean(cohort, gene, shift[:, gene])
        np.testing.assert_allclose(found[:, gene], expected, rtol=1e-8)


def test_add__blocks_add_up() -> None:
    cohort, shift = Cohort(), np.full((N_TYPES, N_GENES), 0.3)
    whole, parts = cohort.sums(shift), cohort.sums(shift, slice(0, 11))
    rows = slice(11, N_SAMPLES)
    parts.add(
        cohort.anchors[rows],
        cohort.variances,
        cohort.fraction[rows],
        cohort.log_cpm[rows],
        shift,
    )
    np.testing.assert_allclose(parts.solve(), whole.solve(), rtol=1e-12)


def test_solve__what_is_not_measured_says_nothing() -> None:
    cohort = Cohort()
    expected = cohort.sums(np.zeros((N_TYPES, N_GENES)), slice(5, None)).solve()
    cohort.log_cpm[:3] = np.nan
    cohort.fraction[3:5] = np.nan
    cohort.log_cpm[:, 2] = np.nan
    found = cohort.solve(passes=1)
    np.testing.assert_array_equal(found[:, 2], np.zeros(N_TYPES))
    others = np.delete(np.arange(N_GENES), 2)
    np.testing.assert_allclose(found[:, others], expected[:, others], rtol=1e-12)


def test_solve__a_silent_mixture_says_nothing() -> None:
    sums = cohort_shift.Sums(2, 1)
    shape = np.zeros((4, 2, 1))
    sums.add(shape, np.ones((2, 1)), np.full((4, 2), 0.5), np.full((4, 1), 9.0), np.zeros((2, 1)))
    np.testing.assert_array_equal(sums.solve(), np.zeros((2, 1)))


def test_solve__finds_each_types_own_shift_with_enough_samples() -> None:
    cohort = Cohort(n_samples=800)
    error = np.abs(cohort.solve() - cohort.shift).mean()
    assert error < 0.12
    # What all types share alone would leave their own, of standard deviation .4, undone.
    assert np.abs(cohort.shift - cohort.shift.mean(axis=0)).mean() > 2 * error
    assert np.abs(cohort.solve(passes=1) - cohort.shift).mean() > error


def test_shifted__stays_within_what_can_be() -> None:
    anchors = np.array([[[1.0, 19.0, 5.0]]], np.float32)
    moved = cohort_shift.shifted(anchors, np.array([[-2.0, 3.0, 0.5]]))
    np.testing.assert_allclose(moved, [[[0, np.log2(1 + 1e6), 5.5]]], rtol=1e-6)
    assert moved.dtype == np.float32
    np.testing.assert_array_equal(anchors, [[[1, 19, 5]]])
