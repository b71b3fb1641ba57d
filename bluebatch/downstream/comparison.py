"""Predicted profiles beside true ones, block by block, and every simple guess with them."""

import dataclasses
import functools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from bluebatch import errors
from bluebatch.downstream import truth, yardsticks
from bluebatch.expression import normalise, profile_scores
from bluebatch.run import progress
from bluebatch.store import genes, read, schema

Array = npt.NDArray[Any]
Guess = Callable[[int], Array]
BLOCK_ROWS = schema.ROWS_PER_CHUNK


@dataclasses.dataclass(frozen=True)
class Pair:
    """Results and truth, and what the baselines need.

    Parameters
    ----------
    results : read.Store
        Profile store.
    known : truth.Truth
        With a pseudobulk store.
    matched : truth.Match
        What is compared.
    simple : yardsticks.Yardsticks or None
        Baselines of the model.
    bulk : yardsticks.Bulk or None
        Expression of the samples.
    """

    results: read.Store
    known: truth.Truth
    matched: truth.Match
    simple: yardsticks.Yardsticks | None
    bulk: yardsticks.Bulk | None


@dataclasses.dataclass(frozen=True)
class Profiles:
    """Scores of profiles.

    Parameters
    ----------
    tables : dict
        Name of a subset of the samples -> predictor -> cell type -> scores.
    n_genes : int
        Genes compared.
    notes : list of str
        What is not compared, and why.
    """

    tables: dict[str, dict[str, dict[str, dict[str, float]]]]
    n_genes: int
    notes: list[str]


def compare_profiles(pair: Pair, min_cells: int, min_proportion: float) -> Profiles:
    """Score every predictor's profiles.

    Parameters
    ----------
    pair : Pair
        Results and truth.
    min_cells : int
        Cells of the type in the truth, at least.
    min_proportion : float
        Of the second subset.

    Returns
    -------
    Profiles
        For all samples with enough cells, and for those above the proportion.

    Raises
    ------
    errors.LabelMismatchError
        If results and truth share no gene.
    """
    reader = _Reader(pair)
    subsets = {"all": 0.0, f"p > {min_proportion:g}": min_proportion}
    scores: dict[tuple[str, str, int], profile_scores.ProfileScores] = {}
    means = reader.mean_profiles(min_cells)
    with progress.bar("evaluate", total=len(pair.matched.samples), unit="samples") as step:
        for block in reader.blocks():
            for subset, name, index, predicted, true in _scored(reader, block, subsets, min_cells):
                key = (subset, name, index)
                if key not in scores:
                    scores[key] = profile_scores.ProfileScores(means[index])
                scores[key].add(predicted, true)
            step(len(pair.matched.samples[block]))
    tables: dict[str, dict[str, dict[str, dict[str, float]]]] = {}
    for (subset, name, index), summed in scores.items():
        by_type = tables.setdefault(subset, {}).setdefault(name, {})
        by_type[pair.matched.cell_types[index]] = summed.summary()
    return Profiles(tables, len(reader.genes), reader.notes)


def _scored(
    reader: "_Reader", block: slice, subsets: dict[str, float], min_cells: int
) -> Iterator[tuple[str, str, int, Array, Array]]:
    guesses = reader.guesses(block)
    for index in range(reader.n_types):
        true = reader.true_profile(block, index)
        scored = reader.is_scored(block, index, min_cells) & np.isfinite(true).all(axis=1)
        for name, guess in guesses.items():
            predicted = guess(index)
            usable = scored & reader.has_twin(block) if name == "ceiling" else scored
            for subset, least in subsets.items():
                rows = usable & (reader.proportion[block, index] > least)
                yield subset, name, index, predicted[rows], true[rows]


class _Reader:
    """Blocks of samples: true profiles and each predictor's, on the genes in common."""

    def __init__(self, pair: Pair) -> None:
        self.pair = pair
        store = pair.known.store
        if store is None:
            raise TypeError("profiles need a store as truth")
        self.store, self.matched = store, pair.matched
        self.n_types = len(pair.matched.cell_types)
        own = pair.results.labels["gene"]
        found = genes.match(own, store.labels["profile_gene"])
        self.genes = [gene for gene, at in zip(own, found.index, strict=True) if at >= 0]
        if not self.genes:
            raise errors.LabelMismatchError(
                f"{store.path}: keeps profiles of none of the results' {len(own):,} genes. "
                "Give a store with the same gene names, or --proportions-only."
            )
        self._result_columns = np.flatnonzero(found.index >= 0)
        self._truth_columns = found.index[found.index >= 0]
        self._over_panel = "the panel" in str(pair.results.attributes.get("normalisation", ""))
        rows, types = self.matched.truth_rows, self.matched.truth_types
        self.n_cells = store.read("n_cells")[np.ix_(rows, types)]
        self.proportion = pair.known.proportion[np.ix_(rows, types)]
        self._twins = self._find_twins()
        self.notes = self._notes()
        if pair.simple is not None:
            self._proportion = pair.results.read("proportion")
            self._rna_fraction = pair.results.read("rna_fraction")
            self._model_order = _order(pair.results, pair.simple.cell_types)
            self._model_columns = genes.match(self.genes, pair.simple.genes).index
            self._model_types = [
                pair.simple.cell_types.index(name) for name in self.matched.cell_types
            ]

    def blocks(self) -> Iterator[slice]:
        return _blocks(len(self.matched.samples))

    def true_profile(self, block: slice, index: int) -> Array:
        return self._truth_rows(self.matched.truth_rows[block], index)

    def is_scored(self, block: slice, index: int, min_cells: int) -> Array:
        return np.asarray(self.n_cells[block, index] >= min_cells)

    def has_twin(self, block: slice) -> Array:
        return np.asarray(self._twins[block] >= 0)

    def mean_profiles(self, min_cells: int) -> list[Array]:
        """Take the training mean, or where there is no model that of the truth itself."""
        simple = self.pair.simple
        if simple is not None:
            return [simple.fitted.mean[t][self._model_columns] for t in self._model_types]
        means = []
        for index in range(self.n_types):
            total, n_rows = np.zeros(len(self.genes)), 0
            for block in self.blocks():
                true = self.true_profile(block, index)
                rows = self.is_scored(block, index, min_cells) & np.isfinite(true).all(axis=1)
                total += true[rows].sum(axis=0, dtype=np.float64)
                n_rows += int(rows.sum())
            means.append(total / max(n_rows, 1))
        return means

    def guesses(self, block: slice) -> dict[str, Guess]:
        """Name a block's predictors; each takes the index of a cell type."""
        guesses: dict[str, Guess] = {"model": lambda index: self._predicted(block, index)}
        simple, bulk = self.pair.simple, self.pair.bulk
        if simple is not None:
            guesses |= self._simple_guesses(simple, bulk, block)
        if (self._twins >= 0).any():
            # A sample without a twin is not scored, so any row will do in its place.
            twins = np.maximum(self._twins[block], 0)
            guesses["ceiling"] = lambda index: self._truth_rows(twins, index)
        return guesses

    def _simple_guesses(
        self, simple: yardsticks.Yardsticks, bulk: yardsticks.Bulk | None, block: slice
    ) -> dict[str, Guess]:
        rows, order = self.matched.result_rows[block], self._model_order
        proportion = self._proportion[rows][:, order]
        known = yardsticks.known_fractions(self.store, self.matched.truth_rows[block], simple)
        columns, types = self._model_columns, self._model_types
        guesses: dict[str, Guess] = {
            "p-curve": _curve(simple, proportion, types, columns),
            "p-curve, known p": _curve(simple, known.proportion, types, columns),
        }
        if bulk is None:
            return guesses
        inputs, log_cpm = bulk.read(block)
        rna_fraction = self._rna_fraction[rows][:, order]
        seen = yardsticks.Rows(proportion, rna_fraction, inputs, log_cpm)
        true = yardsticks.Rows(known.proportion, known.rna_fraction, inputs, log_cpm)
        ridge = simple.fitted.ridge
        return guesses | {
            "ridge": lambda index: ridge.predict(inputs, types[index])[:, columns],
            "bulk": lambda index: log_cpm[:, columns],
            "closed form": _closed_form(simple, seen, types, columns),
            "closed form, known p": _closed_form(simple, true, types, columns),
        }

    def _predicted(self, block: slice, index: int) -> Array:
        rows, cell_type = self.matched.result_rows[block], self.matched.result_types[index]
        return self.pair.results.read_type("profile", rows, cell_type)[:, self._result_columns]

    def _truth_rows(self, rows: Array, index: int) -> Array:
        cell_type = self.matched.truth_types[index]
        values = self.store.read_type("profile", rows, cell_type)[:, self._truth_columns]
        if self._over_panel:
            cpm = normalise.counts_per_million(normalise.unlog_transform(values))
            values = np.asarray(normalise.log_transform(cpm))
        return values

    def _find_twins(self) -> Array:
        if not self.store.has("twin"):
            return np.full(len(self.matched.samples), -1)
        row_of = {name: row for row, name in enumerate(self.store.labels["sample"])}
        named = self.store.read("twin")[self.matched.truth_rows]
        return np.array([row_of.get(str(name), -1) for name in named])

    def _notes(self) -> list[str]:
        notes = []
        n_left = len(self.pair.results.labels["gene"]) - len(self.genes)
        if n_left:
            notes.append(f"{n_left:,} genes of the results have no true profile")
        if not (self._twins >= 0).any():
            notes.append("no ceiling: the truth has no twin samples")
        if self.pair.simple is None:
            notes.append("skill is against the mean profile of the truth itself: no model given")
        return notes


def _curve(
    simple: yardsticks.Yardsticks, proportion: Array, types: list[int], columns: Array
) -> Guess:
    curve = simple.fitted.curve
    cells = curve.n_cells(proportion)
    return lambda index: curve.predict(cells[:, types[index]], types[index])[:, columns]


def _closed_form(
    simple: yardsticks.Yardsticks, rows: yardsticks.Rows, types: list[int], columns: Array
) -> Guess:
    shared = functools.cache(lambda: simple.closed_form(rows))
    return lambda index: shared()[:, types[index]][:, columns]


def _order(results: read.Store, cell_types: list[str]) -> Array:
    own = results.labels["cell_type"]
    if sorted(own) != sorted(cell_types):
        raise errors.LabelMismatchError(
            f"{results.path}: has the cell types {', '.join(own)}, the model "
            f"{', '.join(cell_types)}. Give the model that the results were made with."
        )
    return np.array([own.index(name) for name in cell_types])


def _blocks(n_rows: int) -> Iterator[slice]:
    return (slice(start, start + BLOCK_ROWS) for start in range(0, n_rows, BLOCK_ROWS))
