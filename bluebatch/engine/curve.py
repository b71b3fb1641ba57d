"""The training curve: one row an epoch and member, as a table and as a picture."""

from collections.abc import Sequence
from typing import Any

import matplotlib.figure
import pandas as pd

from bluebatch.store import outputs, places, write

TABLE_FILE = "training.csv"
PICTURE_FILE = "training.png"


def save(folder: places.Place, rows: Sequence[dict[str, Any]]) -> None:
    """Write ``training.csv`` and ``training.png``.

    Parameters
    ----------
    folder : pathlib.Path or upath.UPath
        Model folder.
    rows : sequence of dict
        With ``member``, ``epoch``, ``learning_rate``, ``seconds``, ``train_loss``,
        ``validation_loss`` and each term as ``train_...`` and ``validation_...``.
    """
    table = pd.DataFrame(list(rows))
    with write.room_on_disk(folder):
        with outputs.whole_file(folder / TABLE_FILE) as file:
            table.to_csv(file, index=False)
        with outputs.whole_file(folder / PICTURE_FILE) as file:
            _draw(table).savefig(file, dpi=120, format="png")


def _draw(table: pd.DataFrame) -> matplotlib.figure.Figure:
    terms = [
        name.removeprefix("validation_") for name in table.columns if name.startswith("validation_")
    ]
    figure = matplotlib.figure.Figure(figsize=(4 * len(terms), 3.2), layout="constrained")
    for panel, term in zip(figure.subplots(1, len(terms), squeeze=False)[0], terms, strict=True):
        for member, part in table.groupby("member"):
            colour = f"C{int(str(member)) % 10}"
            label = f"member {member}"
            panel.plot(part["epoch"], part[f"train_{term}"], ":", color=colour)
            panel.plot(part["epoch"], part[f"validation_{term}"], color=colour, label=label)
        if (table[[f"train_{term}", f"validation_{term}"]].to_numpy() > 0).all():
            panel.set_yscale("log")
        panel.set(title=term, xlabel="epoch (dotted: training, with noise)")
        panel.legend(frameon=False)
    return figure
