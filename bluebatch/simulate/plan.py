"""From references to the plan of a simulation: the cells, and what every sample is to be."""

import contextlib
import logging
import pathlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from bluebatch.run import partition
from bluebatch.simulate import design, pools, price, ranking, reference, request, split
from bluebatch.simulate.settings import Settings
from bluebatch.store import schema

NORMALISATION = "profile: log2(1 + CPM over all genes); expression: counts"
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
    references : list of str
        Their names.
    draws : list of np.random.SeedSequence
        One a group of 256 samples.
    sizes : price.Sizes
        For the price of the run.
    """

    pools: pools.Pools
    design: design.Design
    profile_genes: npt.NDArray[np.int64]
    references: list[str]
    draws: list[np.random.SeedSequence]
    sizes: price.Sizes


class Layout(NamedTuple):
    """What the store holds beside its samples.

    Parameters
    ----------
    coordinates : dict of str to list of str
        Labels of every axis.
    attributes : dict
        Root attributes.
    whole : dict of str to np.ndarray
        Arrays that do not depend on the samples.
    kept_cells : tuple of np.ndarray of int, shape (cell,), or None
        Row of the counts, cell type and reference of each cell that is kept.
    """

    coordinates: dict[str, list[str]]
    attributes: dict[str, Any]
    whole: dict[str, Array]
    kept_cells: tuple[IntArray, IntArray, IntArray] | None


class _Begun(NamedTuple):
    """What every process of a run draws alike."""

    settings: Settings
    atlas: reference.Atlas
    pools: pools.Pools
    split_by: list[str]
    design: design.Design
    rank_seed: np.random.SeedSequence
    draws: list[np.random.SeedSequence]
    sizes: price.Sizes


def prepare(asked: partition.Plan, max_memory: int | None = None) -> tuple[Plan, Layout]:
    """Read the references, plan every sample and rank the markers.

    Parameters
    ----------
    asked : partition.Plan
        Made by `request.make`.
    max_memory : int, optional
        Bytes that the process may hold; what was granted by default.

    Returns
    -------
    plan : Plan
        Ready to be drawn.
    layout : Layout
        Of the store.

    Raises
    ------
    errors.LabelMismatchError
        If none of the extra genes is in the references.
    errors.ResourceError
        If it would hold more.
    """
    begun = _begin(asked, max_memory)
    settings, atlas, cells = begun.settings, begun.atlas, begun.pools
    trained = settings.split.fractions[TRAIN] > 0
    rng = np.random.default_rng(begun.rank_seed)
    whole = ranking.rank(cells, TRAIN, settings.markers, rng) if trained else {}
    whole["cell_library_size"] = cells.cell_library_size(TRAIN if trained else None)
    notes = list(atlas.notes)
    extra: list[str] = asked.settings["extra_genes"]
    kept = ranking.profile_genes(atlas.genes, whole, settings.markers, extra, notes)
    if settings.simulation.all_genes:
        kept = np.arange(len(atlas.genes))
    # More than was foreseen where no gene tells the types apart.
    price.require(begun.sizes, settings, len(kept), max_memory)
    attributes = {
        "origin": "pseudobulk",
        "unit": "counts",
        "normalisation": NORMALISATION,
        "seed": asked.settings["seed"],
        "settings": settings.model_dump(mode="json"),
        "extra_genes": extra,
        "all_genes": settings.simulation.all_genes,
        "references": _describe(asked, atlas, begun.split_by),
        "notes": notes,
    }
    labels = {
        "sample": [str(name) for name in begun.design.names],
        "gene": atlas.genes,
        "cell_type": atlas.cell_types,
        "profile_gene": [atlas.genes[index] for index in kept],
        "reference": _names(atlas),
    }
    plan = Plan(cells, begun.design, kept, _names(atlas), begun.draws, begun.sizes)
    keeps = settings.simulation.keep_cells and trained
    kept_cells = cells.cells(TRAIN) if keeps else None
    return plan, Layout(labels, attributes, whole, kept_cells)


def recall(
    asked: partition.Plan, profile_genes: Sequence[str], max_memory: int | None = None
) -> Plan:
    """Read the references and plan every sample again, for a store that was laid out before.

    Parameters
    ----------
    asked : partition.Plan
        Made by `request.make`.
    profile_genes : sequence of str
        The store's: markers, which take longest, are not ranked again.
    max_memory : int, optional
        Bytes that the process may hold; what was granted by default.

    Returns
    -------
    Plan
        Ready to be drawn.

    Raises
    ------
    errors.ResourceError
        If it would hold more.
    """
    begun = _begin(asked, max_memory, len(profile_genes))
    position = {gene: index for index, gene in enumerate(begun.atlas.genes)}
    kept = np.array([position[gene] for gene in profile_genes], dtype=np.int64)
    return Plan(begun.pools, begun.design, kept, _names(begun.atlas), begun.draws, begun.sizes)


def survey(asked: partition.Plan) -> price.Sizes:
    """Take the sizes of the references, and read no counts.

    Parameters
    ----------
    asked : partition.Plan
        Made by `request.make`.

    Returns
    -------
    price.Sizes
        For the price of a task.
    """
    settings = request.settings_of(asked)
    with _survey(asked, settings, np.random.default_rng(0)) as found:
        return price.measure(found, settings)


def _begin(
    asked: partition.Plan, max_memory: int | None, n_profile_genes: int | None = None
) -> _Begun:
    settings = request.settings_of(asked)
    # A child of the seed for each matter, so that none depends on how much another draws.
    seeds = np.random.SeedSequence(asked.settings["seed"]).spawn(5)
    rng = [np.random.default_rng(seed) for seed in seeds[:3]]
    with _survey(asked, settings, rng[0]) as found:
        sizes = price.measure(found, settings)
        first = n_profile_genes is None
        price.require(sizes, settings, n_profile_genes, max_memory, first=first)
        atlas = found.read()
    cells, split_by = _split(atlas, settings, rng[1])
    drawn = design.draw_design(
        rng[2],
        cells.numbers(),
        split.cut(settings.simulation.n_samples, settings.split.fractions),
        (settings.simulation.cells_per_sample, settings.simulation.mixed_share),
        settings.proportions,
    )
    draws = seeds[4].spawn(-(-len(drawn.part) // schema.ROWS_PER_CHUNK))
    return _Begun(settings, atlas, cells, split_by, drawn, seeds[3], draws, sizes)


def _survey(
    asked: partition.Plan, settings: Settings, rng: np.random.Generator
) -> contextlib.AbstractContextManager[reference.Survey]:
    paths = [path for path, _ in request.references_of(asked)]
    return reference.survey(paths, settings.reference, settings.cell_types, rng)


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


def _names(atlas: reference.Atlas) -> list[str]:
    return [each.name for each in atlas.references]


def _describe(
    asked: partition.Plan, atlas: reference.Atlas, split_by: list[str]
) -> list[dict[str, Any]]:
    described = []
    digests = asked.inputs.values()
    for each, used, digest in zip(atlas.references, split_by, digests, strict=True):
        numbers = np.bincount(each.cell_type, minlength=len(atlas.cell_types))
        described.append(
            {
                "name": each.name,
                "file": pathlib.Path(each.path).name,
                "digest": digest,
                "counts": each.layer,
                "split_by": used,
                "n_cells": {
                    name: int(n) for name, n in zip(atlas.cell_types, numbers, strict=True)
                },
            }
        )
    return described
