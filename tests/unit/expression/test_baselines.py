from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from bluebatch import errors
from bluebatch.expression import baselines, closed_form

Block = dict[str, npt.NDArray[Any]]
N_TYPES = 3


def make_blocks(
    n_samples: int, seed: int, noise: float = 0.2, block: int = 64
) -> tuple[list[Block], npt.NDArray[np.float64]]:
    """Draw samples whose profiles are linear in the input; type 2 is absent now and then."""
    rng = np.random.default_rng(seed)
    effect = np.random.default_rng(0).normal(size=(N_TYPES, 12, 5)) * 0.2
    inputs = rng.normal(size=(n_samples, 12)).astype(np.float32)
    proportion = rng.dirichlet([2] * N_TYPES, n_samples)
    proportion[: n_samples // 4, 2] = 0
    proportion /= proportion.sum(axis=1, keepdims=True)
    profile = 5 + np.einsum("ni,tig->ntg", inputs, effect)
    profile += noise * rng.normal(size=profile.shape)
    profile[proportion == 0] = np.nan
    content = np.array([1.0, 2.0, 4.0])
    rna = proportion * content / (proportion * content).sum(axis=1, keepdims=True)
    order = rng.permutation(n_samples)
    whole: Block = {
        "input": inputs[order],
        "profile": profile[order].astype(np.float32),
        "proportion": proportion[order].astype(np.float32),
        "rna_fraction": rna[order].astype(np.float32),
    }
    cuts = range(0, n_samples, block)
    return [{name: part[c : c + block] for name, part in whole.items()} for c in cuts], effect


def joined(blocks: list[Block], name: str) -> npt.NDArray[Any]:
    return np.concatenate([block[name] for block in blocks])


@pytest.fixture(scope="module")
def blocks() -> list[Block]:
    return make_blocks(600, 1)[0]


@pytest.fixture(scope="module")
def fitted(blocks: list[Block]) -> baselines.Baselines:
    held_out, _ = make_blocks(200, 2)
    return baselines.fit(blocks, baselines.AnchorSettings(n_components=12), held_out)


def test_standard_input__z_scores_measured_genes_and_leaves_gaps_neutral() -> None:
    # Over 1, 3: mean 2, deviation 1. A flat sample and a gap are 0.
    given = [[1.0, np.nan, 3.0], [4.0, 4.0, 4.0]]
    np.testing.assert_array_equal(baselines.standard_input(given), [[-1, 0, 1], [0, 0, 0]])


def test_fit__means_are_taken_where_the_type_is_present(
    blocks: list[Block], fitted: baselines.Baselines
) -> None:
    profile, proportion = joined(blocks, "profile"), joined(blocks, "proportion")
    np.testing.assert_allclose(fitted.mean, np.nanmean(profile, axis=0), rtol=1e-5)
    np.testing.assert_allclose(fitted.composition, proportion.mean(axis=0), rtol=1e-5)
    linear = np.nan_to_num(2**profile - 1)
    weighted = np.einsum("nt,ntg->tg", proportion, linear) / proportion.sum(axis=0)[:, None]
    np.testing.assert_allclose(fitted.mean_cpm, weighted, rtol=1e-4)
    assert fitted.variance_cpm is not None
    for index in range(N_TYPES):
        own = proportion[:, index].astype(float)
        expected = np.cov(linear[:, index].astype(float).T, aweights=own, ddof=0).diagonal()
        np.testing.assert_allclose(fitted.variance_cpm[index], expected, rtol=1e-4)


def test_fit__ridge_without_penalty_equals_least_squares(blocks: list[Block]) -> None:
    settings = baselines.AnchorSettings(n_components=12, penalties=(1e-12,))
    ridge = baselines.fit(blocks, settings).ridge
    inputs, profile = joined(blocks, "input"), joined(blocks, "profile")
    for cell_type in range(N_TYPES):
        here = np.isfinite(profile[:, cell_type, 0])
        design = np.column_stack([np.ones(here.sum()), inputs[here]])
        solved, *_ = np.linalg.lstsq(design, profile[here, cell_type], rcond=None)
        np.testing.assert_allclose(
            ridge.predict(inputs[here], cell_type), design @ solved, atol=1e-5
        )


def test_fit__ridge_equals_sklearn_at_the_same_penalty(blocks: list[Block]) -> None:
    linear_model = pytest.importorskip("sklearn.linear_model")
    settings = baselines.AnchorSettings(n_components=12, penalties=(1.0,))
    ridge = baselines.fit(blocks, settings).ridge
    inputs, profile = joined(blocks, "input"), joined(blocks, "profile")
    here = np.isfinite(profile[:, 2, 0])
    centred = inputs[here] - inputs[here].mean(axis=0)
    penalty = float((centred**2).sum() / 12)
    model = linear_model.Ridge(alpha=penalty).fit(inputs[here], profile[here, 2])
    np.testing.assert_allclose(ridge.predict(inputs, 2), model.predict(inputs), atol=1e-5)


def test_fit__validation_chooses_the_penalty() -> None:
    few, _ = make_blocks(30, 3, noise=2.0)
    many, _ = make_blocks(400, 4, noise=2.0)

    def error(penalties: tuple[float, ...]) -> float:
        settings = baselines.AnchorSettings(n_components=12, penalties=penalties)
        ridge = baselines.fit(few, settings, many).ridge
        difference = ridge.predict(joined(many, "input"), 0) - joined(many, "profile")[:, 0]
        return float((difference**2).mean())

    grid = (1e-3, 0.1, 10.0, 1000.0)
    assert error(grid) == pytest.approx(min(error((penalty,)) for penalty in grid))


def test_fit__block_size_does_not_matter(blocks: list[Block]) -> None:
    whole = {name: joined(blocks, name) for name in blocks[0]}
    settings = baselines.AnchorSettings(n_components=4)
    apart = baselines.fit(blocks, settings).arrays()
    for name, array in baselines.fit([whole], settings).arrays().items():
        np.testing.assert_allclose(array, apart[name], rtol=1e-3, atol=1e-4, err_msg=name)


def test_fit__components_of_many_rows_come_from_a_sample() -> None:
    many, _ = make_blocks(600, 5)
    settings = baselines.AnchorSettings(n_components=100, component_rows=50)
    fitted = baselines.fit(many, settings)
    assert fitted.ridge.basis.shape == (12, 12)
    np.testing.assert_allclose(fitted.ridge.basis.T @ fitted.ridge.basis, np.eye(12), atol=1e-9)


def test_fit__a_type_that_is_never_present_gets_zeros() -> None:
    absent, _ = make_blocks(80, 6)
    for block in absent:
        block["profile"][:, 1] = np.nan
    fitted = baselines.fit(absent, baselines.AnchorSettings(n_components=3), absent)
    assert not fitted.ridge.predict(absent[0]["input"], 1).any()


def test_anchor__predicts_as_its_buffers_are_used(
    blocks: list[Block], fitted: baselines.Baselines
) -> None:
    anchor = fitted.anchor("ridge")
    assert anchor is not None
    held = anchor.arrays()
    inputs = blocks[0]["input"]
    components = (inputs - held["center"]) @ held["basis"]
    by_hand = held["mean"] + np.einsum("nk,tkg->ntg", components, held["coefficient"])
    np.testing.assert_allclose(anchor.predict(inputs), by_hand, atol=1e-4)
    np.testing.assert_allclose(anchor.predict(inputs, 1), by_hand[:, 1], atol=1e-4)


def test_anchor__mean_has_no_components_and_none_is_none(fitted: baselines.Baselines) -> None:
    anchor = fitted.anchor("mean")
    assert anchor is not None
    assert anchor.arrays()["coefficient"].shape == (N_TYPES, 0, 5)
    np.testing.assert_allclose(anchor.predict(np.zeros((1, 12)))[0], fitted.mean)
    assert fitted.anchor("none") is None


def test_baselines__survive_the_round_trip_through_arrays(
    blocks: list[Block], fitted: baselines.Baselines
) -> None:
    arrays = fitted.arrays()
    assert all(name.startswith("baseline_") for name in arrays)
    again = baselines.Baselines.from_arrays({**arrays, "skill": np.zeros(1)})
    inputs = blocks[0]["input"]
    np.testing.assert_allclose(
        again.remainder.predict(inputs), fitted.remainder.predict(inputs), atol=1e-4
    )
    assert again.curve.cells.item() == 500


def test_anchor_settings__refuse_a_penalty_of_zero() -> None:
    with pytest.raises(ValueError, match="above 0"):
        baselines.AnchorSettings(penalties=(0.0, 1.0))
    assert baselines.AnchorSettings(penalties=(1.0, 0.1)).penalties == (0.1, 1.0)


def test_fit__needs_rows() -> None:
    with pytest.raises(errors.ValuesError, match="holds 0 samples"):
        baselines.fit([], baselines.AnchorSettings())


def test_curve__recovers_a_planted_curve() -> None:
    rng = np.random.default_rng(0)
    planted = np.array([4, 0.5, -1, 2, -0.01])
    proportion = rng.uniform(0.01, 1, size=(300, 1))
    level = closed_form.level_terms(proportion[:, 0] * 500) @ planted
    block = {
        "input": rng.normal(size=(300, 2)),
        "profile": level[:, None, None],
        "proportion": proportion,
        "rna_fraction": proportion,
    }
    curve = baselines.fit([block], baselines.AnchorSettings(n_components=2)).curve
    np.testing.assert_allclose(curve.level[0, :, 0], planted, rtol=1e-4)
    np.testing.assert_allclose(
        curve.predict(curve.n_cells(proportion)[:, 0], 0)[:, 0], level, rtol=1e-6
    )
    # Nothing is left, so the variance is at its floor.
    assert (curve.spread(np.array([1.0, 500.0]), 0) == closed_form.VARIANCE_FLOOR).all()
