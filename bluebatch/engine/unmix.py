"""The task of unmixing: pseudobulks in, cell-type fractions and profiles out."""

import dataclasses
from collections.abc import Iterator
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pydantic
import torch

from bluebatch.engine import stream, task, unmix_facts, unmix_panel, unmix_scores, unmixing
from bluebatch.expression import baselines, metrics, normalise
from bluebatch.expression import mrna as mrna_content
from bluebatch.expression import panel as gene_panel
from bluebatch.models import contract
from bluebatch.models import unmix as unmixer
from bluebatch.store import genes, model_folder, read

KIND = "unmix"
AXES = ("input_gene", "gene", "cell_type", "library_gene")
LARGEST_FRACTION_SHIFT = 2e-3
SMALLEST_CORRELATION = 0.999

Float = npt.NDArray[np.float32]


class Settings(pydantic.BaseModel):
    """What decides a model of this kind, beside how its networks are fitted.

    Parameters
    ----------
    panel : gene_panel.PanelSettings
        Genes.
    mrna : mrna_content.MrnaSettings
        Which fraction is learnt.
    model : unmixer.ModelSettings
        Networks.
    anchor : baselines.AnchorSettings
        What the profiles start from.
    """

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid")

    panel: gene_panel.PanelSettings = gene_panel.PanelSettings()
    mrna: mrna_content.MrnaSettings = mrna_content.MrnaSettings()
    model: unmixer.ModelSettings = unmixer.ModelSettings()
    anchor: baselines.AnchorSettings = baselines.AnchorSettings()

    @pydantic.model_validator(mode="after")
    def _check_output(self) -> Self:
        if self.anchor.kind != "none" and self.model.output == "relu":
            raise ValueError(
                '[model] output = "relu" never learns on an anchor, '
                'needed: output = "linear", or [anchor] kind = "none"'
            )
        return self


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

    @classmethod
    def learn(cls, store: read.Store, settings: Settings, options: task.Options) -> Self:
        """Choose the genes and fit the baselines.

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
            Ready to be trained.

        Raises
        ------
        errors.LabelMismatchError
            If no gene is left.
        errors.ForeignStoreError
            If the store has no marker table.
        """
        chosen = unmix_panel.choose(store, settings.panel, options)
        facts = unmix_facts.collect(store, chosen.markers, settings.mrna.target, options)
        members = [
            {**member.model_dump(), "file": f"member_{index}.safetensors"}
            for index, member in enumerate(settings.model.members)
        ]
        card = model_folder.Card(
            kind=KIND,
            labels={
                "input_gene": chosen.inputs,
                "gene": chosen.outputs,
                "cell_type": store.labels["cell_type"],
                "library_gene": store.labels["gene"],
            },
            units={
                "profile": f"log2(1 + CPM), CPM over the {settings.panel.cpm_over}",
                "rna_fraction": "fraction of RNA",
                "proportion": "fraction of cells",
            },
            settings=settings.model_dump(mode="json"),
            made_from={"reference": store.attributes.get("references")},
            facts=facts,
            scores={},
            members=members,
        )
        arrays: task.Arrays = {}
        if store.has("cell_library_size"):
            arrays["cell_library_size"] = store.read("cell_library_size")
        fresh = cls(card, arrays)
        fitted = fresh._fit_baselines(store)
        if settings.model.share_surprise:
            arrays["surprise_variance"] = fitted.curve.least_spread().astype(np.float32)
        return cls(card, {**arrays, **fitted.arrays()})

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
        profile = self._profile(store, rows)
        if self.settings.model.absent == "zeros":
            profile = np.nan_to_num(profile)
        fraction = store.read(self.settings.mrna.target, rows)
        return {"log_cpm": self._log_cpm(store, rows), "profile": profile, "fraction": fraction}

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
        labels = self.card.labels
        sizes = unmixer.Sizes(len(labels["input_gene"]), len(labels["gene"]), self._n_types)
        settings = self.settings.model
        return unmixer.Network(settings, settings.members[member], sizes, self._anchor())

    @property
    def _n_types(self) -> int:
        """Number of cell types."""
        return len(self.card.labels["cell_type"])

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
            With ``scores`` in its card and ``skill`` (cell_type, gene) among its arrays, from
            test samples, or validation samples where there are none.
        """
        scores, skill = unmix_scores.judge(self, store, predict)
        card = self.card.model_copy(update={"scores": scores})
        return Task(card, {**self.arrays, "skill": skill})

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
        shift = np.abs(exact["fraction"] - rounded["fraction"]).max()
        varies = exact["profile"].std(axis=0) > 1e-3
        kept = metrics.pearson(rounded["profile"], exact["profile"], axis=0)[varies]
        lowest = np.nanquantile(kept, 0.01) if len(kept) > 0 and len(exact["profile"]) > 2 else 1
        return bool(shift <= LARGEST_FRACTION_SHIFT and lowest >= SMALLEST_CORRELATION)

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
        knowledge = unmixing.Knowledge(
            card=self.card,
            arrays=self.arrays,
            mrna=self.settings.mrna,
            cpm_over=self.settings.panel.cpm_over,
        )
        return unmixing.Reader(knowledge, store, options)

    def _fit_baselines(self, store: read.Store) -> baselines.Baselines:
        training, validation = (_Blocks(self, store, name) for name in ("train", "validation"))
        training.split.require_rows()
        fitted = baselines.fit(training, self.settings.anchor, validation)
        references = store.attributes.get("references")
        if not references:
            return fitted
        typical = unmix_facts.composition(references, store.labels["cell_type"])
        return dataclasses.replace(fitted, composition=typical)

    def _anchor(self) -> dict[str, torch.Tensor] | None:
        kind = self.settings.anchor.kind
        if kind == "none":
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

    def _log_cpm(self, store: read.Store, rows: slice) -> Float:
        columns = genes.match(self.card.labels["input_gene"], store.labels["gene"]).index
        library = None
        if self.settings.panel.cpm_over == "library":
            library = store.read("library_size", rows)
        expression = store.read("expression", rows)
        return normalise.select_log_cpm(expression, columns, library).astype(np.float32)

    def _profile(self, store: read.Store, rows: slice) -> Float:
        columns = genes.match(self.card.labels["gene"], store.labels["profile_gene"]).index
        profile: Float = store.read("profile", rows)[:, :, columns]
        if self.settings.panel.cpm_over == "panel":
            cpm = normalise.counts_per_million(normalise.unlog_transform(profile))
            profile = normalise.log_transform(cpm).astype(np.float32)
        if self.settings.model.absent == "masked":
            profile[store.read("n_cells", rows) < self.settings.model.min_cells] = np.nan
        return profile


class _Blocks:
    """A split as the baselines take it, as often as they ask."""

    def __init__(self, learner: Task, store: read.Store, split: str) -> None:
        self._learner, self._store = learner, store
        self.split = stream.Split(learner, store, split)

    def __iter__(self) -> Iterator[task.Arrays]:
        for block in self.split.blocks:
            rows, kept = block.rows, block.kept
            log_cpm = self._learner._log_cpm(self._store, rows)
            yield {
                "input": baselines.standard_input(log_cpm)[kept],
                "profile": self._learner._profile(self._store, rows)[kept],
                "proportion": self._store.read("proportion", rows)[kept],
            }
