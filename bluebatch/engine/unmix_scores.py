"""How good an unmixing model is on samples that it did not see."""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from bluebatch.engine import stream, task, unmix_settings
from bluebatch.expression import baselines, metrics, profile_scores
from bluebatch.store import read

# Half of the squared error around the mean profile sits in samples with fewer cells.
SKILL_CELLS = 25
HEADLINE = ("ccc", "l1")
LARGEST_FRACTION_SHIFT = 2e-3
SMALLEST_CORRELATION = 0.999

Float = npt.NDArray[np.float32]


def judge(
    learner: task.Task, store: read.Store, predict: task.Predict
) -> tuple[dict[str, Any], Float]:
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
    scores : dict
        By split: ``by_type`` and ``mean``; and ``headline``.
    skill : np.ndarray, shape (cell_type, gene)
        From test samples, or validation samples where there are none; NaN where there are neither.
    """
    scores: dict[str, Any] = {}
    labels = learner.card.labels
    skill = np.full((len(labels["cell_type"]), len(labels["gene"])), np.nan, np.float32)
    for name in ("validation", "test"):
        split = stream.Split(learner, store, name)
        if split.n_rows:
            scores[name], skill = _score(learner, store, split, predict)
            scores["headline"] = scores[name]["mean"]
    return scores, skill


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


def _score(
    learner: task.Task, store: read.Store, split: stream.Split, predict: task.Predict
) -> tuple[dict[str, Any], Float]:
    means = baselines.Baselines.from_arrays(learner.arrays).mean
    profiles = [profile_scores.ProfileScores(mean) for mean in means]
    fractions: list[tuple[Float, Float]] = []
    # Scored as it would be written, but for the types that are too rare to be written.
    reader = learner.bind(store, {"presence": 0.0})
    target = learner.card.facts["target"]
    for rows, kept in split.blocks:
        whole = learner.examples(store, rows)
        n_cells = store.read("n_cells", rows)
        for start in range(0, len(n_cells), unmix_settings.JUDGED_ROWS):
            some = slice(start, min(start + unmix_settings.JUDGED_ROWS, len(n_cells)))
            own = kept[(kept >= some.start) & (kept < some.stop)] - start
            truth = {name: array[some] for name, array in whole.items()}
            inputs = {"log_cpm": truth["log_cpm"]}
            found = reader.finish(predict(inputs), inputs)
            fractions.append((found[target][own], truth["fraction"][own]))
            for index, scores in enumerate(profiles):
                enough = own[n_cells[some][own, index] >= SKILL_CELLS]
                scores.add(found["profile"][enough, index], truth["profile"][enough, index])
    predicted, true = (np.concatenate(part) for part in zip(*fractions, strict=True))
    per_type, mean, flat = metrics.score_fractions(predicted, true)
    skill = np.stack([scores.skill_by_gene() for scores in profiles])
    summaries = [scores.summary() for scores in profiles]
    by_type = {
        name: {
            **{key: _number(values[index]) for key, values in per_type.items()},
            "skill": _number(summaries[index]["skill"]),
            "median_r": _number(summaries[index]["median_r"]),
        }
        for index, name in enumerate(learner.card.labels["cell_type"])
    }
    headline = {f"{key} of {target}, mean of types": _number(mean[key]) for key in HEADLINE}
    headline |= {f"{key} of {target}, flattened": _number(flat[key]) for key in HEADLINE}
    overall = metrics.mean_of(np.array([summary["skill"] for summary in summaries]))
    headline["skill of profiles, mean of types"] = _number(overall)
    judged = {"n_samples": split.n_rows, "by_type": by_type, "mean": headline}
    return judged, skill.astype(np.float32)


def _number(value: float) -> float | None:
    # JSON knows no NaN.
    return round(float(value), 5) if math.isfinite(value) else None
