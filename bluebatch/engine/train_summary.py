"""What a training run did, told at its end."""

import dataclasses
from typing import Any, Literal

from bluebatch.store import model_folder


@dataclasses.dataclass(frozen=True)
class TrainSummary:
    """What a training run did.

    Parameters
    ----------
    path : str
        Model folder.
    state : {"new", "resumed", "complete"}
        What was found there.
    card : model_folder.Card
        What the model is.
    seconds : float
        Wall time.
    """

    path: str
    state: Literal["new", "resumed", "complete"]
    card: model_folder.Card
    seconds: float

    def as_text(self) -> str:
        """Describe the run for a terminal.

        Returns
        -------
        str
            A few lines.
        """
        if self.state == "complete":
            return f"{self.path}: already complete"
        sizes = ", ".join(f"{len(names):,} {axis}" for axis, names in self.card.labels.items())
        resumed = " (resumed)" if self.state == "resumed" else ""
        lines = [
            f"{self.path}: {len(self.card.members)} networks in {self.seconds:.0f} s{resumed}",
            f"  {sizes}",
        ]
        lines += [
            f"  {name}: {'none' if value is None else format(value, '.3f')}"
            for name, value in self.card.scores.get("headline", {}).items()
        ]
        return "\n".join(lines)

    def as_dict(self) -> dict[str, Any]:
        """Describe the run in JSON values.

        Returns
        -------
        dict
            Path, state, seconds, sizes and scores.
        """
        return {
            "path": self.path,
            "state": self.state,
            "seconds": round(self.seconds, 2),
            "members": len(self.card.members),
            "sizes": {axis: len(names) for axis, names in self.card.labels.items()},
            "scores": self.card.scores,
        }
