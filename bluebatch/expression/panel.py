"""Choosing a model's genes: markers of each type, genes of interest, two ordered lists."""

import dataclasses
import pathlib
from collections.abc import Collection, Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt
import pydantic

from bluebatch import errors


class PanelSettings(pydantic.BaseModel):
    """Which genes a model reads and which it writes.

    Parameters
    ----------
    top_n : int
        Markers of each reference and type, by fold change; their union is the panel.
    max_adjusted_p : float
        Largest adjusted p of a marker.
    cpm_over : {"library", "panel"}
        Genes whose sum is a million: all that are measured, or those of the panel.
    input : str
        ``"markers"``, ``"all"``, or the path of a file with one gene a line.
    output : str
        ``"same"`` as the input, ``"all"`` whose profiles the store keeps, or such a file.
    """

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid")

    top_n: int = pydantic.Field(default=285, gt=0)
    max_adjusted_p: float = pydantic.Field(default=0.1, gt=0, le=1)
    cpm_over: Literal["library", "panel"] = "library"
    input: str = "markers"
    output: str = "same"


@dataclasses.dataclass(frozen=True)
class MarkerTable:
    """Genes ranked for each type against the rest.

    Parameters
    ----------
    genes : sequence of str
        Labels of the last axis.
    cell_types : sequence of str
        Labels of the middle axis.
    log_fold_change, adjusted_p : np.ndarray, shape (reference, cell_type, gene)
        NaN where a reference lacks the type.
    """

    genes: Sequence[str]
    cell_types: Sequence[str]
    log_fold_change: npt.NDArray[np.floating]
    adjusted_p: npt.NDArray[np.floating]


@dataclasses.dataclass(frozen=True)
class GenePanel:
    """The genes of a model.

    Parameters
    ----------
    inputs, outputs : list of str
        Genes read and genes written, in the order of the store.
    markers : dict of str to list of str
        Markers of each type among the inputs, best first.
    """

    inputs: list[str]
    outputs: list[str]
    markers: dict[str, list[str]]


def choose(
    table: MarkerTable,
    profile_genes: Sequence[str],
    settings: PanelSettings,
    *,
    measured: Collection[str] | None = None,
    interest: Sequence[str] = (),
) -> GenePanel:
    """Choose the genes that a model reads and writes.

    Parameters
    ----------
    table : MarkerTable
        Over every gene of the training store.
    profile_genes : sequence of str
        Genes whose profiles the store keeps: no other can be written.
    settings : PanelSettings
        Rules.
    measured : collection of str, optional
        Genes that the cohort aimed at has; markers are taken from these only.
    interest : sequence of str
        Genes to be read, where measured, and written whatever their rank.

    Returns
    -------
    GenePanel
        The genes.

    Raises
    ------
    errors.LabelMismatchError
        If a gene asked for is not in the store, or nothing is left.
    """
    wanted = set(table.genes) if measured is None else set(table.genes) & set(measured)
    markers = select_markers(table, settings, wanted)
    if settings.input == "markers":
        chosen = {gene for genes in markers.values() for gene in genes}
    elif settings.input == "all":
        chosen = wanted
    else:
        chosen = set(_known(read_genes(settings.input), table.genes, "[panel] input")) & wanted
    chosen |= set(_known(interest, table.genes, "--genes")) & wanted
    if not chosen:
        raise errors.LabelMismatchError(
            f"[panel]: no gene has an adjusted p below {settings.max_adjusted_p:g} and a positive "
            f"fold change among the {len(wanted):,} genes looked at. Raise [panel] max_adjusted_p, "
            "or check that the cohort's gene names are those of the store."
        )
    written = _outputs(chosen, profile_genes, settings, interest)
    kept = {name: [gene for gene in genes if gene in chosen] for name, genes in markers.items()}
    return GenePanel(
        inputs=[gene for gene in table.genes if gene in chosen],
        outputs=[gene for gene in profile_genes if gene in written],
        markers=kept,
    )


def select_markers(
    table: MarkerTable, settings: PanelSettings, wanted: Collection[str] | None = None
) -> dict[str, list[str]]:
    """Select each type's markers: the top genes by fold change in each reference, united.

    Parameters
    ----------
    table : MarkerTable
        Ranked genes.
    settings : PanelSettings
        How many and how sure.
    wanted : collection of str, optional
        Only these genes; all by default.

    Returns
    -------
    dict of str to list of str
        Genes of each type, by their best rank in any reference.
    """
    fold = np.asarray(table.log_fold_change)
    fit = (np.asarray(table.adjusted_p) < settings.max_adjusted_p) & (fold > 0)
    if wanted is not None:
        fit = fit & np.array([gene in wanted for gene in table.genes])
    order = np.argsort(np.where(fit, -fold, np.inf), axis=-1, kind="stable")
    markers: dict[str, list[str]] = {}
    for index, name in enumerate(table.cell_types):
        best: dict[str, int] = {}
        for reference in range(len(fold)):
            ranked = order[reference, index][: settings.top_n]
            for place, gene in enumerate(ranked[fit[reference, index, ranked]]):
                label = table.genes[gene]
                best[label] = min(place, best.get(label, place))
        markers[name] = sorted(best, key=best.__getitem__)
    return markers


def read_genes(path: str | pathlib.Path) -> list[str]:
    """Read a list of genes.

    Parameters
    ----------
    path : str or pathlib.Path
        Text file with one gene a line; empty lines and what follows ``#`` are left out.

    Returns
    -------
    list of str
        Each gene once, in the file's order.

    Raises
    ------
    errors.MissingInputError
        If there is no such file.
    errors.InputFileError
        If it holds no gene or is not text.
    """
    file = pathlib.Path(path)
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError as error:
        raise errors.MissingInputError(f"{file}: there is no such file. Check the path.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise errors.InputFileError(
            f"{file}: is no readable text ({error}), needed: one gene a line. Give a text file."
        ) from error
    genes = [line.partition("#")[0].strip() for line in lines]
    found = list(dict.fromkeys(gene for gene in genes if gene))
    if not found:
        raise errors.InputFileError(f"{file}: holds no gene, needed: one gene a line. Fill it.")
    return found


def _outputs(
    chosen: set[str],
    profile_genes: Sequence[str],
    settings: PanelSettings,
    interest: Sequence[str],
) -> set[str]:
    if settings.output == "same":
        written = chosen & set(profile_genes)
    elif settings.output == "all":
        written = set(profile_genes)
    else:
        written = set(_with_profiles(read_genes(settings.output), profile_genes, "[panel] output"))
    written |= set(_with_profiles(interest, profile_genes, "--genes"))
    if not written:
        raise errors.LabelMismatchError(
            f"[panel]: the store keeps profiles of none of the {len(chosen):,} genes chosen. "
            "Run `bluebatch simulate --all-genes` to keep every gene's profile."
        )
    return written


def _known(genes: Sequence[str], known: Sequence[str], where: str) -> list[str]:
    missing = [gene for gene in genes if gene not in set(known)]
    if missing:
        raise errors.LabelMismatchError(
            f"{where}: {len(missing):,} of {len(genes):,} genes are not in the training store "
            f"(first: {missing[0]}). Remove them, or use the store's own gene names."
        )
    return list(genes)


def _with_profiles(genes: Sequence[str], kept: Sequence[str], where: str) -> list[str]:
    missing = [gene for gene in genes if gene not in set(kept)]
    if missing:
        raise errors.LabelMismatchError(
            f"{where}: the training store keeps no profiles of {len(missing):,} of "
            f"{len(genes):,} genes (first: {missing[0]}). Run `bluebatch simulate` with "
            "--all-genes, or with --genes and the same file."
        )
    return list(genes)
