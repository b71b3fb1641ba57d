"""What can be trusted: statements computed from a result's numbers, each with its level."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from bluebatch.downstream import page_flags, page_heatmaps, page_taken
from bluebatch.downstream.flags import REASONS
from bluebatch.downstream.page_content import Level, Statement
from bluebatch.downstream.page_facts import Facts

# Each pair: good from the first on, careful from the second on. They are for orientation alone.
COVERAGE = (0.9, 0.7)
FLAGGED = (0.0, 0.1)
WIDTH = (0.1, 0.25)
SKILLED = (0.3, 0.1)
AGREEMENT = (0.8, 0.5)
PRESENT = 0.1
SHORT = (0.03, 0.15)
MOST = 0.5


def judge(facts: Facts, flags: page_flags.Flags, evaluation: dict[str, Any]) -> list[Statement]:
    """Say in plain words what holds and what does not.

    Parameters
    ----------
    facts : Facts
        The result's numbers.
    flags : page_flags.Flags
        Its flags.
    evaluation : dict
        Scores against a truth; empty without.

    Returns
    -------
    list of Statement
        In the order in which they should be read.
    """
    if facts.kind == "profile":
        found = [_of_genes(facts), _of_samples(facts, flags), _of_intervals(facts)]
        found.append(_beyond_training(_of_skill(facts), flags))
    else:
        found = page_taken.judge(facts)
    found += [*_of_types(facts), *_of_truth(evaluation)]
    if facts.notes:
        found.append(Statement("careful", "inputs", f"{'; '.join(facts.notes)}."))
    return found


def sum_up(statements: Sequence[Statement]) -> str:
    """Put the levels of all statements into a sentence.

    Parameters
    ----------
    statements : sequence of Statement
        From `judge`.

    Returns
    -------
    str
        A sentence.
    """
    subjects = {
        level: [each.subject for each in statements if each.level == level]
        for level in ("good", "careful", "poor", "unknown")
    }
    parts = []
    for level, words in (
        ("poor", "Do not rely on: {}."),
        ("careful", "Take care with: {}."),
        ("good", "Looks sound: {}."),
        ("unknown", "Cannot be judged here: {}."),
    ):
        if subjects[level]:
            parts.append(words.format(", ".join(subjects[level])))
    return " ".join(parts)


def how_to_read() -> str:
    """Tell where the levels end, and what they do not say.

    Returns
    -------
    str
        A paragraph.
    """
    return (
        "Levels are plain thresholds, for orientation. Sound: from "
        f"{COVERAGE[0]:.0%} of the genes measured; no more samples flagged than chance explains; "
        f"in every type a median interval of at most {WIDTH[0]:g}, and a skill above "
        f"{page_heatmaps.USABLE:g} for at least {SKILLED[0]:.0%} of the genes; a mean concordance "
        f"from {AGREEMENT[0]:g}. Poor: below {COVERAGE[1]:.0%}, over {FLAGGED[1]:.0%} more, above "
        f"{WIDTH[1]:g}, below {SKILLED[1]:.0%}, below {AGREEMENT[1]:g}. Skill and limits were "
        "measured on held-out pseudobulks of the training studies: real samples, and other "
        "studies above all, can be worse than these numbers say."
    )


def interval_text(facts: Facts) -> str:
    """Say what the intervals are meant to hold.

    Parameters
    ----------
    facts : Facts
        With the level among the attributes.

    Returns
    -------
    str
        A sentence.
    """
    level, source = (facts.attributes.get(name) for name in ("level", "calibrated_on"))
    share = f" {level:.0%}" if isinstance(level, int | float) else ""
    measured = f", calibrated on {source}" if source else ""
    return f"Each proportion has a{share} interval for the true fraction of cells{measured}."


def _level(value: float, limits: tuple[float, float], *, more_is_better: bool) -> Level:
    if not np.isfinite(value):
        return "unknown"
    good, careful = limits
    sign = 1 if more_is_better else -1
    if sign * value >= sign * good:
        return "good"
    return "careful" if sign * value >= sign * careful else "poor"


def _of_genes(facts: Facts) -> Statement:
    share = facts.measures["gene_coverage"]
    known = share[np.isfinite(share)]
    middle = float(np.median(known)) if len(known) else np.nan
    n_genes, n_missing = (facts.attributes.get(f"n_{name}_genes") for name in ("panel", "missing"))
    if not len(known):
        return Statement("unknown", "genes", "How much was measured is not known.")
    text = f"In the median sample {middle:.0%} of the genes that the model reads were measured"
    if isinstance(n_genes, int) and isinstance(n_missing, int):
        text += f" ({n_missing:,} of {n_genes:,} are not in the cohort at all)"
    if len(known) and known.min() < known.max():
        text += f"; {known.min():.0%} in the worst sample"
    level = _level(middle, COVERAGE, more_is_better=True)
    coverage = facts.marker_coverage()
    if coverage:
        worst = min(coverage, key=lambda name: coverage[name])
        text += f". The least covered markers are those of {worst}, {coverage[worst]:.0%}"
        worst_level = _level(coverage[worst], COVERAGE, more_is_better=True)
        level = "careful" if level == "good" and worst_level != "good" else level
    return Statement(level, "genes", f"{text}.")


def _of_samples(facts: Facts, flags: page_flags.Flags) -> Statement:
    n_samples = len(facts.samples)
    if not flags.found:
        text = (
            "The results hold no flags, so samples unlike the reference cannot be told from the "
            "others: train and infer again with this version to have them."
        )
        return Statement("unknown", "samples", text)
    if not any(flag.n_judged for flag in flags.found.values()):
        return Statement("unknown", "samples", "No sample has a value to be judged by.")
    n_flagged = int(flags.any(n_samples).sum())
    counts = [f"{int(mine.sum()):,} {REASONS[name]}" for name, mine in flags.beyond.items()]
    by_chance = np.nan_to_num(flags.expected())
    level = _level(n_flagged / max(1, n_samples) - by_chance, FLAGGED, more_is_better=False)
    if n_flagged:
        text = f"{n_flagged:,} of {n_samples:,} samples are flagged: {', '.join(counts)}."
    else:
        text = f"None of {n_samples:,} samples is flagged."
    if by_chance:
        text += f" Of samples like those of the training up to {by_chance:.1%} are, by chance."
    if flags.absent:
        missing = ", ".join(page_flags.title(name) for name in flags.absent)
        text += f" Without a limit, so not judged: {missing}."
    return Statement(level, "samples", text)


def _of_intervals(facts: Facts) -> Statement:
    if facts.interval is None:
        text = (
            "The results hold no intervals, so how far a single proportion may be off is not "
            "known: calibrate the model and infer again to have them."
        )
        return Statement("unknown", "proportions", text)
    low, high = facts.interval
    width = _median_of_types(high - low)
    if not np.isfinite(width).any():
        return Statement("unknown", "proportions", "No sample has an interval.")
    best, worst = int(np.nanargmin(width)), int(np.nanargmax(width))
    level = _level(float(width[worst]), WIDTH, more_is_better=False)
    text = (
        f"{interval_text(facts)} Half of them are narrower than {width[best]:.3f} for "
        f"{facts.cell_types[best]} and {width[worst]:.3f} for {facts.cell_types[worst]}, the "
        "widest of the types; smaller differences between two samples may be chance."
    )
    return Statement(level, "proportions", text)


def _of_skill(facts: Facts) -> Statement:
    if facts.skill is None:
        text = (
            "The results do not tell which genes can be predicted: without skill, take profiles "
            "for the training mean unless you know better."
        )
        return Statement("unknown", "profiles", text)
    share = page_heatmaps.shares(facts.skill, page_heatmaps.USABLE)
    if not np.isfinite(share).any():
        return Statement("unknown", "profiles", "Skill was measured for no gene.")
    best, worst = int(np.nanargmax(share)), int(np.nanargmin(share))
    level = _level(float(share[worst]), SKILLED, more_is_better=True)
    poor = [name for name, value in zip(facts.cell_types, share, strict=True) if value < SKILLED[1]]
    text = (
        f"Skill on held-out pseudobulks is above {page_heatmaps.USABLE} for "
        f"{share[best]:.0%} of the genes in {facts.cell_types[best]} and for {share[worst]:.0%} "
        f"in {facts.cell_types[worst]}. All other genes are the training mean and little else: "
        "mask them before comparing samples."
    )
    if poor:
        text += f" Hardly any gene can be compared in {', '.join(poor)}."
    return Statement(level, "profiles", text)


def _beyond_training(statement: Statement, flags: page_flags.Flags) -> Statement:
    """Doubt what was held out where most samples are unlike it."""
    beyond = flags.beyond.get("domain_distance")
    if statement.level != "good" or beyond is None or beyond.mean() <= MOST:
        return statement
    text = f"{statement.text} Most samples here are unlike those that this was measured on."
    return dataclasses.replace(statement, level="careful", text=text)


def _of_types(facts: Facts) -> list[Statement]:
    presence = float(facts.attributes.get("presence", 0.01))
    known = np.isfinite(facts.proportion)
    n_known = np.maximum(1, known.sum(axis=0))
    present = (np.where(known, facts.proportion, 0) >= presence).sum(axis=0) / n_known
    rare = [
        f"{name} ({share:.0%})"
        for name, share in zip(facts.cell_types, present, strict=True)
        if share < PRESENT and known.any()
    ]
    n_empty = int((~known.any(axis=1)).sum()) if facts.cell_types else 0
    found = []
    if rare:
        below = "there is no profile, and " if facts.kind == "profile" else ""
        text = (
            f"At {presence:.0%} or more only in few samples: {', '.join(rare)}. Below that "
            f"{below}the proportion is hard to tell from none."
        )
        found.append(Statement("careful", "rare types", text))
    if n_empty:
        why = ": nothing of the panel was measured there" if facts.kind == "profile" else ""
        text = f"{n_empty:,} samples have no proportions{why}."
        found.append(Statement("poor", "empty samples", text))
    return found


def _of_truth(evaluation: dict[str, Any]) -> list[Statement]:
    scores = evaluation.get("proportion", {})
    agreement = scores.get("model", {}).get("mean_of_types", {}).get("ccc")
    if agreement is None:
        return []
    flattened = {
        name: scores.get(name, {}).get("flattened", {}).get("ccc") for name in ("model", "constant")
    }
    text = (
        f"Against the truth given ({evaluation.get('n_samples', 0):,} samples) the mean over types "
        f"of the concordance (CCC) is {agreement:.2f}; a constant composition reaches 0."
    )
    if flattened["model"] is not None and flattened["constant"] is not None:
        text += (
            f" All types in one, the figure that is mostly printed, {flattened['model']:.2f}; "
            f"a constant {flattened['constant']:.2f}."
        )
    level = _level(agreement, AGREEMENT, more_is_better=True)
    return [Statement(level, "agreement with the truth", text), *_of_coverage(evaluation)]


def _of_coverage(evaluation: dict[str, Any]) -> list[Statement]:
    held = evaluation.get("intervals", {})
    coverage, nominal = held.get("mean_of_types", {}).get("coverage"), held.get("level")
    if coverage is None or nominal is None:
        return []
    text = (
        f"The {nominal:.0%} intervals hold the truth given in {coverage:.0%} of cases, mean over "
        "types."
    )
    level = _level(nominal - coverage, SHORT, more_is_better=False)
    return [Statement(level, "intervals against the truth", text)]


def _median_of_types(values: Any) -> Any:
    return np.array(
        [
            np.median(column[np.isfinite(column)]) if np.isfinite(column).any() else np.nan
            for column in values.T
        ]
    )
