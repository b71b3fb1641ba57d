"""Predicted proportions beside the true ones, and every simple guess with them."""

from typing import Any

import numpy as np
import numpy.typing as npt

from bluebatch.downstream import truth, yardsticks
from bluebatch.expression import metrics, mixture
from bluebatch.store import read

Array = npt.NDArray[Any]
# Sums over the compared types that differ by more than this are not of one whole.
MAX_SUM_DIFFERENCE = 0.1


def compare(
    results: read.Store,
    known: truth.Truth,
    matched: truth.Match,
    simple: yardsticks.Yardsticks | None,
    bulk: yardsticks.Bulk | None,
) -> dict[str, Array]:
    """Lay predicted proportions beside the true ones.

    Parameters
    ----------
    results : read.Store
        Profile store.
    known : truth.Truth
        What is known.
    matched : truth.Match
        What is compared.
    simple : yardsticks.Yardsticks or None
        Baselines of the model.
    bulk : yardsticks.Bulk or None
        Expression of the samples.

    Returns
    -------
    dict of str to np.ndarray, shape (sample, cell_type)
        ``truth``, ``model`` and, where they can be had, ``constant``, ``NNLS`` and
        ``weighted NNLS``.
    """
    predicted = results.read("proportion").astype(np.float64)[matched.result_rows]
    fractions = {
        "truth": known.proportion[np.ix_(matched.truth_rows, matched.truth_types)],
        "model": predicted[:, matched.result_types],
    }
    if simple is not None:
        columns = [simple.cell_types.index(name) for name in matched.cell_types]
        constant = simple.fitted.composition[columns].astype(np.float64)
        fractions["constant"] = np.tile(constant, (len(predicted), 1))
        if bulk is not None:
            factor = yardsticks.factors(results.attributes, simple.cell_types)
            for name, rna in yardsticks.non_negative(simple, bulk).items():
                fractions[name] = mixture.proportion_from_rna(rna, factor)[:, columns]
    return fractions


def renormalise(fractions: dict[str, Array]) -> dict[str, Array]:
    """Divide every side by its sum over the compared types.

    Parameters
    ----------
    fractions : dict of str to np.ndarray, shape (sample, cell_type)
        Truth and predictors.

    Returns
    -------
    dict of str to np.ndarray, shape (sample, cell_type)
        Rows sum to 1; NaN where a row is 0.
    """
    return {
        name: metrics.ratio(values, values.sum(axis=1, keepdims=True))
        for name, values in fractions.items()
    }


def note_sums(fractions: dict[str, Array]) -> list[str]:
    """Say where the compared types are another part of the whole in the truth and the results.

    Parameters
    ----------
    fractions : dict of str to np.ndarray, shape (sample, cell_type)
        With ``truth`` and ``model``, not renormalised.

    Returns
    -------
    list of str
        One note, or none.
    """
    true, predicted = (metrics.mean_of(fractions[name].sum(axis=1)) for name in ("truth", "model"))
    if not abs(true - predicted) > MAX_SUM_DIFFERENCE:
        return []
    return [
        f"the compared types sum to {true:.2f} of the truth and {predicted:.2f} of the results "
        "on average: --renormalise compares them as parts of their sum"
    ]


def score(fractions: dict[str, Array]) -> dict[str, dict[str, Any]]:
    """Score every predictor.

    Parameters
    ----------
    fractions : dict of str to np.ndarray, shape (sample, cell_type)
        ``truth`` and predictors.

    Returns
    -------
    dict
        Predictor -> ``per_type`` (score -> array by cell type), ``mean`` and ``flattened``
        (score -> float).
    """
    scores = {}
    for name, predicted in fractions.items():
        if name != "truth":
            per_type, mean, flattened = metrics.score_fractions(predicted, fractions["truth"])
            scores[name] = {"per_type": per_type, "mean": mean, "flattened": flattened}
    return scores
