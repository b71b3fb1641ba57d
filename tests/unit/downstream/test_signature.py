import json
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import scipy.stats
import sklearn.decomposition
import sklearn.linear_model

from bluebatch import errors
from bluebatch.downstream import signature, signature_fit
from bluebatch.downstream.signature_settings import SignatureSettings

Array = npt.NDArray[Any]
N_PATIENTS, N_GENES, N_UP, N_DOWN = 90, 200, 12, 8
GENES = [f"G{at}" for at in range(N_GENES)]
PLANTED = {f"G{at}" for at in range(N_UP + N_DOWN)}
SETTINGS = SignatureSettings(min_genes=10)


def cohort(seed: int, n_patients: int = N_PATIENTS, effect: float = 2.0) -> tuple[Array, Array]:
    """A third of the patients, whose first genes are higher and whose next are lower."""
    rng = np.random.default_rng(seed)
    inside = np.arange(n_patients) % 3 == 0
    bulk = 6 + rng.normal(size=(n_patients, N_GENES))
    bulk[inside, :N_UP] += effect
    bulk[inside, N_UP : N_UP + N_DOWN] -= effect
    return bulk.astype(np.float32), inside


def fitted(**changes: Any) -> signature.Signature:
    bulk, inside = cohort(1)
    return signature.fit(bulk, GENES, inside, SETTINGS.model_copy(update=changes), "favourable")


def test_fit__planted_genes_are_found_and_tell_another_cohort() -> None:
    found = fitted()
    assert set(found.genes) >= PLANTED
    assert len(set(found.genes) - PLANTED) <= 4
    bulk, inside = cohort(2)
    scores = found.score(bulk, GENES)
    assert (scores.inside == inside).mean() > 0.95
    assert scores.coverage == 1
    assert scores.notes == []


@pytest.mark.parametrize("sign", [1, -1])
def test_fit__group_lies_above_0_whether_its_genes_are_up_or_down(sign: int) -> None:
    bulk, inside = cohort(1)
    found = signature.fit(sign * bulk, GENES, inside, SETTINGS)
    scores = found.score(sign * bulk, GENES).score
    assert scores[inside].mean() > 0 > scores[~inside].mean()
    assert found.slope > 0


def test_fit__prevalence_of_the_discovery_is_kept() -> None:
    bulk, inside = cohort(3, effect=0.7)
    found = signature.fit(bulk, GENES, inside, SETTINGS)
    assert found.score(bulk, GENES).inside.sum() == inside.sum()
    # Else those whose probability is above a half.
    half = signature.fit(bulk, GENES, inside, SETTINGS.model_copy(update={"cutoff": "half"}))
    scores = half.score(bulk, GENES)
    np.testing.assert_array_equal(scores.inside, scores.probability > 0.5)


def test_select_genes__is_welch_with_benjamini_hochberg() -> None:
    bulk, inside = cohort(4, effect=0.6)
    bulk[:, 5] = 3  # constant
    bulk[0, 7] = np.nan
    found = signature_fit.select_genes(bulk, inside, 0.05)
    values = bulk.astype(float)
    kept = [at for at in range(N_GENES) if at not in (5, 7)]
    one, other = values[inside], values[~inside]
    error = one.var(axis=0, ddof=1) / len(one) + other.var(axis=0, ddof=1) / len(other)
    error[5] = np.nan
    t = (one.mean(axis=0) - other.mean(axis=0)) / np.sqrt(error)
    np.testing.assert_allclose(found.t[kept], t[kept], rtol=1e-9)
    assert np.isnan(found.t[[5, 7]]).all()
    p = np.array(
        [scipy.stats.ttest_ind(one[:, at], other[:, at], equal_var=False).pvalue for at in kept]
    )
    order = np.argsort(p)
    ranked = np.minimum.accumulate((p[order] * len(p) / np.arange(1, len(p) + 1))[::-1])[::-1]
    called = {kept[at] for at in order[ranked < 0.05]}
    assert set(np.flatnonzero(found.significant)) == called
    assert list(found.order) == [kept[at] for at in np.argsort(-np.abs(t[kept]), kind="stable")]


def test_first_component__is_that_of_scikit_learn() -> None:
    matrix = np.random.default_rng(5).normal(size=(30, 8)) * np.arange(1, 9)
    centred = matrix - matrix.mean(axis=0)
    loadings, explained = signature_fit.first_component(centred)
    other = sklearn.decomposition.PCA(1, svd_solver="full").fit(matrix)
    assert abs(loadings @ other.components_[0]) == pytest.approx(1)
    assert explained == pytest.approx(other.explained_variance_ratio_[0])


@pytest.mark.parametrize("ridge", [0.1, 1.0, 30.0])
@pytest.mark.parametrize("separated", [False, True])
def test_logistic__is_that_of_scikit_learn(ridge: float, *, separated: bool) -> None:
    rng = np.random.default_rng(6)
    score = rng.normal(size=80)
    inside = score > 0.7 if separated else score + rng.normal(size=80) > 0.7
    slope, intercept = signature_fit.logistic(score, inside, ridge)
    other = sklearn.linear_model.LogisticRegression(C=1 / ridge, tol=1e-10, max_iter=10_000)
    other.fit(score[:, None], inside)
    assert slope == pytest.approx(other.coef_[0, 0], rel=1e-5)
    assert intercept == pytest.approx(other.intercept_[0], rel=1e-4)
    assert np.isfinite([slope, intercept]).all()


def test_area__by_hand() -> None:
    # Pairs inside x outside: (3, 1) above, (3, 2) above, (2, 1) above, (2, 2) a tie: 3.5 of 4.
    score, inside = np.array([3.0, 2.0, 1.0, 2.0]), np.array([True, True, False, False])
    assert signature_fit.area(score, inside) == 3.5 / 4


def test_score__order_of_genes_changes_no_bit() -> None:
    found = fitted()
    bulk, _ = cohort(2)
    order = np.random.default_rng(0).permutation(N_GENES)
    one = found.score(bulk, GENES)
    other = found.score(bulk[:, order], [GENES[at] for at in order])
    np.testing.assert_array_equal(one.score, other.score)
    np.testing.assert_array_equal(one.probability, other.probability)
    np.testing.assert_array_equal(one.inside, other.inside)


def test_score__by_hand() -> None:
    found = signature.Signature(
        name="g",
        genes=["A", "B"],
        mean=np.array([1.0, 2.0]),
        loadings=np.array([0.6, 0.8]),
        slope=2.0,
        intercept=-1.0,
        cut_score=0.9,
        score_mean=0.0,
        score_sd=1.0,
        facts={},
        settings=SignatureSettings(max_shift=5),
        notes=[],
    )
    # 0.6 (2 - 1) + 0.8 (3 - 2) = 1.4; B alone missing: 0.6. Logits 2 x - 1: 1.8 and 0.2.
    scores = found.score(np.array([[2.0, 3.0], [2.0, np.nan]]), ["A", "B"])
    np.testing.assert_allclose(scores.score, [1.4, 0.6])
    np.testing.assert_allclose(scores.probability, 1 / (1 + np.exp([-1.8, -0.2])))
    assert scores.inside.tolist() == [True, False]
    assert scores.coverage == 1
    assert found.score(np.array([[2.0]]), ["A"]).score == pytest.approx(0.6)


def test_score__lacking_genes_are_told_and_too_many_are_refused() -> None:
    found = fitted()
    bulk, _ = cohort(2)
    n_genes = len(found.genes)
    n_kept = int(0.6 * n_genes)
    kept = [GENES.index(gene) for gene in found.genes[:n_kept]]
    scores = found.score(bulk[:, kept], [GENES[at] for at in kept])
    assert scores.coverage == pytest.approx(n_kept / n_genes)
    assert f"{n_kept} of its {n_genes} genes" in scores.notes[0]
    with pytest.raises(errors.LabelMismatchError, match=r"1 of its .* needed: 50%") as told:
        found.score(bulk[:, kept[:1]], [GENES[kept[0]]])
    assert "\n" not in str(told.value)
    with pytest.raises(errors.LabelMismatchError, match="0 of its"):
        found.score(bulk[:, :0], [])


def test_score__shift_of_another_platform_is_told() -> None:
    found = fitted()
    bulk, _ = cohort(2)
    moved = bulk + 3 * np.sign(
        [found.loadings[found.genes.index(g)] if g in found.genes else 0 for g in GENES]
    )
    scores = found.score(moved, GENES)
    assert scores.shift > 1
    assert "sd from the discovery's" in scores.notes[0]


def test_fit__without_differing_genes_takes_the_top_and_says_so() -> None:
    bulk, inside = cohort(7, effect=0)
    found = signature.fit(bulk, GENES, inside, SETTINGS)
    t = np.abs(scipy.stats.ttest_ind(bulk[inside], bulk[~inside], equal_var=False).statistic)
    assert set(found.genes) == {GENES[at] for at in np.argsort(-t)[:10]}
    assert "10 of largest t statistic stand in" in found.notes[0]


def test_fit__at_most_max_genes_enter() -> None:
    assert len(fitted(max_genes=15).genes) == 15


def test_fit__refuses_small_groups_and_constant_genes() -> None:
    bulk, inside = cohort(1)
    with pytest.raises(errors.ValuesError, match="4 of 90 patients are in the group, needed: 5"):
        signature.fit(bulk, GENES, np.arange(N_PATIENTS) < 4, SETTINGS)
    with pytest.raises(errors.ValuesError, match="no gene varies"):
        signature.fit(np.ones_like(bulk), GENES, inside, SETTINGS)


def test_fit__a_signature_that_tells_its_group_poorly_says_so() -> None:
    # The few genes of the group are drowned by a component that has nothing to do with it.
    bulk, inside = cohort(8, effect=0.9)
    noise = np.random.default_rng(9).normal(size=(N_PATIENTS, 1))
    bulk[:, : N_UP + N_DOWN] += (6 * noise).astype(np.float32)
    settings = SETTINGS.model_copy(update={"min_genes": 20, "max_genes": 20})
    found = signature.fit(bulk, GENES, inside, settings, "favourable")
    assert found.facts["area_in_discovery"] < 0.75
    assert "tells the group poorly" in found.notes[-1]
    assert not fitted().notes


def test_fit_groups__says_why_one_is_lacking() -> None:
    bulk, inside = cohort(1)
    groups = np.where(inside, 0, 1).astype(np.int8)
    found, notes = signature.fit_groups(bulk, GENES, groups, SETTINGS)
    assert list(found) == ["favourable"]
    assert "signature unfavourable: 0 of 90 patients" in notes[0]


def test_of__card_and_arrays_bring_it_back() -> None:
    found = fitted()
    card = json.loads(json.dumps(found.card()))
    again = signature.Signature.of(card, found.genes, found.arrays())
    bulk, _ = cohort(2)
    np.testing.assert_array_equal(found.score(bulk, GENES).score, again.score(bulk, GENES).score)
    assert again.card() == found.card()
