"""Samples that are flagged, and for what, laid out for a report."""

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt

from bluebatch.downstream import flags
from bluebatch.downstream.page_facts import Facts

Array = npt.NDArray[Any]


@dataclasses.dataclass(frozen=True)
class Flags:
    """Which samples are flagged.

    Parameters
    ----------
    found : dict of str to flags.Flag
        What the model could judge, by measure.
    beyond : dict of str to np.ndarray of bool, shape (sample,)
        By the same measures.
    absent : list of str
        Measures that the store lacks, or that have no limit.
    """

    found: dict[str, flags.Flag]
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

    def expected(self) -> float:
        """Bound the share of samples that are flagged by chance.

        Returns
        -------
        float
            Sum over the flags; NaN where one does not state it.
        """
        return float(sum(flag.expected for flag in self.found.values()))

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
        return ", ".join(title(name) for name, mine in self.beyond.items() if mine[row])


def title(name: str) -> str:
    """Name a measure for a reader.

    Parameters
    ----------
    name : str
        Of its array.

    Returns
    -------
    str
        In words.
    """
    return name.replace("_", " ")


def find(facts: Facts) -> Flags:
    """Compare the samples' measures with their limits.

    Parameters
    ----------
    facts : Facts
        Measures, and the limits among the attributes of the store.

    Returns
    -------
    Flags
        A sample whose measure is not known is not flagged by it.
    """
    found = {flag.name: flag for flag in flags.summarise(facts.store).flags}
    # Compared as they are counted there: float32 against a limit in float64.
    beyond = {
        name: facts.measures[name].astype(np.float64) > flag.limit for name, flag in found.items()
    }
    return Flags(found, beyond, [name for name in flags.REASONS if name not in found])
