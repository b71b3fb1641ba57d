"""Pseudobulks drawn anew for each epoch: the design of the store's samples, from other cells."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from bluebatch.expression import mixture, normalise
from bluebatch.store import cells, read

Indices = npt.NDArray[np.int64]


class Drawn(NamedTuple):
    """Samples as `Draws.draw` makes them.

    Parameters
    ----------
    expression : np.ndarray, shape (n, input_gene)
        Counts, float32.
    library_size : np.ndarray, shape (n,)
        Counts over all measured genes.
    profile : np.ndarray, shape (n, cell_type, gene)
        Log2(1 + CPM), float32; NaN where a type is absent.
    n_cells : np.ndarray of int, shape (n, cell_type)
        Cells drawn: those of the design.
    fractions : dict of str to np.ndarray, shape (n, cell_type)
        ``proportion`` and ``rna_fraction``, float32.
    """

    expression: npt.NDArray[np.float32]
    library_size: npt.NDArray[np.float64]
    profile: npt.NDArray[np.float32]
    n_cells: npt.NDArray[np.int32]
    fractions: dict[str, npt.NDArray[np.float32]]


class Draws:
    """A store's training cells, of the genes that a model reads and predicts.

    Parameters
    ----------
    store : read.Store
        Pseudobulks that keep their training cells.
    inputs, outputs : np.ndarray of int
        Positions of these genes on the store's axis ``gene``.

    Raises
    ------
    errors.ForeignStoreError
        If the store holds no cells.
    """

    def __init__(self, store: read.Store, inputs: Indices, outputs: Indices) -> None:
        self._store = store
        both, places = np.unique(np.concatenate([inputs, outputs]), return_inverse=True)
        self._inputs, self._outputs = places[: len(inputs)], places[len(inputs) :]
        self._cells = cells.read(store, both)

    def draw(self, rows: slice, rng: np.random.Generator) -> Drawn:
        """Draw samples of a given design.

        Parameters
        ----------
        rows : slice
            Training samples of the store, whose source and numbers of cells are kept.
        rng : np.random.Generator
            Source of randomness.

        Returns
        -------
        Drawn
            In the order of the rows.
        """
        n_cells = self._store.read("n_cells", rows)
        source = self._store.read("source", rows)
        n_samples, n_types = n_cells.shape
        expression = np.zeros((n_samples, len(self._inputs)), np.float32)
        profile = np.empty((n_samples, n_types, len(self._outputs)), np.float32)
        rna = np.empty((n_samples, n_types))
        for code in range(n_types):
            counts, sizes = self._cells.of_type(code)
            first, last = self._cells.ranges(code, source)
            chosen, bounds = mixture.draw_cells(rng, n_cells[:, code], first, last)
            summed = mixture.sum_cells(counts, chosen, bounds)
            rna[:, code] = np.diff(np.concatenate([[0], np.cumsum(sizes[chosen])])[bounds])
            expression += summed[:, self._inputs]
            cpm = normalise.counts_per_million(summed[:, self._outputs], rna[:, code])
            profile[:, code] = normalise.log_transform(cpm)
        library_size = rna.sum(axis=1)
        fractions = {
            "proportion": n_cells / n_cells.sum(axis=1, keepdims=True),
            "rna_fraction": rna / library_size[:, np.newaxis],
        }
        return Drawn(
            expression=expression,
            library_size=library_size,
            profile=profile,
            n_cells=n_cells,
            fractions={name: values.astype(np.float32) for name, values in fractions.items()},
        )


def held_bytes(store: read.Store) -> int:
    """Price the training cells.

    Parameters
    ----------
    store : read.Store
        Pseudobulks.

    Returns
    -------
    int
        At most: of all genes, and while the last chunk is read; 0 where the store keeps none.
    """
    if not cells.has(store):
        return 0
    _, n_values = cells.size(store)
    return 8 * n_values + 24 * min(n_values, cells.CHUNK_VALUES)
