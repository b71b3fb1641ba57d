"""Mean predicted profiles of the cell types beside true ones, across genes."""

import dataclasses
import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from bluebatch.downstream import group_means, report
from bluebatch.expression import metrics

Array = npt.NDArray[Any]
N_SHOWN = 300


@dataclasses.dataclass(frozen=True)
class MeanProfiles:
    """One profile a cell type from each side.

    Parameters
    ----------
    title : str
        What the truth is.
    cell_types, genes : list of str
        Labels.
    truth : np.ndarray, shape (cell_type, gene)
        Log2(1 + CPM).
    predictors : dict of str to np.ndarray, shape (cell_type, gene)
        ``model``, and where there is a model folder ``training mean``.
    notes : list of str
        What is not compared, and why.
    """

    title: str
    cell_types: list[str]
    genes: list[str]
    truth: Array
    predictors: dict[str, Array]
    notes: list[str] = dataclasses.field(default_factory=list)

    def scores(self) -> dict[str, dict[str, dict[str, float]]]:
        """Correlate across genes, as they are and after the mean over types is taken off.

        Returns
        -------
        dict
            Predictor -> cell type -> ``r`` and ``specific_r``.
        """
        rest = specific(self.truth)
        found = {}
        for name, predicted in self.predictors.items():
            r = metrics.pearson(predicted, self.truth, axis=1)
            specific_r = metrics.pearson(specific(predicted), rest, axis=1)
            found[name] = {
                cell_type: {"r": float(r[index]), "specific_r": float(specific_r[index])}
                for index, cell_type in enumerate(self.cell_types)
            }
        return found

    def as_dict(self) -> dict[str, Any]:
        """Give every number but the profiles themselves.

        Returns
        -------
        dict of str to Any
            Title, number of genes, and scores with their means over types.
        """
        scores = self.scores()
        means = {
            name: {score: report.mean_score(scores, name, score) for score in ("r", "specific_r")}
            for name in scores
        }
        return {
            "against": self.title,
            "n_genes": len(self.genes),
            "scores": scores,
            "mean_of_types": means,
        }

    def as_lines(self) -> list[str]:
        """Lay the scores out in a table.

        Returns
        -------
        list of str
            A heading and the table.
        """
        scores = self.scores()
        columns = [(score, name) for score in ("r", "specific_r") for name in scores]
        words = {"r": "r", "specific_r": "r beyond the mean of types"}
        header = ["cell type", *(f"{words[score]}: {name}" for score, name in columns)]
        rows = [
            [cell_type, *(report.show(scores[name][cell_type][score]) for score, name in columns)]
            for cell_type in self.cell_types
        ]
        last = [report.show(report.mean_score(scores, name, score)) for score, name in columns]
        rows.append(["mean of types", *last])
        heading = f"mean profiles against {self.title}: {len(self.genes):,} genes, across genes"
        return [heading, *report.align(header, rows)]

    def as_frame(self) -> pd.DataFrame:
        """List every gene of every type.

        Returns
        -------
        pd.DataFrame
            ``cell_type``, ``gene``, ``true``, and a column for each predictor.
        """
        sides = {"true": self.truth, **self.predictors}
        return pd.DataFrame(
            {
                "cell_type": np.repeat(self.cell_types, len(self.genes)),
                "gene": np.tile(self.genes, len(self.cell_types)),
                **{name: values.ravel() for name, values in sides.items()},
            }
        )


def specific(profiles: Array) -> Array:
    """Take the mean over cell types off.

    Parameters
    ----------
    profiles : np.ndarray, shape (cell_type, gene)
        Log2(1 + CPM), or differences of it.

    Returns
    -------
    np.ndarray, shape (cell_type, gene)
        What tells the types apart; NaN where a type has none.
    """
    there = np.isfinite(profiles).any(axis=1)
    if not there.any():
        return np.full(np.shape(profiles), math.nan)
    return np.asarray(profiles - profiles[there].mean(axis=0))


def marker_order(profiles: Array, n_shown: int = N_SHOWN) -> Array:
    """Choose the genes that tell the types apart most, grouped by type.

    Parameters
    ----------
    profiles : np.ndarray, shape (cell_type, gene)
        Log2(1 + CPM).
    n_shown : int
        Genes in all, as many a type.

    Returns
    -------
    np.ndarray of int
        Genes of the first type, highest above the mean of the types first, then of the next. A
        gene stands with the type in which it is highest.
    """
    rest = np.nan_to_num(specific(profiles), nan=-np.inf)
    highest = rest.argmax(axis=0)
    per_type = math.ceil(n_shown / len(profiles))
    chosen = []
    for index, values in enumerate(rest):
        own = np.flatnonzero((highest == index) & (values > 0))
        chosen.append(own[np.argsort(-values[own], kind="stable")][:per_type])
    return np.concatenate(chosen)[:n_shown]


def of_truth(means: group_means.GroupMeans, training: Array | None) -> MeanProfiles | None:
    """Compare with the mean true profiles of the same samples.

    Parameters
    ----------
    means : group_means.GroupMeans
        Of one group or several, which are put together.
    training : np.ndarray, shape (cell_type, gene), optional
        Mean training profiles of the same types and genes.

    Returns
    -------
    MeanProfiles or None
        Types without a sample are left out; None where none is left.
    """
    pooled = means.pooled()
    kept = np.flatnonzero(pooled.n_samples[0] > 0)
    if not len(kept):
        return None
    predictors = {"model": pooled.means["model"][0, kept]}
    if training is not None:
        predictors["training mean"] = training[kept]
    left = [name for index, name in enumerate(means.cell_types) if index not in kept]
    return MeanProfiles(
        "the true mean profiles of the samples",
        [means.cell_types[index] for index in kept],
        means.genes,
        pooled.means[group_means.TRUTH][0, kept],
        predictors,
        [f"no mean profile of {', '.join(left)}: no sample has enough cells"] if left else [],
    )
