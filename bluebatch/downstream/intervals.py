"""The intervals of a result against the truth: how often they hold it, and how wide they are."""

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt

from bluebatch.downstream import report, truth
from bluebatch.expression import conformal, metrics
from bluebatch.store import read

Array = npt.NDArray[Any]
LOW, HIGH = "proportion_low", "proportion_high"


@dataclasses.dataclass(frozen=True)
class Intervals:
    """Coverage and width by cell type.

    Parameters
    ----------
    level : float or None
        Share of true proportions that the intervals are meant to hold; None if it is not known.
    cell_types : list of str
        Labels.
    measured : dict
        As `measure` gives it.
    notes : list of str
        What is to be kept in mind.
    """

    level: float | None
    cell_types: list[str]
    measured: dict[str, Any]
    notes: list[str] = dataclasses.field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """Give every number.

        Returns
        -------
        dict of str to Any
            Level, scores by type, and their means.
        """
        per_type = {
            cell_type: {name: values[index] for name, values in self.measured["per_type"].items()}
            for index, cell_type in enumerate(self.cell_types)
        }
        return {"level": self.level, "per_type": per_type, "mean_of_types": self.measured["mean"]}

    def as_lines(self) -> list[str]:
        """Lay coverage and width out in a table.

        Returns
        -------
        list of str
            A heading and the table.
        """
        per_type, mean = self.measured["per_type"], self.measured["mean"]
        rows = [
            [
                cell_type,
                f"{int(per_type['n_samples'][index]):,}",
                report.show(per_type["coverage"][index]),
                report.show(per_type["width"][index]),
            ]
            for index, cell_type in enumerate(self.cell_types)
        ]
        rows.append(
            ["mean of types", "", report.show(mean["coverage"]), report.show(mean["width"])]
        )
        meant = "" if self.level is None else f", meant to hold {self.level:g} of the truth"
        header = ["cell type", "samples", "coverage", "mean width"]
        return [f"intervals of the proportions{meant}", *report.align(header, rows)]


def compare(
    results: read.Store, matched: truth.Match, true: Array, *, renormalise: bool
) -> Intervals | None:
    """Count how often the intervals hold the truth.

    Parameters
    ----------
    results : read.Store
        Profile store.
    matched : truth.Match
        What is compared.
    true : np.ndarray, shape (sample, cell_type)
        True proportions, as they are compared.
    renormalise : bool
        Whether predictions are divided by their sum over the compared types: both ends of an
        interval then are, too.

    Returns
    -------
    Intervals or None
        None where the results hold no intervals.
    """
    if not (results.has(LOW) and results.has(HIGH)):
        return None
    predicted, low, high = (
        results.read(name).astype(np.float64)[matched.result_rows][:, matched.result_types]
        for name in ("proportion", LOW, HIGH)
    )
    notes = []
    if renormalise:
        total = predicted.sum(axis=1, keepdims=True)
        low, high = metrics.ratio(low, total), metrics.ratio(high, total)
        notes = ["intervals: both ends are divided by the predicted sum over the compared types"]
    level = results.attributes.get("level")
    return Intervals(level, matched.cell_types, measure(low, high, true), notes)


def measure(low: npt.ArrayLike, high: npt.ArrayLike, truth: npt.ArrayLike) -> dict[str, Any]:
    """Count how often the truth lies within its interval, by type and on average.

    Parameters
    ----------
    low, high : array_like, shape (sample, cell_type)
        Ends of the intervals; NaN where there is none.
    truth : array_like, shape (sample, cell_type)
        On the same scale; NaN where it is not known.

    Returns
    -------
    dict of str to Any
        ``per_type``: ``coverage`` (share of samples within, ends included), ``width`` (mean) and
        ``n_samples``, arrays of shape (cell_type,) over samples with both interval and truth; NaN
        where there is none. ``mean``: means of ``coverage`` and ``width`` over the types for which
        they exist.
    """
    per_type = conformal.coverage(low, high, truth)
    mean = {name: metrics.mean_of(per_type[name]) for name in ("coverage", "width")}
    return {"per_type": per_type, "mean": mean}
