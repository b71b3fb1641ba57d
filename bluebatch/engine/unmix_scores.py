"""How good an unmixing model is on samples that it did not see."""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from bluebatch.engine import stream, task
from bluebatch.expression import baselines, metrics, profile_scores
from bluebatch.store import read

# Half of the squared error around the mean profile sits in samples with fewer cells.
SKILL_CELLS = 25
HEADLINE = ("ccc", "l1")

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


def _score(
    learner: task.Task, store: read.Store, split: stream.Split, predict: task.Predict
) -> tuple[dict[str, Any], Float]:
    means = baselines.Baselines.from_arrays(learner.arrays).mean
    profiles = [profile_scores.ProfileScores(mean) for mean in means]
    fractions: list[tuple[Float, Float]] = []
    # Scored as it would be written, but for the types that are too rare to be written.
    reader = learner.bind(store, {"presence": 0.0})
    target = learner.card.facts["target"]
    for block in split.blocks:
        truth = learner.examples(store, block.rows)
        inputs = {"log_cpm": truth["log_cpm"]}
        found = reader.finish(predict(inputs), inputs)
        n_cells = store.read("n_cells", block.rows)
        fractions.append((found[target][block.kept], truth["fraction"][block.kept]))
        for index, scores in enumerate(profiles):
            kept = block.kept[n_cells[block.kept, index] >= SKILL_CELLS]
            scores.add(found["profile"][kept, index], truth["profile"][kept, index])
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
