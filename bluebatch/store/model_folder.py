"""The model folder: card, arrays and weights, as train leaves it for every later stage."""

import hashlib
import json
from typing import Any

import numpy as np
import numpy.typing as npt
import pydantic
import safetensors
import safetensors.numpy

from bluebatch import errors
from bluebatch.store import files, outputs, places

FORMAT_VERSION = 1
CARD_FILE = "model.json"
ARRAYS_FILE = "arrays.safetensors"


class Card(pydantic.BaseModel):
    """What a model is, for any kind of model; read by people as well as by later stages.

    Parameters
    ----------
    kind : str
        Kind of model, e.g. ``"unmix"``.
    labels : dict of str to list of str
        Ordered labels by axis, e.g. ``input_gene``, ``gene``, ``cell_type``.
    units : dict of str to str
        Unit of each output.
    settings : dict
        The resolved configuration of the training.
    made_from : dict
        Digests and paths of what it was trained on, versions, date, machine.
    facts : dict
        What this kind of model has to say of itself in JSON values.
    scores : dict
        Held-out scores.
    members : list of dict
        One entry a network: file of its weights, seed, settings of its own.
    format_version : int
        Of this folder.
    bluebatch_version : str
        That trained it.
    """

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid")

    kind: str
    labels: dict[str, list[str]]
    units: dict[str, str]
    settings: dict[str, Any]
    made_from: dict[str, Any]
    facts: dict[str, Any]
    scores: dict[str, Any]
    members: list[dict[str, Any]]
    format_version: int = FORMAT_VERSION
    bluebatch_version: str = ""


def write_card(folder: str | places.Place, card: Card, arrays: dict[str, npt.NDArray[Any]]) -> None:
    """Write the arrays, then the card: a folder without a card is no model.

    Parameters
    ----------
    folder : str, pathlib.Path or upath.UPath
        Model folder; made if missing.
    card : Card
        What the model is.
    arrays : dict of str to np.ndarray
        Arrays that go with it: anchors, skill, baselines.
    """
    folder = places.place(folder)
    contiguous = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    with outputs.whole_file(folder / ARRAYS_FILE) as temporary:
        safetensors.numpy.save_file(contiguous, temporary)
    with outputs.whole_file(folder / CARD_FILE) as temporary:
        temporary.write_text(json.dumps(card.model_dump(), indent=1) + "\n")


def read_card(folder: str | places.Place) -> Card:
    """Read and check ``model.json``.

    Parameters
    ----------
    folder : str, pathlib.Path or upath.UPath
        Model folder.

    Returns
    -------
    Card
        What the model is.

    Raises
    ------
    errors.MissingInputError
        If there is no finished model.
    errors.ForeignStoreError
        If the card is broken or of another format version.
    errors.UnreachableError
        If it lies elsewhere, and the place refuses or does not answer.
    """
    file = places.place(folder) / CARD_FILE
    try:
        with places.reached(folder):
            text = file.read_bytes()
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
        raise errors.MissingInputError(
            f"{folder}: holds no {CARD_FILE}, so no finished model. "
            "Give the folder that `bluebatch train` wrote."
        ) from error
    try:
        content = json.loads(text)
        version = content.get("format_version")
    except (ValueError, AttributeError) as error:
        raise errors.ForeignStoreError(
            f"{file}: is not the JSON of a model ({error}). Copy or train the model again."
        ) from error
    if version != FORMAT_VERSION:
        raise errors.ForeignStoreError(
            f"{file}: has format version {version}, needed: {FORMAT_VERSION}. "
            "Train the model again with this version of bluebatch."
        )
    try:
        return Card.model_validate(content)
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        raise errors.ForeignStoreError(
            f"{file}: {'.'.join(map(str, first['loc']))}: {first['msg']}. Train the model again."
        ) from error


def read_arrays(folder: str | places.Place) -> dict[str, npt.NDArray[Any]]:
    """Read the arrays that go with a card.

    Parameters
    ----------
    folder : str, pathlib.Path or upath.UPath
        Model folder.

    Returns
    -------
    dict of str to np.ndarray
        Every array by name.

    Raises
    ------
    errors.ForeignStoreError
        If the file is missing or broken.
    errors.UnreachableError
        If it lies elsewhere, and the place refuses or does not answer.
    """
    file = places.place(folder) / ARRAYS_FILE
    try:
        with places.local_copy(file) as local:
            return safetensors.numpy.load_file(local)
    except errors.UnreachableError:
        raise
    except (OSError, safetensors.SafetensorError) as error:
        raise errors.ForeignStoreError(
            f"{file}: cannot be read ({error}). Copy or train the model again."
        ) from error


def digest(folder: str | places.Place) -> str:
    """Digest a model: its card, arrays and weights.

    Parameters
    ----------
    folder : str, pathlib.Path or upath.UPath
        Model folder.

    Returns
    -------
    str
        Hexadecimal SHA-256 over the names and contents of its files.
    """
    folder = places.place(folder)
    total = hashlib.sha256()
    for file in sorted([folder / CARD_FILE, *folder.glob("*.safetensors")]):
        total.update(f"{file.name} {files.file_digest(file)}\n".encode())
    return total.hexdigest()
