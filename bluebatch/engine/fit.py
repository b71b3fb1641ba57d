"""The loop that fits a model's members, whatever kind of model they are."""

import dataclasses
import logging
import math
from contextlib import closing
from typing import Any

import torch

from bluebatch import errors
from bluebatch.engine import (
    checkpoint,
    distributed,
    feed,
    optimise,
    precision,
    steps,
    stream,
    task,
)
from bluebatch.models import contract
from bluebatch.run import partition, progress
from bluebatch.store import places

_log = logging.getLogger(__name__)


class Trainer:
    """Fits the members of one model one after another.

    Parameters
    ----------
    learner : task.Task
        Kind of model.
    feeds : feed.Feeds
        Training and validation rows.
    folder : pathlib.Path or upath.UPath
        Model folder; each member's weights are written here when it is done.
    settings : optimise.TrainingSettings
        How.
    options : task.Options
        Seed, device, threads.
    """

    def __init__(
        self,
        learner: task.Task,
        feeds: feed.Feeds,
        folder: places.Place,
        settings: optimise.TrainingSettings,
        options: task.Options,
    ) -> None:
        self.learner, self.folder, self.settings = learner, folder, settings
        self.seed = options.seed
        self.device = distributed.pick_device(options.device)
        self.threads = precision.set_up(self.device, options.threads)
        dtype = precision.pick_dtype(settings.precision, self.device)
        self.compute = steps.Compute(self.device, dtype)
        self.feed, self.validation = feeds

    def fit_all(self) -> list[dict[str, Any]]:
        """Fit every member that is not done yet.

        Returns
        -------
        list of dict
            The training curve: one row an epoch and member.
        """
        rows: list[dict[str, Any]] = []
        for member in range(len(self.learner.card.members)):
            rows = self.fit_member(member)
        return rows

    def fit_member(self, member: int) -> list[dict[str, Any]]:
        """Fit one member, or take it up, and write the weights to be kept.

        Parameters
        ----------
        member : int
            Index of the member.

        Returns
        -------
        list of dict
            The training curve of this and all earlier members.
        """
        network = build(self.learner, member, self.seed).to(self.device)
        optimiser = optimise.make_optimiser(network, self.settings)
        saved = self.folder / checkpoint.FOLDER
        state = checkpoint.load(saved, network, optimiser, member)
        weights = self.folder / weight_file(member)
        with places.reached(weights):
            is_done = weights.is_file() and state.member == member and not state.epoch
        _check_same_folder(saved, is_done=is_done, n_epochs=state.epoch)
        if is_done:
            return state.rows
        stepper = steps.Stepper(network, optimiser, self.compute, self.settings.micro_batches)
        what = f"train {member + 1}/{len(self.learner.card.members)}"
        with progress.bar(what, self.settings.epochs * self.feed.n_rows, "samples") as step:
            step(state.epoch * self.feed.n_rows)
            while state.epoch < self.settings.epochs and not self._has_stalled(state):
                row = self._epoch(stepper, state, step)
                better = row["validation_loss"] < state.best_loss
                if better:
                    state.best_loss, state.best_epoch = row["validation_loss"], state.epoch
                if better or self.settings.keep == "last":
                    state.best = checkpoint.clone(network)
                state.rows.append(row)
                state.epoch += 1
                if distributed.is_first():
                    checkpoint.save(saved, state, network, optimiser)
        if distributed.is_first():
            checkpoint.save_tensors(weights, state.best)
        _log.info(
            "member %d: validation loss lowest after epoch %d of %d, weights kept: %s",
            member + 1,
            state.best_epoch + 1,
            state.epoch,
            self.settings.keep,
        )
        return state.rows

    def _has_stalled(self, state: checkpoint.State) -> bool:
        waited = state.epoch - 1 - state.best_epoch
        return bool(self.settings.patience and state.epoch and waited >= self.settings.patience)

    def _epoch(
        self, stepper: steps.Stepper, state: checkpoint.State, step: progress.Step
    ) -> dict[str, Any]:
        member, epoch = state.member, state.epoch
        seconds = partition.timer()
        stepper.begin(epoch, self.seed, member)
        stepper.network.train()
        total = _Mean()
        rate = 0.0
        n_batches = self.feed.n_batches()
        order = self.feed.batches(stream.keyed_seed(self.seed, member) % 2**32, epoch)
        with closing(order):
            for index, arrays in enumerate(order):
                rate = optimise.learning_rate(self.settings, epoch * n_batches + index, n_batches)
                for group in stepper.optimiser.param_groups:
                    group["lr"] = rate
                for part in stepper.take(arrays):
                    total.add(part.terms, part.n_rows)
                step(stream.count(arrays))
        fitted = total.means()
        # Without held-out rows the training loss has to choose the best weights.
        held_out = self.validate(stepper.network) or fitted
        means = {f"train_{name}": value for name, value in fitted.items()}
        means |= {f"validation_{name}": value for name, value in held_out.items()}
        row = {
            "member": member + 1,
            "epoch": epoch + 1,
            "learning_rate": rate,
            "seconds": round(seconds(), 2),
            **means,
        }
        _check_finite(row)
        return row

    def validate(self, network: contract.Model) -> dict[str, float]:
        """Measure the loss over the whole validation split.

        Parameters
        ----------
        network : contract.Model
            Any member; it is left in training mode.

        Returns
        -------
        dict of str to float
            ``loss`` and each term; empty where there is no such split.
        """
        network.eval()
        total = _Mean()
        with torch.inference_mode():
            for index, arrays in enumerate(self.validation.batches()):
                is_own = index % distributed.world_size() == distributed.rank()
                # Of the first batch every process learns which terms there are.
                if is_own or not index:
                    batch = network.transform(stream.to_batch(arrays, self.device))
                    terms = steps.measure(network, batch, 0, self.compute)
                    total.add(terms, stream.count(arrays) if is_own else 0)
        network.train()
        return total.means()


def build(learner: task.Task, member: int, seed: int) -> contract.Model:
    """Build a member's network with the starting weights of its own seed.

    Parameters
    ----------
    learner : task.Task
        Kind of model.
    member : int
        Index of the member.
    seed : int
        Of the run.

    Returns
    -------
    contract.Model
        On the processor; torch's own generator is left as it was.
    """
    own = int(learner.card.members[member].get("seed", member))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(stream.keyed_seed(seed, own))
        return learner.network(member)


def weight_file(member: int) -> str:
    """Name the file of a member's weights.

    Parameters
    ----------
    member : int
        Index of the member.

    Returns
    -------
    str
        Within the model folder.
    """
    return f"member_{member}.safetensors"


@dataclasses.dataclass
class _Mean:
    """Means over rows, summed where the tensors are so that no step waits for a number."""

    sums: dict[str, torch.Tensor] = dataclasses.field(default_factory=dict)
    n_rows: int = 0

    def add(self, terms: contract.Batch, n_rows: int) -> None:
        for name, value in terms.items():
            weighted = value.detach().double() * n_rows
            self.sums[name] = self.sums[name] + weighted if name in self.sums else weighted
        self.n_rows += n_rows

    def means(self) -> dict[str, float]:
        if not self.sums:
            return {}
        sums = torch.stack([*self.sums.values()])
        both = torch.cat([sums, torch.full_like(sums[:1], self.n_rows)])
        *values, n_rows = distributed.add_up(both).tolist()
        return {name: value / n_rows for name, value in zip(self.sums, values, strict=True)}


def _check_same_folder(saved: places.Place, *, is_done: bool, n_epochs: int) -> None:
    found = [is_done, n_epochs]
    first = distributed.from_first(found)
    if found != first:
        raise errors.ForeignStoreError(
            f"{saved}: process {distributed.rank()} finds {n_epochs} finished epochs where the "
            f"first one finds {first[1]}, needed: one folder that all processes see. Give --out on "
            "a shared disk."
        )


def _check_finite(row: dict[str, Any]) -> None:
    if not math.isfinite(row["train_loss"]) or not math.isfinite(row["validation_loss"]):
        raise errors.ValuesError(
            f"epoch {row['epoch']} of member {row['member']}: the loss is no longer a number. "
            "Lower [training] learning_rate and run again with --overwrite."
        )
