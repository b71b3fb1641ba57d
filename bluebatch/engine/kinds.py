"""Which task stands behind each kind of model, and how a trained one is loaded.

A new kind is one line in `KINDS`.
"""

import hashlib
import pathlib

import safetensors
import safetensors.torch

from bluebatch import errors
from bluebatch.engine import task, unmix
from bluebatch.models import contract
from bluebatch.store import files, model_folder

KINDS: dict[str, type[task.Task]] = {"unmix": unmix.Task}


def find(kind: str, where: object = "[model] kind") -> type[task.Task]:
    """Look the task of a kind of model up.

    Parameters
    ----------
    kind : str
        ``[model] kind`` of a configuration, or ``kind`` of a model's card.
    where : object
        For the message.

    Returns
    -------
    type of task.Task
        Its class; ``Task(card, arrays)`` restores a trained one.

    Raises
    ------
    errors.ForeignStoreError
        If no such kind is known.
    """
    try:
        return KINDS[kind]
    except KeyError:
        raise errors.ForeignStoreError(
            f"{where}: is of kind {kind!r}, needed: {' or '.join(KINDS)}. "
            "Use the version of bluebatch that made it."
        ) from None


def load(folder: str | pathlib.Path) -> task.Task:
    """Restore a trained model's task: its card and arrays, not yet its weights.

    Parameters
    ----------
    folder : str or pathlib.Path
        Model folder.

    Returns
    -------
    task.Task
        Of the kind that the card names.

    Raises
    ------
    errors.MissingInputError
        If there is no finished model.
    errors.ForeignStoreError
        If the folder is broken, or of a kind or format version that is not known.
    """
    card = model_folder.read_card(folder)
    kind, arrays = find(card.kind, folder), model_folder.read_arrays(folder)
    try:
        return kind(card, arrays)
    except (KeyError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise errors.ForeignStoreError(
            f"{folder}: lacks what a model of kind {card.kind!r} has ({reason}). "
            "Copy or train the model again."
        ) from error


def load_networks(trained: task.Task, folder: str | pathlib.Path) -> list[contract.Model]:
    """Build every member's network and load its weights.

    Parameters
    ----------
    trained : task.Task
        From `load`.
    folder : str or pathlib.Path
        The same model folder.

    Returns
    -------
    list of contract.Model
        In the order of the card's members, on the CPU, in evaluation mode.

    Raises
    ------
    errors.ForeignStoreError
        If a file of weights is missing, broken or of another network.
    """
    networks = []
    for index, member in enumerate(trained.card.members):
        file = pathlib.Path(folder) / str(member["file"])
        network = trained.network(index)
        try:
            network.load_state_dict(safetensors.torch.load_file(file))
        except (OSError, RuntimeError, safetensors.SafetensorError) as error:
            reason = str(error).splitlines()[0]
            raise errors.ForeignStoreError(
                f"{file}: are no weights of this model ({reason}). Copy or train the model again."
            ) from error
        networks.append(network.eval())
    return networks


def digest(folder: str | pathlib.Path) -> str:
    """Digest a model: its card, arrays and weights.

    Parameters
    ----------
    folder : str or pathlib.Path
        Model folder.

    Returns
    -------
    str
        Hexadecimal SHA-256 over the names and contents of its files.
    """
    folder = pathlib.Path(folder)
    total = hashlib.sha256()
    for file in sorted([folder / model_folder.CARD_FILE, *folder.glob("*.safetensors")]):
        total.update(f"{file.name} {files.file_digest(file)}\n".encode())
    return total.hexdigest()
