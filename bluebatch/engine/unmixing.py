"""A cohort as the unmixing model sees it, and its predictions as a profile store."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from bluebatch import errors
from bluebatch.engine import task
from bluebatch.expression import closed_form, mixture, mrna, normalise
from bluebatch.store import genes, model_folder, read, schema

PRESENCE = 0.01
MIN_COVERAGE = 0.5
# What a model knows of itself goes with every result.
KEPT = ("skill", "spread")

Float = npt.NDArray[np.float32]


@dataclasses.dataclass(frozen=True)
class Knowledge:
    """What a trained model brings to a cohort.

    Parameters
    ----------
    card : model_folder.Card
        Labels, markers, the user's factors.
    arrays : dict of str to np.ndarray
        ``skill``, ``cell_library_size``; ``surprise_variance`` (cell_type, gene) where what a
        sample shows beyond its recombined profiles is to be shared out among them.
    mrna : mrna.MrnaSettings
        Which fraction the network predicts.
    cpm_over : str
        ``"library"`` or ``"panel"``.
    """

    card: model_folder.Card
    arrays: task.Arrays
    mrna: mrna.MrnaSettings
    cpm_over: str


class Reader(task.Reader):
    """One cohort, matched to a model's genes.

    Parameters
    ----------
    knowledge : Knowledge
        Of the model.
    store : read.Store
        Cohort or pseudobulks.
    options : mapping of str to Any
        ``presence``: predicted proportion below which a profile is NaN; ``min_coverage``: share of
        the input genes that must be measured.

    Raises
    ------
    errors.LabelMismatchError
        If too few of the input genes are measured.
    """

    def __init__(self, knowledge: Knowledge, store: read.Store, options: Mapping[str, Any]) -> None:
        self._known, self._store = knowledge, store
        self._presence = float(options.get("presence", PRESENCE))
        labels, available = knowledge.card.labels, store.labels["gene"]
        self._match = genes.match(labels["input_gene"], available)
        _check_coverage(store, self._match, float(options.get("min_coverage", MIN_COVERAGE)))
        library = genes.match(labels["library_gene"], available).index
        self._library = np.unique(library[library >= 0])
        self._library_share = len(self._library) / max(1, len(library))
        self._factors = self._find_factors()
        position = {name: at for at, name in enumerate(labels["input_gene"])}
        shared = [
            (position[name], at) for at, name in enumerate(labels["gene"]) if name in position
        ]
        pairs = np.array(shared, dtype=np.int64).reshape(-1, 2).T
        self._compared = _as_slice(pairs[0]), _as_slice(pairs[1])

    def inputs(self, rows: slice) -> task.Arrays:
        """Read and normalise samples.

        Parameters
        ----------
        rows : slice
            Of the cohort.

        Returns
        -------
        dict of str to np.ndarray
            ``log_cpm`` (n, input_gene), log2(1 + CPM), NaN where a gene is not measured.
        """
        expression = self._store.read("expression", rows)
        library = None
        if self._known.cpm_over == "library":
            library = self._library_size(expression, rows)
        log_cpm = normalise.select_log_cpm(expression, self._match.index, library)
        return {"log_cpm": log_cpm.astype(np.float32, copy=False)}

    def result(self) -> task.Result:
        """Describe the profile store.

        Returns
        -------
        task.Result
            With ``skill``, and what was matched and converted among its attributes.
        """
        card, missing = self._known.card, self._match.missing
        attributes = {
            "origin": self._store.attributes.get("origin", "unknown"),
            "input_unit": self._store.attributes.get("unit", "unknown"),
            "normalisation": f"log2(1 + CPM), CPM over the {self._known.cpm_over}",
            "mrna_content": self._factors.source,
            "mrna_factors": self._factors.named(card.labels["cell_type"]),
            "target": self._known.mrna.target,
            "presence": self._presence,
            "reference_digests": {
                each["name"]: each["digest"] for each in card.made_from.get("reference") or []
            },
            "n_panel_genes": len(card.labels["input_gene"]),
            "library_gene_share": round(self._library_share, 4),
            "n_missing_genes": len(missing),
            "missing_genes": missing[:20],
        }
        coordinates = {
            "sample": self._store.labels["sample"],
            "cell_type": card.labels["cell_type"],
            "gene": card.labels["gene"],
        }
        whole = {name: self._known.arrays[name] for name in KEPT if name in self._known.arrays}
        n_genes = len(card.labels["input_gene"])
        note = (
            f"{n_genes - len(missing):,} of {n_genes:,} panel genes measured; CPM over "
            f"{self._library_share:.0%} of the training genes; mRNA content: {self._factors.source}"
        )
        return task.Result(
            spec=schema.PROFILE,
            coordinates=coordinates,
            attributes=attributes,
            whole=whole,
            leave_out=tuple(
                spec.name
                for spec in schema.PROFILE.arrays
                if spec.optional and spec.name not in whole
            ),
            note=note,
        )

    def finish(self, predictions: task.Arrays, inputs: task.Arrays) -> task.Arrays:
        """Turn predictions into the arrays of a profile store.

        Parameters
        ----------
        predictions : dict of str to np.ndarray
            ``fraction`` (n, cell_type) and ``profile`` (n, cell_type, gene).
        inputs : dict of str to np.ndarray
            From `inputs`.

        Returns
        -------
        dict of str to np.ndarray
            ``rna_fraction``, ``proportion``, ``profile``, ``reconstruction_error``,
            ``gene_coverage``, float32.
        """
        fraction: npt.NDArray[np.floating] = predictions["fraction"].astype(np.float64)
        # The members' mean sums to 1 but for rounding.
        fraction /= fraction.sum(axis=1, keepdims=True)
        factors = self._factors.values
        if self._known.mrna.target == "rna_fraction":
            rna_fraction = fraction
            proportion = mixture.proportion_from_rna(fraction, factors)
        else:
            rna_fraction = mixture.rna_from_proportion(fraction, factors)
            proportion = fraction
        absent = proportion < self._presence
        profile: Float = np.minimum(predictions["profile"], np.float32(normalise.LARGEST_LOG_CPM))
        variance = self._known.arrays.get("surprise_variance")
        if variance is not None:
            sample = self._outputs_of(inputs["log_cpm"])
            shares = rna_fraction.astype(np.float32)
            profile = closed_form.share_surprise(profile, variance[np.newaxis], shares, sample)
        profile[absent] = np.nan
        measured = np.isfinite(inputs["log_cpm"])
        # A sample in which nothing was measured has no composition either.
        empty = ~measured.any(axis=1)
        for values in (rna_fraction, proportion, profile):
            values[empty] = np.nan
        return {
            "rna_fraction": rna_fraction.astype(np.float32),
            "proportion": proportion.astype(np.float32),
            "profile": profile,
            "reconstruction_error": self._reconstruction_error(
                profile, rna_fraction, inputs["log_cpm"]
            ),
            "gene_coverage": measured.mean(axis=1, dtype=np.float64).astype(np.float32),
        }

    def price(self) -> task.RowPrice:
        """Price the memory of a sample.

        Returns
        -------
        task.RowPrice
            All genes of the cohort are read, in whole chunks, before the model's are chosen.
        """
        labels = self._known.card.labels
        array = self._store.group["expression"]
        rows_of_chunk = max(1.0, array.chunks[0] / schema.ROWS_PER_CHUNK)  # type: ignore[union-attr]
        measured = 4 * len(self._store.labels["gene"])
        inputs = 4 * len(labels["input_gene"])
        profile = 4 * len(labels["cell_type"]) * len(labels["gene"])
        # The profiles, and their values in CPM.
        finishing = 2 * profile + 2 * inputs
        if "surprise_variance" in self._known.arrays:
            finishing += profile
        reading = round(2 * rows_of_chunk * measured) + measured + 3 * inputs
        return task.RowPrice(reading=reading, inputs=inputs, finishing=finishing)

    def _library_size(self, expression: Float, rows: slice) -> npt.NDArray[np.float64]:
        if len(self._library) == expression.shape[1]:
            return np.asarray(self._store.read("library_size", rows), dtype=np.float64)
        return np.asarray(np.nansum(expression[:, self._library], axis=1, dtype=np.float64))

    def _reconstruction_error(
        self, profile: Float, rna_fraction: npt.NDArray[np.floating], log_cpm: Float
    ) -> Float:
        read_at, written_at = self._compared
        mixed = _mix(torch.from_numpy(profile)[:, :, written_at], rna_fraction)
        squared = (mixed - log_cpm[:, read_at]) ** 2
        n_measured = np.isfinite(squared).sum(axis=1)
        total = np.asarray(np.nansum(squared, axis=1, dtype=np.float64))
        mean = np.divide(total, n_measured, out=np.full_like(total, np.nan), where=n_measured > 0)
        return np.asarray(np.sqrt(mean), dtype=np.float32)

    def _outputs_of(self, log_cpm: Float) -> Float:
        """Lay a sample out by output genes; NaN where one is no input or not measured."""
        read_at, written_at = self._compared
        laid_out = np.full((len(log_cpm), len(self._known.card.labels["gene"])), np.nan, np.float32)
        laid_out[:, written_at] = log_cpm[:, read_at]
        return laid_out

    def _find_factors(self) -> mrna.Factors:
        card = self._known.card
        own = card.facts.get("mrna_content")
        sizes = self._known.arrays.get("cell_library_size")
        pseudobulk = self._store.attributes.get("origin") == "pseudobulk"
        if pseudobulk and sizes is not None:
            return mrna.for_pseudobulk(sizes)
        return mrna.for_bulk(card.labels["cell_type"], self._known.mrna, own)


def _mix(profile: torch.Tensor, rna_fraction: npt.NDArray[np.floating]) -> Float:
    """Do as `mixture.mix_profiles` does, one part at a time: several times faster."""
    weights = torch.from_numpy(rna_fraction.astype(np.float32))
    mixed = torch.ones(len(profile), profile.shape[2])
    for part in range(profile.shape[1]):
        cpm = torch.exp2(profile[:, part]).sub_(1).nan_to_num_(0.0)
        mixed.addcmul_(cpm, weights[:, part : part + 1])
    return mixed.log2_().numpy()


def _as_slice(positions: npt.NDArray[np.int64]) -> npt.NDArray[np.int64] | slice:
    """Turn consecutive positions into a slice, which takes them without a copy."""
    if len(positions) and np.array_equal(positions, np.arange(len(positions)) + positions[0]):
        return slice(int(positions[0]), int(positions[-1]) + 1)
    return positions


def _check_coverage(store: read.Store, match: genes.Match, least: float) -> None:
    if match.coverage >= least and match.coverage > 0:
        return
    n_genes = len(match.index)
    first = ", ".join(match.missing[:3])
    hint = match.hint or (
        "Map the cohort to the panel's names with `bluebatch ingest --gene-map`, or train with "
        "--cohort to take markers that it measures."
    )
    raise errors.LabelMismatchError(
        f"{store.path}: measures {n_genes - len(match.missing):,} of the model's {n_genes:,} "
        f"input genes ({match.coverage:.0%}), needed: {least:.0%} (missing first: {first}). {hint}"
    )
