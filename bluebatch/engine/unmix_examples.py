"""What unmixing learns from: blocks of pseudobulks as inputs and targets."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from bluebatch.engine import stream, task, unmix_draws, unmix_settings
from bluebatch.expression import baselines, normalise
from bluebatch.store import genes, read

Float = npt.NDArray[np.float32]


class Examples:
    """A store of pseudobulks, matched to a model's genes once.

    Parameters
    ----------
    labels : mapping of str to sequence of str
        Of the model: ``input_gene`` and ``gene``.
    settings : unmix_settings.Settings
        What is read of each sample.
    store : read.Store
        Pseudobulks.
    """

    def __init__(
        self,
        labels: Mapping[str, Sequence[str]],
        settings: unmix_settings.Settings,
        store: read.Store,
    ) -> None:
        self._labels = labels
        self._settings = settings
        self._store = store
        self._inputs = genes.match(labels["input_gene"], store.labels["gene"]).index
        self._outputs = genes.match(labels["gene"], store.labels["profile_gene"]).index
        self._draws: unmix_draws.Draws | None = None

    def read(self, rows: slice) -> task.Arrays:
        """Read samples with what they were made of.

        Parameters
        ----------
        rows : slice
            Samples.

        Returns
        -------
        dict of str to np.ndarray
            ``log_cpm`` (n, input_gene), ``profile`` (n, cell_type, gene), ``fraction`` (n,
            cell_type), float32.
        """
        fraction = self._store.read(self._settings.mrna.target, rows)
        return self._learnable(self.log_cpm(rows), self.profile(rows), fraction)

    def draw(self, rows: slice, rng: np.random.Generator) -> task.Arrays:
        """Draw samples of the same design from other cells.

        Parameters
        ----------
        rows : slice
            Training samples.
        rng : np.random.Generator
            Source of randomness.

        Returns
        -------
        dict of str to np.ndarray
            As `read`.

        Raises
        ------
        errors.ForeignStoreError
            If the store holds no cells.
        """
        if self._draws is None:
            measured = self._store.labels["gene"]
            outputs = genes.match(self._labels["gene"], measured).index
            self._draws = unmix_draws.Draws(self._store, self._inputs, outputs)
        drawn = self._draws.draw(rows, rng)
        every = np.arange(len(self._inputs))
        library = drawn.library_size if self._over_library else None
        log_cpm = normalise.select_log_cpm(drawn.expression, every, library)
        profile = self._rescale(drawn.profile, drawn.n_cells)
        return self._learnable(log_cpm, profile, drawn.fractions[self._settings.mrna.target])

    def log_cpm(self, rows: slice) -> Float:
        """Read the inputs.

        Parameters
        ----------
        rows : slice
            Samples.

        Returns
        -------
        np.ndarray, shape (n, input_gene)
            Log2(1 + CPM) over the library or the panel.
        """
        library = self._store.read("library_size", rows) if self._over_library else None
        expression = self._store.read("expression", rows)
        return normalise.select_log_cpm(expression, self._inputs, library).astype(np.float32)

    def profile(self, rows: slice) -> Float:
        """Read the profiles.

        Parameters
        ----------
        rows : slice
            Samples.

        Returns
        -------
        np.ndarray, shape (n, cell_type, gene)
            Log2(1 + CPM) over the library or the panel; NaN where a profile is no target.
        """
        profile = self._store.read("profile", rows)[:, :, self._outputs]
        return self._rescale(profile, self._store.read("n_cells", rows))

    @property
    def _over_library(self) -> bool:
        return self._settings.panel.cpm_over == "library"

    def _rescale(self, profile: Float, n_cells: npt.NDArray[np.int32]) -> Float:
        if not self._over_library:
            cpm = normalise.counts_per_million(normalise.unlog_transform(profile))
            profile = normalise.log_transform(cpm).astype(np.float32)
        if self._settings.model.absent == "masked":
            profile[n_cells < self._settings.model.min_cells] = np.nan
        return profile

    def _learnable(self, log_cpm: Float, profile: Float, fraction: Float) -> task.Arrays:
        if self._settings.model.absent == "zeros":
            profile = np.nan_to_num(profile, copy=False)
        return {"log_cpm": log_cpm, "profile": profile, "fraction": fraction}


class Blocks:
    """A split as the baselines take it, as often as they ask: one block in memory at a time.

    Parameters
    ----------
    examples : Examples
        Of the store.
    split : stream.Split
        Which rows.
    store : read.Store
        Pseudobulks.
    """

    def __init__(self, examples: Examples, split: stream.Split, store: read.Store) -> None:
        self._examples, self._split, self._store = examples, split, store

    def __iter__(self) -> Iterator[task.Arrays]:
        for rows, kept in self._split.blocks:
            yield {
                "input": baselines.standard_input(self._examples.log_cpm(rows))[kept],
                "profile": self._examples.profile(rows)[kept],
                "proportion": self._store.read("proportion", rows)[kept],
            }
