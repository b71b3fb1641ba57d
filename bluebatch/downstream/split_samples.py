"""Genes between groups with p values that are valid: patients and genes are both split.

Groups that were made from profiles differ in those profiles whether or not there is anything to
find. Learning the groups in one half of the patients and assigning the other half by the frozen
rule does not mend that: the rule is applied to the second half's own profiles, so its genes differ
between the groups that it makes there too. What does is to split the genes as well:

1. the patients are cut into two halves, the genes into parts;
2. for each half and part, a rule is learnt in the other half without the genes of the part, and
   assigns the patients of this half, again without them;
3. the genes of the part are compared between those groups in this half: they took no part in
   their own labels, and these patients' outcomes none in the choice of the rule;
4. the two halves' p values are joined, and adjusted over genes.

What is tested is that, in patients that the rule was not learnt from, a gene is independent of the
groups that the other genes make. If so, p is uniform however the rule was searched for.

What that does not say: genes of a type go together, so that a gene may follow the others without
there being two states, along one continuous axis. Predicted profiles share more than biology: each
is computed from the whole bulk sample, whose noise, and the model's errors, are in all of its
genes. A small p says that a gene goes with the others in fresh patients, as predicted, and no
more. A rule that reads proportions, or bulk, reads what was made of the tested genes as well. The
groups of each part are made of different genes: `CrossFit.agreement` tells how far they are one.

References
----------
Gao LL, Bien J, Witten D (2024). J Am Stat Assoc 119(545):332-342.
"""

import dataclasses
import itertools
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from bluebatch import errors
from bluebatch.downstream import differential

Array = npt.NDArray[Any]
Rule = TypeVar("Rule")


@dataclasses.dataclass(frozen=True)
class Fold:
    """A part of the genes in one half of the patients.

    Parameters
    ----------
    repeat, half, part : int
        Which.
    patients : np.ndarray of int, shape (patient of the half,)
        Their rows.
    genes : np.ndarray of bool, shape (gene,)
        To be tested here; none of them made the groups.
    group : np.ndarray of int8, shape (patient of the half,)
        0 most favourable, 1 intermediate, 2 most unfavourable.
    """

    repeat: int
    half: int
    part: int
    patients: Array
    genes: Array
    group: Array


@dataclasses.dataclass(frozen=True)
class CrossFit:
    """Groups of fresh patients, made without the genes that are tested between them.

    Parameters
    ----------
    folds : list of Fold
        Those in which there were groups.
    n_repeats : int
        Splits.
    agreement : float
        Cohen's kappa of the groups that different parts made of the same patients, on average; NaN
        where there is nothing to compare.
    notes : list of str
        Where there were no groups.
    """

    folds: list[Fold]
    n_repeats: int
    agreement: float
    notes: list[str]


def cross_fit(
    shape: tuple[int, int],
    discover: Callable[[Array, Array], Rule | None],
    assign: Callable[[Rule, Array, Array], Array],
    settings: differential.DifferentialSettings,
    rng: np.random.Generator,
) -> CrossFit:
    """Make groups of each half of the patients, by rules of the other half and of other genes.

    Parameters
    ----------
    shape : tuple of int
        Patients and genes.
    discover : callable
        Of rows of patients and a mask of the genes that may be read, in all cell types: a rule
        that makes groups, or None where there are none. It may read those patients' outcomes.
    assign : callable
        Of a rule, rows of other patients, and the same mask: their groups, 0, 1 or 2. It must not
        read outcomes.
    settings : differential.DifferentialSettings
        Parts of the genes, and repeats.
    rng : np.random.Generator
        Cuts patients and genes.

    Returns
    -------
    CrossFit
        For all cell types: it does not depend on the type that is tested.

    Raises
    ------
    errors.LabelMismatchError
        If there are too few patients or genes to be split.
    """
    n_patients, n_genes = shape
    _check_shape(n_patients, n_genes, settings)
    folds: list[Fold] = []
    notes: list[str] = []
    for repeat in range(settings.repeats):
        halves = np.array_split(rng.permutation(n_patients), 2)
        part_of = rng.permutation(np.arange(n_genes) % settings.gene_folds)
        for half, part in itertools.product(range(2), range(settings.gene_folds)):
            fresh, others = np.sort(halves[half]), np.sort(halves[1 - half])
            tested = part_of == part
            rule = discover(others, ~tested)
            if rule is None:
                notes.append(
                    f"split {repeat + 1}, half {2 - half}: no groups without part {part + 1} of "
                    "the genes, which are not tested in the other half"
                )
                continue
            group = np.asarray(assign(rule, fresh, ~tested), dtype=np.int8)
            folds.append(Fold(repeat, half, part, fresh, tested, group))
    return CrossFit(folds, settings.repeats, _agreement(folds), notes)


def _agreement(folds: Sequence[Fold]) -> float:
    found = [
        _kappa(one.group, other.group)
        for one, other in itertools.combinations(folds, 2)
        if (one.repeat, one.half) == (other.repeat, other.half)
    ]
    return float(np.mean(found)) if found else float("nan")


def _kappa(one: Array, other: Array) -> float:
    """Measure agreement beyond chance; labels that are all one agree by chance alone."""
    shares = np.array([[(labels == code).mean() for code in range(3)] for labels in (one, other)])
    by_chance = float((shares[0] * shares[1]).sum())
    return float(((one == other).mean() - by_chance) / (1 - by_chance)) if by_chance < 1 else 0.0


def _check_shape(
    n_patients: int, n_genes: int, settings: differential.DifferentialSettings
) -> None:
    needed = 4 * settings.min_patients
    if n_patients < needed:
        raise errors.LabelMismatchError(
            f"split samples: {n_patients:,} patients, needed: {needed:,}, "
            f"{settings.min_patients:,} inside and outside of a group in each half. Leave "
            "split_samples of [differential] off."
        )
    if n_genes < 2 * settings.gene_folds:
        raise errors.LabelMismatchError(
            f"split samples: {n_genes:,} genes, needed: {2 * settings.gene_folds:,} for "
            f"{settings.gene_folds:,} parts. Lower gene_folds of [differential], or leave "
            "split_samples off."
        )
