"""The numbers that a signature is fitted with: genes that differ, one component, one slope."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import scipy.stats

from bluebatch import errors
from bluebatch.downstream.signature_settings import SignatureSettings
from bluebatch.expression import markers

Array = npt.NDArray[Any]
# Genes whose moments are taken at a time, in float64.
BLOCK_GENES = 1000
N_NEWTON = 100
CONVERGED = 1e-12
# Below this area a component of the genes is hardly about the group.
POOR_AREA = 0.75


class Ranked(NamedTuple):
    """Genes by how much they differ between a group and the rest.

    Parameters
    ----------
    order : np.ndarray of int, shape (tested,)
        Columns by falling size of the t statistic; those that vary and lack no value.
    significant : np.ndarray of bool, shape (gene,)
        Whether the adjusted p is below the limit.
    t : np.ndarray of float64, shape (gene,)
        Welch's t, positive where the group is higher; NaN where not tested.
    """

    order: Array
    significant: Array
    t: Array


def select_genes(bulk: Array, inside: Array, max_q: float) -> Ranked:
    """Rank genes by Welch's test of a group against the rest.

    Parameters
    ----------
    bulk : np.ndarray, shape (patient, gene)
        Values of log2(1 + CPM); genes with NaN are not tested.
    inside : np.ndarray of bool, shape (patient,)
        The group.
    max_q : float
        Benjamini-Hochberg level.

    Returns
    -------
    Ranked
        Columns in order.
    """
    n_genes = bulk.shape[1]
    t, p = np.full(n_genes, np.nan), np.full(n_genes, np.nan)
    for start in range(0, n_genes, BLOCK_GENES):
        at = slice(start, start + BLOCK_GENES)
        block = np.asarray(bulk[:, at], np.float64)
        varies = block.std(axis=0) > 0
        varies &= (block[inside].std(axis=0) > 0) | (block[~inside].std(axis=0) > 0)
        columns = np.flatnonzero(varies) + start
        tested = scipy.stats.ttest_ind(
            block[inside][:, varies], block[~inside][:, varies], equal_var=False
        )
        t[columns], p[columns] = tested.statistic, tested.pvalue
    known = np.flatnonzero(np.isfinite(t))
    significant = np.zeros(n_genes, bool)
    if len(known):
        adjusted = markers.adjust_p(p[known])
        significant[known] = adjusted < max_q
    order = known[np.argsort(-np.abs(t[known]), kind="stable")]
    return Ranked(order, significant, t)


def choose(found: Ranked, name: str, settings: SignatureSettings) -> tuple[Array, list[str]]:
    """Choose a signature's genes.

    Parameters
    ----------
    found : Ranked
        Genes by how much they differ.
    name : str
        Group, for the messages.
    settings : SignatureSettings
        Fewest and most genes.

    Returns
    -------
    columns : np.ndarray of int
        Of the genes chosen, rising.
    notes : list of str
        Whether too few differ.

    Raises
    ------
    errors.ValuesError
        If no gene was tested.
    """
    n_tested, n_significant = len(found.order), int(found.significant.sum())
    if not n_tested:
        raise errors.ValuesError(
            f"signature {name}: no gene varies without NaN, needed: some. Check the cohort store."
        )
    n_genes = min(n_tested, max(settings.min_genes, min(settings.max_genes, n_significant)))
    notes = []
    if n_significant < settings.min_genes:
        notes.append(
            f"signature {name}: {n_significant:,} genes differ at q < {settings.max_q:g}; "
            f"the {n_genes:,} of largest t statistic stand in, so expect little of it"
        )
    # In the columns' order, so that the signature reads like its cohort.
    return np.sort(found.order[:n_genes]), notes


def first_component(matrix: Array) -> tuple[Array, float]:
    """Find the direction of largest variance.

    Parameters
    ----------
    matrix : np.ndarray of float64, shape (patient, gene)
        Centred.

    Returns
    -------
    loadings : np.ndarray of float64, shape (gene,)
        Of length 1; either sign.
    explained : float
        Share of the variance.
    """
    _, singular, rows = np.linalg.svd(matrix, full_matrices=False)
    return rows[0], float(singular[0] ** 2 / (singular**2).sum())


def logistic(score: Array, inside: Array, ridge: float) -> tuple[float, float]:
    """Regress a group on a score: the likelihood less half ``ridge`` times the squared slope.

    Parameters
    ----------
    score : np.ndarray of float64, shape (patient,)
        Of sd 1.
    inside : np.ndarray of bool, shape (patient,)
        The group; neither empty nor everybody.
    ridge : float
        Penalty; the intercept has none.

    Returns
    -------
    slope : float
        Per sd of the score; finite however well the score separates the group.
    intercept : float
        Log odds at score 0.
    """
    design = np.column_stack([score, np.ones(len(score))])
    share = inside.mean()
    beta = np.array([0.0, np.log(share / (1 - share))])
    penalty = np.array([ridge, 0.0])
    value = _penalised(design, beta, inside, ridge)
    for _ in range(N_NEWTON):
        probability = 1 / (1 + np.exp(-design @ beta))
        gradient = design.T @ (inside - probability) - penalty * beta
        weight = np.maximum(probability * (1 - probability), 1e-12)
        step = np.linalg.solve(design.T @ (design * weight[:, None]) + np.diag(penalty), gradient)
        # A full step may overshoot where most probabilities are near 0 or 1: halve it then.
        while _penalised(design, beta + step, inside, ridge) < value - CONVERGED:
            step = step / 2
        beta = beta + step
        value = _penalised(design, beta, inside, ridge)
        if np.abs(step).max() < CONVERGED:
            break
    return float(beta[0]), float(beta[1])


def area(score: Array, inside: Array) -> float:
    """Measure how well a score tells a group: the area under the ROC curve.

    Parameters
    ----------
    score : np.ndarray, shape (patient,)
        Higher where the group is expected.
    inside : np.ndarray of bool, shape (patient,)
        The group.

    Returns
    -------
    float
        Chance that one inside scores above one outside, ties by half.
    """
    ranks = scipy.stats.rankdata(score)
    n_inside, n_outside = int(inside.sum()), int((~inside).sum())
    above = ranks[inside].sum() - n_inside * (n_inside + 1) / 2
    return float(above / (n_inside * n_outside))


def note_area(found: float, name: str) -> list[str]:
    """Say where a signature tells its group poorly even where it was fitted.

    Parameters
    ----------
    found : float
        Area under the ROC curve in the discovery.
    name : str
        Of the group.

    Returns
    -------
    list of str
        One note, or none.
    """
    if found >= POOR_AREA:
        return []
    return [
        f"signature {name}: tells the group poorly even in the discovery (area under the ROC curve "
        f"{found:.2f}), so that little is to be expected of it elsewhere"
    ]


def _penalised(design: Array, beta: Array, inside: Array, ridge: float) -> float:
    logit = design @ beta
    likelihood = logit[inside].sum() - np.logaddexp(0, logit).sum()
    return float(likelihood - ridge / 2 * beta[0] ** 2)
