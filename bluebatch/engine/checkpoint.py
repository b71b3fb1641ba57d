"""A member's training, saved after each epoch as one safetensors file, and taken up again.

Random numbers are drawn from generators keyed by seed, member and epoch, so the number of finished
epochs is all the random state there is.
"""

import dataclasses
import json
import pathlib
from typing import Any

import safetensors
import safetensors.torch
import torch

from bluebatch import errors
from bluebatch.store import outputs, places

FOLDER = "checkpoint"
FILE = "state.safetensors"
_PARTS = ("weights", "best", "moments")


@dataclasses.dataclass
class State:
    """Where a member's training stands.

    Parameters
    ----------
    member : int
        Index of the member.
    epoch : int
        Epochs finished.
    best_epoch : int
        After which the best weights were found; -1 before any.
    best_loss : float
        Their validation loss.
    best : dict of str to torch.Tensor
        The best weights.
    rows : list of dict
        The training curve so far, of all members.
    """

    member: int
    epoch: int = 0
    best_epoch: int = -1
    best_loss: float = float("inf")
    best: dict[str, torch.Tensor] = dataclasses.field(default_factory=dict)
    rows: list[dict[str, Any]] = dataclasses.field(default_factory=list)


def save(
    folder: places.Place,
    state: State,
    network: torch.nn.Module,
    optimiser: torch.optim.Optimizer | None,
) -> None:
    """Save a state in place of the one before, in one step.

    Parameters
    ----------
    folder : pathlib.Path or upath.UPath
        Made if missing.
    state : State
        Where training stands.
    network : torch.nn.Module
        Its present weights.
    optimiser : torch.optim.Optimizer or None
        Its moments.
    """
    moments = {} if optimiser is None else optimiser.state_dict()["state"]
    tensors = {f"weights/{name}": value for name, value in network.state_dict().items()}
    tensors |= {f"best/{name}": value for name, value in state.best.items()}
    tensors |= {
        f"moments/{index}/{name}": value
        for index, values in moments.items()
        for name, value in values.items()
    }
    facts = {
        field.name: getattr(state, field.name)
        for field in dataclasses.fields(state)
        if field.name != "best"
    }
    save_tensors(folder / FILE, tensors, {"state": json.dumps(facts)})


def load(
    folder: places.Place,
    network: torch.nn.Module,
    optimiser: torch.optim.Optimizer | None,
    member: int,
) -> State:
    """Take up a member where it was left.

    Parameters
    ----------
    folder : pathlib.Path or upath.UPath
        That `save` wrote to.
    network : torch.nn.Module
        Given the saved weights.
    optimiser : torch.optim.Optimizer or None
        Given the saved moments.
    member : int
        Index of the member.

    Returns
    -------
    State
        A fresh one where nothing of this member was saved; its curve is that of earlier members.

    Raises
    ------
    errors.ForeignStoreError
        If the file is broken.
    errors.UnreachableError
        If it lies elsewhere, and the place refuses or does not answer.
    """
    file = folder / FILE
    with places.reached(file):
        is_there = file.is_file()
    if not is_there:
        return State(member)
    with places.local_copy(file) as copy:
        state, tensors = _read(copy, file, member)
    if state.member != member:
        return State(member, rows=state.rows)
    parts: dict[str, dict[str, torch.Tensor]] = {part: {} for part in _PARTS}
    for name, tensor in tensors.items():
        part, _, rest = name.partition("/")
        parts[part][rest] = tensor
    network.load_state_dict(parts["weights"])
    # Tensors of the file keep all of it mapped: whatever stays is a copy.
    state.best = {name: value.clone() for name, value in parts["best"].items()}
    if optimiser is not None:
        _load_moments(optimiser, parts["moments"])
    return state


def clone(network: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Copy a network's weights.

    Parameters
    ----------
    network : torch.nn.Module
        Anywhere.

    Returns
    -------
    dict of str to torch.Tensor
        On the processor.
    """
    return {name: value.detach().cpu().clone() for name, value in network.state_dict().items()}


def save_tensors(
    file: places.Place, tensors: dict[str, torch.Tensor], facts: dict[str, str] | None = None
) -> None:
    """Write tensors to the disk, then give the file its name.

    Parameters
    ----------
    file : pathlib.Path or upath.UPath
        Where; replaced if it is there.
    tensors : dict of str to torch.Tensor
        By name.
    facts : dict of str to str, optional
        Written into the file's header.
    """
    plain = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    with outputs.whole_file(file) as temporary:
        safetensors.torch.save_file(plain, temporary, metadata=facts)


def _read(
    copy: pathlib.Path, file: places.Place, member: int
) -> tuple[State, dict[str, torch.Tensor]]:
    try:
        with safetensors.safe_open(copy, framework="pt") as handle:
            state = State(**json.loads(handle.metadata()["state"]))
            names = handle.keys() if state.member == member else []
            return state, {name: handle.get_tensor(name) for name in names}
    except (OSError, ValueError, KeyError, TypeError, safetensors.SafetensorError) as error:
        raise errors.ForeignStoreError(
            f"{file}: cannot be read ({error}). Train again with --overwrite."
        ) from error


def _load_moments(optimiser: torch.optim.Optimizer, flat: dict[str, torch.Tensor]) -> None:
    parameters = [parameter for group in optimiser.param_groups for parameter in group["params"]]
    moments: dict[int, dict[str, torch.Tensor]] = {}
    for key, value in flat.items():
        index, _, name = key.partition("/")
        parameter = parameters[int(index)]
        # The fused update walks moments and weights side by side: same layout, same bits.
        same = value.shape == parameter.shape
        kept = torch.empty_like(parameter, dtype=value.dtype) if same else torch.empty_like(value)
        moments.setdefault(int(index), {})[name] = kept.copy_(value)
    groups = optimiser.state_dict()["param_groups"]
    optimiser.load_state_dict({"state": moments, "param_groups": groups})
