"""Harrell's concordance of risks with survival, with its standard error."""

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats

Array = npt.NDArray[Any]
Float = npt.NDArray[np.float64]
# Pairs of patients held at a time.
BLOCK_PAIRS = 1 << 22


@dataclasses.dataclass(frozen=True, eq=False)
class Pairs:
    """Comparable pairs of patients, and how many a risk puts in the right order.

    Parameters
    ----------
    concordant : np.ndarray, shape (patient,)
        For each patient, pairs with him in the right order; tied risks count one half.
    comparable : np.ndarray, shape (patient,)
        For each patient, pairs with him of whom is known who had the event first.
    """

    concordant: Float
    comparable: Float

    def __add__(self, other: "Pairs") -> "Pairs":
        return Pairs(self.concordant + other.concordant, self.comparable + other.comparable)

    @property
    def index(self) -> float:
        """Give the C-index.

        Returns
        -------
        float
            0 to 1, 0.5 by chance; NaN without comparable pairs.
        """
        total = float(self.comparable.sum())
        return float(self.concordant.sum()) / total if total else np.nan

    @property
    def influence(self) -> Float:
        """Give what each patient adds to the C-index.

        Returns
        -------
        np.ndarray, shape (patient,)
            Derivatives by the patients' weights; they add up to 0.
        """
        # Every pair is counted with both of its patients.
        total = float(self.comparable.sum()) / 2
        if not total:
            return np.full(len(self.comparable), np.nan)
        return (self.concordant - self.index * self.comparable) / total

    @property
    def standard_error(self) -> float:
        """Give the standard error of the C-index.

        Returns
        -------
        float
            The infinitesimal jackknife over patients.

        References
        ----------
        Therneau TM, Watson DA (2017). Mayo Clinic Department of Health Science Research,
        Technical report 85.
        """
        return float(np.sqrt(np.sum(np.square(self.influence))))

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Give the interval of the C-index.

        Parameters
        ----------
        level : float
            Its coverage.

        Returns
        -------
        tuple of float
            Both limits by the normal distribution, within 0 and 1; NaN without comparable pairs.
        """
        reach = float(stats.norm.ppf((1 + level) / 2)) * self.standard_error
        low, high = np.clip([self.index - reach, self.index + reach], 0, 1).tolist()
        return low, high


def count(
    durations: Float, event_observed: Array, risk: Float, parts: Array | None = None
) -> Pairs:
    """Count the pairs that a risk puts in the right order.

    Parameters
    ----------
    durations : np.ndarray, shape (patient,)
        Days to the event or to censoring.
    event_observed : np.ndarray of bool, shape (patient,)
        Whether the event came.
    risk : np.ndarray, shape (patient,)
        Higher for an earlier event.
    parts : np.ndarray of int, optional, shape (patient,)
        Only patients of one part are compared.

    Returns
    -------
    Pairs
        A pair is comparable where the earlier time is an event; at equal times, where one is an
        event and the other is censored.

    References
    ----------
    Harrell FE, Lee KL, Mark DB (1996). Stat Med 15(4):361-387.
    """
    events = np.asarray(event_observed, dtype=bool)
    concordant, comparable = np.zeros((2, len(durations)))
    codes = np.zeros(len(durations), dtype=np.int64) if parts is None else np.asarray(parts)
    for code in np.unique(codes):
        among = np.flatnonzero(codes == code)
        times, dead, risks = durations[among], events[among], risk[among]
        width = max(1, BLOCK_PAIRS // len(among))
        for begin in range(0, len(among), width):
            rows = slice(begin, begin + width)
            first = times[rows, None] < times
            first |= (times[rows, None] == times) & ~dead
            first &= dead[rows, None]
            right = first * (np.sign(risks[rows, None] - risks) / 2 + 0.5)
            for found, pairs in ((concordant, right), (comparable, first)):
                found[among[rows]] += pairs.sum(axis=1)
                found[among] += pairs.sum(axis=0)
    return Pairs(concordant, comparable)
