"""The cells that samples are drawn from: by split and cell type, over all references."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from bluebatch.expression import mixture
from bluebatch.simulate import reference, split

IntArray = npt.NDArray[np.int64]


class Pool(NamedTuple):
    """All cells of one type in one split.

    Parameters
    ----------
    rows : np.ndarray of int, shape (cell,)
        Of the atlas's counts, reference after reference.
    bounds : np.ndarray of int, shape (reference + 1,)
        Where each reference's cells begin and end.
    """

    rows: IntArray
    bounds: IntArray


class Pools:
    """The cells of every split and type.

    Parameters
    ----------
    atlas : reference.Atlas
        All references.
    assigned : list of np.ndarray of int, shape (cell,)
        Split of each cell of each reference.
    """

    def __init__(self, atlas: reference.Atlas, assigned: list[IntArray]) -> None:
        self.counts = atlas.counts
        self.n_references = len(atlas.references)
        self.n_genes = len(atlas.genes)
        self.n_types = len(atlas.cell_types)
        self._pools = [
            [_gather(atlas, assigned, part, code) for code in range(self.n_types)]
            for part in range(len(split.NAMES))
        ]

    def numbers(self) -> IntArray:
        """Count the cells.

        Returns
        -------
        np.ndarray of int, shape (split, reference, cell_type)
            Cells there are.
        """
        bounds = [[pool.bounds for pool in pools] for pools in self._pools]
        return np.diff(np.asarray(bounds), axis=2).transpose(0, 2, 1)

    def draw(
        self,
        rng: np.random.Generator,
        place: tuple[int, int],
        n_cells: IntArray,
        source: IntArray,
    ) -> npt.NDArray[np.float32]:
        """Draw the cells of one type for some samples of one split, and sum their counts.

        Parameters
        ----------
        rng : np.random.Generator
            Source of randomness.
        place : tuple of int
            Split and cell type.
        n_cells : np.ndarray of int, shape (sample,)
            Cells to draw.
        source : np.ndarray of int, shape (sample,)
            Reference that each sample draws from; the number of references for all of them.

        Returns
        -------
        np.ndarray, shape (sample, gene)
            Summed counts.
        """
        pool = self._pools[place[0]][place[1]]
        first = np.append(pool.bounds[:-1], 0)[source]
        last = np.append(pool.bounds[1:], pool.bounds[-1])[source]
        cells, bounds = mixture.draw_cells(rng, n_cells, first, last)
        # Counts are held once, in the order of their files: a small pool is gathered for each
        # draw, which takes a hundredth of it, and of a large one only the drawn cells are read.
        if mixture.is_dense(len(pool.rows), len(cells), len(n_cells)):
            return mixture.sum_cells(self.counts[pool.rows], cells, bounds)
        return mixture.sum_cells(self.counts, pool.rows[cells], bounds)

    def cell_library_size(self, part: int | None) -> npt.NDArray[np.float64]:
        """Average the counts of a cell.

        Parameters
        ----------
        part : int or None
            Split whose cells count; all cells where None.

        Returns
        -------
        np.ndarray, shape (reference, cell_type)
            Counts per cell; NaN where a reference lacks the type.
        """
        parts = range(len(split.NAMES)) if part is None else [part]
        sizes = np.asarray(self.counts.sum(axis=1, dtype=np.float64)).ravel()
        total = np.zeros((self.n_references, self.n_types))
        number = np.zeros_like(total)
        for index in parts:
            for code, pool in enumerate(self._pools[index]):
                running = np.concatenate([[0.0], np.cumsum(sizes[pool.rows])])
                total[:, code] += np.diff(running[pool.bounds])
                number[:, code] += np.diff(pool.bounds)
        return np.divide(total, number, out=np.full_like(total, np.nan), where=number > 0)

    def cells(self, part: int) -> tuple[IntArray, IntArray, IntArray]:
        """List the cells of a split.

        Parameters
        ----------
        part : int
            Split.

        Returns
        -------
        rows : np.ndarray of int, shape (cell,)
            Of ``counts``, type after type and within it reference after reference.
        cell_type : np.ndarray of int, shape (cell,)
            Type of each cell.
        reference : np.ndarray of int, shape (cell,)
            Reference of each cell.
        """
        pools = self._pools[part]
        numbers = np.diff(np.asarray([pool.bounds for pool in pools]), axis=1)
        references = np.tile(np.arange(self.n_references), self.n_types)
        return (
            np.concatenate([pool.rows for pool in pools]),
            np.repeat(np.arange(self.n_types), numbers.sum(axis=1)),
            np.repeat(references, numbers.ravel()),
        )


def _gather(atlas: reference.Atlas, assigned: list[IntArray], part: int, code: int) -> Pool:
    pieces = [
        each.cells.start + np.flatnonzero((splits == part) & (each.cell_type == code))
        for each, splits in zip(atlas.references, assigned, strict=True)
    ]
    bounds = np.cumsum([0, *[len(piece) for piece in pieces]], dtype=np.int64)
    return Pool(np.concatenate(pieces), bounds)
