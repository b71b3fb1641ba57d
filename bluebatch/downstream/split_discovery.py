"""The whole search for groups, repeated in half of the patients without some of the genes.

What `split_samples` needs of the main analysis: states, definitions and votes learnt in some
patients from some genes, and other patients placed by them with nothing fitted again.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from bluebatch.downstream import (
    branch_states,
    branches,
    definitions,
    group_rules,
    patterns,
    search,
    split_samples,
    split_tests,
    state_space,
    states,
    type_tests,
)
from bluebatch.downstream.patient_options import Cohort
from bluebatch.downstream.subtype_settings import Settings

Array = npt.NDArray[Any]
# Below it, groups made of different genes have little in common.
LOW_KAPPA = 0.6


class Rule(NamedTuple):
    """States and votes with everything frozen.

    Parameters
    ----------
    spaces : dict of str to state_space.Space
        Of the types with two states.
    votes : group_rules.Rules
        Over their states.
    """

    spaces: dict[str, state_space.Space]
    votes: group_rules.Rules


@dataclasses.dataclass(frozen=True, eq=False)
class Discovery:
    """The search for groups in any part of a cohort.

    Parameters
    ----------
    cohort : Cohort
        With profiles, or a cohort store whose bulk is the one profile.
    cell_types : list of str
        Types that definitions may pick.
    genes : list of str
        Of the profiles, in the order of the masks.
    settings : Settings
        Of the main analysis; nothing is permuted.
    rng : np.random.Generator
        For the states.
    """

    cohort: Cohort
    cell_types: list[str]
    genes: list[str]
    settings: Settings
    rng: np.random.Generator

    def discover(self, patients: Array, genes: Array) -> Rule | None:
        """Find groups in some patients, from some genes.

        Parameters
        ----------
        patients : np.ndarray of int, shape (some,)
            Rows of the cohort.
        genes : np.ndarray of bool, shape (gene,)
            That may be read, in every type.

        Returns
        -------
        Rule or None
            None where no type has two states, nobody the event, or no definition is significant.
        """
        outcome = self.cohort.outcome.take(patients)
        if not outcome.event_observed.any():
            return None
        typed = [self._find(cell_type, patients, genes) for cell_type in self.cell_types]
        spaces = {each.cell_type: each.space for each in typed if each.space is not None}
        if not spaces:
            return None
        # Which definitions are significant is all that is needed.
        settings = self.settings.search.model_copy(update={"n_permutations": 0})
        index = np.column_stack([each.index for each in typed if each.space is not None])
        found = search.run(index, list(spaces), outcome, settings, self.rng)
        groups = patterns.find(found, outcome, self.settings.groups)
        return None if groups is None else Rule(spaces, groups.frozen)

    def assign(self, rule: Rule, patients: Array, genes: Array) -> Array:
        """Place other patients, without their survival.

        Parameters
        ----------
        rule : Rule
            Learnt from ``genes``.
        patients : np.ndarray of int, shape (some,)
            Rows of the cohort.
        genes : np.ndarray of bool, shape (gene,)
            As given to `discover`; the rule's spaces read no others.

        Returns
        -------
        np.ndarray of int8, shape (some,)
            0 most favourable, 1 intermediate, 2 most unfavourable.
        """
        rows = self.cohort.rows[patients]
        index = np.column_stack(
            [
                space.nearest(space.score(self.cohort.found.profile(name, rows, space.genes)))[0]
                for name, space in rule.spaces.items()
            ]
        )
        voting = definitions.parse(rule.votes.labels, list(rule.spaces))
        inside, considered = definitions.members(voting, index, self.settings.search.absent)
        return patterns.apply(
            rule.votes,
            dict(zip(voting.labels, inside.T, strict=True)),
            dict(zip(voting.labels, considered.T, strict=True)),
        ).index

    def _find(self, cell_type: str, patients: Array, genes: Array) -> states.TypeStates:
        allowed = [name for name, may in zip(self.genes, genes, strict=True) if may]
        if self.cohort.found.kind == "profile":
            known = set(branch_states.usable_genes(self.cohort, cell_type, self.settings.subtypes))
            allowed = [name for name in allowed if name in known]
        if len(allowed) < branch_states.FEWEST_GENES:
            nobody = np.zeros(len(patients), dtype=bool)
            return states.without(cell_type, nobody, states.NO_STRUCTURE, "too few genes")
        matrix = self.cohort.found.profile(cell_type, self.cohort.rows[patients], allowed)
        least = self.settings.search.min_group or search.least_group(len(patients))
        return states.find(matrix, cell_type, allowed, self.settings.states, least, self.rng)


def compare(
    cohort: Cohort, cell_types: Sequence[str], settings: Settings, seed: int
) -> tuple[list[type_tests.TypeTests], list[str]]:
    """Compare genes between groups with p values that are valid.

    Parameters
    ----------
    cohort : Cohort
        With profiles, or a cohort store whose bulk is the one profile.
    cell_types : sequence of str
        Whose profiles make the groups, and are compared.
    settings : Settings
        Of the main analysis.
    seed : int
        Cuts patients and genes.

    Returns
    -------
    tests : list of type_tests.TypeTests
        One a type, as `split_tests.per_type` gives.
    notes : list of str
        How far the groups are one, and where there were none.

    Raises
    ------
    errors.LabelMismatchError
        If there are too few patients or genes to be split.
    """
    found = cohort.found
    genes = cohort.variable_genes if found.kind == "cohort" else found.genes()
    rng = branches.rng_for(seed, "split samples")
    whole = Discovery(cohort, list(cell_types), genes, settings, rng)
    shape = (cohort.n_patients, len(genes))
    how = settings.differential
    fitted = split_samples.cross_fit(shape, whole.discover, whole.assign, how, rng)
    tests = list(
        split_tests.per_type(
            lambda name: found.profile(name, cohort.rows, genes),
            cell_types,
            genes,
            fitted,
            how,
            type_tests.Beside(skill=found.skill),
        )
    )
    n_asked = 2 * how.gene_folds * how.repeats
    agreed = (
        f"split samples: groups were found in {len(fitted.folds):,} of {n_asked:,} halves; those "
        f"made of different genes agree with a kappa of {fitted.agreement:.2f}"
    )
    if len(fitted.folds) and not fitted.agreement >= LOW_KAPPA:
        agreed += (
            ": these are not the same groups, and a gene is compared between those of its own part"
        )
    return tests, [agreed, *fitted.notes, *(note for each in tests for note in each.notes)]
