"""What a report knows: a results store's values by sample and by type, model and cohort."""

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt

from bluebatch import errors
from bluebatch.store import digests, genes, model_folder, places, read

Array = npt.NDArray[Any]
# Of each sample one number, where the store has them.
MEASURES = ("gene_coverage", "reconstruction_error", "domain_distance", "missing_type")


@dataclasses.dataclass(frozen=True)
class Facts:
    """All of a results store but its profiles.

    Parameters
    ----------
    store : read.Store
        Results: a profile, composition or cohort store.
    digest : str
        Of the store.
    proportion : np.ndarray, shape (sample, cell_type)
        Fractions of cells; no columns for a cohort store.
    interval : tuple of np.ndarray or None
        Lower and upper ends, shape (sample, cell_type) each.
    measures : dict of str to np.ndarray, shape (sample,)
        Those of `MEASURES` that are there.
    skill : np.ndarray or None, shape (cell_type, gene)
        Held-out skill of the model.
    markers : dict of str to list of str
        Genes that mark each type, best first; empty where no one names them.
    card : model_folder.Card or None
        Of the model.
    cohort : read.Store or None
        What the results were made from; a cohort store itself.
    notes : list of str
        What does not fit together.
    """

    store: read.Store
    digest: str
    proportion: Array
    interval: tuple[Array, Array] | None
    measures: dict[str, Array]
    skill: Array | None
    markers: dict[str, list[str]]
    card: model_folder.Card | None
    cohort: read.Store | None
    notes: list[str]

    @property
    def kind(self) -> str:
        """Tell what kind of store the results are.

        Returns
        -------
        str
            "profile", "composition" or "cohort".
        """
        return self.store.spec.kind

    @property
    def samples(self) -> list[str]:
        """Name the samples.

        Returns
        -------
        list of str
            In the order of the store.
        """
        return self.store.labels["sample"]

    @property
    def cell_types(self) -> list[str]:
        """Name the cell types.

        Returns
        -------
        list of str
            In the order of the store; none of a cohort store.
        """
        return self.store.labels.get("cell_type", [])

    @property
    def genes(self) -> list[str]:
        """Name the genes of the profiles.

        Returns
        -------
        list of str
            In the order of the store; none where it holds no profiles.
        """
        return self.store.labels["gene"] if self.kind == "profile" else []

    @property
    def attributes(self) -> dict[str, Any]:
        """Give the store's root attributes.

        Returns
        -------
        dict of str to Any
            Settings, digests, what was matched.
        """
        return self.store.attributes

    def marker_coverage(self) -> dict[str, float]:
        """Find how much of each type's markers was measured.

        Returns
        -------
        dict of str to float
            0 to 1; empty where it is not known.
        """
        stored = self.attributes.get("marker_coverage")
        if isinstance(stored, dict) and stored:
            return {name: float(share) for name, share in stored.items()}
        if self.cohort is None or not self.markers:
            return {}
        measured = self.cohort.labels["gene"]
        return {
            name: genes.match(wanted, measured).coverage
            for name, wanted in self.markers.items()
            if wanted
        }


def collect(
    results: str | places.Place,
    model: str | places.Place | None = None,
    cohort: str | places.Place | None = None,
) -> Facts:
    """Read what a report needs; the profiles stay on the disk.

    Parameters
    ----------
    results : str, pathlib.Path or upath.UPath
        Profile, composition or cohort store, complete.
    model : str, pathlib.Path or upath.UPath, optional
        The folder of the model that made it.
    cohort : str, pathlib.Path or upath.UPath, optional
        The store that it was made from.

    Returns
    -------
    Facts
        A few numbers a sample.

    Raises
    ------
    errors.BluebatchError
        If something cannot be read, the results are unfinished, or model or cohort are of other
        genes, types or samples.
    """
    store = read.open_store(results, "profile", "composition", "cohort")
    card = None if model is None else _card(store, model)
    opened = store if store.spec.kind == "cohort" else None
    if cohort is not None:
        opened = _cohort(store, cohort)
    interval = None
    if store.has("proportion_low") and store.has("proportion_high"):
        interval = store.read("proportion_low"), store.read("proportion_high")
    return Facts(
        store=store,
        digest=digests.of_store(results),
        proportion=_proportion(store),
        interval=interval,
        measures={name: store.read(name) for name in MEASURES if store.has(name)},
        skill=store.read("skill") if store.has("skill") else None,
        markers=_markers(store, card),
        card=card,
        cohort=opened,
        notes=_notes(store, cohort),
    )


def _proportion(store: read.Store) -> Array:
    if store.spec.kind == "cohort":
        return np.zeros((store.n_rows, 0), np.float32)
    return store.read("proportion")


def _card(store: read.Store, model: str | places.Place) -> model_folder.Card:
    if store.spec.kind != "profile":
        raise errors.ConfigError(
            f"{model}: no model made {store.path}, a {store.spec.kind} store. Leave --model out, "
            "or give the results that the model made."
        )
    card = model_folder.read_card(model)
    for axis in ("cell_type", "gene"):
        if card.labels.get(axis) != store.labels[axis]:
            raise errors.LabelMismatchError(
                f"{model}: its {len(card.labels.get(axis, [])):,} labels of {axis} are not the "
                f"{len(store.labels[axis]):,} of {store.path}. Give the model that the results "
                "were made with, or leave --model out."
            )
    return card


def _cohort(store: read.Store, cohort: str | places.Place) -> read.Store:
    opened = read.open_store(cohort, "cohort", "pseudobulk")
    own = opened.labels["sample"]
    if not set(own) & set(store.labels["sample"]):
        raise errors.LabelMismatchError(
            f"{cohort}: none of its {len(own):,} samples (first: {own[0] if own else 'none'}) is "
            f"among the {store.n_rows:,} of {store.path}. Give the cohort that the results were "
            "made from, or leave --cohort out."
        )
    return opened


def _markers(store: read.Store, card: model_folder.Card | None) -> dict[str, list[str]]:
    found = card.facts.get("markers") if card is not None else None
    found = found or store.attributes.get("markers")
    if not isinstance(found, dict):
        return {}
    return {name: list(found.get(name) or []) for name in store.labels["cell_type"]}


def _notes(store: read.Store, cohort: str | places.Place | None) -> list[str]:
    expected = store.attributes.get("cohort_digest")
    if cohort is None or expected is None or expected == digests.of_store(cohort):
        return []
    return [f"{places.place(cohort).name} is not, or no longer, what the results were made from"]
