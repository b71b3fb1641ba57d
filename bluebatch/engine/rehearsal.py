"""A training run before it starts: what it would hold and write, and how long it may take."""

import shlex
from collections.abc import Mapping
from typing import Final, NamedTuple

import torch

from bluebatch.engine import (
    distributed,
    fit,
    kinds,
    optimise,
    precision,
    provision,
    steps,
    stream,
    task,
)
from bluebatch.run import partition, preview, resources
from bluebatch.store import read

SPLITS: Final = ("train", "validation", "test")
PROBED_STEPS: Final = 3
# A forward pass is about a third of a step.
FORWARD_SHARE: Final = 1 / 3
# How often samples are read to learn what the networks start from.
LEARNING_PASSES: Final = 3


class Planned(NamedTuple):
    """A training run that nothing stands in the way of.

    Parameters
    ----------
    learner : task.Task
        Outlined.
    store : read.Store
        Training store.
    settings : optimise.TrainingSettings
        How networks are fitted.
    chosen : provision.Provision
        What it holds.
    device : torch.device
        Where.
    out : str
        Model folder.
    """

    learner: task.Task
    store: read.Store
    settings: optimise.TrainingSettings
    chosen: provision.Provision
    device: torch.device
    out: str


def tell(planned: Planned, state: str) -> preview.Preview:
    """Foresee what a run does.

    Parameters
    ----------
    planned : Planned
        The run.
    state : {"new", "resumed", "complete"}
        What was found at the output path.

    Returns
    -------
    preview.Preview
        With the time of a few steps of one network, which is thrown away, times all steps.
    """
    learner, chosen = planned.learner, planned.chosen
    rows = {name: stream.Split(learner, planned.store, name) for name in SPLITS}
    members = range(len(learner.card.members))
    networks = [kinds.blank_network(learner, member) for member in members]
    n_weights = sum(each.numel() for network in networks for each in network.parameters())
    n_steps = len(members) * planned.settings.epochs * _n_batches(planned, rows["train"])
    unit = f"{planned.store.spec.row}s"
    labels = learner.card.labels.items()
    notes = (
        f"held at a time: {chosen.holding} of training rows",
        f"queue: {_queue(planned)}",
        f"several processes: torchrun --nproc-per-node N -m {_command(planned)}",
        "both with the other options of this command",
        preview.STATES[state],
    )
    return preview.Preview(
        command="train",
        path=planned.out,
        sizes={
            **{f"{unit} ({name})": split.n_rows for name, split in rows.items()},
            **{f"{axis}s".replace("_", " "): len(names) for axis, names in labels},
            "members": len(members),
            "parameters": n_weights,
            "steps": n_steps,
        },
        n_blocks=len(rows["train"].blocks),
        n_partitions=0,
        n_tasks=0,
        # Card and arrays, the curve as table and picture, and each member's weights.
        n_files=4 + len(members),
        n_bytes=4 * n_weights + learner.held_bytes(planned.store).arrays,
        memory_items=dict(chosen.items),
        budget_bytes=chosen.budget_bytes,
        seconds=None if state == "complete" else round(_seconds(planned, rows), 1),
        notes=tuple(note for note in notes if note),
    )


def _n_batches(planned: Planned, split: stream.Split) -> int:
    return -(-split.n_rows // planned.settings.batch)


def _seconds(planned: Planned, rows: Mapping[str, stream.Split]) -> float:
    """Extrapolate: reading is counted where nothing is computed meanwhile."""
    reading, step = _probe(planned)
    training, held_out = rows["train"], rows["validation"]
    n_epochs = len(planned.learner.card.members) * planned.settings.epochs
    forward = FORWARD_SHARE * step
    epoch = _n_batches(planned, training) * step + _n_batches(planned, held_out) * forward
    ahead = planned.chosen.holding == "two windows"
    read_again = 0 if planned.chosen.holding == "memory" else len(training.blocks) * reading
    epoch = max(epoch, read_again) if ahead else epoch + read_again
    if not planned.chosen.keeps_validation:
        epoch += len(held_out.blocks) * reading
    once = LEARNING_PASSES * sum(len(split.blocks) for split in rows.values()) * reading
    judged = sum(_n_batches(planned, rows[name]) for name in ("validation", "test"))
    return once + n_epochs * epoch + judged * forward * len(planned.learner.card.members)


def _probe(planned: Planned) -> tuple[float, float]:
    """Time the reading of a block and a step; the network is thrown away."""
    learner, settings, device = planned.learner, planned.settings, planned.device
    split = stream.Split(learner, planned.store, "train", fresh=settings.fresh)
    clock = partition.timer()
    block = split.read(0)
    reading = clock()
    n_rows = max(2, settings.batch // settings.micro_batches)
    arrays = {name: array[:n_rows] for name, array in block.items()}
    network = fit.build(learner, 0, 0).to(device).train()
    optimiser = optimise.make_optimiser(network, settings)
    compute = steps.Compute(device, precision.pick_dtype(settings.precision, device))
    generator = torch.Generator(device).manual_seed(0)
    times = []
    for _ in range(1 + PROBED_STEPS):
        clock = partition.timer()
        batch = network.transform(stream.to_batch(arrays, device), generator)
        loss = steps.measure(network, batch, 0, compute)["loss"]
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        loss.item()  # Waits for the device.
        times.append(clock())
    own_parts = settings.micro_batches / distributed.world_size()
    return reading, min(times[1:]) * own_parts


def _queue(planned: Planned) -> str:
    peak = sum(item.n_bytes for item in planned.chosen.items)
    needs = f"--cpus-per-task={resources.cores()} --mem={-(-peak * 5 // 4 // 2**20)}M"
    return f"sbatch {needs} --wrap {shlex.quote(f'{_command(planned)} --resume')}"


def _command(planned: Planned) -> str:
    store, out = shlex.quote(planned.store.path), shlex.quote(planned.out)
    return f"bluebatch train {store} --out {out}"
