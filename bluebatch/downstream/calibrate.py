"""A model's intervals calibrated anew, on samples of the user's own whose composition is known."""

import dataclasses
import shutil
from typing import Any

import numpy as np
import numpy.typing as npt

from bluebatch import errors
from bluebatch.downstream import truth
from bluebatch.expression import conformal, metrics
from bluebatch.store import digests, model_folder, outputs, places, read, write

Array = npt.NDArray[Any]
Folder = str | places.Place


@dataclasses.dataclass(frozen=True)
class Options:
    """How a model is calibrated.

    Parameters
    ----------
    renormalise : bool
        Whether true proportions are divided by their sum over the model's cell types.
    split : str
        Of a truth store with several splits, these samples are taken.
    overwrite : bool
        Whether another model at the output path is replaced.
    """

    renormalise: bool = False
    split: str = "test"
    overwrite: bool = False


@dataclasses.dataclass(frozen=True)
class Summary:
    """What was calibrated.

    Parameters
    ----------
    path : str
        Model folder that was written.
    source : str
        What the intervals now rest on.
    level : float
        At which the results had intervals.
    n_samples : dict of str to int
        Samples by cell type.
    widths : dict of str to float
        Widths of intervals at that level, in those before, by cell type; no number for a type
        whose proportion is not known.
    notes : list of str
        What is not compared, and why.
    """

    path: str
    source: str
    level: float
    n_samples: dict[str, int]
    widths: dict[str, float | None]
    notes: list[str]

    def as_text(self) -> str:
        """Describe the calibration for a terminal.

        Returns
        -------
        str
            A few lines.
        """
        widths = [
            f"{name} {'none' if width is None else format(width, '.2f')}"
            for name, width in self.widths.items()
        ]
        lines = [
            f"{self.path}: calibrated on {self.source}",
            f"  widths of intervals at level {self.level:g}, 1 as before: {', '.join(widths)}",
        ]
        return "\n".join([*lines, *(f"  note: {note}" for note in self.notes)])

    def as_dict(self) -> dict[str, Any]:
        """Describe the calibration in JSON values.

        Returns
        -------
        dict
            All of it.
        """
        return dataclasses.asdict(self)


def run(
    results: Folder, truth_path: Folder, model: Folder, out: Folder, options: Options | None = None
) -> Summary:
    """Write a copy of a model whose intervals rest on samples of known composition.

    Parameters
    ----------
    results : str, pathlib.Path or upath.UPath
        Of these samples, by the model.
    truth_path : str, pathlib.Path or upath.UPath
        Table of their proportions, or pseudobulk store.
    model : str, pathlib.Path or upath.UPath
        Model folder.
    out : str, pathlib.Path or upath.UPath
        Model folder to be written.
    options : Options, optional
        How.

    Returns
    -------
    Summary
        What was calibrated.

    Raises
    ------
    errors.LabelMismatchError
        If results and truth share no sample or no cell type, or the results are another model's.
    errors.ValuesError
        If there are too few samples for the results' level, or the results hold no intervals.
    errors.OutputExistsError
        If something stands at ``out``.
    errors.BluebatchError
        If an input cannot be read.
    """
    options = options or Options()
    outputs.check(out, [results, truth_path, model], overwrite=options.overwrite)
    folder = places.place(out)
    _require_room(folder, overwrite=options.overwrite)
    store = read.open_store(results, "profile")
    card, arrays = model_folder.read_card(model), model_folder.read_arrays(model)
    _check_model(store, model, card)
    known = truth.read_truth(truth_path)
    matched = truth.match(store, known, split=options.split)
    true = _truth_by_type(store, known, matched, renormalise=options.renormalise)
    level = float(store.attributes["level"])
    before = conformal.Calibration(arrays[conformal.SCORES])
    after = conformal.calibrate(score(store, matched.result_rows, true, before.quantile(level)))
    types = store.labels["cell_type"]
    n_samples = dict(zip(types, after.n_samples.tolist(), strict=True))
    _check_enough(known, n_samples, level)
    source = {"on": f"samples of {places.place(truth_path).name}", "n_samples": len(true)}
    changed = _change(card, source, store, known)
    _write(folder, model, changed, {**arrays, conformal.SCORES: after.scores})
    widths = metrics.ratio(after.quantile(level), before.quantile(level))
    return Summary(
        path=str(out),
        source=f"{len(true):,} {source['on']}",
        level=level,
        n_samples=n_samples,
        widths={
            name: round(float(width), 3) if np.isfinite(width) else None
            for name, width in zip(types, widths, strict=True)
        },
        notes=matched.notes + _without_interval(n_samples),
    )


def score(store: read.Store, rows: Array, true: Array, quantile: Array) -> Array:
    """Score true proportions by the intervals that results hold.

    Parameters
    ----------
    store : read.Store
        Results with intervals.
    rows : np.ndarray of int, shape (sample,)
        Of the results.
    true : np.ndarray, shape (sample, cell_type)
        Proportions; NaN where they are not known.
    quantile : np.ndarray, shape (cell_type,)
        Score at which the intervals end.

    Returns
    -------
    np.ndarray, shape (sample, cell_type)
        As `conformal.score`; NaN where the truth is.

    Notes
    -----
    An interval reaches as far to both sides, in the unit in which the networks predict, unless it
    ends at 0 or 1: the longer side tells the expected error.
    """
    types = store.labels["cell_type"]
    factors = np.ones(len(types))
    if store.attributes.get("target") == "rna_fraction":
        factors = np.array([store.attributes["mrna_factors"][name] for name in types])
    names = ("rna_fraction", "proportion", "proportion_low", "proportion_high")
    fraction, middle, low, high = (store.read(name).astype(np.float64)[rows] for name in names)
    if store.attributes.get("target") != "rna_fraction":
        fraction = middle
    low, middle, high, true = (
        conformal.to_rna(values, fraction, factors) for values in (low, middle, high, true)
    )
    reach = np.maximum(high - middle, middle - low)
    return metrics.ratio(quantile * np.abs(true - middle), reach)


def _truth_by_type(
    store: read.Store, known: truth.Truth, matched: truth.Match, *, renormalise: bool
) -> Array:
    """Lay true proportions out by the model's cell types; NaN for those that are not known."""
    types = store.labels["cell_type"]
    true = np.full((len(matched.samples), len(types)), np.nan)
    values = known.proportion[np.ix_(matched.truth_rows, matched.truth_types)]
    if renormalise:
        missing = [name for name in types if name not in matched.cell_types]
        if missing:
            raise errors.LabelMismatchError(
                f"{known.path}: lacks the cell types {', '.join(missing)}, without which nothing "
                "can be divided by the sum over all. Add them, or leave --renormalise out."
            )
        values = metrics.ratio(values, values.sum(axis=1, keepdims=True))
    true[:, matched.result_types] = values
    return true


def _check_model(store: read.Store, model: Folder, card: model_folder.Card) -> None:
    if not (store.has("proportion_low") and store.has("proportion_high")):
        raise errors.ValuesError(
            f"{store.path}: holds no intervals, needed: results of a model that was trained with "
            "validation samples. Train it again, then infer."
        )
    is_other = store.attributes.get("model_digest") != model_folder.digest(model)
    if is_other or store.labels["cell_type"] != card.labels.get("cell_type"):
        raise errors.LabelMismatchError(
            f"{store.path}: was not made by {model} as it is now. Give the model that made it, or "
            "infer again."
        )


def _check_enough(known: truth.Truth, n_samples: dict[str, int], level: float) -> None:
    counted = {name: n for name, n in n_samples.items() if n}
    scarce, least = (
        min(counted, key=lambda name: counted[name], default=""),
        conformal.needed(level),
    )
    if counted and counted[scarce] >= least:
        return
    found = f"{counted[scarce]:,} samples" if counted else "no sample"
    raise errors.ValuesError(
        f"{known.path}: gives the proportion of {scarce or 'a cell type'} in {found} of the "
        f"results, needed at level {level:g}: {least:,}. Give more samples, or infer them at a "
        "lower --level first."
    )


def _change(
    card: model_folder.Card, source: dict[str, Any], store: read.Store, known: truth.Truth
) -> model_folder.Card:
    # Without the id of its training, whose result it no longer is.
    made_from = {name: value for name, value in card.made_from.items() if name != "run_id"}
    made_from["calibrated_from"] = {
        "results": {"path": store.path, "digest": digests.of_store(store.path)},
        "truth": {"path": known.path, "digest": known.digest},
    }
    facts = {**card.facts, "calibration": source}
    return card.model_copy(update={"facts": facts, "made_from": made_from})


def _without_interval(n_samples: dict[str, int]) -> list[str]:
    unknown = [name for name, n in n_samples.items() if not n]
    return [f"no intervals for {', '.join(unknown)}: not in the truth"] if unknown else []


def _require_room(folder: places.Place, *, overwrite: bool) -> None:
    with places.reached(folder):
        if not folder.exists() or overwrite:
            return
    raise errors.OutputExistsError(
        f"{folder}: something stands there. Choose another --out, or give --overwrite to replace "
        "it."
    )


def _write(
    folder: places.Place, model: Folder, card: model_folder.Card, arrays: dict[str, Array]
) -> None:
    write.clear(folder)
    for member in card.members:
        name = str(member["file"])
        with (
            places.local_copy(places.place(model) / name) as source,
            outputs.whole_file(folder / name) as file,
        ):
            shutil.copyfile(source, file)
    model_folder.write_card(folder, card, arrays)
