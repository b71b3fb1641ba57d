"""How unlike its training samples a sample is, and whether it holds a cell type that they lack.

The reference's mean profiles are fitted to each sample by itself, in CPM, and what they leave is
judged gene by gene against what they leave of training samples::

    y_g = f_g + r_g,   f_g = sum_k x_k P_kg,   x >= 0
    v_g = sum_k x_k V_kg + s_g f_g^2 + NOISE_CPM^2 + NOISE_RATE f_g

V is the variance among training samples, s the relative variance between studies: a floor, and
what the references' own profiles of a type differ by. Genes then tell the sources apart. Let t_g^2
be the variance of a gene between the known cell types and w_g = u^2 t_g^2 / (u^2 t_g^2 + v_g), the
part that a further type as unlike them would have in the gene's deviation. A foreign platform
moves most genes, those of low w included: their mean deviation is the domain distance, and their
typical relative deviation is added to v before the missing type is judged: the mean deviation of
the few genes that count most, weighted by w, in units of the others'. A cell state that the
reference lacks looks as a missing type does, a type that resembles a known one hardly shows, and
one whose marks are genes in which the known types agree shows in the distance rather.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import scipy.optimize

Array = npt.NDArray[Any]

PREFIX = "novelty_"
NAMES = ("domain_distance", "missing_type")
# Mean profiles of a few dozen held-out cells are off by about as much by chance, in CPM: whatever
# the gene, and in variance for each CPM.
NOISE_CPM = 150.0
NOISE_RATE = 20.0
# Of a missing type: what the fit is to withstand, and what the genes are weighted for.
FITTED_SHARE = 0.15
JUDGED_SHARE = 1.2
N_REWEIGHTED = 2
LARGEST_Z = 3.0
N_LARGEST = 3
# A square of this much counts as log 2: a few extreme genes are no foreign platform.
TYPICAL_SQUARE = 4.0
LEAST_DEVIATION = 0.02
# Genes that show how far a platform is off: well expressed, and alike in all types.
PLATFORM_CPM = 300.0
ALIKE_SHARE = 0.3
LEAST_PLATFORM_GENES = 20
# Relative variance that is no foreign platform.
PLATFORM_SLACK = 0.05
# Of the square of a standard normal variable.
MEDIAN_SQUARE = 0.455
# Fewer genes say nothing of the others.
LEAST_GENES = 50
# Rows that are worked on at once: the last bits hang on it, so it divides every block.
GROUP_ROWS = 16


@dataclasses.dataclass(frozen=True)
class Novelty:
    """What training samples look like.

    Parameters
    ----------
    gene : np.ndarray of int, shape (novelty_gene,)
        Positions of the genes that are judged among all genes of the training store.
    profile : np.ndarray, shape (cell_type, novelty_gene)
        Mean profiles, CPM.
    variance : np.ndarray, shape (cell_type, novelty_gene)
        Of training samples around their fit, CPM^2, by type; a sample's is the mix of these.
    between_types : np.ndarray, shape (novelty_gene,)
        Variance of the mean profiles, CPM^2.
    between_studies : np.ndarray, shape (novelty_gene,)
        Relative variance of a profile from study to study.
    limit : np.ndarray, shape (2,)
        What the scores of `NAMES` are divided by.
    """

    gene: Array
    profile: Array
    variance: Array
    between_types: Array
    between_studies: Array
    limit: Array = dataclasses.field(default_factory=lambda: np.ones(2))

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Array]) -> Self | None:
        """Take up what `arrays` named.

        Parameters
        ----------
        arrays : mapping of str to np.ndarray
            Of a model folder; others are ignored.

        Returns
        -------
        Novelty or None
            None where the model has not all of it.
        """
        fields = [field.name for field in dataclasses.fields(cls)]
        if any(PREFIX + name not in arrays for name in fields):
            return None
        return cls(**{name: arrays[PREFIX + name] for name in fields})

    def arrays(self) -> dict[str, Array]:
        """Name the arrays as a model folder holds them.

        Returns
        -------
        dict of str to np.ndarray
            Float32 and int32, every name beginning with ``novelty_``.
        """
        named = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        types = {name: np.int32 if name == "gene" else np.float32 for name in named}
        return {PREFIX + name: np.asarray(named[name], types[name]) for name in named}

    def score(self, cpm: Array) -> Array:
        """Score samples, each by itself.

        Parameters
        ----------
        cpm : np.ndarray, shape (sample, novelty_gene)
            CPM over the library; NaN where a gene is not measured.

        Returns
        -------
        np.ndarray of float64, shape (sample, 2)
            `NAMES` in units of their limits; NaN where fewer than `LEAST_GENES` are measured, or
            none is expressed.
        """
        scores = np.full((len(cpm), len(NAMES)), np.nan)
        for start in range(0, len(cpm), GROUP_ROWS):
            rows = slice(start, start + GROUP_ROWS)
            scores[rows] = self._score(np.asarray(cpm[rows], np.float64)) / self.limit
        return scores

    def fit_mix(self, cpm: Array) -> Array:
        """Fit the mean profiles, robustly: genes far off count less.

        Parameters
        ----------
        cpm : np.ndarray, shape (sample, novelty_gene)
            CPM; 0 where a gene is not measured.

        Returns
        -------
        np.ndarray, shape (sample, cell_type)
            Share of each type, not negative; they need not sum to 1.
        """
        return self._fit(cpm, np.ones_like(cpm))

    def expected_variance(self, mix: Array) -> Array:
        """Expect a variance around the fit.

        Parameters
        ----------
        mix : np.ndarray, shape (sample, cell_type)
            As fitted.

        Returns
        -------
        np.ndarray, shape (sample, novelty_gene)
            In CPM^2.
        """
        fitted = mix @ self.profile
        spread = mix @ self.variance + self.between_studies * fitted**2
        return np.asarray(spread + NOISE_CPM**2 + NOISE_RATE * fitted)

    def _score(self, cpm: Array) -> Array:
        measured = np.isfinite(cpm)
        cpm = np.where(measured, cpm, 0)
        mix = self._fit(cpm, measured)
        fitted, variance = mix @ self.profile, self.expected_variance(mix)
        squares = np.where(measured, (cpm - fitted) ** 2, 0)
        distance = self._typical(squares / variance, self._weight(variance), measured)
        # What the whole platform is off by is nothing that one type is missing for.
        alike = self.between_types < variance / ALIKE_SHARE**2
        shown = measured & alike & (fitted > PLATFORM_CPM)
        variance += _platform_variance(squares, fitted, shown)[:, np.newaxis] * fitted**2
        weight, squares = self._weight(variance), squares / variance
        marked = np.sort(_soften(squares) * weight, axis=1)[:, -N_LARGEST:].mean(axis=1)
        missing = marked / (self._typical(squares, weight, measured) + LEAST_DEVIATION)
        enough = (measured.sum(axis=1) >= LEAST_GENES) & (cpm.sum(axis=1) > 0)
        return np.where(enough[:, np.newaxis], np.stack([distance, missing], axis=1), np.nan)

    def _weight(self, variance: Array) -> Array:
        signal = JUDGED_SHARE**2 * self.between_types / variance
        return np.asarray(signal / (1 + signal))

    @staticmethod
    def _typical(squares: Array, weight: Array, measured: Array) -> Array:
        others = (1 - weight) * measured
        return np.asarray((_soften(squares) * others).sum(axis=1) / others.sum(axis=1).clip(1))

    def _fit(self, cpm: Array, measured: Array) -> Array:
        mean = self.profile.mean(axis=0)
        withstood = FITTED_SHARE**2 * self.between_types
        variance = self.variance.mean(axis=0) + self.between_studies * mean**2 + NOISE_CPM**2
        variance = variance + NOISE_RATE * mean
        mix = self._solve(cpm, measured / (variance + withstood))
        for _ in range(N_REWEIGHTED):
            variance = self.expected_variance(mix) + withstood
            distance = np.abs(cpm - mix @ self.profile) / np.sqrt(variance)
            trust = np.minimum(1, LARGEST_Z / np.maximum(distance, LARGEST_Z / 2))
            mix = self._solve(cpm, measured * trust / variance)
        return mix

    def _solve(self, cpm: Array, weight: Array) -> Array:
        profile = np.asarray(self.profile, np.float64)
        n_types = len(profile)
        normal = np.stack([(weight * each) @ profile.T for each in profile], axis=1)
        # A little of each type's own weight keeps a type without measured genes at 0.
        own = np.einsum("nkk->nk", normal)
        normal[:, range(n_types), range(n_types)] += 1e-6 * own + 1e-9 * own.max(initial=1)
        right = (weight * cpm) @ profile.T
        roots = np.linalg.cholesky(normal)
        mix = np.zeros_like(right)
        for row, (root, wanted) in enumerate(zip(roots, right, strict=True)):
            # |R'x - R^-1 b| is least where x'Ax - 2 b'x is, with A = R R'.
            mix[row], _ = scipy.optimize.nnls(root.T, np.linalg.solve(root, wanted))
        return mix


def _soften(squares: Array) -> Array:
    return np.asarray(np.log1p(squares / TYPICAL_SQUARE))


def _platform_variance(squares: Array, fitted: Array, shown: Array) -> Array:
    """Take the typical relative variance of some genes: (sample,), robust against a few."""
    n_shown = shown.sum(axis=1)
    relative = np.divide(squares, fitted**2, out=np.full_like(squares, np.inf), where=shown)
    relative.sort(axis=1)
    middle = relative[np.arange(len(relative)), n_shown // 2]
    found = np.maximum(middle / MEDIAN_SQUARE - PLATFORM_SLACK, 0)
    return np.where(n_shown >= LEAST_PLATFORM_GENES, found, 0)
