import dataclasses
import json
import pathlib
import shutil

import numpy as np
import pandas as pd
import pytest
from unit.downstream import freezing, planted

from bluebatch import errors
from bluebatch.downstream import frozen
from bluebatch.store import model_folder


@pytest.fixture(scope="module")
def cohort() -> planted.Planted:
    return planted.draw(planted.Plan(n_patients=120, n_genes=40), seed=1)


@pytest.fixture(scope="module")
def model(cohort: planted.Planted) -> frozen.Frozen:
    return freezing.discover(cohort).model


@pytest.fixture
def folder(tmp_path: pathlib.Path, model: frozen.Frozen) -> pathlib.Path:
    frozen.write(tmp_path / "model", model)
    return tmp_path / "model"


def test_read__brings_back_every_bit(folder: pathlib.Path, model: frozen.Frozen) -> None:
    again = frozen.read(folder)
    for name in ("branch", "cell_types", "composition_types", "cuts", "rules", "settings"):
        assert getattr(again, name) == getattr(model, name)
    assert again.facts == model.facts
    assert again.made_from == model.made_from
    np.testing.assert_array_equal(again.picks, model.picks)
    names = ["definition", "tested", "significant", *frozen.NUMBERS]
    pd.testing.assert_frame_equal(again.table[names], model.table[names], check_exact=True)
    assert list(again.spaces) == list(model.spaces)
    for name, space in model.spaces.items():
        assert again.spaces[name].genes == space.genes
        for key, values in space.arrays().items():
            found = again.spaces[name].arrays()[key]
            assert found.tobytes() == values.tobytes()
    assert list(again.signatures) == list(model.signatures) != []
    for name, each in model.signatures.items():
        assert again.signatures[name].card() == each.card()
        assert again.signatures[name].genes == each.genes
        assert again.signatures[name].loadings.tobytes() == each.loadings.tobytes()
        assert again.signatures[name].mean.tobytes() == each.mean.tobytes()
    assert again.clusters is not None
    assert model.clusters is not None
    for key, values in model.clusters.arrays().items():
        assert again.clusters.arrays()[key].tobytes() == values.tobytes()


def test_write__same_model_gives_the_same_bytes(folder: pathlib.Path, model: frozen.Frozen) -> None:
    first = {file.name: file.read_bytes() for file in folder.iterdir()}
    assert set(first) == {frozen.CARD_FILE, frozen.ARRAYS_FILE, frozen.GENES_FILE}
    frozen.write(folder, frozen.read(folder))
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == first


def test_write__names_no_patient(folder: pathlib.Path, cohort: planted.Planted) -> None:
    content = b"".join(file.read_bytes() for file in folder.iterdir())
    assert b"Mono" in content
    assert not [name for name in cohort.patients if name.encode() in content]


def test_read__takes_the_folder_around_it(folder: pathlib.Path, model: frozen.Frozen) -> None:
    assert frozen.read(folder.parent).cell_types == model.cell_types


def test_read__cuts_without_spaces(tmp_path: pathlib.Path, cohort: planted.Planted) -> None:
    model = freezing.discover_fractions(cohort, ["Mono", "T", "B"])
    frozen.write(tmp_path, model)
    again = frozen.read(tmp_path)
    assert again.cuts == model.cuts
    assert again.composition_types == ["Mono", "T", "B"]
    assert again.rules is None
    assert again.clusters is None


def test_read__names_of_genes_that_csv_finds_hard(
    tmp_path: pathlib.Path, model: frozen.Frozen
) -> None:
    signature = model.signatures["favourable"]
    odd = ["NA", "A,B", 'the "C"', " D ", "1-Mar"]
    genes = odd + signature.genes[len(odd) :]
    renamed = dataclasses.replace(signature, genes=genes)
    frozen.write(tmp_path, dataclasses.replace(model, signatures={"favourable": renamed}))
    assert frozen.read(tmp_path).signatures["favourable"].genes == genes


def test_read__nothing_or_a_network_is_told(tmp_path: pathlib.Path) -> None:
    with pytest.raises(
        errors.MissingInputError, match=r"holds no subtypes\.json: no frozen"
    ) as told:
        frozen.read(tmp_path)
    assert "\n" not in str(told.value)
    (tmp_path / model_folder.CARD_FILE).write_text("{}")
    with pytest.raises(errors.MissingInputError, match="a model of `bluebatch train`, not frozen"):
        frozen.read(tmp_path)


@pytest.mark.parametrize("name", [frozen.ARRAYS_FILE, frozen.GENES_FILE])
def test_read__damage_is_told(folder: pathlib.Path, name: str) -> None:
    content = bytearray((folder / name).read_bytes())
    content[-3] ^= 1
    (folder / name).write_bytes(content)
    with pytest.raises(errors.ForeignStoreError, match=f"{name}: is not as it was written"):
        frozen.read(folder)
    (folder / name).unlink()
    with pytest.raises(errors.ForeignStoreError, match=f"{name}: is not there"):
        frozen.read(folder)


def test_read__half_a_card_is_told(folder: pathlib.Path) -> None:
    file = folder / frozen.CARD_FILE
    file.write_text(file.read_text()[:200])
    with pytest.raises(errors.ForeignStoreError, match="is not the JSON of frozen subtypes"):
        frozen.read(folder)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"format_version": 2}, "format version 2, needed: 'subtypes' and 1"),
        ({"kind": "unmix"}, "is of kind 'unmix'"),
        ({"colour": "blue"}, "colour: Extra inputs"),
        ({"cell_types": "B"}, "cell_types"),
        ({"signatures": {"new": {}}}, "do not fit each other"),
        ({"digests": {}}, "do not fit each other"),
    ],
)
def test_read__other_versions_and_foreign_cards_are_told(
    folder: pathlib.Path, change: dict[str, object], said: str
) -> None:
    file = folder / frozen.CARD_FILE
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    with pytest.raises(errors.ForeignStoreError, match=said) as told:
        frozen.read(folder)
    assert "\n" not in str(told.value)


def test_read__files_of_two_models_are_told(
    tmp_path: pathlib.Path, folder: pathlib.Path, cohort: planted.Planted
) -> None:
    frozen.write(tmp_path / "other", freezing.discover_fractions(cohort, ["Mono", "T"]))
    shutil.copy(tmp_path / "other" / frozen.ARRAYS_FILE, folder)
    with pytest.raises(errors.ForeignStoreError, match="is not as it was written"):
        frozen.read(folder)
