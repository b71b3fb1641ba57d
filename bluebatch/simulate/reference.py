"""Single-cell references: matched to one list of genes and cell types, and read."""

import contextlib
import dataclasses
import logging
import pathlib
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from bluebatch.simulate import cell_types, counts, genes, opening
from bluebatch.store import compressed

CellTypeSettings = cell_types.CellTypeSettings
ReferenceSettings = opening.ReferenceSettings
IntArray = npt.NDArray[np.int64]

_log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Reference:
    """The chosen cells of one reference.

    Parameters
    ----------
    name : str
        Label on the axis ``reference``.
    path, layer : str
        Where it came from, which matrix was read.
    cells : slice
        Rows of the atlas's counts.
    cell_type : np.ndarray of int, shape (cell,)
        Index into the atlas's cell types.
    donor : np.ndarray of str, shape (cell,), optional
        Donor of each cell.
    """

    name: str
    path: str
    layer: str
    cells: slice
    cell_type: npt.NDArray[np.int64]
    donor: npt.NDArray[np.object_] | None


@dataclasses.dataclass(frozen=True)
class Atlas:
    """All references on one list of genes and cell types.

    Parameters
    ----------
    counts : scipy.sparse.csr_matrix, shape (cell, gene)
        Counts, float32, reference after reference. They are held once, however they are drawn.
    references : tuple of Reference
        In the order given.
    genes, cell_types : list of str
        Labels.
    notes : list of str
        What was left out, merged or summed.
    """

    counts: counts.Counts
    references: tuple[Reference, ...]
    genes: list[str]
    cell_types: list[str]
    notes: list[str]


@dataclasses.dataclass(frozen=True)
class Survey:
    """Open references whose counts are still to be read.

    Parameters
    ----------
    opened : list of opening.Opened
        In the order given.
    selected : list of np.ndarray of int, shape (cell,)
        Rows that are to be read of each.
    codes : list of np.ndarray of int, shape (cell,)
        Cell type of every row of each; -1 where it has none.
    lengths : list of np.ndarray of int, shape (cell,)
        What each selected row stores at most.
    genes, cell_types : list of str
        Labels.
    notes : list of str
        What was left out, merged or summed.
    """

    opened: list[opening.Opened]
    selected: list[IntArray]
    codes: list[IntArray]
    lengths: list[IntArray]
    genes: list[str]
    cell_types: list[str]
    notes: list[str]

    @property
    def n_stored(self) -> int:
        """Count what is to be read.

        Returns
        -------
        int
            Stored values, of all references.
        """
        return sum(int(lengths.sum()) for lengths in self.lengths)

    @property
    def index_type(self) -> type[np.int32] | type[np.int64]:
        """Choose what genes and bounds of the counts are held as.

        Returns
        -------
        type
            The smallest that scipy can multiply with.
        """
        return np.int32 if self.n_stored < 1 << 31 else np.int64

    def read(self) -> Atlas:
        """Read the selected cells of every reference.

        Returns
        -------
        Atlas
            Without cells that have no counts.
        """
        data = np.empty(self.n_stored, dtype=np.float32)
        indices = np.empty(self.n_stored, dtype=self.index_type)
        bounds, references = [np.zeros(1, dtype=np.int64)], []
        n_cells, notes = 0, list(self.notes)
        for each, selected, codes in zip(self.opened, self.selected, self.codes, strict=True):
            end = int(bounds[-1][-1])
            columns = genes.sorter(each.columns, self.genes)
            lengths = each.matrix.fill(selected, columns, data[end:], indices[end:])
            full = lengths > 0
            if not full.all():
                notes.append(f"{each.name}: {int((~full).sum()):,} cells without counts left out.")
            bounds.append(end + np.cumsum(lengths[full]))
            kept = selected[full]
            place = slice(n_cells, n_cells + len(kept))
            n_cells = place.stop
            donor = None if each.donor is None else each.donor[kept]
            references.append(
                Reference(each.name, each.path, each.matrix.name, place, codes[kept], donor)
            )
        held = compressed.assemble(data, indices, np.concatenate(bounds), len(self.genes))
        for note in notes:
            _log.debug("%s", note)
        return Atlas(held, tuple(references), self.genes, self.cell_types, notes)


@contextlib.contextmanager
def survey(
    paths: Sequence[str | pathlib.Path],
    settings: ReferenceSettings,
    types: cell_types.CellTypeSettings,
    rng: np.random.Generator,
) -> Iterator[Survey]:
    """Open references and choose the cells of each, before any counts are read.

    Parameters
    ----------
    paths : sequence of str or pathlib.Path
        Files in h5ad format, or `bundled.PATH` alone.
    settings : ReferenceSettings
        Where they keep what is read.
    types : cell_types.CellTypeSettings
        Cell types kept, dropped and merged.
    rng : np.random.Generator
        Draws the cells of types with more than ``max_cells``.

    Yields
    ------
    Survey
        Genes measured in every reference, in the order of the first.
    """
    names = opening.name_references(paths)
    with contextlib.ExitStack() as stack:
        opened = [
            opening.open_reference(str(path), name, settings, stack)
            for path, name in zip(paths, names, strict=True)
        ]
        kept = genes.common([each.columns for each in opened], [each.path for each in opened])
        choice = cell_types.choose([each.labels for each in opened], types, _places(opened))
        notes = [note for each in opened for note in each.notes] + choice.notes
        if len(opened) > 1:
            notes.append(f"{len(kept):,} genes are measured in all {len(opened)} references.")
        selected = [
            _sample_cells(codes, settings.max_cells, rng, each.name, notes)
            for each, codes in zip(opened, choice.codes, strict=True)
        ]
        lengths = [each.matrix.lengths(rows) for each, rows in zip(opened, selected, strict=True)]
        yield Survey(opened, selected, choice.codes, lengths, kept, choice.cell_types, notes)


def _places(opened: Sequence[opening.Opened]) -> list[str]:
    return [each.path for each in opened]


def _sample_cells(
    codes: npt.NDArray[np.int64],
    max_cells: int,
    rng: np.random.Generator,
    name: str,
    notes: list[str],
) -> npt.NDArray[np.int64]:
    """List the cells of kept types in increasing order, at most ``max_cells`` of each."""
    chosen = []
    for code in np.unique(codes[codes >= 0]):
        cells = np.flatnonzero(codes == code)
        if max_cells and len(cells) > max_cells:
            cells = rng.choice(cells, max_cells, replace=False)
        chosen.append(cells)
    selected = np.sort(np.concatenate(chosen)) if chosen else np.empty(0, dtype=np.int64)
    n_kept = int((codes >= 0).sum())
    if len(selected) < n_kept:
        notes.append(
            f"{name}: {len(selected):,} of {n_kept:,} cells drawn, at most {max_cells:,} a type "
            "(setting max_cells)."
        )
    return selected.astype(np.int64)
