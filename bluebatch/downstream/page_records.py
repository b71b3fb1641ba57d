"""The sections of a report that keep record: samples, genes, the evaluation, settings."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from bluebatch.downstream import page_evaluation, page_flags, page_profiles, page_quality
from bluebatch.downstream.page_content import Row, Section, Table
from bluebatch.downstream.page_facts import MEASURES, Facts
from bluebatch.downstream.page_groups import Groups

Array = npt.NDArray[Any]
MAX_ROWS = 200
LONGEST_VALUE = 300


def samples(facts: Facts, groups: Groups, flags: page_flags.Flags) -> Section:
    """Show which samples are flagged.

    Parameters
    ----------
    facts : Facts
        Measures.
    groups : Groups
        Of the samples.
    flags : page_flags.Flags
        Limits.

    Returns
    -------
    Section
        A panel a measure, and a table of samples.
    """
    section = Section("samples", "Samples and flags" if facts.measures else "Samples")
    absent = [name for name in MEASURES if name not in facts.measures]
    if facts.kind != "profile":
        section.notes.append("No model made the store: nothing tells which samples to doubt.")
    elif absent:
        section.notes.append(
            f"Not in the store: {', '.join(absent)}. The model that made it does not compute them."
        )
    elif flags.absent:
        section.notes.append(f"No limit is set for {', '.join(flags.absent)}.")
    if facts.measures:
        section.pictures.append(page_quality.draw_flags(facts, flags))
    flagged = flags.any(len(facts.samples))
    order = np.argsort(~flagged, kind="stable")
    n_flagged = int(flagged.sum())
    if len(order) > MAX_ROWS:
        first, rest = order[:n_flagged][:MAX_ROWS], order[n_flagged:]
        rest = rest[page_profiles.evenly(len(rest), MAX_ROWS - len(first))]
        order = np.concatenate([first, rest])
    cut = "all" if len(order) == len(facts.samples) else f"{len(order):,} of"
    first_ones = "flagged ones first; " if facts.measures else ""
    section.tables.append(
        Table(
            "samples",
            "Samples",
            sample_columns(facts, groups),
            list(sample_rows(facts, groups, flags, order)),
            f"Shown: {cut} {len(facts.samples):,} samples, {first_ones}the file has all.",
            whole=sample_rows(facts, groups, flags, np.arange(len(facts.samples))),
        )
    )
    return section


def sample_columns(facts: Facts, groups: Groups) -> list[str]:
    """Name the columns of the table of samples.

    Parameters
    ----------
    facts : Facts
        What there is.
    groups : Groups
        With the attribute.

    Returns
    -------
    list of str
        Header.
    """
    own = [groups.column] if groups.column else []
    ends = ("", " low", " high") if facts.interval is not None else ("",)
    fractions = [f"{name}{end}" for name in facts.cell_types for end in ends]
    return [
        "sample",
        *own,
        *(["flags"] if facts.measures else []),
        *[name.replace("_", " ") for name in facts.measures],
        *fractions,
    ]


def sample_rows(
    facts: Facts, groups: Groups, flags: page_flags.Flags, rows: Array
) -> Iterator[Row]:
    """Give the table of samples row by row.

    Parameters
    ----------
    facts : Facts
        Values.
    groups : Groups
        With the attribute.
    flags : page_flags.Flags
        Of the samples.
    rows : np.ndarray of int
        Of the store, in the order wanted.

    Yields
    ------
    sequence
        One value for each of `sample_columns`.
    """
    parts = [facts.proportion, *(facts.interval or ())]
    for row in rows:
        own = [groups.values[row]] if groups.column else []
        measures = [float(values[row]) for values in facts.measures.values()]
        fractions = np.stack([part[row] for part in parts], axis=1).ravel().tolist()
        flagged = [flags.of_sample(row)] if facts.measures else []
        yield (facts.samples[row], *own, *flagged, *measures, *fractions)


def genes(facts: Facts) -> Section:
    """Show what became of the cohort's genes.

    Parameters
    ----------
    facts : Facts
        With the cohort, where it was given.

    Returns
    -------
    Section
        Coverage of the panel and of each type's markers, and the gene report of ingest.
    """
    section = Section("genes", "Genes")
    n_genes, n_missing = (facts.attributes.get(f"n_{name}_genes") for name in ("panel", "missing"))
    if isinstance(n_genes, int) and isinstance(n_missing, int):
        section.notes.append(
            f"The model reads {n_genes:,} genes; the cohort measured {n_genes - n_missing:,} of "
            "them."
        )
    missing = facts.attributes.get("missing_genes") or []
    if missing:
        more = ", ..." if isinstance(n_missing, int) and n_missing > len(missing) else ""
        section.notes.append(f"Not measured: {', '.join(map(str, missing))}{more}")
    coverage = facts.marker_coverage()
    if coverage:
        section.pictures.append(page_quality.draw_coverage(coverage))
    elif facts.kind == "profile":
        section.notes.append(
            "Coverage of each type's markers is not known: give `--model` and `--cohort`."
        )
    if facts.cohort is None:
        section.notes.append(
            "No gene report: it stands in the cohort store that `bluebatch ingest` wrote; give it "
            "with `--cohort`."
        )
        return section
    attributes = facts.cohort.attributes
    section.details += [str(note) for note in attributes.get("notes") or []]
    report = dict(attributes.get("genes") or {})
    findings = report.pop("findings", None) or []
    if findings:
        section.tables.append(_findings(findings))
    if report:
        section.tables.append(_pairs("gene_report", "Gene report of the cohort", report))
    return section


def evaluation(found: page_evaluation.Found, facts: Facts) -> Section:
    """Show scores against a truth that the user has.

    Parameters
    ----------
    found : page_evaluation.Found
        Scores and pictures.
    facts : Facts
        To tell whether the scores are of these results.

    Returns
    -------
    Section
        Tables and pictures of the evaluation.
    """
    section = Section("evaluation", "Against the truth", images=found.images)
    if found.digest and found.digest != facts.digest:
        section.notes.append(
            "Take care: this evaluation is of other results, or of these before they changed."
        )
    section.details += [str(note) for note in found.content.get("notes") or []]
    section.tables += page_evaluation.tables(found.content)
    return section


def settings(facts: Facts) -> Section:
    """Show how the results were made, and the digests of what they were made from.

    Parameters
    ----------
    facts : Facts
        Attributes, and the card of the model where it was given.

    Returns
    -------
    Section
        Tables of settings.
    """
    section = Section("settings", "Settings and digests")
    head = {"results": facts.store.path, "results_digest": facts.digest}
    section.tables.append(_pairs("settings", "Results", {**head, **facts.attributes}))
    if facts.kind != "profile":
        return section
    if facts.card is None:
        section.notes.append("Settings of the training: give the model folder with `--model`.")
        return section
    card = facts.card
    parts = {"settings": card.settings, "made_from": card.made_from, "members": card.members}
    kept = {"bluebatch_version": card.bluebatch_version, **parts}
    section.tables.append(_pairs("model", "Model", kept))
    return section


def _findings(findings: list[dict[str, Any]]) -> Table:
    rows: list[Row] = [
        (each.get("kind"), each.get("done"), each.get("count"), _short(each.get("examples") or []))
        for each in findings
    ]
    columns = ["found", "done", "names", "the first of them"]
    return Table("gene_names", "What became of the gene names", columns, rows)


def _pairs(name: str, title: str, content: dict[str, Any]) -> Table:
    rows: list[Row] = [(key, _short(value)) for key, value in _flatten(content)]
    return Table(name, title, ["what", "value"], rows)


def _flatten(content: Any, above: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(content, dict) and content:
        for key, value in content.items():
            yield from _flatten(value, f"{above}.{key}" if above else str(key))
    elif isinstance(content, list) and any(isinstance(each, dict) for each in content):
        for at, value in enumerate(content):
            yield from _flatten(value, f"{above}[{at}]")
    else:
        yield above, content


def _short(value: Any) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return text if len(text) <= LONGEST_VALUE else f"{text[: LONGEST_VALUE - 3]}..."
