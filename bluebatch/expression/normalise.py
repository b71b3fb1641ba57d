"""Counts to log2(1 + CPM) and back: the one scale on which profiles and samples are compared."""

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.floating]
MILLION = 1e6
# Log2(1 + CPM) of a gene that is all of its sample.
LARGEST_LOG_CPM = float(np.log2(1 + MILLION))


def counts_per_million(
    values: npt.ArrayLike, library_size: npt.ArrayLike | None = None
) -> FloatArray:
    """Scale linear expression to a million a row.

    Parameters
    ----------
    values : array_like, shape (..., gene)
        Linear expression: counts, TPM, FPKM or RSEM; NaN where a gene is not measured.
    library_size : array_like, shape (...), optional
        Denominator of each row; the sum over the measured genes given by default.

    Returns
    -------
    np.ndarray, shape (..., gene)
        CPM, in the precision of ``values``; NaN throughout a row whose denominator is 0.
    """
    values = np.asarray(values)
    if not np.issubdtype(values.dtype, np.floating):
        values = values.astype(np.float64)
    if library_size is None:
        library_size = np.nansum(values, axis=-1, dtype=np.float64)
    total = np.asarray(library_size, dtype=np.float64)
    scale = np.divide(MILLION, total, out=np.full_like(total, np.nan), where=total > 0)
    return np.asarray(values * scale[..., np.newaxis].astype(values.dtype))


def log_transform(cpm: npt.ArrayLike) -> FloatArray:
    """Take log2(1 + x).

    Parameters
    ----------
    cpm : array_like
        CPM, linear.

    Returns
    -------
    np.ndarray
        Values of log2(1 + CPM), same shape.
    """
    return np.asarray(np.log2(1 + np.asarray(cpm)))


def select_log_cpm(
    expression: npt.ArrayLike, columns: npt.ArrayLike, library_size: npt.ArrayLike | None = None
) -> FloatArray:
    """Take genes of linear expression as log2(1 + CPM).

    Parameters
    ----------
    expression : array_like, shape (sample, gene)
        Linear expression.
    columns : array_like of int, shape (selected,)
        Position of each gene wanted; -1 where it is not measured.
    library_size : array_like, shape (sample,), optional
        Denominator; the sum over the measured genes among those wanted by default.

    Returns
    -------
    np.ndarray, shape (sample, selected)
        Log2(1 + CPM) in the precision of ``expression``; NaN where a gene is not measured.
    """
    values, at = np.asarray(expression), np.asarray(columns)
    chosen = np.take(values, at, axis=1)
    chosen[:, at < 0] = np.nan
    # In place: a block of a cohort is large.
    cpm = counts_per_million(chosen, library_size)
    cpm += 1
    return np.log2(cpm, out=cpm)


def unlog_transform(log_cpm: npt.ArrayLike) -> FloatArray:
    """Undo `log_transform`.

    Parameters
    ----------
    log_cpm : array_like
        Values of log2(1 + CPM).

    Returns
    -------
    np.ndarray
        CPM, same shape; values below 0 become 0.
    """
    return np.asarray(np.maximum(np.exp2(np.asarray(log_cpm)) - 1, 0))
