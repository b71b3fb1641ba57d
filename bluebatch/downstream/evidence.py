"""What is known of the patients' samples: profiles, proportions and bulk, read as they are needed.

Results may be a profile store, a composition store (proportions alone) or a cohort store (bulk
alone, taken as the one "profile"). One cell type of all patients is held at a time.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from bluebatch import errors
from bluebatch.downstream import expression_rows
from bluebatch.store import places, read, schema

FloatArray = npt.NDArray[np.floating]
IntArray = npt.NDArray[np.int64]
Kind = Literal["profile", "cohort", "composition"]
# What the one "profile" of a cohort store is called.
BULK = "bulk"


@dataclasses.dataclass(frozen=True)
class Evidence:
    """Results of a cohort, and its bulk expression where it is at hand.

    Parameters
    ----------
    results : read.Store
        Profile, composition or cohort store.
    cohort : read.Store or None
        Store of the bulk expression.
    cohort_rows : dict of str to int
        Row of each sample in the cohort store.
    max_genes : int
        Genes of bulk that are read at most: the most variable ones.
    """

    results: read.Store
    cohort: read.Store | None
    cohort_rows: Mapping[str, int]
    max_genes: int

    @property
    def path(self) -> str:
        """Tell where the results stand.

        Returns
        -------
        str
            For messages.
        """
        return self.results.path

    @property
    def kind(self) -> Kind:
        """Tell what kind of store the results are.

        Returns
        -------
        {"profile", "cohort", "composition"}
            Its kind.
        """
        kind: Kind = self.results.spec.kind  # type: ignore[assignment]
        return kind

    @property
    def samples(self) -> list[str]:
        """Name the samples of the results.

        Returns
        -------
        list of str
            In the order of the store.
        """
        return self.results.labels["sample"]

    @property
    def cell_types(self) -> list[str]:
        """Name the cell types.

        Returns
        -------
        list of str
            Of a cohort store, the bulk as the only one.
        """
        return [BULK] if self.kind == "cohort" else self.results.labels["cell_type"]

    @property
    def stated_patients(self) -> list[str] | None:
        """Name the patient of each sample, where a store tells.

        Returns
        -------
        list of str or None
            In the order of `samples`.
        """
        for store in (self.results, self.cohort):
            if store is not None and store.has("patient"):
                patients = [str(name) for name in store.read("patient")]
                if store is self.results:
                    return patients
                return [
                    patients[self.cohort_rows[name]] if name in self.cohort_rows else name
                    for name in self.samples
                ]
        return None

    def genes(self) -> list[str]:
        """Name the genes of the profiles.

        Returns
        -------
        list of str
            Of a cohort store, all that it measures; empty without profiles.
        """
        return [] if self.kind == "composition" else self.results.labels["gene"]

    def profile(self, cell_type: str, rows: IntArray, wanted: Sequence[str]) -> FloatArray:
        """Read the profiles of one cell type.

        Parameters
        ----------
        cell_type : str
            Which.
        rows : np.ndarray of int, shape (patient,)
            Rows of the results, in any order.
        wanted : sequence of str
            Genes, from `genes`.

        Returns
        -------
        np.ndarray of float32, shape (patient, gene)
            Log2(1 + CPM); NaN in rows where the type is absent.

        Raises
        ------
        errors.LabelMismatchError
            If the store lacks the type or a gene.
        """
        if self.kind == "cohort":
            return expression_rows.log_cpm(self.results, rows, wanted)
        if cell_type not in self.cell_types:
            raise errors.LabelMismatchError(
                f"{self.path}: has no cell type {cell_type!r}, needed: one of "
                f"{', '.join(self.cell_types)}. Name one of those."
            )
        at = self.cell_types.index(cell_type)
        columns = expression_rows.columns(self.path, wanted, self.genes())
        found = np.empty((len(rows), len(wanted)), np.float32)
        for places_in, block in expression_rows.blocks(rows):
            found[places_in] = self.results.read_type("profile", block, at)[:, columns]
        return found

    def proportion(self, rows: IntArray) -> FloatArray | None:
        """Read the proportions.

        Parameters
        ----------
        rows : np.ndarray of int, shape (patient,)
            Rows of the results, in any order.

        Returns
        -------
        np.ndarray of float64, shape (patient, cell_type), or None
            None for a cohort store.
        """
        if self.kind == "cohort":
            return None
        return np.asarray(self.results.read("proportion"), dtype=np.float64)[rows]

    def skill(self, cell_type: str) -> FloatArray | None:
        """Read how well each gene of a cell type is predicted.

        Parameters
        ----------
        cell_type : str
            Which.

        Returns
        -------
        np.ndarray, shape (gene,), or None
            1 - MSE / MSE of the training mean; None where the store does not tell.
        """
        if self.kind != "profile" or not self.results.has("skill"):
            return None
        skill: FloatArray = self.results.read("skill")[self.cell_types.index(cell_type)]
        return skill if np.isfinite(skill).any() else None

    def bulk_store(self) -> read.Store | None:
        """Find the store of the bulk expression.

        Returns
        -------
        read.Store or None
            The cohort, or the results where they are one.
        """
        return self.results if self.kind == "cohort" else self.cohort

    def bulk(self, rows: IntArray, wanted: Sequence[str]) -> FloatArray:
        """Read bulk expression.

        Parameters
        ----------
        rows : np.ndarray of int, shape (patient,)
            Rows of the results, in any order.
        wanted : sequence of str
            Genes that the cohort measures.

        Returns
        -------
        np.ndarray of float32, shape (patient, gene)
            Log2(1 + CPM), over all genes that the cohort measures.

        Raises
        ------
        errors.LabelMismatchError
            If the cohort lacks one of the samples or genes, or there is none.
        """
        store = self.bulk_store()
        if store is None:
            raise errors.LabelMismatchError(
                f"{self.path}: no bulk expression is at hand. Give it with --cohort."
            )
        if store is self.results:
            return expression_rows.log_cpm(store, rows, wanted)
        self.check_bulk(rows)
        own = np.array([self.cohort_rows[self.samples[row]] for row in rows], np.int64)
        return expression_rows.log_cpm(store, own, wanted)

    def check_bulk(self, rows: IntArray) -> None:
        """Refuse a cohort that lacks some of the samples; without a cohort there is none to lack.

        Parameters
        ----------
        rows : np.ndarray of int, shape (patient,)
            Rows of the results, in any order.

        Raises
        ------
        errors.LabelMismatchError
            If the cohort lacks one of the samples.
        """
        if self.cohort is None:
            return
        names = [self.samples[row] for row in rows]
        missing = [name for name in names if name not in self.cohort_rows]
        if missing:
            raise errors.LabelMismatchError(
                f"{self.cohort.path}: lacks {len(missing):,} of the {len(names):,} samples of "
                f"{self.path} (first: {missing[0]}). Give the cohort that the results were made "
                "from."
            )

    def variable_genes(self, rows: IntArray) -> list[str]:
        """Choose the genes of bulk that vary most, in one streamed pass.

        Parameters
        ----------
        rows : np.ndarray of int, shape (patient,)
            Rows of the results that are looked at.

        Returns
        -------
        list of str
            At most `max_genes`, in the order of the store; those that never vary are left out.
        """
        store = self.bulk_store()
        if store is None:
            return []
        names = store.labels["gene"]
        blocks = range(0, len(rows), schema.ROWS_PER_CHUNK)
        read_rows = (self.bulk(rows[at : at + schema.ROWS_PER_CHUNK], names) for at in blocks)
        return [names[at] for at in expression_rows.most_variable(read_rows, self.max_genes)]


def open_evidence(
    results: str | places.Place,
    cohort: str | places.Place | None = None,
    max_genes: int = 10_000,
) -> Evidence:
    """Open results, and the cohort that they were made from.

    Parameters
    ----------
    results : str, pathlib.Path or upath.UPath
        Profile, composition or cohort store, complete.
    cohort : str, pathlib.Path, upath.UPath or None
        Cohort store.
    max_genes : int
        Genes of bulk that are read at most.

    Returns
    -------
    Evidence
        Nothing of the profiles is read yet.

    Raises
    ------
    errors.BluebatchError
        If a store cannot be opened or is of another kind, or the cohort has none of the samples.
    """
    store = read.open_store(results, "profile", "composition", "cohort")
    if cohort is None:
        return Evidence(store, None, {}, max_genes)
    bulk = read.open_store(cohort, "cohort")
    rows = {name: row for row, name in enumerate(bulk.labels["sample"])}
    shared = [name for name in store.labels["sample"] if name in rows]
    if not shared:
        raise errors.LabelMismatchError(
            f"{cohort}: has none of the {store.n_rows:,} samples of {results} (first there: "
            f"{store.labels['sample'][0]}, here: {bulk.labels['sample'][0]}). Give the cohort that "
            "the results were made from."
        )
    return Evidence(store, bulk, rows, max_genes)
