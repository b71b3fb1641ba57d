"""One-blob types: nothing to find, and groups are found all the same."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
import scipy.stats

from bluebatch import errors
from bluebatch.downstream import differential, split_samples, split_tests, type_tests

Array = npt.NDArray[Any]
SETTINGS = differential.DifferentialSettings()
N_PATIENTS, N_GENES, N_RULE = 120, 100, 20
NAMES = [f"G{gene}" for gene in range(N_GENES)]


class Axis(NamedTuple):
    """The first component of some genes, on those that weigh most."""

    center: Array
    weights: Array


def learn(matrix: Array, patients: Array, genes: Array) -> Axis:
    values = matrix[patients]
    center = values.mean(axis=0)
    weights = np.zeros(matrix.shape[1])
    weights[genes] = np.linalg.svd((values - center)[:, genes], full_matrices=False)[2][0]
    weights[np.abs(weights) < np.sort(np.abs(weights))[-N_RULE]] = 0
    return Axis(center, weights)


def cut(matrix: Array, axis: Axis, patients: Array) -> Array:
    return np.where((matrix[patients] - axis.center) @ axis.weights > 0, 2, 0).astype(np.int8)


def fit(
    matrix: Array, seed: int, settings: differential.DifferentialSettings = SETTINGS
) -> split_samples.CrossFit:
    return split_samples.cross_fit(
        (len(matrix), matrix.shape[1]),
        lambda patients, genes: learn(matrix, patients, genes),
        lambda axis, patients, genes: cut(matrix, axis, patients),
        settings,
        np.random.default_rng(seed),
    )


def blob(seed: int) -> Array:
    drawn = np.random.default_rng(seed).normal(0, 1, (N_PATIENTS, N_GENES))
    return drawn.astype(np.float32)


def of_rule_genes(matrix: Array, learnt_in: Array, tested_in: Array) -> Array:
    """Compare the genes of a rule between the groups that it makes."""
    axis = learn(matrix, learnt_in, np.ones(N_GENES, dtype=bool))
    group = cut(matrix, axis, tested_in)
    frame = differential.compare(matrix[tested_in], group == 0, NAMES, SETTINGS)
    p: Array = frame["p"].to_numpy()
    return np.asarray(p[axis.weights != 0])


def gather(p_of: Callable[[int], Array]) -> Array:
    return np.concatenate([p_of(seed) for seed in range(20)])


def test_compare__genes_of_a_rule_differ_in_a_blob() -> None:
    every = np.arange(N_PATIENTS)
    p = gather(lambda seed: of_rule_genes(blob(seed), every, every))
    assert (p < 0.05).mean() > 0.5


def test_compare__fresh_patients_alone_do_not_mend_it() -> None:
    # Each of 20 genes of like weight has r = .22 with their score, .18 with its sign, so that z is
    # about 1.4 in 60 patients: p is under .05 in about .29.
    half = np.arange(N_PATIENTS // 2)
    p = gather(lambda seed: of_rule_genes(blob(seed), half, half + len(half)))
    assert (p < 0.05).mean() > 0.2


@pytest.mark.parametrize("combine", ["stouffer", "cauchy"])
@pytest.mark.parametrize("code", [0, 2])
def test_compare__split_samples_are_uniform_in_a_blob(combine: Any, code: int) -> None:
    settings = differential.DifferentialSettings(combine=combine)

    def p_of(seed: int) -> Array:
        matrix = blob(seed)
        frame = split_tests.compare(matrix, code, NAMES, fit(matrix, seed), settings)
        return np.asarray(frame["p"])

    p = gather(p_of)
    assert scipy.stats.kstest(p, "uniform").pvalue > 0.01
    assert 0.03 <= (p < 0.05).mean() <= 0.07


class Best(NamedTuple):
    """The gene that goes best with the outcome: patients are parted by its sign."""

    gene: int
    sign: float


def search(matrix: Array, outcome: Array, patients: Array, genes: Array) -> Best:
    candidates = np.flatnonzero(genes)
    r = np.corrcoef(matrix[patients][:, candidates].T, outcome[patients])[-1, :-1]
    best = int(np.argmax(np.abs(r)))
    return Best(int(candidates[best]), float(np.sign(r[best])))


def test_compare__a_rule_searched_for_by_outcome_does_not_reach_prognostic_genes() -> None:
    # Five genes make the outcome; a rule is the one of the other genes that goes best with it.
    # In the same patients it goes with the five as well; in fresh ones it must not.
    naive, split = [], []
    free = np.arange(N_GENES) >= 5
    every = np.arange(N_PATIENTS)
    for seed in range(150):
        matrix = blob(seed)
        outcome = matrix[:, :5].sum(axis=1)

        def discover(patients: Array, genes: Array, x: Array = matrix, y: Array = outcome) -> Best:
            return search(x, y, patients, genes & free)

        def assign(rule: Best, patients: Array, genes: Array, x: Array = matrix) -> Array:
            return np.where(x[patients, rule.gene] * rule.sign > 0, 0, 2)

        group = assign(discover(every, free), every, free)
        naive.append(differential.compare(matrix, group == 0, NAMES, SETTINGS)["p"][:5])
        rng = np.random.default_rng(seed)
        fitted = split_samples.cross_fit(matrix.shape, discover, assign, SETTINGS, rng)
        split.append(split_tests.compare(matrix, 0, NAMES, fitted, SETTINGS)["p"][:5])
    assert np.mean(np.concatenate(naive) < 0.05) > 0.12
    assert 0.03 <= np.mean(np.concatenate(split) < 0.05) <= 0.07


def two_states(seed: int) -> Array:
    matrix = blob(seed)
    matrix[::2, :60] += 1.5
    return matrix


def test_compare__finds_genes_of_true_states() -> None:
    matrix = two_states(1)
    fitted = fit(matrix, 1)
    # The sign of a component is arbitrary: a half may call the other state its group.
    settings = differential.DifferentialSettings(combine="cauchy")
    frame = split_tests.compare(matrix, 0, NAMES, fitted, settings)
    assert (frame["q"][:60] < 0.05).mean() > 0.9
    assert (frame["q"][60:] < 0.05).mean() < 0.1
    assert set(frame["kind"]) == {"split samples"}
    assert frame["n_tests"].eq(2).all()


def test_compare__joins_the_halves_by_hand() -> None:
    # One gene a part; the groups are given. Stouffer's weights are n_in n_out / (n_in + n_out).
    matrix = np.random.default_rng(2).normal(0, 1, (30, 4)).astype(np.float32)
    matrix[:, :2] += np.arange(30)[:, None] / 20
    half = [np.arange(0, 12), np.arange(12, 30)]
    group = [np.repeat([0, 2], [5, 7]), np.repeat([0, 1], [6, 12])]
    genes = np.array([True, True, False, False])
    folds = [
        split_samples.Fold(0, side, 0, half[side], genes, group[side].astype(np.int8))
        for side in (0, 1)
    ]
    fitted = split_samples.CrossFit(folds, 1, float("nan"), [])
    settings = differential.DifferentialSettings(test="welch")
    frame = split_tests.compare(matrix, 0, list("ABCD"), fitted, settings)
    scores, weights = [], [5 * 7 / 12, 6 * 12 / 18]
    for side in (0, 1):
        values = matrix[half[side]].astype(float)
        inside = group[side] == 0
        found = scipy.stats.ttest_ind(values[inside], values[~inside], equal_var=False)
        scores.append(np.sign(found.statistic) * scipy.stats.norm.isf(found.pvalue / 2))
    z = (np.sqrt(weights[0]) * scores[0] + np.sqrt(weights[1]) * scores[1]) / np.sqrt(sum(weights))
    np.testing.assert_allclose(frame["p"][:2], 2 * scipy.stats.norm.sf(np.abs(z[:2])))
    assert frame["p"][2:].isna().all()
    assert frame["n_in"].tolist() == [11, 11, 0, 0]
    assert frame["n_out"].tolist() == [19, 19, 0, 0]


def test_cauchy__by_hand() -> None:
    # tan(pi / 4) = 1 for p = .25, tan(0) = 0 for p = .5: 1 / 2 on average, and with all of the
    # weight on one p, that p.
    p = np.array([[0.25, 0.25, 1e-200, np.nan], [0.5, 0.9, 1e-200, np.nan]])
    weight = np.array([[1, 1, 1, 0], [1, 0, 1, 0]])
    found = split_tests.cauchy(p, weight)
    np.testing.assert_allclose(found[:3], [0.5 - np.arctan(0.5) / np.pi, 0.25, 1e-200])
    assert np.isnan(found[3])


def test_compare__repeats_join_by_twice_the_median() -> None:
    matrix = two_states(3)
    settings = differential.DifferentialSettings(repeats=3)
    fitted = fit(matrix, 3, settings)
    frame = split_tests.compare(matrix, 0, NAMES, fitted, settings)
    alone = []
    for repeat in range(3):
        folds = [
            split_samples.Fold(0, fold.half, fold.part, fold.patients, fold.genes, fold.group)
            for fold in fitted.folds
            if fold.repeat == repeat
        ]
        one = split_samples.CrossFit(folds, 1, 1.0, [])
        alone.append(split_tests.compare(matrix, 0, NAMES, one, settings)["p"])
    np.testing.assert_allclose(frame["p"], np.minimum(1, 2 * np.median(alone, axis=0)))


def test_cross_fit__no_gene_is_read_for_its_own_label() -> None:
    asked: list[tuple[Array, Array]] = []

    def discover(patients: Array, genes: Array) -> str:
        asked.append((patients, genes))
        return "rule"

    def assign(rule: str, patients: Array, genes: Array) -> Array:
        asked.append((patients, genes))
        return np.zeros(len(patients))

    settings = differential.DifferentialSettings(gene_folds=3, repeats=2)
    rng = np.random.default_rng(0)
    fitted = split_samples.cross_fit((21, 10), discover, assign, settings, rng)
    assert len(fitted.folds) == 2 * 2 * 3
    for fold, learnt, assigned in zip(fitted.folds, asked[::2], asked[1::2], strict=True):
        assert sorted([*learnt[0], *assigned[0]]) == list(range(21))
        assert not (learnt[1] & fold.genes).any()
        np.testing.assert_array_equal(learnt[1], assigned[1])
        np.testing.assert_array_equal(assigned[0], fold.patients)
    for repeat in range(2):
        for half in range(2):
            masks = [
                fold.genes for fold in fitted.folds if (fold.repeat, fold.half) == (repeat, half)
            ]
            assert np.sum(masks, axis=0).tolist() == [1] * 10


def test_cross_fit__is_one_for_one_seed() -> None:
    matrix = two_states(4)
    one, again, other = (fit(matrix, seed) for seed in (5, 5, 6))
    np.testing.assert_array_equal(one.folds[0].patients, again.folds[0].patients)
    np.testing.assert_array_equal(one.folds[0].group, again.folds[0].group)
    assert (one.folds[0].patients != other.folds[0].patients).any()


def test_cross_fit__agreement_is_cohens_kappa() -> None:
    # Shares of 0: 1/2 and 3/4; agreement 3/4 where chance gives 1/2 * 3/4 + 1/2 * 1/4 = 1/2.
    labels = iter([[0, 0, 2, 2], [0, 0, 0, 2], [0, 0, 2, 2], [0, 0, 0, 2]])
    settings = differential.DifferentialSettings(min_patients=2)
    fitted = split_samples.cross_fit(
        (8, 4),
        lambda patients, genes: "rule",
        lambda rule, patients, genes: np.array(next(labels)),
        settings,
        np.random.default_rng(0),
    )
    assert fitted.agreement == pytest.approx(0.5)


def test_cross_fit__halves_without_groups_are_noted_and_not_tested() -> None:
    matrix = blob(0)
    fitted = split_samples.cross_fit(
        matrix.shape,
        lambda patients, genes: None,
        lambda rule, patients, genes: np.zeros(len(patients)),
        SETTINGS,
        np.random.default_rng(0),
    )
    assert fitted.folds == []
    assert len(fitted.notes) == 4
    (tests,) = split_tests.per_type(lambda name: matrix, ["T"], NAMES, fitted, SETTINGS)
    assert tests.favourable is None
    assert len(tests.notes) == 2


def test_per_type__takes_what_patients_with_the_type_tell() -> None:
    # All patients of group 2 lack the second type: neither group can be compared there.
    matrix = two_states(7)
    fitted = fit(matrix, 7)
    other = matrix.copy()
    other[::2] = np.nan
    matrices = {"A": matrix, "B": other}
    one, two = split_tests.per_type(matrices.__getitem__, ["A", "B"], NAMES, fitted, SETTINGS)
    assert one.favourable is not None
    assert one.unfavourable is not None
    # Two groups only: each is the other's rest.
    np.testing.assert_allclose(one.favourable["p"], one.unfavourable["p"])
    np.testing.assert_allclose(one.favourable["difference"], -one.unfavourable["difference"])
    assert two.favourable is None
    assert "no half has 3 patients with the type inside and outside" in two.notes[0]


@pytest.mark.parametrize(
    ("shape", "message"),
    [((11, 50), "11 patients, needed: 12"), ((50, 3), "3 genes, needed: 4 for 2 parts")],
)
def test_cross_fit__too_little_to_split_is_told(shape: tuple[int, int], message: str) -> None:
    with pytest.raises(errors.LabelMismatchError, match=message) as told:
        split_samples.cross_fit(
            shape,
            lambda patients, genes: "rule",
            lambda rule, patients, genes: np.zeros(len(patients)),
            SETTINGS,
            np.random.default_rng(0),
        )
    assert "\n" not in str(told.value)


def test_attach__puts_both_p_beside_each_other() -> None:
    matrix = two_states(8)
    fitted = fit(matrix, 8)
    (split,) = split_tests.per_type(lambda name: matrix, ["T"], NAMES, fitted, SETTINGS)
    group = np.where(np.arange(N_PATIENTS) % 2, 0, 2).astype(np.int8)
    (plain,) = differential.per_type(lambda name: matrix, ["T"], group, NAMES, SETTINGS)
    both = split_tests.attach(plain.as_frame(), split)
    pd.testing.assert_frame_equal(both[plain.as_frame().columns], plain.as_frame())
    assert split.favourable is not None
    assert split.unfavourable is not None
    expected = [*split.favourable["p"], *split.unfavourable["p"]]
    np.testing.assert_array_equal(both["p_split"], expected)
    nothing = type_tests.TypeTests("T", None, None, None, [])
    assert split_tests.attach(plain.as_frame(), nothing)["p_split"].isna().all()
