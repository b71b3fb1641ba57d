"""An evaluation that the user made, read for the page."""

import dataclasses
import json
from typing import Any

from bluebatch import errors
from bluebatch.downstream.page_content import Row, Table
from bluebatch.store import places

JSON_FILE = "evaluation.json"
PICTURE = "evaluation"
PREDICTORS = ("model", "weighted NNLS", "NNLS", "constant")
# What an evaluation may hold beside proportions and profiles: its key, its heading.
PARTS = {
    "mean_profile": "Mean profiles",
    "sorted_cells": "Mean profiles against sorted cells",
    "contrast": "Differences between groups",
}
WORDS = {"specific_r": "r beyond the mean of types", "median_r": "r"}
SCORES = {"ccc": "CCC", "l1": "L1", "r": "r"}


@dataclasses.dataclass(frozen=True)
class Found:
    """An evaluation as it was found.

    Parameters
    ----------
    content : dict
        Of ``evaluation.json``; empty where none was given.
    digest : str
        Of the results that it scores; empty where it does not say.
    images : list of tuple of str and bytes
        Titles and PNG files that stand beside it.
    """

    content: dict[str, Any]
    digest: str
    images: list[tuple[str, bytes]]


def read(path: str | places.Place | None) -> Found:
    """Read an evaluation.

    Parameters
    ----------
    path : str, pathlib.Path, upath.UPath or None
        The folder that `bluebatch evaluate` wrote to, or its ``evaluation.json``.

    Returns
    -------
    Found
        Empty without a path.

    Raises
    ------
    errors.MissingInputError
        If there is no evaluation.
    errors.ForeignStoreError
        If the file is something else.
    """
    if path is None:
        return Found({}, "", [])
    file = places.place(path)
    with places.reached(path):
        file = file / JSON_FILE if file.is_dir() else file
        if not file.exists():
            raise errors.MissingInputError(
                f"{file}: there is no evaluation. Give the folder that `bluebatch evaluate` wrote "
                "to, or leave --evaluation out."
            )
        text = file.read_bytes()
    try:
        content = json.loads(text)
        kind = content.get("kind")
    except (ValueError, AttributeError) as error:
        raise errors.ForeignStoreError(
            f"{file}: is not the JSON of an evaluation. Give what `bluebatch evaluate` wrote."
        ) from error
    if kind != "evaluation":
        raise errors.ForeignStoreError(
            f"{file}: is of the kind {kind!r}, needed: 'evaluation'. Give what `bluebatch "
            "evaluate` wrote."
        )
    digest = content.get("made_from", {}).get("results", {}).get("digest", "")
    return Found(content, str(digest), _images(file, content))


def tables(content: dict[str, Any]) -> list[Table]:
    """Lay the scores out by cell type.

    Parameters
    ----------
    content : dict
        Of ``evaluation.json``.

    Returns
    -------
    list of Table
        One of proportions, one of profiles for each subset of the samples.
    """
    found = [_proportions(content)]
    for subset, predictors in (content.get("profile") or {}).items():
        found.append(_profiles(content, str(subset), predictors))
    found += [_part(content, name) for name in PARTS if (content.get(name) or {}).get("scores")]
    if content.get("intervals"):
        found.append(_intervals(content["intervals"]))
    return found


def _images(file: places.Place, content: dict[str, Any]) -> list[tuple[str, bytes]]:
    headings = {PICTURE: "Proportions and profiles", **PARTS}
    found = []
    for name, heading in headings.items():
        picture = file.parent / f"{name}.png"
        if (name == PICTURE or name in content) and picture.exists():
            found.append((heading, picture.read_bytes()))
    return found


def _proportions(content: dict[str, Any]) -> Table:
    scores = content.get("proportion") or {}
    columns = [
        (score, name)
        for score in SCORES
        for name in PREDICTORS
        if name in scores and (score, name) != ("r", "constant")
    ]
    rows: list[Row] = [
        (
            cell_type,
            *(scores[name]["per_type"].get(score, {}).get(cell_type) for score, name in columns),
        )
        for cell_type in content.get("cell_types") or []
    ]
    for label, key in (("mean of types", "mean_of_types"), ("flattened", "flattened")):
        rows.append((label, *(scores[name].get(key, {}).get(score) for score, name in columns)))
    names = [f"{SCORES[score]} {name}" for score, name in columns]
    return Table(
        "evaluation_proportions",
        "Proportions against the truth",
        ["cell type", *names],
        rows,
        f"{content.get('n_samples', 0):,} samples. CCC: Lin's concordance; L1: mean absolute "
        "error; constant: the same composition for every sample.",
    )


def _profiles(content: dict[str, Any], subset: str, predictors: dict[str, Any]) -> Table:
    names = list(predictors)
    rows: list[Row] = []
    for cell_type in content.get("cell_types") or []:
        of_type = {name: predictors[name].get(cell_type, {}) for name in names}
        n_samples = of_type.get("model", {}).get("n_samples")
        skill = [of_type[name].get("skill") for name in names]
        r = [of_type[name].get("median_r") for name in names]
        rows.append((cell_type, None if n_samples is None else int(n_samples), *skill, *r))
    words = "all samples" if subset == "all" else f"samples with {subset}"
    plain = "".join(letter if letter.isalnum() else "_" for letter in subset)
    heads = [f"{score} {name}" for score in ("skill", "r") for name in names]
    return Table(
        f"evaluation_profiles_{plain}",
        f"Profiles against the truth, {words}",
        ["cell type", "samples", *heads],
        rows,
        "Skill: 1 - MSE / MSE of the mean training profile; r: median over genes of the "
        "correlation across samples.",
    )


def _part(content: dict[str, Any], name: str) -> Table:
    part = content[name]
    scores = part["scores"]
    kinds = list(
        dict.fromkeys(kind for each in scores.values() for s in each.values() for kind in s)
    )
    columns = [(kind, predictor) for kind in kinds for predictor in scores]
    rows: list[Row] = [
        (cell_type, *(scores[who].get(cell_type, {}).get(kind) for kind, who in columns))
        for cell_type in content.get("cell_types") or []
    ]
    means = part.get("mean_of_types") or {}
    rows.append(("mean of types", *(means.get(who, {}).get(kind) for kind, who in columns)))
    heads = [f"{WORDS.get(kind, kind.replace('_', ' '))} {who}" for kind, who in columns]
    against = f" ({part['against']})" if part.get("against") else ""
    groups = f"{part['column']}: {part['against']} minus {part['base']}. " if "base" in part else ""
    title = PARTS[name] + ("" if groups else against)
    caption = f"{groups}{part.get('n_genes', 0):,} genes."
    return Table(f"evaluation_{name}", title, ["cell type", *heads], rows, caption)


def _intervals(part: dict[str, Any]) -> Table:
    rows: list[Row] = [
        (name, each.get("n_samples"), each.get("coverage"), each.get("width"))
        for name, each in part["per_type"].items()
    ]
    means = part.get("mean_of_types") or {}
    rows.append(("mean of types", None, means.get("coverage"), means.get("width")))
    return Table(
        "evaluation_intervals",
        "Intervals against the truth",
        ["cell type", "samples", "share that holds the truth", "mean width"],
        rows,
        f"Meant to hold the truth: {part.get('level', 0):.0%}.",
    )
