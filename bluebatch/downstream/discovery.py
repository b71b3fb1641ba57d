"""States, definitions and groups of one cohort, with the simpler ways beside them."""

import dataclasses
from collections.abc import Callable, Sequence

import pandas as pd

from bluebatch import errors
from bluebatch.downstream import (
    branch_states,
    branches,
    composition_clusters,
    group_logrank,
    group_permutation,
    patterns,
    search,
)
from bluebatch.downstream.branches import Branch
from bluebatch.downstream.patient_options import Cohort
from bluebatch.downstream.subtype_settings import Settings


@dataclasses.dataclass(frozen=True, eq=False)
class Discovery:
    """Everything that was found in a cohort.

    Parameters
    ----------
    main : Branch
        The one that groups are made of.
    others : list of Branch
        The same search on simpler states.
    groups : patterns.Groups or None
        Of the main branch; None where no definition is significant.
    luck : group_permutation.Permuted or None
        What permuted survival makes of the same states.
    clusters : composition_clusters.Clusters or None
        Of the proportions, where there are any.
    p_clusters : float
        Permutation p of the clusters' overall log-rank test; NaN without clusters or permutations.
    composition_types : list of str
        Types whose proportions the main branch divided by their sum before it cut them; none where
        it did not.
    """

    main: Branch
    others: list[Branch]
    groups: patterns.Groups | None
    luck: group_permutation.Permuted | None
    clusters: composition_clusters.Clusters | None
    p_clusters: float
    composition_types: list[str]

    @property
    def search(self) -> search.Search:
        """Give the main branch's search.

        Returns
        -------
        search.Search
            Always there: a cohort without it is refused.
        """
        if self.main.found is None:
            raise ValueError("the main branch was not searched")
        return self.main.found


def discover(
    cohort: Cohort,
    cell_types: Sequence[str],
    settings: Settings,
    seed: int,
    on_type: Callable[[int], None] | None = None,
) -> Discovery:
    """Find states, test all definitions, and make groups of the significant ones.

    Parameters
    ----------
    cohort : Cohort
        Matched, with survival.
    cell_types : sequence of str
        Types that definitions may pick.
    settings : Settings
        How.
    seed : int
        Of all that is drawn.
    on_type : callable, optional
        Told of each type that is done.

    Returns
    -------
    Discovery
        The main branch is that of the profiles, or what there is: proportions of a composition
        store, bulk of a cohort store.

    Raises
    ------
    errors.ValuesError
        If no cell type has two states, or no patient the event.
    """
    made = _make_branches(cohort, cell_types, settings, seed, on_type)
    if not made[0].two_state:
        raise errors.ValuesError(_why_none(cohort.found.path, made[0]))
    made = [branches.search_states(each, cohort, settings, seed) for each in made]
    main, others = made[0], made[1:]
    proportion = cohort.proportion
    if cohort.found.kind == "profile" and proportion is not None and proportion.shape[1] > 1:
        within = branches.search_within(main, proportion, cohort, settings, seed)
        # Beside the other way of asking what profiles say beyond proportions.
        others.insert(int(others[0].name == branches.RESIDUAL), within)
    groups, luck = _group(main, cohort, settings, seed)
    clusters, p_clusters = _cluster(cohort, settings, seed)
    divided = main.medians is not None and branch_states.renormalised(cell_types, settings)
    chosen = list(cell_types) if divided else []
    return Discovery(main, others, groups, luck, clusters, p_clusters, chosen)


def table(discovery: Discovery, cohort: Cohort) -> pd.DataFrame:
    """Tell what the main branch adds to simpler ones.

    Parameters
    ----------
    discovery : Discovery
        All branches.
    cohort : Cohort
        With survival.

    Returns
    -------
    pd.DataFrame
        As `branches.table`, and a row of the clusters of proportions, which are tested once.
    """
    rows = branches.table([discovery.main, *discovery.others], cohort)
    if discovery.clusters is None:
        return rows
    single = {
        "branch": branches.CLUSTERS,
        "n_tested": 1,
        "best_p_max_t": discovery.p_clusters,
        "note": f"{discovery.clusters.n_clusters} clusters, one overall test by permutation",
    }
    return pd.concat([rows, pd.DataFrame([single])], ignore_index=True)


def _make_branches(
    cohort: Cohort,
    cell_types: Sequence[str],
    settings: Settings,
    seed: int,
    on_type: Callable[[int], None] | None,
) -> list[Branch]:
    found = cohort.found
    made: list[Branch] = []
    if found.kind != "composition":
        made += branch_states.of_profiles(cohort, cell_types, settings, seed, on_type)
    proportion = cohort.proportion
    if proportion is not None:
        made.append(
            branch_states.of_proportions(proportion, found.cell_types, cell_types, settings)
        )
    if found.kind != "cohort" and found.cohort is not None:
        made.append(branch_states.of_bulk(cohort, settings, seed))
    return made


def _why_none(path: str, branch: Branch) -> str:
    said = "; ".join(f"{each.cell_type}: {each.verdict}, {each.reason}" for each in branch.typed)
    said = said or "; ".join(branch.notes)
    # Proportions are cut in halves, whatever their structure.
    forced = (
        ', or split them without evidence by [states] no_structure = "split"'
        if branch.typed
        else ""
    )
    return (
        f"{path}: no cell type has two states ({said}), needed: one at least. Give more patients, "
        f"a smaller --min-group or other --cell-types{forced}."
    )


def _group(
    main: Branch, cohort: Cohort, settings: Settings, seed: int
) -> tuple[patterns.Groups | None, group_permutation.Permuted | None]:
    if main.found is None:
        return None, None
    groups = patterns.find(main.found, cohort.outcome, settings.groups)
    if groups is None:
        return None, None
    luck = group_permutation.permuted(
        main.found,
        groups,
        cohort.outcome.risk(),
        settings.search.alpha,
        settings.groups,
        branches.rng_for(seed, "groups", main.name),
    )
    return groups, luck


def _cluster(
    cohort: Cohort, settings: Settings, seed: int
) -> tuple[composition_clusters.Clusters | None, float]:
    found = cohort.found
    proportion = cohort.proportion
    if proportion is None or proportion.shape[1] < 2:
        return None, float("nan")
    clusters = composition_clusters.find(proportion, found.cell_types)
    if clusters.n_clusters < 2 or not settings.search.n_permutations:
        return clusters, float("nan")
    # Always permuted: how many clusters there are, and how small, is not known beforehand.
    permutations = group_logrank.Permutations(
        branches.rng_for(seed, "clusters"),
        settings.search.n_permutations,
        min_patients=cohort.n_patients + 1,
    )
    names = [f"cluster {number}" for number in range(clusters.n_clusters)]
    times, events = cohort.durations, cohort.event_observed
    tested = group_logrank.logrank(
        times, events, clusters.index, names, cohort.strata, permutations
    )
    return clusters, float(tested.overall["p_permuted"].iloc[0])
