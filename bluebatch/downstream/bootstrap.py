"""How far the headline scores of a small cohort may be luck: its samples drawn anew, many times."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from bluebatch.downstream import report
from bluebatch.expression import metrics

Array = npt.NDArray[Any]
LEVEL = 0.95
# Predictors of one evaluation are scored on the same draws.
SEED = 0
SHOWN = {
    ("mean_of_types", "ccc"): "CCC, mean of types",
    ("flattened", "ccc"): "CCC, flattened",
    ("flattened", "l1"): "L1",
}

# Kind of average -> score -> lower and upper end.
Intervals = dict[str, dict[str, tuple[float, float]]]


@dataclasses.dataclass(frozen=True)
class Bootstrap:
    """Percentile intervals of the headline scores, as a section of an evaluation.

    Parameters
    ----------
    n_samples, n_resamples : int
        Samples, and how often as many were drawn from them with replacement.
    level : float
        Share of the draws within an interval.
    intervals : dict
        Predictor -> ``mean_of_types`` and ``flattened`` -> ``ccc`` and ``l1`` -> both ends.
    """

    n_samples: int
    n_resamples: int
    level: float
    intervals: dict[str, Intervals]

    def as_dict(self) -> dict[str, Any]:
        """Give every number.

        Returns
        -------
        dict of str to Any
            JSON values; null where a score does not exist.
        """
        return {
            "n_resamples": self.n_resamples,
            "level": self.level,
            "proportion": {
                name: {
                    kind: {score: [_number(end) for end in ends] for score, ends in scores.items()}
                    for kind, scores in kinds.items()
                }
                for name, kinds in self.intervals.items()
            },
        }

    def as_lines(self) -> list[str]:
        """Write it for people.

        Returns
        -------
        list of str
            A table with one row a score and one column a predictor.
        """
        header = [
            f"proportions, {self.level:.0%} intervals over {self.n_samples:,} samples "
            f"({self.n_resamples:,} bootstrap resamples)"
        ]
        rows = [
            [label, *(_ends(kinds[kind][score]) for kinds in self.intervals.values())]
            for (kind, score), label in SHOWN.items()
        ]
        return header + report.align(["score", *self.intervals], rows)


def resample(fractions: Mapping[str, Array], n_resamples: int, level: float = LEVEL) -> Bootstrap:
    """Draw the samples anew with replacement, and score every predictor on each draw.

    Parameters
    ----------
    fractions : mapping of str to np.ndarray, shape (sample, cell_type)
        ``truth`` and predictors.
    n_resamples : int
        Draws.
    level : float
        Share of the draws within an interval.

    Returns
    -------
    Bootstrap
        Percentile intervals; a draw on which a score does not exist is left out of its interval.

    References
    ----------
    Efron B, Tibshirani RJ (1993). An Introduction to the Bootstrap, chapter 13.
    """
    truth = np.asarray(fractions["truth"])
    found: dict[str, dict[tuple[str, str], list[float]]] = {}
    for name, predicted in fractions.items():
        if name == "truth":
            continue
        rng = np.random.default_rng(SEED)
        drawn: dict[tuple[str, str], list[float]] = {}
        for _ in range(n_resamples):
            rows = rng.integers(len(truth), size=len(truth))
            for key, value in headline(predicted[rows], truth[rows]).items():
                drawn.setdefault(key, []).append(value)
        found[name] = drawn
    intervals = {name: _intervals(drawn, level) for name, drawn in found.items()}
    return Bootstrap(len(truth), n_resamples, level, intervals)


def headline(predicted: Array, truth: Array) -> dict[tuple[str, str], float]:
    """Compute the scores that get an interval.

    Parameters
    ----------
    predicted, truth : np.ndarray, shape (sample, cell_type)
        Fractions.

    Returns
    -------
    dict of (str, str) to float
        By kind of average and name of the score, as `metrics.score_fractions` computes them.
    """
    scores = {}
    for name in ("ccc", "l1"):
        score = metrics.FRACTION_SCORES[name]
        scores["mean_of_types", name] = metrics.mean_of(score(predicted, truth, 0))
        scores["flattened", name] = float(score(predicted, truth))
    return scores


def _intervals(drawn: Mapping[tuple[str, str], list[float]], level: float) -> Intervals:
    intervals: Intervals = {}
    tails = [(1 - level) / 2, (1 + level) / 2]
    for (kind, score), values in drawn.items():
        known = np.asarray(values)[np.isfinite(values)]
        low, high = np.quantile(known, tails) if known.size else (np.nan, np.nan)
        intervals.setdefault(kind, {})[score] = float(low), float(high)
    return intervals


def _ends(ends: tuple[float, float]) -> str:
    return " to ".join(report.show(end) for end in ends)


def _number(value: float) -> float | None:
    return value if np.isfinite(value) else None
