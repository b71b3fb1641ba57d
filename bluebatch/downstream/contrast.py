"""Differences between two groups of samples, per cell type: predicted beside true."""

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from bluebatch import errors
from bluebatch.downstream import group_means, groups, mean_profiles, report
from bluebatch.expression import metrics

Array = npt.NDArray[Any]
# Genes of the largest true difference: their signs are compared.
N_CHANGED = 50
TOP = (20, 50)
SHARED = "shared"
SCORES = ("r", "spearman", "specific_r", "sign", *(f"precision_{k}" for k in TOP))
SHOWN = ("r", "specific_r", "sign", "precision_20")
WORDS = {
    "r": "r of the differences across genes",
    "specific_r": "the same beyond the mean of types",
    "sign": f"share of right signs among the {N_CHANGED} genes that truly differ most",
    "precision_20": "share of the 20 largest predicted differences among the 20 largest true ones",
}


@dataclasses.dataclass(frozen=True)
class Contrast:
    """Mean log2 differences, the second group minus the first.

    Parameters
    ----------
    column : str
        By which the samples are grouped.
    names : tuple of str
        The groups.
    cell_types, genes : list of str
        Labels.
    n_samples : np.ndarray of int, shape (2, cell_type)
        Samples behind each mean.
    truth : np.ndarray, shape (cell_type, gene)
        True differences.
    predictors : dict of str to np.ndarray, shape (cell_type, gene)
        ``model``; ``shared``, the mean of the model's differences over the types, for each type;
        ``bulk``, the samples' own; with a model folder ``closed form``.
    notes : list of str
        What is not compared, and why.
    """

    column: str
    names: tuple[str, str]
    cell_types: list[str]
    genes: list[str]
    n_samples: Array
    truth: Array
    predictors: dict[str, Array]
    notes: list[str] = dataclasses.field(default_factory=list)

    def scores(self) -> dict[str, dict[str, dict[str, float]]]:
        """Score every predictor.

        Returns
        -------
        dict
            Predictor -> cell type -> ``r``, ``spearman``, ``specific_r``, ``sign``,
            ``precision_20``, ``precision_50``; NaN where a score does not exist.
        """
        rest = mean_profiles.specific(self.truth)
        found: dict[str, dict[str, dict[str, float]]] = {}
        for name, predicted in self.predictors.items():
            beyond = mean_profiles.specific(predicted)
            found[name] = {
                cell_type: score(predicted[index], self.truth[index])
                | {"specific_r": float(metrics.pearson(beyond[index], rest[index]))}
                for index, cell_type in enumerate(self.cell_types)
            }
        return found

    def as_dict(self) -> dict[str, Any]:
        """Give every score.

        Returns
        -------
        dict of str to Any
            Groups, samples, scores by predictor and type, and their means over types.
        """
        scores = self.scores()
        return {
            "column": self.column,
            "base": self.names[0],
            "against": self.names[1],
            "n_genes": len(self.genes),
            "n_samples": {
                cell_type: {
                    name: int(self.n_samples[group, index]) for group, name in enumerate(self.names)
                }
                for index, cell_type in enumerate(self.cell_types)
            },
            "scores": scores,
            "mean_of_types": {
                name: {what: report.mean_score(scores, name, what) for what in SCORES}
                for name in scores
            },
        }

    def as_lines(self) -> list[str]:
        """Lay the scores out in tables.

        Returns
        -------
        list of str
            One table a score.
        """
        scores = self.scores()
        lines = [
            f"contrast by {self.column}: {self.names[1]} minus {self.names[0]}, "
            f"{len(self.genes):,} genes, mean log2 differences per cell type"
        ]
        for what in SHOWN:
            # Beyond the mean of types, what is one for all types is nothing.
            names = [n for n in scores if what != "specific_r" or n not in (SHARED, "bulk")]
            rows = [
                [cell_type, " + ".join(f"{n:,}" for n in self.n_samples[:, index])]
                + [report.show(scores[name][cell_type][what]) for name in names]
                for index, cell_type in enumerate(self.cell_types)
            ]
            means = [report.show(report.mean_score(scores, name, what)) for name in names]
            rows.append(["mean of types", "", *means])
            lines += ["", WORDS[what], *report.align(["cell type", "samples", *names], rows)]
        return lines

    def as_frame(self) -> pd.DataFrame:
        """List every gene of every type.

        Returns
        -------
        pd.DataFrame
            ``cell_type``, ``gene``, ``true``, and a column for each predictor; the genes of the
            largest predicted difference of a type first.
        """
        parts = []
        for index, cell_type in enumerate(self.cell_types):
            columns = {name: values[index] for name, values in self.predictors.items()}
            part = pd.DataFrame(
                {"cell_type": cell_type, "gene": self.genes, "true": self.truth[index], **columns}
            )
            largest = np.argsort(-np.abs(np.nan_to_num(columns["model"])), kind="stable")
            parts.append(part.iloc[largest])
        return pd.concat(parts, ignore_index=True)


def between(means: group_means.GroupMeans, chosen: groups.Groups) -> Contrast:
    """Take the difference of the two groups.

    Parameters
    ----------
    means : group_means.GroupMeans
        Whose first two groups are those chosen.
    chosen : groups.Groups
        Their names.

    Returns
    -------
    Contrast
        Types with fewer than two samples in a group are left out.

    Raises
    ------
    errors.LabelMismatchError
        If no type is left.
    """
    kept = np.flatnonzero((means.n_samples[:2] >= groups.MIN_SAMPLES).all(axis=0))
    left = [name for index, name in enumerate(means.cell_types) if index not in kept]
    if not len(kept):
        raise errors.LabelMismatchError(
            f"contrast by {chosen.column}: no cell type has {groups.MIN_SAMPLES} samples with "
            "enough true cells in both groups. Give more samples, or lower --min-cells."
        )
    differences = {name: values[1, kept] - values[0, kept] for name, values in means.means.items()}
    model = differences["model"]
    predictors = {"model": model, SHARED: np.tile(model.mean(axis=0), (len(kept), 1))}
    predictors |= {
        name: differences[name] for name in ("bulk", "closed form") if name in differences
    }
    few = f"contrast: {', '.join(left)} left out: too few samples with enough true cells"
    return Contrast(
        chosen.column,
        chosen.names,
        [means.cell_types[index] for index in kept],
        means.genes,
        means.n_samples[:2, kept],
        differences[group_means.TRUTH],
        predictors,
        chosen.notes + ([few] if left else []),
    )


def score(predicted: Array, truth: Array) -> dict[str, float]:
    """Score one cell type's differences.

    Parameters
    ----------
    predicted, truth : np.ndarray, shape (gene,)
        Log2 differences.

    Returns
    -------
    dict of str to float
        ``r`` and ``spearman`` across genes; ``sign``: the share of right signs among the 50 genes
        of the largest true difference; ``precision_20`` and ``precision_50``: the share of so many
        largest predicted differences that are among as many largest true ones, with their sign.
    """
    there = np.isfinite(predicted) & np.isfinite(truth)
    predicted, truth = predicted[there], truth[there]
    changed = _largest(truth, N_CHANGED)
    right = np.sign(predicted) == np.sign(truth)
    found = {
        "r": float(metrics.pearson(predicted, truth)),
        "spearman": float(metrics.spearman(predicted, truth)),
        "sign": metrics.mean_of(right[changed]),
    }
    for k in TOP:
        among = np.isin(_largest(predicted, k), _largest(truth, k))
        found[f"precision_{k}"] = metrics.mean_of(among & right[_largest(predicted, k)])
    return found


def _largest(values: Array, n: int) -> Array:
    """Find the genes of the largest absolute difference; those without any are none."""
    order: Array = np.argsort(-np.abs(values), kind="stable")[:n]
    return np.asarray(order[values[order] != 0])
