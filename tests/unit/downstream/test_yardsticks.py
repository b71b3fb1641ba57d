import pathlib

import numpy as np
import pytest
from unit.downstream import stores

from bluebatch import errors
from bluebatch.downstream import yardsticks
from bluebatch.store import model_folder, read


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    folder = tmp_path_factory.mktemp("yardsticks")
    stores.write_truth(folder / "cohort.zarr", stores.draw(20, 2))
    stores.write_model(folder / "model", stores.draw(60, 1))
    return folder


def card_with(folder: pathlib.Path, cpm_over: str, **labels: list[str]) -> model_folder.Card:
    card = model_folder.read_card(folder / "model")
    settings = {"panel": {"cpm_over": cpm_over}}
    return card.model_copy(update={"labels": {**card.labels, **labels}, "settings": settings})


def test_factors__are_those_that_the_results_name() -> None:
    attributes = {"mrna_factors": {"B": 2.0}}
    np.testing.assert_array_equal(yardsticks.factors(attributes, ["NK", "B"]), [1, 2])
    np.testing.assert_array_equal(yardsticks.factors({}, ["NK"]), [1])


def test_bulk__cpm_is_over_the_measured_part_of_the_library(folder: pathlib.Path) -> None:
    genes = ["g3", "absent", "g1"]
    card = card_with(folder, "library", gene=genes, library_gene=[*stores.GENES[:10], "absent"])
    store = read.open_store(folder / "cohort.zarr")
    samples = store.labels["sample"]
    _, log_cpm = yardsticks.Bulk(store, card, [samples[4], samples[0]]).read(slice(0, 2))
    expression = store.read("expression")[[4, 0]].astype(float)
    library = expression[:, :10].sum(axis=1, keepdims=True)
    expected = np.log2(1 + expression[:, [3, 1]] / library * 1e6)
    np.testing.assert_allclose(log_cpm[:, [0, 2]], expected, rtol=1e-5)
    assert np.isnan(log_cpm[:, 1]).all()


def test_bulk__cpm_may_be_over_the_panel(folder: pathlib.Path) -> None:
    card = card_with(folder, "panel", gene=["g3", "g1"])
    store = read.open_store(folder / "cohort.zarr")
    inputs, log_cpm = yardsticks.Bulk(store, card, store.labels["sample"]).read(slice(0, 5))
    np.testing.assert_allclose((2**log_cpm - 1).sum(axis=1), 1e6, rtol=1e-4)
    np.testing.assert_allclose(inputs.mean(axis=1), 0, atol=1e-5)
    np.testing.assert_allclose(inputs.std(axis=1), 1, rtol=1e-4)


def test_bulk__refuses_a_cohort_without_the_models_genes(folder: pathlib.Path) -> None:
    card = card_with(folder, "library", input_gene=["ENSG1", "ENSG2"])
    store = read.open_store(folder / "cohort.zarr")
    with pytest.raises(errors.LabelMismatchError, match="none of the model's 2 input genes"):
        yardsticks.Bulk(store, card, store.labels["sample"])


def test_open_yardsticks__names_the_array_that_is_missing(
    folder: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    arrays = model_folder.read_arrays(folder / "model")
    assert yardsticks.open_yardsticks(folder / "model").genes == stores.GENES
    del arrays["baseline_mean"]
    model_folder.write_card(tmp_path, model_folder.read_card(folder / "model"), arrays)
    with pytest.raises(errors.ForeignStoreError, match="no array baseline_mean"):
        yardsticks.open_yardsticks(tmp_path)


def test_closed_form__rows_do_not_depend_on_each_other(folder: pathlib.Path) -> None:
    simple = yardsticks.open_yardsticks(folder / "model")
    store = read.open_store(folder / "cohort.zarr")
    inputs, log_cpm = yardsticks.Bulk(store, simple.card, store.labels["sample"]).read(slice(0, 20))
    proportion = store.read("proportion")
    repeated = [np.tile(part, (4, 1)) for part in (proportion, proportion, inputs, log_cpm)]
    many = simple.closed_form(yardsticks.Rows(*repeated))
    few = simple.closed_form(yardsticks.Rows(proportion, proportion, inputs, log_cpm))
    np.testing.assert_allclose(many, np.tile(few, (4, 1, 1)), rtol=1e-5)


def test_known_fractions__are_the_truths_in_the_models_order(folder: pathlib.Path) -> None:
    simple = yardsticks.open_yardsticks(folder / "model")
    types = ["NK", "absent", "B"]
    labels = {**simple.card.labels, "cell_type": types}
    other = yardsticks.Yardsticks(simple.fitted, simple.card.model_copy(update={"labels": labels}))
    store = read.open_store(folder / "cohort.zarr")
    rows = np.array([5, 2])
    known = yardsticks.known_fractions(store, rows, other)
    true = store.read("proportion")[rows]
    np.testing.assert_allclose(known.proportion[:, [0, 2]], true[:, [2, 0]])
    np.testing.assert_array_equal(known.proportion[:, 1], 0)
    # B and NK are all there is of the RNA that the model knows.
    share = true[:, [2, 0]] / true[:, [2, 0]].sum(axis=1, keepdims=True)
    np.testing.assert_allclose(known.rna_fraction[:, [0, 2]], share, rtol=1e-6)
