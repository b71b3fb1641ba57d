"""Columns of a clinical table, and groups, made into the numbers of a model."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from bluebatch import errors
from bluebatch.downstream import clinical_columns

Array = npt.NDArray[Any]
# What models call the groups of patients.
GROUP = "group"


@dataclasses.dataclass(frozen=True, eq=False)
class Covariates:
    """Clinical columns as the columns of a model.

    Parameters
    ----------
    frame : pd.DataFrame, shape (patient, term)
        Numbers, NaN where a column is unknown of a patient; a level's column is named
        ``column=level`` and holds 0 and 1.
    sources : dict of str to list of str
        Clinical column -> its terms.
    references : dict of str to str
        Clinical column -> the level against which its terms stand; absent of numeric columns.
    notes : list of str
        What is unknown, and what was merged.
    """

    frame: pd.DataFrame
    sources: dict[str, list[str]]
    references: dict[str, str]
    notes: list[str]

    def source_of(self, term: str) -> str:
        """Find the clinical column behind a term.

        Parameters
        ----------
        term : str
            A column of ``frame``.

        Returns
        -------
        str
            A key of ``sources``.
        """
        return next(name for name, terms in self.sources.items() if term in terms)

    def beside(self, other: "Covariates") -> "Covariates":
        """Set the terms of others after these.

        Parameters
        ----------
        other : Covariates
            Of the same patients in the same order.

        Returns
        -------
        Covariates
            Indexed as this one.
        """
        frame = pd.concat([self.frame, other.frame.set_axis(self.frame.index)], axis=1)
        references = self.references | other.references
        return Covariates(
            frame, self.sources | other.sources, references, [*self.notes, *other.notes]
        )

    def only(self, sources: Sequence[str]) -> "Covariates":
        """Keep some clinical columns.

        Parameters
        ----------
        sources : sequence of str
            Keys of ``sources``.

        Returns
        -------
        Covariates
            Without notes: those were told.
        """
        kept = {name: self.sources[name] for name in sources}
        terms = [term for name in sources for term in self.sources[name]]
        references = {name: level for name, level in self.references.items() if name in kept}
        return Covariates(self.frame[terms], kept, references, [])


def design(table: pd.DataFrame, columns: Sequence[str]) -> Covariates:
    """Make the columns of a model from clinical columns.

    Parameters
    ----------
    table : pd.DataFrame of str
        One row a patient.
    columns : sequence of str
        Which to take.

    Returns
    -------
    Covariates
        Indexed as the table, with rows of unknown values kept as NaN. Levels of fewer than 5
        patients are merged into ``other``; if that has fewer than 5, its patients are unknown.

    Raises
    ------
    errors.LabelMismatchError
        If the table has no such column, or it has the name of the groups.
    errors.ValuesError
        If a column is unknown throughout, constant, or names the patients.
    """
    if GROUP in columns:
        raise errors.LabelMismatchError(
            f"covariate {GROUP}: models call the groups of patients so, needed: another name. "
            "Rename the column."
        )
    parts: list[pd.DataFrame] = []
    sources: dict[str, list[str]] = {}
    references: dict[str, str] = {}
    notes: list[str] = []
    for name in dict.fromkeys(columns):
        column, said = clinical_columns.merge_rare(clinical_columns.take(table, name))
        levels = [] if column.kind == clinical_columns.NUMERIC else column.levels
        if levels:
            # "other" is no base to compare with where a named level will do.
            reference = next(level for level in levels if level != clinical_columns.OTHER)
            references[name] = reference
            part = pd.DataFrame(
                {f"{name}={level}": column.values == level for level in levels}, index=table.index
            ).astype(np.float64)
            part = part.drop(columns=f"{name}={reference}")
            part.loc[~column.known] = np.nan
        else:
            part = pd.DataFrame({name: column.values}, index=table.index)
        parts.append(part)
        sources[name] = list(part.columns)
        notes += said + clinical_columns.count_unknown(column)
    frame = pd.concat(parts, axis=1) if parts else pd.DataFrame(index=table.index)
    return Covariates(frame, sources, references, notes)


def of_groups(groups: Array, names: Sequence[str], source: str = GROUP) -> Covariates:
    """Make the terms of groups, as `design` does of a column.

    Parameters
    ----------
    groups : np.ndarray of int, shape (patient,)
        Positions in ``names``; below 0: in none, NaN in every term.
    names : sequence of str
        The groups. The first that has patients is the reference.
    source : str
        Under which name.

    Returns
    -------
    Covariates
        One term for each other group that has patients.
    """
    present = [at for at in range(len(names)) if (groups == at).any()]
    terms = {f"{source}={names[at]}": (groups == at).astype(np.float64) for at in present[1:]}
    frame = pd.DataFrame(terms, index=pd.RangeIndex(len(groups)))
    frame.loc[np.asarray(groups) < 0] = np.nan
    references = {source: names[present[0]]} if present else {}
    return Covariates(frame, {source: list(terms)}, references, [])
