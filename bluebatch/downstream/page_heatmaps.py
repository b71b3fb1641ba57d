"""Heat maps of the page: markers by type and sample, and what the model can predict."""

from typing import Any

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bluebatch.downstream import figures, page_content, page_profiles
from bluebatch.downstream.page_facts import Facts
from bluebatch.downstream.page_groups import Groups

Array = npt.NDArray[Any]
USABLE = 0.1
STEPS = (0.0, USABLE, 0.3)
OVERVIEW_COLUMNS = 72
SKILL_COLUMNS = 400
MAX_NAMED = 40
UNKNOWN = "#E4E4E4"


def draw_overview(facts: Facts, profiles: page_profiles.Profiles) -> page_content.Picture:
    """Draw the mean profile of every type at the best markers of each.

    Parameters
    ----------
    facts : Facts
        Labels.
    profiles : page_profiles.Profiles
        Means and markers.

    Returns
    -------
    page_content.Picture
        Types by genes.
    """
    types = [name for name in facts.cell_types if profiles.markers[name]]
    n_each = int(np.clip(OVERVIEW_COLUMNS // max(1, len(types)), 2, 10))
    pairs = [(name, gene) for name in types for gene in profiles.markers[name][:n_each]]
    position = {gene: at for at, gene in enumerate(facts.genes)}
    mean = profiles.mean[:, [position[gene] for _, gene in pairs]]
    n_types = len(facts.cell_types)
    with mpl.rc_context(figures.STYLE):
        figure = figures.new_figure(max(6.0, 0.155 * len(pairs) + 1.8), 0.24 * n_types + 1.5)
        axes = figure.subplots()
        image = axes.imshow(mean, aspect="auto", cmap=_map("viridis"), interpolation="nearest")
        _bar(figure, image, axes, "log2(1 + CPM)")
        axes.set_yticks(range(n_types), [figures.label(name) for name in facts.cell_types])
        genes = [figures.label(gene, 16) for _, gene in pairs]
        axes.set_xticks(range(len(pairs)), genes, rotation=90, fontsize=6.5)
        marked = [name for name, _ in pairs]
        for at in range(1, len(pairs)):
            if marked[at] != marked[at - 1]:
                axes.axvline(at - 0.5, color="white", linewidth=1.6)
        _bare(axes)
    rows = ((*pair, *mean[:, at].tolist()) for at, pair in enumerate(pairs))
    return page_content.Picture(
        "profile_overview",
        "Mean profile of each type at the markers of all types",
        f"Each row is a cell type, its mean over the samples where it is present "
        f"({profiles.n_read:,} of {len(facts.samples):,} samples looked at); each block of "
        f"columns holds up to {n_each} markers of one type, in the order of the rows. The bright "
        "blocks should lie on the diagonal.",
        figure,
        ["marker of", "gene", *facts.cell_types],
        rows,
    )


def draw_type(
    facts: Facts, groups: Groups, shown: page_profiles.TypeProfiles
) -> page_content.Picture:
    """Draw one type's markers across samples, each gene beside its own mean.

    Parameters
    ----------
    facts : Facts
        Proportions.
    groups : Groups
        Of the samples.
    shown : page_profiles.TypeProfiles
        What is drawn.

    Returns
    -------
    page_content.Picture
        Genes by samples.
    """
    proportion = facts.proportion[shown.rows, facts.cell_types.index(shown.cell_type)]
    with mpl.rc_context(figures.STYLE):
        figure = figures.new_figure(8.6, 0.165 * len(shown.genes) + 1.6)
        upper, axes = figure.subplots(2, 1, height_ratios=[1, 4.5], sharex=True)
        _draw_strip(upper, proportion, groups, shown.rows)
        _draw_markers(figure, axes, shown)
        named = len(shown.rows) <= MAX_NAMED
        names = [figures.label(facts.samples[row], 16) for row in shown.rows] if named else []
        axes.set_xticks(range(len(names)), names, rotation=90, fontsize=6.5)
        upper.tick_params(axis="x", length=0, labelbottom=False)
    n_shown = f"{len(shown.rows):,}"
    if len(shown.rows) < shown.n_present:
        n_shown += f" evenly chosen of {shown.n_present:,}"
    trust = (
        f" Genes in grey have a held-out skill of {USABLE} or less: their differences between "
        "samples mean little."
    )
    return page_content.Picture(
        f"profile_{_file_name(shown.cell_type, facts)}",
        f"{shown.cell_type}: markers across samples",
        f"Above, the proportion of {shown.cell_type} in each sample; below, its best markers "
        f"beside each gene's mean. Samples in which the type is present ({n_shown}), sorted by "
        f"proportion{' within groups' if groups.column else ''}."
        f"{'' if shown.skill is None else trust}",
        figure,
        ["sample", *(["group"] if groups.column else []), "proportion", *shown.genes],
        _type_rows(facts, groups, shown, proportion),
    )


def draw_skill(facts: Facts, skill: Array) -> page_content.Picture:
    """Draw, for each type, how much of the genes' variation the model predicts.

    Parameters
    ----------
    facts : Facts
        Labels.
    skill : np.ndarray, shape (cell_type, gene)
        Held-out skill; NaN where it could not be measured.

    Returns
    -------
    page_content.Picture
        Types by share of genes, best first.
    """
    with mpl.rc_context(figures.STYLE):
        figure = figures.new_figure(8.6, 0.3 * len(skill) + 1.1)
        _draw_shares(figure, figure.subplots(), skill)
        figure.axes[0].set_yticks(range(len(skill)), [figures.label(n) for n in facts.cell_types])
    rows = (
        (name, gene, float(skill[index, at]))
        for index, name in enumerate(facts.cell_types)
        for at, gene in enumerate(facts.genes)
    )
    return page_content.Picture(
        "skill",
        "Skill of the profiles by type and gene",
        "For each type its genes from the most to the least predictable, on held-out pseudobulks: "
        "1 - MSE / MSE of the training mean. Grey: 0 or below, no better than the training mean, "
        f"or not measured. The white line stands where skill falls to {USABLE}.",
        figure,
        ["cell type", "gene", "skill"],
        rows,
    )


def shares(skill: Array, least: float) -> Array:
    """Count the genes above a skill.

    Parameters
    ----------
    skill : np.ndarray, shape (cell_type, gene)
        NaN where it could not be measured.
    least : float
        Skill that must be passed.

    Returns
    -------
    np.ndarray, shape (cell_type,)
        Share of all genes; NaN where no gene was measured.
    """
    if not skill.shape[1]:
        return np.full(len(skill), np.nan)
    share = (np.nan_to_num(skill, nan=-np.inf) > least).mean(axis=1)
    return np.where(np.isfinite(skill).any(axis=1), share, np.nan)


def _file_name(cell_type: str, facts: Facts) -> str:
    plain = "".join(
        letter if letter.isascii() and letter.isalnum() else "_" for letter in cell_type
    )
    return f"{facts.cell_types.index(cell_type) + 1:02d}_{plain}"


def _type_rows(
    facts: Facts, groups: Groups, shown: page_profiles.TypeProfiles, proportion: Array
) -> Any:
    for at, row in enumerate(shown.rows):
        group = [groups.names[groups.index[row]]] if groups.column else []
        yield (facts.samples[row], *group, float(proportion[at]), *shown.values[at].tolist())


def _draw_strip(axes: Axes, proportion: Array, groups: Groups, rows: Array) -> None:
    colours = figures.colours(len(groups.names))
    member = groups.index[rows]
    places = np.arange(len(rows))
    for index in np.unique(member):
        mine = member == index
        axes.bar(
            places[mine], proportion[mine], width=1.0, color=colours[index],
            label=figures.label(groups.names[index]),
        )  # fmt: skip
    axes.set_ylim(0, max(0.01, float(proportion.max(initial=0)) * 1.05))
    axes.set_ylabel("proportion", fontsize=7)
    axes.locator_params(axis="y", nbins=3)
    if groups.column:
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=6, fontsize=7)


def _draw_shares(figure: Figure, axes: Axes, skill: Array) -> None:
    n_types, n_genes = skill.shape
    columns = int(min(SKILL_COLUMNS, max(1, n_genes)))
    best_first = -np.sort(-np.where(np.isnan(skill), -np.inf, skill), axis=1)
    middle = ((np.arange(columns) + 0.5) * n_genes / columns).astype(int)
    image = axes.imshow(
        best_first[:, middle], aspect="auto", vmin=0, vmax=0.8, interpolation="nearest",
        cmap=mpl.colormaps["viridis"].with_extremes(bad=UNKNOWN, under=UNKNOWN),
        extent=(0, 100, n_types - 0.5, -0.5),
    )  # fmt: skip
    _bar(figure, image, axes, "held-out skill", extend="both")
    for index, share in enumerate(shares(skill, USABLE)):
        if np.isfinite(share):
            axes.plot([100 * share] * 2, [index - 0.5, index + 0.5], color="white", linewidth=2)
    axes.set_xlabel("genes, each type's most predictable first (%)")
    _bare(axes)


def _draw_markers(figure: Figure, axes: Axes, shown: page_profiles.TypeProfiles) -> None:
    centred = (shown.values - page_profiles.mean_of_rows(shown.values)).T
    size = np.abs(centred[np.isfinite(centred)])
    # A few extreme values must not bleach all others.
    reach = float(max(0.25, np.quantile(size, 0.98))) if len(size) else 0.25
    image = axes.imshow(
        centred, aspect="auto", cmap=_map("RdBu_r"), vmin=-reach, vmax=reach,
        interpolation="nearest",
    )  # fmt: skip
    _bar(figure, image, axes, "log2 to the gene's mean", extend="both")
    genes = [figures.label(gene, 16) for gene in shown.genes]
    ticks = axes.set_yticks(range(len(genes)), genes, fontsize=7)
    if shown.skill is not None:
        for tick, value in zip(ticks, shown.skill, strict=True):
            tick.label1.set_color(figures.BLACK if value > USABLE else figures.GREY)
    _bare(axes)


def _map(name: str) -> Any:
    return mpl.colormaps[name].with_extremes(bad=UNKNOWN)


def _bar(figure: Figure, image: Any, axes: Axes, text: str, extend: Any = "neither") -> None:
    bar = figure.colorbar(image, ax=axes, shrink=0.9, aspect=12, pad=0.01, extend=extend)
    bar.set_label(text, fontsize=7)
    bar.ax.tick_params(labelsize=7)
    bar.outline.set_visible(False)


def _bare(axes: Axes) -> None:
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
