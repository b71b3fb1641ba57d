"""The task of unmixing: pseudobulks in, cell-type fractions and profiles out."""

import dataclasses
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch

from bluebatch.engine import (
    stream,
    task,
    unmix_draws,
    unmix_examples,
    unmix_facts,
    unmix_novelty,
    unmix_panel,
    unmix_scores,
    unmix_settings,
    unmixing,
)
from bluebatch.expression import baselines
from bluebatch.models import contract
from bluebatch.models import unmix as unmixer
from bluebatch.store import model_folder, read

AXES = ("input_gene", "gene", "cell_type", "library_gene")

Settings = unmix_settings.Settings


class Task(task.Task):
    """Unmixing, with all it knows beside its weights.

    Parameters
    ----------
    card : model_folder.Card
        What the model is.
    arrays : dict of str to np.ndarray
        Baselines, library sizes of cells, skill.
    """

    reads = ("cohort", "pseudobulk")
    learns_from = ("pseudobulk",)

    def __init__(self, card: model_folder.Card, arrays: task.Arrays) -> None:
        super().__init__(card, arrays)
        lacking = [axis for axis in AXES if axis not in card.labels]
        if lacking:
            raise KeyError(f"labels of {', '.join(lacking)}")
        sections = {name: card.settings[name] for name in Settings.model_fields}
        self.settings = Settings.model_validate(sections)
        self._examples: dict[str, unmix_examples.Examples] = {}
        self._is_fitted = True

    @classmethod
    def outline(cls, store: read.Store, settings: Settings, options: task.Options) -> Self:
        """Choose the genes.

        Parameters
        ----------
        store : read.Store
            Pseudobulks.
        settings : Settings
            Resolved configuration.
        options : task.Options
            Of the run.

        Returns
        -------
        Task
            Without what is fitted to samples.

        Raises
        ------
        errors.LabelMismatchError
            If no gene is left.
        errors.ForeignStoreError
            If the store has no marker table.
        """
        chosen = unmix_panel.choose(store, settings.panel, options)
        card = unmix_facts.describe(store, chosen, settings, options)
        arrays: task.Arrays = {}
        if store.has("cell_library_size"):
            arrays["cell_library_size"] = store.read("cell_library_size")
        outlined = cls(card, arrays)
        outlined._is_fitted = False
        return outlined

    def learn(self, store: read.Store) -> "Task":
        """Fit the baselines and what samples are judged by.

        Parameters
        ----------
        store : read.Store
            Pseudobulks.

        Returns
        -------
        Task
            Ready to be trained.
        """
        fitted = self._fit_baselines(store)
        arrays = {**self.arrays, **fitted.arrays(), **unmix_novelty.learn(self, store)}
        if self.settings.model.share_surprise:
            arrays["surprise_variance"] = fitted.curve.least_spread().astype(np.float32)
        learnt = Task(self.card, arrays)
        learnt._examples = self._examples
        return learnt

    def held_bytes(self, store: read.Store) -> task.Held:
        """Price baselines, scores and training cells.

        Parameters
        ----------
        store : read.Store
            Pseudobulks.

        Returns
        -------
        task.Held
            Bytes at the most.
        """
        held = unmix_settings.held_bytes(self.settings, self._sizes)
        learning = max(held.learning, unmix_novelty.held_bytes(store))
        return held._replace(learning=learning, drawing=unmix_draws.held_bytes(store))

    def rows(self, store: read.Store, split: str) -> npt.NDArray[np.int64]:
        """List the samples of a split.

        Parameters
        ----------
        store : read.Store
            Pseudobulks.
        split : str
            ``"train"``, ``"validation"`` or ``"test"``.

        Returns
        -------
        np.ndarray of int
            In increasing order.
        """
        return np.flatnonzero(store.read("split") == split).astype(np.int64)

    def examples(self, store: read.Store, rows: slice) -> task.Arrays:
        """Read samples with what they were made of.

        Parameters
        ----------
        store : read.Store
            Pseudobulks.
        rows : slice
            Samples.

        Returns
        -------
        dict of str to np.ndarray
            ``log_cpm`` (n, input_gene), ``profile`` (n, cell_type, gene), ``fraction`` (n,
            cell_type), float32.
        """
        return self._of(store).read(rows)

    def fresh(self, store: read.Store, rows: slice, rng: np.random.Generator) -> task.Arrays:
        """Draw training samples of the same design from other cells.

        Parameters
        ----------
        store : read.Store
            Pseudobulks that keep their training cells.
        rows : slice
            Training samples.
        rng : np.random.Generator
            Source of randomness.

        Returns
        -------
        dict of str to np.ndarray
            As `examples`.

        Raises
        ------
        errors.ForeignStoreError
            If the store holds no cells.
        """
        return self._of(store).draw(rows, rng)

    def network(self, member: int) -> contract.Model:
        """Build one member, untrained.

        Parameters
        ----------
        member : int
            Index into the card's members.

        Returns
        -------
        contract.Model
            With its anchor.
        """
        settings = self.settings.model
        return unmixer.Network(settings, settings.members[member], self._sizes, self._anchor())

    @property
    def _sizes(self) -> unmixer.Sizes:
        return unmixer.Sizes(*(len(self.card.labels[axis]) for axis in AXES[:3]))

    def judge(self, store: read.Store, predict: task.Predict) -> "Task":
        """Score the members' mean on validation and test samples.

        Parameters
        ----------
        store : read.Store
            Pseudobulks.
        predict : callable
            Maps a block of inputs to predictions.

        Returns
        -------
        Task
            With ``scores`` in its card, and in its arrays ``skill``, ``spread`` and calibrations.
        """
        found = unmix_scores.judge(self, store, predict)
        facts = {**self.card.facts, **found.facts}
        card = self.card.model_copy(update={"scores": found.scores, "facts": facts})
        return Task(card, {**self.arrays, **found.arrays})

    def accepts(self, exact: task.Arrays, rounded: task.Arrays) -> bool:
        """Tell whether rounded predictions are as good as exact ones.

        Parameters
        ----------
        exact, rounded : dict of str to np.ndarray
            Predictions of the same samples.

        Returns
        -------
        bool
            True if no fraction moves by more than .002, and all but one gene in a hundred keep a
            correlation of .999 across samples.
        """
        return unmix_scores.agree(exact, rounded)

    def bind(self, store: read.Store, options: Any) -> task.Reader:
        """Match a cohort's genes to the model's.

        Parameters
        ----------
        store : read.Store
            Cohort or pseudobulks.
        options : mapping of str to Any
            ``presence`` and ``min_coverage``.

        Returns
        -------
        task.Reader
            For this cohort.

        Raises
        ------
        errors.LabelMismatchError
            If it measures too few of the input genes.
        """
        cpm_over = self.settings.panel.cpm_over
        knowledge = unmixing.Knowledge(self.card, self.arrays, self.settings.mrna, cpm_over)
        return unmixing.Reader(knowledge, store, options)

    def _of(self, store: read.Store) -> unmix_examples.Examples:
        if store.path not in self._examples:
            labels = self.card.labels
            self._examples[store.path] = unmix_examples.Examples(labels, self.settings, store)
        return self._examples[store.path]

    def _fit_baselines(self, store: read.Store) -> baselines.Baselines:
        splits = [stream.Split(self, store, name) for name in ("train", "validation")]
        splits[0].require_rows()
        examples = self._of(store)
        training, validation = (unmix_examples.Blocks(examples, each, store) for each in splits)
        fitted = baselines.fit(training, self.settings.anchor, validation)
        references = store.attributes.get("references")
        if not references:
            return fitted
        typical = unmix_facts.composition(references, store.labels["cell_type"])
        return dataclasses.replace(fitted, composition=typical)

    def _anchor(self) -> dict[str, torch.Tensor] | None:
        kind = self.settings.anchor.kind
        if kind == "none" or not self._is_fitted:
            return None
        anchor = baselines.Baselines.from_arrays(self.arrays).anchor(kind)
        if anchor is None:
            return None
        parts = {name: torch.from_numpy(part.copy()) for name, part in anchor.arrays().items()}
        if not parts["basis"].shape[1]:
            return {"mean": parts["mean"]}
        # (cell_type, component, gene) -> (component, cell_type, gene): one matrix product.
        parts["coefficient"] = parts["coefficient"].transpose(0, 1).contiguous()
        return parts
