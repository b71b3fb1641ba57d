"""What a report says of results that no model made: a table of proportions, or bulk alone."""

from bluebatch import errors
from bluebatch.downstream.page_content import Statement
from bluebatch.downstream.page_facts import Facts
from bluebatch.store import places

_SUBTITLES = {
    "profile": "Cell-type proportions and expression profiles estimated from bulk RNA-seq by "
    "bluebatch {version}",
    "composition": "Cell-type proportions of {source}, taken in by bluebatch {version}",
    "cohort": "Bulk expression of {source}, taken in by bluebatch {version}",
}


def check(
    facts: Facts, subtypes: str | places.Place | None, by: str | None, evaluation: object
) -> None:
    """Refuse what cannot be shown of a store of bulk expression.

    Parameters
    ----------
    facts : Facts
        Of the results.
    subtypes : str, pathlib.Path, upath.UPath or None
        Groups of patients.
    by : str or None
        Attribute that groups the samples.
    evaluation : object
        Scores against a truth, if any.

    Raises
    ------
    errors.ForeignStoreError
        If there is nothing to report.
    errors.ConfigError
        If something is given that has nothing to be shown with.
    """
    if facts.kind != "cohort":
        return
    if subtypes is None:
        raise errors.ForeignStoreError(
            f"{facts.store.path}: is a cohort store, needed: a profile or composition store, or "
            "with it --subtypes. Give the folder that `bluebatch subtype` wrote from it."
        )
    for flag, value in (("--by", by), ("--evaluation", evaluation)):
        if value is not None:
            raise errors.ConfigError(
                f"{facts.store.path}: a cohort store has no proportions, needed for {flag}. "
                f"Leave {flag} out."
            )


def subtitle(facts: Facts, version: str) -> str:
    """Say what the results are.

    Parameters
    ----------
    facts : Facts
        Of the results.
    version : str
        Of bluebatch, where the store does not tell.

    Returns
    -------
    str
        The line below the heading.
    """
    source = facts.attributes.get("source")
    named = source.get("name") if isinstance(source, dict) else None
    return _SUBTITLES[facts.kind].format(
        version=facts.attributes.get("bluebatch_version", version), source=named or "a table"
    )


def numbers(facts: Facts, flagged: str) -> list[tuple[str, str]]:
    """Count what there is.

    Parameters
    ----------
    facts : Facts
        Of the results.
    flagged : str
        Samples flagged, or that it is not known.

    Returns
    -------
    list of tuple of str and str
        Names and values at the head of the page.
    """
    found = [("samples", f"{len(facts.samples):,}")]
    if facts.kind == "cohort":
        return [*found, ("genes measured", f"{len(facts.store.labels['gene']):,}")]
    found.append(("cell types", f"{len(facts.cell_types):,}"))
    if facts.kind == "composition":
        return found
    return [*found, ("genes with profiles", f"{len(facts.genes):,}"), ("samples flagged", flagged)]


def judge(facts: Facts) -> list[Statement]:
    """Say what cannot be known of results that were taken in.

    Parameters
    ----------
    facts : Facts
        Of a composition or cohort store.

    Returns
    -------
    list of Statement
        None of them good or bad: nothing in the store tells.
    """
    if facts.kind == "cohort":
        text = (
            "The store holds what was measured and nothing that was estimated: no proportions, "
            "profiles, skill or flags, and so no sections on them. Expression of bulk mixes what "
            "cells do with how many of each there are."
        )
        return [Statement("unknown", "samples", text)]
    proportions = (
        "They were taken in from a table and not estimated here. The store has no intervals and "
        "no flags, so how far a proportion may be off, and which samples to doubt, is not known."
    )
    profiles = (
        "A table of proportions has none: there are no sections on profiles, on what can be "
        "predicted, and on genes."
    )
    return [
        Statement("unknown", "proportions", proportions),
        Statement("unknown", "profiles", profiles),
    ]
