"""How good an unmixing model is on samples that it did not see, and how sure it may be.

Validation samples calibrate the intervals and the deviations of profiles; test samples, which had
no part in that, score them.
"""

import dataclasses
import math
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from bluebatch.engine import (
    stream,
    task,
    unmix_intervals,
    unmix_novelty,
    unmix_profiles,
    unmix_settings,
    unmixing,
)
from bluebatch.expression import baselines, conformal, deviation, metrics, profile_scores
from bluebatch.store import read

# Half of the squared error around the mean profile sits in samples with fewer cells.
SKILL_CELLS = 25
HEADLINE = ("ccc", "l1")
LARGEST_FRACTION_SHIFT = 2e-3
SMALLEST_CORRELATION = 0.999

Float = npt.NDArray[np.float32]


@dataclasses.dataclass
class Judgement:
    """What held-out samples say of a model.

    Parameters
    ----------
    scores : dict
        By split: ``by_type`` and ``mean``; and ``headline``.
    arrays : dict of str to np.ndarray
        ``skill`` and ``spread`` (cell_type, gene), from test samples, or validation samples where
        there are none; ``calibration_score`` and ``calibration_variance`` from validation samples.
    facts : dict
        ``calibration``: on what the intervals are calibrated, and on how many samples; ``flags``,
        see `unmix_novelty.calibrate`.
    """

    scores: dict[str, Any]
    arrays: task.Arrays
    facts: dict[str, Any]


def judge(learner: task.Task, store: read.Store, predict: task.Predict) -> Judgement:
    """Score the members' mean on validation and test samples.

    Parameters
    ----------
    learner : task.Task
        Of the kind ``"unmix"``, with its baselines.
    store : read.Store
        Pseudobulks.
    predict : callable
        Maps a block of inputs to predictions.

    Returns
    -------
    Judgement
        Scores and calibrations.
    """
    labels = learner.card.labels
    unknown = np.full((len(labels["cell_type"]), len(labels["gene"])), np.nan, np.float32)
    found = Judgement({}, {"skill": unknown, "spread": unknown}, {})
    for name in ("validation", "test"):
        split = stream.Split(learner, store, name)
        if not split.n_rows:
            continue
        known = {**learner.arrays, **found.arrays}
        if name == "validation":
            known[unmix_profiles.FACTORS] = np.ones_like(unknown)
        sums = _Sums(type(learner)(learner.card, known), store)
        sums.add_all(split, predict)
        found.scores[name] = sums.summary()
        found.scores["headline"] = found.scores[name]["mean"]
        found.arrays |= sums.by_gene()
        if name == "validation":
            found.arrays |= sums.calibrations()
            on = {"on": unmix_intervals.PSEUDOBULKS, "n_samples": split.n_rows}
            found.facts["calibration"] = on
            found.facts |= unmix_novelty.calibrate(np.concatenate(sums.errors))
    return found


def agree(exact: task.Arrays, rounded: task.Arrays) -> bool:
    """Tell whether rounded predictions are as good as exact ones.

    Parameters
    ----------
    exact, rounded : dict of str to np.ndarray
        Predictions of the same samples.

    Returns
    -------
    bool
        True if no fraction moves by more than .002, and all but one gene in a hundred keep a
        correlation of .999 across samples.
    """
    shift = np.abs(exact["fraction"] - rounded["fraction"]).max()
    varies = exact["profile"].std(axis=0) > 1e-3
    kept = metrics.pearson(rounded["profile"], exact["profile"], axis=0)[varies]
    lowest = np.nanquantile(kept, 0.01) if len(kept) > 0 and len(exact["profile"]) > 2 else 1
    return bool(shift <= LARGEST_FRACTION_SHIFT and lowest >= SMALLEST_CORRELATION)


class _Sums:
    """One split, predicted as it would be written but for the types too rare to be written."""

    def __init__(self, learner: task.Task, store: read.Store) -> None:
        self._learner, self._store = learner, store
        self._types = learner.card.labels["cell_type"]
        self._target = learner.card.facts["target"]
        options = {"presence": 0.0, "profile_sd": unmix_profiles.FACTORS in learner.arrays}
        self._reader = cast(unmixing.Reader, learner.bind(store, options))
        means = baselines.Baselines.from_arrays(learner.arrays).mean
        self._profiles = [profile_scores.ProfileScores(mean) for mean in means]
        self._deviations = [deviation.DeviationScores(len(mean)) for mean in means]
        self._fractions: list[tuple[Float, ...]] = []
        self._ends: list[tuple[Float, ...]] = []
        self.errors: list[Float] = []

    def add_all(self, split: stream.Split, predict: task.Predict) -> None:
        for rows, kept in split.blocks:
            whole = self._learner.examples(self._store, rows)
            whole |= {name: self._store.read(name, rows) for name in ("proportion", "n_cells")}
            for start in range(0, rows.stop - rows.start, unmix_settings.JUDGED_ROWS):
                some = slice(start, start + unmix_settings.JUDGED_ROWS)
                truth = {name: array[some] for name, array in whole.items()}
                stop = start + len(truth["n_cells"])
                self._add(predict, truth, kept[(kept >= start) & (kept < stop)] - start)

    def _add(self, predict: task.Predict, truth: task.Arrays, own: stream.Indices) -> None:
        inputs = {"log_cpm": truth["log_cpm"]}
        predicted = predict(inputs)
        found = self._reader.finish(predicted, inputs)
        score = self._reader.compose(predicted).score(truth["proportion"])
        self._fractions.append((found[self._target][own], truth["fraction"][own], score[own]))
        self.errors.append(found["reconstruction_error"][own])
        if "proportion_low" in found:
            ends = found["proportion_low"], found["proportion_high"], truth["proportion"]
            self._ends.append(tuple(values[own] for values in ends))
        for index, scores in enumerate(self._profiles):
            enough = own[truth["n_cells"][own, index] >= SKILL_CELLS]
            pair = found["profile"][enough, index], truth["profile"][enough, index]
            scores.add(*pair)
            if "profile_sd" in found:
                sd = found["profile_sd"][enough, index]
                self._deviations[index].add(pair[0], sd, pair[1])

    def by_gene(self) -> task.Arrays:
        skill = np.stack([scores.skill_by_gene() for scores in self._profiles])
        # The last of the sums is that of squared errors.
        errors = [metrics.ratio(scores.sums[5], scores.n_samples) for scores in self._profiles]
        spread = np.sqrt(np.stack(errors))
        return {"skill": skill.astype(np.float32), "spread": spread.astype(np.float32)}

    def calibrations(self) -> task.Arrays:
        scores = np.concatenate([score for *_, score in self._fractions])
        factors = np.stack([each.factors() for each in self._deviations])
        return {
            conformal.SCORES: conformal.calibrate(scores).scores,
            unmix_profiles.FACTORS: factors.astype(np.float32),
        }

    def summary(self) -> dict[str, Any]:
        """Put the scores in JSON values."""
        predicted, true, score = (
            np.concatenate(each) for each in zip(*self._fractions, strict=True)
        )
        per_type, mean, flat = metrics.score_fractions(predicted, true)
        summaries = [scores.summary() for scores in self._profiles]
        per_type |= {
            key: np.array([each[key] for each in summaries]) for key in ("skill", "median_r")
        }
        per_type |= self._coverages()
        by_type = {
            name: {key: _number(values[index]) for key, values in per_type.items()}
            for index, name in enumerate(self._types)
        }
        headline = {f"{key} of {self._target}, mean of types": mean[key] for key in HEADLINE}
        headline |= {f"{key} of {self._target}, flattened": flat[key] for key in HEADLINE}
        headline["skill of profiles, mean of types"] = metrics.mean_of(per_type["skill"])
        headline |= {
            f"{key} at level {conformal.LEVEL:g}, mean of types": metrics.mean_of(per_type[key])
            for key in ("coverage", "profile_coverage")
            if key in per_type
        }
        numbers = {name: _number(value) for name, value in headline.items()}
        return {"n_samples": len(score), "by_type": by_type, "mean": numbers}

    def _coverages(self) -> dict[str, npt.NDArray[Any]]:
        """Tell how often intervals and deviations hold the truth that had no part in them."""
        found = {}
        if self._ends:
            ends = (np.concatenate(each) for each in zip(*self._ends, strict=True))
            covered = conformal.coverage(*ends)
            found = {key: covered[key] for key in ("coverage", "width")}
            within = [each.share_within() for each in self._deviations]
            found["profile_coverage"] = np.array(within)
        return found


def _number(value: float) -> float | None:
    # JSON knows no NaN.
    return round(float(value), 5) if math.isfinite(value) else None
