"""Results against what is known: scores of fractions and profiles beside simple guesses."""

import dataclasses
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy.typing as npt

from bluebatch.downstream import (
    bootstrap,
    comparison,
    evaluation_files,
    flagged,
    intervals,
    proportions,
    sections,
    truth,
    yardsticks,
)
from bluebatch.downstream.report import Evaluation, Section
from bluebatch.store import places, read

Array = npt.NDArray[Any]
JSON_FILE = evaluation_files.JSON_FILE
INPUTS = ("model", "cohort", "samples", "profiles")


@dataclasses.dataclass(frozen=True)
class Options:
    """How results are evaluated.

    Parameters
    ----------
    cell_types : sequence of str
        Types that must be compared; all in common by default.
    model : str, pathlib.Path, upath.UPath or None
        Model folder, whose baselines are scored as well.
    cohort : str, pathlib.Path, upath.UPath or None
        Store of the bulk expression, for the baselines that read it; a pseudobulk truth holds its
        own.
    renormalise : bool
        Whether fractions are divided by their sum over the compared types, on both sides.
    proportions_only : bool
        Whether profiles are left alone.
    min_cells : int
        Profiles are scored where the truth was drawn from at least as many cells.
    min_proportion : float
        A second table scores profiles above this true proportion only.
    split : str
        Of a truth store with several splits, these samples are compared.
    contrast : str or None
        Column that divides the samples into two groups, whose differences are compared: of the
        table ``samples``, or an array of the truth store.
    groups : sequence of str
        The two values compared, the base first; may be empty where there are but two.
    samples : str, pathlib.Path or None
        Table of the samples with that column.
    profiles : str, pathlib.Path or None
        Table of profiles of sorted cells, linear, with which mean profiles are compared.
    bootstrap : int
        How often the samples are drawn anew for intervals of the headline scores; 0 for none.
    overwrite : bool
        Whether another evaluation at the output path is replaced.
    """

    cell_types: Sequence[str] = ()
    model: str | places.Place | None = None
    cohort: str | places.Place | None = None
    renormalise: bool = False
    proportions_only: bool = False
    min_cells: int = 25
    min_proportion: float = 0.1
    split: str = "test"
    contrast: str | None = None
    groups: Sequence[str] = ()
    samples: str | pathlib.Path | None = None
    profiles: str | pathlib.Path | None = None
    bootstrap: int = 0
    overwrite: bool = False

    def wanted(self) -> sections.Wanted:
        """Say what is asked for beyond fractions and profiles.

        Returns
        -------
        sections.Wanted
            The same values.
        """
        return sections.Wanted(
            self.contrast,
            self.groups,
            self.samples,
            self.profiles,
            scored=not self.proportions_only,
        )


def run(
    results: str | places.Place,
    truth_path: str | places.Place,
    out: str | places.Place | None = None,
    options: Options | None = None,
) -> Evaluation:
    """Score a results store against the truth.

    Parameters
    ----------
    results : str, pathlib.Path or upath.UPath
        Profile store.
    truth_path : str, pathlib.Path or upath.UPath
        Pseudobulk store, or table of proportions.
    out : str, pathlib.Path or upath.UPath, optional
        Folder for ``evaluation.json``, ``evaluation.png`` and a table and a figure of each further
        part; that of the results by default.
    options : Options, optional
        How.

    Returns
    -------
    Evaluation
        Every score, as it was written.

    Raises
    ------
    errors.BluebatchError
        If an input cannot be read, nothing can be compared, or another evaluation stands there.
    """
    options = options or Options()
    store = read.open_store(results, "profile")
    known = truth.read_truth(truth_path)
    matched = truth.match(store, known, options.cell_types, options.split)
    folder = places.place(out) if out is not None else places.place(results).parent
    further = {name: getattr(options, name) for name in INPUTS}
    made_from = evaluation_files.made_from(results=results, truth=truth_path, **further)
    evaluation_files.check(folder, made_from, overwrite=options.overwrite)
    simple = None if options.model is None else yardsticks.open_yardsticks(options.model)
    bulk = _open_bulk(known, matched, simple, options)
    pair = comparison.Pair(store, known, matched, simple, bulk)
    asked = sections.prepare(pair, options.wanted())
    compared = proportions.compare(store, known, matched, simple, bulk)
    notes = [*matched.notes, *_left_out(simple, bulk)]
    if options.renormalise:
        compared = proportions.renormalise(compared)
    else:
        notes += proportions.note_sums(compared)
    profiles, more, added = _compare_profiles(pair, asked, options)
    honest, warned = _compare_honesty(pair, compared, options)
    evaluation = Evaluation(
        cell_types=matched.cell_types,
        n_samples=len(matched.samples),
        fractions=proportions.score(compared),
        profiles=profiles.tables,
        n_genes=profiles.n_genes,
        notes=notes + profiles.notes + warned + added,
        settings=_json_values(options),
        made_from=made_from,
        sections={**honest, **more},
    )
    evaluation_files.write(folder, evaluation, compared)
    return evaluation


def _compare_profiles(
    pair: comparison.Pair, asked: sections.Asked, options: Options
) -> tuple[comparison.Profiles, dict[str, Section], list[str]]:
    scored = pair.known.store is not None and not options.proportions_only
    profiles = comparison.Profiles({}, 0, [])
    if scored:
        profiles = comparison.compare_profiles(pair, options.min_cells, options.min_proportion)
    elif not options.proportions_only:
        profiles.notes.append("profiles are not scored: the truth is a table of proportions")
    more, notes = sections.measure(pair, asked, options.min_cells, scored=scored)
    return profiles, more, notes


def _compare_honesty(
    pair: comparison.Pair, compared: dict[str, Array], options: Options
) -> tuple[dict[str, Section], list[str]]:
    found: dict[str, Section] = {}
    notes: list[str] = []
    if options.bootstrap:
        found["bootstrap"] = bootstrap.resample(compared, options.bootstrap)
    results, matched, true = pair.results, pair.matched, compared["truth"]
    held = intervals.compare(results, matched, true, renormalise=options.renormalise)
    if held is not None:
        found["intervals"], notes = held, held.notes
    told = flagged.compare(results, matched, compared["model"], true)
    if told is not None:
        found["flags"] = told
    if options.bootstrap:
        found["bootstrap"] = bootstrap.resample(compared, options.bootstrap)
    return found, notes


def _open_bulk(
    known: truth.Truth,
    matched: truth.Match,
    simple: yardsticks.Yardsticks | None,
    options: Options,
) -> yardsticks.Bulk | None:
    store = known.store
    if options.cohort is not None:
        store = read.open_store(options.cohort, "cohort", "pseudobulk")
    if simple is None or store is None:
        return None
    return yardsticks.Bulk(store, simple.card, matched.samples)


def _left_out(simple: yardsticks.Yardsticks | None, bulk: yardsticks.Bulk | None) -> list[str]:
    if simple is None:
        return ["no baselines: give the model folder with --model"]
    if bulk is None:
        return ["no NNLS: give the samples' expression with --cohort"]
    return []


def _json_values(options: Options) -> dict[str, Any]:
    kept = {
        name: value
        for name, value in dataclasses.asdict(options).items()
        if name not in (*INPUTS, "overwrite")
    }
    return {**kept, "cell_types": list(options.cell_types), "groups": list(options.groups)}
