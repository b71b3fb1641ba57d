import numpy as np
import numpy.typing as npt
import pytest
import sklearn.metrics

from bluebatch.expression import novelty, novelty_learning

Array = npt.NDArray[np.float64]
Block = dict[str, Array]
N_TYPES, N_GENES = 4, 300


def profiles(n_references: int = 2) -> Array:
    """Draw profiles of a million CPM; references differ by factors around 1.2."""
    rng = np.random.default_rng(0)
    base = rng.gamma(0.3, 1, (N_TYPES, N_GENES)) + 0.01
    each = base * rng.lognormal(0, 0.2, (n_references, 1, N_GENES))
    return np.asarray(each / each.sum(axis=-1, keepdims=True) * 1e6)


def blocks(of: Array, n_rows: int, seed: int, noise: float = 0) -> list[Block]:
    """Mix them; a quarter of the rows are mixed, and say nothing of any reference."""
    rng = np.random.default_rng(seed)
    n_references = len(of)
    source = rng.integers(n_references + 1, size=n_rows)
    fraction = rng.dirichlet(np.ones(of.shape[1]), n_rows)
    cpm = np.einsum("nt,ntg->ng", fraction, of[np.minimum(source, n_references - 1)])
    cpm *= rng.lognormal(0, noise, cpm.shape)
    whole = {"cpm": cpm, "rna_fraction": fraction, "source": source}
    cuts = range(0, n_rows, 64)
    return [{name: array[cut : cut + 64] for name, array in whole.items()} for cut in cuts]


def fit(of: Array, noise: float = 0.05) -> novelty.Novelty:
    training = blocks(of, 600, seed=1, noise=noise)
    for block in training:
        block["cpm"][block["source"] == len(of)] = 1e4
    fitted = novelty_learning.fit(training, 600, len(of))
    assert fitted is not None
    return fitted


def test_fit__finds_mean_profiles_and_what_studies_differ_by() -> None:
    of = profiles()
    fitted = fit(of, noise=0)
    np.testing.assert_array_equal(fitted.gene, np.arange(N_GENES))
    np.testing.assert_allclose(fitted.profile, of.mean(axis=0), rtol=0.01, atol=2)
    np.testing.assert_allclose(
        fitted.between_types, of.mean(axis=0).var(axis=0, ddof=1), rtol=0.03, atol=10
    )
    # Two references: the variance of a type's logs is half of their squared difference.
    difference = np.log(of[0] + 20) - np.log(of[1] + 20)
    expected = 0.2**2 + (difference**2 / 2).mean(axis=0)
    np.testing.assert_allclose(fitted.between_studies, expected, rtol=0.02, atol=1e-3)


def test_fit__a_type_that_one_reference_lacks_comes_from_the_other() -> None:
    of = profiles()
    training = blocks(of, 600, seed=1)
    for block in training:
        own = block["source"] == 0
        block["rna_fraction"][own, 3] = 0
        block["cpm"][own] = block["rna_fraction"][own] @ of[0]
    fitted = novelty_learning.fit(training, 600, 2)
    assert fitted is not None
    np.testing.assert_allclose(fitted.profile[3], of[1, 3], rtol=0.01, atol=2)


def test_fit__chooses_the_genes_that_tell_types_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    of = profiles(1)
    # Half of the genes are the same in all types.
    of[:, :, ::2] = of[:, :1, ::2]
    monkeypatch.setattr(novelty_learning, "N_GENES", 50)
    assert (fit(of).gene % 2 == 1).all()


def test_fit__one_cell_type_is_nothing_to_compare() -> None:
    of = profiles()[:, :1]
    assert novelty_learning.fit(blocks(of, 100, seed=1), 100, 2) is None


def test_fit__learns_the_variance_of_the_training_samples() -> None:
    of = profiles(1)
    training = blocks(of, 1000, seed=1)
    rng = np.random.default_rng(5)
    for block in training:
        # As if of Poisson's kind: linear in the mix.
        block["cpm"] = block["cpm"] + rng.normal(0, np.sqrt(50 * block["cpm"]))
    fitted = novelty_learning.fit(training, 1000, 1)
    assert fitted is not None
    np.testing.assert_allclose(fitted.variance.sum(axis=1), 50e6, rtol=0.1)
    expressed = of[0] > 500
    median = np.median(fitted.variance[expressed] / (50 * of[0][expressed]))
    assert median == pytest.approx(1, abs=0.1)


def test_calibrate__one_in_a_hundred_held_out_samples_is_above_the_limit() -> None:
    of = profiles()
    fitted = fit(of)
    held_out = np.concatenate([block["cpm"] for block in blocks(of, 1000, seed=2, noise=0.05)])
    calibrated = novelty_learning.calibrate(fitted, fitted.score(held_out))
    np.testing.assert_array_equal((calibrated.score(held_out) > 1).sum(axis=0), 10)


def test_missing_type__a_planted_type_is_told_from_its_absence() -> None:
    of = profiles()
    fitted = fit(of[:, :3])
    rng = np.random.default_rng(3)
    cpm = np.concatenate([block["cpm"] for block in blocks(of[:, :3], 400, seed=4, noise=0.05)])
    share = rng.uniform(0, 0.4, 400)
    planted = (1 - share[:, np.newaxis]) * cpm + share[:, np.newaxis] * of[0, 3]
    missing = fitted.score(planted)[:, 1]
    assert sklearn.metrics.roc_auc_score(share > 0.1, missing) > 0.9
    # The same type, known to the reference, is no cause for alarm.
    informed = fit(of)
    assert np.median(informed.score(planted)[:, 1]) < np.median(missing) / 2
