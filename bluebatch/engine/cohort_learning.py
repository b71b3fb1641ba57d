"""Learning what a cohort differs in from the training data, by predicting its samples."""

import concurrent.futures
from typing import Any

import numpy as np
import numpy.typing as npt

from bluebatch.engine import as_cohort, blocks, pipeline, task, unmix_profiles, unmixing
from bluebatch.expression import alignment, cohort_shift
from bluebatch.store import genes, read

Float = npt.NDArray[np.float32]
_Numbers = npt.NDArray[Any]

# More samples change little, and are held in memory.
MOST_SAMPLES = 1000
# Read together: a chunk holds many samples, and is read whole for one of them.
RUN_ROWS = 8


def learn(
    trained: task.Task,
    reader: unmixing.Reader,
    store: read.Store,
    predictor: as_cohort.Predictor,
    n_lanes: int = 1,
) -> as_cohort.Shift:
    """Learn what a cohort differs in from the training data.

    Parameters
    ----------
    trained : task.Task
        The model.
    reader : unmixing.Reader
        Of the cohort.
    store : read.Store
        The cohort.
    predictor : as_cohort.Predictor
        The loaded model; it aligns its samples afterwards.
    n_lanes : int
        Micro-batches computed at a time.

    Returns
    -------
    as_cohort.Shift
        The same bits for any number of lanes.

    Raises
    ------
    errors.ConfigError
        If too few samples have a measured gene.
    """
    log_cpm = _read(reader, store.n_rows)
    as_cohort.require(store, len(log_cpm))
    with pipeline.open_lanes(n_lanes) as lanes:
        return _Learner(trained, reader, predictor, log_cpm, lanes).learn()


def held_bytes(trained: task.Task, micro_batch: int) -> int:
    """Price what is held while a shift is learnt, beside networks and a micro-batch of theirs.

    Parameters
    ----------
    trained : task.Task
        The model.
    micro_batch : int
        Rows that the networks see at once.

    Returns
    -------
    int
        Bytes.
    """
    n_inputs, n_genes, n_types = (
        len(trained.card.labels[axis]) for axis in ("input_gene", "gene", "cell_type")
    )
    # Samples, their mixtures, and float64 values of these; then sums, and the same to be solved.
    samples = MOST_SAMPLES * n_inputs * (4 + 4 + 3 * 8)
    sums = 8 * n_genes * 3 * n_types * (n_types + 1)
    return max(
        samples, 4 * MOST_SAMPLES * n_inputs + sums + 4 * 8 * micro_batch * n_types * n_genes
    )


class _Learner:
    """The samples that a shift is learnt from, and what predicts them."""

    def __init__(
        self,
        trained: task.Task,
        reader: unmixing.Reader,
        predictor: as_cohort.Predictor,
        log_cpm: Float,
        lanes: concurrent.futures.Executor,
    ) -> None:
        self._reader, self._predictor, self._lanes = reader, predictor, lanes
        self._log_cpm, self._variance = log_cpm, trained.arrays.get(unmix_profiles.SURPRISE)
        labels = trained.card.labels
        read_at = genes.match(labels["input_gene"], labels["gene"]).index
        self._means = _take(trained.arrays[as_cohort.MEANS].astype(np.float64), read_at)
        self._written_at = genes.match(labels["gene"], labels["input_gene"]).index

    def learn(self) -> as_cohort.Shift:
        aligned, n_samples = self._align(), len(self._log_cpm)
        if self._variance is None:
            why = "the model shares no surprise out, so its profiles stay as they are"
        elif n_samples < cohort_shift.MIN_SAMPLES:
            why = f"a profile shift needs {cohort_shift.MIN_SAMPLES}"
        else:
            return as_cohort.Shift(aligned, self._shift_profiles(self._variance), n_samples)
        return as_cohort.Shift(aligned, None, n_samples, why)

    def _align(self) -> Float:
        self._predictor.alignment = None
        fraction = self._compose(self._log_cpm)
        aligned = np.zeros(self._log_cpm.shape[1], np.float32)
        for _ in range(alignment.PASSES):
            mixed = alignment.mixture(fraction, self._means)
            mixed[~np.isfinite(self._log_cpm)] = np.nan
            # A mixture has nothing to be taken off.
            self._predictor.alignment = None
            aimed = alignment.aim(fraction, self._compose(mixed))
            aligned = alignment.estimate(alignment.surprise(self._log_cpm, aimed, self._means))
            self._predictor.alignment = aligned
            fraction = self._compose(self._log_cpm)
        return aligned

    def _shift_profiles(self, variance: Float) -> Float:
        shift = np.zeros(variance.shape)
        for _ in range(cohort_shift.PASSES):
            sums = cohort_shift.Sums(*variance.shape)
            # One after the other, added in this order.
            for start in self._starts():
                predictions = self._predict(self._log_cpm, start)
                fraction = self._reader.compose(predictions).rna_fraction
                sample = _take(self._log_cpm[start : start + len(fraction)], self._written_at)
                sums.add(predictions["profile"], variance, fraction, sample, shift)
            shift = sums.solve()
        return shift.astype(np.float32)

    def _compose(self, log_cpm: Float) -> _Numbers:
        def compose(start: int) -> _Numbers:
            return self._reader.compose(self._predict(log_cpm, start)).rna_fraction

        return np.concatenate(list(self._lanes.map(compose, self._starts())))

    def _predict(self, log_cpm: Float, start: int) -> task.Arrays:
        stop = start + self._predictor.micro_batch
        return self._predictor({"log_cpm": log_cpm[start:stop]}, start)

    def _starts(self) -> range:
        return range(0, len(self._log_cpm), self._predictor.micro_batch)


def _read(reader: unmixing.Reader, n_rows: int) -> Float:
    """Read the samples to learn from, but for those in which nothing was measured."""
    if n_rows <= MOST_SAMPLES:
        step = blocks.BLOCK_ROWS
        starts = list(range(0, n_rows, step))
    else:
        n_runs, step = MOST_SAMPLES // RUN_ROWS, RUN_ROWS
        starts = [run * (n_rows - step) // (n_runs - 1) for run in range(n_runs)]
    parts = []
    for start in starts:
        log_cpm = reader.inputs(slice(start, min(start + step, n_rows)))["log_cpm"]
        parts.append(log_cpm[np.isfinite(log_cpm).any(axis=1)])
    return np.concatenate(parts)


def _take(values: _Numbers, columns: npt.NDArray[np.int64]) -> _Numbers:
    """Take columns; NaN where there is none."""
    taken = np.take(values, columns, axis=1)
    taken[:, columns < 0] = np.nan
    return taken
