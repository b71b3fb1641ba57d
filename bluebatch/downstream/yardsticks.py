"""The simple predictors of a model folder, applied to the samples that are evaluated."""

import dataclasses
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from bluebatch import errors
from bluebatch.expression import baselines, closed_form, least_squares, normalise
from bluebatch.store import genes, model_folder, places, read, schema

Array = npt.NDArray[Any]
CLOSED_FORM_ROWS = 64


@dataclasses.dataclass(frozen=True)
class Yardsticks:
    """Fitted baselines with the labels of their axes.

    Parameters
    ----------
    fitted : baselines.Baselines
        From the model folder.
    card : model_folder.Card
        Of the model.
    """

    fitted: baselines.Baselines
    card: model_folder.Card

    @property
    def genes(self) -> list[str]:
        """Name the output genes.

        Returns
        -------
        list of str
            In the order of the card.
        """
        return self.card.labels["gene"]

    @property
    def cell_types(self) -> list[str]:
        """Name the cell types.

        Returns
        -------
        list of str
            In the order of the card.
        """
        return self.card.labels["cell_type"]

    def closed_form(self, rows: "Rows") -> Array:
        """Predict by sharing each sample's surprise out among its types.

        Parameters
        ----------
        rows : Rows
            Samples with their bulk expression.

        Returns
        -------
        np.ndarray, shape (sample, cell_type, gene)
            Log2(1 + CPM).
        """
        curve, remainder = self.fitted.curve, self.fitted.remainder
        cells = curve.n_cells(rows.proportion)
        types = range(len(self.cell_types))
        parts = []
        for start in range(0, len(cells), CLOSED_FORM_ROWS):
            block = slice(start, start + CLOSED_FORM_ROWS)
            k, inputs = cells[block], rows.inputs[block]
            level = [curve.predict(k[:, t], t) + remainder.predict(inputs, t) for t in types]
            spread = [curve.spread(k[:, t], t) for t in types]
            shared = closed_form.share_surprise(
                np.stack(level, axis=1),
                np.stack(spread, axis=1),
                rows.rna_fraction[block],
                rows.log_cpm[block],
            )
            parts.append(shared.astype(np.float32))
        return np.concatenate(parts)


@dataclasses.dataclass(frozen=True)
class Rows:
    """What the baselines see of a block of samples.

    Parameters
    ----------
    proportion, rna_fraction : np.ndarray, shape (sample, cell_type)
        As the model predicted them, or as they are known.
    inputs : np.ndarray, shape (sample, input_gene)
        Standard input.
    log_cpm : np.ndarray, shape (sample, gene)
        The bulk sample at the output genes, log2(1 + CPM); NaN where not measured.
    """

    proportion: Array
    rna_fraction: Array
    inputs: Array
    log_cpm: Array


class Bulk:
    """Bulk expression as a model's baselines take it, read by samples.

    Parameters
    ----------
    store : read.Store
        Cohort or pseudobulk store.
    card : model_folder.Card
        Of the model: genes and the library over which CPM is taken.
    samples : sequence of str
        Samples that will be read.

    Raises
    ------
    errors.LabelMismatchError
        If the store lacks a sample, or measures none of the model's genes.
    """

    def __init__(self, store: read.Store, card: model_folder.Card, samples: Sequence[str]) -> None:
        self.store = store
        row_of = {name: row for row, name in enumerate(store.labels["sample"])}
        missing = [name for name in samples if name not in row_of]
        if missing:
            raise errors.LabelMismatchError(
                f"{store.path}: lacks {len(missing):,} of the {len(samples):,} samples compared "
                f"(first: {missing[0]}). Give the cohort that the results were made from."
            )
        self.rows = np.array([row_of[name] for name in samples], int)
        measured = store.labels["gene"]
        self._panel_only = card.settings.get("panel", {}).get("cpm_over") == "panel"
        self._inputs, self._outputs, library = (
            genes.match(card.labels[axis], measured).index
            for axis in ("input_gene", "gene", "library_gene")
        )
        self._library = np.unique(library[library >= 0])
        if not (self._inputs >= 0).any():
            raise errors.LabelMismatchError(
                f"{store.path}: measures none of the model's {len(self._inputs):,} input genes. "
                "Give the cohort that the results were made from."
            )

    def read(self, positions: slice) -> tuple[Array, Array]:
        """Read a block of the samples.

        Parameters
        ----------
        positions : slice
            Of the samples named at the start.

        Returns
        -------
        inputs : np.ndarray, shape (sample, input_gene)
            Standard input.
        log_cpm : np.ndarray, shape (sample, gene)
            At the output genes; NaN where not measured.
        """
        expression = self.store.read("expression", self.rows[positions])
        library = None
        if not self._panel_only:
            library = np.nansum(expression[:, self._library], axis=1, dtype=np.float64)
        inputs, outputs = (
            normalise.select_log_cpm(expression, columns, library)
            for columns in (self._inputs, self._outputs)
        )
        return baselines.standard_input(inputs), outputs


def open_yardsticks(folder: str | places.Place) -> Yardsticks:
    """Open the baselines of a model folder.

    Parameters
    ----------
    folder : str, pathlib.Path or upath.UPath
        As ``train`` wrote it.

    Returns
    -------
    Yardsticks
        Fitted baselines.

    Raises
    ------
    errors.ForeignStoreError
        If the model holds no baselines.
    """
    card = model_folder.read_card(folder)
    try:
        return Yardsticks(baselines.Baselines.from_arrays(model_folder.read_arrays(folder)), card)
    except KeyError as error:
        raise errors.ForeignStoreError(
            f"{folder}: holds no array baseline_{error.args[0]}, needed: the baselines that train "
            "fits. Train the model again, or evaluate without --model."
        ) from error


def non_negative(simple: Yardsticks, bulk: Bulk) -> dict[str, Array]:
    """Estimate RNA fractions of all samples by non-negative least squares.

    Parameters
    ----------
    simple : Yardsticks
        Baselines of the model.
    bulk : Bulk
        Expression of the samples.

    Returns
    -------
    dict of str to np.ndarray, shape (sample, cell_type)
        Fractions of RNA: ``NNLS`` and, where the model holds the variances of its genes,
        ``weighted NNLS``.
    """
    weights: dict[str, Array | None] = {"NNLS": None}
    if simple.fitted.variance_cpm is not None:
        weights["weighted NNLS"] = least_squares.weigh_genes(simple.fitted.variance_cpm)
    parts: dict[str, list[Array]] = {name: [] for name in weights}
    for start in range(0, len(bulk.rows), schema.ROWS_PER_CHUNK):
        block = slice(start, start + schema.ROWS_PER_CHUNK)
        cpm = normalise.unlog_transform(bulk.read(block)[1])
        for name, own in weights.items():
            solved = least_squares.solve_fractions(cpm, simple.fitted.mean_cpm, own)
            parts[name].append(solved)
    return {name: np.concatenate(blocks) for name, blocks in parts.items()}


class Fractions(NamedTuple):
    """What samples are made of.

    Parameters
    ----------
    proportion, rna_fraction : np.ndarray, shape (sample, cell_type)
        Of cells and of RNA.
    """

    proportion: Array
    rna_fraction: Array


def known_fractions(truth: read.Store, rows: Array, simple: Yardsticks) -> Fractions:
    """Read the true fractions in the model's order of cell types.

    Parameters
    ----------
    truth : read.Store
        Pseudobulk store.
    rows : np.ndarray of int, shape (sample,)
        Its rows.
    simple : Yardsticks
        Baselines of the model.

    Returns
    -------
    Fractions
        0 for a type that the truth lacks; fractions of RNA sum to 1 over the model's types, as a
        model's own do.
    """
    own = truth.labels["cell_type"]
    at = np.array([own.index(name) if name in own else -1 for name in simple.cell_types])
    proportion, rna_fraction = (
        np.where(at >= 0, truth.read(name, rows).astype(np.float64)[:, at], 0)
        for name in ("proportion", "rna_fraction")
    )
    total = rna_fraction.sum(axis=1, keepdims=True)
    return Fractions(proportion, rna_fraction / np.where(total > 0, total, 1))


def factors(attributes: dict[str, Any], cell_types: Sequence[str]) -> Array:
    """Find the mRNA factors by which a result was converted.

    Parameters
    ----------
    attributes : dict
        Root attributes of the results.
    cell_types : sequence of str
        Types in order.

    Returns
    -------
    np.ndarray, shape (cell_type,)
        1 where the results name none.
    """
    known = attributes.get("mrna_factors", {})
    return np.array([float(known.get(name, 1)) for name in cell_types])
