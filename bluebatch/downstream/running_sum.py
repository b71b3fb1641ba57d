"""Running sums over the rows of a matrix, several times as fast as `numpy.cumsum` makes them."""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

FEW_ROWS = 16


def add_up(rows: npt.NDArray[np.float64], strata: Sequence[slice]) -> None:
    """Replace each row by the sum of the rows down to it, in place.

    Parameters
    ----------
    rows : np.ndarray, shape (patient, ...)
        Contiguous.
    strata : sequence of slice
        Rows that are added up by themselves.
    """
    for stratum in strata:
        part = rows[stratum]
        if len(part) < FEW_ROWS:
            np.cumsum(part, axis=0, out=part)
            continue
        # Whole rows are added at once, which cumsum does not: first within pieces of the rows, then
        # the end of each piece to the next.
        length = math.isqrt(len(part))
        n_pieces = len(part) // length
        pieces = part[: n_pieces * length].reshape(n_pieces, length, -1)
        for row in range(1, length):
            pieces[:, row] += pieces[:, row - 1]
        for piece in range(1, n_pieces):
            pieces[piece] += pieces[piece - 1, -1]
        for row in range(n_pieces * length, len(part)):
            part[row] += part[row - 1]
