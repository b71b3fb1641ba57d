"""One page about a results store: what is in it, and how far it can be trusted."""

import dataclasses
from importlib import metadata
from typing import Any

from bluebatch import errors
from bluebatch.downstream import (
    page_content,
    page_evaluation,
    page_facts,
    page_flags,
    page_groups,
    page_records,
    page_render,
    page_sections,
    page_subtype_verdict,
    page_subtypes,
    page_taken,
    page_verdict,
    subtypes_found,
)
from bluebatch.store import outputs, places


@dataclasses.dataclass(frozen=True)
class Options:
    """What a report is given beside the results.

    Parameters
    ----------
    cohort : str, pathlib.Path, upath.UPath or None
        Store that the results were made from, for its gene report and attributes.
    model : str, pathlib.Path, upath.UPath or None
        Folder of the model, for its markers and settings.
    by : str or None
        Attribute that groups the samples.
    samples : str, pathlib.Path, upath.UPath or None
        Table of the samples' attributes.
    evaluation : str, pathlib.Path, upath.UPath or None
        What `bluebatch evaluate` wrote.
    subtypes : str, pathlib.Path, upath.UPath or None
        What `bluebatch subtype` or `bluebatch transfer` wrote.
    figures_folder : str, pathlib.Path, upath.UPath or None
        Folder of figures and numbers; beside the page by default.
    overwrite : bool
        Whether what stands at the output is replaced.
    """

    cohort: str | places.Place | None = None
    model: str | places.Place | None = None
    by: str | None = None
    samples: str | places.Place | None = None
    evaluation: str | places.Place | None = None
    subtypes: str | places.Place | None = None
    figures_folder: str | places.Place | None = None
    overwrite: bool = False


@dataclasses.dataclass(frozen=True)
class Summary:
    """What was written.

    Parameters
    ----------
    path, folder : str
        The page, and the folder of its figures and tables.
    n_samples, n_figures, n_bytes : int
        Samples reported on; figures; size of the page.
    verdict : str
        What can be trusted, in a sentence.
    """

    path: str
    folder: str
    n_samples: int
    n_figures: int
    n_bytes: int
    verdict: str

    def as_text(self) -> str:
        """Say it in two lines.

        Returns
        -------
        str
            What was written, and the verdict.
        """
        return (
            f"{self.path}: {self.n_samples:,} samples, {self.n_figures} figures, "
            f"{self.n_bytes / 1e6:,.1f} MB; as files in {self.folder}\n  {self.verdict}"
        )

    def as_dict(self) -> dict[str, Any]:
        """Give every number.

        Returns
        -------
        dict of str to Any
            JSON values.
        """
        return dataclasses.asdict(self)


def run(
    results: str | places.Place, out: str | places.Place, options: Options | None = None
) -> Summary:
    """Write the report of a results store.

    Parameters
    ----------
    results : str, pathlib.Path or upath.UPath
        Profile store, complete; a composition store; or with `subtypes` a cohort store.
    out : str, pathlib.Path or upath.UPath
        HTML file.
    options : Options, optional
        What else there is to show.

    Returns
    -------
    Summary
        What was written.

    Raises
    ------
    errors.BluebatchError
        If the results are unfinished or no results, something given with them does not fit, or
        something stands at the output.
    """
    options = options or Options()
    out = places.place(out)
    folder = places.place(options.figures_folder or out.with_name(f"{out.stem}_files"))
    inputs = [results, options.cohort, options.model, options.samples, options.evaluation]
    inputs.append(options.subtypes)
    _check_output(out, folder, inputs, overwrite=options.overwrite)
    facts = page_facts.collect(results, options.model, options.cohort)
    page_taken.check(facts, options.subtypes, options.by, options.evaluation)
    groups = page_groups.find(facts.samples, options.by, options.samples, facts.cohort)
    found = page_evaluation.read(options.evaluation)
    subtypes = subtypes_found.read(options.subtypes)
    page = _compose(facts, groups, found, subtypes)
    n_figures = page_render.write(page, out, folder)
    n_bytes = out.stat().st_size
    return Summary(str(out), str(folder), len(facts.samples), n_figures, n_bytes, page.summary)


def _compose(
    facts: page_facts.Facts,
    groups: page_groups.Groups,
    found: page_evaluation.Found,
    subtypes: subtypes_found.Found | None,
) -> page_render.Page:
    flags = page_flags.find(facts)
    statements = page_verdict.judge(facts, flags, found.content)
    reading = [page_verdict.how_to_read()] if facts.kind == "profile" else []
    if subtypes is not None:
        statements.insert(0, page_subtype_verdict.judge(subtypes))
        reading.append(page_subtype_verdict.how_to_read())
    sections = [page_records.evaluation(found, facts)] if found.content else []
    sections += _results(facts, groups)
    if subtypes is not None:
        sections.append(page_subtypes.section(subtypes, facts))
    sections += _records(facts, groups, flags)
    flagged = f"{int(flags.any(len(facts.samples)).sum()):,}" if flags.beyond else "not known"
    version = metadata.version("bluebatch")
    return page_render.Page(
        title=f"Report on {places.place(facts.store.path).name}",
        subtitle=page_taken.subtitle(facts, version),
        summary=page_verdict.sum_up(statements),
        reading=" ".join(reading),
        footer=f"Made by bluebatch {version} from the results with the digest {facts.digest}.",
        numbers=page_taken.numbers(facts, flagged),
        statements=statements,
        sections=sections,
    )


def _results(facts: page_facts.Facts, groups: page_groups.Groups) -> list[page_content.Section]:
    """Show what is estimated, as far as the store holds it."""
    if facts.kind == "cohort":
        return []
    shown = [page_sections.proportions(facts, groups)]
    if facts.kind == "profile":
        shown += [page_sections.profiles(facts, groups), page_sections.skill(facts)]
    return shown


def _records(
    facts: page_facts.Facts, groups: page_groups.Groups, flags: page_flags.Flags
) -> list[page_content.Section]:
    kept = [] if facts.kind == "cohort" else [page_records.samples(facts, groups, flags)]
    if facts.kind != "composition":
        kept.append(page_records.genes(facts))
    return [*kept, page_records.settings(facts)]


def _check_output(
    out: places.Place, folder: places.Place, inputs: list[Any], *, overwrite: bool
) -> None:
    outputs.check(out, inputs, overwrite=False)
    outputs.check(folder, inputs, overwrite=False)
    with places.reached(out):
        if out.is_dir():
            raise errors.OutputExistsError(
                f"{out}: is a folder, needed: a file such as {out / 'report.html'}. "
                "Give another --out."
            )
        if folder.is_file():
            raise errors.OutputExistsError(
                f"{folder}: is a file, needed: a folder. Give another --figures-folder."
            )
        for path in (out, folder):
            if path.exists() and not overwrite:
                raise errors.OutputExistsError(
                    f"{path}: something stands there. Choose another --out, or give --overwrite "
                    "to replace the page and its figures."
                )
