"""Sums over a stream of rows from which every linear baseline is solved.

One row's terms are the five of the curve in the number of cells, then the components of its input.
Their products with each other and with the profiles, summed over the rows in which a cell type is
present, hold all that least squares and ridge need, however many rows there were.
"""

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.utils import extmath

from bluebatch import errors
from bluebatch.expression import closed_form, normalise

Array = npt.NDArray[Any]
N_CURVE = 5


@dataclasses.dataclass
class Moments:
    """Sums over rows, float64.

    Parameters
    ----------
    gram : np.ndarray, shape (cell_type, term, term)
        Products of terms.
    cross : np.ndarray, shape (cell_type, term, gene)
        Products of terms and log profiles.
    linear, squared : np.ndarray, shape (cell_type, gene)
        CPM and its square, weighted by proportion.
    n_rows : np.ndarray, shape (cell_type,)
        Rows in which the type is present.
    seen : np.ndarray, shape (cell_type, 2)
        Fewest and most cells of a type where it is present.
    weight, proportion : np.ndarray, shape (cell_type,)
        Proportion where the type is present, and over all rows.
    n_samples : int
        All rows.
    """

    gram: Array
    cross: Array
    linear: Array
    squared: Array
    n_rows: Array
    seen: Array
    weight: Array
    proportion: Array
    n_samples: int = 0

    def mean(self) -> Array:
        """Average the log profiles.

        Returns
        -------
        np.ndarray, shape (cell_type, gene)
            Zeros for a type that was never present.
        """
        return np.asarray(self.cross[:, 0] / np.maximum(self.n_rows, 1)[:, np.newaxis])

    def mean_cpm(self) -> Array:
        """Average the linear profiles by cells.

        Returns
        -------
        np.ndarray, shape (cell_type, gene)
            CPM; zeros for a type that was never present.
        """
        weight = np.where(self.weight > 0, self.weight, 1)
        return np.asarray(self.linear / weight[:, np.newaxis])

    def variance_cpm(self) -> Array:
        """Measure the variance of the linear profiles across rows, weighted by cells.

        Returns
        -------
        np.ndarray, shape (cell_type, gene)
            Square of CPM; zeros for a type that was never present.
        """
        weight = np.where(self.weight > 0, self.weight, 1)[:, np.newaxis]
        return np.asarray(np.maximum(self.squared / weight - (self.linear / weight) ** 2, 0))

    def curve(self) -> Array:
        """Solve for the expected log profile as a curve in the number of cells.

        Returns
        -------
        np.ndarray, shape (cell_type, 5, gene)
            Coefficients of `closed_form.level_terms`.
        """
        pairs = zip(self.gram, self.cross, strict=True)
        return np.stack(
            [
                closed_form.solve_normal(gram[:N_CURVE, :N_CURVE], cross[:N_CURVE])
                for gram, cross in pairs
            ]
        )


def find_axes(
    blocks: Iterable[Mapping[str, Array]], n_components: int, n_rows: int
) -> tuple[Array, Array]:
    """Find the principal axes of the input from a random sample of a stream's rows.

    Parameters
    ----------
    blocks : iterable of mapping
        With ``input``.
    n_components, n_rows : int
        How many axes, from how many rows.

    Returns
    -------
    center : np.ndarray, shape (input_gene,)
        Mean input of the sampled rows.
    basis : np.ndarray, shape (input_gene, component)
        Orthonormal; fewer axes where rows or genes are fewer.

    Raises
    ------
    errors.ValuesError
        If there are fewer than two rows.
    """
    # The rows with the smallest random keys are a fair sample of a stream of unknown length.
    rng = np.random.default_rng(0)
    keys = np.empty(0)
    rows: Array | None = None
    for block in blocks:
        drawn = rng.random(len(block["input"]))
        keys = np.concatenate([keys, drawn])
        rows = block["input"] if rows is None else np.concatenate([rows, block["input"]])
        if len(keys) > n_rows:
            kept = np.sort(np.argsort(keys)[:n_rows])
            keys, rows = keys[kept], rows[kept]
    if rows is None or len(rows) < 2:
        raise errors.ValuesError(
            f"training split: holds {0 if rows is None else len(rows)} samples, needed: at least "
            "two. Simulate more samples, with a share for training in [split]."
        )
    center = rows.mean(axis=0, dtype=np.float64)
    n_components = min(n_components, len(rows) - 1, rows.shape[1])
    _, _, axes = extmath.randomized_svd(rows - center, n_components, random_state=0)
    return center, np.asarray(axes.T, dtype=np.float64)


def accumulate(
    blocks: Iterable[Mapping[str, Array]], center: Array, basis: Array, cells: int
) -> Moments:
    """Sum over all rows of a stream.

    Parameters
    ----------
    blocks : iterable of mapping
        With ``input``, ``profile`` and ``proportion``.
    center : np.ndarray, shape (input_gene,)
        Mean input.
    basis : np.ndarray, shape (input_gene, component)
        Principal axes.
    cells : int
        Cells of a whole sample.

    Returns
    -------
    Moments
        Empty arrays of no cell type where the stream is empty.
    """
    sums: Moments | None = None
    for block in blocks:
        if sums is None:
            _, n_types, n_genes = block["profile"].shape
            sums = _zeros(n_types, N_CURVE + basis.shape[1], n_genes)
        components = (block["input"] - center) @ basis
        sums.n_samples += len(components)
        sums.proportion += block["proportion"].sum(axis=0, dtype=np.float64)
        for cell_type in range(len(sums.n_rows)):
            _add(sums, block, components, cell_type, cells)
    return _zeros(0, N_CURVE + basis.shape[1], 0) if sums is None else sums


def solve_ridge(
    learnt: Moments,
    held_out: Moments | None,
    cell_type: int,
    start: Array,
    penalties: tuple[float, ...],
) -> tuple[Array, Array]:
    """Solve one cell type's ridge from the components to what a start leaves.

    Parameters
    ----------
    learnt : Moments
        Of the training rows.
    held_out : Moments or None
        Of the validation rows, which choose the penalty; None takes the middle one.
    cell_type : int
        Which.
    start : np.ndarray, shape (5, gene)
        Curve whose residual is regressed; its residual has mean 0 over the training rows.
    penalties : tuple of float
        In units of the components' mean sum of squares.

    Returns
    -------
    intercept : np.ndarray, shape (gene,)
        To be added to the start.
    coefficient : np.ndarray, shape (component, gene)
        Effect of each component.
    """
    gram, cross = learnt.gram[cell_type], learnt.cross[cell_type]
    n_rows = max(float(learnt.n_rows[cell_type]), 1.0)
    average = gram[0, N_CURVE:] / n_rows
    spread = gram[N_CURVE:, N_CURVE:] - n_rows * np.outer(average, average)
    target = cross[N_CURVE:] - gram[N_CURVE:, :N_CURVE] @ start
    values, axes = np.linalg.eigh(spread)
    values, turned = np.maximum(values, 0), axes.T @ target
    unit = max(float(values.mean()), np.finfo(np.float64).tiny)

    def solve(penalty: float) -> tuple[Array, Array]:
        coefficient = axes @ (turned / (values + penalty * unit)[:, np.newaxis])
        return -average @ coefficient, coefficient

    if held_out is None or not held_out.n_rows[cell_type]:
        return solve(penalties[len(penalties) // 2])
    judge_gram, judge_cross = held_out.gram[cell_type], held_out.cross[cell_type]

    def error(penalty: float) -> float:
        intercept, coefficient = solve(penalty)
        whole = np.concatenate([start, coefficient])
        whole[0] += intercept
        # The squared error less the targets' own sum of squares, which no penalty changes.
        return float(np.sum(whole * (judge_gram @ whole - 2 * judge_cross)))

    return solve(min(penalties, key=error))


def _zeros(n_types: int, n_terms: int, n_genes: int) -> Moments:
    return Moments(
        gram=np.zeros((n_types, n_terms, n_terms)),
        cross=np.zeros((n_types, n_terms, n_genes)),
        linear=np.zeros((n_types, n_genes)),
        squared=np.zeros((n_types, n_genes)),
        n_rows=np.zeros(n_types),
        seen=np.tile([np.inf, 1.0], (n_types, 1)),
        weight=np.zeros(n_types),
        proportion=np.zeros(n_types),
    )


def _add(
    sums: Moments, block: Mapping[str, Array], components: Array, cell_type: int, cells: int
) -> None:
    profile = block["profile"][:, cell_type]
    here = np.isfinite(profile).all(axis=1)
    profile = profile[here].astype(np.float64)
    proportion = block["proportion"][here, cell_type].astype(np.float64)
    n_cells = np.maximum(proportion * cells, 1)
    sums.seen[cell_type, 0] = min(sums.seen[cell_type, 0], n_cells.min(initial=np.inf))
    sums.seen[cell_type, 1] = max(sums.seen[cell_type, 1], n_cells.max(initial=1))
    terms = np.concatenate([closed_form.level_terms(n_cells), components[here]], axis=1)
    sums.gram[cell_type] += terms.T @ terms
    sums.cross[cell_type] += terms.T @ profile
    cpm = normalise.unlog_transform(profile)
    sums.linear[cell_type] += proportion @ cpm
    sums.squared[cell_type] += proportion @ np.square(cpm, out=cpm)
    sums.n_rows[cell_type] += here.sum()
    sums.weight[cell_type] += proportion.sum()
