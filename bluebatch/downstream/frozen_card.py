"""The card of frozen subtypes: what the folder is, and whether its files are as they were."""

import hashlib
import json
from typing import Any, Literal

import pydantic

from bluebatch import errors
from bluebatch.store import model_folder, places

Branch = Literal["profile", "cohort", "composition"]
KIND = "subtypes"
FORMAT_VERSION = 1
CARD_FILE = "subtypes.json"
# Where `bluebatch subtype` puts the folder in its own.
FOLDER = "model"
AGAIN = "Copy the folder again, or run `bluebatch subtype` again."


class Card(pydantic.BaseModel):
    """What stands in ``subtypes.json``.

    Parameters
    ----------
    kind : str
        Always ``"subtypes"``.
    format_version : int
        Of this folder.
    bluebatch_version : str
        That wrote it.
    branch : {"profile", "cohort", "composition"}
        Kind of results that the states were found in.
    cell_types : list of str
        Those that definitions pick from.
    composition_types : list of str
        Those whose proportions are divided by their sum before the cuts; none: they are not.
    cuts : dict of str to float
        Proportions above it are state 1, by cell type.
    definitions : dict of str to list
        Columns of the table: label, picks, tested, significant, and the discovery's numbers.
    rules : dict or None
        How the definitions' votes make three groups.
    spaces : list of str
        Cell types whose states are the nearest of two centroids.
    signatures : dict of str to dict
        Cards of the bulk signatures.
    clusters : list of str or None
        Cell types of the clusters of proportions.
    settings, made_from, facts : dict
        Resolved settings; digests of the inputs; how many patients and events.
    digests : dict of str to str
        SHA-256 of the other files.
    """

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid")

    kind: str = KIND
    format_version: int = FORMAT_VERSION
    bluebatch_version: str = ""
    branch: Branch
    cell_types: list[str]
    composition_types: list[str]
    cuts: dict[str, float]
    definitions: dict[str, list[Any]]
    rules: dict[str, Any] | None
    spaces: list[str]
    signatures: dict[str, dict[str, Any]]
    clusters: list[str] | None
    settings: dict[str, Any]
    made_from: dict[str, Any]
    facts: dict[str, Any]
    digests: dict[str, str]


def read(folder: places.Place) -> tuple[Card, places.Place]:
    """Read and check ``subtypes.json``.

    Parameters
    ----------
    folder : pathlib.Path or upath.UPath
        Model folder, or the one of `bluebatch subtype` around it.

    Returns
    -------
    card : Card
        What stands in it.
    folder : pathlib.Path or upath.UPath
        In which it stands.

    Raises
    ------
    errors.MissingInputError
        If there is none.
    errors.ForeignStoreError
        If it is damaged, of another kind or of another format version.
    """
    with places.reached(folder):
        if not (folder / CARD_FILE).is_file() and (folder / FOLDER / CARD_FILE).is_file():
            folder = folder / FOLDER
        file = folder / CARD_FILE
        if not file.is_file():
            other = "a model of `bluebatch train`, not " if _is_network(folder) else "no "
            raise errors.MissingInputError(
                f"{folder}: holds no {CARD_FILE}: {other}frozen subtypes. "
                "Give the folder that `bluebatch subtype` wrote."
            )
        text = file.read_bytes()
    try:
        content = json.loads(text)
        kind, version = content.get("kind"), content.get("format_version")
    except (ValueError, AttributeError) as error:
        raise errors.ForeignStoreError(
            f"{file}: is not the JSON of frozen subtypes ({error}). {AGAIN}"
        ) from error
    if kind != KIND or version != FORMAT_VERSION:
        raise errors.ForeignStoreError(
            f"{file}: is of kind {kind!r} and format version {version}, needed: {KIND!r} and "
            f"{FORMAT_VERSION}. Run `bluebatch subtype` with this version of bluebatch."
        )
    try:
        return Card.model_validate(content), folder
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        raise errors.ForeignStoreError(
            f"{file}: {'.'.join(map(str, first['loc']))}: {first['msg']}. {AGAIN}"
        ) from error


def digest(content: bytes) -> str:
    """Digest a file's content.

    Parameters
    ----------
    content : bytes
        All of it.

    Returns
    -------
    str
        SHA-256, hexadecimal.
    """
    return hashlib.sha256(content).hexdigest()


def _is_network(folder: places.Place) -> bool:
    return (folder / model_folder.CARD_FILE).is_file()


def read_checked(file: places.Place, expected: str) -> bytes:
    """Read a file that the card has a digest of.

    Parameters
    ----------
    file : pathlib.Path or upath.UPath
        Beside the card.
    expected : str
        Its SHA-256.

    Returns
    -------
    bytes
        Its content.

    Raises
    ------
    errors.ForeignStoreError
        If it is not there, or not as it was written.
    """
    try:
        with places.reached(file):
            content = file.read_bytes()
    except (FileNotFoundError, IsADirectoryError) as error:
        raise errors.ForeignStoreError(f"{file}: is not there. {AGAIN}") from error
    if digest(content) != expected:
        raise errors.ForeignStoreError(
            f"{file}: is not as it was written (SHA-256 {digest(content)[:12]}..., needed: "
            f"{expected[:12]}...). {AGAIN}"
        )
    return content
