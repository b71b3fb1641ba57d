"""Patients whose cell states drive their survival by a known hazard ratio, as stores and tables."""

import csv
import dataclasses
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import special

from bluebatch.store import schema, write

Array = npt.NDArray[Any]
SPREAD, DECAY, SHARED = 0.5, 0.8, 0.8
# Of a Dirichlet distribution, for each type: proportions are much alike.
CONCENTRATION = 8.0


@dataclasses.dataclass(frozen=True)
class Plan:
    """What is planted.

    Parameters
    ----------
    n_patients : int
        One sample each.
    two_state : sequence of str
        Cell types with two states.
    one_blob : sequence of str
        Cell types without structure.
    protective : sequence of str
        Types whose state 1, in all of them at once, multiplies the hazard by `hazard_ratio`.
    hazard_ratio : float
        Of those patients against all others.
    n_genes : int
        Of a profile; 40 % of them differ between the states of a type.
    distance : float
        Difference of those genes between states, in standard deviations of a gene.
    absent : float
        Share of patients without the last of the one-blob types.
    n_axes : int
        Axes that genes of a type vary along together, each `DECAY` times as long as the one before;
        they hold `SHARED` of a gene's variance. 0: genes vary independently.
    follows : float
        Log odds of state 1 per standard deviation of the type's proportion; 0: states and
        proportions are independent.
    from_proportion : float
        Log hazard per standard deviation of the first type's proportion.
    """

    n_patients: int = 160
    two_state: Sequence[str] = ("Mono", "T")
    one_blob: Sequence[str] = ("B", "NK")
    protective: Sequence[str] = ("Mono", "T")
    hazard_ratio: float = 0.25
    n_genes: int = 60
    distance: float = 2.5
    absent: float = 0.1
    n_axes: int = 0
    follows: float = 0.0
    from_proportion: float = 0.0


@dataclasses.dataclass(frozen=True)
class Planted:
    """What was drawn.

    Parameters
    ----------
    state : dict of str to np.ndarray of bool
        State of each patient by two-state type.
    inside : np.ndarray of bool
        Patients with the planted definition.
    profile, proportion, bulk : np.ndarray
        Log2(1 + CPM) by patient, type and gene; fractions; linear expression by patient and gene.
    durations, event : np.ndarray
        Days; 1 where the patient died.
    cell_types, genes, patients : list of str
        Labels.
    """

    state: dict[str, Array]
    inside: Array
    profile: Array
    proportion: Array
    bulk: Array
    durations: Array
    event: Array
    cell_types: list[str]
    genes: list[str]
    patients: list[str]


def draw(plan: Plan, seed: int, direction_seed: int = 0) -> Planted:
    """Draw a cohort; cohorts of one `direction_seed` have the same states and genes."""
    rng, fixed = np.random.default_rng(seed), np.random.default_rng(direction_seed)
    cell_types, n = [*plan.two_state, *plan.one_blob], plan.n_patients
    base = fixed.uniform(4, 9, (len(cell_types), plan.n_genes))
    sign = fixed.choice([-1, 1], (len(cell_types), plan.n_genes))
    differs = fixed.random((len(cell_types), plan.n_genes)) < 0.4
    shift = SPREAD * plan.distance * sign * differs
    lots = [rng.random(n) for _ in plan.two_state]
    profile = base + _scatter((n, len(cell_types), plan.n_genes), plan.n_axes, rng, fixed)
    proportion = rng.dirichlet(np.full(len(cell_types), CONCENTRATION), n)
    usual = standardise(proportion)
    state = {}
    for at, name in enumerate(plan.two_state):
        state[name] = lots[at] < special.expit(plan.follows * usual[:, at])
        profile[:, at] += shift[at] * state[name][:, None]
    linear = np.einsum("pt,ptg->pg", proportion, 2.0**profile - 1)
    gone = rng.random(n) < plan.absent
    if plan.one_blob:
        profile[gone, len(cell_types) - 1] = np.nan
    inside = np.all([state[name] for name in plan.protective], axis=0)
    durations, event = survive(plan, inside, usual[:, 0], rng)
    return Planted(
        state,
        inside,
        profile.astype(np.float32),
        proportion,
        linear,
        durations,
        event,
        cell_types,
        [f"G{at:03d}" for at in range(plan.n_genes)],
        [f"P{at:04d}" for at in range(n)],
    )


def survive(
    plan: Plan, inside: Array, usual: Array, rng: np.random.Generator
) -> tuple[Array, Array]:
    """Draw days and events of patients with and without the planted definition.

    `usual` is the first type's proportion, in standard deviations from the mean.
    """
    hazard = np.where(inside, plan.hazard_ratio, 1.0) * np.exp(plan.from_proportion * usual) / 600
    death, censored = rng.exponential(1 / hazard), rng.uniform(300, 3000, len(inside))
    return np.round(np.minimum(death, censored), 1), (death <= censored).astype(int)


def standardise(proportion: Array) -> Array:
    """Express proportions in standard deviations of the Dirichlet distribution from its mean."""
    mean = 1 / proportion.shape[1]
    variance = mean * (1 - mean) / (CONCENTRATION * proportion.shape[1] + 1)
    return np.asarray((proportion - mean) / np.sqrt(variance))


def _scatter(
    shape: tuple[int, int, int], n_axes: int, rng: np.random.Generator, fixed: np.random.Generator
) -> Array:
    """Scatter genes about their means, with a standard deviation of `SPREAD` on average."""
    noise = SPREAD * rng.normal(size=shape)
    if not n_axes:
        return noise
    n_patients, n_types, n_genes = shape
    lengths = DECAY ** np.arange(n_axes)
    lengths *= SPREAD * np.sqrt(SHARED * n_genes / np.sum(lengths**2))
    noise *= np.sqrt(1 - SHARED)
    for at in range(n_types):
        axes = np.linalg.qr(fixed.normal(size=(n_genes, n_axes)))[0]
        noise[:, at] += (rng.normal(size=(n_patients, n_axes)) * lengths) @ axes.T
    return noise


def write_results(path: pathlib.Path, planted: Planted) -> pathlib.Path:
    """Write a profile store as `infer` leaves it, sample names being patient names with ``-s``."""
    leave_out = [array.name for array in schema.PROFILE.arrays if array.optional]
    samples = [f"{name}-s" for name in planted.patients]
    labels = {"sample": samples, "cell_type": planted.cell_types, "gene": planted.genes}
    group = write.create(path, schema.PROFILE, labels, {"unit": "CPM"}, leave_out=leave_out)
    write.write_whole(group, "profile", planted.profile)
    for name in ("proportion", "rna_fraction"):
        write.write_whole(group, name, planted.proportion)
    for name in ("reconstruction_error", "gene_coverage"):
        write.write_whole(group, name, np.ones(len(samples)))
    write.complete(group)
    return path


def write_cohort(path: pathlib.Path, planted: Planted) -> pathlib.Path:
    """Write the bulk store of the same samples, which names their patients."""
    samples = [f"{name}-s" for name in planted.patients]
    labels = {"sample": samples, "gene": planted.genes}
    group = write.create(path, schema.COHORT, labels, {"unit": "TPM", "origin": "bulk"})
    write.write_whole(group, "expression", planted.bulk)
    write.write_whole(group, "library_size", planted.bulk.sum(axis=1))
    write.write_whole(group, "patient", np.asarray(planted.patients, dtype=object))
    write.complete(group)
    return path


def write_clinical(path: pathlib.Path, planted: Planted, seed: int = 0) -> pathlib.Path:
    """Write the clinical table: a covariate that says nothing, and a stage that follows a state."""
    rng = np.random.default_rng(seed)
    first = planted.state[next(iter(planted.state))]
    late = np.where(rng.random(len(first)) < 0.85, first, ~first)
    with path.open("w", newline="") as handle:
        lines = csv.writer(handle)
        lines.writerow(["patient", "time", "event", "age", "sex", "stage"])
        for at, name in enumerate(planted.patients):
            told = [rng.integers(20, 90), rng.choice(["male", "female"])]
            stage = "late" if late[at] else "early"
            lines.writerow([name, planted.durations[at], planted.event[at], *told, stage])
    return path
