"""Which genes of a cell type differ between groups of patients.

The groups were made from the same profiles, so the p values here are descriptive: they rank genes
and say nothing of chance. Every frame says so in its column ``kind``. `split_samples` is the
option whose p values are valid.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
import pydantic
import scipy.stats

from bluebatch import errors
from bluebatch.downstream import enrichment, two_groups, type_tests
from bluebatch.expression import markers

Array = npt.NDArray[Any]
DESCRIPTIVE = "descriptive"


class DifferentialSettings(pydantic.BaseModel):
    """How genes are compared between groups.

    Parameters
    ----------
    test : {"moderated", "welch"}
        ``moderated``: one variance a gene for both groups, drawn towards that of all genes; for
        small groups, and for genes whose predicted profile hardly varies. ``welch``: a variance a
        group, for large groups that differ in spread.
    alpha : float
        Benjamini-Hochberg level of a reciprocally regulated gene, in both comparisons.
    min_difference : float
        Log2 difference that such a gene must reach in both.
    min_patients : int
        Fewest patients inside, and outside, who have the type.
    split_samples : bool
        Whether p values that are valid are computed beside, by splitting patients and genes.
    gene_folds : int
        Parts that the genes are cut in then; each is tested by groups made of the others.
    repeats : int
        Splits whose p values are joined, so that none depends on one draw.
    combine : {"stouffer", "cauchy"}
        How the two halves' p values are joined: signed normal scores, or Cauchy's combination,
        which loses power and holds where the halves depend on each other.
    """

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid")

    test: Literal["moderated", "welch"] = "moderated"
    alpha: float = pydantic.Field(default=0.05, gt=0, lt=1)
    min_difference: float = pydantic.Field(default=0.0, ge=0)
    min_patients: int = pydantic.Field(default=3, ge=2)
    split_samples: bool = False
    gene_folds: int = pydantic.Field(default=2, ge=2)
    repeats: int = pydantic.Field(default=1, ge=1)
    combine: Literal["stouffer", "cauchy"] = "stouffer"


def compare(
    matrix: Array,
    inside: Array,
    genes: Sequence[str],
    settings: DifferentialSettings,
    considered: Array | None = None,
    skill: Array | None = None,
) -> pd.DataFrame:
    """Compare each gene of a cell type between a group and the rest.

    Parameters
    ----------
    matrix : np.ndarray of float32, shape (patient, gene)
        Log2 expression; a row of NaN where the type is absent, which is left out.
    inside : np.ndarray of bool, shape (patient,)
        The group.
    genes : sequence of str
        Names.
    settings : DifferentialSettings
        Which test, and the fewest patients.
    considered : np.ndarray of bool, shape (patient,), optional
        Patients to be compared; all by default.
    skill : np.ndarray, shape (gene,), optional
        How well each gene is predicted, taken into the table.

    Returns
    -------
    pd.DataFrame
        A row a gene, in order: ``gene``, ``mean_in``, ``mean_out``, ``difference`` (inside minus
        outside, log2), ``sd`` (within groups), ``statistic`` (t), ``df``, ``p`` (two-sided), ``q``,
        ``n_in``, ``n_out``, ``skill`` if given, and ``kind``, "descriptive". A gene of one value
        has no statistic.

    Raises
    ------
    errors.LabelMismatchError
        If a group has too few patients with the type.
    errors.ValuesError
        If a row is in part NaN, or infinite.

    References
    ----------
    Smyth GK (2004). Stat Appl Genet Mol Biol 3(1):3. Welch BL (1947). Biometrika 34:28-35.
    """
    taken = two_groups.present(matrix, genes)
    if considered is not None:
        taken &= considered
    found = two_groups.moments(matrix, inside & taken, ~inside & taken, settings.min_patients)
    measure = two_groups.moderated if settings.test == "moderated" else two_groups.welch
    statistic, df, facts = measure(found)
    p = np.asarray(2 * scipy.stats.t.sf(np.abs(statistic), df))
    frame = pd.DataFrame(
        {
            "gene": list(genes),
            "mean_in": found.mean[1],
            "mean_out": found.mean[0],
            "difference": found.difference,
            "sd": np.sqrt(found.pooled),
            "statistic": statistic,
            "df": df,
            "p": p,
            "q": markers.adjust_p(p),
            "n_in": int(found.n[1]),
            "n_out": int(found.n[0]),
        }
    )
    if skill is not None:
        frame["skill"] = skill
    frame["kind"] = DESCRIPTIVE
    frame.attrs |= {"kind": DESCRIPTIVE, "test": settings.test, **facts}
    return frame


def per_type(
    read: Callable[[str], Array],
    cell_types: Sequence[str],
    group: Array,
    genes: Sequence[str],
    settings: DifferentialSettings,
    beside: type_tests.Beside | None = None,
) -> Iterator[type_tests.TypeTests]:
    """Compare the most favourable group, and the most unfavourable, with the rest in every type.

    Parameters
    ----------
    read : callable
        Of a cell type, its profiles, shape (patient, gene): a row of NaN where it is absent. One
        type is held at a time.
    cell_types : sequence of str
        Which.
    group : np.ndarray of int8, shape (patient,)
        0 most favourable, 1 intermediate, 2 most unfavourable.
    genes : sequence of str
        Names.
    settings : DifferentialSettings
        How.
    beside : type_tests.Beside, optional
        Skill and gene sets.

    Yields
    ------
    type_tests.TypeTests
        One a type; a comparison with too few patients is None, and a note says so.

    Raises
    ------
    errors.LabelMismatchError
        If neither group can be compared with its rest whatever the type.
    """
    asked = beside or type_tests.Beside()
    type_tests.check_groups(group, settings.min_patients)
    for cell_type in cell_types:
        matrix = read(cell_type)
        skill = asked.skill(cell_type) if asked.skill else None
        taken = two_groups.present(matrix, genes)
        notes: list[str] = []
        frames: dict[str, pd.DataFrame] = {}
        sets: dict[str, pd.DataFrame] = {}
        for name, code in type_tests.GROUPS.items():
            inside = group == code
            note = type_tests.too_few(cell_type, name, inside, taken, settings.min_patients)
            if note:
                notes.append(note)
                continue
            frames[name] = compare(matrix, inside, genes, settings, skill=skill)
            if asked.sets is not None:
                sets[name] = enrichment.of_tests(frames[name], matrix, inside, asked.sets)
        # What is handed over must not keep the profiles beside those of the next type.
        del matrix
        yield type_tests.TypeTests(
            cell_type,
            frames.get("favourable"),
            frames.get("unfavourable"),
            type_tests.stack(cell_type, sets) if sets else None,
            notes,
        )


def reciprocal(
    favourable: pd.DataFrame, unfavourable: pd.DataFrame, settings: DifferentialSettings
) -> pd.DataFrame:
    """Find the genes that one group raises and the other lowers.

    Parameters
    ----------
    favourable, unfavourable : pd.DataFrame
        Each group against the rest, as `compare` gives, of the same genes.
    settings : DifferentialSettings
        Level and smallest difference, in both comparisons.

    Returns
    -------
    pd.DataFrame
        ``gene``, ``higher_in`` ("favourable" or "unfavourable"), ``difference_favourable``,
        ``difference_unfavourable``, ``q_favourable``, ``q_unfavourable``, ``q`` (the larger of
        both, by which it is sorted), and ``kind``.

    Raises
    ------
    errors.LabelMismatchError
        If the tables are not of the same genes.

    Notes
    -----
    The rest of one group holds the other: the comparisons are not independent of each other.
    """
    if favourable["gene"].tolist() != unfavourable["gene"].tolist():
        raise errors.LabelMismatchError(
            f"reciprocal genes: comparisons of {len(favourable):,} and {len(unfavourable):,} genes "
            "that are not the same, needed: one cell type's. Give both comparisons of one type."
        )
    both = pd.DataFrame({"gene": favourable["gene"]})
    up = favourable["difference"] > 0
    both["higher_in"] = np.where(up, "favourable", "unfavourable")
    for name, table in (("favourable", favourable), ("unfavourable", unfavourable)):
        both[f"difference_{name}"] = table["difference"]
    for name, table in (("favourable", favourable), ("unfavourable", unfavourable)):
        both[f"q_{name}"] = table["q"]
    both["q"] = both[["q_favourable", "q_unfavourable"]].max(axis=1, skipna=False)
    both["kind"] = favourable["kind"]
    sizes = both[["difference_favourable", "difference_unfavourable"]]
    opposite = np.sign(sizes).sum(axis=1) == 0
    large = sizes.abs().min(axis=1) >= max(settings.min_difference, np.finfo(float).tiny)
    kept: pd.DataFrame = both[opposite & large & (both["q"] < settings.alpha)]
    return kept.sort_values("q", kind="stable", ignore_index=True)
