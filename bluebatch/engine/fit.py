"""The loop that fits a model's members, whatever kind of model they are."""

import dataclasses
import logging
import math
import pathlib
from collections.abc import Iterator
from typing import Any

import torch

from bluebatch import errors
from bluebatch.engine import checkpoint, optimise, precision, stream, task
from bluebatch.models import contract
from bluebatch.run import partition, progress, resources
from bluebatch.store import read

# Of the memory that may be planned with, what training and validation rows may each keep.
KEPT_SHARE = 0.35

_log = logging.getLogger(__name__)


class Trainer:
    """Fits the members of one model one after another.

    Parameters
    ----------
    learner : task.Task
        Kind of model.
    store : read.Store
        Training store.
    folder : pathlib.Path
        Model folder; each member's weights are written here when it is done.
    settings : optimise.TrainingSettings
        How.
    options : task.Options
        Seed, device, threads, memory.

    Raises
    ------
    errors.ValuesError
        If there are too few training rows.
    """

    def __init__(
        self,
        learner: task.Task,
        store: read.Store,
        folder: pathlib.Path,
        settings: optimise.TrainingSettings,
        options: task.Options,
    ) -> None:
        self.learner, self.folder, self.settings = learner, folder, settings
        self.seed = options.seed
        self.device = precision.pick_device(options.device)
        self.threads = precision.set_up(self.device, options.threads)
        self.dtype = precision.pick_dtype(settings.precision, self.device)
        keep = int(KEPT_SHARE * (options.memory_bytes or resources.memory_bytes()))
        training = stream.Split(learner, store, "train")
        training.require_rows()
        self.feed = stream.Feed(training, settings.batch, settings.window, keep)
        self.n_rows = training.n_rows
        self.validation = stream.Split(learner, store, "validation")
        fits = self.validation.row_bytes() * self.validation.n_rows <= keep
        self._validation_kept = list(self.validation) if fits else None

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
        if weights.is_file() and state.member == member and not state.epoch:
            return state.rows
        what = f"train {member + 1}/{len(self.learner.card.members)}"
        with progress.bar(what, self.settings.epochs * self.n_rows, "samples") as step:
            step(state.epoch * self.n_rows)
            while state.epoch < self.settings.epochs and not self._has_stalled(state):
                row = self._epoch(network, optimiser, state, step)
                better = row["validation_loss"] < state.best_loss
                if better:
                    state.best_loss, state.best_epoch = row["validation_loss"], state.epoch
                if better or self.settings.keep == "last":
                    state.best = checkpoint.clone(network)
                state.rows.append(row)
                state.epoch += 1
                checkpoint.save(saved, state, network, optimiser)
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
        self,
        network: contract.Model,
        optimiser: torch.optim.Optimizer,
        state: checkpoint.State,
        step: progress.Step,
    ) -> dict[str, Any]:
        member, epoch = state.member, state.epoch
        seconds = partition.timer()
        key = stream.keyed_seed(self.seed, member, epoch)
        generator = torch.Generator(self.device).manual_seed(key)
        # Layers that draw for themselves, dropout say, take torch's own generator.
        torch.manual_seed(key)
        network.train()
        total = _Mean()
        rate = 0.0
        order = self.feed.batches(stream.keyed_seed(self.seed, member) % 2**32, epoch)
        for index, arrays in enumerate(order):
            rate = optimise.learning_rate(
                self.settings, epoch * self.feed.n_batches() + index, self.feed.n_batches()
            )
            for group in optimiser.param_groups:
                group["lr"] = rate
            batch = network.transform(stream.to_batch(arrays, self.device), generator)
            terms = self._terms(network, batch, epoch)
            optimiser.zero_grad(set_to_none=True)
            terms["loss"].backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            n_rows = len(next(iter(arrays.values())))
            total.add(terms, n_rows)
            step(n_rows)
        fitted = total.means()
        # Without held-out rows the training loss has to choose the best weights.
        held_out = self.validate(network) or fitted
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
            for arrays in self._validation_batches():
                batch = network.transform(stream.to_batch(arrays, self.device))
                total.add(self._terms(network, batch, 0), len(next(iter(arrays.values()))))
        network.train()
        return total.means()

    def _terms(self, network: contract.Model, batch: contract.Batch, epoch: int) -> contract.Batch:
        with precision.autocast(self.device, self.dtype):
            outputs = network(batch)
        terms = network.losses(outputs, batch)
        weights = network.loss_weights(epoch)
        loss = torch.stack([weights[name] * value for name, value in terms.items()]).sum()
        return {"loss": loss, **terms}

    def _validation_batches(self) -> Iterator[task.Arrays]:
        kept = self.validation if self._validation_kept is None else self._validation_kept
        for arrays in kept:
            n_rows = len(next(iter(arrays.values())))
            for start in range(0, n_rows, self.settings.batch):
                rows = slice(start, start + self.settings.batch)
                yield {name: array[rows] for name, array in arrays.items()}


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
        return {name: float(value) / self.n_rows for name, value in self.sums.items()}


def _check_finite(row: dict[str, Any]) -> None:
    if not math.isfinite(row["train_loss"]) or not math.isfinite(row["validation_loss"]):
        raise errors.ValuesError(
            f"epoch {row['epoch']} of member {row['member']}: the loss is no longer a number. "
            "Lower [training] learning_rate and run again with --overwrite."
        )
