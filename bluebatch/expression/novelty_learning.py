"""Learning what training samples look like, block by block; see `bluebatch.expression.novelty`."""

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from bluebatch.expression import novelty

Array = npt.NDArray[Any]
Block = Mapping[str, Array]

N_GENES = 1000
# Of which the variances are learnt.
N_ROWS = 1024
# From study to study, where the references themselves agree.
STUDY_DEVIATION = 0.2
# Log ratios between references are taken beyond this many CPM.
OFFSET_CPM = 20.0
# Of held-out samples that are flagged, and how many it takes to say so.
EXPECTED = 0.01
LEAST_ROWS = 100


def fit(training: Iterable[Block], n_rows: int, n_references: int) -> novelty.Novelty | None:
    """Learn from training samples, in two passes.

    Parameters
    ----------
    training : re-iterable of mapping
        Blocks: ``cpm`` (row, gene) over all genes, ``rna_fraction`` (row, cell_type) and ``source``
        (row,), the index of the row's reference, ``n_references`` where it is mixed.
    n_rows : int
        Of all blocks.
    n_references : int
        How many there are.

    Returns
    -------
    novelty.Novelty or None
        With limits of 1; None where there are fewer than two cell types.
    """
    by_reference = _mean_profiles(training, n_references)
    seen = np.isfinite(by_reference).all(axis=2)
    known = seen.any(axis=0)
    if known.sum() < 2:
        return None
    by_reference = by_reference[:, known]
    profile = _mean(by_reference)
    between_types = profile.var(axis=0, ddof=1)
    between_studies = STUDY_DEVIATION**2 + _between_references(by_reference)
    mean = profile.mean(axis=0)
    noise = between_studies * mean**2 + novelty.NOISE_CPM**2 + novelty.NOISE_RATE * mean
    gene = np.sort(np.argsort(-between_types / noise, kind="stable")[:N_GENES])
    rows = _spread_rows(training, n_rows, gene)
    start = novelty.Novelty(
        gene=gene,
        profile=profile[:, gene],
        variance=profile[:, gene] + 0.01 * profile[:, gene] ** 2,
        between_types=between_types[gene],
        between_studies=between_studies[gene],
    )
    # The fit weighs genes by the variance that it leaves: once more settles both.
    return _with_variance(_with_variance(start, rows), rows)


def calibrate(fitted: novelty.Novelty, scores: Array) -> novelty.Novelty:
    """Scale the scores so that 1 is the limit.

    Parameters
    ----------
    fitted : novelty.Novelty
        With limits of 1.
    scores : np.ndarray, shape (sample, 2)
        What it gives samples that it was not learnt from.

    Returns
    -------
    novelty.Novelty
        Whose scores exceed 1 for a share `EXPECTED` of samples like these.
    """
    limit = np.quantile(scores[np.isfinite(scores).all(axis=1)], 1 - EXPECTED, axis=0)
    return dataclasses.replace(fitted, limit=np.maximum(limit, 1e-9))


def _mean_profiles(training: Iterable[Block], n_references: int) -> Array:
    """Regress samples of one reference on their composition: (reference, cell_type, gene)."""
    squares: Array = np.zeros(0)
    products: Array = np.zeros(0)
    for block in training:
        fraction, cpm = np.asarray(block["rna_fraction"], np.float64), block["cpm"]
        if not products.size:
            n_types = fraction.shape[1]
            squares = np.zeros((n_references, n_types, n_types))
            products = np.zeros((n_references, n_types, cpm.shape[1]))
        for reference in range(n_references):
            own = block["source"] == reference
            squares[reference] += fraction[own].T @ fraction[own]
            products[reference] += fraction[own].T @ cpm[own]
    profiles = np.full_like(products, np.nan)
    for reference in range(len(products)):
        there = np.flatnonzero(np.diag(squares[reference]) > 0)
        part = squares[reference][np.ix_(there, there)]
        part = part + 1e-6 * np.trace(part) * np.eye(len(there))
        if len(there):
            profiles[reference, there] = np.linalg.solve(part, products[reference, there])
    return np.maximum(profiles, 0)


def _mean(profiles: Array) -> Array:
    """Average over the references that have the type: (cell_type, gene)."""
    n_seen = np.isfinite(profiles).sum(axis=0)
    return np.asarray(np.nansum(profiles, axis=0) / np.maximum(n_seen, 1))


def _between_references(profiles: Array) -> Array:
    """Take the relative variance of a type's profile between references: (gene,)."""
    logs = np.log(profiles + OFFSET_CPM)
    n_seen = np.isfinite(logs).sum(axis=0)
    deviation = logs - _mean(logs)
    n_free = np.maximum(n_seen - 1, 0).sum(axis=0)
    return np.asarray(np.nansum(deviation**2, axis=(0, 1)) / np.maximum(n_free, 1))


def _spread_rows(training: Iterable[Block], n_rows: int, gene: Array) -> Array:
    """Take rows spread over all blocks: no part of the store is left out."""
    wanted = np.unique(np.linspace(0, n_rows - 1, min(n_rows, N_ROWS)).round().astype(np.int64))
    rows, start = [], 0
    for block in training:
        stop = start + len(block["source"])
        own = wanted[(wanted >= start) & (wanted < stop)] - start
        rows.append(block["cpm"][np.ix_(own, gene)].astype(np.float64))
        start = stop
    return np.concatenate(rows)


def _with_variance(fitted: novelty.Novelty, cpm: Array) -> novelty.Novelty:
    """Regress squared residuals on the mix."""
    mix = fitted.fit_mix(cpm)
    squares = (cpm - mix @ fitted.profile) ** 2
    normal = mix.T @ mix
    normal += 1e-3 * len(mix) * np.eye(len(normal))
    variance = np.linalg.solve(normal, mix.T @ squares)
    return dataclasses.replace(fitted, variance=np.maximum(variance, 0.02 * squares.mean(axis=0)))
