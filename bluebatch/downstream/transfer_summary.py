"""What a transfer says in a few lines, and every number of it."""

import dataclasses
from typing import Any

import numpy as np

from bluebatch.downstream import patterns, report, transfer_survival
from bluebatch.downstream.transfer_content import Transferred


@dataclasses.dataclass(frozen=True)
class Summary:
    """What replicates.

    Parameters
    ----------
    path : str
        Folder that was written.
    n_patients, n_events : int
        Tested.
    replication : dict
        Counts of definitions: significant in the discovery, tested here, replicated, expected by
        chance, and the permutation p of their number.
    stratified : dict or None
        The same within strata.
    groups : dict of str to int
        Patients of each frozen group; empty where there are none.
    comparisons : list of dict
        Of groups, signatures and clusters.
    notes : list of str
        What is to be known before any of it is believed.
    """

    path: str
    n_patients: int
    n_events: int
    replication: dict[str, Any]
    stratified: dict[str, Any] | None
    groups: dict[str, int]
    comparisons: list[dict[Any, Any]]
    notes: list[str]

    @classmethod
    def of(cls, path: str, transferred: Transferred) -> "Summary":
        """Sum up.

        Parameters
        ----------
        path : str
            Folder that is written.
        transferred : Transferred
            What was found.

        Returns
        -------
        Summary
            Its numbers.
        """
        again, groups = transferred.replication, transferred.sets.groups
        who = transferred.cohort.patients
        sizes = () if groups is None else groups.sizes
        return cls(
            path,
            len(who.names),
            int(who.event_observed.sum()),
            dataclasses.asdict(again.counted),
            None if again.stratified is None else dataclasses.asdict(again.stratified),
            dict(zip(patterns.NAMES, sizes, strict=False)),
            transferred.comparisons.to_dict("records"),
            transferred.notes,
        )

    def as_text(self) -> str:
        """Say it in a few lines.

        Returns
        -------
        str
            Patients, definitions, groups, signatures, and notes.
        """
        lines = [
            f"{self.path}: {self.n_patients:,} patients, {self.n_events:,} events",
            f"  definitions: {_count(self.replication)}",
        ]
        if self.stratified is not None:
            lines.append(f"  within strata: {_count(self.stratified)}")
        if self.groups:
            sizes = ", ".join(f"{name} {size:,}" for name, size in self.groups.items())
            lines.append(f"  groups: {sizes}")
        lines += [f"  {_say(row)}" for row in self.comparisons]
        return "\n".join([*lines, *(f"  note: {note}" for note in self.notes)])

    def as_dict(self) -> dict[str, Any]:
        """Give every number.

        Returns
        -------
        dict of str to Any
            JSON values.
        """
        found: dict[str, Any] = report.plain(dataclasses.asdict(self))
        return found


def _count(counted: dict[str, Any]) -> str:
    if not counted["n_tested"]:
        return f"none to test again ({counted['n_significant']:,} were significant)"
    return (
        f"{counted['n_replicated']:,} of {counted['n_tested']:,} replicate at one-sided "
        f"p < {counted['alpha']:g} ({counted['n_significant']:,} were significant; "
        f"{counted['expected']:.1f} expected by chance, permutation p {counted['p_count']:.3g}; "
        f"{counted['n_adjusted']:,} with q below it)"
    )


def _say(row: dict[Any, Any]) -> str:
    if row["expects"] == transfer_survival.ANY_DIFFERENCE:
        return f"{row['family']}: overall log-rank p {row['p']:.3g}"
    said = f"{row['comparison']}: {row['n_in']:,.0f} against {row['n_out']:,.0f} patients"
    if np.isnan(row["z"]):
        return f"{said}, not tested"
    ratio = (
        f"hazard ratio not estimated ({row['said']})"
        if np.isnan(row["hazard_ratio"])
        else f"hazard ratio {row['hazard_ratio']:.2f} ({row['low']:.2f} to {row['high']:.2f})"
    )
    adjusted = row.get("hazard_ratio_adjusted", np.nan)
    if not np.isnan(adjusted):
        ratio += (
            f", beside the covariates {adjusted:.2f} ({row['low_adjusted']:.2f} to "
            f"{row['high_adjusted']:.2f})"
        )
    return f"{said}, {ratio}, one-sided p {row['p_one_sided']:.3g}, C {row['concordance']:.2f}"
