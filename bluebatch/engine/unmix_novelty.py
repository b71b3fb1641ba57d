"""Flags of samples that an unmixing model was not made for: learnt with it, judged at inference."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from bluebatch.engine import stream, task
from bluebatch.expression import normalise, novelty, novelty_learning
from bluebatch.store import genes, read

FACT = "flags"
# Of the training store: more rows say no more.
LARGEST_BLOCKS = 16
# Of working arrays, float64, for each gene and row of a group.
WORKING_ARRAYS = 16
MEANINGS = {
    "domain_distance": "mean deviation, over genes, from the best mix of the training profiles",
    "missing_type": (
        "deviation of the genes that tell cell types apart beyond the others'; a cell state that "
        "the reference lacks raises it too, and a type close to a known one hardly does; where "
        "domain_distance is far above 1 it has little power"
    ),
    "reconstruction_error": "RMSE of the recombined profiles against the sample",
}

Array = npt.NDArray[Any]


class Blocks:
    """Some blocks of a split as `novelty_learning.fit` takes them, as often as it asks.

    Parameters
    ----------
    learner : task.Task
        It says which rows.
    store : read.Store
        Pseudobulks.
    split : str
        ``"train"``, ``"validation"`` or ``"test"``.
    """

    def __init__(self, learner: task.Task, store: read.Store, split: str) -> None:
        self._store = store
        self._blocks = stream.Split(learner, store, split).blocks[:LARGEST_BLOCKS]
        references = store.attributes.get("references") or []
        self._codes = {each["name"]: code for code, each in enumerate(references)}
        self.n_references = len(self._codes)
        self.n_rows = sum(len(block.kept) for block in self._blocks)

    def __iter__(self) -> Iterator[task.Arrays]:
        mixed = len(self._codes)
        for rows, kept in self._blocks:
            source = self._store.read("source", rows)[kept]
            yield {
                "cpm": self.cpm(rows)[kept],
                "rna_fraction": self._store.read("rna_fraction", rows)[kept],
                "source": np.array([self._codes.get(name, mixed) for name in source]),
            }

    def cpm(self, rows: slice) -> Array:
        """Read samples.

        Parameters
        ----------
        rows : slice
            Of the store.

        Returns
        -------
        np.ndarray of float32, shape (n, gene)
            CPM over all genes of the store.
        """
        expression = self._store.read("expression", rows)
        return normalise.counts_per_million(expression, self._store.read("library_size", rows))


def learn(learner: task.Task, store: read.Store) -> task.Arrays:
    """Learn what training samples look like, and where held-out ones end.

    Parameters
    ----------
    learner : task.Task
        Outlined.
    store : read.Store
        Pseudobulks.

    Returns
    -------
    dict of str to np.ndarray
        Named ``novelty_...``; nothing where there are fewer than two cell types, fewer than
        `novelty.LEAST_GENES` genes, or fewer than `novelty_learning.LEAST_ROWS` validation samples.
    """
    training, held_out = (Blocks(learner, store, name) for name in ("train", "validation"))
    if held_out.n_rows < novelty_learning.LEAST_ROWS or not training.n_references:
        return {}
    fitted = novelty_learning.fit(training, training.n_rows, training.n_references)
    if fitted is None:
        return {}
    scores = np.concatenate([fitted.score(block["cpm"][:, fitted.gene]) for block in held_out])
    if np.isfinite(scores).all(axis=1).sum() < novelty_learning.LEAST_ROWS:
        return {}
    return novelty_learning.calibrate(fitted, scores).arrays()


def held_bytes(store: read.Store) -> int:
    """Price learning.

    Parameters
    ----------
    store : read.Store
        Pseudobulks.

    Returns
    -------
    int
        At most, beside a block of examples.
    """
    n_genes, n_types = (len(store.labels[axis]) for axis in ("gene", "cell_type"))
    n_references = len(store.attributes.get("references") or [])
    profiles = 8 * n_genes * n_types * (4 * n_references + 6)
    block = 20 * stream.BLOCK_ROWS * n_genes
    n_judged = min(n_genes, novelty_learning.N_GENES)
    kept = 8 * n_judged * novelty_learning.N_ROWS * 8
    return profiles + block + kept


class Judge:
    """The flags of one cohort's samples.

    Parameters
    ----------
    fitted : novelty.Novelty
        Of the model.
    library_gene : list of str
        All genes of the training store.
    store : read.Store
        Cohort or pseudobulks.
    """

    def __init__(self, fitted: novelty.Novelty, library_gene: list[str], store: read.Store) -> None:
        wanted = [library_gene[at] for at in fitted.gene]
        self._fitted = fitted
        self._columns = genes.match(wanted, store.labels["gene"]).index

    @classmethod
    def find(
        cls, arrays: Mapping[str, Array], labels: Mapping[str, list[str]], store: read.Store
    ) -> "Judge | None":
        """Find what a model has learnt.

        Parameters
        ----------
        arrays : mapping of str to np.ndarray
            Of the model.
        labels : mapping of str to list of str
            Of the model.
        store : read.Store
            Cohort or pseudobulks.

        Returns
        -------
        Judge or None
            None where it has learnt nothing of the kind.
        """
        fitted = novelty.Novelty.from_arrays(arrays)
        return None if fitted is None else cls(fitted, labels["library_gene"], store)

    @property
    def row_bytes(self) -> int:
        """Price a sample.

        Returns
        -------
        int
            Bytes while it is judged, if blocks are not smaller than a micro-batch.
        """
        working = 8 * WORKING_ARRAYS * novelty.GROUP_ROWS // 64
        return (12 + working) * len(self._columns)

    def judge(self, expression: Array, library_size: Array) -> task.Arrays:
        """Judge samples, each by itself.

        Parameters
        ----------
        expression : np.ndarray, shape (n, gene)
            As the cohort holds it, linear.
        library_size : np.ndarray, shape (n,)
            Over the training genes that it measures.

        Returns
        -------
        dict of str to np.ndarray of float32, shape (n,)
            By the names of `novelty.NAMES`; NaN where too little is measured.
        """
        chosen = np.take(expression, self._columns, axis=1)
        chosen[:, self._columns < 0] = np.nan
        scores = self._fitted.score(normalise.counts_per_million(chosen, library_size))
        return dict(zip(novelty.NAMES, scores.T.astype(np.float32), strict=True))


def describe(judged: bool, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Name the limits for a result.

    Parameters
    ----------
    judged : bool
        Whether the result has the arrays of `novelty.NAMES`.
    facts : mapping of str to Any
        Of the model's card.

    Returns
    -------
    dict of str to Any
        Attribute ``flag_limits``: by array ``limit``, ``meaning``, ``calibrated_on`` and
        ``expected``, the share of such samples above it; nothing where no limit is known.
    """
    known = facts.get(FACT)
    if not known:
        return {}
    limits = dict.fromkeys(novelty.NAMES, 1.0) if judged else {}
    limits["reconstruction_error"] = known["reconstruction_error"]
    return {
        "flag_limits": {
            name: {
                "limit": limit,
                "meaning": MEANINGS[name],
                "calibrated_on": f"{known['n_samples']:,} held-out pseudobulks",
                "expected": novelty_learning.EXPECTED,
            }
            for name, limit in limits.items()
        }
    }


def calibrate(reconstruction_error: Array) -> dict[str, Any]:
    """Set the limit of the reconstruction error.

    Parameters
    ----------
    reconstruction_error : np.ndarray, shape (sample,)
        Of held-out samples.

    Returns
    -------
    dict of str to Any
        Fact ``flags`` of a model's card; nothing for fewer than `novelty_learning.LEAST_ROWS`.
    """
    known = reconstruction_error[np.isfinite(reconstruction_error)]
    if len(known) < novelty_learning.LEAST_ROWS:
        return {}
    limit = float(np.quantile(known, 1 - novelty_learning.EXPECTED))
    return {FACT: {"reconstruction_error": round(limit, 6), "n_samples": len(known)}}
