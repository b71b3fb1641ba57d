"""Groups of patients against every column of a clinical table."""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from bluebatch import errors
from bluebatch.downstream import clinical_columns
from bluebatch.expression import markers

Array = npt.NDArray[Any]
Float = npt.NDArray[np.float64]
# Below this expected count the chi-square distribution is a poor guide.
MIN_EXPECTED = 5.0
N_TABLES = 10_000
# Of the patients; a column of more levels says something else of nearly everyone.
MAX_LEVELS = 0.5
FISHER, FREEMAN = "Fisher's exact", "Fisher-Freeman-Halton, random tables"
CHI_SQUARE, MANN_WHITNEY, KRUSKAL = "chi-square", "Mann-Whitney U", "Kruskal-Wallis"
CRAMER, EPSILON = "Cramer's V", "epsilon squared"
COLUMNS = (
    *("column", "kind", "test", "n", "n_unknown", "n_levels", "statistic", "df", "p", "q"),
    *("effect", "effect_measure", "said"),
)


@dataclasses.dataclass(frozen=True, eq=False)
class Known:
    """The patients of whom a column is known, and their groups.

    Parameters
    ----------
    column : clinical_columns.Column
        Of those patients alone.
    index : np.ndarray of int, shape (patient,)
        Their groups.
    present : list of int
        Groups that occur.
    n_unknown : int
        Patients in groups of whom the column is unknown.
    """

    column: clinical_columns.Column
    index: Array
    present: list[int]
    n_unknown: int

    @property
    def categorical(self) -> bool:
        """Tell whether it is tested as levels.

        Returns
        -------
        bool
            Also for numbers that are 0 and 1 alone.
        """
        return self.column.kind == clinical_columns.CATEGORICAL or len(self.column.levels) == 2

    def counts(self) -> Array:
        """Count patients.

        Returns
        -------
        np.ndarray of int, shape (level, group)
            Of the groups present.
        """
        words = self.column.words()
        return np.array(
            [
                [int(((words == level) & (self.index == at)).sum()) for at in self.present]
                for level in self.column.levels
            ]
        )


def against(
    groups: Array, names: Sequence[str], table: pd.DataFrame, rng: np.random.Generator
) -> pd.DataFrame:
    """Test groups against each clinical column.

    Parameters
    ----------
    groups : np.ndarray of int, shape (patient,)
        Positions in ``names``; patients below 0 are in none.
    names : sequence of str
        The groups.
    table : pd.DataFrame of str
        One row a patient.
    rng : np.random.Generator
        Draws the random tables of the exact test of more than two levels or groups.

    Returns
    -------
    pd.DataFrame
        One row a column, as `COLUMNS` has them; ``said`` tells why a column is not tested. Levels
        are tested with Fisher's exact test where there are two and two groups, with chi-square
        where 5 or more are expected everywhere, else with the exact test on random tables of the
        same margins; numbers with Mann-Whitney's test of two groups, Kruskal-Wallis' of more. q is
        Benjamini-Hochberg over the columns tested.
    """
    rows = []
    for name in table.columns:
        row: dict[str, Any] = {"column": name}
        try:
            known = _know(str(name), table[name], groups, names)
        except errors.ValuesError as error:
            rows.append(row | {"said": f"not tested: {error}"})
            continue
        row |= {"n": len(known.index), "n_unknown": known.n_unknown}
        rows.append(row | (_test_levels(known, rng) if known.categorical else _test_numbers(known)))
    found = pd.DataFrame(rows, columns=[*COLUMNS])
    found["q"] = markers.adjust_p(found["p"].to_numpy(dtype=np.float64))
    whole = {"n": "Int64", "n_unknown": "Int64", "n_levels": "Int64", "df": "Int64"}
    return found.fillna({"said": ""}).astype(whole)


def level_counts(groups: Array, names: Sequence[str], table: pd.DataFrame) -> pd.DataFrame:
    """Count the patients of each level in each group, for the columns tested as levels.

    Parameters
    ----------
    groups : np.ndarray of int, shape (patient,)
        Positions in ``names``; patients below 0 are in none.
    names : sequence of str
        The groups.
    table : pd.DataFrame of str
        One row a patient.

    Returns
    -------
    pd.DataFrame
        One row a column, level and group: column, level, group, n, share (of the group's patients
        of whom the column is known).
    """
    rows = []
    for name, known in _known_columns(groups, names, table):
        if not known.categorical:
            continue
        counts = known.counts()
        for level, of_level in zip(known.column.levels, counts, strict=True):
            for at, n, total in zip(known.present, of_level, counts.sum(axis=0), strict=True):
                row = {"column": name, "level": level, "group": names[at], "n": int(n)}
                rows.append(row | {"share": n / total})
    return pd.DataFrame(rows, columns=["column", "level", "group", "n", "share"])


def quartiles(groups: Array, names: Sequence[str], table: pd.DataFrame) -> pd.DataFrame:
    """Give the quartiles of each group, for the columns tested as numbers.

    Parameters
    ----------
    groups : np.ndarray of int, shape (patient,)
        Positions in ``names``; patients below 0 are in none.
    names : sequence of str
        The groups.
    table : pd.DataFrame of str
        One row a patient.

    Returns
    -------
    pd.DataFrame
        One row a column and group: column, group, n, lower_quartile, median, upper_quartile.
    """
    rows = []
    for name, known in _known_columns(groups, names, table):
        for at in [] if known.categorical else known.present:
            values = known.column.values[known.index == at]
            cuts = np.quantile(values, [0.25, 0.5, 0.75])
            row = {"column": name, "group": names[at], "n": len(values)}
            words = ("lower_quartile", "median", "upper_quartile")
            rows.append(row | dict(zip(words, cuts.tolist(), strict=True)))
    columns = ["column", "group", "n", "lower_quartile", "median", "upper_quartile"]
    return pd.DataFrame(rows, columns=columns)


def _known_columns(
    groups: Array, names: Sequence[str], table: pd.DataFrame
) -> Iterator[tuple[str, Known]]:
    """Go through the columns that can be tested."""
    for name in table.columns:
        try:
            known = _know(str(name), table[name], groups, names)
        except errors.ValuesError:
            continue
        yield name, known


def _know(name: str, series: "pd.Series[Any]", groups: Array, names: Sequence[str]) -> Known:
    """Read a column of the patients in groups, or tell why it cannot be tested."""
    index = np.asarray(groups)
    column = clinical_columns.read(name, series[index >= 0])
    index, known = index[index >= 0], column.known
    short = clinical_columns.Column(name, column.kind, column.values[known], known[known])
    present = [at for at in range(len(names)) if (index[known] == at).any()]
    if len(present) < 2:
        raise errors.ValuesError(
            f"{name}: known in {len(present)} groups, needed: 2. Fill it, or leave it out."
        )
    n_levels, n_known = len(short.levels), int(known.sum())
    if column.kind == clinical_columns.CATEGORICAL and n_levels > max(2, MAX_LEVELS * n_known):
        raise errors.ValuesError(
            f"{name}: {n_levels:,} different texts in {n_known:,} patients, needed: levels that "
            "patients share. It names patients, or needs coarser levels."
        )
    return Known(short, index[known], present, int((~known).sum()))


def _test_levels(known: Known, rng: np.random.Generator) -> dict[str, Any]:
    counts = known.counts()
    chi = stats.chi2_contingency(counts, correction=False)
    row: dict[str, Any] = {"kind": clinical_columns.CATEGORICAL, "n_levels": len(counts)}
    share = chi.statistic / (counts.sum() * (min(counts.shape) - 1))
    row |= {"effect": float(np.sqrt(share)), "effect_measure": CRAMER}
    if counts.shape == (2, 2):
        # The odds ratio: the first level, in the first group, against the others.
        found = stats.fisher_exact(counts)
        return row | {"test": FISHER, "statistic": float(found[0]), "p": float(found[1])}
    if chi.expected_freq.min() >= MIN_EXPECTED:
        tested = {"test": CHI_SQUARE, "statistic": float(chi.statistic), "df": int(chi.dof)}
        return row | tested | {"p": float(chi.pvalue)}
    return row | {"test": FREEMAN, "p": permute_tables(counts, rng)}


def permute_tables(counts: Array, rng: np.random.Generator, n_tables: int = N_TABLES) -> float:
    """Test a table of counts exactly but for random draws.

    Parameters
    ----------
    counts : np.ndarray of int, shape (level, group)
        No margin is 0.
    rng : np.random.Generator
        Draws tables of the same margins.
    n_tables : int
        How many; p is at least 1 / (n + 1).

    Returns
    -------
    float
        The share of tables, the given one among them, that are as improbable.

    References
    ----------
    Freeman GH, Halton JH (1951). Biometrika 38(1/2):141-149.
    """
    margins = stats.random_table(counts.sum(axis=1), counts.sum(axis=0))
    drawn = margins.rvs(n_tables, random_state=rng)
    limit = margins.logpmf(counts)
    # Tables as probable as the given one must not be lost to rounding.
    n_extreme = int((margins.logpmf(drawn) <= limit + 1e-7).sum())
    return (n_extreme + 1) / (n_tables + 1)


def _test_numbers(known: Known) -> dict[str, Any]:
    parts = [known.column.values[known.index == at] for at in known.present]
    ranked = stats.kruskal(*parts)
    effect = float(ranked.statistic) / (len(known.index) - 1)
    row: dict[str, Any] = {"kind": clinical_columns.NUMERIC}
    row |= {"effect": effect, "effect_measure": EPSILON}
    if len(parts) > 2:
        tested = {"test": KRUSKAL, "statistic": float(ranked.statistic), "df": len(parts) - 1}
        return row | tested | {"p": float(ranked.pvalue)}
    found = stats.mannwhitneyu(*parts)
    return row | {"test": MANN_WHITNEY, "statistic": float(found[0]), "p": float(found[1])}
