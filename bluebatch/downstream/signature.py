"""A group's signature on bulk expression, fitted once and frozen: another cohort refits nothing."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from bluebatch import errors
from bluebatch.downstream import signature_fit
from bluebatch.downstream.signature_settings import SignatureSettings
from bluebatch.store import genes as gene_names

Array = npt.NDArray[Any]
N_NAMED = 3
# By code of the three groups: the two that a signature is fitted for.
NAMES = {0: "favourable", 2: "unfavourable"}


@dataclasses.dataclass(frozen=True)
class Scores:
    """What a frozen signature says of a cohort.

    Parameters
    ----------
    score : np.ndarray of float64, shape (patient,)
        Above 0 means like the group; on the discovery's scale.
    probability : np.ndarray of float64, shape (patient,)
        Of belonging to the group, by the discovery's coefficients.
    inside : np.ndarray of bool, shape (patient,)
        Beyond the discovery's cut-off.
    coverage : float
        Share of the signature's genes that the cohort has.
    shift : float
        Mean score less the discovery's, in sd of the discovery's.
    notes : list of str
        What is to be known before they are trusted.
    """

    score: Array
    probability: Array
    inside: Array
    coverage: float
    shift: float
    notes: list[str]


@dataclasses.dataclass(frozen=True, eq=False)
class Signature:
    """Genes, centring, loadings, coefficients, cut-off and direction of one group.

    Parameters
    ----------
    name : str
        The group.
    genes : list of str
        In the order of the arrays.
    mean, loadings : np.ndarray of float64, shape (gene,)
        Centring, log2(1 + CPM), and the one component, turned so that the group lies above 0.
    slope, intercept : float
        Logistic regression on the score per ``score_sd``.
    cut_score : float
        Scores above it are inside.
    score_mean, score_sd : float
        Of the discovery's scores.
    facts : dict
        Counts and shares of the fit in JSON values.
    settings : SignatureSettings
        As fitted; their limits hold for other cohorts too.
    notes : list of str
        What was decided on the way.
    """

    name: str
    genes: list[str]
    mean: Array
    loadings: Array
    slope: float
    intercept: float
    cut_score: float
    score_mean: float
    score_sd: float
    facts: dict[str, Any]
    settings: SignatureSettings
    notes: list[str]

    def score(self, bulk: Array, genes: Sequence[str]) -> Scores:
        """Score patients with everything frozen.

        Parameters
        ----------
        bulk : np.ndarray, shape (patient, gene)
            Values of log2(1 + CPM). A gene that is not there or NaN takes the centring value.
        genes : sequence of str
            Names of the columns, in any order.

        Returns
        -------
        Scores
            Score, probability and side of the cut-off of each patient.

        Raises
        ------
        errors.LabelMismatchError
            If the cohort has too few of the signature's genes.
        """
        columns = gene_names.match(self.genes, genes).index
        values = np.full((len(bulk), len(self.genes)), np.nan)
        named = columns >= 0
        values[:, named] = bulk[:, columns[named]] - self.mean[named]
        notes = self._check_coverage(np.any(~np.isnan(values), axis=0))
        scores = np.where(np.isnan(values), 0.0, values) @ self.loadings
        logit = self.intercept + self.slope * scores / self.score_sd
        shift = float((scores.mean() - self.score_mean) / self.score_sd)
        notes += self._note_shift(shift)
        return Scores(
            scores,
            1 / (1 + np.exp(-np.clip(logit, -500, 500))),
            scores > self.cut_score,
            float(np.any(~np.isnan(values), axis=0).mean()),
            shift,
            notes,
        )

    def card(self) -> dict[str, Any]:
        """Give everything but genes and arrays.

        Returns
        -------
        dict of str to Any
            JSON values.
        """
        names = ("name", "slope", "intercept", "cut_score", "score_mean", "score_sd", "facts")
        kept = {name: getattr(self, name) for name in names}
        return {**kept, "settings": self.settings.model_dump(), "notes": list(self.notes)}

    def arrays(self) -> dict[str, Array]:
        """Give the arrays.

        Returns
        -------
        dict of str to np.ndarray
            ``mean`` and ``loadings``.
        """
        return {"mean": self.mean, "loadings": self.loadings}

    @classmethod
    def of(
        cls, card: Mapping[str, Any], genes: Sequence[str], arrays: Mapping[str, Array]
    ) -> "Signature":
        """Put a frozen signature together again.

        Parameters
        ----------
        card : mapping
            What `card` gave.
        genes : sequence of str
            Its genes in order.
        arrays : mapping of str to np.ndarray
            What `arrays` gave.

        Returns
        -------
        Signature
            The same signature.
        """
        kept = {**card, "settings": SignatureSettings.model_validate(card["settings"])}
        return cls(genes=list(genes), mean=arrays["mean"], loadings=arrays["loadings"], **kept)

    def _check_coverage(self, there: Array) -> list[str]:
        n_there, n_genes = int(there.sum()), len(self.genes)
        if n_there == n_genes:
            return []
        lacking = [gene for gene, found in zip(self.genes, there, strict=True) if not found]
        named = ", ".join(lacking[:N_NAMED]) + (", ..." if len(lacking) > N_NAMED else "")
        found = f"signature {self.name}: {n_there:,} of its {n_genes:,} genes are there"
        if n_there < self.settings.min_coverage * n_genes:
            raise errors.LabelMismatchError(
                f"{found} (lacking: {named}), needed: {self.settings.min_coverage:.0%}. "
                "Map the cohort to the same gene identifiers with `bluebatch ingest --gene-map`."
            )
        if n_there < self.settings.warn_coverage * n_genes:
            return [f"{found} (lacking: {named}); the others count as the discovery's mean"]
        return []

    def _note_shift(self, shift: float) -> list[str]:
        if abs(shift) <= self.settings.max_shift:
            return []
        return [
            f"signature {self.name}: scores lie {shift:+.1f} sd from the discovery's on average, "
            "as another platform or unit would shift them; the frozen cut-off may not fit"
        ]


def fit(
    bulk: Array,
    genes: Sequence[str],
    inside: Array,
    settings: SignatureSettings | None = None,
    name: str = "group",
) -> Signature:
    """Fit the signature of a group against the rest.

    Parameters
    ----------
    bulk : np.ndarray, shape (patient, gene)
        Values of log2(1 + CPM); genes with NaN are left out.
    genes : sequence of str
        Names of the columns.
    inside : np.ndarray of bool, shape (patient,)
        The group.
    settings : SignatureSettings, optional
        How.
    name : str
        Name of the group.

    Returns
    -------
    Signature
        Frozen.

    Raises
    ------
    errors.ValuesError
        If a side has too few patients, or no gene varies.
    """
    settings = settings or SignatureSettings()
    inside = np.asarray(inside, bool)
    n_inside, n_patients = int(inside.sum()), len(inside)
    if min(n_inside, n_patients - n_inside) < settings.min_group:
        raise errors.ValuesError(
            f"signature {name}: {n_inside:,} of {n_patients:,} patients are in the group, needed: "
            f"{settings.min_group:,} on both sides. Go without it, or lower [signature] min_group."
        )
    found = signature_fit.select_genes(bulk, inside, settings.max_q)
    chosen, notes = signature_fit.choose(found, name, settings)
    matrix = np.asarray(bulk[:, chosen], np.float64)
    mean = matrix.mean(axis=0)
    matrix -= mean
    loadings, explained = signature_fit.first_component(matrix)
    scores = matrix @ loadings
    if scores[inside].mean() < scores[~inside].mean():
        loadings, scores = -loadings, -scores
    spread = float(scores.std())
    slope, intercept = signature_fit.logistic(scores / spread, inside, settings.ridge)
    cut = _cut(scores, n_inside, settings, -intercept / slope * spread if slope > 0 else np.inf)
    facts = {
        "n_patients": n_patients,
        "n_inside": n_inside,
        "n_significant": int(found.significant.sum()),
        "n_genes": len(chosen),
        "explained": explained,
        "area_in_discovery": signature_fit.area(scores, inside),
        "agreement_in_discovery": float(((scores > cut) == inside).mean()),
    }
    notes += signature_fit.note_area(facts["area_in_discovery"], name)
    numbers = (mean, loadings, slope, intercept, cut, float(scores.mean()), spread)
    return Signature(name, [genes[column] for column in chosen], *numbers, facts, settings, notes)


def fit_groups(
    bulk: Array, genes: Sequence[str], groups: Array, settings: SignatureSettings | None = None
) -> tuple[dict[str, Signature], list[str]]:
    """Fit the signatures of the favourable and of the unfavourable group.

    Parameters
    ----------
    bulk : np.ndarray, shape (patient, gene)
        Values of log2(1 + CPM).
    genes : sequence of str
        Names of the columns.
    groups : np.ndarray of int8, shape (patient,)
        0 most favourable, 1 intermediate, 2 most unfavourable.
    settings : SignatureSettings, optional
        How.

    Returns
    -------
    signatures : dict of str to Signature
        Those that could be fitted, by name of the group.
    notes : list of str
        What was decided, and why one is lacking.
    """
    signatures, notes = {}, []
    for code, name in NAMES.items():
        try:
            signatures[name] = fit(bulk, genes, groups == code, settings, name)
            notes += signatures[name].notes
        except errors.ValuesError as error:
            notes.append(str(error))
    return signatures, notes


def _cut(scores: Array, n_inside: int, settings: SignatureSettings, half: float) -> float:
    if settings.cutoff == "half":
        return float(half)
    # Halfway between the last patient inside and the first one outside.
    ordered = np.sort(scores)[::-1]
    return float(ordered[n_inside - 1 : n_inside + 1].mean())
