"""The flagged samples among those compared, and the scores with and without them."""

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt

from bluebatch.downstream import flags, report, truth
from bluebatch.expression import metrics
from bluebatch.store import read

Array = npt.NDArray[Any]
# Of fewer samples there is no correlation to speak of.
MIN_SAMPLES = 3
SHOWN = ("ccc", "l1")


@dataclasses.dataclass(frozen=True)
class Flagged:
    """Flags of the compared samples.

    Parameters
    ----------
    summary : flags.Summary
        Of all samples of the results.
    n_compared : int
        Samples compared.
    flagged : list of str
        Those of them with any flag.
    scores : dict of str to dict of str to float
        ``all``, ``not flagged`` and ``flagged`` -> means over types of the proportions' scores;
        groups of fewer than three samples are left out.
    """

    summary: flags.Summary
    n_compared: int
    flagged: list[str]
    scores: dict[str, dict[str, float]]

    def as_dict(self) -> dict[str, Any]:
        """Give every number.

        Returns
        -------
        dict of str to Any
            The results' own summary, and what holds for the compared samples.
        """
        return {
            **self.summary.as_dict(),
            "n_compared": self.n_compared,
            "flagged_compared": self.flagged,
            "mean_of_types": self.scores,
        }

    def as_lines(self) -> list[str]:
        """Write the flags, and the scores in a table.

        Returns
        -------
        list of str
            Lines.
        """
        lines = self.summary.as_text().splitlines()
        if not self.flagged:
            return lines
        number = {
            "all": self.n_compared,
            "not flagged": self.n_compared - len(self.flagged),
            "flagged": len(self.flagged),
        }
        rows = [
            [name, f"{number[name]:,}", *(report.show(scores[what]) for what in SHOWN)]
            for name, scores in self.scores.items()
        ]
        header = ["proportions, mean of types", "samples", *(report.SHOWN[what] for what in SHOWN)]
        return [*lines, *report.align(header, rows)]


def compare(
    results: read.Store, matched: truth.Match, predicted: Array, true: Array
) -> Flagged | None:
    """Score proportions with and without the flagged samples.

    Parameters
    ----------
    results : read.Store
        Profile store.
    matched : truth.Match
        What is compared.
    predicted, true : np.ndarray, shape (sample, cell_type)
        Proportions, as they are compared.

    Returns
    -------
    Flagged or None
        None where the results can flag nothing.
    """
    summary = flags.summarise(results)
    if not summary.flags:
        return None
    any_flag = set(summary.flagged)
    is_flagged = np.array([name in any_flag for name in matched.samples])
    scores = {}
    for name, rows in (
        ("all", np.ones(len(is_flagged), dtype=bool)),
        ("not flagged", ~is_flagged),
        ("flagged", is_flagged),
    ):
        if rows.sum() >= MIN_SAMPLES:
            scores[name] = metrics.score_fractions(predicted[rows], true[rows])[1]
    names = [name for name in matched.samples if name in any_flag]
    return Flagged(summary, len(is_flagged), names, scores)
