"""Every figure of a transfer, as PNG, SVG and PDF."""

from collections.abc import Iterator

import numpy as np
from matplotlib.figure import Figure

from bluebatch.downstream import (
    figures,
    patterns,
    survival_figures,
    transfer_figures,
    transfer_survival,
)
from bluebatch.downstream.survival_figures import Verdict
from bluebatch.downstream.transfer_content import Transferred
from bluebatch.store import places

MIN_DRAWN = 2


def draw_all(folder: places.Place, transferred: Transferred) -> int:
    """Draw what there is.

    Parameters
    ----------
    folder : pathlib.Path or upath.UPath
        Made if missing.
    transferred : Transferred
        What was found in the second cohort.

    Returns
    -------
    int
        Figures, each in three forms.
    """
    n_drawn = 0
    for name, figure in _draw(transferred):
        figures.save_all(figure, folder, name)
        n_drawn += 1
    return n_drawn


def _draw(transferred: Transferred) -> Iterator[tuple[str, Figure]]:
    again = transferred.replication.table
    # Those that the discovery found; where it found none, all that it tested.
    again = again[again["significant"]] if again["significant"].any() else again
    if np.isfinite(again["z"].to_numpy(float)).any():
        yield "replication", transfer_figures.draw_replication(again)
    cohort = transferred.cohort
    for family, codes, names in transferred.sets.divisions():
        if len(np.unique(codes[codes >= 0])) < MIN_DRAWN:
            continue
        yield (
            file_name(family),
            survival_figures.draw_kaplan_meier(
                cohort.durations,
                cohort.event_observed,
                codes,
                names,
                _verdicts(transferred, family),
            ),
        )


def file_name(family: str) -> str:
    """Name the figure of a way in which patients are divided.

    Parameters
    ----------
    family : str
        As in the tables.

    Returns
    -------
    str
        ``survival`` of the three groups; the family's own words, joined by ``_``, of others.
    """
    if family == transfer_survival.GROUPS:
        return "survival"
    return family.replace(" ", "_")


def _verdicts(transferred: Transferred, family: str) -> list[Verdict]:
    rows = transferred.comparisons
    rows = rows[rows["family"] == family]
    if family == transfer_survival.CLUSTERS:
        return [Verdict(float(p), survival_figures.FROZEN_OVERALL) for p in rows["p"].head(1)]
    if family == transfer_survival.GROUPS:
        best, _, worst = patterns.NAMES
        rows = rows[rows["comparison"] == f"{best} against {worst}"]
    # Where a group is small, the permuted p is the one to read.
    known = rows["p_permuted"].fillna(rows["p_one_sided"]).dropna().head(1)
    return [Verdict(float(p), survival_figures.FROZEN) for p in known]
