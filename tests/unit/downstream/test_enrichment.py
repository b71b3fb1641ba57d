from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import scipy.stats

from bluebatch import errors
from bluebatch.downstream import differential, enrichment, gene_correlation, gene_sets

Array = npt.NDArray[Any]
SETTINGS = differential.DifferentialSettings()


def lay(members: list[list[int]], n_genes: int, **how: Any) -> gene_sets.GeneSets:
    names = [f"S{at}" for at in range(len(members))]
    sets = {
        name: tuple(f"G{gene}" for gene in genes)
        for name, genes in zip(names, members, strict=True)
    }
    file = gene_sets.GeneSetFile("s.gmt", sets, dict.fromkeys(names, ""), [])
    settings = gene_sets.GeneSetSettings(min_size=2, **how)
    return gene_sets.within(file, [f"G{gene}" for gene in range(n_genes)], settings)


def compare(matrix: Array, inside: Array) -> Any:
    genes = [f"G{gene}" for gene in range(matrix.shape[1])]
    return differential.compare(matrix, inside, genes, SETTINGS)


def spread(
    matrix: Array, inside: Array, tests: Any, sets: gene_sets.GeneSets, considered: Any = None
) -> gene_correlation.Spread:
    taken = np.ones(len(matrix), dtype=bool) if considered is None else considered
    return gene_correlation.measure(matrix, inside, taken, tests, sets)


def test_over_representation__is_fishers_exact_test() -> None:
    rng = np.random.default_rng(1)
    members = [sorted(rng.choice(60, size, replace=False)) for size in (2, 10, 30, 60)]
    sets = lay(members, 60)
    chosen, tested = rng.random(60) < 0.3, rng.random(60) < 0.8
    frame = enrichment.over_representation(chosen, sets, tested)
    for row, genes in enumerate(members):
        belongs = np.isin(np.arange(60), genes)[tested]
        listed = chosen[tested]
        counts = [
            [(belongs & listed).sum(), (belongs & ~listed).sum()],
            [(~belongs & listed).sum(), (~belongs & ~listed).sum()],
        ]
        expected = scipy.stats.fisher_exact(np.array(counts), alternative="greater").pvalue
        assert frame["p"][row] == pytest.approx(expected)
        assert frame["n_genes"][row] == belongs.sum()
    np.testing.assert_allclose(frame["q"], scipy.stats.false_discovery_control(frame["p"]))


def test_over_representation__by_hand() -> None:
    # 5 genes, 2 of them listed, both in the set of 3: C(3, 2) / C(5, 2) = 3 / 10.
    sets = lay([[0, 1, 2]], 5)
    frame = enrichment.over_representation(np.array([True, False, True, False, False]), sets)
    assert frame["p"].tolist() == pytest.approx([0.3])
    assert frame["expected"].tolist() == pytest.approx([1.2])
    assert frame["fold"].tolist() == pytest.approx([2 / 1.2])
    assert frame["genes"].tolist() == ["G0 G2"]


def test_over_representation__an_empty_list_finds_nothing() -> None:
    frame = enrichment.over_representation(np.zeros(5, dtype=bool), lay([[0, 1, 2]], 5))
    assert frame["p"].tolist() == [1]
    assert frame["genes"].tolist() == [""]


def test_competitive__without_correlation_is_the_two_sample_t_of_scores() -> None:
    rng = np.random.default_rng(2)
    matrix = rng.normal(0, 1, (20, 30)).astype(np.float32)
    inside = np.arange(20) < 9
    tests = compare(matrix, inside)
    frame = enrichment.competitive(
        tests, matrix, inside, lay([list(range(8))], 30, correlation=0.0)
    )
    z = np.sign(tests["statistic"]) * scipy.stats.norm.isf(tests["p"] / 2)
    expected = scipy.stats.ttest_ind(z[:8], z[8:])
    assert frame["statistic"][0] == pytest.approx(expected.statistic)
    assert frame["p"][0] == pytest.approx(expected.pvalue)
    assert frame["vif"].tolist() == [1]


def test_competitive__the_inflation_enters_the_variance_of_the_set_alone() -> None:
    # 5 genes of correlation .25: 1 + 4 / 4 = 2, and 2 / 5 + 1 / 25 instead of 1 / 5 + 1 / 25.
    matrix = np.random.default_rng(3).normal(0, 1, (20, 30)).astype(np.float32)
    inside = np.arange(20) < 9
    tests = compare(matrix, inside)
    plain, ours = (
        enrichment.competitive(tests, matrix, inside, lay([list(range(5))], 30, correlation=rho))
        for rho in (0.0, 0.25)
    )
    assert ours["vif"].tolist() == [2]
    ratio = ours["statistic"][0] / plain["statistic"][0]
    assert ratio == pytest.approx(np.sqrt((1 / 5 + 1 / 25) / (2 / 5 + 1 / 25)))


def test_competitive__estimated_correlation_has_the_patients_degrees_of_freedom() -> None:
    matrix = np.random.default_rng(4).normal(0, 1, (12, 60)).astype(np.float32)
    inside = np.arange(12) < 6
    frame = enrichment.competitive(compare(matrix, inside), matrix, inside, lay([[0, 1, 2]], 60))
    expected = 2 * scipy.stats.t.sf(abs(frame["statistic"][0]), 10)
    assert frame["p"][0] == pytest.approx(expected)


def test_correlation__are_the_mean_over_pairs_of_residuals() -> None:
    # More patients than a block; one without the type, one left out, and groups far apart.
    rng = np.random.default_rng(5)
    matrix = rng.normal(0, 1, (600, 12)) + rng.normal(0, 0.8, (600, 1))
    inside = rng.random(600) < 0.4
    matrix[inside] += 5 * np.arange(12)
    matrix[7], considered = np.nan, np.arange(600) != 11
    matrix = matrix.astype(np.float32)
    genes = [f"G{gene}" for gene in range(12)]
    tests = differential.compare(matrix, inside, genes, SETTINGS, considered=considered)
    members = [[0, 1, 2, 3], [5, 9]]
    found = spread(matrix, inside, tests, lay(members, 12), considered).correlation()
    kept = considered & ~np.isnan(matrix[:, 0])
    residuals = matrix.astype(float)
    for side in (inside & kept, ~inside & kept):
        residuals[side] -= residuals[side].mean(axis=0)
    for value, genes_ in zip(found, members, strict=True):
        pairs = np.corrcoef(residuals[kept][:, genes_].T)
        assert value == pytest.approx(pairs[np.triu_indices(len(genes_), 1)].mean(), abs=1e-5)


def test_correlation__by_hand() -> None:
    # Residuals of G0 and G1 are the same: 1. Those of G2 and G3 are opposite: -1, taken as 0.
    one = np.array([1, -1, 2, -2, 1, -1.0])
    matrix = np.stack([one, 3 * one, one, -one], axis=1).astype(np.float32)
    inside = np.arange(6) < 3
    tests = compare(matrix, inside)
    found = spread(matrix, inside, tests, lay([[0, 1], [2, 3]], 4)).correlation()
    np.testing.assert_allclose(found, [1, 0], atol=1e-6)


def test_inflation__is_the_variance_of_the_shift_over_that_of_independent_genes() -> None:
    # A factor common to all genes, and one of the set: the contrast's variance c'Rc, R the
    # correlations of residuals, over (1 - mean r) (1 / m + 1 / m2).
    rng = np.random.default_rng(5)
    matrix = rng.normal(0, 1, (50, 12)) + rng.normal(0, 1.5, (50, 1))
    matrix[:, :4] += rng.normal(0, 1, (50, 1))
    matrix = matrix.astype(np.float32)
    inside = np.arange(50) < 20
    found = spread(matrix, inside, compare(matrix, inside), lay([[0, 1, 2, 3]], 12)).inflation()
    residuals = matrix.astype(float)
    for side in (inside, ~inside):
        residuals[side] -= residuals[side].mean(axis=0)
    r = np.corrcoef(residuals.T)
    contrast = np.repeat([1 / 4, -1 / 8], [4, 8])
    mean_r = r[np.triu_indices(12, 1)].mean()
    expected = contrast @ r @ contrast / ((1 - mean_r) * (1 / 4 + 1 / 8))
    assert found[0] == pytest.approx(expected, abs=1e-5)


def test_inflation__by_hand() -> None:
    # Two pairs of the same genes at right angles to each other: mean r is 2 / 6. A pair against
    # the other: 1 + 1 over (1 - 1 / 3) (1 / 2 + 1 / 2) is 3. One of each pair against the others
    # does not vary at all, which is taken as 1.
    one, two = np.tile([1, -1, 1, -1], 2), np.tile([1, 1, -1, -1], 2)
    matrix = np.stack([one, one, two, two], axis=1).astype(np.float32)
    inside = np.arange(8) < 4
    found = spread(matrix, inside, compare(matrix, inside), lay([[0, 1], [0, 2]], 4))
    np.testing.assert_allclose(found.inflation(), [3, 1], atol=1e-6)
    np.testing.assert_allclose(found.correlation(), [1, 0], atol=1e-6)


def rejected(how: Any, draw: Any) -> float:
    """Reject at .05 in 25 cohorts without a difference: 40 sets of 25 genes each."""
    rng = np.random.default_rng(6)
    members = [list(range(start, start + 25)) for start in range(0, 1000, 25)]
    sets = lay(members, 1000, correlation=how)
    p = []
    for _ in range(25):
        matrix = draw(rng).astype(np.float32)
        inside = rng.permutation(60) < 20
        p.append(enrichment.competitive(compare(matrix, inside), matrix, inside, sets)["p"])
    return float((np.concatenate(p) < 0.05).mean())


def in_modules(rng: np.random.Generator) -> Array:
    """Draw genes of r = .3 within each set."""
    shared = np.repeat(rng.normal(0, np.sqrt(0.3), (60, 40)), 25, axis=1)
    return np.asarray(rng.normal(0, np.sqrt(0.7), (60, 1000)) + shared)


def with_common_noise(rng: np.random.Generator) -> Array:
    """Add noise of each sample to all of its genes."""
    return np.asarray(in_modules(rng) + rng.normal(0, 1, (60, 1)))


def test_competitive__holds_its_level_where_genes_go_together() -> None:
    assert 0.03 <= rejected("contrast", in_modules) <= 0.07
    assert 0.03 <= rejected("camera", in_modules) <= 0.07
    assert rejected(0.0, in_modules) > 0.3


def test_competitive__what_all_genes_share_costs_the_contrast_nothing() -> None:
    assert 0.03 <= rejected("contrast", with_common_noise) <= 0.07
    assert rejected("camera", with_common_noise) < 0.02
    assert rejected(0.0, with_common_noise) > 0.3


def test_competitive__finds_a_set_that_moves() -> None:
    rng = np.random.default_rng(7)
    matrix = rng.normal(0, 1, (60, 400)).astype(np.float32)
    inside = np.arange(60) < 25
    matrix[:25, :20] -= 0.9
    frame = enrichment.of_tests(
        compare(matrix, inside), matrix, inside, lay([list(range(20)), list(range(20, 60))], 400)
    )
    assert frame["direction"][0] == "down"
    assert frame["q"][0] < 1e-4 < frame["q"][1]
    assert frame["n_down"][0] > 0 == frame["n_up"][0]


def test_competitive__genes_that_were_not_tested_are_no_members() -> None:
    rng = np.random.default_rng(8)
    matrix = rng.normal(0, 1, (20, 12)).astype(np.float32)
    matrix[:, 3] = 2
    inside = np.arange(20) < 9
    with_it = enrichment.competitive(
        compare(matrix, inside), matrix, inside, lay([[0, 1, 2, 3]], 12)
    )
    without = np.delete(matrix, 3, axis=1)
    alone = enrichment.competitive(compare(without, inside), without, inside, lay([[0, 1, 2]], 11))
    assert with_it["n_genes"].tolist() == [3]
    assert with_it["p"][0] == pytest.approx(alone["p"][0])


def test_competitive__a_set_of_all_genes_has_nothing_to_be_compared_with() -> None:
    matrix = np.random.default_rng(9).normal(0, 1, (20, 4)).astype(np.float32)
    inside = np.arange(20) < 9
    frame = enrichment.competitive(
        compare(matrix, inside), matrix, inside, lay([[0, 1, 2, 3], [0, 1]], 4)
    )
    assert np.isnan(frame["p"][0])
    assert frame["q"][1] == frame["p"][1]


def test_enrichment__tests_of_other_genes_are_told() -> None:
    matrix = np.random.default_rng(9).normal(0, 1, (20, 4)).astype(np.float32)
    inside = np.arange(20) < 9
    with pytest.raises(errors.LabelMismatchError, match="tests of 4 genes were given"):
        enrichment.competitive(compare(matrix, inside), matrix, inside, lay([[0, 1]], 5))
    with pytest.raises(errors.LabelMismatchError, match="tests of 4 genes were given"):
        enrichment.over_representation(np.ones(4, dtype=bool), lay([[0, 1]], 5))
