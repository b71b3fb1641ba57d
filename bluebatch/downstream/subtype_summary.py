"""What a run of `subtype` found, told at its end."""

import dataclasses
import math
from typing import Any

from bluebatch.downstream import report
from bluebatch.downstream.discovery import Discovery
from bluebatch.downstream.patient_options import Cohort

N_BEST = 5


@dataclasses.dataclass(frozen=True, eq=False)
class Summary:
    """What was found, and how far it can be trusted.

    Parameters
    ----------
    path : str
        The folder written.
    cohort : Cohort
        The patients.
    found : Discovery
        States, search, groups.
    tables : dict of str to pd.DataFrame
        As they were written.
    n_figures : int
        Figures drawn.
    alpha : float
        Definitions are significant where q is below it.
    notes : list of str
        What a reader should know.
    """

    path: str
    cohort: Cohort
    found: Discovery
    tables: dict[str, Any]
    n_figures: int
    alpha: float
    notes: list[str]

    def as_text(self) -> str:
        """Write it for people.

        Returns
        -------
        str
            States, the search beside simpler ones, groups, notes.
        """
        cohort, searched = self.cohort, self.found.search
        lines = [
            f"{self.path}: {cohort.n_patients:,} patients, {int(cohort.event_observed.sum()):,} "
            f"events, {self.n_figures} figures",
            *self._state_lines(),
            "",
            f"{self.found.main.name}: {searched.n_tested:,} of {len(searched.definitions):,} "
            f"definitions tested (at least {searched.min_group} patients on both sides), "
            f"{searched.n_significant:,} with q below {_level(self.alpha)}, "
            f"permutation p of as many {_p(searched.p_count)}",
            *self._best_lines(),
            "",
            *self._branch_lines(),
            "",
            *self._group_lines(),
        ]
        if self.notes:
            lines += ["", *(f"note: {note}" for note in self.notes)]
        return "\n".join(lines)

    def as_dict(self) -> dict[str, Any]:
        """Write it for programs.

        Returns
        -------
        dict of str to Any
            JSON values.
        """
        searched, groups = self.found.search, self.found.groups
        content = {
            "kind": "subtypes",
            "path": self.path,
            "branch": self.found.main.name,
            "n_patients": self.cohort.n_patients,
            "n_events": int(self.cohort.event_observed.sum()),
            "cell_types": self.found.main.cell_types,
            "two_states": self.found.main.two_state,
            "n_definitions": len(searched.definitions),
            "n_tested": searched.n_tested,
            "n_significant": searched.n_significant,
            "alpha": self.alpha,
            "p_count": searched.p_count,
            "min_group": searched.min_group,
            "groups": None
            if groups is None
            else dict(zip(groups.names, groups.sizes, strict=True)),
            "p_groups": None if self.found.luck is None else self.found.luck.p,
            "n_clusters": None if self.found.clusters is None else self.found.clusters.n_clusters,
            "p_clusters": self.found.p_clusters,
            "n_figures": self.n_figures,
            "branches": self.tables["branches"].to_dict("records"),
            "notes": self.notes,
        }
        values: dict[str, Any] = report.plain(content)
        return values

    def _state_lines(self) -> list[str]:
        rows = [
            [each.cell_type, each.verdict, str(each.n_0), str(each.n_1), each.reason]
            for each in self.found.main.typed
        ]
        if not rows:
            return []
        header = ["cell type", "verdict", "state 0", "state 1", "because"]
        return ["", *report.align(header, rows)]

    def _best_lines(self) -> list[str]:
        table = self.tables["definitions"]
        best = table[table["tested"]].nsmallest(N_BEST, "p")
        rows = [
            [row["definition"], str(row["n_in"]), _ratio(row)]
            + [_p(row[name]) for name in ("p", "q", "p_max_t")]
            for row in best.to_dict("records")
        ]
        header = ["definition", "patients", "hazard ratio", "p", "q", "p of the search"]
        return report.align(header, rows) if rows else []

    def _branch_lines(self) -> list[str]:
        rows = []
        for row in self.tables["branches"].to_dict("records"):
            c_index = row.get("c_index", math.nan)
            numbers = [_n(row.get(name)) for name in ("n_tested", "n_significant")]
            p = [_p(row.get(name)) for name in ("best_p", "best_p_max_t", "p_count")]
            rows.append([row["branch"], *numbers, *p, report.show(c_index)])
        header = [
            "the same search on",
            "tested",
            f"q < {_level(self.alpha)}",
            "best p",
            "of the search",
        ]
        return report.align([*header, "of the count", "C, held out"], rows)

    def _group_lines(self) -> list[str]:
        groups, luck = self.found.groups, self.found.luck
        if groups is None:
            return ["no groups: no definition is significant"]
        sizes = ", ".join(
            f"{name} {size:,}" for name, size in zip(groups.names, groups.sizes, strict=True)
        )
        lines = [f"groups: {sizes}; {len(groups.components)} components"]
        if luck is not None:
            lines.append(
                f"  log-rank of the extremes, against the same procedure on permuted survival: "
                f"p {_p(luck.p)}"
            )
        return lines


def _ratio(row: dict[str, Any]) -> str:
    ratio, low, high = (row[name] for name in ("hazard_ratio", "hazard_low", "hazard_high"))
    return "-" if not math.isfinite(ratio) else f"{ratio:.2f} ({low:.2f}-{high:.2f})"


def _level(alpha: float) -> str:
    return f"{alpha:g}".removeprefix("0")


def _p(value: float | None) -> str:
    if value is None or not math.isfinite(value):
        return "-"
    return f"{value:.2g}"


def _n(value: float | None) -> str:
    return "-" if value is None or not math.isfinite(value) else f"{int(value):,}"
