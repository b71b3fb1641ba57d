"""Results against what is known: scores of fractions and profiles beside simple guesses."""

import dataclasses
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from bluebatch import errors
from bluebatch.downstream import comparison, evaluation_figure, figures, truth, yardsticks
from bluebatch.downstream.report import Evaluation
from bluebatch.expression import metrics, mixture
from bluebatch.store import digests, files, model_folder, outputs, places, read

Array = npt.NDArray[Any]
JSON_FILE = "evaluation.json"
FIGURE_FILE = "evaluation.png"


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
    overwrite: bool = False


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
        Folder for ``evaluation.json`` and ``evaluation.png``; that of the results by default.
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
    made_from = _made_from(results, known, options)
    check_output(folder, made_from, overwrite=options.overwrite)
    simple = None if options.model is None else yardsticks.open_yardsticks(options.model)
    bulk = _open_bulk(known, matched, simple, options)
    notes = [*matched.notes, *_left_out(simple, bulk)]
    fractions = compare_fractions(store, known, matched, simple, bulk, options)
    profiles = None
    if known.store is not None and not options.proportions_only:
        pair = comparison.Pair(store, known, matched, simple, bulk)
        profiles = comparison.compare_profiles(pair, options.min_cells, options.min_proportion)
        notes += profiles.notes
    elif not options.proportions_only:
        notes.append("profiles are not scored: the truth is a table of proportions")
    evaluation = Evaluation(
        cell_types=matched.cell_types,
        n_samples=len(matched.samples),
        fractions=_score_all(fractions),
        profiles={} if profiles is None else profiles.tables,
        n_genes=0 if profiles is None else profiles.n_genes,
        notes=notes,
        settings=_json_values(options),
        made_from=made_from,
    )
    _write(folder, evaluation, fractions)
    return evaluation


def compare_fractions(
    results: read.Store,
    known: truth.Truth,
    matched: truth.Match,
    simple: yardsticks.Yardsticks | None,
    bulk: yardsticks.Bulk | None,
    options: Options,
) -> dict[str, Array]:
    """Lay predicted proportions beside the true ones.

    Parameters
    ----------
    results : read.Store
        Profile store.
    known : truth.Truth
        What is known.
    matched : truth.Match
        What is compared.
    simple : yardsticks.Yardsticks or None
        Baselines of the model.
    bulk : yardsticks.Bulk or None
        Expression of the samples.
    options : Options
        Whether to renormalise.

    Returns
    -------
    dict of str to np.ndarray, shape (sample, cell_type)
        ``truth``, ``model`` and, where they can be had, ``constant`` and ``NNLS``.
    """
    predicted = results.read("proportion").astype(np.float64)[matched.result_rows]
    fractions = {
        "truth": known.proportion[np.ix_(matched.truth_rows, matched.truth_types)],
        "model": predicted[:, matched.result_types],
    }
    if simple is not None:
        columns = [simple.cell_types.index(name) for name in matched.cell_types]
        constant = simple.fitted.composition[columns].astype(np.float64)
        fractions["constant"] = np.tile(constant, (len(predicted), 1))
        if bulk is not None:
            rna = comparison.non_negative(simple, bulk)
            factor = yardsticks.factors(results.attributes, simple.cell_types)
            fractions["NNLS"] = mixture.proportion_from_rna(rna, factor)[:, columns]
    if options.renormalise:
        return {name: _renormalise(values) for name, values in fractions.items()}
    return fractions


def check_output(folder: places.Place, made_from: dict[str, Any], *, overwrite: bool) -> None:
    """Refuse to replace an evaluation of other inputs.

    Parameters
    ----------
    folder : pathlib.Path or upath.UPath
        Where the evaluation is to stand.
    made_from : dict
        Paths and digests of its inputs.
    overwrite : bool
        Whether anything may be replaced.

    Raises
    ------
    errors.OutputExistsError
        If an evaluation of something else, or a file that is none, stands there.
    """
    file = folder / JSON_FILE
    with places.reached(folder):
        if folder.is_file():
            raise errors.OutputExistsError(
                f"{folder}: is a file, needed: a folder. Give another --out."
            )
        if overwrite or not file.exists():
            return
        text = file.read_bytes()
    try:
        found = json.loads(text).get("made_from")
    except (ValueError, AttributeError):
        found = None
    if found != made_from:
        raise errors.OutputExistsError(
            f"{file}: an evaluation of other inputs stands there. "
            "Choose another --out, or give --overwrite to replace it."
        )


def _made_from(results: str | places.Place, known: truth.Truth, options: Options) -> dict[str, Any]:
    made_from = {
        "results": {"path": str(results), "digest": digests.of_store(results)},
        "truth": {"path": known.path, "digest": known.digest},
    }
    if options.model is not None:
        card = places.place(options.model) / model_folder.CARD_FILE
        with places.reached(card):
            digest = files.file_digest(card) if card.is_file() else ""
        made_from["model"] = {"path": str(options.model), "digest": digest}
    if options.cohort is not None:
        read.open_store(options.cohort, "cohort", "pseudobulk")
        digest = digests.of_store(options.cohort)
        made_from["cohort"] = {"path": str(options.cohort), "digest": digest}
    return made_from


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


def _score_all(fractions: dict[str, Array]) -> dict[str, dict[str, Any]]:
    scores = {}
    for name, predicted in fractions.items():
        if name != "truth":
            per_type, mean, flattened = metrics.score_fractions(predicted, fractions["truth"])
            scores[name] = {"per_type": per_type, "mean": mean, "flattened": flattened}
    return scores


def _renormalise(values: Array) -> Array:
    total = values.sum(axis=1, keepdims=True)
    return metrics.ratio(values, total)


def _json_values(options: Options) -> dict[str, Any]:
    kept = {
        name: value
        for name, value in dataclasses.asdict(options).items()
        if name not in ("model", "cohort", "overwrite")
    }
    return {**kept, "cell_types": list(options.cell_types)}


def _write(folder: places.Place, evaluation: Evaluation, fractions: dict[str, Array]) -> None:
    with outputs.whole_file(folder / JSON_FILE) as temporary:
        temporary.write_text(json.dumps(evaluation.as_dict(), indent=1) + "\n")
    figures.save(evaluation_figure.draw(evaluation, fractions), folder / FIGURE_FILE)
