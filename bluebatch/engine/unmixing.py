"""A cohort as the unmixing model sees it, and its predictions as a profile store."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from bluebatch import errors
from bluebatch.engine import task, unmix_intervals, unmix_novelty, unmix_profiles
from bluebatch.expression import conformal, mrna, normalise, novelty
from bluebatch.store import coverage, genes, model_folder, read, schema

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
        the input genes that must be measured; ``min_marker_coverage``: share of every type's
        markers; ``level`` of the intervals; ``profile_sd``: whether the standard deviation of
        profiles is written.

    Raises
    ------
    errors.LabelMismatchError
        If too few of the input genes, or of a type's markers, are measured.
    errors.ConfigError
        If the model was calibrated on too few samples for what is asked.
    """

    def __init__(self, knowledge: Knowledge, store: read.Store, options: Mapping[str, Any]) -> None:
        self._known, self._store = knowledge, store
        level = float(options.get("level", conformal.LEVEL))
        types = knowledge.card.labels["cell_type"]
        self._intervals = unmix_intervals.find(knowledge.arrays, level, types)
        labels, available = knowledge.card.labels, store.labels["gene"]
        self._match = genes.match(labels["input_gene"], available)
        _check_coverage(store, self._match, float(options.get("min_coverage", MIN_COVERAGE)))
        self._markers = coverage.of_markers(knowledge.card.facts.get("markers") or {}, available)
        least = float(options.get("min_marker_coverage", coverage.LEAST))
        coverage.check_markers(store.path, self._markers, least, self._match.hint)
        library = genes.match(labels["library_gene"], available).index
        self._library = np.unique(library[library >= 0])
        self._library_share = len(self._library) / max(1, len(library))
        self._factors = self._find_factors()
        self._profiles = unmix_profiles.Profiles(labels, knowledge.arrays, options)
        self._judge = unmix_novelty.Judge.find(knowledge.arrays, labels, store)

    def inputs(self, rows: slice) -> task.Arrays:
        """Read and normalise samples.

        Parameters
        ----------
        rows : slice
            Of the cohort.

        Returns
        -------
        dict of str to np.ndarray
            ``log_cpm`` (n, input_gene), log2(1 + CPM), NaN where a gene is not measured; and the
            flags (n,), where the model has learnt them.
        """
        expression = self._store.read("expression", rows)
        size = self._library_size(expression, rows)
        library = size if self._known.cpm_over == "library" else None
        log_cpm = normalise.select_log_cpm(expression, self._match.index, library)
        flags = {} if self._judge is None else self._judge.judge(expression, size)
        return {"log_cpm": log_cpm.astype(np.float32, copy=False), **flags}

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
            "presence": self._profiles.presence,
            "reference_digests": {
                each["name"]: each["digest"] for each in card.made_from.get("reference") or []
            },
            "n_panel_genes": len(card.labels["input_gene"]),
            "library_gene_share": round(self._library_share, 4),
            "n_missing_genes": len(missing),
            "missing_genes": missing[:20],
            "marker_coverage": {
                name: round(share, 4) for name, (share, _) in self._markers.items()
            },
        }
        coordinates = {
            "sample": self._store.labels["sample"],
            "cell_type": card.labels["cell_type"],
            "gene": card.labels["gene"],
        }
        whole = {name: self._known.arrays[name] for name in KEPT if name in self._known.arrays}
        written = {*whole, *self._extras()}
        on_intervals, of_intervals = unmix_intervals.describe(self._intervals, card.facts)
        n_genes = len(card.labels["input_gene"])
        note = (
            f"{n_genes - len(missing):,} of {n_genes:,} panel genes measured; CPM over "
            f"{self._library_share:.0%} of the training genes; mRNA content: "
            f"{self._factors.source}; {on_intervals}"
        )
        return task.Result(
            spec=schema.PROFILE,
            coordinates=coordinates,
            attributes={
                **attributes,
                **of_intervals,
                **unmix_novelty.describe(self._judge is not None, card.facts),
            },
            whole=whole,
            leave_out=tuple(
                spec.name
                for spec in schema.PROFILE.arrays
                if spec.optional and spec.name not in written
            ),
            note="\n".join(filter(None, (note, *self._of_genes()))),
        )

    def compose(self, predictions: task.Arrays) -> unmix_intervals.Composition:
        """Turn the members' predictions into a composition.

        Parameters
        ----------
        predictions : dict of str to np.ndarray
            ``fraction`` (n, cell_type) and ``fraction_squared``.

        Returns
        -------
        unmix_intervals.Composition
            In both units.
        """
        target = self._known.mrna.target
        return unmix_intervals.compose(predictions, self._factors.values, target)

    def finish(self, predictions: task.Arrays, inputs: task.Arrays) -> task.Arrays:
        """Turn predictions into the arrays of a profile store.

        Parameters
        ----------
        predictions : dict of str to np.ndarray
            ``fraction`` (n, cell_type), ``fraction_squared`` and ``profile`` (n, cell_type, gene).
        inputs : dict of str to np.ndarray
            From `inputs`.

        Returns
        -------
        dict of str to np.ndarray
            ``rna_fraction``, ``proportion``, ``profile``, ``reconstruction_error``,
            ``gene_coverage``, and what else `result` does not leave out, float32.
        """
        composition, log_cpm = self.compose(predictions), inputs["log_cpm"]
        finished = {
            "rna_fraction": composition.rna_fraction.astype(np.float32),
            "proportion": composition.proportion.astype(np.float32),
            **self._profiles.of(predictions["profile"], composition, log_cpm),
        }
        if self._intervals is not None:
            finished |= self._intervals.around(composition)
        measured = np.isfinite(log_cpm)
        # A sample in which nothing was measured has no composition either.
        empty = ~measured.any(axis=1)
        for values in finished.values():
            values[empty] = np.nan
        parts = finished["profile"], finished["rna_fraction"]
        finished |= {name: inputs[name] for name in novelty.NAMES if name in inputs}
        finished["reconstruction_error"] = self._profiles.reconstruction_error(*parts, log_cpm)
        finished["gene_coverage"] = measured.mean(axis=1, dtype=np.float64).astype(np.float32)
        return finished

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
        finishing = self._profiles.row_bytes + 2 * inputs
        reading = round(2 * rows_of_chunk * measured) + measured + 3 * inputs
        if self._judge is not None:
            reading += self._judge.row_bytes
        return task.RowPrice(reading=reading, inputs=inputs, finishing=finishing)

    def _of_genes(self) -> tuple[str, str]:
        dates = coverage.lost_to_dates(self._match.missing, self._store.attributes)
        return coverage.tell(self._markers), dates

    def _extras(self) -> tuple[str, ...]:
        """Name the optional arrays that `finish` gives."""
        intervals = ("proportion_low", "proportion_high") if self._intervals is not None else ()
        flags = novelty.NAMES if self._judge is not None else ()
        return intervals + flags + (("profile_sd",) if self._profiles.has_deviation else ())

    def _library_size(self, expression: Float, rows: slice) -> npt.NDArray[np.float64]:
        if len(self._library) == expression.shape[1]:
            return np.asarray(self._store.read("library_size", rows), dtype=np.float64)
        return np.asarray(np.nansum(expression[:, self._library], axis=1, dtype=np.float64))

    def _find_factors(self) -> mrna.Factors:
        card = self._known.card
        own = card.facts.get("mrna_content")
        sizes = self._known.arrays.get("cell_library_size")
        pseudobulk = self._store.attributes.get("origin") == "pseudobulk"
        if pseudobulk and sizes is not None:
            return mrna.for_pseudobulk(sizes)
        return mrna.for_bulk(card.labels["cell_type"], self._known.mrna, own)


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
