"""Frozen subtypes of a planted cohort, made without any search for states: they are known."""

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt
from unit.downstream.planted import Planted

from bluebatch.downstream import (
    composition_clusters,
    frozen,
    outcomes,
    patterns,
    search,
    signature,
    state_space,
)
from bluebatch.expression import normalise

Array = npt.NDArray[Any]
SEARCH = search.SearchSettings(n_permutations=20)


@dataclasses.dataclass(frozen=True)
class Discovery:
    model: frozen.Frozen
    states: Array  # (patient, cell_type)
    groups: patterns.Groups
    bulk: Array


def log_bulk(planted: Planted) -> Array:
    return np.asarray(normalise.log_transform(normalise.counts_per_million(planted.bulk)))


def spaces_of(planted: Planted) -> dict[str, state_space.Space]:
    found = {}
    for name, state in planted.state.items():
        matrix = planted.profile[:, planted.cell_types.index(name)]
        mean = matrix.mean(axis=0)
        loadings = np.linalg.svd(matrix - mean, full_matrices=False)[2][:5].T
        scores = (matrix - mean) @ loadings
        arrays = {
            "mean": mean,
            "scale": np.ones_like(mean),
            "loadings": loadings,
            "centroids": np.stack([scores[~state].mean(axis=0), scores[state].mean(axis=0)]),
            "metric": np.eye(5),
        }
        found[name] = state_space.Space.of(planted.genes, arrays)
    return found


def table_of(found: search.Search) -> Any:
    return found.table.assign(significant=found.table["q"] < SEARCH.alpha)


def discover(planted: Planted) -> Discovery:
    spaces = spaces_of(planted)
    scores = [
        space.score(planted.profile[:, planted.cell_types.index(name)])
        for name, space in spaces.items()
    ]
    placed = [space.nearest(each)[0] for space, each in zip(spaces.values(), scores, strict=True)]
    states = np.stack(placed, axis=1)
    outcome = outcomes.Outcome(planted.durations, planted.event.astype(bool))
    rng = np.random.default_rng(0)
    found = search.run(states, list(spaces), outcome, SEARCH, rng)
    groups = patterns.find(found, outcome, patterns.GroupSettings())
    assert groups is not None
    bulk = log_bulk(planted)
    signatures, _ = signature.fit_groups(bulk, planted.genes, groups.index)
    model = frozen.Frozen(
        branch="profile",
        cell_types=list(spaces),
        picks=found.definitions.picks,
        table=table_of(found),
        spaces=spaces,
        rules=groups.rules(),
        signatures=signatures,
        clusters=composition_clusters.find(planted.proportion, planted.cell_types),
        settings={"search": SEARCH.model_dump()},
        made_from={"results": "0" * 64},
        facts={
            "n_patients": len(planted.patients),
            "share_1": {
                name: float(each.mean()) for name, each in zip(spaces, placed, strict=True)
            },
        },
    )
    return Discovery(model, states, groups, bulk)


def discover_fractions(planted: Planted, cell_types: list[str]) -> frozen.Frozen:
    """Median splits of some cell types' proportions, divided by their sum."""
    columns = [planted.cell_types.index(name) for name in cell_types]
    fractions = planted.proportion[:, columns]
    fractions = fractions / fractions.sum(axis=1, keepdims=True)
    cuts = np.median(fractions, axis=0)
    states = (fractions > cuts).astype(np.int8)
    outcome = outcomes.Outcome(planted.durations, planted.event.astype(bool))
    rng = np.random.default_rng(0)
    found = search.run(states, cell_types, outcome, SEARCH, rng)
    return frozen.Frozen(
        branch="composition",
        cell_types=cell_types,
        picks=found.definitions.picks,
        table=table_of(found),
        cuts=dict(zip(cell_types, cuts.tolist(), strict=True)),
        composition_types=cell_types,
        settings={"search": SEARCH.model_dump()},
        facts={"share_1": dict.fromkeys(cell_types, 0.5)},
    )
