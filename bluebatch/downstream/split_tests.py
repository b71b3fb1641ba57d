"""Genes compared between the groups that other genes make in fresh patients, and the p joined."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import scipy.stats

from bluebatch.downstream import differential, split_samples, two_groups, type_tests
from bluebatch.expression import markers

Array = npt.NDArray[Any]
SPLIT = "split samples"
# Keeps normal scores and tangents finite.
SMALLEST = 1e-300


def compare(
    matrix: Array,
    code: int,
    genes: Sequence[str],
    fitted: split_samples.CrossFit,
    settings: differential.DifferentialSettings,
    skill: Array | None = None,
) -> pd.DataFrame:
    """Compare each gene of a cell type between a group and the rest, in fresh patients.

    Parameters
    ----------
    matrix : np.ndarray of float32, shape (patient, gene)
        Log2 expression; a row of NaN where the type is absent.
    code : int
        The group.
    genes : sequence of str
        Names.
    fitted : split_samples.CrossFit
        The groups.
    settings : differential.DifferentialSettings
        Which test, and how the halves are joined.
    skill : np.ndarray, shape (gene,), optional
        Taken into the table.

    Returns
    -------
    pd.DataFrame
        ``gene``, ``difference`` (mean of the halves), ``statistic`` (normal score
        of p, with its sign), ``p``, ``q``,
        ``n_in`` and ``n_out`` (of both halves), ``n_tests`` (halves and repeats in which the gene
        was tested), ``same_sign`` (their share of the sign of the difference), ``skill`` if given,
        and ``kind``, "split samples". NaN where no half has enough patients.

    Notes
    -----
    Given the other genes and the outcomes, the groups are fixed, so that the two halves' scores
    are of different patients: Stouffer's sum, weighted by the effective number of patients, keeps
    the sign. Where a rule is searched for by the outcome and a gene goes with the outcome too, both
    halves may by chance choose alike; no excess shows in simulation, and Cauchy's combination
    hardly needs the independence. Of repeats, which share patients, twice the median p is taken;
    a gene that a repeat does not test has p 1 there.

    References
    ----------
    Meinshausen N, Meier L, Buehlmann P (2009). J Am Stat Assoc 104(488):1671-1681.
    """
    measured = np.full((4, fitted.n_repeats, 2, len(genes)), np.nan)
    for fold in fitted.folds:
        found = _test_fold(matrix, code, genes, fold, settings)
        if found is not None:
            measured[:, fold.repeat, fold.half, fold.genes] = found
    difference, score, n_in, n_out = measured
    weight = np.nan_to_num(n_in * n_out / (n_in + n_out))
    joined = _stouffer if settings.combine == "stouffer" else _cauchy
    z, p = _over_repeats(*joined(score, weight))
    mean = _mean(difference, weight, axis=(0, 1))
    n_tests = np.isfinite(score).sum(axis=(0, 1))
    same = ((np.sign(difference) == np.sign(mean)) & np.isfinite(score)).sum(axis=(0, 1))
    frame = pd.DataFrame(
        {
            "gene": list(genes),
            "difference": mean,
            "statistic": np.abs(z) * np.sign(mean),
            "p": p,
            "q": markers.adjust_p(p),
            "n_in": np.nansum(n_in, axis=(0, 1)) / fitted.n_repeats,
            "n_out": np.nansum(n_out, axis=(0, 1)) / fitted.n_repeats,
            "n_tests": n_tests,
            "same_sign": np.divide(same, n_tests, out=np.full(len(p), np.nan), where=n_tests > 0),
        }
    )
    if skill is not None:
        frame["skill"] = skill
    frame["kind"] = SPLIT
    frame.attrs |= {"kind": SPLIT, "test": settings.test, "agreement": fitted.agreement}
    return frame


def per_type(
    read: Callable[[str], Array],
    cell_types: Sequence[str],
    genes: Sequence[str],
    fitted: split_samples.CrossFit,
    settings: differential.DifferentialSettings,
    beside: type_tests.Beside | None = None,
) -> Iterator[type_tests.TypeTests]:
    """Compare both groups with the rest in every type, in fresh patients.

    Parameters
    ----------
    read : callable
        Of a cell type, its profiles, shape (patient, gene).
    cell_types, genes : sequence of str
        Names.
    fitted : split_samples.CrossFit
        The groups.
    settings : differential.DifferentialSettings
        How.
    beside : type_tests.Beside, optional
        Skill; gene sets are not tested, as each part of the genes has groups of its own.

    Yields
    ------
    type_tests.TypeTests
        One a type; a comparison in which no gene was tested is None, and a note says so.
    """
    asked = beside or type_tests.Beside()
    for cell_type in cell_types:
        matrix = read(cell_type)
        skill = asked.skill(cell_type) if asked.skill else None
        frames: dict[str, pd.DataFrame] = {}
        notes: list[str] = []
        for name, code in type_tests.GROUPS.items():
            frame = compare(matrix, code, genes, fitted, settings, skill)
            if frame["p"].notna().any():
                frames[name] = frame
                continue
            notes.append(
                f"{cell_type}: {name} group not compared in split samples: no half has "
                f"{settings.min_patients:,} patients with the type inside and outside of it"
            )
        del matrix
        yield type_tests.TypeTests(
            cell_type, frames.get("favourable"), frames.get("unfavourable"), None, notes
        )


def attach(descriptive: pd.DataFrame, split: type_tests.TypeTests) -> pd.DataFrame:
    """Put the p values of split samples beside the descriptive ones of the same type.

    Parameters
    ----------
    descriptive : pd.DataFrame
        As `type_tests.TypeTests.as_frame` gives of `differential.per_type`.
    split : type_tests.TypeTests
        As `per_type` gives here.

    Returns
    -------
    pd.DataFrame
        ``descriptive`` with ``difference_split``, ``p_split``, ``q_split``, ``n_tests`` and
        ``same_sign``; NaN where there is no such test. ``kind`` stays that of ``p`` and ``q``.
    """
    names = ["difference", "p", "q", "n_tests", "same_sign"]
    frame = split.as_frame()
    if not len(frame):
        frame = pd.DataFrame(columns=["group", "gene", *names], dtype=object).astype(
            dict.fromkeys(names, float)
        )
    beside = frame[["group", "gene", *names]].rename(
        columns={name: f"{name}_split" for name in ("difference", "p", "q")}
    )
    return descriptive.merge(beside, on=["group", "gene"], how="left")


def cauchy(p: Array, weight: Array) -> Array:
    """Join p values by Cauchy's combination.

    Parameters
    ----------
    p : np.ndarray, shape (test, ...)
        P values; NaN where there is none, with a weight of 0.
    weight : np.ndarray, shape (test, ...)
        Not below 0.

    Returns
    -------
    np.ndarray, shape (...)
        NaN where all weights are 0.

    References
    ----------
    Liu Y, Xie J (2020). J Am Stat Assoc 115(529):393-402.
    """
    # The cotangent of p, which is the tangent of 0.5 - p, but does not lose a small p in it.
    given = np.clip(np.nan_to_num(p, nan=0.5), SMALLEST, 1 - 1e-16)
    score = _mean(1 / np.tan(np.pi * given), weight, axis=0)
    return np.asarray(np.arctan2(1, score) / np.pi)


def _test_fold(
    matrix: Array,
    code: int,
    genes: Sequence[str],
    fold: split_samples.Fold,
    settings: differential.DifferentialSettings,
) -> Array | None:
    """Compare the genes of a fold: differences, scores, patients inside and outside."""
    columns = np.flatnonzero(fold.genes)
    names = [genes[int(at)] for at in columns]
    part = matrix[np.ix_(fold.patients, columns)]
    inside = fold.group == code
    there = two_groups.present(part, names)
    if type_tests.too_few("", "", inside, there, settings.min_patients):
        return None
    found = differential.compare(part, inside, names, settings)
    half = np.clip(found["p"].to_numpy() / 2, SMALLEST, 1)
    score = np.sign(found["statistic"].to_numpy()) * scipy.stats.norm.isf(half)
    tested = np.where(np.isnan(score), np.nan, 1.0)
    n_in, n_out = (found[name].to_numpy() * tested for name in ("n_in", "n_out"))
    return np.stack([found["difference"].to_numpy() * tested, score, n_in, n_out])


def _stouffer(score: Array, weight: Array) -> tuple[Array, Array]:
    """Add signed scores of the halves: z and p, shape (repeat, gene)."""
    total = np.sqrt(weight.sum(axis=1))
    added = (np.nan_to_num(score) * np.sqrt(weight)).sum(axis=1)
    z = np.divide(added, total, out=np.full(added.shape, np.nan), where=total > 0)
    return z, np.asarray(2 * scipy.stats.norm.sf(np.abs(z)))


def _cauchy(score: Array, weight: Array) -> tuple[Array, Array]:
    """Join the halves' p without regard to sign: a score of that p, and p."""
    p = cauchy(np.moveaxis(2 * scipy.stats.norm.sf(np.abs(score)), 1, 0), np.moveaxis(weight, 1, 0))
    return np.asarray(scipy.stats.norm.isf(np.clip(p / 2, SMALLEST, 1))), p


def _over_repeats(z: Array, p: Array) -> tuple[Array, Array]:
    if len(p) == 1:
        return z[0], p[0]
    tested = np.isfinite(p).any(axis=0)
    joined = np.minimum(1, 2 * np.median(np.nan_to_num(p, nan=1.0), axis=0))
    joined = np.where(tested, joined, np.nan)
    return np.asarray(scipy.stats.norm.isf(np.clip(joined / 2, SMALLEST, 1))), joined


def _mean(values: Array, weight: Array, axis: int | tuple[int, ...]) -> Array:
    total = weight.sum(axis=axis)
    added = (np.nan_to_num(values) * weight).sum(axis=axis)
    return np.asarray(np.divide(added, total, out=np.full(total.shape, np.nan), where=total > 0))
