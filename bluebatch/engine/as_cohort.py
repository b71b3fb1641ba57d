"""Samples answered as a cohort: what all of them differ in from the training data is learnt first.

It is learnt once, before the first row of a result is made, from samples spread over the cohort,
and kept in the result store. Whoever fills a partition reads it there, so that a sample's answer
depends on no partition, worker or block.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from bluebatch import errors
from bluebatch.engine import predict, task, unmixing
from bluebatch.expression import alignment
from bluebatch.run import partition
from bluebatch.store import places, read

Float = npt.NDArray[np.float32]

SETTING = "as_cohort"
# Of its digest among the inputs of a plan, and of what is told of it among a store's attributes.
ROLE = "cohort_shift"
MEANS = "baseline_mean_cpm"


class Predictor(predict.Predictor):
    """A predictor that takes a cohort's shift off its samples first.

    Attributes
    ----------
    alignment : np.ndarray or None, shape (input_gene,)
        That shift, log2 units.
    """

    alignment: Float | None = None

    def __call__(self, arrays: task.Arrays, first_row: int = 0) -> task.Arrays:
        """Predict a block of rows.

        Parameters
        ----------
        arrays : dict of str to np.ndarray
            As of `predict.Predictor`.
        first_row : int
            As of `predict.Predictor`.

        Returns
        -------
        dict of str to np.ndarray
            As of `predict.Predictor`.
        """
        if self.alignment is not None:
            aligned = alignment.apply(arrays["log_cpm"], self.alignment)
            arrays = {**arrays, "log_cpm": aligned}
        return super().__call__(arrays, first_row)


class Shift(NamedTuple):
    """What a cohort differs in from the training data.

    Parameters
    ----------
    alignment : np.ndarray, shape (input_gene,)
        Of its samples, log2 units.
    profile_shift : np.ndarray or None, shape (cell_type, gene)
        Of its profiles, log2 units; None where that cannot be learnt.
    n_samples : int
        From which it was learnt.
    why : str
        Why there is no shift of the profiles.
    """

    alignment: Float
    profile_shift: Float | None
    n_samples: int
    why: str = ""

    @property
    def arrays(self) -> task.Arrays:
        """Name the arrays as a result store holds them.

        Returns
        -------
        dict of str to np.ndarray
            One or two.
        """
        found = {"alignment": self.alignment}
        return (
            found if self.profile_shift is None else {**found, "profile_shift": self.profile_shift}
        )

    @property
    def digest(self) -> str:
        """Digest the arrays.

        Returns
        -------
        str
            Hexadecimal SHA-256.
        """
        total = hashlib.sha256()
        for name, values in sorted(self.arrays.items()):
            total.update(f"{name} {values.dtype} {values.shape}\n".encode())
            total.update(np.ascontiguousarray(values).tobytes())
        return total.hexdigest()

    @property
    def facts(self) -> dict[str, Any]:
        """Tell how it was learnt.

        Returns
        -------
        dict of str to Any
            JSON values, as a result store's attribute `ROLE`.
        """
        return {
            "n_samples": self.n_samples,
            "passes_of_alignment": alignment.PASSES,
            "learnt": list(self.arrays),
            "note": self.why,
        }

    def declare(self, result: task.Result, labels: Mapping[str, Sequence[str]]) -> task.Result:
        """Add what was learnt to the description of a result store.

        Parameters
        ----------
        result : task.Result
            Without it.
        labels : mapping of str to sequence of str
            Of the model.

        Returns
        -------
        task.Result
            With the arrays, told of in an attribute.
        """
        return result._replace(
            whole={**result.whole, **self.arrays},
            leave_out=[name for name in result.leave_out if name not in self.arrays],
            coordinates={**result.coordinates, "input_gene": labels["input_gene"]},
            attributes={**result.attributes, ROLE: self.facts},
        )

    @property
    def note(self) -> str:
        """Tell it in a line.

        Returns
        -------
        str
            For the user.
        """
        learnt = "alignment and profile shift" if not self.why else "alignment alone"
        return f"as a cohort: {learnt} from {self.n_samples:,} samples" + (
            f"; {self.why}" if self.why else ""
        )


def check(trained: task.Task, reader: task.Reader, store: read.Store) -> unmixing.Reader:
    """Refuse a model or cohort from which nothing can be learnt.

    Parameters
    ----------
    trained : task.Task
        The model.
    reader : task.Reader
        Of the cohort.
    store : read.Store
        The cohort.

    Returns
    -------
    unmixing.Reader
        The reader.

    Raises
    ------
    errors.ConfigError
        If the model is of another kind, or the samples are too few.
    errors.ForeignStoreError
        If the model knows no mean profiles.
    """
    if not isinstance(reader, unmixing.Reader):
        raise errors.ConfigError(
            f"--as-cohort: a model of kind {trained.card.kind!r} knows no cohorts, needed: a model "
            "that unmixes samples. Leave --as-cohort out."
        )
    if MEANS not in trained.arrays:
        raise errors.ForeignStoreError(
            f"--as-cohort: the model holds no {MEANS}, by which a cohort is compared with the "
            "training data. Train it again, or leave --as-cohort out."
        )
    require(store, store.n_rows)
    return reader


def thaw(job: partition.Job) -> Shift:
    """Read what was learnt when a run began.

    Parameters
    ----------
    job : partition.Job
        Begun, as a cohort.

    Returns
    -------
    Shift
        As it was learnt.

    Raises
    ------
    errors.ChangedInputError
        If it is not what it was.
    """
    group = read.open_group(job.path)
    try:
        with read.damaged_chunks(job.path, ROLE):
            facts: Any = group.attrs[ROLE]
            found = {name: np.asarray(group[name][...]) for name in facts["learnt"]}  # type: ignore[index]
        shift = Shift(
            found["alignment"],
            found.get("profile_shift"),
            int(facts["n_samples"]),
            str(facts["note"]),
        )
    except (errors.ForeignStoreError, LookupError, TypeError, FileNotFoundError) as error:
        raise _changed(job.path) from error
    if shift.digest != job.plan.inputs.get(ROLE):
        raise _changed(job.path)
    return shift


def require(store: read.Store, n_samples: int) -> None:
    """Refuse a cohort of too few samples.

    Parameters
    ----------
    store : read.Store
        The cohort.
    n_samples : int
        From which it would be learnt.

    Raises
    ------
    errors.ConfigError
        If there are fewer than `alignment.MIN_SAMPLES`.
    """
    if n_samples < alignment.MIN_SAMPLES:
        raise errors.ConfigError(
            f"{store.path}: --as-cohort learns from the samples, and has {n_samples} to learn "
            f"from, needed: {alignment.MIN_SAMPLES}. Give more at once, or leave --as-cohort out."
        )


def _changed(path: places.Place) -> errors.ChangedInputError:
    return errors.ChangedInputError(
        f"{path}: holds not what was learnt of the cohort when the run began. "
        "Begin again with --overwrite."
    )
