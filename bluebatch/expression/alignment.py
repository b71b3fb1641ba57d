"""A cohort's genes brought to the scale of the training data: one shift a gene, no labels needed.

A platform that sees a gene twice as strongly does so in every sample of a cohort. What the mean
profiles, mixed by the predicted fractions of RNA, leave of a gene in most samples is therefore no
biology of a sample but the cohort's difference, and is taken off before the samples are predicted
again. A predictor that is shown an exact mixture does not quite answer with its fractions; left
alone, that error would be learnt as a shift and grow with every pass, so it is undone (`aim`).
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from bluebatch.expression import normalise

Array = npt.NDArray[Any]

# The median of fewer samples is mostly their own biology.
MIN_SAMPLES = 5
# Added to CPM before taking logarithms: a silent gene shows no shift.
PSEUDOCOUNT = 2.0
# A shift of n samples is taken n / (n + DOUBT) full.
DOUBT = 0.5
# How often the samples are predicted again. Flattened CCC on pseudobulks of an unseen study and on
# real blood, means of three small models: .905 and .870 with none, .949 and .867 with one, .959 and
# .865 with two, .961 and .859 with three. Without `aim`:
# .951 and .844, .956 and .810, .951 and .761.
PASSES = 2
# Largest factor by which `aim` moves a fraction.
LARGEST_CORRECTION = 4.0


def mixture(rna_fraction: Array, mean_cpm: Array) -> Array:
    """Mix mean profiles as samples of no difference would show them.

    Parameters
    ----------
    rna_fraction : np.ndarray, shape (sample, cell_type)
        Fractions of RNA.
    mean_cpm : np.ndarray, shape (cell_type, gene)
        Mean training profiles, CPM; NaN where a gene has none.

    Returns
    -------
    np.ndarray of float32, shape (sample, gene)
        Log2(1 + CPM); NaN where a gene has no mean profile.
    """
    return np.asarray(normalise.log_transform(_mix(rna_fraction, mean_cpm)), dtype=np.float32)


def aim(rna_fraction: Array, answered: Array) -> Array:
    """Find the fractions whose mixture a predictor answers with the given ones.

    Parameters
    ----------
    rna_fraction : np.ndarray, shape (sample, cell_type)
        Predicted fractions of RNA.
    answered : np.ndarray, shape (sample, cell_type)
        What was predicted from the `mixture` of these.

    Returns
    -------
    np.ndarray, shape (sample, cell_type)
        The fractions times the ratio of the cohort's means; rows sum to 1.
    """
    wanted, found = (np.asarray(each, np.float64) for each in (rna_fraction, answered))
    ratio = np.ones(wanted.shape[1])
    np.divide(wanted.mean(axis=0), found.mean(axis=0), out=ratio, where=found.mean(axis=0) > 0)
    moved = wanted * np.clip(ratio, 1 / LARGEST_CORRECTION, LARGEST_CORRECTION)
    return np.asarray(moved / moved.sum(axis=1, keepdims=True))


def surprise(log_cpm: Array, rna_fraction: Array, mean_cpm: Array) -> Array:
    """Measure what each sample shows of each gene beyond a mixture of mean profiles.

    Parameters
    ----------
    log_cpm : np.ndarray, shape (sample, gene)
        Samples as they were measured, log2(1 + CPM); NaN where a gene is not measured.
    rna_fraction : np.ndarray, shape (sample, cell_type)
        Predicted fractions of RNA.
    mean_cpm : np.ndarray, shape (cell_type, gene)
        Mean training profiles, CPM; NaN where a gene has none.

    Returns
    -------
    np.ndarray of float32, shape (sample, gene)
        Log2 ratios less their median over the sample's genes; NaN where one is not known.
    """
    mixed = _mix(rna_fraction, mean_cpm)
    found = _softened(log_cpm) - np.log2(mixed + PSEUDOCOUNT)
    return np.asarray(found - _median(found.T)[:, np.newaxis], dtype=np.float32)


def estimate(surprises: Array) -> Array:
    """Estimate the shift that a cohort's samples have in common.

    Parameters
    ----------
    surprises : np.ndarray, shape (sample, gene)
        From `surprise`.

    Returns
    -------
    np.ndarray of float32, shape (gene,)
        Log2 units, shrunk towards 0 by the number of samples; 0 where no sample measures the gene.
    """
    n_samples = np.isfinite(surprises).sum(axis=0)
    median = np.nan_to_num(_median(surprises), nan=0.0)
    return np.asarray(median * n_samples / (n_samples + DOUBT), dtype=np.float32)


def apply(log_cpm: Array, shift: Array) -> Array:
    """Take a shift off samples.

    Parameters
    ----------
    log_cpm : np.ndarray, shape (sample, gene)
        Log2(1 + CPM); NaN where a gene is not measured, which it stays.
    shift : np.ndarray, shape (gene,)
        From `estimate`.

    Returns
    -------
    np.ndarray of float32, shape (sample, gene)
        Log2(1 + CPM) as the training data would show the samples.
    """
    linear = np.exp2(_softened(log_cpm) - shift) - PSEUDOCOUNT
    return np.asarray(np.log2(np.maximum(linear, 0) + 1), dtype=np.float32)


def _mix(rna_fraction: Array, mean_cpm: Array) -> Array:
    """Sum part by part, in CPM: a matrix product's last bits hang on its shape and threads."""
    shares, means = (np.asarray(each, np.float64) for each in (rna_fraction, mean_cpm))
    total = np.zeros((len(shares), means.shape[1]))
    for cell_type, mean in enumerate(means):
        total += shares[:, cell_type, np.newaxis] * mean
    return total


def _softened(log_cpm: Array) -> Array:
    """Turn log2(1 + CPM) into log2(2 + CPM), in float64."""
    return np.asarray(np.log2(np.exp2(np.asarray(log_cpm, np.float64)) - 1 + PSEUDOCOUNT))


def _median(values: Array) -> Array:
    """Take the median along the first axis over what is known; NaN where nothing is."""
    known = np.isfinite(values).any(axis=0)
    median = np.full(values.shape[1], np.nan)
    median[known] = np.nanmedian(values[:, known], axis=0)
    return median
