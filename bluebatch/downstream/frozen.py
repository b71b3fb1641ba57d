"""The frozen subtypes: a folder of JSON, CSV and safetensors that another group can apply."""

import csv
import dataclasses
import io
import json
import math
from importlib import metadata
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import safetensors
import safetensors.numpy

from bluebatch import errors
from bluebatch.downstream import frozen_card
from bluebatch.downstream.composition_clusters import Clusters
from bluebatch.downstream.signature import Signature
from bluebatch.downstream.state_space import Space
from bluebatch.store import outputs, places

Array = npt.NDArray[Any]
CARD_FILE = frozen_card.CARD_FILE
ARRAYS_FILE = "arrays.safetensors"
GENES_FILE = "genes.csv"
FOLDER = frozen_card.FOLDER
# Numbers of a definition that a second cohort is compared with.
NUMBERS = ("n_in", "n_out", "z", "log_hazard_ratio", "p", "q", "p_max_t")


@dataclasses.dataclass(frozen=True, eq=False)
class Frozen:
    """Everything that a second cohort is measured with. It names no patient.

    Parameters
    ----------
    branch : {"profile", "cohort", "composition"}
        Kind of results that the states were found in.
    cell_types : list of str
        Those that definitions pick from, in the order of ``picks``.
    picks : np.ndarray of int8, shape (definition, cell_type)
        State asked for, -1: any.
    table : pd.DataFrame
        One row a definition: ``definition``, ``tested``, ``significant`` and `NUMBERS`.
    spaces : dict of str to Space
        Space of each cell type whose states were found in its profiles.
    cuts : dict of str to float
        Median of each cell type whose states are halves of its proportions.
    composition_types : list of str
        Those whose proportions are divided by their sum before the cuts; none: they are not.
    rules : dict or None
        JSON values of the rules of the three groups.
    signatures : dict of str to Signature
        By group.
    clusters : Clusters or None
        Of the proportions.
    settings, made_from, facts : dict
        JSON values; no path and no name of a patient belongs there.
    """

    branch: frozen_card.Branch
    cell_types: list[str]
    picks: Array
    table: pd.DataFrame
    spaces: dict[str, Space] = dataclasses.field(default_factory=dict)
    cuts: dict[str, float] = dataclasses.field(default_factory=dict)
    composition_types: list[str] = dataclasses.field(default_factory=list)
    rules: dict[str, Any] | None = None
    signatures: dict[str, Signature] = dataclasses.field(default_factory=dict)
    clusters: Clusters | None = None
    settings: dict[str, Any] = dataclasses.field(default_factory=dict)
    made_from: dict[str, Any] = dataclasses.field(default_factory=dict)
    facts: dict[str, Any] = dataclasses.field(default_factory=dict)


def write(folder: str | places.Place, frozen: Frozen) -> None:
    """Write arrays and genes, then the card: a folder without a card is no model.

    Parameters
    ----------
    folder : str, pathlib.Path or upath.UPath
        Model folder; made if missing.
    frozen : Frozen
        What is written.
    """
    folder = places.place(folder)
    arrays, genes = _gather(frozen)
    blob = safetensors.numpy.save({name: _contiguous(value) for name, value in arrays.items()})
    text = pd.DataFrame(
        [(use, gene) for use, names in genes.items() for gene in names], columns=["use", "gene"]
    ).to_csv(index=False)
    contents = {ARRAYS_FILE: blob, GENES_FILE: text.encode()}
    card = _card(frozen, {name: frozen_card.digest(content) for name, content in contents.items()})
    contents[CARD_FILE] = (json.dumps(card.model_dump(), indent=1, allow_nan=False) + "\n").encode()
    for name, content in contents.items():
        with outputs.whole_file(folder / name) as temporary:
            temporary.write_bytes(content)


def read(folder: str | places.Place) -> Frozen:
    """Read and check a folder of frozen subtypes.

    Parameters
    ----------
    folder : str, pathlib.Path or upath.UPath
        That folder, or the one of `bluebatch subtype` around it.

    Returns
    -------
    Frozen
        As it was written.

    Raises
    ------
    errors.MissingInputError
        If there is none.
    errors.ForeignStoreError
        If it is damaged, of another kind or of another format version.
    errors.UnreachableError
        If it lies elsewhere, and the place refuses or does not answer.
    """
    folder = places.place(folder)
    card, folder = frozen_card.read(folder)
    contents = {
        name: frozen_card.read_checked(folder / name, digest)
        for name, digest in card.digests.items()
    }
    try:
        arrays = safetensors.numpy.load(contents[ARRAYS_FILE])
        genes: dict[str, list[str]] = {}
        rows = csv.reader(io.StringIO(contents[GENES_FILE].decode(), newline=""))
        for use, gene in list(rows)[1:]:
            genes.setdefault(use, []).append(gene)
        return _put_together(card, arrays, genes)
    except (KeyError, ValueError, TypeError, safetensors.SafetensorError) as error:
        raise errors.ForeignStoreError(
            f"{folder}: its files do not fit each other ({error!r}). {frozen_card.AGAIN}"
        ) from error


def _gather(frozen: Frozen) -> tuple[dict[str, Array], dict[str, list[str]]]:
    """Name arrays ``part|array`` and genes ``part``, the parts by position in the card."""
    arrays: dict[str, Array] = {"picks": np.asarray(frozen.picks, np.int8)}
    genes: dict[str, list[str]] = {}
    parts: list[tuple[str, Space | Signature]] = [
        *((f"space {at}", space) for at, space in enumerate(frozen.spaces.values())),
        *((f"signature {name}", each) for name, each in frozen.signatures.items()),
    ]
    for part, each in parts:
        arrays |= {f"{part}|{name}": values for name, values in each.arrays().items()}
        genes[part] = list(each.genes)
    if frozen.clusters is not None:
        found = frozen.clusters.arrays()
        arrays |= {f"clusters|{name}": values for name, values in found.items()}
    return arrays, genes


def _put_together(
    card: frozen_card.Card, arrays: dict[str, Array], genes: dict[str, list[str]]
) -> Frozen:
    def part(name: str) -> dict[str, Array]:
        mark = f"{name}|"
        return {key.removeprefix(mark): arrays[key] for key in arrays if key.startswith(mark)}

    clusters = None
    if card.clusters is not None:
        clusters = Clusters.of(card.clusters, part("clusters"))
    return Frozen(
        branch=card.branch,
        cell_types=card.cell_types,
        picks=arrays["picks"],
        table=_frame(card.definitions),
        spaces={
            name: Space.of(genes[f"space {at}"], part(f"space {at}"))
            for at, name in enumerate(card.spaces)
        },
        cuts=card.cuts,
        composition_types=card.composition_types,
        rules=card.rules,
        signatures={
            name: Signature.of(kept, genes[f"signature {name}"], part(f"signature {name}"))
            for name, kept in card.signatures.items()
        },
        clusters=clusters,
        settings=card.settings,
        made_from=card.made_from,
        facts=card.facts,
    )


def _card(frozen: Frozen, digests: dict[str, str]) -> frozen_card.Card:
    names = ("branch", "cell_types", "composition_types", "rules", "settings", "made_from", "facts")
    table = frozen.table[["definition", "tested", "significant", *NUMBERS]]
    columns = {name: [_plain(value) for value in table[name].tolist()] for name in table.columns}
    return frozen_card.Card(
        bluebatch_version=metadata.version("bluebatch"),
        cuts={name: float(cut) for name, cut in frozen.cuts.items()},
        definitions=columns,
        spaces=list(frozen.spaces),
        signatures={name: each.card() for name, each in frozen.signatures.items()},
        clusters=None if frozen.clusters is None else list(frozen.clusters.cell_types),
        digests=digests,
        **{name: getattr(frozen, name) for name in names},
    )


def _frame(columns: dict[str, list[Any]]) -> pd.DataFrame:
    frame = pd.DataFrame(columns)
    # What was not tested has no number: null in JSON.
    floats = [name for name in NUMBERS if not name.startswith("n_")]
    return frame.astype(dict.fromkeys(floats, float) | {"tested": bool, "significant": bool})


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _contiguous(values: Array) -> Array:
    return np.ascontiguousarray(values)
