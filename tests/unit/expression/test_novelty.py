import numpy as np
import numpy.typing as npt
import pytest
import scipy.optimize

from bluebatch.expression import novelty

Array = npt.NDArray[np.float64]
N_GENES = 60


def known(**changes: Array) -> novelty.Novelty:
    """Two types with 30 genes each, of no variance but the noise floor; gene 59 is silent."""
    profile = np.full((2, N_GENES), 200.0)
    profile[0, :30] = profile[1, 30:] = 2000
    profile[:, 59] = 0
    fields = {
        "gene": np.arange(N_GENES),
        "profile": profile,
        "variance": np.zeros((2, N_GENES)),
        "between_types": np.zeros(N_GENES),
        "between_studies": np.zeros(N_GENES),
        "limit": np.ones(2),
    }
    return novelty.Novelty(**{**fields, **changes})


def mixed(*shares: float) -> Array:
    return np.array([[share, 1 - share] for share in shares]) @ known().profile


def test_score__a_mix_of_known_types_is_at_no_distance() -> None:
    np.testing.assert_allclose(known().score(mixed(0.2, 0.5, 1.0)), 0, atol=1e-6)


def test_score__one_gene_too_high_is_scored_as_by_hand() -> None:
    # The silent gene expects a variance of 150^2, and 300 CPM are z^2 = 4, which counts as log 2.
    # Between types it varies so that another type would be half of its variance: w = 1/2.
    between_types = np.zeros(N_GENES)
    between_types[59] = 150.0**2 / 1.2**2
    sample = mixed(0.3)
    sample[0, 59] = 300
    # Nothing of the silent gene is in the fit. The other 59 genes are at 0, with w = 0.
    distance = (np.log(2) / 2) / (59 + 1 / 2)
    # The mean of the three genes that count most, of which two are at 0.
    missing = (np.log(2) / 2 / 3) / (distance + 0.02)
    found = known(between_types=between_types).score(sample)
    np.testing.assert_allclose(found, [[distance, missing]], rtol=1e-6)
    halved = known(between_types=between_types, limit=np.array([0.5, 2.0])).score(sample)
    np.testing.assert_allclose(halved, [[distance / 0.5, missing / 2]], rtol=1e-6)


def test_score__a_gap_is_as_if_the_gene_had_never_been_chosen() -> None:
    rng = np.random.default_rng(0)
    spread = rng.gamma(1, 1e5, N_GENES)
    whole = known(between_types=spread)
    cpm = mixed(0.1, 0.6) * rng.lognormal(0, 0.5, (2, N_GENES))
    gappy = cpm.copy()
    gappy[:, 10:15] = np.nan
    kept = np.delete(np.arange(N_GENES), np.arange(10, 15))
    fields = {
        name: getattr(whole, name)[..., kept]
        for name in ("gene", "profile", "variance", "between_types", "between_studies")
    }
    # The genes of a gap have no part in what a mean profile is weighted by either.
    np.testing.assert_allclose(
        whole.score(gappy), novelty.Novelty(**fields).score(cpm[:, kept]), rtol=1e-9
    )


def test_score__scale_of_a_whole_sample_says_nothing_of_its_mix() -> None:
    np.testing.assert_allclose(known().fit_mix(mixed(0.25) * 1.3), [[0.325, 0.975]], rtol=1e-4)


def test_score__too_few_genes_or_nothing_expressed_is_not_judged() -> None:
    samples = np.concatenate([mixed(0.5), mixed(0.5), np.zeros((1, N_GENES))])
    samples[1, :11] = np.nan  # 49 are left.
    found = known().score(samples)
    assert np.isfinite(found[0]).all()
    assert np.isnan(found[1:]).all()


def test_fit_mix__solves_weighted_non_negative_least_squares(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(novelty, "N_REWEIGHTED", 0)
    rng = np.random.default_rng(1)
    profile = rng.gamma(0.5, 500, (4, 80))
    between_studies, between_types = rng.random(80), profile.var(axis=0)
    fitted = novelty.Novelty(
        np.arange(80), profile, np.ones((4, 80)), between_types, between_studies
    )
    cpm = rng.gamma(0.5, 500, (20, 80))
    mean = profile.mean(axis=0)
    variance = 1 + between_studies * mean**2 + 150**2 + 20 * mean + 0.15**2 * between_types
    root = np.sqrt(1 / variance)
    expected = [scipy.optimize.nnls((profile * root).T, sample * root)[0] for sample in cpm]
    assert (np.array(expected) == 0).any()
    np.testing.assert_allclose(fitted.fit_mix(cpm), expected, rtol=1e-3, atol=1e-4)


def test_score__a_platform_raises_the_distance_and_not_the_missing_type() -> None:
    rng = np.random.default_rng(2)
    profile = rng.gamma(0.7, 1400, (4, 500))
    fitted = novelty.Novelty(
        np.arange(500),
        profile,
        0.01 * profile**2,
        profile.var(axis=0, ddof=1),
        np.full(500, 0.04),
    )
    cpm = rng.dirichlet(np.ones(4), 100) @ profile
    here = cpm * rng.lognormal(0, 0.1, cpm.shape)
    foreign = cpm * rng.lognormal(0, 0.7, 500)
    another = 0.7 * here + 0.3 * rng.gamma(0.7, 1400, 500)
    distance, missing = np.median(
        [fitted.score(each) for each in (here, foreign, another)], axis=1
    ).T
    assert distance[1] > distance[2] > distance[0]
    assert missing[2] > missing[1]
    assert missing[2] > 1.5 * missing[0]


def test_arrays__come_back() -> None:
    fitted = known(between_types=np.arange(N_GENES, dtype=float), limit=np.array([0.5, 2.0]))
    arrays = fitted.arrays()
    assert all(name.startswith("novelty_") for name in arrays)
    again = novelty.Novelty.from_arrays({**arrays, "skill": np.zeros(3)})
    assert again is not None
    sample = mixed(0.4) * np.linspace(0.5, 2, N_GENES)
    np.testing.assert_allclose(again.score(sample), fitted.score(sample), rtol=1e-5)
    del arrays["novelty_limit"]
    assert novelty.Novelty.from_arrays(arrays) is None
