"""The sections of a report that show results, each with what is missing and why."""

import numpy as np

from bluebatch.downstream import page_figures, page_heatmaps, page_profiles, page_verdict
from bluebatch.downstream.page_content import Row, Section, Table
from bluebatch.downstream.page_facts import Facts
from bluebatch.downstream.page_groups import Groups

N_BEST = 5


def proportions(facts: Facts, groups: Groups) -> Section:
    """Show how much of each type there is, and how sure that is.

    Parameters
    ----------
    facts : Facts
        Proportions and intervals.
    groups : Groups
        Of the samples.

    Returns
    -------
    Section
        Bars, groups, intervals, and a table by type.
    """
    section = Section("proportions", "Proportions", notes=list(groups.notes))
    section.notes.append(_content_note(facts))
    section.pictures.append(page_figures.draw_proportions(facts, groups))
    if groups.column:
        section.pictures.append(page_figures.draw_groups(facts, groups))
    if facts.interval is not None:
        text = page_verdict.interval_text(facts)
        section.pictures.append(page_figures.draw_intervals(facts, facts.interval, text))
    elif facts.kind == "profile":
        section.notes.append(
            "No intervals: the store has no proportion_low and proportion_high, because the model "
            "was not calibrated."
        )
    else:
        section.notes.append("No intervals: the table that was taken in has none.")
        section.details += [str(note) for note in facts.attributes.get("notes") or []]
    section.tables.append(_types_table(facts))
    return section


def profiles(facts: Facts, groups: Groups) -> Section:
    """Show the markers' expression by type and sample.

    Parameters
    ----------
    facts : Facts
        Of the store.
    groups : Groups
        Of the samples.

    Returns
    -------
    Section
        Heat maps.
    """
    found = page_profiles.collect(facts, groups)
    section = Section("profiles", "Profiles of marker genes")
    n_marked = sum(map(bool, found.markers.values()))
    if found.from_profiles:
        why = "" if facts.markers else " (give the model folder with `--model` to have its own)"
        whose = (
            ", ".join(found.from_profiles) if len(found.from_profiles) < n_marked else "all types"
        )
        section.notes.append(
            f"Markers of {whose} are the genes whose mean profile stands highest above all other "
            f"types{why}."
        )
    absent = [name for name in facts.cell_types if name not in {t.cell_type for t in found.types}]
    hidden = [name for name in absent if name in facts.cell_types[page_profiles.MAX_TYPES :]]
    if hidden:
        section.notes.append(
            f"Only the first {page_profiles.MAX_TYPES} types are drawn by sample; not drawn: "
            f"{', '.join(hidden)}."
        )
    known = np.isfinite(found.mean)
    seen = {name: bool(known[at].any()) for at, name in enumerate(facts.cell_types)}
    shown = [name for name in absent if name not in hidden]
    unmarked = [name for name in shown if seen[name] and not found.markers[name]]
    if unmarked:
        section.notes.append(f"No markers are known, so none are drawn: {', '.join(unmarked)}.")
    unseen = [name for name in shown if name not in unmarked]
    if unseen:
        section.notes.append(f"No profile in the samples looked at: {', '.join(unseen)}.")
    if any(found.markers.values()):
        section.pictures.append(page_heatmaps.draw_overview(facts, found))
    section.pictures += [page_heatmaps.draw_type(facts, groups, each) for each in found.types]
    return section


def skill(facts: Facts) -> Section:
    """Show which genes of which types can be predicted.

    Parameters
    ----------
    facts : Facts
        With skill, where the store has it.

    Returns
    -------
    Section
        A map and a table.
    """
    section = Section("skill", "What can be predicted")
    if facts.skill is None:
        section.notes.append(
            "No skill map: the store has no skill, because the model held none from its held-out "
            "samples."
        )
        return section
    section.notes.append(
        "Measured on held-out pseudobulks of the training studies; on other studies and on real "
        "bulk fewer genes hold up."
    )
    section.pictures.append(page_heatmaps.draw_skill(facts, facts.skill))
    above = [page_heatmaps.shares(facts.skill, least) for least in page_heatmaps.STEPS]
    rows: list[Row] = []
    for index, name in enumerate(facts.cell_types):
        values = facts.skill[index]
        known = values[np.isfinite(values)]
        best = np.argsort(-np.nan_to_num(values, nan=-np.inf), kind="stable")[:N_BEST]
        named = ", ".join(facts.genes[at] for at in best if np.isfinite(values[at]))
        middle = float(np.median(known)) if len(known) else None
        shares = [100 * float(share[index]) for share in above]
        rows.append((name, len(known), middle, *shares, named))
    steps = [f"above {least:g} (%)" for least in page_heatmaps.STEPS]
    section.tables.append(
        Table(
            "skill_by_type",
            "Skill by type",
            ["cell type", "genes", "median", *steps, "most predictable"],
            rows,
            "Shares are of all genes whose profiles are written.",
            digits=2,
        )
    )
    return section


def _content_note(facts: Facts) -> str:
    if facts.kind != "profile":
        return (
            "Fractions as the table gives them, divided by the sum of their row. Whether they are "
            "of cells or of RNA, and how good they are, is for their source to say."
        )
    source = facts.attributes.get("mrna_content", "unknown")
    return (
        "Fractions are of cells: fractions of RNA, which is what bulk shows, were divided by the "
        f"mRNA content of each type (factors: {source})."
    )


def _types_table(facts: Facts) -> Table:
    names = ["mean", "median", "5 %", "95 %", "present in (%)"]
    presence = float(facts.attributes.get("presence", page_profiles.PRESENCE))
    rows: list[Row] = []
    for index, name in enumerate(facts.cell_types):
        values = facts.proportion[:, index].astype(np.float64)
        values = values[np.isfinite(values)]
        if not len(values):
            rows.append((name, *[None] * (len(names) + (facts.interval is not None))))
            continue
        middle = [float(value) for value in np.quantile(values, [0.5, 0.05, 0.95])]
        row = [float(values.mean()), *middle, 100 * float((values >= presence).mean())]
        if facts.interval is not None:
            width = facts.interval[1][:, index] - facts.interval[0][:, index]
            width = width[np.isfinite(width)]
            row.append(float(np.median(width)) if len(width) else np.nan)
        rows.append((name, *row))
    if facts.interval is not None:
        names = [*names, "median interval width"]
    return Table(
        "types",
        "Cell types",
        ["cell type", *names],
        rows,
        f"Over {len(facts.samples):,} samples; present: {presence:.0%} or more.",
    )
