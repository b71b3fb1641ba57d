import json
import pathlib

import numpy as np
import pytest

from bluebatch import errors
from bluebatch.store import model_folder

CARD = model_folder.Card(
    kind="unmix",
    labels={"input_gene": ["ACTB"], "gene": ["ACTB", "B2M"], "cell_type": ["B", "NK"]},
    units={"profile": "log2(1 + CPM)"},
    settings={"epochs": 3},
    made_from={"store": "abc"},
    facts={"markers": {"B": ["MS4A1"]}},
    scores={"ccc": 0.9},
    members=[{"file": "member_0.safetensors", "seed": 0}],
)
ARRAYS = {"skill": np.array([[0.5, np.nan], [0.1, 0.2]], dtype=np.float32)}


@pytest.fixture
def folder(tmp_path: pathlib.Path) -> pathlib.Path:
    model_folder.write_card(tmp_path / "model", CARD, ARRAYS)
    return tmp_path / "model"


def test_read_card__gives_back_what_was_written(folder: pathlib.Path) -> None:
    assert model_folder.read_card(folder) == CARD
    found = model_folder.read_arrays(folder)
    assert np.array_equal(found["skill"], ARRAYS["skill"], equal_nan=True)


def test_write_card__a_transposed_array_keeps_its_values(tmp_path: pathlib.Path) -> None:
    turned = np.arange(6, dtype=np.float32).reshape(2, 3).T
    model_folder.write_card(tmp_path, CARD, {"anchor": turned})
    assert np.array_equal(model_folder.read_arrays(tmp_path)["anchor"], turned)


def test_read_card__a_folder_without_a_card_is_no_model(tmp_path: pathlib.Path) -> None:
    with pytest.raises(errors.MissingInputError, match=r"model\.json"):
        model_folder.read_card(tmp_path)


@pytest.mark.parametrize("text", ["{", "[]", '"x"'])
def test_read_card__broken_json(folder: pathlib.Path, text: str) -> None:
    (folder / "model.json").write_text(text)
    with pytest.raises(errors.ForeignStoreError, match="JSON"):
        model_folder.read_card(folder)


def test_read_card__another_format_version(folder: pathlib.Path) -> None:
    content = CARD.model_dump() | {"format_version": 2}
    (folder / "model.json").write_text(json.dumps(content))
    with pytest.raises(errors.ForeignStoreError, match="format version 2, needed: 1"):
        model_folder.read_card(folder)


def test_read_card__a_missing_entry_is_named(folder: pathlib.Path) -> None:
    content = CARD.model_dump()
    del content["labels"]
    (folder / "model.json").write_text(json.dumps(content))
    with pytest.raises(errors.ForeignStoreError, match="labels"):
        model_folder.read_card(folder)


def test_read_arrays__truncated(folder: pathlib.Path) -> None:
    file = folder / "arrays.safetensors"
    file.write_bytes(file.read_bytes()[:-3])
    with pytest.raises(errors.ForeignStoreError, match="cannot be read"):
        model_folder.read_arrays(folder)
