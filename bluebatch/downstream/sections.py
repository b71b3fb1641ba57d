"""The further parts of an evaluation: mean profiles, contrasts, sorted cells, intervals."""

import dataclasses
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from bluebatch import errors
from bluebatch.downstream import (
    comparison,
    contrast,
    group_means,
    groups,
    mean_profiles,
    report,
    sorted_cells,
)
from bluebatch.store import genes

Array = npt.NDArray[Any]
MEAN_PROFILE, CONTRAST, SORTED_CELLS = "mean_profile", "contrast", "sorted_cells"


@dataclasses.dataclass(frozen=True)
class Asked:
    """What is compared beyond fractions and profiles, read and checked.

    Parameters
    ----------
    divided : groups.Groups or None
        The groups of a contrast.
    sorted_profiles : pd.DataFrame or None
        Profiles of sorted cells.
    title : str
        What the sorted cells are called.
    """

    divided: groups.Groups | None = None
    sorted_profiles: pd.DataFrame | None = None
    title: str = ""


@dataclasses.dataclass(frozen=True)
class Wanted:
    """What is asked for beyond fractions and profiles.

    Parameters
    ----------
    contrast : str, optional
        Column that divides the samples.
    groups : sequence of str
        Its two values.
    samples : str or pathlib.Path, optional
        Table with the column.
    profiles : str or pathlib.Path, optional
        Table of sorted cells' profiles.
    scored : bool
        Whether profiles are scored at all.
    """

    contrast: str | None = None
    groups: Sequence[str] = ()
    samples: str | pathlib.Path | None = None
    profiles: str | pathlib.Path | None = None
    scored: bool = True


def prepare(pair: comparison.Pair, wanted: Wanted) -> Asked:
    """Read what the further parts need, before any work is done.

    Parameters
    ----------
    pair : comparison.Pair
        Results and truth.
    wanted : Wanted
        As it was asked for.

    Returns
    -------
    Asked
        Checked.

    Raises
    ------
    errors.BluebatchError
        If a table cannot be read or used, or the truth holds no profiles for a contrast.
    """
    if wanted.contrast is None and (wanted.groups or wanted.samples):
        raise errors.ConfigError(
            "--groups and --samples divide the samples of a contrast, and none is asked for. "
            "Name the column with --contrast."
        )
    chosen = None
    if wanted.contrast is not None:
        if pair.known.store is None or not wanted.scored:
            why = "profiles are left out" if not wanted.scored else "the truth is a table"
            raise errors.ConfigError(
                f"{pair.known.path}: --contrast needs true profiles of the samples, and {why}. "
                "Give a pseudobulk store as truth, without --proportions-only."
            )
        chosen = groups.read_groups(
            wanted.contrast, pair.known, pair.matched, wanted.samples, wanted.groups
        )
    if wanted.profiles is None:
        return Asked(chosen)
    measured = sorted_cells.read_profiles(wanted.profiles, pair.results.labels["cell_type"])
    return Asked(chosen, measured, pathlib.Path(wanted.profiles).name)


def measure(
    pair: comparison.Pair, asked: Asked, min_cells: int, *, scored: bool
) -> tuple[dict[str, report.Section], list[str]]:
    """Compare what was asked for.

    Parameters
    ----------
    pair : comparison.Pair
        Results and truth.
    asked : Asked
        From `prepare`.
    min_cells : int
        A sample counts for a type of which the truth has as many cells.
    scored : bool
        Whether the truth has profiles and they are wanted.

    Returns
    -------
    sections : dict of str to report.Section
        By their key in the JSON file.
    notes : list of str
        What is not compared, and why.
    """
    found: dict[str, mean_profiles.MeanProfiles | contrast.Contrast] = {}
    if scored:
        n_samples = len(pair.matched.samples)
        one_group = np.zeros(n_samples, dtype=int)
        member = one_group if asked.divided is None else asked.divided.member
        means = group_means.measure(pair, member, 1 if asked.divided is None else 3, min_cells)
        whole = mean_profiles.of_truth(means, _training(pair, means.genes))
        if whole is not None:
            found[MEAN_PROFILE] = whole
        if asked.divided is not None:
            found[CONTRAST] = contrast.between(means, asked.divided)
    if asked.sorted_profiles is not None:
        found[SORTED_CELLS] = sorted_cells.compare(
            pair.results, pair.matched, asked.sorted_profiles, pair.simple, asked.title
        )
    notes = [note for section in found.values() for note in section.notes]
    return dict(found), notes


def _training(pair: comparison.Pair, compared: list[str]) -> Array | None:
    if pair.simple is None:
        return None
    rows = [pair.simple.cell_types.index(name) for name in pair.matched.cell_types]
    columns = genes.match(compared, pair.simple.genes).index
    return np.asarray(pair.simple.fitted.mean, dtype=float)[rows][:, columns]
