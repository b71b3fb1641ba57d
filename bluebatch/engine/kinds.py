"""Which task stands behind each kind of model, and how a trained one is loaded.

A new kind is one line in `KINDS`.
"""

import safetensors
import safetensors.torch
import torch

from bluebatch import errors
from bluebatch.engine import task, unmix
from bluebatch.models import contract
from bluebatch.store import model_folder, places

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


def load(folder: str | places.Place) -> task.Task:
    """Restore a trained model's task: its card and arrays, not yet its weights.

    Parameters
    ----------
    folder : str, pathlib.Path or upath.UPath
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


def load_networks(trained: task.Task, folder: str | places.Place) -> list[contract.Model]:
    """Build every member's network and load its weights.

    Parameters
    ----------
    trained : task.Task
        From `load`.
    folder : str, pathlib.Path or upath.UPath
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
        file = places.place(folder) / str(member["file"])
        try:
            with places.local_copy(file) as copy:
                # Mapped and not copied, so that the processes of one machine share it.
                network = _loaded(trained, index, safetensors.torch.load_file(copy))
        except errors.UnreachableError:
            raise
        except (OSError, RuntimeError, safetensors.SafetensorError) as error:
            reason = str(error).splitlines()[0]
            raise errors.ForeignStoreError(
                f"{file}: are no weights of this model ({reason}). Copy or train the model again."
            ) from error
        networks.append(network.eval())
    return networks


def blank_network(trained: task.Task, member: int) -> contract.Model:
    """Build a member's network without weights: to be priced, or loaded.

    Parameters
    ----------
    trained : task.Task
        From `load`.
    member : int
        Index into the card's members.

    Returns
    -------
    contract.Model
        Whose parameters have shapes and no memory.
    """
    with torch.device("meta"):
        return trained.network(member)


def _loaded(trained: task.Task, member: int, weights: contract.Batch) -> contract.Model:
    network = blank_network(trained, member)
    _check_shapes(network, weights)
    network.load_state_dict(weights, assign=True)
    if any(buffer.is_meta for buffer in network.buffers()):
        # It computes some of its buffers, so it has to be built in full.
        network = trained.network(member)
        network.load_state_dict(weights, assign=True)
    return network


def _check_shapes(network: contract.Model, weights: contract.Batch) -> None:
    for name, expected in network.state_dict().items():
        if name in weights and weights[name].shape != expected.shape:
            found, needed = tuple(weights[name].shape), tuple(expected.shape)
            raise RuntimeError(
                f"{name} has shape {found}, needed: {needed}: of another panel, or another size"
            )
