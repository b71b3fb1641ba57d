"""What a network must beat, and what it starts from: simple predictors of fractions and profiles.

One call fits them all in two streamed passes over training blocks and one over validation blocks::

    fitted = baselines.fit(training, settings, validation)
    anchor = fitted.anchor(settings.kind)  # None where kind is "none"
    buffers = anchor.arrays()  # mean, center, basis, coefficient
    arrays |= fitted.arrays()  # "baseline_..." for arrays.safetensors
    again = baselines.Baselines.from_arrays(arrays)

``training`` and ``validation`` are re-iterable (each ``for`` starts anew); every block is a mapping
of float arrays with the rows of the block first:

- ``input`` (row, input_gene): `standard_input` of the panel's log2(1 + CPM);
- ``profile`` (row, cell_type, gene): log2(1 + CPM), NaN throughout a type that is absent;
- ``proportion``, ``rna_fraction`` (row, cell_type).

Further keys are ignored. An anchor predicts ``mean + ((x - center) @ basis) @ coefficient``.
"""

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt
import pydantic

from bluebatch.expression import anchors, closed_form, moments

Array = npt.NDArray[Any]
Block = Mapping[str, Array]
PREFIX = "baseline_"


class AnchorSettings(pydantic.BaseModel):
    """From what the network's profiles start, and how the linear baselines are fitted.

    Parameters
    ----------
    kind : {"none", "mean", "ridge"}
        What the network's residual is added to.
    n_components : int
        Principal components of the input that the ridge sees.
    penalties : tuple of float
        Of which validation picks one a cell type, in units of the components' mean sum of squares;
        without validation rows the middle one is taken.
    component_rows : int
        Training rows, drawn at random, from which the components are computed.
    cells_per_sample : int
        Cells that a whole pseudobulk was drawn from: the scale of the curve in the proportion.
    """

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid")

    kind: Literal["none", "mean", "ridge"] = "ridge"
    n_components: int = pydantic.Field(default=128, ge=1)
    penalties: tuple[float, ...] = pydantic.Field(
        default=(0.001, 0.01, 0.1, 1.0, 10.0), min_length=1
    )
    component_rows: int = pydantic.Field(default=2048, ge=2)
    cells_per_sample: int = pydantic.Field(default=500, ge=1)

    @pydantic.field_validator("penalties")
    @classmethod
    def _positive(cls, penalties: tuple[float, ...]) -> tuple[float, ...]:
        if min(penalties) <= 0:
            raise ValueError("every penalty must be above 0")
        return tuple(sorted(penalties))


def standard_input(log_cpm: npt.ArrayLike) -> Array:
    """Standardise each sample over the genes it measures.

    Parameters
    ----------
    log_cpm : array_like, shape (sample, input_gene)
        Values log2(1 + CPM) over the panel; NaN where a gene is not measured.

    Returns
    -------
    np.ndarray of float32, shape (sample, input_gene)
        Z-scores within the sample, 0 where not measured and throughout a flat sample.
    """
    values = np.asarray(log_cpm, dtype=np.float64)
    measured = np.isfinite(values)
    n_measured = np.maximum(measured.sum(axis=1, keepdims=True), 1)
    centred = np.where(measured, values, 0)
    centred = np.where(measured, centred - centred.sum(axis=1, keepdims=True) / n_measured, 0)
    deviation = np.sqrt((centred**2).sum(axis=1, keepdims=True) / n_measured)
    return np.asarray(centred / np.where(deviation > 0, deviation, 1), dtype=np.float32)


@dataclasses.dataclass(frozen=True)
class Baselines:
    """Every simple predictor, fitted.

    Parameters
    ----------
    composition : np.ndarray, shape (cell_type,)
        Proportions of a typical sample: the mean of the training samples, unless replaced.
    mean : np.ndarray, shape (cell_type, gene)
        Mean training profile where the type is present, log2(1 + CPM).
    mean_cpm : np.ndarray, shape (cell_type, gene)
        Mean training profile weighted by cells, CPM, linear.
    ridge : anchors.Anchor
        Ridge on the residual of the mean profile.
    curve : closed_form.Curve
        The log profile and its variance as functions of the proportion alone.
    remainder : anchors.Anchor
        Ridge on the residual of the curve.
    variance_cpm : np.ndarray, shape (cell_type, gene), or None
        Variance of the training profiles weighted by cells, CPM squared; older models hold none.
    """

    composition: Array
    mean: Array
    mean_cpm: Array
    ridge: anchors.Anchor
    curve: closed_form.Curve
    remainder: anchors.Anchor
    variance_cpm: Array | None = None

    def anchor(self, kind: str) -> anchors.Anchor | None:
        """Take what a network starts from.

        Parameters
        ----------
        kind : {"none", "mean", "ridge"}
            As `AnchorSettings.kind`.

        Returns
        -------
        anchors.Anchor or None
            None for ``"none"``; for ``"mean"`` an anchor without components.
        """
        if kind == "none":
            return None
        if kind == "mean":
            basis, coefficient = self.ridge.basis[:, :0], self.ridge.coefficient[:, :0]
            return anchors.Anchor(self.mean, self.ridge.center, basis, coefficient)
        return self.ridge

    def arrays(self) -> dict[str, Array]:
        """Name the arrays as a model folder holds them.

        Returns
        -------
        dict of str to np.ndarray
            Float32, every name beginning with ``baseline_``.
        """
        plain = {name: getattr(self, name) for name in _PLAIN}
        plain |= {"center": self.ridge.center, "basis": self.ridge.basis}
        for name, anchor in (("ridge", self.ridge), ("remainder", self.remainder)):
            plain |= {f"{name}_mean": anchor.mean, f"{name}_coefficient": anchor.coefficient}
        plain |= {f"curve_{name}": array for name, array in self.curve._asdict().items()}
        if self.variance_cpm is not None:
            plain["variance_cpm"] = self.variance_cpm
        return {PREFIX + name: np.asarray(array, np.float32) for name, array in plain.items()}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Array]) -> Self:
        """Take up what `arrays` named.

        Parameters
        ----------
        arrays : mapping of str to np.ndarray
            Of a model folder; names without the prefix are ignored.

        Returns
        -------
        Baselines
            As they were fitted.

        Raises
        ------
        KeyError
            If an array is missing.
        """
        found = {name.removeprefix(PREFIX): array for name, array in arrays.items()}
        ridge, remainder = (
            anchors.Anchor(
                found[f"{name}_mean"], found["center"], found["basis"], found[f"{name}_coefficient"]
            )
            for name in ("ridge", "remainder")
        )
        fields = closed_form.Curve._fields
        curve = closed_form.Curve(**{name: found[f"curve_{name}"] for name in fields})
        return cls(
            composition=found["composition"],
            mean=found["mean"],
            mean_cpm=found["mean_cpm"],
            ridge=ridge,
            curve=curve,
            remainder=remainder,
            variance_cpm=found.get("variance_cpm"),
        )


_PLAIN = ("composition", "mean", "mean_cpm")


def fit(
    training: Iterable[Block],
    settings: AnchorSettings,
    validation: Iterable[Block] | None = None,
) -> Baselines:
    """Fit every baseline.

    Parameters
    ----------
    training : re-iterable of mapping
        Blocks of training rows, as the module's page describes them.
    settings : AnchorSettings
        How.
    validation : re-iterable of mapping, optional
        Blocks of held-out rows, by which penalties are chosen and variances measured.

    Returns
    -------
    Baselines
        In float64; memory does not grow with the number of rows.

    Raises
    ------
    errors.ValuesError
        If there are fewer than two training rows.
    """
    center, basis = moments.find_axes(training, settings.n_components, settings.component_rows)
    cells = settings.cells_per_sample
    learnt = moments.accumulate(training, center, basis, cells)
    held_out = None if validation is None else moments.accumulate(validation, center, basis, cells)
    if held_out is not None and not held_out.n_rows.any():
        held_out = None
    mean, curve = learnt.mean(), learnt.curve()
    flat = np.zeros_like(curve)
    flat[:, 0] = mean
    ridge = _fit_ridge(learnt, held_out, flat, settings.penalties)
    ridge = ridge._replace(mean=ridge.mean + mean, center=center, basis=basis)
    remainder = _fit_ridge(learnt, held_out, curve, settings.penalties)
    remainder = remainder._replace(center=center, basis=basis)
    judged = training if held_out is None or validation is None else validation
    variance = closed_form.fit_variance(judged, curve, remainder.predict, cells)
    # A type that was never present has a range of one cell.
    seen = np.minimum(learnt.seen, learnt.seen[:, 1:])
    return Baselines(
        composition=learnt.proportion / max(learnt.n_samples, 1),
        mean=mean,
        mean_cpm=learnt.mean_cpm(),
        ridge=ridge,
        curve=closed_form.Curve(curve, variance, np.array([float(cells)]), seen),
        remainder=remainder,
        variance_cpm=learnt.variance_cpm(),
    )


def _fit_ridge(
    learnt: moments.Moments,
    held_out: moments.Moments | None,
    start: Array,
    penalties: tuple[float, ...],
) -> anchors.Anchor:
    types = range(len(start))
    solved = [moments.solve_ridge(learnt, held_out, t, start[t], penalties) for t in types]
    mean, coefficient = (np.stack(parts) for parts in zip(*solved, strict=True))
    return anchors.Anchor(mean, np.empty(0), np.empty((0, 0)), coefficient)
