"""From references to the plan of a simulation: pools, design, markers and labels."""

import logging
import pathlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from bluebatch import errors
from bluebatch.expression import markers
from bluebatch.simulate import design, genes, pools, reference, split
from bluebatch.simulate.settings import RunOptions, Settings
from bluebatch.store import schema

NORMALISATION = "profile: log2(1 + CPM over all genes); expression: counts"
MARKERS = ("marker_log_fold_change", "marker_adjusted_p")
TRAIN = split.NAMES.index("train")

_log = logging.getLogger(__name__)

Array = npt.NDArray[Any]
IntArray = npt.NDArray[np.int64]


class Plan(NamedTuple):
    """All that is known before the first sample is drawn.

    Parameters
    ----------
    pools : pools.Pools
        The cells drawn from.
    design : design.Design
        What every sample is to be.
    profile_genes : np.ndarray of int
        Positions of the genes whose profiles are kept.
    coordinates : dict of str to list of str
        Labels of every axis of the store.
    attributes : dict
        Root attributes of the store.
    whole : dict of str to np.ndarray
        Arrays that do not depend on the samples.
    draws : list of np.random.SeedSequence
        One a group of 256 samples.
    """

    pools: pools.Pools
    design: design.Design
    profile_genes: npt.NDArray[np.int64]
    coordinates: dict[str, list[str]]
    attributes: dict[str, Any]
    whole: dict[str, Array]
    draws: list[np.random.SeedSequence]


def prepare(
    references: Sequence[str | pathlib.Path], settings: Settings, options: RunOptions
) -> Plan:
    """Read the references and plan every sample.

    Parameters
    ----------
    references : sequence of str or pathlib.Path
        Files in h5ad format; the bundled reference where there are none.
    settings : Settings
        The science.
    options : RunOptions
        Seed, extra genes.

    Returns
    -------
    Plan
        Ready to be drawn.
    """
    seeds = np.random.SeedSequence(options.seed).spawn(5)
    rng = [np.random.default_rng(seed) for seed in seeds[:4]]
    extra = [] if options.genes is None else genes.read_list(options.genes)
    atlas = reference.load(references, settings.reference, settings.cell_types, rng[0])
    cells, split_by = _split(atlas, settings, rng[1])
    drawn = design.draw_design(
        rng[2],
        cells.numbers(),
        split.cut(settings.simulation.n_samples, settings.split.fractions),
        (settings.simulation.cells_per_sample, settings.simulation.mixed_share),
        settings.proportions,
    )
    trained = settings.split.fractions[TRAIN] > 0
    whole = _rank(cells, settings.markers, rng[3]) if trained else {}
    whole["cell_library_size"] = cells.cell_library_size(TRAIN if trained else None)
    all_genes = options.all_genes or settings.simulation.all_genes
    notes = list(atlas.notes)
    kept = _profile_genes(atlas.genes, whole, settings.markers, extra, notes)
    if all_genes:
        kept = np.arange(len(atlas.genes))
    attributes = {
        "origin": "pseudobulk",
        "unit": "counts",
        "normalisation": NORMALISATION,
        "seed": options.seed,
        "settings": settings.model_dump(mode="json"),
        "extra_genes": extra,
        "all_genes": all_genes,
        "references": _describe(atlas, split_by),
        "notes": notes,
    }
    labels = _label(atlas, drawn, kept)
    draws = seeds[4].spawn(-(-len(drawn.part) // schema.ROWS_PER_CHUNK))
    return Plan(cells, drawn, kept, labels, attributes, whole, draws)


def _split(
    atlas: reference.Atlas, settings: Settings, rng: np.random.Generator
) -> tuple[pools.Pools, list[str]]:
    assigned, split_by = [], []
    for each in atlas.references:
        codes, used = split.split_cells(each.cell_type, each.donor, settings.split, rng, each.path)
        assigned.append(codes)
        split_by.append(used)
        _log.info("%s: cells are split by %s", each.path, used)
    return pools.Pools(atlas, assigned), split_by


def _label(atlas: reference.Atlas, drawn: design.Design, kept: IntArray) -> dict[str, list[str]]:
    return {
        "sample": [str(name) for name in drawn.names],
        "gene": atlas.genes,
        "cell_type": atlas.cell_types,
        "profile_gene": [atlas.genes[index] for index in kept],
        "reference": [each.name for each in atlas.references],
    }


def _rank(
    cells: pools.Pools, settings: markers.MarkerSettings, rng: np.random.Generator
) -> dict[str, Array]:
    tables = []
    for number in range(cells.n_references):
        counts, codes = cells.cells(TRAIN, number)
        if settings.max_cells:
            order = rng.permutation(len(codes))
            place = np.empty(len(codes), dtype=np.int64)
            for code in np.unique(codes):
                own = order[codes[order] == code]
                place[own] = np.arange(len(own))
            chosen = np.flatnonzero(place < settings.max_cells)
            counts, codes = counts[chosen], codes[chosen]
        tables.append(
            markers.rank_genes(counts, codes, cells.n_types, correct_ties=settings.correct_ties)
        )
    stacked = [np.stack(parts).astype(np.float32) for parts in zip(*tables, strict=True)]
    return dict(zip(MARKERS, stacked, strict=True))


def _profile_genes(
    names: list[str],
    whole: dict[str, Array],
    settings: markers.MarkerSettings,
    extra: list[str],
    notes: list[str],
) -> IntArray:
    """Choose the genes of the profiles; all where nothing tells which may enter a panel."""
    position = {gene: index for index, gene in enumerate(names)}
    known = [position[gene] for gene in extra if gene in position]
    if extra and not known:
        raise errors.LabelMismatchError(
            f"--genes: none of its {len(extra):,} genes is in the references; it has "
            f"{genes.kind(extra)}, they have {genes.kind(names)}. Bring them onto one kind."
        )
    if len(known) < len(extra):
        missing = [gene for gene in extra if gene not in position]
        notes.append(
            f"--genes: {len(missing):,} of {len(extra):,} genes are not in the references "
            f"(first: {missing[0]})."
        )
    if MARKERS[0] not in whole:
        notes.append("no training cells: no markers are ranked, profiles hold every gene.")
        return np.arange(len(names))
    chosen = markers.candidate_genes(whole[MARKERS[0]], whole[MARKERS[1]], settings)
    if not len(chosen):
        notes.append("no gene tells the cell types apart: profiles hold every gene.")
        return np.arange(len(names))
    return np.union1d(chosen, np.array(known, dtype=np.int64))


def _describe(atlas: reference.Atlas, split_by: list[str]) -> list[dict[str, Any]]:
    described = []
    for each, used in zip(atlas.references, split_by, strict=True):
        numbers = np.bincount(each.cell_type, minlength=len(atlas.cell_types))
        described.append(
            {
                "name": each.name,
                "file": pathlib.Path(each.path).name,
                "digest": each.digest,
                "counts": each.layer,
                "split_by": used,
                "n_cells": {
                    name: int(n) for name, n in zip(atlas.cell_types, numbers, strict=True)
                },
            }
        )
    return described
