"""Drawing the composition of samples: Dirichlet families, absent types, whole cells."""

from typing import Literal

import numpy as np
import numpy.typing as npt
import pydantic

FEW_TYPES = 6
FAMILIES_FEW = (1.0, 25.0, 7.0)
FAMILIES_MANY = (1.0, 50.0, 15.0, 5.0)

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]


class ProportionSettings(pydantic.BaseModel):
    """How compositions are drawn.

    Parameters
    ----------
    families : tuple of float, optional
        Dirichlet families in equal shares: all concentrations 1, but one type, picked at random
        for each sample, at this value; 1 is the flat family. By default 1, 25, 7 for up to six
        types and 1, 50, 15, 5 for more.
    absent_share : float
        Share of the samples that lack one or more types (up to half of them) altogether.
    cell_numbers : {"multinomial", "largest_remainder", "ceiling"}
        How fractions become whole cells; ``ceiling`` is the paper's code: ceil(n p), so that
        samples hold somewhat more cells and none of their types is absent.
    """

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid")

    families: tuple[pydantic.PositiveFloat, ...] | None = pydantic.Field(default=None, min_length=1)
    absent_share: float = pydantic.Field(default=0.3, ge=0, le=1)
    cell_numbers: Literal["multinomial", "largest_remainder", "ceiling"] = "multinomial"


def draw_proportions(
    rng: np.random.Generator, available: BoolArray, settings: ProportionSettings
) -> FloatArray:
    """Draw the fractions of cells that samples aim at.

    Parameters
    ----------
    rng : np.random.Generator
        Source of randomness.
    available : np.ndarray of bool, shape (sample, cell_type)
        Types that the sample's source has.
    settings : ProportionSettings
        Families and the share with absent types.

    Returns
    -------
    np.ndarray, shape (sample, cell_type)
        Rows sum to 1; exact zeros where a type is absent.
    """
    n_samples, n_types = available.shape
    families = np.array(settings.families or _default_families(n_types))
    raised = rng.permutation(families[np.arange(n_samples) % len(families)])
    concentration = np.ones((n_samples, n_types))
    chosen = np.where(available, rng.random(available.shape), -1).argmax(axis=1)
    concentration[np.arange(n_samples), chosen] = raised
    shares = rng.standard_gamma(concentration)
    present = available & ~_draw_absent(rng, available, settings.absent_share)
    shares = np.where(present, shares, 0)
    return np.asarray(shares / shares.sum(axis=1, keepdims=True))


def draw_cell_numbers(
    rng: np.random.Generator,
    proportion: FloatArray,
    n_cells: int,
    method: Literal["multinomial", "largest_remainder", "ceiling"],
) -> IntArray:
    """Turn fractions into whole cells.

    Parameters
    ----------
    rng : np.random.Generator
        Source of randomness, used by ``multinomial`` alone.
    proportion : np.ndarray, shape (sample, cell_type)
        Fractions; rows sum to 1.
    n_cells : int
        Cells of a sample.
    method : {"multinomial", "largest_remainder", "ceiling"}
        How.

    Returns
    -------
    np.ndarray of int, shape (sample, cell_type)
        Cells; 0 wherever the fraction is 0. Rows sum to ``n_cells``, or to somewhat more with
        ``ceiling``.
    """
    if method == "ceiling":
        return np.asarray(np.ceil(n_cells * proportion), dtype=np.int64)
    order = np.argsort(proportion, axis=1, kind="stable")
    if method == "multinomial":
        # Largest last: what rounding leaves over then never falls on a type of fraction 0.
        ordered = rng.multinomial(n_cells, np.take_along_axis(proportion, order, axis=1))
        numbers = np.empty_like(ordered)
        np.put_along_axis(numbers, order, ordered, axis=1)
        return numbers.astype(np.int64)
    exact = proportion * n_cells
    numbers = np.floor(exact).astype(np.int64)
    rank = np.argsort(np.argsort(numbers - exact, axis=1, kind="stable"), axis=1, kind="stable")
    missing = n_cells - numbers.sum(axis=1, keepdims=True)
    return np.asarray(numbers + (rank < missing))


def _default_families(n_types: int) -> tuple[float, ...]:
    return FAMILIES_FEW if n_types <= FEW_TYPES else FAMILIES_MANY


def _draw_absent(rng: np.random.Generator, available: BoolArray, share: float) -> BoolArray:
    most = available.sum(axis=1) // 2
    n_absent = 1 + np.floor(rng.random(len(available)) * most).astype(np.int64)
    n_absent = np.where((rng.random(len(available)) < share) & (most > 0), n_absent, 0)
    n_absent = np.minimum(n_absent, most)
    keys = np.where(available, rng.random(available.shape), 2.0)
    rank = np.argsort(np.argsort(keys, axis=1), axis=1)
    return np.asarray(rank < n_absent[:, None])
