"""Mean profiles of groups of samples, true and predicted, summed block by block."""

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from bluebatch import errors
from bluebatch.downstream import comparison, yardsticks
from bluebatch.expression import metrics, normalise
from bluebatch.run import progress
from bluebatch.store import genes, schema

Array = npt.NDArray[Any]
Guess = Callable[[int], Array]
BLOCK_ROWS = schema.ROWS_PER_CHUNK
TRUTH = "truth"


@dataclasses.dataclass(frozen=True)
class GroupMeans:
    """Means over samples in which a cell type was seen well enough.

    Parameters
    ----------
    cell_types, genes : list of str
        Labels.
    n_samples : np.ndarray of int, shape (group, cell_type)
        Samples of each mean.
    means : dict of str to np.ndarray, shape (group, cell_type, gene)
        Log2(1 + CPM) by ``truth``, ``model``, ``bulk`` and with a model folder ``closed form``;
        NaN where a group has no sample.
    """

    cell_types: list[str]
    genes: list[str]
    n_samples: Array
    means: dict[str, Array]

    def pooled(self) -> "GroupMeans":
        """Put all groups together.

        Returns
        -------
        GroupMeans
            Of one group, each sample of one weight.
        """
        total = self.n_samples.sum(axis=0, keepdims=True)
        weight = metrics.ratio(self.n_samples, total)[:, :, np.newaxis]
        pooled = {
            # An empty group weighs nothing, but its mean is no number.
            name: np.where(weight > 0, weight * values, 0).sum(axis=0, keepdims=True)
            for name, values in self.means.items()
        }
        empty = (total == 0)[:, :, np.newaxis]
        pooled = {name: np.where(empty, np.nan, values) for name, values in pooled.items()}
        return dataclasses.replace(self, n_samples=total, means=pooled)


def measure(pair: comparison.Pair, member: Array, n_groups: int, min_cells: int) -> GroupMeans:
    """Average true and predicted profiles within groups of samples.

    Parameters
    ----------
    pair : comparison.Pair
        Results and a pseudobulk store as truth.
    member : np.ndarray of int, shape (sample,)
        Group of each compared sample.
    n_groups : int
        Groups there are.
    min_cells : int
        Samples count where the truth has as many cells of the type and the model a profile.

    Returns
    -------
    GroupMeans
        By group.

    Raises
    ------
    errors.LabelMismatchError
        If results and truth share no gene.
    """
    reader = _Reader(pair)
    n_types = len(pair.matched.cell_types)
    n_samples = np.zeros((n_groups, n_types), dtype=np.int64)
    sums: dict[str, Array] = {}
    with progress.bar("mean profiles", total=len(member), unit="samples") as step:
        for block in reader.blocks():
            guesses = reader.guesses(block)
            for index in range(n_types):
                values = {name: guess(index) for name, guess in guesses.items()}
                usable = reader.n_cells[block, index] >= min_cells
                for side in (TRUTH, "model"):
                    usable &= np.isfinite(values[side]).any(axis=1)
                for group in range(n_groups):
                    rows = usable & (member[block] == group)
                    n_samples[group, index] += rows.sum()
                    for name, profile in values.items():
                        shape = (n_groups, n_types, len(reader.genes))
                        total = sums.setdefault(name, np.zeros(shape))
                        total[group, index] += profile[rows].sum(axis=0, dtype=np.float64)
            step(len(member[block]))
    means = {name: metrics.ratio(total, n_samples[:, :, None]) for name, total in sums.items()}
    return GroupMeans(pair.matched.cell_types, reader.genes, n_samples, means)


class _Reader:
    """Blocks of samples on the genes in common: truth, and whoever predicts it."""

    def __init__(self, pair: comparison.Pair) -> None:
        if pair.known.store is None:
            raise TypeError("profiles need a store as truth")
        self.pair, self.store, self.matched = pair, pair.known.store, pair.matched
        own = pair.results.labels["gene"]
        found = genes.match(own, self.store.labels["profile_gene"]).index
        self.genes = [gene for gene, at in zip(own, found, strict=True) if at >= 0]
        if not self.genes:
            raise errors.LabelMismatchError(
                f"{self.store.path}: keeps profiles of none of the results' {len(own):,} genes. "
                "Give a store with the same gene names, or --proportions-only."
            )
        self._result_columns, self._truth_columns = np.flatnonzero(found >= 0), found[found >= 0]
        self._bulk_columns = genes.match(self.genes, self.store.labels["gene"]).index
        rows, types = self.matched.truth_rows, self.matched.truth_types
        self.n_cells = self.store.read("n_cells")[np.ix_(rows, types)]
        normalisation = str(pair.results.attributes.get("normalisation", ""))
        self._over_panel = "the panel" in normalisation

    def blocks(self) -> Iterator[slice]:
        n_rows = len(self.matched.samples)
        return (slice(start, start + BLOCK_ROWS) for start in range(0, n_rows, BLOCK_ROWS))

    def guesses(self, block: slice) -> dict[str, Guess]:
        """Name what is averaged; each takes the index of a cell type."""
        bulk = self._bulk(block)
        guesses: dict[str, Guess] = {
            TRUTH: lambda index: self._true(block, index),
            "model": lambda index: self._predicted(block, index),
            "bulk": lambda index: bulk,
        }
        simple, measured = self.pair.simple, self.pair.bulk
        if simple is not None and measured is not None:
            shared = self._closed_form(simple, measured, block)
            guesses["closed form"] = lambda index: shared[:, index]
        return guesses

    def _predicted(self, block: slice, index: int) -> Array:
        rows, cell_type = self.matched.result_rows[block], self.matched.result_types[index]
        return self.pair.results.read_type("profile", rows, cell_type)[:, self._result_columns]

    def _true(self, block: slice, index: int) -> Array:
        rows, cell_type = self.matched.truth_rows[block], self.matched.truth_types[index]
        values = self.store.read_type("profile", rows, cell_type)[:, self._truth_columns]
        if self._over_panel:
            cpm = normalise.counts_per_million(normalise.unlog_transform(values))
            values = np.asarray(normalise.log_transform(cpm))
        return values

    def _bulk(self, block: slice) -> Array:
        expression = self.store.read("expression", self.matched.truth_rows[block])
        library = None
        if not self._over_panel:
            library = np.nansum(expression, axis=1, dtype=np.float64)
        return np.asarray(normalise.select_log_cpm(expression, self._bulk_columns, library))

    def _closed_form(
        self, simple: yardsticks.Yardsticks, measured: yardsticks.Bulk, block: slice
    ) -> Array:
        own, rows = self.pair.results.labels["cell_type"], self.matched.result_rows[block]
        order = [own.index(name) for name in simple.cell_types]
        types = [simple.cell_types.index(name) for name in self.matched.cell_types]
        columns = genes.match(self.genes, simple.genes).index
        proportion, rna = (
            self.pair.results.read(name, rows)[:, order] for name in ("proportion", "rna_fraction")
        )
        inputs, log_cpm = measured.read(block)
        shared = simple.closed_form(yardsticks.Rows(proportion, rna, inputs, log_cpm))
        return shared[:, types][:, :, columns]
