"""Which gene sets differ between groups: over-representation, and a competitive test.

Over-representation counts: genes are taken for independent draws, which genes that are expressed
together are not, so its p is too small for such sets. The competitive test (after CAMERA) knows how
the genes of a set go together and is the one to believe; it looks for sets that move one way.
"""

import itertools
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import scipy.stats

from bluebatch import errors
from bluebatch.downstream import gene_correlation, gene_sets
from bluebatch.expression import markers

Array = npt.NDArray[Any]


def over_representation(
    chosen: Array, sets: gene_sets.GeneSets, tested: Array | None = None
) -> pd.DataFrame:
    """Test whether a list of genes holds more of a set than chance would put there.

    Parameters
    ----------
    chosen : np.ndarray of bool, shape (gene,)
        The list, over the genes of ``sets``.
    sets : gene_sets.GeneSets
        Sets over their background.
    tested : np.ndarray of bool, shape (gene,), optional
        The background where it is smaller.

    Returns
    -------
    pd.DataFrame
        A row a set: ``set``, ``description``, ``n_genes``, ``n_chosen`` (of the set), ``expected``,
        ``fold``, ``p`` (hypergeometric, one-sided, as Fisher's exact test), ``q`` and ``genes``,
        those of the set on the list. An empty list has p 1 throughout.

    Raises
    ------
    errors.LabelMismatchError
        If ``chosen`` is not of the sets' genes.
    """
    _check_genes(len(chosen), sets)
    background = np.ones(len(chosen), dtype=bool) if tested is None else np.asarray(tested)
    listed = np.asarray(chosen, dtype=bool) & background
    n_genes = gene_sets.count(sets, background)
    n_chosen = gene_sets.count(sets, listed)
    n_background, n_listed = int(background.sum()), int(listed.sum())
    expected = n_genes * n_listed / max(1, n_background)
    p = scipy.stats.hypergeom.sf(n_chosen - 1, n_background, n_genes, n_listed)
    names = np.asarray(sets.genes, dtype=object)
    held = sets.membership.indices
    ends = sets.membership.indptr
    members = [held[begin:end] for begin, end in itertools.pairwise(ends)]
    fold = np.divide(n_chosen, expected, out=np.full(len(sets), np.nan), where=expected > 0)
    return pd.DataFrame(
        {
            "set": sets.names,
            "description": sets.descriptions,
            "n_genes": n_genes,
            "n_chosen": n_chosen,
            "expected": expected,
            "fold": fold,
            "p": p,
            "q": markers.adjust_p(p),
            "genes": [" ".join(names[at[listed[at]]]) for at in members],
        }
    )


def competitive(
    tests: pd.DataFrame,
    matrix: Array,
    inside: Array,
    sets: gene_sets.GeneSets,
    considered: Array | None = None,
) -> pd.DataFrame:
    """Test whether the genes of a set differ more, one way, than the other genes do.

    Parameters
    ----------
    tests : pd.DataFrame
        As `differential.compare` gives, of the same patients and all genes of ``sets``.
    matrix : np.ndarray of float32, shape (patient, gene)
        What was tested.
    inside : np.ndarray of bool, shape (patient,)
        The group.
    sets : gene_sets.GeneSets
        Sets over the genes of ``tests``, with the correlation to be taken.
    considered : np.ndarray of bool, shape (patient,), optional
        Patients that were compared; all by default.

    Returns
    -------
    pd.DataFrame
        A row a set: ``set``, ``description``, ``n_genes``, ``mean_z`` (of the set), ``shift`` (of
        its mean from that of the other genes), ``correlation`` (of its genes, on average),
        ``vif``, ``statistic``, ``direction``, ``p`` (two-sided), ``q``, and ``kind`` as in
        ``tests``.

    Raises
    ------
    errors.LabelMismatchError
        If ``tests`` or ``matrix`` are not of the sets' genes.

    Notes
    -----
    Statistics become normal scores by their p. With "camera", and with a number, the variance of
    the mean of a set's m scores is that of independent ones times 1 + (m - 1) rho, rho the mean
    correlation of the set's genes across patients once the groups' means are taken off, or the
    number. With "contrast" it is the shift whose variance is taken from the patients: what all
    genes share, such as the noise of a bulk sample in all profiles predicted from it, cancels in
    it, where CAMERA counts it as correlation within the set and finds nothing. Neither takes genes
    for surer than independent ones.

    References
    ----------
    Wu D, Smyth GK (2012). Nucleic Acids Res 40(17):e133.
    """
    _check_genes(len(tests), sets)
    _check_genes(matrix.shape[1], sets)
    tested = tests["p"].notna().to_numpy()
    z = _scores(tests)
    size = gene_sets.count(sets, tested).astype(np.float64)
    taken = np.ones(len(inside), dtype=bool) if considered is None else considered
    null, df = _null(tests, matrix, inside, taken, sets)
    mean, shift, statistic = _statistics(z, tested, size, sets, null)
    p = 2 * scipy.stats.t.sf(np.abs(statistic), df)
    frame = pd.DataFrame(
        {
            "set": sets.names,
            "description": sets.descriptions,
            "n_genes": size.astype(np.int64),
            "mean_z": mean,
            "shift": shift,
            "correlation": null.correlation,
            "vif": null.vif,
            "statistic": statistic,
            "direction": np.where(shift > 0, "up", "down"),
            "p": p,
            "q": markers.adjust_p(p),
        }
    )
    frame["kind"] = tests["kind"].iloc[0]
    return frame


def of_tests(
    tests: pd.DataFrame,
    matrix: Array,
    inside: Array,
    sets: gene_sets.GeneSets,
    considered: Array | None = None,
) -> pd.DataFrame:
    """Put every set to the competitive test, and count its genes of small q beside it.

    Parameters
    ----------
    tests, matrix, inside, sets, considered : see `competitive`
        The same.

    Returns
    -------
    pd.DataFrame
        As `competitive`, with ``n_up``, ``p_up``, ``q_up``, ``n_down``, ``p_down`` and ``q_down``:
        over-representation among the genes that are higher, and lower, inside.
    """
    frame = competitive(tests, matrix, inside, sets, considered)
    tested = tests["p"].notna().to_numpy()
    small = (tests["q"] <= sets.settings.max_q).to_numpy()
    difference = tests["difference"].to_numpy()
    for name, chosen in (("up", small & (difference > 0)), ("down", small & (difference < 0))):
        counted = over_representation(chosen, sets, tested)
        frame[[f"n_{name}", f"p_{name}", f"q_{name}"]] = counted[["n_chosen", "p", "q"]]
    return frame


class _Null(NamedTuple):
    """The mean correlation, and what inflates the variance of a set's mean and of the rest's."""

    correlation: Array
    vif: Array
    of_rest: Array


def _null(
    tests: pd.DataFrame, matrix: Array, inside: Array, taken: Array, sets: gene_sets.GeneSets
) -> tuple[_Null, int]:
    """Say how much the sets' shifts vary, and with how many degrees of freedom that is known."""
    how = sets.settings.correlation
    size = gene_sets.count(sets, tests["p"].notna().to_numpy())
    n_genes, ones = int(tests["p"].notna().sum()), np.ones(len(sets))
    if isinstance(how, float):
        return _Null(how * ones, 1 + (size - 1) * how, ones), n_genes - 2
    spread = gene_correlation.measure(matrix, inside, taken, tests, sets)
    rho = spread.correlation()
    df = min(int(tests["n_in"].iloc[0] + tests["n_out"].iloc[0]), n_genes) - 2
    if how == "camera":
        return _Null(rho, 1 + np.maximum(0, size - 1) * rho, ones), df
    return _Null(rho, spread.inflation(), spread.inflation()), df


def _scores(tests: pd.DataFrame) -> Array:
    """Turn statistics into normal scores of the same p; 0 where there is none."""
    half = np.clip(tests["p"].fillna(1) / 2, np.finfo(float).tiny, 1)
    return np.asarray(np.sign(tests["statistic"].fillna(0)) * scipy.stats.norm.isf(half))


def _statistics(
    z: Array, tested: Array, size: Array, sets: gene_sets.GeneSets, null: _Null
) -> tuple[Array, Array, Array]:
    """Compare each set's mean score with the rest's: the mean, the shift and its t."""
    n = int(tested.sum())
    rest = n - size
    mean_all, variance = z[tested].mean(), z[tested].var(ddof=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = (sets.membership @ z) / size
        shift = n / rest * (mean - mean_all)
        pooled = ((n - 1) * variance - shift**2 * size * rest / n) / (n - 2)
        statistic = shift / np.sqrt(pooled * (null.vif / size + null.of_rest / rest))
    # A set of all genes, or of none, has nothing to be compared with.
    lacking = (size == 0) | (rest == 0)
    return mean, np.where(lacking, np.nan, shift), np.where(lacking, np.nan, statistic)


def _check_genes(n_found: int, sets: gene_sets.GeneSets) -> None:
    if n_found != len(sets.genes):
        raise errors.LabelMismatchError(
            f"gene sets: tests of {n_found:,} genes were given, needed: of the {len(sets.genes):,} "
            "genes that the sets were laid over. Lay them over the genes tested."
        )
