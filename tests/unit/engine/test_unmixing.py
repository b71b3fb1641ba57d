import pathlib

import numpy as np
import numpy.typing as npt
import pytest
from integration import small

from bluebatch.engine import kinds, task, unmix_profiles, unmixing
from bluebatch.expression import closed_form, conformal
from bluebatch.store import read

N_SAMPLES = 40


def bind(folder: pathlib.Path, *, shuffled: bool) -> tuple[unmixing.Reader, task.Arrays]:
    """Bind the small model, whose output genes stand in its inputs' order or in another."""
    trained = kinds.load(small.write_model(folder / "model"))
    n_types = len(small.CELL_TYPES)
    trained.arrays[conformal.SCORES] = np.tile(np.arange(1, 21, dtype=np.float32), (n_types, 1))
    trained.arrays[unmix_profiles.FACTORS] = np.full((n_types, 90), 4, np.float32)
    if shuffled:
        genes = trained.card.labels["gene"]
        labels = {**trained.card.labels, "gene": [*genes[1::2], *genes[::2]]}
        trained = type(trained)(trained.card.model_copy(update={"labels": labels}), trained.arrays)
    store = read.open_store(small.write_cohort(folder / "cohort.zarr", N_SAMPLES, genes=190))
    reader = trained.bind(store, {"presence": 0.05, "profile_sd": True})
    assert isinstance(reader, unmixing.Reader)
    return reader, reader.inputs(slice(0, N_SAMPLES))


def predictions() -> task.Arrays:
    rng = np.random.default_rng(3)
    n_types = len(small.CELL_TYPES)
    profile = rng.gamma(2, 2, (N_SAMPLES, n_types, 90)).astype(np.float32)
    members = rng.dirichlet(np.full(n_types, 0.5), (2, N_SAMPLES)).astype(np.float32)
    fraction, squared = members.mean(axis=0), (members**2).mean(axis=0)
    return {"profile": profile, "fraction": fraction, "fraction_squared": squared}


@pytest.mark.parametrize("shuffled", [False, True])
def test_finish__a_samples_bits_hang_on_no_other_sample(
    tmp_path: pathlib.Path, shuffled: bool
) -> None:
    reader, inputs = bind(tmp_path, shuffled=shuffled)
    inputs["log_cpm"][7] = np.nan
    whole = reader.finish(predictions(), inputs)
    assert {"proportion_low", "proportion_high", "profile_sd"} < set(whole)
    for values in (whole["profile"], whole["profile_sd"], whole["proportion_low"]):
        assert np.isnan(values).any()
        assert np.isfinite(values).any()
    for rows in (slice(0, 1), slice(3, 20), slice(N_SAMPLES - 1, N_SAMPLES)):
        part = reader.finish(
            {name: values[rows] for name, values in predictions().items()},
            {name: values[rows] for name, values in inputs.items()},
        )
        for name, values in part.items():
            np.testing.assert_array_equal(values, whole[name][rows])


def test_finish__leaves_what_it_is_given_as_it_is(tmp_path: pathlib.Path) -> None:
    reader, inputs = bind(tmp_path, shuffled=False)
    given, log_cpm = predictions(), inputs["log_cpm"].copy()
    reader.finish(given, inputs)
    np.testing.assert_array_equal(inputs["log_cpm"], log_cpm)
    for name, values in predictions().items():
        np.testing.assert_array_equal(given[name], values)


def test_finish__the_error_does_not_hang_on_the_order_of_the_genes(tmp_path: pathlib.Path) -> None:
    in_order, inputs = bind(tmp_path / "a", shuffled=False)
    shuffled, _ = bind(tmp_path / "b", shuffled=True)
    given = predictions()
    order: npt.NDArray[np.int64] = np.r_[1:90:2, 0:90:2]
    # Without the surprise, whose variances stand in the order of the genes.
    for reader in (in_order, shuffled):
        reader._known.arrays.pop("surprise_variance")
    expected = in_order.finish(given, inputs)["reconstruction_error"]
    found = shuffled.finish({**given, "profile": given["profile"][:, :, order]}, inputs)
    np.testing.assert_allclose(found["reconstruction_error"], expected, rtol=1e-5)


def test_finish__a_deviation_is_what_the_surprise_leaves_times_its_factor(
    tmp_path: pathlib.Path,
) -> None:
    reader, inputs = bind(tmp_path, shuffled=False)
    found = reader.finish(predictions(), inputs)
    # Output genes are the inputs from the 21st to the 110th; the factor is 4.
    left = closed_form.posterior_variance(
        predictions()["profile"].astype(np.float64),
        reader._known.arrays["surprise_variance"][np.newaxis].astype(np.float64),
        found["rna_fraction"].astype(np.float64),
        inputs["log_cpm"][:, 20:110].astype(np.float64),
    )
    kept = np.isfinite(found["profile"])
    np.testing.assert_allclose(found["profile_sd"][kept], 2 * np.sqrt(left[kept]), rtol=1e-4)


def test_price__covers_what_is_read_and_finished(tmp_path: pathlib.Path) -> None:
    reader, inputs = bind(tmp_path, shuffled=False)
    price = reader.price()
    # 120 input genes of 190 in the cohort; 4 types of 90 genes.
    assert price.inputs == inputs["log_cpm"][0].nbytes == 480
    assert price.reading > 4 * 190 + 480
    assert price.finishing > 4 * 4 * 90
