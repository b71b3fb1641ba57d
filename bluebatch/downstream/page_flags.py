"""Samples that are flagged, and for what, as a report tells it."""

import dataclasses
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from bluebatch.downstream.page_facts import Facts

Array = npt.NDArray[Any]


class Words(NamedTuple):
    """How a measure is named: above its panel, and in a sentence of flagged samples."""

    title: str
    flagged: str


WORDS = {
    "domain_distance": Words("domain distance", "unlike the training samples"),
    "missing_type": Words("missing type", "with a share that no reference type explains"),
    "reconstruction_error": Words("reconstruction error", "poorly explained by their profiles"),
}
# These are scaled so that their limit is 1.
SCALED = ("domain_distance", "missing_type")


@dataclasses.dataclass(frozen=True)
class Flags:
    """Which samples are flagged.

    Parameters
    ----------
    limits : dict of str to float
        Measure -> value above which a sample is flagged.
    beyond : dict of str to np.ndarray of bool, shape (sample,)
        By measure that has a limit.
    absent : list of str
        Measures that the store lacks, or that have no limit.
    """

    limits: dict[str, float]
    beyond: dict[str, Array]
    absent: list[str]

    def any(self, n_samples: int) -> Array:
        """Tell which samples are flagged for anything.

        Parameters
        ----------
        n_samples : int
            How many there are.

        Returns
        -------
        np.ndarray of bool, shape (sample,)
            True where flagged.
        """
        flagged = np.zeros(n_samples, bool)
        for mine in self.beyond.values():
            flagged |= mine
        return flagged

    def of_sample(self, row: int) -> str:
        """Name what one sample is flagged for.

        Parameters
        ----------
        row : int
            Of the store.

        Returns
        -------
        str
            Measures, separated by commas; empty where it is not flagged.
        """
        return ", ".join(WORDS[name].title for name, mine in self.beyond.items() if mine[row])


def find(facts: Facts) -> Flags:
    """Compare the samples' measures with their limits.

    Parameters
    ----------
    facts : Facts
        Measures, and the attribute ``flag_limits``.

    Returns
    -------
    Flags
        A sample whose measure is not known is not flagged by it.
    """
    stored = facts.attributes.get("flag_limits")
    limits: dict[str, float] = dict.fromkeys(SCALED, 1.0)
    if isinstance(stored, dict):
        # The scaled ones say what 1 stands for; here they are compared as they are stored.
        limits |= {
            name: float(value)
            for name, value in stored.items()
            if name in WORDS and name not in SCALED and isinstance(value, int | float)
        }
    limits = {name: value for name, value in limits.items() if name in facts.measures}
    beyond = {name: facts.measures[name] > limit for name, limit in limits.items()}
    return Flags(limits, beyond, [name for name in WORDS if name not in limits])
