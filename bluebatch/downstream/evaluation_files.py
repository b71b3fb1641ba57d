"""The files of an evaluation: what it is made from, where it may stand, what is written."""

import io
import json
from typing import Any

import numpy.typing as npt

from bluebatch import errors
from bluebatch.downstream import (
    contrast,
    contrast_figure,
    evaluation_figure,
    figures,
    mean_profiles,
    profile_figures,
)
from bluebatch.downstream.report import Evaluation
from bluebatch.store import digests, files, model_folder, outputs, places, read

Array = npt.NDArray[Any]
JSON_FILE = "evaluation.json"
FIGURE_FILE = "evaluation.png"
# Of the table and the figure of each further part.
PREFIX = "evaluation_"


def made_from(**inputs: str | places.Place | None) -> dict[str, Any]:
    """Name the inputs with their digests.

    Parameters
    ----------
    **inputs : str, pathlib.Path, upath.UPath or None
        Path by what it was given as; None is left out. ``model`` is a folder, ``cohort`` must be
        a store of expression, the others are stores or tables.

    Returns
    -------
    dict
        ``path`` and ``digest`` of each.

    Raises
    ------
    errors.BluebatchError
        If one is not there, or the cohort is no store of expression.
    """
    found = {}
    for role, given in inputs.items():
        if given is not None:
            found[role] = {"path": str(given), "digest": _digest(role, places.place(given))}
    return found


def check(folder: places.Place, inputs: dict[str, Any], *, overwrite: bool) -> None:
    """Refuse to replace an evaluation of other inputs.

    Parameters
    ----------
    folder : pathlib.Path or upath.UPath
        Where the evaluation is to stand.
    inputs : dict
        Paths and digests of its inputs.
    overwrite : bool
        Whether anything may be replaced.

    Raises
    ------
    errors.OutputExistsError
        If an evaluation of something else, or a file that is none, stands there.
    """
    file = folder / JSON_FILE
    with places.reached(folder):
        if folder.is_file():
            raise errors.OutputExistsError(
                f"{folder}: is a file, needed: a folder. Give another --out."
            )
        if overwrite or not file.exists():
            return
        text = file.read_bytes()
    try:
        found = json.loads(text).get("made_from")
    except (ValueError, AttributeError):
        found = None
    if found != inputs:
        raise errors.OutputExistsError(
            f"{file}: an evaluation of other inputs stands there. "
            "Choose another --out, or give --overwrite to replace it."
        )


def write(folder: places.Place, evaluation: Evaluation, fractions: dict[str, Array]) -> None:
    """Write every score, and the figures with their tables.

    Parameters
    ----------
    folder : pathlib.Path or upath.UPath
        Where; made if it is not there.
    evaluation : Evaluation
        Scores.
    fractions : dict of str to np.ndarray, shape (sample, cell_type)
        ``truth`` and ``model``.
    """
    with outputs.whole_file(folder / JSON_FILE) as temporary:
        temporary.write_text(json.dumps(evaluation.as_dict(), indent=1) + "\n")
    figures.save(evaluation_figure.draw(evaluation, fractions), folder / FIGURE_FILE)
    for name, section in evaluation.sections.items():
        if isinstance(section, mean_profiles.MeanProfiles):
            drawn = profile_figures.draw(section)
        elif isinstance(section, contrast.Contrast):
            drawn = contrast_figure.draw(section)
        else:
            continue
        figures.save(drawn, folder / f"{PREFIX}{name}.png")
        text = io.StringIO()
        section.as_frame().to_csv(text, index=False, float_format="%.6g")
        with outputs.whole_file(folder / f"{PREFIX}{name}.csv") as temporary:
            temporary.write_text(text.getvalue())


def _digest(role: str, path: places.Place) -> str:
    if role == "model":
        path = path / model_folder.CARD_FILE
        with places.reached(path):
            return files.file_digest(path) if path.is_file() else ""
    if role == "cohort":
        read.open_store(path, "cohort", "pseudobulk")
    with places.reached(path):
        if path.is_file():
            return files.file_digest(path)
    return digests.of_store(path)
