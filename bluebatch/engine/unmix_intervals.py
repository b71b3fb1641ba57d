"""The composition that networks predict, in both units, and intervals around it."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from bluebatch import errors
from bluebatch.engine import task
from bluebatch.expression import conformal, mixture

Array = npt.NDArray[Any]
PSEUDOBULKS = "held-out pseudobulks"


class Composition(NamedTuple):
    """What the networks say of samples, float64.

    Parameters
    ----------
    fraction : np.ndarray, shape (sample, cell_type)
        Members' mean, in the unit in which they learnt; rows sum to 1.
    deviation : np.ndarray, shape (sample, cell_type)
        Of the members around it.
    factor : np.ndarray, shape (cell_type,)
        What turns that unit into fractions of cells.
    rna_fraction, proportion : np.ndarray, shape (sample, cell_type)
        In both units.
    """

    fraction: Array
    deviation: Array
    factor: Array
    rna_fraction: Array
    proportion: Array

    def score(self, proportion: Array) -> Array:
        """Score known proportions against the predicted ones.

        Parameters
        ----------
        proportion : np.ndarray, shape (sample, cell_type)
            Fractions of cells; NaN where they are not known.

        Returns
        -------
        np.ndarray, shape (sample, cell_type)
            As `conformal.calibrate` takes them.
        """
        error = conformal.expected_error(self.fraction, self.deviation)
        truth = conformal.to_rna(proportion, self.fraction, self.factor)
        return conformal.score(self.fraction, error, truth)


def compose(predictions: task.Arrays, factors: Array, target: str) -> Composition:
    """Turn the members' mean into a composition.

    Parameters
    ----------
    predictions : dict of str to np.ndarray
        ``fraction`` (n, cell_type), the members' mean, and ``fraction_squared``, the mean of their
        squares; without it they are taken to agree.
    factors : np.ndarray, shape (cell_type,)
        RNA of one cell of each type.
    target : str
        What the networks learnt: ``"rna_fraction"`` or ``"proportion"``.

    Returns
    -------
    Composition
        In both units.
    """
    mean = predictions["fraction"]
    squares = predictions.get("fraction_squared")
    deviation = np.zeros(mean.shape)
    if squares is not None:
        deviation = conformal.member_deviation(mean, squares)
    fraction = mean.astype(np.float64)
    # The members' mean sums to 1 but for rounding.
    fraction /= fraction.sum(axis=1, keepdims=True)
    if target == "rna_fraction":
        proportion = mixture.proportion_from_rna(fraction, factors)
        return Composition(fraction, deviation, factors, fraction, proportion)
    rna_fraction = mixture.rna_from_proportion(fraction, factors)
    return Composition(fraction, deviation, np.ones_like(factors), rna_fraction, fraction)


class Intervals(NamedTuple):
    """Intervals of one level.

    Parameters
    ----------
    level : float
        Share of true proportions that they hold.
    quantile : np.ndarray, shape (cell_type,)
        Score up to which a proportion is within; NaN for a type that was never known.
    """

    level: float
    quantile: Array

    def around(self, composition: Composition) -> task.Arrays:
        """Lay intervals around proportions.

        Parameters
        ----------
        composition : Composition
            Predicted.

        Returns
        -------
        dict of str to np.ndarray, shape (sample, cell_type)
            ``proportion_low`` and ``proportion_high``, float32.
        """
        fraction, factor = composition.fraction, composition.factor
        error = conformal.expected_error(fraction, composition.deviation)
        ends = conformal.interval(fraction, error, self.quantile)
        low, high = (conformal.to_cells(end, fraction, factor) for end in ends)
        # The way there and back rounds.
        return {
            "proportion_low": np.minimum(low, composition.proportion).astype(np.float32),
            "proportion_high": np.maximum(high, composition.proportion).astype(np.float32),
        }


def find(arrays: Mapping[str, Array], level: float, types: list[str]) -> Intervals | None:
    """Find the intervals of a model.

    Parameters
    ----------
    arrays : mapping of str to np.ndarray
        Of the model.
    level : float
        Share of true proportions to be held.
    types : list of str
        The model's cell types.

    Returns
    -------
    Intervals or None
        None where the model was calibrated on too few samples for the usual level, and that is
        asked for.

    Raises
    ------
    errors.ConfigError
        If it was calibrated on too few samples for another level.
    """
    scores = arrays.get(conformal.SCORES, np.full((len(types), 0), np.nan))
    calibration = conformal.Calibration(scores)
    known = {name: n for name, n in zip(types, calibration.n_samples, strict=True) if n}
    scarce, least = min(known, key=lambda name: known[name], default=""), conformal.needed(level)
    if known and known[scarce] >= least:
        return Intervals(level, calibration.quantile(level))
    if level == conformal.LEVEL:
        return None
    found = f"{known[scarce]:,} ({scarce})" if known else "none"
    raise errors.ConfigError(
        f"[inference] level: {level:g} takes at least {least:,} samples with a known proportion "
        f"of each cell type, the model was calibrated on {found}. Give a lower --level, or train "
        "with more validation samples."
    )


def describe(intervals: Intervals | None, facts: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Tell what the intervals of a result are.

    Parameters
    ----------
    intervals : Intervals or None
        That are written.
    facts : mapping of str to Any
        Of the model's card.

    Returns
    -------
    note : str
        For the user.
    attributes : dict of str to Any
        Of the result: ``level`` and ``calibrated_on``; nothing without intervals.
    """
    known = facts.get("calibration") or {}
    source = f"{known.get('n_samples', 0):,} {known.get('on', PSEUDOBULKS)}"
    if intervals is None:
        least = conformal.needed(conformal.LEVEL)
        return f"no intervals: calibrated on {source}, needed: {least}", {}
    note = f"intervals at level {intervals.level:g}, calibrated on {source}"
    return note, {"level": intervals.level, "calibrated_on": source}
