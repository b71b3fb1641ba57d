"""A table turned on its side on disk: written line by line, read column by column, memory flat."""

import pathlib
from collections.abc import Iterator
from typing import Self

import numpy as np
import numpy.typing as npt

from bluebatch.store import schema, write

SingleArray = npt.NDArray[np.float32]


class Spill:
    """A scratch file of float32 blocks, each cut into tiles of 256 columns.

    Tiles of one block lie side by side, so both a range of lines and a range of columns are
    read in long stretches. The file is removed on leaving the context.

    Parameters
    ----------
    path : pathlib.Path
        Of the scratch file; what lies there is replaced.
    n_columns : int
        Numbers in a line.
    """

    def __init__(self, path: pathlib.Path, n_columns: int) -> None:
        self.path = path
        self.n_columns = n_columns
        self.starts = [0]  # first line of each block, then the number of lines

    def __enter__(self) -> Self:
        with write.room_on_disk(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.write_bytes(b"")
        return self

    def __exit__(self, *error: object) -> None:
        self.path.unlink(missing_ok=True)

    @property
    def n_lines(self) -> int:
        """Count the lines written so far.

        Returns
        -------
        int
            Lines.
        """
        return self.starts[-1]

    def append(self, values: SingleArray) -> None:
        """Write the next lines.

        Parameters
        ----------
        values : np.ndarray of float32, shape (line, column)
            A block.
        """
        with write.room_on_disk(self.path), self.path.open("ab") as handle:
            for tile in self._tiles():
                handle.write(np.ascontiguousarray(values[:, tile]).tobytes())
        self.starts.append(self.n_lines + len(values))

    def lines(self, wanted: npt.NDArray[np.int64]) -> SingleArray:
        """Read some lines.

        Parameters
        ----------
        wanted : np.ndarray of int64
            Lines, in increasing order.

        Returns
        -------
        np.ndarray of float32, shape (wanted, column)
            Their values.
        """
        out = np.empty((len(wanted), self.n_columns), dtype=np.float32)
        for first, end in zip(self.starts[:-1], self.starts[1:], strict=True):
            rows = np.flatnonzero((wanted >= first) & (wanted < end))
            if len(rows):
                for tile in self._tiles():
                    values = self._read(first, end, tile)
                    out[rows[0] : rows[-1] + 1, tile] = values[wanted[rows] - first]
        return out

    def columns(self, wanted: npt.NDArray[np.int64]) -> SingleArray:
        """Read some columns.

        Parameters
        ----------
        wanted : np.ndarray of int64
            Columns, in increasing order.

        Returns
        -------
        np.ndarray of float32, shape (wanted, line)
            Their values, transposed.
        """
        out = np.empty((len(wanted), self.n_lines), dtype=np.float32)
        for first, end in zip(self.starts[:-1], self.starts[1:], strict=True):
            for tile in self._tiles():
                rows = np.flatnonzero((wanted >= tile.start) & (wanted < tile.stop))
                if len(rows):
                    values = self._read(first, end, tile)
                    out[rows[0] : rows[-1] + 1, first:end] = values[:, wanted[rows] - tile.start].T
        return out

    def _tiles(self) -> Iterator[slice]:
        step = schema.ROWS_PER_CHUNK
        for start in range(0, self.n_columns, step):
            yield slice(start, min(start + step, self.n_columns))

    def _read(self, first: int, end: int, tile: slice) -> SingleArray:
        height, width = end - first, tile.stop - tile.start
        offset = (first * self.n_columns + height * tile.start) * 4
        values = np.fromfile(self.path, dtype=np.float32, count=height * width, offset=offset)
        return values.reshape(height, width)
