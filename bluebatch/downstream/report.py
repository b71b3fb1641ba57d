"""An evaluation as text and as JSON values."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import pandas as pd

SHOWN = {"ccc": "CCC", "l1": "L1", "r": "r"}


class Section(Protocol):
    """One more part of an evaluation."""

    def as_dict(self) -> dict[str, Any]:
        """Give every number."""

    def as_lines(self) -> list[str]:
        """Write it for people."""


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """Every score of one comparison.

    Parameters
    ----------
    cell_types : list of str
        Compared, in order.
    n_samples : int
        Compared.
    fractions : dict
        Predictor -> ``per_type`` (score -> array by cell type), ``mean`` and ``flattened``
        (score -> float).
    profiles : dict
        Subset of the samples -> predictor -> cell type -> score -> float; empty without profiles.
    n_genes : int
        Genes of the profiles.
    notes : list of str
        What is not compared, and why.
    settings, made_from : dict
        How, and of what.
    sections : dict
        What else was compared, by its key in the JSON file.
    """

    cell_types: list[str]
    n_samples: int
    fractions: dict[str, dict[str, Any]]
    profiles: dict[str, dict[str, dict[str, dict[str, float]]]]
    n_genes: int
    notes: list[str]
    settings: dict[str, Any]
    made_from: dict[str, Any]
    sections: dict[str, Section] = dataclasses.field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Give every number.

        Returns
        -------
        dict of str to Any
            JSON values; null where a score does not exist.
        """
        fractions = {
            name: {
                "per_type": {
                    score: dict(zip(self.cell_types, values, strict=True))
                    for score, values in scores["per_type"].items()
                },
                "mean_of_types": scores["mean"],
                "flattened": scores["flattened"],
            }
            for name, scores in self.fractions.items()
        }
        content = {
            "kind": "evaluation",
            "cell_types": self.cell_types,
            "n_samples": self.n_samples,
            "n_genes": self.n_genes,
            "proportion": fractions,
            "profile": self.profiles,
            **{name: section.as_dict() for name, section in self.sections.items()},
            "notes": self.notes,
            "settings": self.settings,
            "made_from": self.made_from,
        }
        values: dict[str, Any] = plain(content)
        return values

    def as_text(self) -> str:
        """Lay the scores out in tables.

        Returns
        -------
        str
            One table of proportions, and two of profiles for each subset of the samples.
        """
        parts = [
            f"proportions: {self.n_samples:,} samples, {len(self.cell_types)} cell types",
            *self._fraction_table(),
        ]
        least = self.settings.get("min_cells", 0)
        for subset, predictors in self.profiles.items():
            where = "" if subset == "all" else f", {subset}"
            samples = f"samples with >= {least} true cells of the type{where}"
            skill = "skill (0: the mean training profile)"
            parts += ["", f"profiles, {skill}: {self.n_genes:,} genes, {samples}"]
            parts += self._profile_table(predictors, "skill")
            parts += ["", f"profiles, median r of a gene across samples: {samples}"]
            parts += self._profile_table(predictors, "median_r")
        for section in self.sections.values():
            parts += ["", *section.as_lines()]
        if self.notes:
            parts += ["", *(f"note: {note}" for note in self.notes)]
        return "\n".join(parts)

    def _fraction_table(self) -> list[str]:
        columns = [(score, name) for score in SHOWN for name in self.fractions]
        # A constant has no correlation, so its column would be empty.
        columns = [column for column in columns if column != ("r", "constant")]
        names = [f"{SHOWN[score]} {name}" for score, name in columns]
        rows = [
            [cell_type]
            + [show(self.fractions[name]["per_type"][score][index]) for score, name in columns]
            for index, cell_type in enumerate(self.cell_types)
        ]
        for label, key in (("mean of types", "mean"), ("flattened", "flattened")):
            rows.append([label] + [show(self.fractions[n][key][score]) for score, n in columns])
        return align(["cell type", *names], rows)

    def _profile_table(
        self, predictors: Mapping[str, Mapping[str, Mapping[str, float]]], score: str
    ) -> list[str]:
        names = list(predictors)
        rows = []
        for cell_type in self.cell_types:
            values = [predictors[name].get(cell_type, {}).get(score, math.nan) for name in names]
            n_samples = predictors["model"].get(cell_type, {}).get("n_samples", 0)
            rows.append([cell_type, f"{int(n_samples):,}", *map(show, values)])
        rows.append(["mean of types", "", *(show(mean_score(predictors, n, score)) for n in names)])
        return align(["cell type", "samples", *names], rows)


def mean_score(
    predictors: Mapping[str, Mapping[str, Mapping[str, float]]], name: str, score: str
) -> float:
    """Average one predictor's score over the cell types that have it.

    Parameters
    ----------
    predictors : mapping
        Predictor -> cell type -> score -> float.
    name, score : str
        Which.

    Returns
    -------
    float
        NaN where no type has it.
    """
    values = [scores[score] for scores in predictors[name].values() if np.isfinite(scores[score])]
    return float(np.mean(values)) if values else math.nan


def align(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Set a table in columns: the first to the left, the rest to the right.

    Parameters
    ----------
    header : sequence of str
        Names of the columns.
    rows : sequence of sequence of str
        Cells.

    Returns
    -------
    list of str
        Lines.
    """
    table = [list(header), *map(list, rows)]
    widths = [max(len(row[column]) for row in table) for column in range(len(header))]
    return [
        "  ".join(
            cell.rjust(width) if column else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in table
    ]


def show(value: float) -> str:
    """Write a score.

    Parameters
    ----------
    value : float
        A score.

    Returns
    -------
    str
        With three decimals; a dash where there is none.
    """
    return f"{value:.3f}" if np.isfinite(value) else "-"


def plain(value: Any) -> Any:
    """Turn numbers of NumPy, tuples, paths and NaN into JSON values.

    Parameters
    ----------
    value : Any
        Nested.

    Returns
    -------
    Any
        The same with None for what is not finite.
    """
    if isinstance(value, Mapping):
        return {str(name): plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    if value is pd.NA or (isinstance(value, float) and not np.isfinite(value)):
        return None
    return value if value is None or isinstance(value, str | float | int) else str(value)
